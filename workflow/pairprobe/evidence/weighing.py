"""Intervals of percentages, tests of differences between checkpoints, and verdicts on the paper's claims.

The unit of resampling is the page (a cluster of pairs): pages are drawn again for intervals, and swapped between two
checkpoints for tests.
"""

import itertools
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pairprobe.errors import InputError
from pairprobe.evidence import claims, resampling
from pairprobe.evidence.fields import CLAIM_FIELDS, DIFFERENCE_FIELDS, INTERVAL_FIELDS, UNDECIDED, VARIANT_FIELDS
from pairprobe.evidence.resampling import Bootstrap, Sums
from pairprobe.io.progress import log, track
from pairprobe.io.tsv import write_tsv
from pairprobe.rankings.percentages import Ranking, read_ranking

# Of one of the tables, as its fields are.
Row = tuple[Any, ...]


@dataclass(frozen=True)
class Settings:
    """The configuration's section ``evidence``, and the seed.

    resamples: also the number of permutations. margin: in points, within which two checkpoints count as equal.
    lower_layers: the last lower layer; None: as ``claims.last_lower_layer`` has it. power: for the number of pairs needed.
    """

    resamples: int = 10_000
    confidence: float = 0.95
    margin: float = 5.0
    lower_layers: int | None = None
    power: float = 0.8
    seed: int = 0


def weigh(
    rankings: Iterable[tuple[str, str, str]], titles: Mapping[str, str], settings: Settings, paths: Mapping[str, str]
) -> None:
    """Write the tables of intervals, differences and claims for rankings given as (checkpoint, task, path).

    titles: ``{example_id: title of its page}``. paths: of the three tables, by name. Each task draws its own resamples,
    from the seed and its name, the same for all checkpoints; adding a task or a checkpoint changes no other interval.
    Raises InputError for a bad ranking, and for an example without a title.
    """
    tasks = list(_tasks(rankings, titles, settings))
    intervals = pd.DataFrame([row for task in tasks for row in task.intervals()], columns=INTERVAL_FIELDS)
    compared = [found for task in tasks for found in task.comparisons()]
    differences = pd.DataFrame([row for rows, _ in compared for row in rows], columns=DIFFERENCE_FIELDS[:-1])
    verdicts = [row for _, rows in compared for row in rows]
    # One family of tests: all tasks, measures and layers of two checkpoints.
    by_pair = differences.groupby(["before", "after"])["p"]
    differences["p_holm"] = by_pair.transform(lambda p: resampling.holm(p.to_numpy()))
    _write(paths["intervals"], intervals, dict.fromkeys(INTERVAL_FIELDS[6:], 4))
    _write(paths["differences"], differences, {"difference": 4, "low": 4, "high": 4, "p": 6, "p_holm": 6})
    write_tsv(paths["claims"], CLAIM_FIELDS, verdicts)
    log.info("%d intervals, %d differences, %d verdicts", len(intervals), len(differences), len(verdicts))


def weigh_variants(
    rankings: Iterable[tuple[str, str, str, str]], titles: Mapping[str, str], settings: Settings, path: str
) -> None:
    """Judge the claims by the controls: rankings are given as (variant, checkpoint, task, path).

    Writes a table of ``VARIANT_FIELDS``: the columns of ``tables/claims.tsv`` for each variant. Raises as ``weigh`` does.
    """
    by_variant: dict[str, list[tuple[str, str, str]]] = {}
    for variant, checkpoint, task, ranking in rankings:
        by_variant.setdefault(variant, []).append((checkpoint, task, ranking))
    rows = [
        (variant, *row)
        for variant, some in track(by_variant.items(), len(by_variant), "weighing", "variants")
        for task in _tasks(some, titles, settings)
        for _, verdicts in task.comparisons()
        for row in verdicts
    ]
    write_tsv(path, VARIANT_FIELDS, rows)


def _write(path: str, frame: pd.DataFrame, decimals: Mapping[str, int]) -> None:
    text = {name: frame[name].map(f"{{:.{digits}f}}".format) for name, digits in decimals.items()}
    write_tsv(path, frame.columns, frame.assign(**text).itertuples(index=False, name=None))


def _tasks(rankings: Iterable[tuple[str, str, str]], titles: Mapping[str, str], settings: Settings) -> Iterator["_Task"]:
    by_task: dict[str, dict[str, _Columns]] = {}
    for checkpoint, task, path in rankings:
        by_task.setdefault(task, {})[checkpoint] = columns = _Columns.of(read_ranking(path))
        if missing := sorted(set(columns.example_ids.tolist()) - titles.keys()):
            raise InputError(f"{path}: example_id {missing[0]} is in no example. Rank the pairs of these examples.")
    for task, by_checkpoint in by_task.items():
        yield _Task(task, by_checkpoint, titles, settings)


@dataclass(frozen=True, eq=False)
class _Columns:
    """A ranking sorted by example, measure and layer.

    names: (measure, layer) of each column; counts: (pairs, columns, 4), the last axis as in ``Ranking``.
    """

    example_ids: np.ndarray
    names: list[tuple[str, int]]
    counts: np.ndarray

    @classmethod
    def of(cls, ranking: Ranking) -> "_Columns":
        pairs, measures = np.argsort(ranking.example_ids), np.argsort(ranking.measures)
        names = list(itertools.product(sorted(ranking.measures), ranking.layers))
        counts = ranking.counts[measures][:, :, pairs].reshape(len(names), len(pairs), 4)
        return cls(ranking.example_ids[pairs], names, counts.transpose(1, 0, 2))

    def sums(self, example_ids: np.ndarray, titles: Mapping[str, str]) -> tuple[Sums, Sums]:
        """Sum the counts of these examples' pairs by page: the ratios whose percentage is the percentage, and the auc."""
        counts = self.counts[np.isin(self.example_ids, example_ids)]
        _, page = np.unique([titles[name] for name in example_ids.tolist()], return_inverse=True)
        order = np.argsort(page)
        starts = np.flatnonzero(np.diff(page[order], prepend=-1))
        count, ties, para_len, unmatching = np.moveaxis(np.add.reduceat(counts[order], starts).astype(np.float64), 2, 0)
        return Sums(count, _shared(para_len)), Sums(count + ties / 2, _shared(unmatching))


def _shared(lengths: np.ndarray) -> np.ndarray:
    """Return one column where all are the same, as lengths mostly are: (pages, 1), else (pages, columns)."""
    return lengths[:, :1] if (lengths == lengths[:, :1]).all() else lengths


@dataclass(frozen=True)
class _Resampled:
    """One checkpoint's percentage and auc with their bootstrap; sums: what the percentage is the ratio of."""

    sums: Sums
    percentage: Bootstrap
    auc: Bootstrap


class _Task:
    """The rankings of one task by several checkpoints."""

    def __init__(self, task: str, columns: Mapping[str, _Columns], titles: Mapping[str, str], settings: Settings):
        self.task, self.titles, self.settings = task, titles, settings
        self.columns = {checkpoint: each for checkpoint, each in columns.items() if len(each.example_ids)}
        self._cache: dict[tuple[str, ...], dict[str, _Resampled]] = {}

    def intervals(self) -> Iterator[Row]:
        """Yield a row of ``INTERVAL_FIELDS`` for each checkpoint, measure and layer."""
        for checkpoint, columns in self.columns.items():
            resampled = self._resample(columns.example_ids)[checkpoint]
            numbers = [
                number
                for each in (resampled.percentage, resampled.auc)
                for number in (each.estimate, *each.interval(self.settings.confidence).T)
            ]
            counts = len(columns.example_ids), len(resampled.sums)
            for (measure, layer), *row in zip(columns.names, *numbers, strict=True):
                yield checkpoint, self.task, measure, layer, *counts, *row

    def comparisons(self) -> Iterator[tuple[list[Row], list[Row]]]:
        """Yield, for each two checkpoints, the rows of differences (without p_holm) and of claims.

        The pairs that both checkpoints have are compared.
        """
        for before, after in itertools.combinations(self.columns, 2):
            one, other = self.columns[before], self.columns[after]
            example_ids = np.intersect1d(one.example_ids, other.example_ids)
            if one.names != other.names:
                log.warning("%s: %s and %s have not the same layers, and are not compared", self.task, before, after)
            elif len(example_ids):
                yield self._compare(before, after, example_ids)

    def _compare(self, before: str, after: str, example_ids: np.ndarray) -> tuple[list[Row], list[Row]]:
        resampled, names = self._resample(example_ids), self.columns[before].names
        one, other = resampled[before], resampled[after]
        difference = other.percentage - one.percentage
        p = resampling.permutation_test(one.sums, other.sums, self.settings.resamples, self._seed("swaps"))
        counts = len(example_ids), len(one.sums)
        intervals = difference.interval(self.settings.confidence)
        differences = [
            (before, after, self.task, measure, layer, *counts, value, *interval, tested)
            for (measure, layer), value, interval, tested in zip(names, difference.estimate, intervals, p, strict=True)
        ]
        return differences, [(before, after, *row) for row in self._verdicts(names, difference, counts)]

    def _verdicts(self, names: list[tuple[str, int]], difference: Bootstrap, counts: tuple[int, int]) -> Iterator[Row]:
        for measure in dict.fromkeys(measure for measure, _ in names):
            of_layers = difference[[i for i, name in enumerate(names) if name[0] == measure]]
            layers = len(of_layers.estimate)
            bounds = self._bounds(layers)
            for name, claim in claims.CLAIMS.items():
                found = claims.verdict(name, of_layers, bounds)
                stated = "yes" if self.task in claim.tasks else "no"
                numbers = (f"{number:.4f}" for number in (found.value, found.low, found.high))
                layer = "" if found.layer is None else found.layer
                row = (name, self.task, measure, stated, found.verdict, *numbers, layer, layers, *counts)
                yield *row, _pairs_needed(found, counts)

    def _bounds(self, layers: int) -> claims.Bounds:
        lower = self.settings.lower_layers
        if lower is not None and lower > layers - 2:
            raise InputError(
                f"evidence.lower_layers: found {lower}, but a checkpoint's last layer is {layers - 1}. Set it to "
                f"{layers - 2} or less."
            )
        lower = claims.last_lower_layer(layers - 1) if lower is None else lower
        return claims.Bounds(lower, self.settings.margin, self.settings.confidence, self.settings.power)

    def _resample(self, example_ids: np.ndarray) -> dict[str, _Resampled]:
        """Return the percentages on these pairs of each checkpoint that has all of them, with the same resamples."""
        if (key := tuple(example_ids)) not in self._cache:
            sums = {
                checkpoint: columns.sums(example_ids, self.titles)
                for checkpoint, columns in self.columns.items()
                if np.isin(example_ids, columns.example_ids).all()
            }
            ratios = [ratio for both in sums.values() for ratio in both]
            found = iter(resampling.bootstrap(ratios, self.settings.resamples, self._seed("resamples")))
            self._cache[key] = {name: _Resampled(both[0], next(found), next(found)) for name, both in sums.items()}
        return self._cache[key]

    def _seed(self, use: str) -> tuple[int, int]:
        return self.settings.seed, zlib.crc32(f"{self.task} {use}".encode())


def _pairs_needed(found: claims.Verdict, counts: tuple[int, int]) -> str:
    """Return how many pairs would decide, rounded up, "inf" where no number would; "" where a verdict is decided."""
    if found.verdict != UNDECIDED:
        return ""
    pairs, pages = counts
    needed = found.needed * pairs / pages
    return "inf" if np.isinf(needed) else str(int(np.ceil(needed)))
