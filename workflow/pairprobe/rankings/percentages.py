"""Rankings as arrays, and their pairwise ranking percentages (equation 3 of the paper)."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pairprobe.errors import InputError

COUNTS = ("count", "ties", "para_len", "unmatching")
# The sums over a pair's spans and swapped anchors, and their cells in controls and for boundaries, which have none.
SPECIFICITY_COUNTS = ("spans", "span_count", "null_count", "null_words", "anchors", "swapped_count")
NOT_COUNTED = ("",) * len(SPECIFICITY_COUNTS)
# The percentages of these sums over all pairs.
SPECIFICITY_FIELDS = ("null_auc", "span_auc", "swapped_auc", "specific")
RANKING_FIELDS = ("example_id", "measure", "layer", *COUNTS, *SPECIFICITY_COUNTS)
PERCENTAGE_FIELDS = (
    "checkpoint", "task", "measure", "layer", "pairs", "para_len", "unmatching", "count", "percentage", "auc",
    *SPECIFICITY_FIELDS,
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Ranking:
    """A ranking of one task's pairs by one checkpoint.

    example_ids, (pairs,), the ``pairs.id_of`` of each, and measures are in the order of the file, layers ascending.
    counts: (measures, layers, pairs, 4), int64; the last axis is ``COUNTS``. specificity: (measures, layers, pairs, 6),
    float64; the last axis is ``SPECIFICITY_COUNTS``; None where these columns are empty.
    """

    example_ids: np.ndarray
    measures: tuple[str, ...]
    layers: tuple[int, ...]
    counts: np.ndarray
    specificity: np.ndarray | None = None

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
    _check_counts(path, columns)
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

    def laid_out(names: tuple[str, ...]) -> np.ndarray:
        """Return columns as (measures, layers, pairs, columns)."""
        values = np.stack([columns[name] for name in names], axis=1)
        return values[np.argsort(place)].reshape(*lines.shape, len(names)).transpose(1, 2, 0, 3)

    specificity = None if np.isnan(columns["spans"]).all() else laid_out(SPECIFICITY_COUNTS)
    return Ranking(np.array(example_ids), tuple(measures), tuple(layers.tolist()), laid_out(COUNTS), specificity)


def _read_columns(path: str | Path) -> dict[str, Any]:
    """Read the columns: names as (distinct names, their places (lines,)), numbers as (lines,) int64 or float64.

    The columns of ``SPECIFICITY_COUNTS`` may be empty, all of them, and are NaN then.
    """
    import pyarrow
    from pyarrow import csv

    names, text = RANKING_FIELDS[:2], pyarrow.dictionary(pyarrow.int32(), pyarrow.string())
    types = dict.fromkeys(RANKING_FIELDS, pyarrow.int64()) | dict.fromkeys(names, text)
    types |= dict.fromkeys(SPECIFICITY_COUNTS, pyarrow.float64())
    try:
        table = csv.read_csv(
            path,
            csv.ReadOptions(use_threads=False),  # or errors do not name the line
            csv.ParseOptions(delimiter="\t", ignore_empty_lines=False),
            csv.ConvertOptions(column_types=types, null_values=[""]),
        )
    except pyarrow.ArrowInvalid as error:
        raise _malformed(path, int(row[1]) if (row := re.search(r"Row #(\d+)", str(error))) else 1) from None
    if tuple(table.column_names) != RANKING_FIELDS:
        raise _malformed(path, 1)
    not_counted = all(table[name].null_count == len(table) for name in SPECIFICITY_COUNTS)
    for name in ("layer", *COUNTS) if not_counted else RANKING_FIELDS[2:]:
        if table[name].null_count:
            raise _malformed(path, table[name].is_null().index(True).as_py() + 2)
    columns = dict(zip(RANKING_FIELDS, table.unify_dictionaries().combine_chunks().itercolumns(), strict=True))
    return {
        name: (column.chunk(0).dictionary.to_pylist(), column.chunk(0).indices.to_numpy().astype(np.int64))
        if name in names and len(column)
        else column.to_numpy()
        for name, column in columns.items()
    }


def _check_counts(path: str | Path, columns: dict[str, Any]) -> None:
    """Raise InputError, with the line, where numbers are not counts of one ranking."""
    count, ties, para_len, unmatching = (columns[name] for name in COUNTS)
    right = (count >= 0) & (ties >= 0) & (count + ties <= unmatching) & (unmatching <= para_len)
    if not np.isnan(columns["spans"]).all():
        right &= np.all([np.isfinite(columns[name]) & (columns[name] >= 0) for name in SPECIFICITY_COUNTS], axis=0)
    if not right.all():
        line = int(right.argmin())
        found = {name: columns[name][line].item() for name in (*COUNTS, *SPECIFICITY_COUNTS)}
        raise InputError(
            f"{path}, line {line + 2}: found {found}, wanted numbers of at least 0, and count + ties <= unmatching <= "
            "para_len. Delete the file, and it is made again."
        )


def _malformed(path: str | Path, number: int) -> InputError:
    lines = Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    found = lines[number - 1].split("\t") if lines else []
    return InputError(f"{path}, line {number}: found {found}, wanted {list(RANKING_FIELDS)}.")


def ratios(counts: np.ndarray, specificity: np.ndarray | None) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return, for each pair, what each percentage is the ratio of: ``{name: (numerators, denominators)}``, (pairs, ...).

    counts: (pairs, ..., 4), specificity: (pairs, ..., 6) or None, as in ``Ranking``. A percentage is 100 times the sum of
    the numerators by the sum of the denominators, over all pairs. ``percentage`` is equation 3 of the paper, ``auc`` the
    same over unmatching words, ties at one half. Of spans and swapped anchors each pair has the mean; a pair without one is
    left out of the number: both are 0.
    """
    count, ties, para_len, unmatching = np.moveaxis(counts.astype(np.float64), -1, 0)
    outranked = count + ties / 2
    found = {"percentage": (count, para_len), "auc": (outranked, unmatching)}
    if specificity is None:
        return found
    spans, span_count, null_count, null_words, anchors, swapped_count = np.moveaxis(specificity, -1, 0)
    has_anchor, per_span, per_anchor = anchors > 0, np.maximum(spans, 1), np.maximum(anchors, 1)
    swapped, lengths = swapped_count / per_anchor, unmatching * has_anchor
    return found | {
        "null_auc": (null_count / per_span, null_words / per_span),
        "span_auc": (span_count, spans),
        "swapped_auc": (swapped, lengths),
        "specific": (outranked * has_anchor - swapped, lengths),
    }


def percentage(counts: np.ndarray) -> tuple[float, float]:
    """Return the percentage and the auc of one measure and layer; counts: (pairs, 4). NaN where there is nothing."""
    found, auc = (_percent(*map(np.sum, parts)) for parts in ratios(counts, None).values())
    return found, auc


def percentages(rankings: Iterable[tuple[str, str, str]]) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of ``percentages.tsv`` for rankings given as (checkpoint, task, path); none for an empty set."""
    for checkpoint, task, path in rankings:
        ranking = read_ranking(path)
        for i, measure in enumerate(ranking.measures):
            for k, layer in enumerate(ranking.layers):
                counts, sums = ranking.counts[i, k], None if ranking.specificity is None else ranking.specificity[i, k]
                count, _, para_len, unmatching = counts.sum(0).tolist()
                names = checkpoint, task, measure, layer, len(counts), para_len, unmatching, count
                cells = [f"{_percent(*map(np.sum, parts)):.4f}" for parts in ratios(counts, sums).values()]
                yield *names, *cells, *[""] * (6 - len(cells))


def _percent(part: float, whole: float) -> float:
    return float(100 * part / whole) if whole else float("nan")
