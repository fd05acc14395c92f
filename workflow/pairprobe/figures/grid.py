"""The grid after Figure 1 of the paper, and its panels one by one, in SVG, PDF and PNG from one description.

The x-axis is the layer (0: the embeddings), the y-axis the pairwise ranking percentage. Everything is drawn from
``percentages.tsv``, bands from ``tables/intervals.tsv``; nothing is computed here but where chance lies.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from pairprobe.figures.style import COLUMN, STYLE, appearance, band, grid_lines, save, say
from pairprobe.io.tsv import read_tsv
from pairprobe.rankings.percentages import PERCENTAGE_FIELDS
from pairprobe.tables.layout import label_of

MEASURE_LABELS = {
    "cosine": "Cosine similarity",
    "euclidean": "Euclidean distance",
    "start": "Start position",
    "end": "End position",
}
VALUE_LABELS = {"percentage": "Pairwise ranking (%)", "auc": "Pairwise AUC (%)"}

# Intervals: of a checkpoint, task, measure, layer and value.
Bands = dict[tuple[str, str, str, int, str], tuple[float, float]]


@dataclass(frozen=True)
class Panel:
    """One panel: a task and a measure, drawn for several checkpoints.

    labels: ``{checkpoint or task: what the figure calls it}``; colours: ``{checkpoint: colour}``; among: all checkpoints
    of the run, so that one looks the same in every figure.
    """

    task: str
    measure: str
    checkpoints: Sequence[str]
    value: str = "percentage"
    labels: dict[str, str] = field(default_factory=dict)
    colours: dict[str, str] = field(default_factory=dict)
    among: Sequence[str] = ()

    def label(self, name: str) -> str:
        """Return what the figure calls a checkpoint or task."""
        return label_of(name, self.labels)

    def colour(self, checkpoint: str) -> str | tuple:
        """Return a checkpoint's colour: the one that is given, else by its place among all."""
        return self.appearance(checkpoint)["color"]

    def appearance(self, checkpoint: str) -> dict:
        """Return how a checkpoint's line looks, as arguments of ``Axes.plot``."""
        return appearance(checkpoint, self.among or self.checkpoints, self.colours)


def read_percentages(path: str) -> list[dict]:
    """Read ``percentages.tsv`` with numbers as numbers."""
    rows = read_tsv(path, PERCENTAGE_FIELDS)
    integers = ("layer", "pairs", "para_len", "unmatching", "count")
    return [
        {**row, **{key: int(row[key]) for key in integers}, **{key: float(row[key]) for key in ("percentage", "auc")}}
        for row in rows
    ]


def read_bands(path: str) -> Bands:
    """Read the intervals of ``tables/intervals.tsv``."""
    return {
        (row["checkpoint"], row["task"], row["measure"], int(row["layer"]), value): (
            float(row[f"{value}_low"]),
            float(row[f"{value}_high"]),
        )
        for row in read_tsv(path)
        for value in VALUE_LABELS
    }


def draw_panel(percentages: str, panel: Panel, paths: Sequence[str], intervals: str | None = None) -> None:
    """Draw one panel to several files, the format of each by its suffix; intervals: the table that bands are drawn from."""
    rows, bands = read_percentages(percentages), read_bands(intervals) if intervals else {}
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(COLUMN, 2.6), layout="constrained")
        lines = _draw(axes, rows, panel, bands)
        axes.set_title(f"{panel.label(panel.task)}: {MEASURE_LABELS[panel.measure].lower()}")
        axes.set_xlabel("Layer")
        axes.set_ylabel(VALUE_LABELS[panel.value])
        if lines:
            axes.legend(handles=lines, loc="best")
        save(figure, paths)


def draw_grid(
    percentages: str, columns: Sequence[tuple[Panel, Panel]], title: str, paths: Sequence[str], intervals: str | None = None
) -> None:
    """Draw the grid: a column for each task, its two measures one above the other, one legend for all.

    columns: the upper and the lower panel of each task, from left to right. intervals: the table that bands are drawn from.
    """
    rows, bands = read_percentages(percentages), read_bands(intervals) if intervals else {}
    with plt.rc_context(STYLE):
        figure, grid = plt.subplots(
            2, len(columns), figsize=(2.05 * len(columns) + 0.5, 4.1), layout="constrained", squeeze=False
        )
        legend: dict[str, object] = {}
        for column, pair in zip(grid.T, columns, strict=True):
            for axes, panel, letter in zip(column, pair, "ab", strict=True):
                for line in _draw(axes, rows, panel, bands):
                    legend.setdefault(line.get_label(), line)
                axes.set_title(f"({letter}) {MEASURE_LABELS[panel.measure]}", fontsize=7.5, pad=3)
            column[-1].set_xlabel("Layer")
        name_columns(grid, [(pair[0], _pairs(rows, pair[0])) for pair in columns])
        for axes in grid[:, 0]:
            axes.set_ylabel(VALUE_LABELS[columns[0][0].value])
        if legend:
            columns_of_legend = min(len(legend), 2 + len(columns))
            figure.legend(handles=list(legend.values()), loc="outside lower center", ncols=columns_of_legend)
        if title:
            figure.suptitle(title, fontsize=10)
        save(figure, paths)


def name_columns(grid: np.ndarray, columns: Sequence[tuple[Panel, int]]) -> None:
    """Write the task above each column of axes, and below it in small how many pairs there are."""
    for axes, (panel, pairs) in zip(grid[0], columns, strict=True):
        for words, height, style in (
            (panel.label(panel.task), 29, {"fontweight": "bold", "fontsize": 9.5}),
            (f"{pairs:,} pairs" if pairs else "no pairs", 19, {"fontsize": 7, "color": "#555555"}),
        ):
            place = {"xy": (0.5, 1), "xytext": (0, height), "xycoords": "axes fraction", "textcoords": "offset points"}
            axes.annotate(words, **place, ha="center", annotation_clip=False, **style)


def _pairs(rows: list[dict], panel: Panel) -> int:
    mine = [row for row in rows if row["task"] == panel.task and row["checkpoint"] in panel.checkpoints]
    return max((row["pairs"] for row in mine), default=0)


def _draw(axes: Axes, rows: list[dict], panel: Panel, bands: Bands) -> list:
    """Draw one panel's lines; returns the handles for a legend. An empty set says so in words."""
    mine = [
        row
        for row in rows
        if (row["task"], row["measure"]) == (panel.task, panel.measure) and row["checkpoint"] in panel.checkpoints
    ]
    lines = []
    for checkpoint in panel.checkpoints:
        points = sorted((row["layer"], row[panel.value]) for row in mine if row["checkpoint"] == checkpoint)
        if points:
            found = [bands.get((checkpoint, panel.task, panel.measure, layer, panel.value)) for layer, _ in points]
            if all(found):
                band(axes, [layer for layer, _ in points], found, panel.colour(checkpoint))
            lines += axes.plot(
                *zip(*points, strict=True),
                **panel.appearance(checkpoint),
                label=panel.label(checkpoint),
                clip_on=False,
                zorder=3,
            )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=7, min_n_ticks=1))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
    grid_lines(axes)
    if not lines:
        say(axes, "no pairs found")
        return []
    low, high = axes.get_ylim()
    axes.set_ylim(max(0, low), min(100, high))
    chance = _chance(mine[0], panel.value)
    if axes.get_ylim()[0] <= chance <= axes.get_ylim()[1]:
        lines.append(axes.axhline(chance, color="#777777", linewidth=0.9, linestyle=":", label="Chance", zorder=1))
    return lines


def _chance(row: dict, value: str) -> float:
    """Return what random similarities would score: half of the unmatching pairs outranked."""
    return 50.0 if value == "auc" else 50.0 * row["unmatching"] / row["para_len"]
