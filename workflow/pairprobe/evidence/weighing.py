"""What the rankings prove: intervals, differences between checkpoints with their tests, and verdicts on the paper's claims.

Pages are resampled, and swapped between two checkpoints; a page is a cluster of the questions that are asked of it.
"""

import itertools
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from pairprobe.errors import InputError
from pairprobe.evidence import claims, resampling
from pairprobe.evidence.resampling import Bootstrap, Sums
from pairprobe.io.progress import log, track
from pairprobe.io.tsv import write_tsv
from pairprobe.rankings.percentages import Ranking, read_ranking

INTERVAL_FIELDS = (
    "checkpoint", "task", "measure", "layer", "pairs", "pages", "percentage", "percentage_low", "percentage_high", "auc",
    "auc_low", "auc_high",
)  # fmt: skip
DIFFERENCE_FIELDS = (
    "before", "after", "task", "measure", "layer", "pairs", "pages", "difference", "low", "high", "p", "p_holm",
)  # fmt: skip
CLAIM_FIELDS = (
    "before", "after", "claim", "task", "measure", "stated", "verdict", "value", "low", "high", "layer", "layers",
    "pairs", "pages", "pairs_needed",
)  # fmt: skip
VARIANT_FIELDS = ("variant", *CLAIM_FIELDS)


@dataclass(frozen=True)
class Settings:
    """How evidence is weighed: resamples, and as many permutations; confidence; the seed; and what claims go by.

    margin: in points, within which two checkpoints count as equal. lower_layers: the last of the lower ones; None: by the
    number of layers, as five of the paper's twelve. power: at which the number of pairs is said that would decide.
    """

    resamples: int = 10_000
    confidence: float = 0.95
    margin: float = 5.0
    lower_layers: int | None = None
    power: float = 0.8
    seed: int = 0


def weigh(
    rankings: Iterable[tuple[str, str, str]], titles: dict[str, str], settings: Settings, paths: dict[str, str]
) -> None:
    """Weigh the rankings, given as (checkpoint, task, path), and write the tables intervals, differences and claims.

    titles: ``{example_id: title of its page}``. paths: of the three tables, by name. Each task draws resamples of its own
    from the seed and its name, the same for all checkpoints; adding a task or a checkpoint changes no other interval.
    Raises InputError for a bad ranking, and for an example without a title.
    """
    intervals, differences, verdicts = _weighed(rankings, titles, settings)
    write_tsv(paths["intervals"], INTERVAL_FIELDS, intervals)
    write_tsv(paths["differences"], DIFFERENCE_FIELDS, _corrected(differences))
    write_tsv(paths["claims"], CLAIM_FIELDS, verdicts)
    log.info("%d intervals, %d differences, %d verdicts", len(intervals), len(differences), len(verdicts))


def weigh_variants(
    rankings: Iterable[tuple[str, str, str, str]], titles: dict[str, str], settings: Settings, path: str
) -> None:
    """Judge the claims by other ways to measure: rankings are given as (variant, checkpoint, task, path).

    Writes a table of ``VARIANT_FIELDS``: what ``tables/claims.tsv`` has, for each variant. Raises as ``weigh`` does.
    """
    by_variant: dict[str, list[tuple[str, str, str]]] = {}
    for variant, *ranking in rankings:
        by_variant.setdefault(variant, []).append(tuple(ranking))
    rows = [
        (variant, *row)
        for variant, some in track(by_variant.items(), len(by_variant), "weighing", "variants")
        for row in _weighed(some, titles, settings)[2]
    ]
    write_tsv(path, VARIANT_FIELDS, rows)


def _weighed(
    rankings: Iterable[tuple[str, str, str]], titles: dict[str, str], settings: Settings
) -> tuple[list[tuple], list[tuple], list[tuple]]:
    """Return the rows of intervals, of differences, their p uncorrected, and of claims."""
    intervals, differences, verdicts = [], [], []
    by_task: dict[str, dict[str, _Columns]] = {}
    for checkpoint, task, path in rankings:
        by_task.setdefault(task, {})[checkpoint] = ranked = _Columns.of(read_ranking(path))
        if missing := sorted(set(ranked.names.tolist()) - titles.keys()):
            raise InputError(f"{path}: example_id {missing[0]} is in no example. Rank the pairs of these examples.")
    for task, ranked in by_task.items():
        weighed = _Task(task, ranked, titles, settings)
        intervals += weighed.intervals()
        for before, after in itertools.combinations(ranked, 2):
            found = weighed.compare(before, after)
            differences += found[0]
            verdicts += found[1]
    return intervals, differences, verdicts


def _corrected(rows: list[tuple]) -> list[tuple]:
    """Correct the p-values, which stand last, over all tasks, measures and layers of each pair of checkpoints."""
    corrected = [0.0] * len(rows)
    places: dict[tuple[str, str], list[int]] = {}
    for i, row in enumerate(rows):
        places.setdefault(row[:2], []).append(i)
    for some in places.values():
        for i, p in zip(some, resampling.holm(np.array([rows[i][-1] for i in some])), strict=True):
            corrected[i] = p
    return [(*row[:-1], _p(row[-1]), _p(p)) for row, p in zip(rows, corrected, strict=True)]


@dataclass(frozen=True)
class _Columns:
    """A ranking in the order of names, measures and layers: ``columns`` are the measures and layers, ``counts`` (pairs,
    columns, 4)."""

    names: np.ndarray
    columns: list[tuple[str, int]]
    counts: np.ndarray

    @classmethod
    def of(cls, ranking: Ranking) -> "_Columns":
        pairs, measures = np.argsort(ranking.example_ids), np.argsort(ranking.measures)
        columns = list(itertools.product(sorted(ranking.measures), ranking.layers))
        counts = ranking.counts[measures][:, :, pairs].reshape(len(columns), len(pairs), 4)
        return cls(ranking.example_ids[pairs], columns, counts.transpose(1, 0, 2))

    def only(self, names: np.ndarray) -> "_Columns":
        """Return the pairs of these examples."""
        chosen = np.isin(self.names, names)
        return _Columns(self.names[chosen], self.columns, self.counts[chosen])


class _Task:
    """The rankings of one task by several checkpoints."""

    def __init__(self, task: str, ranked: dict[str, _Columns], titles: dict[str, str], settings: Settings):
        self.task, self.titles, self.settings = task, titles, settings
        self.ranked = {name: each for name, each in ranked.items() if len(each.names)}
        self._kept: dict[tuple[str, ...], dict[str, _Weighed]] = {}

    def intervals(self) -> list[tuple]:
        """Return a row for each checkpoint, measure and layer."""
        rows = []
        for checkpoint, ranked in self.ranked.items():
            weighed = self._resampled(ranked.names)[checkpoint]
            numbers = [
                number
                for each in (weighed.percentage, weighed.auc)
                for number in (each.estimate, *each.interval(self.settings.confidence).T)
            ]
            found = (checkpoint, self.task, len(ranked.names), len(weighed.sums))
            for (measure, layer), *row in zip(ranked.columns, *numbers, strict=True):
                rows.append((*found[:2], measure, layer, *found[2:], *map(_points, row)))
        return rows

    def compare(self, before: str, after: str) -> tuple[list[tuple], list[tuple]]:
        """Return the rows of differences, p uncorrected, and those of claims, on the pairs that both checkpoints have."""
        if not {before, after} <= self.ranked.keys():
            return [], []
        columns = self.ranked[before].columns
        if columns != self.ranked[after].columns:
            log.warning("%s: %s and %s have not the same layers, and are not compared", self.task, before, after)
            return [], []
        names = np.intersect1d(self.ranked[before].names, self.ranked[after].names)
        if not len(names):
            return [], []
        weighed = self._resampled(names)
        one, other = weighed[before], weighed[after]
        difference = other.percentage - one.percentage
        p = resampling.permutation_test(one.sums, other.sums, self.settings.resamples, self._seed("swaps"))
        bounds, counts = difference.interval(self.settings.confidence), (len(names), len(one.sums))
        differences = [
            (before, after, self.task, measure, layer, *counts, *map(_points, (value, *interval)), tested)
            for (measure, layer), value, interval, tested in zip(columns, difference.estimate, bounds, p, strict=True)
        ]
        return differences, [(before, after, *row) for row in self._verdicts(columns, difference, counts)]

    def _verdicts(self, columns: list[tuple[str, int]], difference: Bootstrap, counts: tuple[int, int]) -> Iterator[tuple]:
        for measure in dict.fromkeys(measure for measure, _ in columns):
            of_layers = difference[[i for i, column in enumerate(columns) if column[0] == measure]]
            layers, bounds = len(of_layers.estimate), self._bounds(len(of_layers.estimate))
            for name, claim in claims.CLAIMS.items():
                found = claims.verdict(name, of_layers, bounds)
                stated = "yes" if self.task in (claim.tasks or claims.PAPERS_TASKS) else "no"
                numbers = (_points(number) for number in (found.value, found.low, found.high))
                needed = found.needed * counts[0] / counts[1] if found.verdict == claims.UNDECIDED else None
                row = (name, self.task, measure, stated, found.verdict, *numbers)
                yield (*row, "" if found.layer is None else found.layer, layers, *counts, _whole(needed))

    def _bounds(self, layers: int) -> claims.Bounds:
        lower = self.settings.lower_layers
        if lower is not None and lower > layers - 2:
            raise InputError(
                f"evidence.lower_layers: found {lower}, but a checkpoint's last layer is {layers - 1}. Set it to "
                f"{layers - 2} or less."
            )
        lower = claims.lower_of(layers - 1) if lower is None else lower
        return claims.Bounds(lower, self.settings.margin, self.settings.confidence, self.settings.power)

    def _resampled(self, names: np.ndarray) -> dict[str, "_Weighed"]:
        """Return what the checkpoints that have all of these pairs come to on them, resampled in the same way."""
        if (key := tuple(names)) not in self._kept:
            having = {name: each for name, each in self.ranked.items() if np.isin(names, each.names).all()}
            sums = {name: _sums(each.only(names), self.titles) for name, each in having.items()}
            several = [of for both in sums.values() for of in both]
            found = iter(resampling.bootstrap(several, self.settings.resamples, self._seed("resamples")))
            self._kept[key] = {name: _Weighed(both[0], next(found), next(found)) for name, both in sums.items()}
        return self._kept[key]

    def _seed(self, use: str) -> tuple[int, int]:
        return self.settings.seed, zlib.crc32(f"{self.task} {use}".encode())


@dataclass(frozen=True)
class _Weighed:
    sums: Sums
    percentage: Bootstrap
    auc: Bootstrap


def _sums(ranked: _Columns, titles: dict[str, str]) -> tuple[Sums, Sums]:
    """Sum the pairs of each page up: what percentage, and what auc, is a ratio of."""
    _, page = np.unique([titles[name] for name in ranked.names.tolist()], return_inverse=True)
    pages = page.max() + 1

    def by_page(of_pairs: np.ndarray) -> np.ndarray:
        # One column says it all where all are alike, as lengths are.
        of_pairs = of_pairs[:, :1] if (of_pairs == of_pairs[:, :1]).all() else of_pairs
        return np.stack([np.bincount(page, column, pages) for column in of_pairs.T], axis=1)

    count, ties, para_len, unmatching = np.moveaxis(ranked.counts, 2, 0)
    counts = np.stack([np.bincount(page, column, pages) for column in count.T], axis=1)
    ties = np.stack([np.bincount(page, column, pages) for column in ties.T], axis=1)
    return Sums(counts, by_page(para_len)), Sums(counts + ties / 2, by_page(unmatching))


def _points(number: float) -> str:
    return f"{number:.4f}"


def _p(p: float) -> str:
    return f"{p:.6f}"


def _whole(number: float | None) -> str:
    """Return a number of pairs, rounded up; "" for none, "inf" where no number would do."""
    return "" if number is None else "inf" if np.isinf(number) else str(int(np.ceil(number)))
