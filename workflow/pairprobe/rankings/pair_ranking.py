"""The pairwise ranking: how many unmatching pairs a matching pair outranks, layer by layer (section 2.3 of the paper)."""

import csv
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from pairprobe.data import text
from pairprobe.errors import InputError
from pairprobe.io import files
from pairprobe.io.progress import log, track
from pairprobe.rankings.percentages import RANKING_FIELDS
from pairprobe.rankings.similarity import (
    MEASURES,
    Measured,
    cosine,
    euclidean,
    vectors_of_pair,
    words_of_pair,
)


def outranked(match: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Count the unmatching similarities below, and equal to, the matching one.

    match: (..., layers), others: (..., layers, unmatching). Returns (below, ties), each (..., layers).
    Equation 1 of the paper: a tie is not below.
    """
    return (others < match[..., None]).sum(-1), (others == match[..., None]).sum(-1)


@np.errstate(invalid="ignore")  # as in ``cosine``; where lengths overflow, exact distances are asked
def outranked_vectors(
    anchor: np.ndarray, match: np.ndarray, vectors: np.ndarray, others: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Count as ``outranked`` does, by each measure, of vectors: returns (below, ties), each (measures, layers).

    anchor, match: (layers, hidden), vectors: (layers, words, hidden), others: (words,), bool: the unmatching ones.
    All of one type, float32 or float64.
    """
    dots, squares = np.empty((2, *vectors.shape[:2]), vectors.dtype)
    for layer, words in enumerate(vectors):  # one by one: what was read for its products is in the cache for its lengths
        np.vecdot(words, anchor[layer], out=dots[layer])
        np.vecdot(words, words, out=squares[layer])
    dots, squares = dots[:, others], squares[:, others]
    matching, length = cosine(anchor, match[:, None]), np.vecdot(anchor, anchor)
    cosines = dots / (np.sqrt(length)[:, None] * np.sqrt(squares))
    by_cosine = outranked(matching[:, 0], cosines)
    by_distance = _farther(anchor, euclidean(anchor, match), vectors, others, dots, length[:, None] + squares)
    return tuple(np.array(each) for each in zip(by_cosine, by_distance, strict=True))


def _farther(
    anchor: np.ndarray, matching: np.ndarray, vectors: np.ndarray, others: np.ndarray, dots: np.ndarray, squares: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Count the unmatching words that are farther from the anchor than the match, and those as far: two (layers,).

    matching: (layers,), by ``euclidean``. dots, squares: (layers, unmatching), each word's product with the anchor, and the
    sum of both squared lengths. Distances by way of the dot product are blind to what is nearly as far, so where rounding
    could decide, ``euclidean`` does. No error of a sum of n products exceeds n/2 epsilons of the sum of their sizes
    (Higham, 2002, "Accuracy and Stability of Numerical Algorithms", 3.1): here four such, of at most ``squares``.
    """
    precision, terms = np.finfo(vectors.dtype), vectors.shape[-1] + 16
    limit = np.square(matching)[:, None]
    margin = precision.eps * (2 * terms * squares + 8 * limit) + terms * precision.tiny
    apart = squares - 2 * dots - limit
    farther = apart > margin
    below, ties = farther.sum(-1), np.zeros(len(anchor), np.int64)
    decided = farther | (apart < -margin)
    if not decided.all():
        layer, word = np.nonzero(~decided)
        exact = euclidean(anchor[layer], vectors[layer, np.flatnonzero(others)[word]])
        np.add.at(below, layer, exact < matching[layer])
        np.add.at(ties, layer, exact == matching[layer])
    return below, ties


def paragraph_words(paragraph: list[str], vectors: np.ndarray, punctuation: bool) -> np.ndarray:
    """Return which words count in ranking: (words,), bool.

    Those with a vector (vectors: (layers, words, hidden), NaN where a word has none) and, unless ``punctuation``, with at
    least one letter or digit.
    """
    counted = ~np.isnan(vectors[0, :, 0])
    return counted if punctuation else counted & np.fromiter(map(text.is_lexical, paragraph), bool, len(paragraph))


def unmatching_words(paragraph: list[str], counted: np.ndarray, paired: Iterable[int]) -> np.ndarray:
    """Return which counted words do not appear in the matching pair: (words,), bool.

    A word is left out when its case-folded form equals that of a paragraph word of the pair.
    """
    forms = {paragraph[i].casefold() for i in paired}
    return counted & np.array([form not in forms for form in map(str.casefold, paragraph)], bool)


def rank_pair(
    pair: dict,
    paragraph: list[str],
    question_vectors: np.ndarray,
    vectors: np.ndarray,
    punctuation: bool = False,
    among: np.ndarray | None = None,
) -> Iterator[tuple] | None:
    """Rank one pair: yields (measure, layer, count, ties, para_len, unmatching), or returns None where it has no vector.

    Vectors as ``measure_pair`` takes them. among: (words,), bool: the paragraph is cut down to these words and those of the
    pair. What it yields is what ``rank_measured`` yields of ``measure_pair``, for less.
    """
    found = vectors_of_pair(pair, question_vectors, vectors)
    if found is None:
        return None
    anchor, match, paired = found
    counted = paragraph_words(paragraph, vectors, punctuation)
    counted, others = _cut_down(counted, unmatching_words(paragraph, counted, paired), among)
    return _rows(*outranked_vectors(anchor, match, vectors, others), int(counted.sum()), int(others.sum()))


def rank_measured(
    pair: dict,
    paragraph: list[str],
    measured: Measured | None,
    punctuation: bool = False,
    among: np.ndarray | None = None,
) -> Iterator[tuple] | None:
    """Rank one pair that was measured; as ``rank_pair``."""
    if measured is None or np.isnan(measured.matching[-1, 0]):
        return None
    counted, others = _cut_down(*words_ranked(pair, paragraph, measured, punctuation), among)
    below, ties = outranked(measured.matching, measured.paragraph[..., others])
    return _rows(below, ties, int(counted.sum()), int(others.sum()))


def words_ranked(pair: dict, paragraph: list[str], measured: Measured, punctuation: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return which of a paragraph's words count, and which of them do not appear in the matching pair: (words,), bool."""
    # As of vectors, these functions ask of a distance only whether there is one.
    distances = [each[-1][..., None] for each in (measured.question, measured.paragraph)]
    counted = paragraph_words(paragraph, distances[1], punctuation)
    return counted, unmatching_words(paragraph, counted, words_of_pair(pair, *distances)[2])


def _cut_down(counted: np.ndarray, others: np.ndarray, among: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Return the words that count and the unmatching ones of a paragraph that is cut down to some and those of the pair."""
    return (counted, others) if among is None else (counted & (~others | among), others & among)


def _rows(below: np.ndarray, ties: np.ndarray, para_len: int, unmatching: int) -> Iterator[tuple]:
    """Yield the rows of ``rank_pair``. below, ties: (measures, layers)."""
    for measure, of_layers, tied in zip(MEASURES, below.tolist(), ties.tolist(), strict=True):
        for layer, (count, tie) in enumerate(zip(of_layers, tied, strict=True)):
            yield measure, layer, count, tie, para_len, unmatching


def rank_pairs(
    pairs: Iterable[dict],
    examples: Iterable,
    activations,
    path: str,
    punctuation: bool = False,
    rank: Callable[..., Iterator[tuple] | None] = rank_pair,
) -> None:
    """Rank a probing set and write ``rankings/{checkpoint}/{task}.tsv``, in the order of the set.

    examples: the examples of the set, in the same order, others among them. activations: a ``store.Activations`` of the
    view ``paragraph``, or what was kept in its place (``similarities.OfTask``, to be ranked by ``rank_measured``). rank:
    what ranks a pair, called as ``rank_pair`` is. A pair without a ranking, since its
    example was left out or it has no vector, is counted in the log.
    """
    pairs = list(pairs)
    wanted = {pair["example_id"] for pair in pairs}
    paragraphs = {example.example_id: example.paragraph for example in examples if example.example_id in wanted}
    skipped = 0
    with files.atomic_write(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, delimiter="\t", lineterminator="\n")
        table.writerow(RANKING_FIELDS)
        for pair in track(pairs, len(pairs), f"ranking {Path(path).stem}", "pairs"):
            name = pair["example_id"]
            if name not in paragraphs:
                raise InputError(f"probing set: example_id {name} is in no example. Build the set from these examples.")
            if name not in activations and name not in activations.left_out:
                raise InputError(f"activations: example_id {name} has none. Extract them from these examples.")
            ranked = rank(pair, paragraphs[name], *activations[name], punctuation) if name in activations else None
            if ranked is None:
                skipped += 1
                continue
            table.writerows((name, *row) for row in ranked)
    log.info("%s: %d pairs, %d of them without a ranking", path, len(pairs), skipped)


def rank_logits(logits: Iterable[tuple[str, str, np.ndarray, int]]) -> Iterator[tuple]:
    """Yield rows of a ranking for logits given as (example_id, measure, (layers, words), gold position).

    The words whose logit is below the gold position's are counted: ``para_len`` is the number of words, ``unmatching`` all
    of them but the gold one.
    """
    for name, measure, of_words, position in logits:
        below, ties = outranked(of_words[:, position], np.delete(of_words, position, axis=1))
        for layer, (count, tied) in enumerate(zip(below, ties, strict=True)):
            yield name, measure, layer, int(count), int(tied), of_words.shape[1], of_words.shape[1] - 1
