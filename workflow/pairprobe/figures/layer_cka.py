"""CKA between all pairs of layers, drawn as matrices from ``tables/layer_cka.tsv``."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from pairprobe.controls.layer_cka import LAYER_CKA_FIELDS
from pairprobe.figures import style
from pairprobe.figures.style import Appearance
from pairprobe.io.tsv import read_frame

if TYPE_CHECKING:
    import pandas as pd

# Of more layers than these, numbers would not fit into the cells.
_MOST_WITH_NUMBERS = 8
_DIAGONAL: Any = {"fill": False, "edgecolor": "white", "linewidth": 0.9}


def read_layer_cka(table: str) -> "pd.DataFrame":
    """Read ``tables/layer_cka.tsv``. Raises InputError for a table with other columns."""
    return read_frame(table, LAYER_CKA_FIELDS, LAYER_CKA_FIELDS[2:])


@style.styled
def layer_cka_figure(table: str, compared: Sequence[str], appearance: Appearance) -> Figure:
    """Return the figure: a matrix for each recipe or checkpoint that was compared with the one before it.

    table: ``tables/layer_cka.tsv``. Layers of the one before go up, those of the other to the right; the colours are of the
    same scale in all figures, from 0 to 1. Where both have as many layers, pairs of the same layer are outlined. Raises
    InputError for a table with other columns.
    """
    rows = read_layer_cka(table)
    names = [name for name in compared if name in set(rows["after"])]
    across = min(max(1, len(names)), style.MATRICES_ACROSS)
    down = -(-max(1, len(names)) // across)
    figure = style.new_figure((style.MATRIX * across + style.MATRIX_MARGIN, style.MATRIX * down + style.MATRIX_ROOM * down))
    panels = list(figure.subplots(down, across, squeeze=False).flat)
    for axes, name in zip(panels, names, strict=False):
        mesh = _draw(axes, rows[rows["after"] == name], appearance)
    for axes in panels[max(1, len(names)) :]:
        axes.remove()
    if not names:
        style.explain_empty(panels[0], "nothing to compare")
        return figure
    bar = figure.colorbar(mesh, ax=panels[: len(names)], label="Linear CKA", shrink=0.8, aspect=25, pad=0.02)
    bar.outline.set_visible(False)
    return figure


def _draw(axes: Axes, rows: "pd.DataFrame", appearance: Appearance) -> Any:
    """Draw one matrix; returns what its colours are of."""
    cka = rows.pivot(index="layer_before", columns="layer_after", values="cka").sort_index().sort_index(axis=1).to_numpy()
    mesh = axes.pcolormesh(cka, cmap=style.MATRIX_COLOURS, vmin=0, vmax=1, edgecolors="face", linewidth=0.2)
    if max(cka.shape) <= _MOST_WITH_NUMBERS:
        for (i, j), value in np.ndenumerate(cka):
            dark = value < 0.5
            axes.text(j + 0.5, i + 0.5, f"{value:.2f}".lstrip("0"), ha="center", va="center", fontsize=style.CELL_SIZE,
                      color="white" if dark else "black")  # fmt: skip
    if cka.shape[0] == cka.shape[1]:
        for i in range(len(cka)):
            axes.add_patch(Rectangle((i, i), 1, 1, **_DIAGONAL))
    for axis, number in ((axes.xaxis, cka.shape[1]), (axes.yaxis, cka.shape[0])):
        ticks = [int(tick) for tick in MaxNLocator(integer=True, nbins=8).tick_values(0, number - 1) if 0 <= tick < number]
        axis.set_ticks([tick + 0.5 for tick in ticks], [str(tick) for tick in ticks])
        axis.set_tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_aspect("equal")
    before, after = rows["before"].iloc[0], rows["after"].iloc[0]
    axes.set_ylabel(style.wrapped(f"Layer of {appearance.label(before)}", style.LONGEST_LABEL - 8))
    axes.set_xlabel(style.wrapped(f"Layer of {appearance.label(after)}", style.LONGEST_LABEL - 8))
    return mesh
