"""How alike checkpoints represent the same words: CKA and RSA by layer, drawn from ``tables/representations.tsv``.

Two of different numbers of layers are not compared, and have no line.
"""

from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pairprobe.controls.cka_rsa import REPRESENTATION_FIELDS
from pairprobe.figures import style
from pairprobe.figures.style import Appearance
from pairprobe.io.tsv import read_frame

if TYPE_CHECKING:
    import pandas as pd

VALUES = {"cka": "Linear CKA", "rsa": "Representational similarity (RSA)"}


@style.styled
def representations_figure(table: str, compared: Sequence[str], appearance: Appearance) -> Figure:
    """Return the figure: CKA beside RSA, a line for each two recipes or checkpoints; two columns of a paper wide.

    table: ``tables/representations.tsv``. A line has the colour and the marker of the second of the two, and the dashes of
    the first. Where one is a recipe it is the mean over all pairs of checkpoints, which have thin lines, and has no
    interval. Raises InputError for a table with other columns.
    """
    rows = read_frame(table, REPRESENTATION_FIELDS, REPRESENTATION_FIELDS[2:])
    pairs = [*combinations(sorted(compared, key=appearance.names().index), 2)]
    drawn = {i for pair in pairs for i in _between(rows, *pair, appearance).index}
    rows, x_label = style.by_depth(rows[rows.index.isin(drawn)], ["before", "after"])
    found = {pair: points for pair in pairs if len(points := _between(rows, *pair, appearance))}
    figure = style.new_figure(style.TWO_COLUMNS)
    panels = figure.subplots(1, len(VALUES))
    for axes, (value, title) in zip(panels, VALUES.items(), strict=True):
        axes.set_title(title)
        if not found:
            style.explain_empty(axes, "nothing to compare")
            continue
        handles = [_draw(axes, points, value, _look(pair, compared, appearance)) for pair, points in found.items()]
        axes.set_xlabel(x_label)
        axes.set_ylim(min(0.0, axes.get_ylim()[0]), 1)
        style.layer_axes(axes, x_label)
    if found:
        style.legend_of_all(figure, handles, 2, handlelength=3.4)
    return figure


def _between(rows: "pd.DataFrame", first: str, second: str, appearance: Appearance) -> "pd.DataFrame":
    """Return the rows of all pairs of the one's checkpoints and the other's."""
    ours, theirs = (appearance.recipes.get(name, [name]) for name in (first, second))
    before, after = rows["before"], rows["after"]
    return rows[(before.isin(ours) & after.isin(theirs)) | (before.isin(theirs) & after.isin(ours))]


def _draw(axes: Axes, points: "pd.DataFrame", value: str, look: dict[str, Any]) -> Line2D:
    pairs = points.groupby(["before", "after"])
    if len(pairs) == 1:
        return style.curve(axes, points, value, look)
    for (before, after), of_pair in pairs:
        line = of_pair.sort_values("layer")[["layer", value]].to_numpy()
        axes.plot(*line.T, **style.SEED, color=look["color"], label=f"_{before}.{after}")
    return style.curve(axes, points.groupby("layer", as_index=False)[[value]].mean(), value, look)


def _look(pair: tuple[str, str], compared: Sequence[str], appearance: Appearance) -> dict[str, Any]:
    before, after = (appearance.line(name, compared) for name in pair)
    label = " and ".join(appearance.legend(name) for name in pair)
    return {**after, "linestyle": before["linestyle"], "label": label, "clip_on": False, "zorder": 3}
