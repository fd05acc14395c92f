"""How alike checkpoints represent the same words: CKA and RSA by layer, drawn from ``tables/representations.tsv``."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from pairprobe.controls.cka_rsa import REPRESENTATION_FIELDS
from pairprobe.figures import style
from pairprobe.io.tsv import read_tsv
from pairprobe.tables.layout import label_of

VALUES = {"cka": "Linear CKA", "rsa": "Representational similarity (RSA)"}


def draw_representations(
    table: str,
    checkpoints: Sequence[str],
    labels: dict[str, str],
    colours: dict[str, str],
    among: Sequence[str],
    outputs: Sequence[str],
) -> None:
    """Draw CKA and RSA by layer to several files, the format of each by its suffix. See ``representations_figure``."""
    style.save(representations_figure(table, checkpoints, labels, colours, among), outputs)


def representations_figure(
    table: str, checkpoints: Sequence[str], labels: dict[str, str], colours: dict[str, str], among: Sequence[str]
) -> Figure:
    """Return the figure: CKA beside RSA, a line for each pair of these checkpoints; two columns of a paper wide.

    table: ``tables/representations.tsv``. labels: ``{checkpoint: what the figure calls it}``; colours: ``{checkpoint:
    colour}``; among: all checkpoints of the run. A line has the colour and the marker of the pair's second checkpoint, as
    in the other figures, and the dashes of its first. Raises InputError for a table with other columns.
    """
    pairs: dict[tuple[str, str], list[dict]] = {}
    for row in read_tsv(table, REPRESENTATION_FIELDS):
        if {row["before"], row["after"]} <= set(checkpoints):
            pairs.setdefault((row["before"], row["after"]), []).append(row)
    with plt.rc_context(style.STYLE):
        figure, panels = plt.subplots(1, len(VALUES), figsize=(6.9, 2.8), layout="constrained")
        for axes, (value, title) in zip(panels, VALUES.items(), strict=True):
            axes.set_title(title)
            if not pairs:
                style.say(axes, "nothing to compare")
                continue
            handles = [
                _draw(axes, rows, value, _look(pair, among, colours), " and ".join(label_of(name, labels) for name in pair))
                for pair, rows in pairs.items()
            ]
            axes.set_xlabel("Layer")
            axes.set_ylim(min(0.0, axes.get_ylim()[0]), 1)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=7, min_n_ticks=1))
            style.grid_lines(axes)
        if pairs:
            figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 2), handlelength=3.4)
    return figure


def _look(pair: tuple[str, str], among: Sequence[str], colours: dict[str, str]) -> dict:
    before, after = (style.appearance(name, among, colours) for name in pair)
    return {**after, "linestyle": before["linestyle"]}


def _draw(axes: Axes, rows: list[dict], value: str, look: dict, label: str) -> Line2D:
    """Draw one pair's line, with its interval; returns the handle for the legend."""
    points = np.array([[float(row[key]) for key in ("layer", value, f"{value}_low", f"{value}_high")] for row in rows])
    points = points[np.argsort(points[:, 0])]
    layers, middle = points[:, :2].T
    style.band(axes, layers, points[:, 2:], look["color"])
    return axes.plot(layers, middle, **look, label=label, clip_on=False, zorder=3)[0]
