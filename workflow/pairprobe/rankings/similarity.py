"""Similarities of pairs: cosine and negative Euclidean distance of word vectors."""

from dataclasses import dataclass

import numpy as np


def cosine(anchor: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Cosine similarity of an anchor with each of several vectors, in each layer.

    anchor: (..., hidden), others: (..., n, hidden), of any floating type, in which all is computed. Returns (..., n). What
    a vector gets depends on it and the anchor alone, not on which others there are: equal vectors tie.
    """
    dots = np.vecdot(others, anchor[..., None, :])
    with np.errstate(invalid="ignore"):  # what has no length has no direction: NaN, which is below and above nothing
        return dots / (np.sqrt(np.vecdot(anchor, anchor))[..., None] * np.sqrt(np.vecdot(others, others)))


def euclidean(anchor: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Negative Euclidean distance, so that larger is closer. Shapes and types as ``cosine``.

    Or of each anchor with one vector of its own: both (n, hidden), returns (n,).
    """
    if others.ndim > 2:  # layer by layer, so that the differences stay in the cache
        return np.stack([euclidean(*of_layer) for of_layer in zip(anchor, others, strict=True)])
    # Not by way of the dot product, which is faster but blind to the distance of vectors that are nearly the same.
    apart = others - anchor
    return -np.sqrt(np.vecdot(apart, apart))


# ``outranked_vectors`` counts by these, in this order.
MEASURES = {"cosine": cosine, "euclidean": euclidean}


def similarities(anchor: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Similarities of an anchor with each of several vectors, by each measure, in the order of ``MEASURES``.

    Shapes and types as ``cosine``. Returns (measures, ..., n).
    """
    return np.stack([similarity(anchor, others) for similarity in MEASURES.values()])


def words_of_pair(pair: dict, question_vectors: np.ndarray, vectors: np.ndarray) -> tuple[list[int], list[int], list[int]]:
    """Return the positions of a pair's words that have a vector: the anchor's, the match's, and those in the paragraph."""
    in_question = pair["anchor"]["side"] == "question"
    anchor = _with_vector(question_vectors if in_question else vectors, pair["anchor"]["words"])
    match = _with_vector(vectors, pair["match"]["words"])
    return anchor, match, match if in_question else match + anchor


def _with_vector(vectors: np.ndarray, words: list[int]) -> list[int]:
    return [i for i in words if not np.isnan(vectors[0, i, 0])]


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """How similar a pair's anchor is, by each measure and layer, to its match and to each word.

    matching: (measures, layers); question, paragraph: (measures, layers, words), NaN where a word has no vector; all are
    NaN where the anchor or the match has none.
    """

    matching: np.ndarray
    question: np.ndarray
    paragraph: np.ndarray


def measure_pair(pair: dict, question_vectors: np.ndarray, vectors: np.ndarray) -> Measured | None:
    """Measure a pair, or return None where its anchor or match has no vector.

    question_vectors, vectors: (layers, words, hidden) of the question and the paragraph. A phrase's vector is the mean of
    its words'; a word without a vector is no part of it.
    """
    found = vectors_of_pair(pair, question_vectors, vectors)
    if found is None:
        return None
    anchor, match, _ = found
    # Of all words, since to leave some out of the vectors would be to copy the others.
    matching, *words = (similarities(anchor, each) for each in (match[:, None], question_vectors, vectors))
    return Measured(matching[..., 0], *words)


def vectors_of_pair(
    pair: dict, question_vectors: np.ndarray, vectors: np.ndarray
) -> tuple[np.ndarray, np.ndarray, list[int]] | None:
    """Return the vectors of a pair's anchor and match, each (layers, hidden), and the positions of its paragraph words.

    Of those words that have a vector; None where anchor or match has no such word.
    """
    anchor, match, paired = words_of_pair(pair, question_vectors, vectors)
    if not anchor or not match:
        return None
    side = question_vectors if pair["anchor"]["side"] == "question" else vectors
    return _mean(side, anchor), _mean(vectors, match), paired


def _mean(vectors: np.ndarray, words: list[int]) -> np.ndarray:
    return vectors[:, words[0]] if len(words) == 1 else vectors[:, words].mean(1)
