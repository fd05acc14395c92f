"""The pairwise ranking: how many unmatching pairs a matching pair outranks, layer by layer (section 2.3 of the paper)."""

import csv
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from pairprobe.data.examples import Example
from pairprobe.errors import InputError
from pairprobe.io import files
from pairprobe.io.progress import log, track
from pairprobe.probing_sets.pairs import PairRow, id_of
from pairprobe.rankings.percentages import NOT_COUNTED, RANKING_FIELDS, SPECIFICITY_COUNTS
from pairprobe.rankings.similarity import MEASURES, Measured, outranked
from pairprobe.rankings.words import counted_words, unmatching_words, words_of_pair

# What follows the example in RANKING_FIELDS.
Row = tuple[Any, ...]


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
    """Rank one pair: yields what follows the example in ``RANKING_FIELDS``, or returns None where it has no vector.

    among: (words,), bool: the paragraph is cut down to these words and those of the pair.
    """
    if not measured.has_match:
        return None
    counted, others = ranked_words(pair, paragraph, measured, punctuation)
    if among is not None:
        counted, others = counted & (~others | among), others & among
    below, ties = outranked(measured.matching, measured.paragraph[..., others])
    sums = None if measured.specificity is None else measured.specificity.sums
    return _rows(below, ties, (int(counted.sum()), int(others.sum())), sums)


def _rows(below: np.ndarray, ties: np.ndarray, words: tuple[int, int], sums: np.ndarray | None) -> Iterator[Row]:
    """Yield the rows of ``rank_measured``. below, ties: (measures, layers). sums: as ``Specificity`` has them."""
    for i, measure in enumerate(MEASURES):
        for layer, counts in enumerate(zip(below[i].tolist(), ties[i].tolist(), strict=True)):
            more = NOT_COUNTED if sums is None else [f"{each:.15g}" for each in sums[:, i, layer]]
            yield measure, layer, *counts, *words, *more


class ByExample(Protocol):
    """What gives what a pair is ranked by, by its id or its example; ``left_out``: the examples that were too long."""

    left_out: set[str]

    def __contains__(self, name: str) -> bool:
        """Whether there is anything of a pair or example."""

    def __getitem__(self, name: str) -> Any:
        """Return that."""


def rank_pairs(
    pairs: Iterable[PairRow],
    examples: Iterable[Example],
    measured: ByExample,
    path: str,
    punctuation: bool = False,
    rank: Callable[..., Iterator[Row] | None] = rank_measured,
    measured_of: Callable[[PairRow], str] = id_of,
) -> None:
    """Rank a probing set and write ``rankings/{checkpoint}/{task}.tsv``, in the order of the set.

    examples: the examples of the set, others among them. measured: the similarities of the task's pairs
    (``similarity_store.PairSimilarities``). rank: what ranks a pair, called as ``rank_measured`` is; with another one,
    ``measured`` gives what that takes, by the name that ``measured_of`` returns. Counted in the log are pairs without a
    ranking, since their example was left out or they have no vector, and those without a span or a swapped anchor. Raises
    InputError where an example of the set is in neither.
    """
    pairs = list(pairs)
    wanted = {pair["example_id"] for pair in pairs}
    paragraphs = {example.example_id: example.paragraph for example in examples if example.example_id in wanted}
    unranked = without_span = without_anchor = 0
    with files.atomic_write(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, delimiter="\t", lineterminator="\n")
        table.writerow(RANKING_FIELDS)
        for pair in track(pairs, len(pairs), f"ranking {Path(path).stem}", "pairs"):
            example, name = pair["example_id"], measured_of(pair)
            if example not in paragraphs:
                raise InputError(f"probing set: example_id {example} is in no example. Build the set from these examples.")
            if name not in measured and example not in measured.left_out:
                raise InputError(
                    f"similarities: example_id {name} has none. Measure the pairs of this set and these examples."
                )
            rows = list(rank(pair, paragraphs[example], measured[name], punctuation) or ()) if name in measured else []
            unranked += not rows
            counted = dict(zip(SPECIFICITY_COUNTS, rows[0][-len(SPECIFICITY_COUNTS) :], strict=True)) if rows else {}
            without_span += counted.get("spans") == "0"
            without_anchor += counted.get("anchors") == "0"
            table.writerows((id_of(pair), *row) for row in rows)
    log.info(
        "%s: %d pairs, %d of them without a ranking, %d without a span, %d without a swapped anchor",
        path, len(pairs), unranked, without_span, without_anchor,
    )  # fmt: skip


def rank_logits(
    logits: Iterable[tuple[str, str, np.ndarray, int]],
) -> Iterator[Row]:
    """Yield the rows of a ranking for logits given as (example_id, measure, (layers, words), gold position).

    The words whose logit is below the gold position's are counted: ``para_len`` is the number of words, ``unmatching`` all
    of them but the gold one.
    """
    for name, measure, of_words, position in logits:
        below, ties = outranked(of_words[:, position], np.delete(of_words, position, axis=1))
        for layer, (count, tied) in enumerate(zip(below, ties, strict=True)):
            yield name, measure, layer, int(count), int(tied), of_words.shape[1], of_words.shape[1] - 1, *NOT_COUNTED
