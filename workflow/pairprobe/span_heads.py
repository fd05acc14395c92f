"""Boundary: a linear start/end head for each layer, trained on frozen activations, and how it ranks the gold position.

A head gives each word of a sentence a start and an end logit, w . z, z being the word's activations standardised over the
training words; the loss is the cross-entropy of the gold position among the sentence's words, plus l2/2 * |w|^2. That is
convex, so training goes to the optimum (L-BFGS from zero, in float64): no learning rate, no order of examples.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from pairprobe import files
from pairprobe.errors import InputError
from pairprobe.examples import Example, answer_sentence, chosen
from pairprobe.progress import log, track
from pairprobe.store import Activations

MEASURES = ("start", "end")
MAX_ITERATIONS = 200
# What gives a sentence's words and its gold positions, as ``gold`` does; other positions are a control.
Labels = Callable[[Example, np.ndarray], tuple[np.ndarray, tuple[int, int]] | None]


def gold(example: Example, vectors: np.ndarray) -> tuple[np.ndarray, tuple[int, int]] | None:
    """Return the words of an example's sentence that have a vector, and the gold start and end among them.

    vectors: (layers, words, hidden) of the sentence. Returns positions (n,) and (start, end), both inclusive; None where
    the answer has no word with a vector, or the sentence has one word only.
    """
    sentence = answer_sentence(example)
    words = np.flatnonzero(~np.isnan(vectors[0, :, 0]))
    inside = np.flatnonzero((words >= example.answer[0] - sentence[0]) & (words < example.answer[1] - sentence[0]))
    if len(inside) == 0 or len(words) < 2:
        return None
    return words, (int(inside[0]), int(inside[-1]))


def train(
    examples: Iterable[Example],
    activations: Activations,
    path: str,
    seed: int,
    at_most: int | None = None,
    l2: float = 0.1,
    labels: Labels = gold,
) -> None:
    """Train the heads of every layer and write them: ``weights`` (layers, 2, hidden), ``mean``, ``scale`` (layers, hidden).

    examples: those of the partition ``head``, of which at most so many are taken. activations: of the view ``sentence``.
    Raises InputError where no example has an answer and activations.
    """
    import torch  # here, so that ranking with heads that are trained does not wait for it

    candidates = [e for e in examples if e.answer is not None and e.example_id in activations]
    taken = chosen((e.example_id for e in candidates), at_most, seed)
    sentences, targets = [], []
    for example in candidates:
        if example.example_id in taken:
            _, vectors = activations[example.example_id]
            found = labels(example, vectors)
            if found is not None:
                sentences.append(len(found[0]))
                targets.append((example.example_id, *found))
    if not targets:
        raise InputError(
            "boundary: the partition head has no example with a short answer and activations, so no head can be trained. "
            "Give partitions.head a larger share, or leave the task boundary out."
        )
    log.info("training on %d sentences, %d words", len(targets), sum(sentences))
    weights, means, scales = [], [], []
    for layer in track(range(activations.layers), activations.layers, "span heads", "layers"):
        words = [activations.layer(name, layer)[1][positions] for name, positions, _ in targets]
        features = torch.from_numpy(np.concatenate(words)).double()
        mean, scale = features.mean(0), features.std(0).clamp_min(1e-6)
        positions = torch.tensor([span for _, _, span in targets])
        weights.append(fit((features - mean) / scale, sentences, positions, l2).numpy())
        means.append(mean.numpy())
        scales.append(scale.numpy())
    with files.whole(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, weights=np.stack(weights), mean=np.stack(means), scale=np.stack(scales))


def fit(features, sentences: list[int], gold_positions, l2: float):
    """Fit one layer's head. features: (words, hidden), sentence after sentence; sentences: how many words each has.

    gold_positions: (sentences, 2), start and end within their sentence. Tensors; returns (2, hidden).
    """
    import torch

    sizes = torch.tensor(sentences)
    rows = torch.repeat_interleave(torch.arange(len(sizes)), sizes)
    columns = torch.cat([torch.arange(size) for size in sentences])
    weights = torch.zeros(2, features.shape[1], dtype=features.dtype, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [weights], max_iter=MAX_ITERATIONS, tolerance_grad=1e-7, tolerance_change=1e-12, line_search_fn="strong_wolfe"
    )

    def loss():
        optimizer.zero_grad()
        logits = torch.full((len(sizes), int(sizes.max()), 2), -torch.inf, dtype=features.dtype)
        logits = logits.index_put((rows, columns), features @ weights.T)
        chosen_logits = logits.gather(1, gold_positions[:, None, :])[:, 0]
        value = (logits.logsumexp(1) - chosen_logits).sum(1).mean() + l2 / 2 * weights.square().sum()
        value.backward()
        return value

    optimizer.step(loss)
    return weights.detach()


@dataclass(frozen=True, slots=True)
class Heads:
    """Trained heads: weights (layers, 2, hidden), and mean and scale of the activations, (layers, hidden)."""

    weights: np.ndarray
    mean: np.ndarray
    scale: np.ndarray

    def logits(self, layer: int, vectors: np.ndarray) -> np.ndarray:
        """Return the start and end logits of words, (2, words), in float64. vectors: (words, hidden), of the layer."""
        features = (vectors.astype(np.float64) - self.mean[layer]) / self.scale[layer]
        return np.einsum("wh,sh->sw", features, self.weights[layer])


def read(path: str) -> Heads:
    """Read the file that ``train`` writes."""
    with np.load(path, allow_pickle=False) as stored:
        return Heads(stored["weights"], stored["mean"], stored["scale"])


def has_vector(activations, example_id: str) -> np.ndarray:
    """Return which words of a sentence have a vector: (words,), bool. activations: as ``gold_logits`` takes them."""
    if isinstance(activations, Activations):
        return ~np.isnan(activations[example_id][1][0, :, 0])
    return ~np.isnan(activations.logits(example_id)[0, 0])


def gold_logits(
    examples: Iterable[Example],
    activations,
    heads: str,
    boundaries: Iterable[dict],
    seed: int,
    at_most: int | None = None,
    labels: Labels = gold,
) -> Iterator[tuple[str, str, np.ndarray, int]]:
    """Yield (example_id, measure, logits, gold): the logits (layers, words) of a probe sentence, and the gold position.

    measure: "start" or "end". activations: a ``store.Activations`` of the view ``sentence``, or the logits that were kept
    in its place (``similarities.OfTask``). boundaries: the rows of the probing set, of which at most so many are taken. A
    sentence's words are those that have a vector; an answer without any is left out, with a warning.
    """
    trained = read(heads) if isinstance(activations, Activations) else None
    boundaries = list(boundaries)
    taken = chosen((row["example_id"] for row in boundaries if row["example_id"] in activations), at_most, seed)
    by_id = {example.example_id: example for example in examples if example.example_id in taken}
    for row in track([row for row in boundaries if row["example_id"] in by_id], len(by_id), "ranking boundary", "pairs"):
        name = row["example_id"]
        # Of kept logits, labels see which words have any, as of vectors.
        vectors = activations[name][1] if trained else activations.logits(name)[0][..., None]
        found = labels(by_id[name], vectors)
        if found is None:
            log.warning("example %s: its answer has no word with a vector; left out", name)
            continue
        words, span = found
        if trained:
            logits = np.stack([trained.logits(layer, of_layer[words]) for layer, of_layer in enumerate(vectors)], axis=1)
        else:
            logits = activations.logits(name)[..., words]
        for measure, of_measure, position in zip(MEASURES, logits, span, strict=True):
            yield name, measure, of_measure, position
