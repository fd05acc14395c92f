"""Chance and specificity: how spans fare in the place of a pair's match, and other words in the place of its anchor.

A mean of several vectors is nearer to everything than one vector is, and a match may be near to, or far from, whatever the
anchor is. So a match is compared with all spans of its own length too, these spans with the words, and the match with the
words once more for each swapped anchor. Nothing is drawn at random.
"""

import numpy as np

from pairprobe.data.examples import Example
from pairprobe.errors import InputError
from pairprobe.probing_sets.pairs import PairRow
from pairprobe.rankings import words
from pairprobe.rankings.similarity import MEASURES, Specificity, outranked


class _Side:
    """A question or paragraph: its words that have a vector. vectors: (layers, words, hidden)."""

    def __init__(self, written: list[str], vectors: np.ndarray):
        self.size, self.has_vector = len(written), words.has_vector(vectors)
        self.places = np.flatnonzero(self.has_vector)
        self.words = [written[i] for i in self.places]
        self.lexical = words.lexical_words(self.words)
        self.vectors = vectors[:, self.places].astype(np.float64)


class Surroundings:
    """The words of an example and the dot products of their vectors, which its pairs share.

    The dot product of two means is the mean of the dot products, so vectors are multiplied once. Similarities are computed
    in float64 and compared in float32: what is equal but for rounding ties, on every processor.
    """

    def __init__(self, example: Example, question: np.ndarray, paragraph: np.ndarray, punctuation: bool = False):
        """question, paragraph: the vectors of their words, (layers, words, hidden). Raises InputError for other words'."""
        wanted, found = (len(example.question), len(example.paragraph)), (question.shape[1], paragraph.shape[1])
        if found != wanted:
            raise InputError(
                f"activations: example_id {example.example_id} has {found[0]} words in the question and {found[1]} in the "
                f"paragraph, and in the examples {wanted[0]} and {wanted[1]}. Extract the activations of these examples."
            )
        self._sides = {"question": _Side(example.question, question), "paragraph": _Side(example.paragraph, paragraph)}
        self._paragraph = self._sides["paragraph"]
        self._counted = self._paragraph.lexical | punctuation
        self._norms = np.vecdot(self._paragraph.vectors, self._paragraph.vectors)
        self._dots: dict[str, np.ndarray] = {}

    def measure(self, pair: PairRow) -> Specificity:
        """Compare a pair's match with its spans, and with the unmatching words for each swapped anchor."""
        name, paragraph = pair["anchor"]["side"], self._paragraph
        side, layers = self._sides[name], len(self._norms)
        swapped = np.full((len(MEASURES), layers, side.size), np.nan)
        in_question, in_paragraph = (each.has_vector for each in self._sides.values())
        of_pair = words.words_of_pair(pair, in_question, in_paragraph)
        if not of_pair[0] or not of_pair[1]:
            return Specificity(np.full((4, len(MEASURES), layers), np.nan), swapped)
        anchor, match, paired = map(np.searchsorted, (side.places, paragraph.places, paragraph.places), of_pair)
        if name not in self._dots:
            self._dots[name] = side.vectors @ paragraph.vectors.mT
        dots, others = self._dots[name], words.unmatching_words(paragraph.words, self._counted, paired)
        forms = words.forms_of(side.words, anchor) | words.forms_of(paragraph.words, match)
        starts = words.runs(len(anchor), side.lexical, words.with_form(side.words, forms))
        swapped[..., side.places[starts]] = self._outranked(dots[:, _run(starts, len(anchor))].mean(2), match, others)
        return Specificity(self._of_spans(dots[:, anchor].mean(1), match, others, paired), swapped)

    def _outranked(self, dots: np.ndarray, match: np.ndarray, others: np.ndarray) -> np.ndarray:
        """Count the words that a match outranks by each anchor: (measures, layers, anchors).

        dots: (layers, anchors, words), of the anchors and all words. others: (words,), bool.
        """
        to_match = _similarities(dots[..., match].mean(-1), self._norms_of(match[None]))
        return _count(to_match, _similarities(dots[..., others], self._norms[:, None, others]))

    def _of_spans(self, dots: np.ndarray, match: np.ndarray, others: np.ndarray, paired: np.ndarray) -> np.ndarray:
        """Return ``Specificity.spans``. dots: (layers, words), of the anchor and all words. others: (words,), bool."""
        banned = words.with_form(self._paragraph.words, words.forms_of(self._paragraph.words, paired))
        spans = _run(words.runs(len(match), self._counted, banned), len(match))
        to_match = _similarities(dots[:, match].mean(-1), self._norms_of(match[None])[:, 0])
        to_spans = _similarities(dots[:, spans].mean(-1), self._norms_of(spans))
        to_words = _similarities(dots, self._norms)
        # A span is not compared with its own words. Where these do not count, NaN is below and equal to nothing.
        own = np.where(others[spans], to_words[..., spans], np.nan)
        outranks = _count(to_spans, to_words[..., None, others]) - _count(to_spans, own)
        of_words = len(spans) * others.sum() - others[spans].sum()
        sums = [len(spans), _count(to_match, to_spans), outranks.sum(-1), of_words]
        return np.stack([np.broadcast_to(each, to_match.shape) for each in sums])

    def _norms_of(self, phrases: np.ndarray) -> np.ndarray:
        """Return the squared lengths of phrases' vectors: (layers, phrases). phrases: (phrases, words), positions."""
        norms: np.ndarray
        if phrases.shape[1] == 1:
            norms = self._norms[:, phrases[:, 0]]
        else:
            total = sum(self._paragraph.vectors[:, each] for each in phrases.T)
            norms = np.vecdot(total, total) / phrases.shape[1] ** 2
        return norms


def _run(starts: np.ndarray, size: int) -> np.ndarray:
    """Return the positions of runs: (runs, size)."""
    return starts[:, None] + np.arange(size)


def _similarities(dots: np.ndarray, norms: np.ndarray) -> np.ndarray:
    """Return what puts the words in the same order as their similarity to an anchor does, by each of ``MEASURES``.

    dots: of the anchor and each word; norms: the words' squared lengths. Cosine times the anchor's length, and the anchor's
    squared length less the squared distance.
    """
    with np.errstate(invalid="ignore"):
        return np.stack([dots / np.sqrt(norms), 2 * dots - norms]).astype(np.float32)


def _count(one: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Count the others below one, and half of those equal to it, over the last axis."""
    below, ties = outranked(one, others)
    return below + ties / 2
