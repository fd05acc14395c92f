"""Rankings as arrays, and their pairwise ranking percentages (equation 3 of the paper)."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pairprobe.errors import InputError

RANKING_FIELDS = ("example_id", "measure", "layer", "count", "ties", "para_len", "unmatching")
PERCENTAGE_FIELDS = (
    "checkpoint", "task", "measure", "layer", "pairs", "para_len", "unmatching", "count", "percentage", "auc",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Ranking:
    """A ranking of one task's pairs by one checkpoint.

    example_ids, (pairs,), and measures are in the order of the file, layers ascending. counts: (measures, layers, pairs,
    4), int64; the last axis is count, ties, para_len, unmatching.
    """

    example_ids: np.ndarray
    measures: tuple[str, ...]
    layers: tuple[int, ...]
    counts: np.ndarray

    def __getitem__(self, key: tuple[str, int]) -> np.ndarray:
        """Return the counts of one measure and layer: (pairs, 4)."""
        measure, layer = key
        counts: np.ndarray = self.counts[self.measures.index(measure), self.layers.index(layer)]
        return counts

    def items(self) -> Iterator[tuple[tuple[str, int], np.ndarray]]:
        """Yield each measure and layer with its counts, (pairs, 4)."""
        for measure, of_measure in zip(self.measures, self.counts, strict=True):
            for layer, counts in zip(self.layers, of_measure, strict=True):
                yield (measure, layer), counts


def read_ranking(path: str | Path) -> Ranking:
    """Read ``rankings/{checkpoint}/{task}.tsv``; its lines may be in any order.

    Raises InputError, with the line, where it is no such table, or has not one line for each example, measure and layer.
    """
    columns = _read_columns(path)
    if not len(columns["layer"]):
        return Ranking(np.array([], str), (), (), np.zeros((0, 0, 0, 4), np.int64))
    (example_ids, example), (measures, measure) = columns["example_id"], columns["measure"]
    layers, layer = np.unique(columns["layer"], return_inverse=True)
    place = (example * len(measures) + measure) * len(layers) + layer
    lines = np.zeros((len(example_ids), len(measures), len(layers)), np.int64)
    np.add.at(lines.reshape(-1), place, 1)
    if (lines != 1).any():
        i, m, k = np.argwhere(lines != 1)[0]
        number = np.flatnonzero(example == i)[0] + 2
        raise InputError(
            f"{path}, line {number}: found {lines[i, m, k]} lines for example_id {example_ids[i]!r}, {measures[m]}, layer "
            f"{layers[k]}, wanted one for each example, measure and layer. Delete the file, and it is made again."
        )
    counts = np.empty((*lines.shape, 4), np.int64)
    counts.reshape(-1, 4)[place] = np.stack([columns[name] for name in RANKING_FIELDS[3:]], axis=1)
    return Ranking(np.array(example_ids), tuple(measures), tuple(layers.tolist()), counts.transpose(1, 2, 0, 3))


def _read_columns(path: str | Path) -> dict[str, Any]:
    """Read the columns: names as (distinct names, their places (lines,)), numbers as (lines,) int64."""
    import pyarrow
    from pyarrow import csv

    names, text = RANKING_FIELDS[:2], pyarrow.dictionary(pyarrow.int32(), pyarrow.string())
    try:
        table = csv.read_csv(
            path,
            csv.ReadOptions(use_threads=False),  # or errors do not name the line
            csv.ParseOptions(delimiter="\t", ignore_empty_lines=False),
            csv.ConvertOptions(
                column_types={name: text if name in names else pyarrow.int64() for name in RANKING_FIELDS},
                null_values=[],
            ),
        )
    except pyarrow.ArrowInvalid as error:
        number = int(row[1]) if (row := re.search(r"Row #(\d+)", str(error))) else 1
        lines = Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
        found = lines[number - 1].split("\t") if lines else []
        raise InputError(f"{path}, line {number}: found {found}, wanted {list(RANKING_FIELDS)}.") from None
    if tuple(table.column_names) != RANKING_FIELDS:
        raise InputError(f"{path}, line 1: found {table.column_names}, wanted {list(RANKING_FIELDS)}.")
    columns = dict(zip(RANKING_FIELDS, table.unify_dictionaries().combine_chunks().itercolumns(), strict=True))
    return {
        name: (column.chunk(0).dictionary.to_pylist(), column.chunk(0).indices.to_numpy().astype(np.int64))
        if name in names and len(column)
        else column.to_numpy()
        for name, column in columns.items()
    }


def percentage(counts: np.ndarray) -> tuple[float, float]:
    """Return the pairwise ranking percentage and the auc of one measure and layer; counts: (pairs, 4), as in ``Ranking``.

    percentage = 100 * sum(count) / sum(para_len), equation 3 of the paper. auc = 100 * sum(count + ties/2) /
    sum(unmatching): the same with chance at 50 (NaN where there is no unmatching pair).
    """
    count, ties, para_len, unmatching = counts.sum(0)
    return 100 * count / para_len, 100 * (count + ties / 2) / unmatching if unmatching else float("nan")


def percentages(rankings: Iterable[tuple[str, str, str]]) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of ``percentages.tsv`` for rankings given as (checkpoint, task, path); none for an empty set."""
    for checkpoint, task, path in rankings:
        for (measure, layer), counts in read_ranking(path).items():
            count, _, para_len, unmatching = counts.sum(0).tolist()
            value, auc = percentage(counts)
            yield checkpoint, task, measure, layer, len(counts), para_len, unmatching, count, f"{value:.4f}", f"{auc:.4f}"
