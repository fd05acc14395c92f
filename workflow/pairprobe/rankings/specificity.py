"""Chance and specificity: how spans fare in the place of a pair's match, and other words in the place of its anchor.

A mean of several vectors is nearer to everything than one vector is, and a match may be near to, or far from, whatever the
anchor is. So a match is compared with all spans of its own length too, these spans with the words, and the match with the
words once more for each swapped anchor. Nothing is drawn at random.

A swapped anchor in the passage would itself be among the words that the match is compared with. A word is nearest to
itself, so it would always win: its own words are left out, and the share of the others that the match outranks is taken for
all.
"""

from functools import reduce

import numpy as np

from pairprobe.data.examples import Example
from pairprobe.errors import InputError
from pairprobe.probing_sets.pairs import PairRow
from pairprobe.rankings import words
from pairprobe.rankings.similarity import MEASURES, Specificity


class _Side:
    """A question or paragraph: its words that have a vector. vectors: (layers, words, hidden)."""

    def __init__(self, written: list[str], vectors: np.ndarray):
        self.size, self.has_vector = len(written), words.has_vector(vectors)
        self.places = np.flatnonzero(self.has_vector)
        self.words = [written[i] for i in self.places]
        self.lexical = words.lexical_words(self.words)
        self.vectors = (vectors if self.has_vector.all() else vectors[:, self.places]).astype(np.float64)


class Surroundings:
    """The words of an example and the dot products of their vectors, which its pairs share.

    The dot product of two means is the mean of the dot products, so vectors are multiplied once. Similarities are computed
    in float64 and compared in float32: what is equal but for rounding nearly always ties, on every
    processor.
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
        self._dots: dict[str, np.ndarray] = {}
        self._norms: dict[int, np.ndarray] = {}

    def measure(self, pair: PairRow) -> Specificity:
        """Compare a pair's match with its spans, and with the unmatching words for each swapped anchor."""
        name, paragraph = pair["anchor"]["side"], self._paragraph
        side, layers = self._sides[name], len(paragraph.vectors)
        swapped = np.full((len(MEASURES), layers, side.size), np.nan)
        in_question, in_paragraph = (each.has_vector for each in self._sides.values())
        of_pair = words.words_of_pair(pair, in_question, in_paragraph)
        if not of_pair[0] or not of_pair[1]:
            return Specificity(np.full((4, len(MEASURES), layers), np.nan), swapped)
        anchor, match, paired = map(np.searchsorted, (side.places, paragraph.places, paragraph.places), of_pair)
        banned = words.with_form(paragraph.words, words.forms_of(paragraph.words, paired))
        others = self._counted & ~banned
        mean = paragraph.vectors[:, match].mean(1)
        norm = np.vecdot(mean, mean)
        of_words = self._dots_of(name)
        dots = _runs(of_words, len(anchor))
        to_match = _similarities(dots[..., match].mean(-1), norm[:, None])
        forms = words.forms_of(side.words, anchor) | words.forms_of(paragraph.words, match)
        starts = words.runs(len(anchor), side.lexical, words.with_form(side.words, forms))
        # Of all runs, since to leave some out would be to copy the others.
        to_words = _similarities(dots, self._norms_of(1)[:, None])
        compared = _without_runs(others, len(anchor)) if side is paragraph else others
        found = _outranked(to_match, to_words, compared)
        if side is paragraph:
            with np.errstate(invalid="ignore", divide="ignore"):
                found *= others.sum() / compared.sum(-1)  # NaN where nothing is left to compare with
        swapped[..., side.places[starts]] = found[..., starts]
        dots = of_words[:, anchor].mean(1)
        to_match = _similarities(dots[:, match].mean(-1), norm)
        starts = words.runs(len(match), self._counted, banned)
        return Specificity(self._of_spans(dots, to_match, starts, len(match), others), swapped)

    def _of_spans(
        self, dots: np.ndarray, to_match: np.ndarray, starts: np.ndarray, size: int, others: np.ndarray
    ) -> np.ndarray:
        """Return ``Specificity.spans``.

        dots: (layers, words), of the anchor and all words; to_match: (measures, layers); starts: of the spans; others:
        (words,), bool.
        """
        to_spans = _similarities(_runs(dots, size), self._norms_of(size))[..., starts]
        outranks = _without_runs(others, size)[starts]  # no span outranks its own
        pairs = outranks.sum()
        if size == 1:  # each two words outrank one another once, or tie
            null = np.full(to_match.shape, pairs / 2)
        else:
            to_words = _similarities(dots, self._norms_of(1))[..., None, :]
            wins = _wins(to_spans[..., None], to_words)
            null = wins.reshape(*to_match.shape, -1) @ outranks.ravel().astype(np.float32) / 2
        span_count = _wins(to_match[..., None], to_spans).sum(-1) / 2
        return np.stack([np.broadcast_to(each, to_match.shape) for each in (len(starts), span_count, null, pairs)])

    def _dots_of(self, name: str) -> np.ndarray:
        """Return the dot products of a side's words with the paragraph's: (layers, words, words)."""
        if name not in self._dots:
            self._dots[name] = self._sides[name].vectors @ self._paragraph.vectors.mT
        return self._dots[name]

    def _norms_of(self, size: int) -> np.ndarray:
        """Return the squared lengths of the vectors of all runs of the paragraph's words: (layers, runs)."""
        if size not in self._norms:
            # The sum of all dot products within a run, by how far apart two words are.
            vectors, parts = self._paragraph.vectors, []
            for apart in range(size):
                dots = np.vecdot(vectors[:, : max(vectors.shape[1] - apart, 0)], vectors[:, apart:])
                parts.append((1 + (apart > 0)) * (size - apart) * _runs(dots, size - apart))
            self._norms[size] = reduce(np.add, parts) / size**2
        return self._norms[size]


def _runs(values: np.ndarray, size: int) -> np.ndarray:
    """Return the means of all runs of so many words. values: (layers, words, ...)."""
    if size == 1:
        return values
    count = max(values.shape[1] - size + 1, 0)
    return reduce(np.add, (values[:, i : i + count] for i in range(size))) / size


def _similarities(dots: np.ndarray, norms: np.ndarray) -> np.ndarray:
    """Return, by each of ``MEASURES``, what puts words in the same order as their similarities to an anchor do.

    dots: of the anchor and each word; norms: the words' squared lengths. Cosine times the anchor's length, and half of the
    anchor's squared length less half the squared distance.
    """
    found = np.empty((len(MEASURES), *dots.shape), np.float32)
    with np.errstate(invalid="ignore", divide="ignore"):
        np.multiply(dots, 1 / np.sqrt(norms), out=found[0], casting="same_kind")
    np.subtract(dots, norms / 2, out=found[1], casting="same_kind")
    return found


def _wins(one: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return 2 where another is below one, 1 where it is equal, and 0 else: what ``outranked`` counts, ties at one half."""
    return ((others < one).view(np.uint8) + (others <= one).view(np.uint8)).astype(np.float32)


def _outranked(one: np.ndarray, others: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """Count the others below one, and half of those equal to it, over the last axis of ``others``.

    counted: which, bool: (words,), or (runs, words) where each of ``one`` has others of its own.
    """
    wins = _wins(one[..., None], others)
    if counted.ndim == 1:
        return wins @ counted.astype(np.float32) / 2
    found: np.ndarray = np.vecdot(wins, counted.astype(np.float32)) / 2
    return found


def _without_runs(counted: np.ndarray, size: int) -> np.ndarray:
    """Return which words count, (words,), for each run of so many words, without its own: (runs, words), bool."""
    starts = np.arange(max(len(counted) - size + 1, 0))
    without = np.broadcast_to(counted, (len(starts), len(counted))).copy()
    without[starts[:, None], starts[:, None] + np.arange(size)] = False
    return without
