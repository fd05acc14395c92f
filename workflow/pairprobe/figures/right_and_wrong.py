"""Pairs of questions that are answered right beside those of questions that are answered wrong, layer by layer."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from pairprobe.evidence.fields import CORRELATION
from pairprobe.figures import style
from pairprobe.figures.grid import VALUE_LABELS, Panel, task_grid
from pairprobe.tables.right_and_wrong import decided, read_right_and_wrong

if TYPE_CHECKING:
    import pandas as pd

# How lines are drawn: of right and of wrong answers; in the correlation, of a task's first and second measure.
_GROUPS: dict[str, Any] = {"right": "-", "wrong": (0, (4, 1.5))}
_MEASURES: Any = (("o", "-"), ("s", "-."))
# What the axis of the correlation shows at least, on both sides of 0.
_LEAST_CORRELATION = 0.5


@style.styled
def right_and_wrong_figure(table: str, columns: Sequence[Sequence[Panel]], level: float) -> Figure:
    """Return the figure: a column for each task, a row for each measure, and below them the correlation with F1.

    table: ``tables/right_and_wrong.tsv``. columns: the panels of each task, which compare the one that was made of another
    and answers, and that other one, if there is one; the last of them has the value ``fields.CORRELATION``. Markers are
    filled where a test finds something at this level, corrected.
    """
    rows = read_right_and_wrong(table)
    rows["found"] = decided(rows, columns[0][0].recipes, level)
    rows = rows[rows["answered_by"] == columns[0][0].compared[0]]

    def pairs(panel: Panel) -> int:
        found = rows[(rows["task"] == panel.task) & (rows["value"] == CORRELATION)]
        return round((found["pairs_right"] + found["pairs_wrong"]).max()) if len(found) else 0

    rows, x_label = style.by_depth(rows, ["ranked_by"])
    figure = task_grid(
        columns,
        lambda axes, panel: _draw(axes, rows[rows["task"] == panel.task], panel, x_label),
        pairs,
        lambda panel: "Rank correlation" if panel.value == CORRELATION else VALUE_LABELS[panel.value],
        _key(level),
        x_label,
    )
    for axes in figure.axes[-len(columns) :]:
        axes.set_title("(c) Auc with F1", fontsize=style.PANEL_TITLE_SIZE, pad=style.PANEL_TITLE_PAD)
    return figure


def _key(level: float) -> list[Artist]:
    measures = [
        Line2D([], [], color=style.MARK, marker=marker, linestyle=dashes, label=f"In (c): by the measure of ({row})")
        for (marker, dashes), row in zip(_MEASURES, "ab", strict=True)
    ]
    return [*measures, *style.found_key(level, "Right and wrong differ, in (c) a correlation: ")]


def _draw(axes: Axes, rows: "pd.DataFrame", panel: Panel, x_label: str) -> list[Artist]:
    style.layer_axes(axes, x_label)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
    rows = rows[rows["value"] == panel.value].sort_values("layer", kind="stable")
    if not rows["difference"].notna().any():
        style.explain_empty(axes, "nothing to compare")
        return []
    if panel.value == CORRELATION:
        _draw_correlation(axes, rows, panel)
        return []
    lines: list[Artist] = []
    for name in panel.compared:
        points = rows[(rows["ranked_by"] == name) & (rows["measure"] == panel.measure)]
        for group, dashes in _GROUPS.items():
            label = f"Pairs of {group} answers, ranked by {panel.legend(name)}"
            lines.append(_line(axes, points, group, panel, name, linestyle=dashes, label=label))
    low, high = axes.get_ylim()
    axes.set_ylim(max(0, low), min(100, high))
    return lines


def _draw_correlation(axes: Axes, rows: "pd.DataFrame", panel: Panel) -> None:
    """Draw the correlation by both measures of a task."""
    axes.axhline(0, color=style.REFERENCE, linewidth=0.8, zorder=1)
    for name in panel.compared:
        for measure, (marker, dashes) in zip(dict.fromkeys(rows["measure"]), _MEASURES, strict=False):
            points = rows[(rows["ranked_by"] == name) & (rows["measure"] == measure)]
            _line(axes, points, "difference", panel, name, marker, linestyle=dashes, label=f"_{name}.{measure}")
    low, high = axes.get_ylim()
    axes.set_ylim(max(-1, min(-_LEAST_CORRELATION, low)), min(1, max(_LEAST_CORRELATION, high)))


def _line(
    axes: Axes, points: "pd.DataFrame", value: str, panel: Panel, name: str, marker: str = "o", **look: Any
) -> Artist:
    """Draw a line: of what answers with band and markers, in its colour; of what it was made of in grey, behind it.

    Returns the handle for a legend.
    """
    if name != panel.compared[0]:
        line = points[["layer", value]].to_numpy()
        return axes.plot(*line.T, color=style.REFERENCE, linewidth=1.0, zorder=2.5, **look)[0]
    look |= {"color": panel.line(name)["color"], "marker": marker, "zorder": 3}
    style.curve(axes, points, value, look, ("low", "high") if value == "difference" else None)
    style.found_marks(axes, points, value, look)
    return Line2D([], [], **{**look, "marker": ""})  # which would hide the dashes in a legend
