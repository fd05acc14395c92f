"""What all figures share: their style, how a checkpoint looks in each of them, and saving."""

import textwrap
from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

matplotlib.use("agg")

import matplotlib.pyplot as plt
from matplotlib.transforms import ScaledTranslation

from pairprobe.io import files

# Okabe and Ito's palette (2008), which people with any colour vision can tell apart; markers and dashes say it again.
# More checkpoints than that are a ladder (seeds, steps, sizes): cividis, which is as safe, from dark to light.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (3, 1, 1, 1)), "-", "-", "-")

STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.titlesize": 8.5,
    "axes.labelsize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "lines.linewidth": 1.5,
    "lines.markersize": 3.6,
    "savefig.dpi": 300,
    # Text stays text in PDF; the same data give the same bytes.
    "pdf.fonttype": 42,
    "svg.fonttype": "path",
    "svg.hashsalt": "pairprobe",
}

# The width of a column of the ACL's and the ACM's papers, in inches.
COLUMN = 3.33

# The height in inches that a figure's size leaves for its legends below; for taller ones the figure grows.
LEGEND_ROOM = 0.36
# In characters; a longer label goes on in a second line, since a legend wider than its axes would squeeze them.
LONGEST_LABEL = 42


def appearance(checkpoint: str, among: Sequence[str], colours: dict[str, str]) -> dict:
    """Return how a checkpoint's line looks, as arguments of ``Axes.plot``: color, marker, linestyle.

    among: all checkpoints of the run, so that one looks the same in every figure; its place there decides. colours:
    ``{checkpoint: colour}``, which goes before the palette. Raises ValueError for a checkpoint that is not among them.
    """
    number, last = list(among).index(checkpoint), len(among) - 1
    by_place = COLOURS[number] if last < len(COLOURS) else matplotlib.colormaps["cividis"](0.92 * number / last)
    return {
        "color": colours.get(checkpoint) or by_place,
        "marker": MARKERS[number % len(MARKERS)],
        "linestyle": DASHES[number % len(DASHES)],
    }


def band(axes: Axes, x: Sequence[float], bounds: Sequence[tuple[float, float]], colour: str | tuple) -> None:
    """Shade the intervals of a line, behind it."""
    axes.fill_between(x, *zip(*bounds, strict=True), color=colour, alpha=0.18, linewidth=0, zorder=2)


def grid_lines(axes: Axes) -> None:
    """Draw faint horizontal lines behind the data."""
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)


def say(axes: Axes, words: str) -> None:
    """Say in words why axes are empty."""
    axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center", va="center", color="#555555")
    axes.set(xticks=[], yticks=[])


def legends_below(figure: Figure, legends: Sequence[tuple[Axes, Sequence]], width: float) -> None:
    """Put a legend below the x-axis of each axes, where it hides no data; the figure grows by what does not fit.

    legends: (axes, handles); width: how wide one may be, in inches. All get the same number of columns, as many as fit.
    """
    legends = [(axes, handles) for axes, handles in legends if handles]
    if not legends:
        return
    for columns in range(max(len(handles) for _, handles in legends), 0, -1):
        drawn = [_legend_below(figure, axes, handles, columns) for axes, handles in legends]
        extents = [legend.get_window_extent(figure.canvas.get_renderer()) for legend in drawn]
        if max(extent.width for extent in extents) <= width * figure.dpi:
            break
    tallest = max(extent.height for extent in extents) / figure.dpi
    across, high = figure.get_size_inches()
    figure.set_size_inches(across, high + max(0, tallest - LEGEND_ROOM))


def _legend_below(figure: Figure, axes: Axes, handles: Sequence, columns: int):
    # In points from the axes' lower edge, past tick labels and axis label, whatever the axes' height comes to be.
    below = axes.transAxes + ScaledTranslation(0, -31 / 72, figure.dpi_scale_trans)
    return axes.legend(
        handles=handles,
        labels=[textwrap.fill(handle.get_label(), LONGEST_LABEL) for handle in handles],
        loc="upper center",
        bbox_to_anchor=(0.5, 0),
        bbox_transform=below,
        ncols=columns,
        fontsize=7.5,
        handlelength=2.6,
        columnspacing=1.2,
        labelspacing=0.25,
        borderaxespad=0,
        borderpad=0,
    )


def save(figure: Figure, paths: Sequence[str]) -> None:
    """Save a figure to several files, the format of each by its suffix, each whole or not at all, and close it."""
    with plt.rc_context(STYLE):
        for path in paths:
            kind = str(path).rsplit(".", 1)[-1]
            metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
            with files.atomic_write(path) as temporary:
                figure.savefig(temporary, format=kind, metadata=metadata)
    plt.close(figure)


# More points cannot be told apart in a column's width, and would make the SVG megabytes.
MOST_POINTS = 1000


ROUND = (1, 2, 5, 10)  # what ticks may be apart, times 10^n


def thinned(places: np.ndarray, values: np.ndarray, at_most: int = MOST_POINTS) -> np.ndarray:
    """Return which points to draw, ascending indices: all, or at most ``at_most`` that look the same.

    places, values: (points,), the places ascending and as they are on the axis (the logarithm on a logarithmic one). The
    first and the last are kept, and of each of equal parts of the axis the lowest and the highest, so that no peak is lost.
    """
    if len(places) <= at_most:
        return np.arange(len(places))
    parts = (at_most - 2) // 2
    edges = np.linspace(places[0], places[-1], parts + 1)[1:-1]
    part = np.searchsorted(edges, places, side="right")
    order = np.lexsort((values, part))
    lowest = np.flatnonzero(np.diff(part[order], prepend=-1))
    highest = np.append(lowest[1:], len(places)) - 1
    return np.unique(np.concatenate([[0, len(places) - 1], order[lowest], order[highest]]))
