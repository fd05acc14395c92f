"""How well a checkpoint answers with layers of the one that it was made of, layer by layer."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from pairprobe.evidence.fields import F1, LONG_F1, SHORT_F1
from pairprobe.figures import style
from pairprobe.figures.style import Appearance
from pairprobe.interventions.names import EARLY_EXIT, IN_WORDS, INTACT
from pairprobe.tables.functional import METRICS, read_functional

if TYPE_CHECKING:
    import pandas as pd

_LEGEND = {name: words.format(before="before") for name, words in IN_WORDS.items()}
_BEFORE = f"Before: {_LEGEND[EARLY_EXIT]}"
_LOOKS: dict[str, Any] = {
    name: {"color": style.COLOURS[i], "marker": style.MARKERS[i], "linestyle": style.DASHES[i]}
    for i, name in enumerate([*_LEGEND, _BEFORE])
}
_INTACT: Any = {"color": style.MARK, "linewidth": 0.9, "linestyle": "--", "zorder": 1.5}
_BEFORE_INTACT: Any = {**_INTACT, "linestyle": ":"}


@style.styled
def functional_figure(table: str, compared: Sequence[str], appearance: Appearance) -> Figure:
    """Return the figure: a row for each recipe or checkpoint that was made of another one, a column for each F1.

    table: ``tables/functional.tsv``. compared: the rows; those of which it has no interventions are left out. A recipe
    has its mean with its interval, and each seed thin.
    """
    rows = read_functional(table)
    changed = rows[rows["before"].ne("") & rows["intervention"].ne(INTACT)]
    names = [name for name in compared if name in set(changed["checkpoint"])]
    metrics = [metric for metric in (F1, LONG_F1, SHORT_F1) if metric in set(changed["metric"])]
    size = (max(style.ONE_COLUMN[0], 2.3 * len(metrics)), 2.0 * max(1, len(names)) + style.SHARED_LEGEND_ROOM)
    figure = style.new_figure(size)
    grid = figure.subplots(max(1, len(names)), max(1, len(metrics)), sharex=True, sharey=True, squeeze=False)
    for row, name in zip(grid, names, strict=False):
        for axes, metric in zip(row, metrics, strict=True):
            _draw(axes, rows[rows["metric"] == metric], name, appearance)
        row[0].set_ylabel(style.wrapped(appearance.legend(name), style.LONGEST_TASK))
    for axes, metric in zip(grid[0], metrics, strict=False):
        axes.set_title(f"{METRICS[metric][0].upper()}{METRICS[metric][1:]} (%)")
    for axes in grid[-1]:
        axes.set_xlabel(f"{style.LAYER} k")
    if not names:
        style.explain_empty(grid[0][0], "nothing to compare")
    style.legend_of_all(figure, _key(rows, names, appearance), 3)
    return figure


def _draw(axes: Axes, rows: "pd.DataFrame", name: str, appearance: Appearance) -> None:
    style.layer_axes(axes)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
    own = rows[rows["checkpoint"] == name]
    before = rows[rows["checkpoint"] == own["before"].iloc[0]]
    for of_one, look in ((own, _INTACT), (before, _BEFORE_INTACT)):
        for value in of_one.loc[of_one["intervention"] == INTACT, "value"]:
            axes.axhline(value, **look)
    for intervention in _LEGEND:
        look = _LOOKS[intervention]
        of_one = rows[rows["intervention"] == intervention]
        style.seed_lines(axes, of_one, "value", "checkpoint", appearance.recipes.get(name, ()), color=look["color"])
        _curve(axes, own[own["intervention"] == intervention], look)
    _curve(axes, before[before["intervention"] == EARLY_EXIT], _LOOKS[_BEFORE])
    axes.set_ylim(bottom=0)


def _curve(axes: Axes, points: "pd.DataFrame", look: dict[str, Any]) -> None:
    if len(points):
        style.curve(axes, points, "value", look, ("low", "high"))


def _key(rows: "pd.DataFrame", names: Sequence[str], appearance: Appearance) -> list[Line2D]:
    own = rows[rows["checkpoint"].isin(names)]
    befores = list(dict.fromkeys(own["before"]))
    those = rows[rows["checkpoint"].isin(befores)]
    found = [
        Line2D([], [], **_LOOKS[name], label=label) for name, label in _LEGEND.items() if name in set(own["intervention"])
    ]
    if EARLY_EXIT in set(those["intervention"]):
        found.append(Line2D([], [], **_LOOKS[_BEFORE], label=_BEFORE))
    intact = [Line2D([], [], **_INTACT, label="As it is")]
    label = f"{appearance.label(befores[0])}, its own heads" if len(befores) == 1 else "Before, its own heads"
    return [*found, *intact, *([Line2D([], [], **_BEFORE_INTACT, label=label)] if len(those) else [])]
