"""Differences between checkpoints over the layers, with their intervals: what the claims are about."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from pairprobe.evidence.weighing import DIFFERENCE_FIELDS
from pairprobe.figures import style
from pairprobe.figures.grid import MEASURE_LABELS, Panel, name_columns
from pairprobe.io.tsv import read_tsv

# A difference whose corrected p is no larger is marked.
LEVEL = 0.05


def draw_differences(differences: str, columns: Sequence[tuple[Panel, Panel]], margin: float, paths: Sequence[str]) -> None:
    """Draw, for each task and measure, the difference of every checkpoint to the first, in points.

    differences: ``tables/differences.tsv``. columns: the upper and the lower panel of each task, from left to right, whose
    first checkpoint is the one that the others are compared with. Filled markers are differences that a test finds (Holm
    over all), hollow ones those that it does not; within ``margin``, shaded, checkpoints count as equal.
    """
    rows = read_tsv(differences, DIFFERENCE_FIELDS)
    with plt.rc_context(style.STYLE):
        size = (2.05 * len(columns) + 0.5, 4.1)
        figure, grid = plt.subplots(2, len(columns), figsize=size, layout="constrained", squeeze=False)
        legend: dict[str, object] = {}
        for column, pair in zip(grid.T, columns, strict=True):
            for axes, panel, letter in zip(column, pair, "ab", strict=True):
                for line in _draw(axes, rows, panel, margin):
                    legend.setdefault(line.get_label(), line)
                axes.set_title(f"({letter}) {MEASURE_LABELS[panel.measure]}", fontsize=7.5, pad=3)
            column[-1].set_xlabel("Layer")
        name_columns(grid, [(pair[0], _pairs(rows, pair[0])) for pair in columns])
        for axes in grid[:, 0]:
            axes.set_ylabel("Difference (points)")
        if legend:
            handles = [*legend.values(), *_key(margin)]
            figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 2 + len(columns)))
        style.save(figure, paths)


def _key(margin: float) -> list:
    found = {"marker": "o", "linestyle": "", "color": "#444444"}
    return [
        Line2D([], [], **found, label=f"p ≤ {LEVEL} (Holm)"),
        Line2D([], [], **found, markerfacecolor="white", label=f"p > {LEVEL}"),
        Patch(color="#dddddd", label=f"Equal: within {margin:g} points"),
    ]


def _pairs(rows: list[dict], panel: Panel) -> int:
    return max((int(row["pairs"]) for row in _mine(rows, panel)), default=0)


def _mine(rows: list[dict], panel: Panel) -> list[dict]:
    first, *others = panel.checkpoints
    # A pair of checkpoints stands in the table once, in the order of the configuration.
    turned = [
        {**row, "before": row["after"], "after": row["before"], **_negated(row)} if row["after"] == first else row
        for row in rows
        if row["task"] == panel.task
    ]
    return [row for row in turned if row["before"] == first and row["after"] in others]


def _negated(row: dict) -> dict:
    return {key: str(-float(row[of])) for key, of in (("difference", "difference"), ("low", "high"), ("high", "low"))}


def _draw(axes: Axes, rows: list[dict], panel: Panel, margin: float) -> list:
    mine = [row for row in _mine(rows, panel) if row["measure"] == panel.measure]
    if not mine:
        style.say(axes, "nothing to compare")
        return []
    lines = []
    axes.axhspan(-margin, margin, color="#dddddd", linewidth=0, zorder=0)
    axes.axhline(0, color="#777777", linewidth=0.8, zorder=1)
    for checkpoint in panel.checkpoints[1:]:
        of_layers = sorted((row for row in mine if row["after"] == checkpoint), key=lambda row: int(row["layer"]))
        if not of_layers:
            continue
        layers = [int(row["layer"]) for row in of_layers]
        value, low, high = ([float(row[key]) for row in of_layers] for key in ("difference", "low", "high"))
        look = panel.appearance(checkpoint)
        style.band(axes, layers, list(zip(low, high, strict=True)), look["color"])
        lines += axes.plot(layers, value, **look, label=f"{panel.label(checkpoint)} − {panel.label(panel.checkpoints[0])}")
        unsure = [(x, y) for x, y, row in zip(layers, value, of_layers, strict=True) if not float(row["p_holm"]) <= LEVEL]
        if unsure:
            hollow = {**look, "linestyle": "", "markerfacecolor": "white", "zorder": 3}
            axes.plot(*zip(*unsure, strict=True), **hollow)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=7, min_n_ticks=1))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
    style.grid_lines(axes)
    return lines
