"""How far the weights of each layer moved, drawn from ``tables/weight_distance.tsv``."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from pairprobe.controls.weight_table import NOT_COMPARED, WEIGHT_FIELDS
from pairprobe.figures import style
from pairprobe.figures.style import Appearance
from pairprobe.io.tsv import read_frame

if TYPE_CHECKING:
    import pandas as pd

VALUES = {"relative": "All weights (relative norm)", "spectral": "Matrices (relative spectral norm)"}
_NUMBERS = WEIGHT_FIELDS[2:-1]


def read_weights(table: str) -> "pd.DataFrame":
    """Read ``tables/weight_distance.tsv``. Raises InputError for a table with other columns."""
    return read_frame(table, WEIGHT_FIELDS, _NUMBERS, may_be_empty=_NUMBERS)


@style.styled
def weight_distance_figure(table: str, compared: Sequence[str], appearance: Appearance) -> Figure:
    """Return the figure: both distances side by side, a line for each recipe or checkpoint; two columns of a paper wide.

    table: ``tables/weight_distance.tsv``. A recipe has its interval over seeds, and a thin line for each of these. What has
    other weights than the one before is named in words, and why. Raises InputError for a table with other columns.
    """
    rows = read_weights(table)
    without = rows[rows[NOT_COMPARED].ne("") & rows["after"].isin(list(compared))]
    told = [
        f"{appearance.label(before)} and {appearance.legend(after)} are not compared: {why}"
        for before, after, why in without[["before", "after", NOT_COMPARED]].astype(str).to_numpy().tolist()
    ]
    rows = rows[rows[NOT_COMPARED].eq("")]
    names = [name for name in compared if name in set(rows["after"])]
    drawn = rows[rows["after"].isin([*names, *(seed for name in names for seed in appearance.recipes.get(name, ()))])]
    drawn, x_label = style.by_depth(drawn, ["after"])
    figure = style.new_figure(style.TWO_COLUMNS)
    for axes, (value, title) in zip(figure.subplots(1, len(VALUES)), VALUES.items(), strict=True):
        axes.set_title(title)
        if not names:
            style.explain_empty(axes, "\n".join(map(style.wrapped, told)) or "nothing to compare")
            continue
        handles = [draw_distance(axes, drawn, value, name, compared, appearance) for name in names]
        axes.set_xlabel(x_label)
        axes.set_ylim(0, None)
        axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
        style.layer_axes(axes, x_label)
    if names:
        figure.axes[0].set_ylabel("Distance / norm before")
        unseen = [Line2D([], [], linestyle="", label=style.wrapped(words)) for words in told]
        style.legend_of_all(figure, [*handles, *unseen], 2, handlelength=3.4)
    return figure


def draw_distance(
    axes: Axes, rows: "pd.DataFrame", value: str, name: str, compared: Sequence[str], appearance: Appearance
) -> Line2D:
    """Draw how far a recipe or checkpoint is from the one before it, and its seeds; returns the line, for a legend."""
    look = {**appearance.line(name, compared), "label": appearance.legend(name), "clip_on": False, "zorder": 3}
    style.seed_lines(axes, rows, value, "after", appearance.recipes.get(name, ()), color=look["color"])
    return style.curve(axes, rows[rows["after"] == name], value, look)
