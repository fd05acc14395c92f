"""Pairwise ranking percentages (equation 3 of the paper) from rankings."""

import csv
from collections.abc import Iterable, Iterator

import numpy as np

from pairprobe.errors import InputError

RANKING_FIELDS = ("example_id", "measure", "layer", "count", "ties", "para_len", "unmatching")


PERCENTAGE_FIELDS = (
    "checkpoint", "task", "measure", "layer", "pairs", "para_len", "unmatching", "count", "percentage", "auc",
)  # fmt: skip


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
