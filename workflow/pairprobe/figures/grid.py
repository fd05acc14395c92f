"""The grid after Figure 1 of the paper, and its panels one by one.

The x-axis is the layer (0: the embeddings), the y-axis the pairwise ranking percentage. Values are those of
``percentages.tsv``, bands those of ``tables/intervals.tsv``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pairprobe.figures import style
from pairprobe.io.tsv import read_frame
from pairprobe.rankings.percentages import PERCENTAGE_FIELDS, SPECIFICITY_FIELDS
from pairprobe.tables.recipes import with_means

if TYPE_CHECKING:
    import pandas as pd

MEASURE_LABELS = {
    "cosine": "Cosine similarity",
    "euclidean": "Euclidean distance",
    "start": "Start position",
    "end": "End position",
}
VALUE_LABELS = {"percentage": "Pairwise ranking (%)", "auc": "Pairwise AUC (%)"}
_KEYS = ["checkpoint", "task", "measure", "layer"]
BOUNDS = [f"{value}_{bound}" for value in VALUE_LABELS for bound in ("low", "high")]


@dataclass(frozen=True)
class Panel(style.Appearance):
    """One panel: a task and a measure, drawn for several recipes or checkpoints. value: "percentage" or "auc"."""

    task: str
    measure: str
    compared: Sequence[str]
    value: str = "percentage"


def read_percentages(
    path: str, intervals: str | None = None, recipes: Mapping[str, Sequence[str]] = MappingProxyType({})
) -> "pd.DataFrame":
    """Read ``percentages.tsv``, with the bounds of ``tables/intervals.tsv`` where that is given.

    recipes: ``{recipe: its checkpoints}``; each has rows of its own, the mean of these.
    """
    rows = read_frame(path, PERCENTAGE_FIELDS, PERCENTAGE_FIELDS[3:], may_be_empty=SPECIFICITY_FIELDS)
    rows = with_means(rows, recipes, _KEYS[1:])
    if intervals is None:
        return rows
    bounds = read_frame(intervals, [*_KEYS, *BOUNDS], ["layer", *BOUNDS], exactly=False)
    return rows.merge(bounds[[*_KEYS, *BOUNDS]], on=_KEYS, how="left")


@style.styled
def panel_figure(percentages: str, panel: Panel, intervals: str | None = None) -> Figure:
    """Return the figure of one panel; intervals: the table that bands are drawn from."""
    rows = read_percentages(percentages, intervals, panel.recipes)
    figure = style.new_figure(style.PANEL)
    axes = figure.subplots()
    lines = _draw(axes, rows, panel)
    axes.set_title(style.title_of(figure, f"{panel.label(panel.task)}: {MEASURE_LABELS[panel.measure].lower()}"))
    axes.set_xlabel("Layer")
    axes.set_ylabel(VALUE_LABELS[panel.value])
    if any("\n" in str(line.get_label()) for line in lines):
        style.legends_below(figure, [(axes, lines)], style.PANEL[0])
    elif lines:
        axes.legend(handles=lines, loc="best")
    return figure


@style.styled
def grid_figure(
    percentages: str, columns: Sequence[tuple[Panel, Panel]], title: str = "", intervals: str | None = None
) -> Figure:
    """Return the grid of all tasks; intervals: the table that bands are drawn from. columns: as in ``task_grid``."""
    rows = read_percentages(percentages, intervals, columns[0][0].recipes)

    def pairs(panel: Panel) -> int:
        return _most_pairs(rows[(rows["task"] == panel.task) & rows["checkpoint"].isin(panel.compared)])

    figure = task_grid(columns, lambda axes, panel: _draw(axes, rows, panel), pairs, VALUE_LABELS[columns[0][0].value])
    if title:
        title = style.title_of(figure, title)
        figure.suptitle(title, fontsize=style.FIGURE_TITLE_SIZE)
        style.grow(figure, title.count("\n") * style.FIGURE_TITLE_SIZE / 60)
    return figure


def task_grid(
    columns: Sequence[tuple[Panel, Panel]],
    draw: Callable[[Axes, Panel], list[Artist]],
    pairs: Callable[[Panel], int],
    y_label: str,
    key: Sequence[Artist] = (),
) -> Figure:
    """Return a figure with a column for each task, its two measures one above the other, and one legend for all.

    columns: the upper and the lower panel of each task, from left to right. draw: draws a panel and returns the handles of
    its legend, which ``key`` follows. pairs: how many pairs a panel's task has.
    """
    size = (style.GRID_COLUMN * len(columns) + style.GRID_MARGIN, style.GRID_HEIGHT)
    figure = style.new_figure(size)
    grid = figure.subplots(2, len(columns), squeeze=False)
    legend: dict[object, Artist] = {}
    for column, panels in zip(grid.T, columns, strict=True):
        for axes, panel, letter in zip(column, panels, "ab", strict=True):
            for line in draw(axes, panel):
                legend.setdefault(line.get_label(), line)
            axes.set_title(
                f"({letter}) {MEASURE_LABELS[panel.measure]}", fontsize=style.PANEL_TITLE_SIZE, pad=style.PANEL_TITLE_PAD
            )
        column[-1].set_xlabel("Layer")
        _name_column(column[0], panels[0], pairs(panels[0]))
    for axes in grid[:, 0]:
        axes.set_ylabel(y_label)
    style.grow(figure, max(_task_of(panel).count("\n") for panel, _ in columns) * style.TASK_SIZE / 60)
    if legend:
        handles = [*legend.values(), *key]
        style.legend_of_all(figure, handles, 2 + len(columns))
    return figure


def _task_of(panel: Panel) -> str:
    return style.wrapped(panel.label(panel.task), style.LONGEST_TASK)


def _name_column(axes: Axes, panel: Panel, pairs: int) -> None:
    """Write the task above a column of axes, and below it in small how many pairs there are."""
    task = _task_of(panel)
    # Several lines stand on the place of one.
    task_look = {"fontweight": "bold", "fontsize": style.TASK_SIZE, "va": "bottom" if "\n" in task else "baseline"}
    looks: Any = (
        (task, style.TASK_OFFSET, task_look),
        (
            f"{pairs:,} pairs" if pairs else "no pairs",
            style.PAIRS_OFFSET,
            {"fontsize": style.TICK_SIZE, "color": style.TEXT},
        ),
    )
    for words, height, look in looks:
        place: Any = {"xy": (0.5, 1), "xytext": (0, height), "xycoords": "axes fraction", "textcoords": "offset points"}
        axes.annotate(words, **place, ha="center", annotation_clip=False, **look)


def _most_pairs(rows: "pd.DataFrame") -> int:
    return int(rows["pairs"].max()) if len(rows) else 0


def _draw(axes: Axes, rows: "pd.DataFrame", panel: Panel) -> list[Artist]:
    """Draw one panel's lines; returns the handles for a legend. An empty set says so in words."""
    of_task = rows[(rows["task"] == panel.task) & (rows["measure"] == panel.measure)]
    shown = of_task[of_task["checkpoint"].isin(panel.compared)]
    lines: list[Artist] = []
    for checkpoint in panel.compared:
        points = shown[shown["checkpoint"] == checkpoint]
        if len(points):
            look = {**panel.line(checkpoint), "label": panel.label(checkpoint), "clip_on": False, "zorder": 3}
            lines.append(style.curve(axes, points, panel.value, look))
    style.layer_axes(axes)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
    if not lines:
        style.explain_empty(axes, "no pairs found")
        return []
    low, high = axes.get_ylim()
    axes.set_ylim(max(0, low), min(100, high))
    chance = _chance(shown.iloc[0], panel.value)
    if axes.get_ylim()[0] <= chance <= axes.get_ylim()[1]:
        look = {"color": style.REFERENCE, "linewidth": 0.9, "linestyle": ":"}
        lines.append(axes.axhline(chance, **look, label="Chance", zorder=1))
    return lines


def _chance(row: "pd.Series", value: str) -> float:
    """Return the value that random similarities have: half of the unmatching pairs outranked."""
    return 50.0 if value == "auc" else 50.0 * row["unmatching"] / row["para_len"]
