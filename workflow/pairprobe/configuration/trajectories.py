"""Which steps of trainings are kept, and trajectories: series of checkpoints over the steps of a training."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple


class StepOfTraining(NamedTuple):
    """A step that a training keeps: of which checkpoint, and which of the steps, from 0."""

    checkpoint: str
    number: int


class PlannedTrajectory(NamedTuple):
    """A series of checkpoints over the steps of a training.

    ranked: the recipes and checkpoints whose encoders are those of each step; scored: those that answer questions. steps:
    of each; None where they are written down by the training. training: the checkpoint that was trained, one of them for a
    recipe.
    """

    ranked: list[str]
    scored: list[str]
    steps: list[int] | None
    training: str | None


@dataclass(frozen=True)
class TrainedUnit:
    """A recipe or a checkpoint that is trained here.

    seeds: of each of its checkpoints, of which a recipe has several; start: what it starts from; keep: ``keep_steps``.
    """

    name: str
    seeds: dict[str, int]
    start: str
    keep: list[int] | int | None

    @property
    def endings(self) -> list[str]:
        """What the names of its kept steps end in: the step where steps are listed, else the number of the point.

        Of a number of points the last is the trained checkpoint. Of listed steps the first is always 0.
        """
        if isinstance(self.keep, int):
            return [f"point{i}" for i in range(self.keep - 1)]
        return [f"step{step}" for step in sorted({0, *self.keep})] if self.keep else []


@dataclass(frozen=True)
class Trajectories:
    """The kept steps of a run, and its trajectories.

    trained: what is trained here. recipes: of the run, each with its checkpoints. published: ``figures.trajectories``.
    """

    trained: list[TrainedUnit]
    recipes: dict[str, list[str]]
    published: dict[str, dict[str, str]]

    @property
    def kept(self) -> dict[str, StepOfTraining]:
        """The steps that are kept, by the names that these have as checkpoints, which ``Run.checkpoints`` lacks."""
        return {
            f"{one}-{name}": StepOfTraining(one, i)
            for unit in self.trained
            for one in unit.seeds
            for i, name in enumerate(unit.endings)
        }

    @property
    def series(self) -> dict[str, PlannedTrajectory]:
        """The trajectory of each unit that keeps steps, and those of ``figures``.

        The encoder of a training's step 0 is that of the checkpoint that it starts from.
        """
        found = {}
        for unit in self.trained:
            if unit.endings:
                first, *others = [*(f"{unit.name}-{name}" for name in unit.endings), unit.name]
                found[unit.name] = PlannedTrajectory([unit.start, *others], [first, *others], None, next(iter(unit.seeds)))
        for name, points in self.published.items():
            steps = sorted(map(int, points))
            checkpoints = [points[str(step)] for step in steps]
            found[name] = PlannedTrajectory(checkpoints, checkpoints, steps, None)
        return found

    @property
    def ranked(self) -> list[str]:
        """The checkpoints that are ranked."""
        return self._checkpoints_of(name for one in self.series.values() for name in one.ranked)

    @property
    def scored(self) -> list[str]:
        """The checkpoints that answer questions."""
        return self._checkpoints_of(name for one in self.series.values() for name in one.scored)

    def _checkpoints_of(self, points: Iterable[str]) -> list[str]:
        recipes = self.recipes_of_points
        return list(dict.fromkeys(one for name in points for one in recipes.get(name, [name])))

    @property
    def recipes_of_points(self) -> dict[str, list[str]]:
        """The points that are recipes, or all seeds of one at a step, with the checkpoints of each."""
        at_steps = {
            f"{unit.name}-{name}": [f"{one}-{name}" for one in self.recipes[unit.name]]
            for unit in self.trained
            if unit.name in self.recipes
            for name in unit.endings
        }
        recipes = self.recipes | at_steps
        points = dict.fromkeys(name for one in self.series.values() for name in one.ranked + one.scored)
        return {name: recipes[name] for name in points if name in recipes}

    @property
    def seeds(self) -> dict[str, int]:
        """The seed of each training, by its checkpoint and by its kept steps."""
        seeds = {name: seed for unit in self.trained for name, seed in unit.seeds.items()}
        return seeds | {name: seeds[step.checkpoint] for name, step in self.kept.items()}
