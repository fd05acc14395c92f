"""The pairwise ranking: how many unmatching pairs a matching pair outranks, layer by layer (section 2.3 of the paper)."""

import csv
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pairprobe import files, text
from pairprobe.errors import InputError
from pairprobe.progress import log, track

RANKING_FIELDS = ("example_id", "measure", "layer", "count", "ties", "para_len", "unmatching")
PERCENTAGE_FIELDS = (
    "checkpoint", "task", "measure", "layer", "pairs", "para_len", "unmatching", "count", "percentage", "auc",
)  # fmt: skip


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
    with files.whole(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
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


def read_ranking(path: str) -> dict[tuple[str, int], np.ndarray]:
    """Read a ranking: ``{(measure, layer): (pairs, 4)}`` with the columns count, ties, para_len, unmatching."""
    rows: dict[tuple[str, int], list] = {}
    with open(path, encoding="utf-8", newline="") as file:
        table = csv.reader(file, delimiter="\t")
        header = next(table, [])
        if tuple(header) != RANKING_FIELDS:
            raise InputError(f"{path}, line 1: found {header}, wanted {list(RANKING_FIELDS)}.")
        for number, row in enumerate(table, 2):
            try:
                _, measure, layer, count, ties, para_len, unmatching = row
                rows.setdefault((measure, int(layer)), []).append([int(n) for n in (count, ties, para_len, unmatching)])
            except ValueError:
                raise InputError(f"{path}, line {number}: found {row}, wanted {list(RANKING_FIELDS)}.") from None
    return {key: np.array(values) for key, values in rows.items()}


def percentage(ranking: np.ndarray) -> tuple[float, float]:
    """Return the pairwise ranking percentage and the auc of a ranking, (pairs, 4) as ``read_ranking`` gives it.

    percentage = 100 * sum(count) / sum(para_len), equation 3 of the paper. auc = 100 * sum(count + ties/2) /
    sum(unmatching): the same with chance at 50 (NaN where there is no unmatching pair).
    """
    count, ties, para_len, unmatching = ranking.sum(0)
    return 100 * count / para_len, 100 * (count + ties / 2) / unmatching if unmatching else float("nan")


def percentages(rankings: Iterable[tuple[str, str, str]]) -> Iterator[tuple]:
    """Yield the rows of ``percentages.tsv`` for rankings given as (checkpoint, task, path); none for an empty set."""
    for checkpoint, task, path in rankings:
        for (measure, layer), ranking in read_ranking(path).items():
            count, _, para_len, unmatching = (int(total) for total in ranking.sum(0))
            value, auc = percentage(ranking)
            yield checkpoint, task, measure, layer, len(ranking), para_len, unmatching, count, f"{value:.4f}", f"{auc:.4f}"
