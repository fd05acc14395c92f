"""One comparison on one page, by layer: what the probe sees, what the model uses, and how far weights and words moved.

A row for each task, with its percentages and what of them is specific; beside them a panel for each of the other tables
that the run has. All panels have the same layers on their x-axes.
"""

import functools
import string
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpecBase
from matplotlib.ticker import MaxNLocator

from pairprobe.controls.cka_rsa import REPRESENTATION_FIELDS
from pairprobe.evidence.fields import F1
from pairprobe.figures import style
from pairprobe.figures.functional import BEFORE_EXIT, draw_answers
from pairprobe.figures.grid import (
    MEASURE_LABELS,
    VALUE_LABELS,
    Panel,
    draw_panel,
    of_panels,
    read_baselines,
    read_percentages,
)
from pairprobe.figures.layer_cka import read_layer_cka
from pairprobe.figures.weight_distance import read_weights
from pairprobe.interventions.names import EARLY_EXIT, LOWER, UPPER
from pairprobe.io.tsv import read_frame
from pairprobe.tables.functional import read_functional
from pairprobe.tables.recipes import with_means

if TYPE_CHECKING:
    import pandas as pd

# Of answers by layer, without single layers: they would be too many curves for the panel.
_LOOKS: Any = {
    LOWER: {"linestyle": "-", "marker": "o"},
    UPPER: {"linestyle": (0, (4, 1.5)), "marker": "^"},
    EARLY_EXIT: {"linestyle": (0, (1, 1)), "marker": "D"},
    BEFORE_EXIT: {"linestyle": (0, (1, 1)), "marker": "D"},
}
_DISTANCES: Any = {
    "relative": ("All weights", {"linestyle": "-", "marker": "o"}),
    "spectral": ("Matrices, spectral norm", {"linestyle": (0, (4, 1.5)), "marker": "^"}),
}


@dataclass(frozen=True)
class Tables:
    """The tables that an overview is drawn from; None, or "", for what a run does not have."""

    percentages: str
    intervals: str
    baselines: str | None = None
    functional: str | None = None
    weight_distance: str | None = None
    layer_cka: str | None = None
    representations: str | None = None


class _Curve(NamedTuple):
    """A curve of a panel beside the tasks. rows: with the column checkpoint; value: see ``style.curve``."""

    label: str
    rows: "pd.DataFrame"
    value: str
    look: dict[str, Any]


# Its title, and what draws it and returns the handles of its own legend.
_Beside: TypeAlias = tuple[str, Callable[[Axes], list[Artist]]]


@style.styled
def overview_figure(tables: Tables, rows: Sequence[Sequence[Panel]]) -> Figure:
    """Return the figure, two columns of a paper wide.

    rows: for each task the panel of its percentages and, where it has pairs, that of ``specific``. Each compares the
    checkpoint before and the recipe or checkpoint that was made of it, in this order. Raises InputError as ``read_frame``.
    """
    beside = _beside(tables, rows[0][0])
    columns = max(map(len, rows))
    across = columns + bool(beside)
    height = max(len(rows) * style.OVERVIEW_TASK, len(beside) * style.OVERVIEW_PANEL) + style.OVERVIEW_ROOM
    figure = style.new_figure((style.TWO_COLUMNS[0], height))
    # Grids of their own: a row on the left is not as high as one on the right.
    halves = figure.add_gridspec(1, 2, width_ratios=[columns, 1]) if beside else figure.add_gridspec(1, 1)
    right = halves[-1].subgridspec(max(1, len(beside)), 1)
    letters = iter(string.ascii_lowercase)
    shared = _draw_tasks(figure, halves[0].subgridspec(len(rows), columns), tables, rows, letters)
    legends = []
    for y, (title, draw) in enumerate(beside):
        axes = figure.add_subplot(right[y])
        style.layer_axes(axes)
        _dress(axes, f"({next(letters)}) {title}")
        if not y:
            _head(axes, "The model itself")
        legends.append((axes, draw(axes)))
        axes.set_xlabel(style.LAYER)
    style.legends_below(figure, legends, style.TWO_COLUMNS[0] / across)
    style.legend_of_all(figure, shared, 4)
    return figure


def _dress(axes: Axes, title: str) -> None:
    axes.set_title(title, fontsize=style.PANEL_TITLE_SIZE, pad=style.PANEL_TITLE_PAD)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4))
    # So that a layer is found again in the panels below.
    axes.grid(axis="x", color=style.FAINT, linewidth=0.6)


def _head(axes: Axes, words: str) -> None:
    """Write what a column shows above its first axes."""
    place: Any = {"xy": (0.5, 1), "xytext": (0, style.PAIRS_OFFSET), "xycoords": "axes fraction", "ha": "center"}
    axes.annotate(words, **place, textcoords="offset points", fontweight="bold", annotation_clip=False)


def _draw_tasks(
    figure: Figure, places: GridSpecBase, tables: Tables, rows: Sequence[Sequence[Panel]], letters: Iterator[str]
) -> list[Artist]:
    """Draw a row of panels for each task, column by column; returns the handles of their legend, each once."""
    numbers = read_percentages(tables.percentages, tables.intervals, rows[0][0].recipes)
    numbers, x_label = style.by_depth(of_panels(numbers, rows[0]), ["checkpoint"])
    baselines = read_baselines(tables.baselines)
    legend: dict[object, Artist] = {}
    for x in range(max(map(len, rows))):
        column = [(y, panels[x]) for y, panels in enumerate(rows) if len(panels) > x]
        for y, panel in column:
            axes = figure.add_subplot(places[y, x])
            for handle in draw_panel(axes, numbers, panel, baselines, x_label):
                legend.setdefault(handle.get_label(), handle)
            _dress(axes, f"({next(letters)}) {panel.label(panel.task)}: {MEASURE_LABELS[panel.measure].lower()}")
            axes.tick_params(labelbottom=y == column[-1][0])
            if y == column[0][0]:
                _head(axes, VALUE_LABELS[panel.value])
        if y == len(rows) - 1:
            axes.set_xlabel(x_label)
    return list(legend.values())


def _beside(tables: Tables, panel: Panel) -> list[_Beside]:
    """Return the panels beside the tasks: those of the tables that a run has and that know the comparison."""
    before = panel.label(panel.compared[0])
    beside: list[_Beside] = []
    found: list[tuple[str, list[_Curve]]] = []
    if tables.functional:
        answers = read_functional(tables.functional)
        answers = answers[answers["metric"] == F1]
        if answers.loc[answers["checkpoint"] == panel.compared[1], "intervention"].isin(list(_LOOKS)).any():
            beside.append(("Answers by layer k: F1 (%)", functools.partial(_draw_answers, rows=answers, panel=panel)))
    if tables.weight_distance:
        rows = read_weights(tables.weight_distance).dropna(subset=["layer"]).rename(columns={"after": "checkpoint"})
        curves = [_Curve(words, rows, name, look) for name, (words, look) in _DISTANCES.items()]
        found.append(("Weights: distance / norm", curves))
    if tables.layer_cka or tables.representations:
        cka = _Curve("CKA", _same_layers(tables, panel), "cka", {"linestyle": "-", "marker": "o"})
        found.append((f"Words: CKA with {before}", [cka]))
    for title, there in _there(found, panel):
        beside.append((title, functools.partial(_draw_curves, curves=there, panel=panel)))
    return beside


def _there(found: Sequence[tuple[str, list[_Curve]]], panel: Panel) -> Iterator[tuple[str, list[_Curve]]]:
    """Yield what has curves of the recipe or checkpoint after, with those that there are."""
    for title, curves in found:
        if there := [curve for curve in curves if (curve.rows["checkpoint"] == panel.compared[1]).any()]:
            yield title, there


def _draw_answers(axes: Axes, rows: "pd.DataFrame", panel: Panel) -> list[Artist]:
    """Draw answers in the colours of the two that are compared."""
    before, after = panel.compared
    looks = {
        name: {**look, "color": panel.line(before if name == BEFORE_EXIT else after)["color"]}
        for name, look in _LOOKS.items()
    }
    return draw_answers(axes, rows, after, panel, "Before", looks)


def _draw_curves(axes: Axes, curves: list[_Curve], panel: Panel) -> list[Artist]:
    """Draw curves of the recipe or checkpoint after, with its seeds; returns handles where there are several."""
    name = panel.compared[1]
    colour = panel.line(name)["color"]
    handles: list[Artist] = []
    for label, rows, value, look in curves:
        seeds = panel.recipes.get(name, ())
        style.seed_lines(axes, rows, value, "checkpoint", seeds, linestyle=look["linestyle"], color=colour)
        shown = {**look, "color": colour, "label": label, "clip_on": False, "zorder": 3}
        handles.append(style.curve(axes, rows[rows["checkpoint"] == name], value, shown))
    axes.set_ylim(0, 1 if curves[0].value == "cka" else None)
    return handles if len(handles) > 1 else []


def _same_layers(tables: Tables, panel: Panel) -> "pd.DataFrame":
    """Return CKA of the same layer of the checkpoint before and of each other one; none of another number of layers."""
    first = panel.compared[0]
    if tables.layer_cka:
        rows = read_layer_cka(tables.layer_cka).rename(columns={"after": "checkpoint", "layer_before": "layer"})
        last = rows.groupby("checkpoint")[["layer", "layer_after"]].transform("max")
        return rows[
            (rows["layer"] == rows["layer_after"]) & (last["layer"] == last["layer_after"]) & (rows["before"] == first)
        ]
    rows = read_frame(tables.representations or "", REPRESENTATION_FIELDS, REPRESENTATION_FIELDS[2:])
    # The table has each two once, in the order of the configuration.
    rows["checkpoint"] = rows["after"].where(rows["before"] == first, rows["before"])
    rows = rows[(rows["before"] == first) | (rows["after"] == first)]
    return with_means(rows.drop(columns=["before", "after"]), panel.recipes, ["layer"])
