"""How alike checkpoints represent the same words: CKA and RSA by layer, drawn from ``tables/representations.tsv``."""

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure

from pairprobe.controls.cka_rsa import REPRESENTATION_FIELDS
from pairprobe.figures import style
from pairprobe.figures.style import Appearance
from pairprobe.io.tsv import read_frame

VALUES = {"cka": "Linear CKA", "rsa": "Representational similarity (RSA)"}


@style.styled
def representations_figure(table: str, checkpoints: Sequence[str], appearance: Appearance) -> Figure:
    """Return the figure: CKA beside RSA, a line for each pair of these checkpoints; two columns of a paper wide.

    table: ``tables/representations.tsv``. A line has the colour and the marker of the pair's second checkpoint, and the
    dashes of its first. Raises InputError for a table with other columns.
    """
    rows = read_frame(table, REPRESENTATION_FIELDS, REPRESENTATION_FIELDS[2:])
    rows = rows[rows["before"].isin(checkpoints) & rows["after"].isin(checkpoints)]
    figure = style.new_figure(style.TWO_COLUMNS)
    panels = figure.subplots(1, len(VALUES))
    for axes, (value, title) in zip(panels, VALUES.items(), strict=True):
        axes.set_title(title)
        if not len(rows):
            style.explain_empty(axes, "nothing to compare")
            continue
        handles = [
            style.curve(axes, points, value, _look(pair, appearance))
            for pair, points in rows.groupby(["before", "after"], sort=False)
        ]
        axes.set_xlabel("Layer")
        axes.set_ylim(min(0.0, axes.get_ylim()[0]), 1)
        style.layer_axes(axes)
    if len(rows):
        style.legend_of_all(figure, handles, 2, handlelength=3.4)
    return figure


def _look(pair: tuple[Any, ...], appearance: Appearance) -> dict[str, Any]:
    before, after = (appearance.line(name) for name in pair)
    label = " and ".join(appearance.label(name) for name in pair)
    return {**after, "linestyle": before["linestyle"], "label": label, "clip_on": False, "zorder": 3}
