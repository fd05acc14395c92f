"""Boundary without a model: the same heads, trained on what a word looks like and where it stands.

The features of a word of the answer's sentence, each 0 or 1: its first letter is a capital; it has a digit; it is in the
question, whatever its case; it is the sentence's first word; it is the last one.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from pairprobe.data.examples import Example, answer_sentence
from pairprobe.probing_sets.pairs import BoundaryRow
from pairprobe.rankings import boundary_heads
from pairprobe.rankings.pair_ranking import Row, rank_logits

FEATURES = ("capital", "digit", "in the question", "first", "last")


def features_of(question: list[str], words: list[str]) -> np.ndarray:
    """Return the features of each word of a sentence: (words, features), float32."""
    asked = {word.casefold() for word in question}
    rows = [(word[0].isupper(), any(map(str.isdigit, word)), word.casefold() in asked, False, False) for word in words]
    features = np.array(rows, np.float32)
    features[0, 3] = features[-1, 4] = 1
    return features


class SurfaceFeatures:
    """The features of the words of examples, in the place of their activations (``activations.store.WordVectors``)."""

    def __init__(self, examples: Iterable[Example]):
        self._sentences = {
            example.example_id: (example.question, example.paragraph[slice(*sentence)])
            for example in examples
            if (sentence := answer_sentence(example)) is not None
        }
        self.left_out: set[str] = set()
        self.layers, self.shape = 1, (1, len(FEATURES))

    def names(self) -> list[str]:
        """List the examples with a short answer."""
        return list(self._sentences)

    def __contains__(self, example_id: str) -> bool:
        """Whether an example has a short answer."""
        return example_id in self._sentences

    def layer(self, example_id: str, layer: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the features of the question, of which there are none, and of the sentence's words, (words, features)."""
        return np.zeros((0, len(FEATURES)), np.float32), features_of(*self._sentences[example_id])

    def __getitem__(self, example_id: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the same as the only layer, (1, words, features)."""
        question, words = self.layer(example_id, 0)
        return question[None], words[None]


def rank_surface_features(
    head: list[Example],
    probe: list[Example],
    boundaries: list[BoundaryRow],
    seed: int,
    l2: float = 0.1,
    train_examples: int | None = None,
    test_examples: int | None = None,
) -> Iterator[Row]:
    """Yield the rows of a ranking, as ``rank_logits`` does for a checkpoint; the only layer is 0.

    head, probe: the examples of these partitions; boundaries: the probing set. The others: as for a checkpoint's heads.
    Raises InputError as ``boundary_heads.train`` and ``gold_logits`` do.
    """
    heads = boundary_heads.train(head, SurfaceFeatures(head), None, seed, train_examples, l2)
    features = SurfaceFeatures(probe)
    logits = {row["example_id"]: heads.logits(features[row["example_id"]][1]) for row in boundaries}
    yield from rank_logits(boundary_heads.gold_logits(probe, logits, boundaries, seed, test_examples))
