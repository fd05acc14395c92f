"""When does which layer change? The percentages at each step of a training, and their differences from the first step.

A step is one of a recipe, whose checkpoints are the recipe's seeds at that step, or of a checkpoint by itself. It is
compared with the first on the same pages, as ``weighing`` compares any two, with p-values that are corrected for all steps.
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pairprobe.errors import InputError
from pairprobe.evidence import claims
from pairprobe.evidence.fields import (
    COMPARED,
    DIFFERENCE_FIELDS,
    HIGHER,
    INTERVAL_FIELDS,
    LOWER,
    TRAJECTORY_FIELDS,
    UNDECIDED,
)
from pairprobe.evidence.weighing import Comparison, Pages, Settings, Task, compare, read_tasks
from pairprobe.io.progress import log
from pairprobe.io.tsv import write_tsv

_VALUES = ("percentage", "auc", "null_auc", "specific")


@dataclass(frozen=True)
class Trajectory:
    """A series of recipes or checkpoints, the points, each at a step; the steps ascend, and the first is compared with."""

    name: str
    steps: Sequence[int]
    points: Sequence[str]

    @classmethod
    def of_training(cls, name: str, points: Sequence[str], kept: Sequence[int], last: int) -> "Trajectory":
        """Return that of a training that has kept these steps; the last point is its result, in place of that step.

        Raises InputError where the points are not as many.
        """
        if len(points) != len(kept) + 1:
            raise InputError(
                f"trajectory {name}: found the steps {list(kept)} that a training has kept, wanted {len(points) - 1} of "
                "them. Delete their folder, and the training is done again."
            )
        steps = dict(zip((*kept, last), points, strict=True))
        return cls(name, list(steps), list(steps.values()))


@dataclass(frozen=True)
class Series:
    """The trajectories of a run. recipes: the checkpoints of each point that is a recipe; seeds: of those that have one."""

    trajectories: Sequence[Trajectory]
    recipes: Mapping[str, Sequence[str]]
    seeds: Mapping[str, int]

    @classmethod
    def of(
        cls,
        described: Mapping[str, tuple[Sequence[str], Sequence[int] | None]],
        kept: Iterable[tuple[Sequence[int], int]],
        recipes: Mapping[str, Sequence[str]],
        seeds: Mapping[str, int],
    ) -> "Series":
        """Return the trajectories ``{name: (points, steps)}``; where steps are None, they are the next of ``kept``.

        kept: the steps of each training, and its last, see ``Trajectory.of_training``.
        """
        lists = iter(kept)
        found = [
            Trajectory(name, steps, points) if steps else Trajectory.of_training(name, points, *next(lists))
            for name, (points, steps) in described.items()
        ]
        return cls(found, recipes, seeds)

    def checkpoints_of(self, point: str) -> list[str]:
        """Return the checkpoints of a point: several of a recipe."""
        return list(self.recipes.get(point, [point]))


def weigh(
    series: Series,
    rankings: Iterable[tuple[str, str, str]],
    titles: Mapping[str, Mapping[str, str]],
    confidence: float,
    path: str,
) -> None:
    """Write a table of ``TRAJECTORY_FIELDS`` for rankings given as (checkpoint, task, path).

    titles: as of ``weighing.Pages``. p_adjusted is corrected for all steps, tasks, measures and layers of a trajectory and
    value. Raises InputError as ``weighing.weigh`` does.
    """
    tasks = read_tasks(rankings, Pages(titles, series.recipes))
    values: dict[str, list[dict[str, Any]]] = {}
    for cells in (row for task in tasks for row in task.intervals(confidence)):
        values.setdefault(cells[0], []).append(dict(zip(INTERVAL_FIELDS, cells, strict=True)))
    rows: list[tuple[Any, ...]] = []
    for one in series.trajectories:
        # A seed of a recipe may be a point of another trajectory by itself.
        own = Pages(titles, {point: series.recipes[point] for point in one.points if point in series.recipes})
        of_points = [Task(each.task, each.columns, own) for each in tasks]
        differences = _differences(one, of_points, series, Settings(confidence))
        for step, point in zip(one.steps, one.points, strict=True):
            for name in dict.fromkeys([point, *series.checkpoints_of(point)]):
                told = one.name, name, series.seeds.get(name, ""), step
                rows += [(*told, *_cells(row, differences)) for row in values.get(name, [])]
    write_tsv(path, TRAJECTORY_FIELDS, rows)
    log.info("%d rows of %d trajectories", len(rows), len(series.trajectories))


def _differences(
    one: Trajectory, tasks: Sequence[Task], series: Series, settings: Settings
) -> dict[tuple[str, ...], dict[str, Any]]:
    """Return the differences of each later point from the first: ``{(value, point, task, measure, layer): row}``."""
    first, *others = one.points
    comparisons = []
    for point in others:
        curves = [found for task in tasks if (found := compare(task, first, point))]
        comparisons.append(Comparison(first, point, point in series.recipes, curves, settings))
    rows: dict[tuple[str, ...], dict[str, Any]] = {}
    for value in COMPARED:
        tests = sum(each.tests(value) for each in comparisons)
        for cells in itertools.chain.from_iterable(each.differences(value, tests) for each in comparisons if each.tasks):
            row = dict(zip(DIFFERENCE_FIELDS, cells, strict=True))
            row["found"] = _found(row, row["after"] in series.recipes, 1 - settings.confidence)
            rows[value, row["after"], row["task"], row["measure"], row["layer"]] = row
    return rows


def _found(row: Mapping[str, Any], is_recipe: bool, level: float) -> str:
    if not claims.enough(float(row["effective_pages"]), row["seeds"], is_recipe):
        return UNDECIDED
    if not row["p_adjusted"] or float(row["p_adjusted"]) > level:
        return UNDECIDED
    return HIGHER if float(row["difference"]) > 0 else LOWER


def _cells(row: Mapping[str, Any], differences: Mapping[tuple[str, ...], Mapping[str, Any]]) -> list[Any]:
    """Return the columns of a row from task on: counts, values, and what is known of each value's difference."""
    key = row["checkpoint"], row["task"], row["measure"], row["layer"]
    changes = [differences.get((value, *key), {}) for value in COMPARED]
    pages = next((change["effective_pages"] for change in changes if change), "")
    names = ("difference", "low", "high", "p", "p_adjusted", "found")
    counts = [row[name] for name in ("task", "measure", "layer", "pairs", "seeds", "pages", *_VALUES)]
    return [*counts, pages, *(change.get(name, "") for change in changes for name in names)]
