"""Similarities of pairs: cosine and negative Euclidean distance of word vectors."""

from dataclasses import dataclass

import numpy as np

from pairprobe.probing_sets.pairs import PairRow


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


def has_vector(vectors: np.ndarray) -> np.ndarray:
    """Return which words have a vector: (words,), bool. vectors: (layers, words, hidden), NaN where a word has none."""
    found: np.ndarray = ~np.isnan(vectors[0, :, 0])
    return found


def words_of_pair(
    pair: PairRow, in_question: np.ndarray, in_paragraph: np.ndarray
) -> tuple[list[int], list[int], list[int]]:
    """Return the positions of a pair's words that have a vector: the anchor's, the match's, and those in the paragraph.

    in_question, in_paragraph: which words of question and paragraph have a vector, as ``has_vector`` says.
    """
    on_question = pair["anchor"]["side"] == "question"
    anchor = [i for i in pair["anchor"]["words"] if (in_question if on_question else in_paragraph)[i]]
    match = [i for i in pair["match"]["words"] if in_paragraph[i]]
    return anchor, match, match if on_question else match + anchor


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """How similar a pair's anchor is, by each measure and layer, to its match and to each word.

    matching: (measures, layers); question, paragraph: (measures, layers, words), NaN where a word has no vector; all are
    NaN where the anchor or the match has none.
    """

    matching: np.ndarray
    question: np.ndarray
    paragraph: np.ndarray

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
        return Measured(*(np.full((*shape, *words), np.nan) for words in ((), question.shape[1:2], paragraph.shape[1:2])))
    anchor = _mean(question if pair["anchor"]["side"] == "question" else paragraph, anchor_words)
    # Of all words, since to leave some out of the vectors would be to copy the others.
    matching, *words = (
        similarities(anchor, each) for each in (_mean(paragraph, match_words)[:, None], question, paragraph)
    )
    return Measured(matching[..., 0], *words)


def _mean(vectors: np.ndarray, words: list[int]) -> np.ndarray:
    return vectors[:, words[0]] if len(words) == 1 else vectors[:, words].mean(1)
