"""Does training to answer questions do more to a layer than any training does? Differences of differences, and verdicts.

A training's effect is what the checkpoint has after it less before it. The effect of training to answer questions is
compared with that of a control training from the same checkpoint, which learnt something else. The percentages before
cancel: the difference of the two effects is that of the two trained ones, on the same pages. Layers are compared one by
one, and the means over the lower and the upper layers, of which there are verdicts.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pairprobe.evidence import claims
from pairprobe.evidence.estimation import Estimate, moderate
from pairprobe.evidence.fields import (
    CHECKPOINTS,
    CONTROL_TRAINING_FIELDS,
    JUDGED,
    LESS,
    LOWER_LAYERS,
    MORE,
    NO_MORE,
    RECIPE,
    UNDECIDED,
    UPPER_LAYERS,
)
from pairprobe.evidence.weighing import Pages, Row, Settings, Task, by_measure, possible, read_tasks
from pairprobe.io.progress import log
from pairprobe.io.tsv import rounded, write_tsv


class Compared(NamedTuple):
    """A checkpoint, and two recipes or checkpoints that are trained from it: to answer questions, and to something else."""

    before: str
    after: str
    control: str


def weigh(
    rankings: Iterable[tuple[str, str, str]], pages: Pages, compared: Sequence[Compared], settings: Settings, path: str
) -> None:
    """Write a table of ``CONTROL_TRAINING_FIELDS`` for rankings given as (checkpoint, task, path).

    Raises InputError for a bad ranking, for a pair without a title, and where there are no upper layers.
    """
    tasks, rows = read_tasks(rankings, pages), list[Row]()
    for names in compared:
        # What these start from may be a seed of a recipe by itself.
        own = Pages(pages.titles, {name: pages.recipes[name] for name in names if name in pages.recipes})
        of_names = [Task(each.task, each.columns, own) for each in tasks]
        effects = [found for task in of_names if (found := effects_of(task, names))]
        is_recipe = any(name in pages.recipes for name in names)
        rows += Comparison(names, is_recipe, effects, settings).rows()
    write_tsv(path, CONTROL_TRAINING_FIELDS, rows)
    log.info("%d rows", len(rows))


@dataclass(frozen=True)
class Effects:
    """Effects of two trainings on the same pairs: after less before, control less before, and the first less the second."""

    after: Estimate
    control: Estimate
    difference: Estimate

    def __getitem__(self, columns: list[int]) -> "Effects":
        """Return some of the columns."""
        return Effects(self.after[columns], self.control[columns], self.difference[columns])

    def __matmul__(self, weights: np.ndarray) -> "Effects":
        """Return weighted sums of the columns."""
        return Effects(self.after @ weights, self.control @ weights, self.difference @ weights)


@dataclass(frozen=True)
class TaskEffects:
    """The effects on one task, of each value, a column for each of ``names``, (measure, layer).

    counts: of each value, on how many pairs and pages it stands.
    """

    task: str
    names: Sequence[tuple[str, int]]
    counts: Mapping[str, tuple[int, int]]
    effects: Mapping[str, Effects]


def effects_of(task: Task, names: Compared) -> TaskEffects | None:
    """Return the effects on the pairs that all checkpoints have; None where there are none, or not the same layers.

    A checkpoint beside a recipe is one seed of its own, of which nothing is known: it is no recipe without an error.
    """
    if not {*names} <= task.units.keys():
        return None
    units = [task.units[name] for name in names]
    every = [one for several in units for one in several]
    columns = task.columns[every[0]].names
    if any(task.columns[one].names != columns for one in every):
        log.warning("%s: %s have not the same layers, and are not compared", task.task, ", ".join(names))
        return None
    if not len(example_ids := task.common(every)):
        return None
    trained = task.is_recipe(names.after) or task.is_recipe(names.control)
    are_draws = task.is_recipe(names.before), trained, trained
    before, after, control = (
        task.estimates(several, example_ids, drawn) for several, drawn in zip(units, are_draws, strict=True)
    )
    effects = {
        value: Effects(after[value] - before[value], control[value] - before[value], after[value] - control[value])
        for value in JUDGED
        if all(value in each for each in (before, after, control))
    }
    found = {value: each for value, each in effects.items() if not np.isnan(each.difference.value).any()}
    return TaskEffects(task.task, columns, {value: task.counts(every, example_ids, value) for value in found}, found)


class _Curve(NamedTuple):
    """One task, value and measure. layers: the effects, a column for each layer; means: over lower and upper layers."""

    task: TaskEffects
    value: str
    measure: str
    layers: Effects
    means: Effects


@dataclass(frozen=True)
class Comparison:
    """A training and a control training, compared in all tasks. is_recipe: whether one of them is a recipe."""

    names: Compared
    is_recipe: bool
    tasks: Sequence[TaskEffects]
    settings: Settings

    def rows(self) -> Iterator[Row]:
        """Yield rows of ``CONTROL_TRAINING_FIELDS``.

        With the configured confidence none of the verdicts on these two trainings is wrong. p_adjusted is corrected for all
        tasks, measures and layers of a value; in rows with a verdict for all verdicts.
        """
        found = list(self.verdicts())
        tests = dict.fromkeys(JUDGED, 0)
        for curve, _ in found:
            tests[curve.value] += len(curve.layers.after.value)
        for curve, said in found:
            layers = range(len(curve.layers.after.value))
            yield from self._rows(curve, curve.layers, tests[curve.value], [(layer, "") for layer in layers])
            means = zip((LOWER_LAYERS, UPPER_LAYERS), said, strict=True)
            yield from self._rows(curve, curve.means, 2 * len(found), list(means))

    def verdicts(self) -> Iterator[tuple[_Curve, list[str]]]:
        """Yield the verdicts on the lower and on the upper layers of each task, value and measure."""
        curves = [curve for value in JUDGED for curve in _moderated(list(self._curves(value)))]
        for curve in curves:
            yield curve, self._verdicts(curve.means, 2 * len(curves))

    def _curves(self, value: str) -> Iterator[_Curve]:
        for task in self.tasks:
            if value in task.effects:
                for measure, columns in by_measure(task.names).items():
                    if len(columns) < 2:
                        log.warning("%s: there is one layer, and verdicts need two", task.task)
                        continue
                    layers = task.effects[value][columns]
                    yield _Curve(task, value, measure, layers, layers @ self._means(len(columns)))

    def _means(self, layers: int) -> np.ndarray:
        """Return the weights of the means over lower and upper layers: (layers, 2)."""
        lower = claims.lower_of(layers - 1, self.settings.lower_layers, self.names.after)
        is_lower = np.arange(layers) <= lower
        return np.stack([is_lower / is_lower.sum(), ~is_lower / (~is_lower).sum()], axis=1)

    def _verdicts(self, means: Effects, tests: int) -> list[str]:
        """Return a verdict on each mean; none where there are too few pages, or seeds of a recipe."""
        if not claims.enough(means.difference.pages.min(), means.difference.seeds, self.is_recipe):
            return [UNDECIDED] * 2
        return list(map(str, verdicts(means, self.settings.margin, 1 - self.settings.confidence, tests)))

    def _rows(self, curve: _Curve, effects: Effects, tests: int, said: Sequence[tuple[int | str, str]]) -> Iterator[Row]:
        """tests: for how many p is corrected; said: of each column the layer or layers, and the verdict."""
        difference, (pairs, pages) = effects.difference, curve.task.counts[curve.value]
        numbers = []
        for each in (effects.after, effects.control, difference):
            ends = possible(each.interval(self.settings.confidence), curve.value)
            numbers.append(np.column_stack([each.value, ends]))
        told, p = np.column_stack(numbers), np.column_stack([difference.p_value(), difference.p_value(tests)])
        for i, (layer, verdict) in enumerate(said):
            yield (
                *(curve.value, *self.names, curve.task.task, curve.measure, layer),
                *(pairs, difference.seeds, pages, f"{difference.pages[i]:.1f}", *map(rounded, told[i])),
                *(rounded(each, 6) for each in p[i]),
                *(RECIPE if self.is_recipe else CHECKPOINTS, verdict),
            )


def _moderated(curves: list[_Curve]) -> list[_Curve]:
    """Moderate the seeds' variances of all curves by each other: of each effect, and of the difference."""

    def moderated(effects: list[Effects]) -> Iterator[Effects]:
        several = ([one.after for one in effects], [one.control for one in effects], [one.difference for one in effects])
        return map(Effects, *map(moderate, several))

    both = zip(moderated([one.layers for one in curves]), moderated([one.means for one in curves]), strict=True)
    return [one._replace(layers=layers, means=means) for one, (layers, means) in zip(curves, both, strict=True)]


def verdicts(effects: Effects, margin: float, error: float, tests: int) -> np.ndarray:
    """Say of each column what a training does beside a control training: (columns,).

    NO_MORE: the effects differ by no more than the margin, in points. MORE: training has an effect, and it goes further in
    its direction than the control's. LESS: the control has an effect, and that goes further in its direction. What is said
    is wrong with a probability of ``error / tests`` at most: the tests that must agree need no correction
    (intersection-union). Two verdicts can be wrong of the same effects, NO_MORE and one other, where they differ by the
    margin and one is 0; each has half of the error then, NO_MORE in each of its two one-sided tests, the other on one side.
    """
    of_after, of_control, beyond = (
        np.sign(one.value) * (np.abs(one.value) > one.half_width(error, tests))
        for one in (effects.after, effects.control, effects.difference)
    )
    difference = effects.difference
    equal = np.abs(difference.value) + difference.half_width(error, tests) < margin
    more, less = (beyond != 0) & (beyond == of_after), (beyond != 0) & (beyond == -of_control)
    return np.select([equal, more, less], [NO_MORE, MORE, LESS], UNDECIDED)
