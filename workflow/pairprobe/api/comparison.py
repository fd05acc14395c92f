"""Comparing two models, or two recipes of training, on the same pairs: intervals, differences, verdicts."""

import shutil
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pairprobe.api.rankings import ALIKE, Rankings
from pairprobe.api.settings import check_name, check_value, filled
from pairprobe.errors import InputError
from pairprobe.evidence.fields import CLAIM_FIELDS, DIFFERENCE_FIELDS, INTERVAL_FIELDS
from pairprobe.evidence.weighing import Pages, Settings, weigh
from pairprobe.io.tsv import read_frame
from pairprobe.probing_sets.pairs import id_of
from pairprobe.rankings.percentages import read_ranking

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """What differs between two models or recipes, and how sure it is.

    before, after: their names. recipes: the models of each that is a recipe. measures: those of each task. folder: of the
    three tables, which go with this object. note: what else differs, a sentence or "".
    """

    before: str
    after: str
    recipes: Mapping[str, Sequence[str]]
    measures: Mapping[str, Sequence[str]]
    settings: Settings
    folder: Path
    note: str = ""

    def intervals(self) -> "pd.DataFrame":
        """Return the percentages of each model and recipe with their intervals, as a run's ``tables/intervals.tsv``."""
        return self._frame("intervals", INTERVAL_FIELDS, INTERVAL_FIELDS[3:])

    def differences(self) -> "pd.DataFrame":
        """Return after less before in points, intervals and p values, as a run's ``tables/differences.tsv``."""
        return self._frame("differences", DIFFERENCE_FIELDS, DIFFERENCE_FIELDS[5:])

    def claims(self) -> "pd.DataFrame":
        """Return what was found of each claim, as a run's ``tables/claims.tsv``. All columns are text."""
        return self._frame("claims", CLAIM_FIELDS)

    def plot(self, value: str = "auc") -> "Figure":
        """Draw the differences by layer, in points, with their intervals; value: "auc", "percentage" or "specific"."""
        from pairprobe.figures.differences import differences_figure
        from pairprobe.figures.grid import Panel

        check_value(value)
        units = [self.before, self.after]
        look: Any = {"compared": units, "among": units, "recipes": dict(self.recipes), "labels": self._labels()}
        columns = [
            [Panel(task=task, measure=measure, value=value, **look) for measure in measures]
            for task, measures in self.measures.items()
        ]
        level = 1 - self.settings.confidence
        return differences_figure(str(self.folder / "differences.tsv"), columns, self.settings.margin, level)

    def __repr__(self) -> str:
        """Return what was found, a line a claim, a column a task."""
        from pairprobe.tables.claims import claims_at_a_glance

        told = claims_at_a_glance(str(self.folder / "claims.tsv"), self._labels())
        return "\n\n".join([f"{self.after} against {self.before}", told, *([self.note] if self.note else [])])

    def _repr_markdown_(self) -> str:
        """Return what was compared, what was found and the numbers behind it, for a notebook."""
        from pairprobe.tables.claims import claims_markdown

        evidence = {key: value for key, value in asdict(self.settings).items() if value is not None}
        claims, intervals = (str(self.folder / f"{name}.tsv") for name in ("claims", "intervals"))
        told = claims_markdown(claims, self._labels(), evidence, {}, intervals, self.recipes)
        return f"{told}\n{self.note}\n" if self.note else told

    def _labels(self) -> dict[str, str]:
        return {name: name for name in (self.before, self.after)}

    def _frame(self, name: str, columns: Sequence[str], numbers: Sequence[str] = ()) -> "pd.DataFrame":
        return read_frame(self.folder / f"{name}.tsv", columns, numbers, may_be_empty=numbers)


def compare(
    before: Rankings | Sequence[Rankings],
    after: Rankings | Sequence[Rankings],
    names: tuple[str, str] | None = None,
    **settings: Any,
) -> Comparison:
    """Compare how two models rank the same pairs, or two recipes, each given as the rankings of its seeds.

    names: what tables and figures call the two; by default a model by its name, a recipe "before" or "after". settings:
    ``confidence``, ``margin``, ``lower_layers`` and ``power``, as the section ``evidence`` of the configuration has them.
    What is said of a recipe holds over its seeds and over groups of pairs, what is said of two models over groups alone.

    Raises InputError where the rankings are not of the same tasks, pairs, layers and settings (``rankings.ALIKE``), where
    two models share a name, and for a setting that cannot be used.

    >>> comparison = compare(rank(pairs, model), rank(pairs, model.random_twin(seed=1)), margin=3)
    >>> comparison.differences()[["value", "before", "after", "task", "measure", "layer"]].head(2)
      value before              after   task measure  layer
    0   auc   tiny  tiny-random-seed1  pairs  cosine      0
    1   auc   tiny  tiny-random-seed1  pairs  cosine      1
    >>> set(comparison.claims()["found"])  # on fewer than 20 groups nothing is decided
    {'undecided'}
    """
    chosen = Settings(**filled("evidence", [field.name for field in fields(Settings)], settings, "compare"))
    sides = [_side(before, "before"), _side(after, "after")]
    defaults = [each.model if isinstance(each, Rankings) else name for each, name in ((before, "before"), (after, "after"))]
    first, second = units = defaults if names is None else _two_names(names)
    recipes = {
        unit: [one.model for one in side]
        for unit, side, given in zip(units, sides, (before, after), strict=True)
        if not isinstance(given, Rankings)
    }
    # A model that is compared by itself has the name of its side.
    named = [(one.model if unit in recipes else unit, one) for unit, side in zip(units, sides, strict=True) for one in side]
    _check_names([*recipes, *(name for name, _ in named)])
    every = [one for side in sides for one in side]
    _check_settings(every)
    titles = _check_alike(every)
    folder = Path(tempfile.mkdtemp(prefix="pairprobe-"))
    measures = {task: read_ranking(files.ranking).measures for task, files in sides[0][0].tasks.items()}
    comparison = Comparison(first, second, recipes, measures, chosen, folder, _orders_told(every))
    weakref.finalize(comparison, shutil.rmtree, folder, ignore_errors=True)
    rankings = [(name, task, str(files.ranking)) for name, one in named for task, files in one.tasks.items()]
    paths = {name: str(folder / f"{name}.tsv") for name in ("intervals", "differences", "claims")}
    weigh(rankings, Pages(titles, recipes), chosen, paths)
    return comparison


def _two_names(names: object) -> tuple[str, str]:
    if not isinstance(names, list | tuple) or len(names) != 2:
        raise InputError(f"compare: names: found {names!r:.80}, wanted two, such as ('one', 'other').")
    for name in names:
        check_name(name, "compare: names")
    return names[0], names[1]


def _side(given: Rankings | Sequence[Rankings], name: str) -> list[Rankings]:
    """Return the rankings of one side. Raises InputError where there are none, or something else."""
    found: list[Any] = list(given) if isinstance(given, list | tuple) else [given]
    if not found:
        raise InputError(f"compare: found no rankings {name}, wanted one or more.")
    for one in found:
        if not isinstance(one, Rankings):
            raise InputError(
                f"compare: {name}: found {one!r:.80}, wanted rankings, as rank returns them, or a list of these."
            )
    return found


def _check_settings(rankings: Sequence[Rankings]) -> None:
    """Raise InputError where rankings were made with other settings, as far as these are known."""
    first, *others = rankings
    for other in others:
        for key in ALIKE:
            one, two = (each.settings.get(key) for each in (first, other))
            if None not in (one, two) and one != two:
                raise InputError(
                    f"compare: {first.model} was ranked with {key} {one!r}, {other.model} with {two!r}, so that a "
                    "difference may be of these. Rank by both with the same."
                )


def _orders_told(rankings: Sequence[Rankings]) -> str:
    """Say which models read the question first and which the text, where they differ in that; else ""."""
    models: dict[str, list[str]] = {}
    for one in rankings:
        if order := one.settings.get("order"):
            models.setdefault(order.removesuffix("_first"), []).append(one.model)
    told = "; ".join(f"the {order} first: {', '.join(names)}" for order, names in models.items())
    return f"Not all read in one order ({told}), so that a difference may be of that." if len(models) > 1 else ""


def _check_names(names: Sequence[str]) -> None:
    """Raise InputError where two models, or a model and a recipe, have one name."""
    if twice := [name for name in names if names.count(name) > 1]:
        raise InputError(
            f"compare: two of these are called {twice[0]!r}. Give each model its own name, load_encoder(..., name=...), or "
            "the two sides: compare(..., names=('one', 'other'))."
        )


def _check_alike(rankings: Sequence[Rankings]) -> dict[str, dict[str, str]]:
    """Return the group of each pair, by task. Raises InputError where rankings differ in tasks, pairs or layers."""
    first, *others = rankings
    titles: dict[str, dict[str, str]] = {}
    for other in others:
        if list(other.tasks) != list(first.tasks):
            raise InputError(
                f"compare: {first.model} has ranked the tasks {', '.join(first.tasks)}, {other.model} "
                f"{', '.join(other.tasks)}. Rank the same ones, in one order, by each model."
            )
    for task, files in first.tasks.items():
        pairs = list(files.read_pairs())
        titles[task] = {id_of(row): example.title for row, example in pairs}
        layers = read_ranking(files.ranking).layers
        for other in others:
            theirs = other.tasks[task]
            if theirs[1:] != files[1:] and list(theirs.read_pairs()) != pairs:
                raise InputError(
                    f"compare: {first.model} and {other.model} have not ranked the same pairs of {task}. Rank one list of "
                    "pairs by each model."
                )
            if (found := read_ranking(theirs.ranking).layers) != layers:
                raise InputError(
                    f"compare: {task}: {first.model} has {len(layers) - 1} layers above the embeddings, {other.model} "
                    f"{len(found) - 1}, and differences are by layer. Compare models of as many layers; rankings of others "
                    "can be drawn in one figure: one.plot(beside=other)."
                )
    return titles
