"""What each training does to the checkpoint that it starts from, layer by layer: to answer questions, or a control."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pairprobe.evidence.fields import LOWER_LAYERS, UPPER_LAYERS
from pairprobe.figures import style
from pairprobe.figures.grid import Panel, task_grid
from pairprobe.tables.control_trainings import decided, read_control_trainings

if TYPE_CHECKING:
    import pandas as pd


@style.styled
def control_trainings_figure(table: str, columns: Sequence[Sequence[Panel]], level: float) -> Figure:
    """Return the figure of effects, in points, with their intervals: a column for each task, a row for each measure.

    table: ``tables/control_trainings.tsv``. columns: as in ``grid.task_grid``; a panel compares those that are trained to
    answer questions and the control trainings. A control's markers are filled where its effect differs from that of the
    first that is trained to answer, at this level, corrected for all layers, on enough pages and seeds.
    """
    rows = read_control_trainings(table)
    rows = rows[~rows["layer"].isin([LOWER_LAYERS, UPPER_LAYERS])]
    first = columns[0][0]
    rows = rows.assign(layer=rows["layer"].astype(int), found=decided(rows, level))
    return task_grid(
        columns,
        lambda axes, panel: _draw(axes, rows, panel),
        lambda panel: int(max(rows[rows["task"] == panel.task]["pairs"], default=0)),
        lambda panel: "Effect (points)",
        style.found_key(level, f"A control differs from {first.label(first.compared[0])}: "),
    )


def _effects(rows: "pd.DataFrame", panel: Panel) -> dict[str, "pd.DataFrame"]:
    """Return the effect of each training that a panel draws, by its name; found: no control, or one that differs."""
    rows = rows[(rows["task"] == panel.task) & (rows["measure"] == panel.measure) & (rows["value"] == panel.value)]
    drawn: dict[str, pd.DataFrame] = {}
    for kind, effect in (("after", "effect"), ("control", "control_effect")):
        names = {f"{effect}{end}": f"effect{end}" for end in ("", "_low", "_high")}
        columns = ["before", "layer", "found", *names]
        for name, some in rows.assign(found=rows["found"] | (kind == "after")).groupby(kind, sort=False):
            # Beside several others it has several rows of the same effect.
            drawn[str(name)] = some.drop_duplicates("layer")[columns].rename(columns=names)
    return {name: drawn[name] for name in panel.compared if name in drawn}


def _draw(axes: Axes, rows: "pd.DataFrame", panel: Panel) -> list[Artist]:
    lines: list[Artist] = []
    style.layer_axes(axes)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
    axes.axhline(0, color=style.REFERENCE, linewidth=0.8, zorder=1)
    for name, points in _effects(rows, panel).items():
        label = f"{panel.legend(name)} − {panel.label(points['before'].iloc[0])}"
        look = {**panel.line(name, panel.compared), "label": label, "zorder": 3}
        lines.append(style.curve(axes, points, "effect", look))
        style.found_marks(axes, points, "effect", look)
    if not lines:
        style.explain_empty(axes, "nothing to compare")
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, -style.LEAST_POINTS), max(high, style.LEAST_POINTS))
    return lines
