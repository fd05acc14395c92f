"""Differences between recipes or checkpoints over the layers, with their intervals."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from pairprobe.evidence.fields import DIFFERENCE_FIELDS
from pairprobe.figures import style
from pairprobe.figures.grid import Panel, task_grid
from pairprobe.io.tsv import read_frame

if TYPE_CHECKING:
    import pandas as pd


@style.styled
def differences_figure(differences: str, columns: Sequence[Sequence[Panel]], margin: float, level: float) -> Figure:
    """Return the figure of the difference to the first of what a panel compares, in points, for each task and measure.

    differences: ``tables/differences.tsv``. columns: as in ``grid.task_grid``; a panel's value is what differs. Markers are
    filled where the test rejects at this level, corrected for all tests, else hollow. Of another value than ``specific``,
    those that are filled have a ring where ``specific`` is equal, by its interval, or differs to the other side. Within
    ``margin``, shaded, two are equal.
    """
    numbers = DIFFERENCE_FIELDS[DIFFERENCE_FIELDS.index("layer") :]
    rows = read_frame(differences, DIFFERENCE_FIELDS, numbers, may_be_empty=("low", "high", "p", "p_adjusted"))
    rows = rows.assign(found=rows["p_adjusted"] <= level)

    def pairs(panel: Panel) -> int:
        return max(_against_first(rows, panel)["pairs"], default=0)

    return task_grid(
        columns,
        lambda axes, panel: _draw(axes, rows, panel, margin),
        pairs,
        lambda panel: "Difference (points)",
        _key(margin, level, any(panel.value != "specific" for panels in columns for panel in panels)),
    )


# Around a marker.
_RING: Any = {"marker": "o", "linestyle": "", "markersize": 8, "markerfacecolor": "none", "markeredgewidth": 0.8}


def _key(margin: float, level: float, ringed: bool) -> list[Artist]:
    ring = Line2D([], [], **_RING, markeredgecolor=style.MARK, label="In specific equal, or opposite")
    return [
        *style.found_key(level, hollow=f"p > {level:.3g}"),
        *([ring] if ringed else []),
        Patch(color=style.GRID, label=f"Equal: within {margin:g} points"),
    ]


def _against_first(rows: "pd.DataFrame", panel: Panel, value: str = "") -> "pd.DataFrame":
    """Return the differences to the first of what a panel compares, for all measures of its task."""
    first, *others = panel.compared
    rows = rows[(rows["task"] == panel.task) & (rows["value"] == (value or panel.value))]
    # The table has each two once, in the order of the configuration.
    turned = rows["after"] == first
    sign = np.where(turned, -1, 1)
    low, high = sign * rows["low"], sign * rows["high"]
    rows = rows.assign(
        before=rows["before"].mask(turned, rows["after"]),
        after=rows["after"].mask(turned, rows["before"]),
        difference=sign * rows["difference"],
        low=low.mask(turned, high),
        high=high.mask(turned, low),
    )
    return rows[(rows["before"] == first) & rows["after"].isin(others)]


def _otherwise(points: "pd.DataFrame", specific: "pd.DataFrame", margin: float) -> "pd.DataFrame":
    """Return the points that a test finds, and whose difference in specific is none or goes to the other side."""
    both = points.merge(specific, on="layer", suffixes=("", "_specific"))
    equal = (both["low_specific"] > -margin) & (both["high_specific"] < margin)
    turned = both["found_specific"] & (np.sign(both["difference"]) != np.sign(both["difference_specific"]))
    return both[both["found"] & (equal | turned)]


def _draw(axes: Axes, rows: "pd.DataFrame", panel: Panel, margin: float) -> list[Artist]:
    specific, rows = (_against_first(rows, panel, value) for value in ("specific", ""))
    specific, rows = (each[each["measure"] == panel.measure] for each in (specific, rows))
    if not len(rows):
        style.explain_empty(axes, "nothing to compare")
        return []
    lines: list[Artist] = []
    axes.axhspan(-margin, margin, color=style.GRID, linewidth=0, zorder=0)
    axes.axhline(0, color=style.REFERENCE, linewidth=0.8, zorder=1)
    for name in panel.compared[1:]:
        points = rows[rows["after"] == name].sort_values("layer")
        if not len(points):
            continue
        label = f"{panel.label(name)} − {panel.label(panel.compared[0])}"
        look = {**panel.line(name, panel.compared), "label": label}
        lines.append(style.curve(axes, points, "difference", look, ("low", "high")))
        style.found_marks(axes, points, "difference", look)
        if panel.value == "specific":
            continue
        ringed = _otherwise(points, specific[specific["after"] == name], margin)
        axes.plot(ringed["layer"].to_numpy(), ringed["difference"].to_numpy(), **_RING, color=look["color"], zorder=3)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
    style.layer_axes(axes)
    return lines
