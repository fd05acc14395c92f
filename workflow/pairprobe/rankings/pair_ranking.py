"""The pairwise ranking: how many unmatching pairs a matching pair outranks, layer by layer (section 2.3 of the paper)."""

import csv
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from pairprobe.data import text
from pairprobe.data.examples import Example
from pairprobe.errors import InputError
from pairprobe.io import files
from pairprobe.io.progress import log, track
from pairprobe.probing_sets.pairs import PairRow
from pairprobe.rankings.percentages import RANKING_FIELDS
from pairprobe.rankings.similarity import MEASURES, Measured, words_of_pair

# measure, layer, count, ties, para_len, unmatching
Row = tuple[str, int, int, int, int, int]


def outranked(match: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Count the unmatching similarities below, and equal to, the matching one.

    match: (..., layers), others: (..., layers, unmatching). Returns (below, ties), each (..., layers).
    Equation 1 of the paper: a tie is not below.
    """
    return (others < match[..., None]).sum(-1), (others == match[..., None]).sum(-1)


def counted_words(paragraph: list[str], has_vector: np.ndarray, punctuation: bool) -> np.ndarray:
    """Return which words count in ranking: (words,), bool.

    Those with a vector (has_vector: (words,), bool) and, unless ``punctuation``, with at least one letter or digit.
    """
    return has_vector if punctuation else has_vector & np.fromiter(map(text.is_lexical, paragraph), bool, len(paragraph))


def unmatching_words(paragraph: list[str], counted: np.ndarray, paired: Iterable[int]) -> np.ndarray:
    """Return which counted words do not appear in the matching pair: (words,), bool.

    A word is left out when its case-folded form equals that of a paragraph word of the pair.
    """
    forms = {paragraph[i].casefold() for i in paired}
    others: np.ndarray = counted & np.array([form not in forms for form in map(str.casefold, paragraph)], bool)
    return others


def ranked_words(
    pair: PairRow, paragraph: list[str], measured: Measured, punctuation: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Return which of a paragraph's words count, and which of them do not appear in the matching pair: (words,), bool."""
    counted = counted_words(paragraph, measured.in_paragraph, punctuation)
    _, _, paired = words_of_pair(pair, measured.in_question, measured.in_paragraph)
    return counted, unmatching_words(paragraph, counted, paired)


def rank_measured(
    pair: PairRow, paragraph: list[str], measured: Measured, punctuation: bool = False, among: np.ndarray | None = None
) -> Iterator[Row] | None:
    """Rank one pair: yields (measure, layer, count, ties, para_len, unmatching), or returns None where it has no vector.

    among: (words,), bool: the paragraph is cut down to these words and those of the pair.
    """
    if not measured.has_match:
        return None
    counted, others = ranked_words(pair, paragraph, measured, punctuation)
    if among is not None:
        counted, others = counted & (~others | among), others & among
    below, ties = outranked(measured.matching, measured.paragraph[..., others])
    return _rows(below, ties, int(counted.sum()), int(others.sum()))


def _rows(below: np.ndarray, ties: np.ndarray, para_len: int, unmatching: int) -> Iterator[Row]:
    """Yield the rows of ``rank_measured``. below, ties: (measures, layers)."""
    for measure, of_layers, tied in zip(MEASURES, below.tolist(), ties.tolist(), strict=True):
        for layer, (count, tie) in enumerate(zip(of_layers, tied, strict=True)):
            yield measure, layer, count, tie, para_len, unmatching


class ByExample(Protocol):
    """What gives, by example, what a pair is ranked by; ``left_out``: the examples that were too long to have any."""

    left_out: set[str]

    def __contains__(self, example_id: str) -> bool:
        """Whether there is anything of an example."""

    def __getitem__(self, example_id: str) -> Any:
        """Return that."""


def rank_pairs(
    pairs: Iterable[PairRow],
    examples: Iterable[Example],
    measured: ByExample,
    path: str,
    punctuation: bool = False,
    rank: Callable[..., Iterator[Row] | None] = rank_measured,
) -> None:
    """Rank a probing set and write ``rankings/{checkpoint}/{task}.tsv``, in the order of the set.

    examples: the examples of the set, others among them. measured: the similarities of the task's pairs
    (``similarity_store.PairSimilarities``). rank: what ranks a pair, called as ``rank_measured`` is; with another one,
    ``measured`` gives what that takes. A pair without a ranking, since its example was left out or it has no vector, is
    counted in the log. Raises InputError where an example of the set is in neither.
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
            if name not in measured and name not in measured.left_out:
                raise InputError(
                    f"similarities: example_id {name} has none. Measure the pairs of this set and these examples."
                )
            ranked = rank(pair, paragraphs[name], measured[name], punctuation) if name in measured else None
            if ranked is None:
                skipped += 1
                continue
            table.writerows((name, *row) for row in ranked)
    log.info("%s: %d pairs, %d of them without a ranking", path, len(pairs), skipped)


def rank_logits(
    logits: Iterable[tuple[str, str, np.ndarray, int]],
) -> Iterator[tuple[str, str, int, int, int, int, int]]:
    """Yield rows of a ranking for logits given as (example_id, measure, (layers, words), gold position).

    The words whose logit is below the gold position's are counted: ``para_len`` is the number of words, ``unmatching`` all
    of them but the gold one.
    """
    for name, measure, of_words, position in logits:
        below, ties = outranked(of_words[:, position], np.delete(of_words, position, axis=1))
        for layer, (count, tied) in enumerate(zip(below, ties, strict=True)):
            yield name, measure, layer, int(count), int(tied), of_words.shape[1], of_words.shape[1] - 1
