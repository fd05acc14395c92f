"""Intervals of percentages, tests of differences between recipes and checkpoints, and what is found of the paper's claims.

What is compared is a unit: a recipe, of which its checkpoints are draws, or a checkpoint by itself. What is said of a
recipe stands on its seeds and on pages, what is said of two checkpoints on pages alone (see ``estimation``).
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pairprobe.errors import InputError
from pairprobe.evidence import claims
from pairprobe.evidence.estimation import Estimate, Sums, moderate
from pairprobe.evidence.fields import (
    CHECKPOINTS,
    CLAIM_FIELDS,
    COMPARED,
    CORRELATION,
    DIFFERENCE_FIELDS,
    INTERVAL_FIELDS,
    JUDGED,
    RECIPE,
    UNDECIDED,
    VALUES,
    VARIANT_FIELDS,
)
from pairprobe.io.progress import log, track
from pairprobe.io.tsv import rounded, write_tsv
from pairprobe.rankings.percentages import Ranking, ratios, read_ranking

# Of one of the tables, as its fields are.
Row = tuple[Any, ...]
# Above so many pairs no number is told.
MOST_PAIRS = 100_000


@dataclass(frozen=True)
class Settings:
    """What the configuration's section ``evidence`` says of tests.

    margin: in points, within which two checkpoints count as equal. lower_layers: the last lower layer; None: as
    ``claims.last_lower_layer`` has it. power: for the number of pairs needed.
    """

    confidence: float = 0.95
    margin: float = 5.0
    lower_layers: int | None = None
    power: float = 0.8


@dataclass(frozen=True)
class Pages:
    """What pairs are summed up by, and what are draws of one recipe.

    titles: ``{task: {pair: title of its page}}``, pairs as rankings name them. recipes: ``{name: its checkpoints}``.
    """

    titles: Mapping[str, Mapping[str, str]]
    recipes: Mapping[str, Sequence[str]] = field(default_factory=dict)


def weigh(rankings: Iterable[tuple[str, str, str]], pages: Pages, settings: Settings, paths: Mapping[str, str]) -> None:
    """Write the tables of intervals, differences and claims for rankings given as (checkpoint, task, path).

    paths: of the three tables, by name. Raises InputError for a bad ranking, and for a pair without a title.
    """
    tasks = read_tasks(rankings, pages)
    compared = list(_comparisons(tasks, settings))
    intervals = [row for task in tasks for row in task.intervals(settings.confidence)]
    differences = [row for comparison in compared for value in COMPARED for row in comparison.differences(value)]
    verdicts = [row for comparison in compared for row in comparison.verdicts()]
    write_tsv(paths["intervals"], INTERVAL_FIELDS, intervals)
    write_tsv(paths["differences"], DIFFERENCE_FIELDS, differences)
    write_tsv(paths["claims"], CLAIM_FIELDS, verdicts)
    log.info("%d intervals, %d differences, %d verdicts", len(intervals), len(differences), len(verdicts))


def weigh_variants(rankings: Iterable[tuple[str, str, str, str]], pages: Pages, settings: Settings, path: str) -> None:
    """Judge the claims by the controls: rankings are given as (variant, checkpoint, task, path).

    Writes a table of ``VARIANT_FIELDS``: the columns of ``tables/claims.tsv`` for each variant. Raises as ``weigh`` does.
    """
    by_variant: dict[str, list[tuple[str, str, str]]] = {}
    for variant, checkpoint, task, ranking in rankings:
        by_variant.setdefault(variant, []).append((checkpoint, task, ranking))
    rows = [
        (variant, *row)
        for variant, some in track(by_variant.items(), len(by_variant), "weighing", "variants")
        for comparison in _comparisons(read_tasks(some, pages), settings)
        for row in comparison.verdicts()
    ]
    write_tsv(path, VARIANT_FIELDS, rows)


def read_tasks(rankings: Iterable[tuple[str, str, str]], pages: Pages) -> list["Task"]:
    """Read rankings given as (checkpoint, task, path). Raises InputError as ``weigh`` does."""
    by_task: dict[str, dict[str, Columns]] = {}
    for checkpoint, task, path in rankings:
        by_task.setdefault(task, {})[checkpoint] = Columns.read(path, pages.titles[task])
    return [Task(task, by_checkpoint, pages) for task, by_checkpoint in by_task.items()]


@dataclass(frozen=True, eq=False)
class Columns:
    """A ranking sorted by example, measure and layer.

    names: (measure, layer) of each column; counts: (pairs, columns, 4), specificity: (pairs, columns, 6) or None, the last
    axes as in ``Ranking``.
    """

    example_ids: np.ndarray
    names: list[tuple[str, int]]
    counts: np.ndarray
    specificity: np.ndarray | None

    @classmethod
    def read(cls, path: str, titles: Mapping[str, str]) -> "Columns":
        """Read a ranking. Raises InputError for a bad one, and for a pair without a title."""
        columns = cls.of(read_ranking(path))
        if missing := sorted({*columns.example_ids.tolist()} - titles.keys()):
            raise InputError(f"{path}: example_id {missing[0]} is in no example. Rank the pairs of these examples.")
        return columns

    @classmethod
    def of(cls, ranking: Ranking) -> "Columns":
        """Return the columns of a ranking."""
        pairs, measures = np.argsort(ranking.example_ids), np.argsort(ranking.measures)
        names = list(itertools.product(sorted(ranking.measures), ranking.layers))

        def columns(values: np.ndarray) -> np.ndarray:
            return values[measures][:, :, pairs].reshape(len(names), len(pairs), values.shape[3]).transpose(1, 0, 2)

        specificity = None if ranking.specificity is None else columns(ranking.specificity)
        return cls(ranking.example_ids[pairs], names, columns(ranking.counts), specificity)

    def ratios(self, example_ids: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Return ``percentages.ratios`` of these examples' pairs: (pairs, columns) each."""
        among = np.isin(self.example_ids, example_ids)
        return ratios(self.counts[among], None if self.specificity is None else self.specificity[among])


class Task:
    """The rankings of one task by several checkpoints."""

    def __init__(self, task: str, columns: Mapping[str, Columns], pages: Pages):
        self.task, self.pages, self.titles = task, pages, pages.titles[task]
        self.columns = {checkpoint: each for checkpoint, each in columns.items() if len(each.example_ids)}
        recipe_of = {checkpoint: name for name, several in pages.recipes.items() for checkpoint in several}
        self.units: dict[str, list[str]] = {}
        for checkpoint in self.columns:
            self.units.setdefault(recipe_of.get(checkpoint, checkpoint), []).append(checkpoint)

    def is_recipe(self, unit: str) -> bool:
        """Whether a unit is a recipe."""
        return unit in self.pages.recipes

    def common(self, checkpoints: Iterable[str]) -> np.ndarray:
        """Return the examples that all of these checkpoints have a pair of, ascending."""
        several = [self.columns[checkpoint].example_ids for checkpoint in checkpoints]
        return several[0][np.all([np.isin(several[0], each) for each in several], axis=0)]

    def estimates(self, checkpoints: Sequence[str], example_ids: np.ndarray, is_recipe: bool) -> dict[str, Estimate]:
        """Return the values that these checkpoints' rankings have, on the pairs of these examples; a column each."""
        _, page = np.unique([self.titles[name] for name in example_ids.tolist()], return_inverse=True)
        order = np.argsort(page, kind="stable")
        starts = np.flatnonzero(np.diff(page[order], prepend=-1))

        def by_page(values: np.ndarray) -> np.ndarray:
            return np.add.reduceat(values[order], starts)

        of_pairs = [self.columns[checkpoint].ratios(example_ids) for checkpoint in checkpoints]
        return {
            value: Estimate.of_checkpoints([Sums(*map(by_page, each[value])) for each in of_pairs], is_recipe)
            for value in VALUES
            if all(value in each for each in of_pairs)
        }

    def counts(self, checkpoints: Sequence[str], example_ids: np.ndarray, value: str) -> tuple[int, int]:
        """Return of how many pairs all these checkpoints have a value, and on how many pages these are."""
        have = [(self.columns[one].ratios(example_ids)[value][1] > 0).any(1) for one in checkpoints]
        names = example_ids[np.all(have, axis=0)].tolist()
        return len(names), len({self.titles[name] for name in names})

    def intervals(self, confidence: float) -> Iterator[Row]:
        """Yield a row of ``INTERVAL_FIELDS`` for each checkpoint and each recipe, measure and layer."""
        recipes = {unit: checkpoints for unit, checkpoints in self.units.items() if self.is_recipe(unit)}
        for name, checkpoints in ({one: [one] for one in self.columns} | recipes).items():
            example_ids, names = self.common(checkpoints), self.columns[checkpoints[0]].names
            if not len(example_ids):
                continue
            estimates = self.estimates(checkpoints, example_ids, name in recipes)
            numbers = np.full((len(names), len(VALUES), 3), np.nan)
            for i, value in enumerate(VALUES):
                if (estimate := estimates.get(value)) is not None:
                    numbers[:, i] = with_interval(estimate, value, confidence)
            counts = len(example_ids), len(estimates["percentage"].left_out)
            for (measure, layer), row in zip(names, numbers.reshape(len(names), -1), strict=True):
                yield name, self.task, measure, layer, *counts, *map(rounded, row), len(checkpoints)


def with_interval(estimate: Estimate, value: str, confidence: float) -> np.ndarray:
    """Return the percentages of a value with the ends of their intervals: (columns, 3)."""
    interval = estimate.interval if value == "specific" else estimate.percentage_interval
    return np.column_stack([estimate.value, interval(confidence).clip(-100, 100)])


def by_measure(names: Iterable[tuple[str, int]]) -> dict[str, list[int]]:
    """Return the columns of each measure; names: (measure, layer) of each column."""
    found: dict[str, list[int]] = {}
    for i, (measure, _) in enumerate(names):
        found.setdefault(measure, []).append(i)
    return found


def possible(ends: np.ndarray, value: str) -> np.ndarray:
    """Keep the ends of intervals to what a difference can be, in points; of correlations, a correlation."""
    most = {"specific": 200.0, CORRELATION: 1.0}.get(value, 100.0)
    possible: np.ndarray = np.clip(ends, -most, most)
    return possible


@dataclass(frozen=True)
class TaskDifferences:
    """The differences of one task: of each value a column for each of ``names``, (measure, layer).

    counts: of each value, on how many pairs and pages it stands.
    """

    task: str
    names: list[tuple[str, int]]
    counts: dict[str, tuple[int, int]]
    differences: dict[str, Estimate]

    def measures(self) -> dict[str, list[int]]:
        """Return the columns of each measure, layers ascending."""
        return by_measure(self.names)


@dataclass(frozen=True)
class Comparison:
    """Two units, compared in all tasks. is_recipe: whether one of them is a recipe."""

    before: str
    after: str
    is_recipe: bool
    tasks: list[TaskDifferences]
    settings: Settings

    def tests(self, value: str) -> int:
        """Count the tests of a value: over all tasks, measures and layers."""
        return sum(len(task.names) for task in self.tasks if value in task.differences)

    def differences(self, value: str, tests: int | None = None) -> Iterator[Row]:
        """Yield rows of ``DIFFERENCE_FIELDS``; p_adjusted is corrected for so many tests, by default all of the value."""
        tasks = [task for task in self.tasks if value in task.differences]
        tests = tests or self.tests(value)
        # Moderated in each layer by all tasks and measures.
        curves = [(task, columns) for task in tasks for columns in task.measures().values()]
        estimates = moderate([task.differences[value][columns] for task, columns in curves])
        for (task, columns), curve in zip(curves, estimates, strict=True):
            pairs, pages = task.counts[value]
            numbers = np.column_stack([curve.value, possible(curve.interval(self.settings.confidence), value)])
            p = np.column_stack([curve.p_value(), curve.p_value(tests)])
            for i, column in enumerate(columns):
                told = f"{curve.pages[i]:.1f}", *map(rounded, numbers[i]), *(rounded(each, 6) for each in p[i])
                yield value, self.before, self.after, task.task, *task.names[column], pairs, curve.seeds, pages, *told

    def verdicts(self) -> Iterator[Row]:
        """Yield rows of ``CLAIM_FIELDS``; with the configured confidence none of them is wrong."""
        keys = [
            (task, on, measure, columns)
            for task in self.tasks
            for on in JUDGED
            if on in task.differences
            for measure, columns in task.measures().items()
            if self._has_upper_layers(task, columns)
        ]
        tests, bounds, estimates = len(keys) * len(claims.CLAIMS), [], []
        for task, on, _, columns in keys:
            layers = len(columns)
            bounds.append(self._bounds(layers, tests))
            weights = np.column_stack([np.eye(layers), claims.contrasts(layers, bounds[-1].lower)])
            estimates.append(task.differences[on][columns] @ weights)
        for (task, on, measure, _), bound, estimate in zip(keys, bounds, moderate(estimates), strict=True):
            curve = claims.Curve(estimate, bound)
            for claim in claims.CLAIMS:
                yield self.before, self.after, *self._row(claim, task, measure, on, curve)

    def _row(self, claim: str, task: TaskDifferences, measure: str, on: str, curve: claims.Curve) -> Row:
        found, estimate = claims.judge(claim, curve, self.is_recipe), curve.estimate
        pairs, pages = task.counts[on]
        lacking = "seeds" if self.is_recipe and estimate.pages.min() >= claims.MIN_PAGES else "pages"
        stated = task.task in claims.CLAIMS[claim].tasks
        return (
            *(claim, task.task, measure, "yes" if stated else "no", found.verdict if stated else ""),
            *map(rounded, (found.value, *possible(np.array([found.low, found.high]), on))),
            *("" if found.layer is None else found.layer, curve.layers, pairs, pages),
            *(_pairs_needed(found, pairs, lacking), on, RECIPE if self.is_recipe else CHECKPOINTS),
            *(estimate.seeds, f"{estimate.pages.min():.1f}", found.says),
        )

    def _has_upper_layers(self, task: TaskDifferences, columns: list[int]) -> bool:
        if len(columns) < 2:
            log.warning("%s: %s and %s have one layer, and claims need two", task.task, self.before, self.after)
        return len(columns) > 1

    def _bounds(self, layers: int, tests: int) -> claims.Bounds:
        settings = self.settings
        lower = claims.lower_of(layers - 1, settings.lower_layers, f"{self.before} and {self.after}")
        return claims.Bounds(lower, settings.margin, 1 - settings.confidence, settings.power, tests)


def _comparisons(tasks: list[Task], settings: Settings) -> Iterator[Comparison]:
    """Yield a comparison of each two units, on the pairs that all of their checkpoints have."""
    units = list(dict.fromkeys(unit for task in tasks for unit in task.units))
    for before, after in itertools.combinations(units, 2):
        curves = [found for task in tasks if (found := compare(task, before, after))]
        if curves:
            is_recipe = any(task.is_recipe(unit) for task in tasks for unit in (before, after))
            yield Comparison(before, after, is_recipe, curves, settings)


def compare(task: Task, before: str, after: str) -> TaskDifferences | None:
    """Return the differences of two units in a task; None where one has no pairs, or they have not the same layers."""
    if not {before, after} <= task.units.keys():
        return None
    one, other = task.units[before], task.units[after]
    example_ids, names = task.common(one + other), task.columns[one[0]].names
    if any(task.columns[checkpoint].names != names for checkpoint in one + other):
        log.warning("%s: %s and %s have not the same layers, and are not compared", task.task, before, after)
        return None
    if not len(example_ids):
        return None
    old, new = (
        task.estimates(checkpoints, example_ids, task.is_recipe(unit))
        for unit, checkpoints in ((before, one), (after, other))
    )
    differences = {value: new[value] - old[value] for value in COMPARED if value in old and value in new}
    # A value that no pair has, since none has a swapped anchor, is none.
    some = {value: each for value, each in differences.items() if not np.isnan(each.value).any()}
    return TaskDifferences(task.task, names, {value: task.counts(one + other, example_ids, value) for value in some}, some)


def _pairs_needed(found: claims.Found, pairs: int, lacking: str) -> str:
    """Return how many pairs would decide, from and to, in two digits; "" where a verdict is decided.

    lacking: "seeds" or "pages", of which there must be more where no number of pairs on as many would do.
    """
    if found.verdict != UNDECIDED:
        return ""
    # What is here has not decided.
    low, high = (max(growth, 1) * pairs for growth in found.needed)
    if np.isnan(found.needed).any():
        return ""
    if np.isinf(low):
        return f"more {lacking}"
    if low > MOST_PAIRS:
        return f"more than {MOST_PAIRS:,}"
    first, last = (f"{int(float(f'{np.ceil(number):.1e}')):,}" if number <= MOST_PAIRS else "" for number in (low, high))
    if np.isinf(high) and lacking == "seeds":
        return f"{first}, or more seeds"
    return f"{first} to {last or f'more than {MOST_PAIRS:,}'}" if first != last else first
