"""Boundary: a linear start/end head for each layer, trained on frozen activations, and how it ranks the gold position.

A head gives each word of a sentence a start and an end logit, w . z, z being the word's activations standardised over the
training words; the loss is the cross-entropy of the gold position among the sentence's words, plus l2/2 * |w|^2. The
loss is convex, so training goes to its optimum (L-BFGS from zero, in float64), without a learning rate or an order of
examples.

Reading the activations from memory takes most of the time. They are held in float32, one layer at a time, and converted to
float64 in blocks that fit into a core's cache. Several threads are slower than one, and one solver for all layers takes
twice as many steps as one for each.
"""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pairprobe.activations.store import WordVectors
from pairprobe.data.examples import Example, answer_sentence
from pairprobe.data.sampling import subsample
from pairprobe.errors import InputError
from pairprobe.io import arrays
from pairprobe.io.progress import log, track

if TYPE_CHECKING:
    from pairprobe.probing_sets.pairs import BoundaryRow

MEASURES = ("start", "end")
MAX_ITERATIONS = 200
# Features that vary by less are divided by this, not by their own standard deviation.
LEAST_SCALE = 1e-6
# Bytes of features, in float64, that stay in a core's cache while they are used.
BLOCK = 1 << 20
# What gives a sentence's words and its gold positions, as ``gold`` does; other positions are a control.
Labels = Callable[[Example, np.ndarray], tuple[np.ndarray, tuple[int, int]] | None]
# A sentence to train on: its example, its words and their gold positions.
Target = tuple[str, np.ndarray, tuple[int, int]]


def gold(example: Example, has_vector: np.ndarray) -> tuple[np.ndarray, tuple[int, int]] | None:
    """Return the words of an example's sentence that have a vector, and the gold start and end among them.

    has_vector: (words,), bool, of the sentence. Returns positions (n,) and (start, end), both inclusive; None where the
    answer has no word with a vector, or the sentence has one word only.
    """
    sentence = answer_sentence(example)
    if sentence is None or example.answer is None:
        return None
    words = np.flatnonzero(has_vector)
    inside = np.flatnonzero((words >= example.answer[0] - sentence[0]) & (words < example.answer[1] - sentence[0]))
    if len(inside) == 0 or len(words) < 2:
        return None
    return words, (int(inside[0]), int(inside[-1]))


def train(
    examples: Iterable[Example],
    activations: WordVectors,
    path: str | None,
    seed: int,
    at_most: int | None = None,
    l2: float = 0.1,
    labels: Labels = gold,
) -> "Heads":
    """Train the heads of every layer, write them where a path is given, and return them.

    examples: those of the partition ``head``, of which at most so many are taken. activations: of the view ``sentence``.
    Raises InputError where no example has an answer and activations.
    """
    candidates = [e for e in examples if e.answer is not None and e.example_id in activations]
    taken = subsample((e.example_id for e in candidates), at_most, seed)
    targets: list[Target] = []
    for example in candidates:
        if example.example_id in taken:
            found = labels(example, ~np.isnan(activations.layer(example.example_id, 0)[1][:, 0]))
            if found is not None:
                targets.append((example.example_id, *found))
    if not targets:
        raise InputError(
            "boundary: the partition head has no example with a short answer and activations, so no head can be trained. "
            "Give partitions.head a larger share, or more pages (a page goes to one partition with all its questions), or "
            "leave the task boundary out."
        )
    sentences = [len(words) for _, words, _ in targets]
    log.info("training on %d sentences, %d words", len(targets), sum(sentences))
    positions = np.array([span for _, _, span in targets])
    weights, means, scales = [], [], []
    for layer in track(range(activations.layers), activations.layers, "boundary heads", "layers"):
        features = _features(activations, targets, layer)
        mean, deviation = _standard(features)
        scale = deviation.clip(LEAST_SCALE)
        # What does not vary at all says nothing: its weight is zero, not what rounding makes of it.
        weights.append(fit(features, sentences, positions, l2, np.where(deviation > 0, scale, np.inf)))
        means.append(mean)
        scales.append(scale)
        del features  # before the next ones take as much memory
    heads = Heads(np.stack(weights), np.stack(means), np.stack(scales))
    if path is not None:
        arrays.write(path, weights=heads.weights, mean=heads.mean, scale=heads.scale)
    return heads


def _features(activations: WordVectors, targets: list[Target], layer: int) -> np.ndarray:
    """Return one layer's vectors of all sentences' words, one sentence after the other: (words, hidden), float32."""
    features = np.empty((sum(len(words) for _, words, _ in targets), activations.shape[1]), np.float32)
    first = 0
    for name, words, _ in targets:
        features[first : first + len(words)] = activations.layer(name, layer)[1][words]
        first += len(words)
    return features


def _standard(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of features: two (hidden,), in float64."""
    mean = features.mean(0, dtype=np.float64)
    squares = np.zeros_like(mean)
    for rows in _cut(features):
        apart = rows - mean
        squares += np.einsum("wh,wh->h", apart, apart)
    return mean, np.sqrt(squares / (len(features) - 1))


def fit(
    features: np.ndarray, sentences: list[int], gold_positions: np.ndarray, l2: float, scale: np.ndarray | float = 1.0
) -> np.ndarray:
    """Fit one layer's head to features divided by a scale; what is added to all of them changes no loss.

    features: (words, hidden), of any floating type, sentence after sentence; sentences: how many words each has.
    gold_positions: (sentences, 2), start and end within their sentence. scale: (hidden,); a feature of scale infinity gets
    the weight zero. Returns (2, hidden).
    """
    # Here, so that ranking with heads that are trained does not wait for it.
    from scipy.optimize import minimize

    blocks = list(_blocks(features, np.array(sentences), gold_positions))

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weights = flat.reshape(2, -1)
        scaled, value, gradient = weights / scale, 0.0, np.zeros_like(weights)  # in place of the features: no copy of these
        for block in blocks:
            of_block, its_gradient = block.loss(scaled)
            value += of_block
            gradient += its_gradient
        value = value / len(sentences) + l2 / 2 * np.square(flat).sum()
        return value, (gradient / scale / len(sentences) + l2 * weights).ravel()

    options = {"maxiter": MAX_ITERATIONS, "maxfun": 2 * MAX_ITERATIONS, "maxcor": 30, "gtol": 1e-7, "ftol": 1e-15}
    found = minimize(loss, np.zeros(2 * features.shape[1]), jac=True, method="L-BFGS-B", options=options)
    if found.status == 1:
        log.warning("a head was not at its optimum after %d iterations: set boundary.l2 higher", found.nit)
    head: np.ndarray = found.x.reshape(2, -1)
    return head


@dataclass(frozen=True, slots=True, eq=False)
class _Block:
    """Some sentences: features (words, hidden), where each begins, how many words it has, its gold ones (sentences, 2)."""

    features: np.ndarray
    first: np.ndarray
    sizes: np.ndarray
    gold_words: np.ndarray

    def loss(self, weights: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the sum of their cross-entropies, and its gradient, as weights: (2, hidden); all in float64."""
        features = self.features.astype(np.float64, copy=False)
        logits = features @ weights.T
        highest = np.maximum.reduceat(logits, self.first)
        of_gold = np.take_along_axis(logits, self.gold_words, 0)
        logits -= np.repeat(highest, self.sizes, 0)
        residuals = np.exp(logits, out=logits)
        totals = np.add.reduceat(residuals, self.first)
        residuals /= np.repeat(totals, self.sizes, 0)
        residuals[self.gold_words, [0, 1]] -= 1
        return (np.log(totals) + highest - of_gold).sum(), residuals.T @ features


def _blocks(features: np.ndarray, sizes: np.ndarray, gold_positions: np.ndarray) -> Iterator[_Block]:
    """Cut sentences into blocks of some ``BLOCK`` bytes, each read from memory once for loss and gradient."""
    first = np.concatenate([[0], np.cumsum(sizes)])
    begin = 0
    while begin < len(sizes):
        end = max(begin + 1, int(np.searchsorted(first, first[begin] + _rows_at_once(features), side="right")) - 1)
        of_block, starts = slice(begin, end), first[begin:end] - first[begin]
        rows = features[first[begin] : first[end]]
        yield _Block(rows, starts, sizes[of_block], starts[:, None] + gold_positions[of_block])
        begin = end


def _rows_at_once(features: np.ndarray) -> int:
    return max(1, BLOCK // (8 * int(features.shape[1])))


def _cut(features: np.ndarray) -> Iterator[np.ndarray]:
    rows = _rows_at_once(features)
    return (features[first : first + rows] for first in range(0, len(features), rows))


@dataclass(frozen=True, slots=True)
class Heads:
    """Trained heads: weights (layers, 2, hidden), and mean and scale of the activations, (layers, hidden)."""

    weights: np.ndarray
    mean: np.ndarray
    scale: np.ndarray

    def logits(self, vectors: np.ndarray) -> np.ndarray:
        """Return the start and end logits of words in every layer: (2, layers, words), in float64; NaN without a vector.

        vectors: (layers, words, hidden).
        """
        return np.stack([self._of_layer(layer, words) for layer, words in enumerate(vectors)], axis=1)

    def _of_layer(self, layer: int, words: np.ndarray) -> np.ndarray:
        features = (words.astype(np.float64) - self.mean[layer]) / self.scale[layer]
        logits: np.ndarray = np.einsum("wh,sh->sw", features, self.weights[layer])
        return logits


def read(path: str) -> Heads:
    """Read the file that ``train`` writes. Raises InputError where it was damaged."""
    return Heads(*arrays.read(path, "weights", "mean", "scale"))


def gold_logits(
    examples: Iterable[Example],
    logits: Mapping[str, np.ndarray],
    boundaries: Iterable["BoundaryRow"],
    seed: int,
    at_most: int | None = None,
    labels: Labels = gold,
    left_out: Container[str] = (),
) -> Iterator[tuple[str, str, np.ndarray, int]]:
    """Yield (example_id, measure, logits, gold): the logits (layers, words) of a probe sentence, and the gold position.

    measure: "start" or "end". logits: by example, those of all words of its sentence, (2, layers, words), as
    ``Heads.logits`` gives them. boundaries: the rows of the probing set, of which at most so many are taken. A sentence's
    words are those that have a vector; an answer without any is left out, with a warning. left_out: the examples that were
    too long to have logits; their number is in the log. Raises InputError where an example of the set is in neither, or in
    none of the examples.
    """
    in_set = [row["example_id"] for row in boundaries]
    wanted = set(in_set)
    by_id = {example.example_id: example for example in examples if example.example_id in wanted}
    for name in in_set:
        if name not in by_id:
            raise InputError(f"probing set: example_id {name} is in no example. Build the set from these examples.")
        if name not in logits and name not in left_out:
            raise InputError(f"logits: example_id {name} has none. Compute those of this set and these examples.")
    with_logits = [name for name in in_set if name in logits]
    taken = subsample(with_logits, at_most, seed)
    too_long = len(in_set) - len(with_logits)
    log.info("boundary: %d sentences, %d of them too long, %d ranked", len(in_set), too_long, len(taken))
    for name in track([name for name in with_logits if name in taken], len(taken), "ranking boundary", "pairs"):
        of_sentence = logits[name]
        found = labels(by_id[name], ~np.isnan(of_sentence[0, 0]))
        if found is None:
            log.warning("example %s: its answer has no word with a vector; left out", name)
            continue
        words, span = found
        for measure, of_measure, position in zip(MEASURES, of_sentence[..., words], span, strict=True):
            yield name, measure, of_measure, position
