"""Similarities of pairs: cosine and negative Euclidean distance of word vectors."""

from dataclasses import dataclass

import numpy as np

from pairprobe.probing_sets.pairs import PairRow
from pairprobe.rankings.words import has_vector, words_of_pair


def cosine(anchor: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Cosine similarity of an anchor with each of several vectors, in each layer.

    anchor: (..., hidden), others: (..., n, hidden), of any floating type, in which all is computed. Returns (..., n). What
    a vector gets depends on it and the anchor alone, not on which others there are: equal vectors tie.
    """
    dots = np.vecdot(others, anchor[..., None, :])
    with np.errstate(invalid="ignore"):  # what has no length has no direction: NaN, which is below and above nothing
        found: np.ndarray = dots / (np.sqrt(np.vecdot(anchor, anchor))[..., None] * np.sqrt(np.vecdot(others, others)))
    return found


def euclidean(anchor: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Negative Euclidean distance, so that larger is closer. Shapes and types as ``cosine``."""
    if others.ndim > 2:  # layer by layer, so that the differences stay in the cache
        return np.stack([euclidean(*of_layer) for of_layer in zip(anchor, others, strict=True)])
    # Not by way of the dot product, which is faster but blind to the distance of vectors that are nearly the same.
    apart = others - anchor
    distance: np.ndarray = np.sqrt(np.vecdot(apart, apart))
    return -distance


MEASURES = {"cosine": cosine, "euclidean": euclidean}


def similarities(anchor: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Similarities of an anchor with each of several vectors, by each measure, in the order of ``MEASURES``.

    Shapes and types as ``cosine``. Returns (measures, ..., n).
    """
    return np.stack([similarity(anchor, others) for similarity in MEASURES.values()])


def outranked(match: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Count the unmatching similarities below, and equal to, the matching one.

    match: (..., layers), others: (..., layers, unmatching). Returns (below, ties), each (..., layers).
    Equation 1 of the paper: a tie is not below.
    """
    return (others < match[..., None]).sum(-1), (others == match[..., None]).sum(-1)


@dataclass(frozen=True, slots=True, eq=False)
class Specificity:
    """What is counted of a pair besides its ranking, ties at one half; all is NaN where anchor or match has no vector.

    spans: (4, measures, layers): how many spans there are, how many of these the match outranks, how many words they
    outrank, and of how many. swapped: (measures, layers, words of the anchor's side): how many unmatching words the match
    outranks with the swapped anchor that begins at a word, of one in the passage without its own words and as a share of
    all; NaN where none begins.
    """

    spans: np.ndarray
    swapped: np.ndarray

    @property
    def sums(self) -> np.ndarray:
        """The six columns of a ranking: (6, measures, layers)."""
        begins = ~np.isnan(self.swapped)
        return np.concatenate([self.spans, [begins.sum(-1), self.swapped.sum(-1, where=begins)]])


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """How similar a pair's anchor is, by each measure and layer, to its match and to each word.

    matching: (measures, layers); question, paragraph: (measures, layers, words), NaN where a word has no vector; all are
    NaN where the anchor or the match has none. specificity: what else was counted, if it was.
    """

    matching: np.ndarray
    question: np.ndarray
    paragraph: np.ndarray
    specificity: Specificity | None = None

    # A cosine is NaN for a vector of length 0 too, a distance only where there is no vector.

    @property
    def has_match(self) -> bool:
        """Whether anchor and match have a vector."""
        return not np.isnan(self.matching[-1, 0])

    @property
    def in_question(self) -> np.ndarray:
        """Which words of the question have a vector: (words,), bool."""
        found: np.ndarray = ~np.isnan(self.question[-1, 0])
        return found

    @property
    def in_paragraph(self) -> np.ndarray:
        """Which words of the paragraph have a vector: (words,), bool."""
        found: np.ndarray = ~np.isnan(self.paragraph[-1, 0])
        return found


def measure_pair(pair: PairRow, question: np.ndarray, paragraph: np.ndarray) -> Measured:
    """Measure a pair.

    question, paragraph: the vectors of their words, (layers, words, hidden). A phrase's vector is the mean of its words'; a
    word without a vector is no part of it.
    """
    anchor_words, match_words, _ = words_of_pair(pair, has_vector(question), has_vector(paragraph))
    if not anchor_words or not match_words:
        shape = len(MEASURES), len(question)
        words = [np.full((*shape, side.shape[1]), np.nan) for side in (question, paragraph)]
        return Measured(np.full(shape, np.nan), words[0], words[1])
    anchor = _mean(question if pair["anchor"]["side"] == "question" else paragraph, anchor_words)
    # Of all words, since to leave some out of the vectors would be to copy the others.
    matching = similarities(anchor, _mean(paragraph, match_words)[:, None])[..., 0]
    return Measured(matching, similarities(anchor, question), similarities(anchor, paragraph))


def _mean(vectors: np.ndarray, words: list[int]) -> np.ndarray:
    return vectors[:, words[0]] if len(words) == 1 else vectors[:, words].mean(1)
