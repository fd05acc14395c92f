"""When which layer changes: the difference from the first step, by layer and step, for each task; below them the scores."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from pairprobe.evidence.fields import HIGHER, LOWER, TRAJECTORY_FIELDS, TRAJECTORY_SCORE_FIELDS
from pairprobe.figures import style
from pairprobe.io.tsv import read_frame
from pairprobe.tables.layout import label_of

if TYPE_CHECKING:
    import pandas as pd

# The scores that are drawn, as far as there are any, and what the key calls them. The band of one without an end is none.
SCORES = {"f1": "F1", "long_f1": "Long answers, F1", "short_f1": "Short answers, F1"}
_FOUND: Any = {"marker": "o", "markersize": 3, "linestyle": "", "color": "black", "markeredgecolor": "white"}
_COLOURS = LinearSegmentedColormap.from_list("lower_higher", style.DIVERGING)


@style.styled
def trajectories_figure(
    table: str, scores: str | None, measures: Mapping[str, str], names: Sequence[str], value: str, labels: dict[str, str]
) -> Figure:
    """Return the figure: for each trajectory a map of layer by step in a column for each task, and below them the scores.

    table, scores: of ``TRAJECTORY_FIELDS`` and ``TRAJECTORY_SCORE_FIELDS``; scores may be None. measures: which one is
    drawn of each task. names: the trajectories. value: auc, percentage or specific; its difference from the first step has
    one scale of colours in all maps. A dot is on what the test finds, corrected for all cells of a trajectory.
    """
    rows = _read(table, value)
    rows = rows[rows["measure"] == rows["task"].map(measures)]
    scored = _read_scores(scores) if scores else None
    heights = [style.MAP_ROW, style.SCORE_ROW] if scored is not None else [style.MAP_ROW]
    width = max(style.COLUMN, style.GRID_COLUMN * len(measures) + style.SCALE_MARGIN)
    size = (width, sum(heights) * len(names) + style.GRID_ROOM)
    figure = style.new_figure(size)
    places = figure.add_gridspec(len(heights) * len(names), len(measures), height_ratios=heights * len(names))
    most = max(style.LEAST_POINTS, rows["difference"].abs().max())
    scale, handles, maps = Normalize(-most, most), dict[object, Artist](), list[Axes]()
    for i, name in enumerate(names):
        of_name = rows[rows["trajectory"] == name]
        for x, task in enumerate(measures):
            maps.append(axes := figure.add_subplot(places[i * len(heights), x]))
            _draw_map(axes, of_name[of_name["task"] == task], scale)
            axes.set_xlabel("Step")
            if not x:
                above = "" if len(names) == 1 else style.wrapped(label_of(name, labels), style.LONGEST_TASK) + "\n"
                axes.set_ylabel(f"{above}{style.LAYER}")
        if scored is not None:
            below = figure.add_subplot(places[i * len(heights) + 1, :])
            for handle in _draw_scores(below, scored[scored["trajectory"] == name]):
                handles.setdefault(handle.get_label(), handle)
            below.set(xlabel="Step", ylabel="Score (%)")
    for axes, (task, measure) in zip(maps, measures.items(), strict=False):
        _name_column(axes, style.wrapped(label_of(task, labels), style.LONGEST_TASK), style.MEASURE_LABELS[measure])
    shown = style.VALUE_LABELS[value].partition(" (")[0]
    label = f"{shown}:\ndifference from the\nfirst step (points)"
    figure.colorbar(ScalarMappable(scale, _COLOURS), ax=maps, label=label, pad=0.01, aspect=30)
    key = Line2D([], [], **_FOUND, label="Differs from the first step (test, corrected)")
    style.legend_of_all(figure, [key, *handles.values()], 4)
    return figure


def _name_column(axes: Axes, task: str, measure: str) -> None:
    """Write the task above a column, and its measure in small below that."""
    axes.set_title(task, fontweight="bold", fontsize=style.TASK_SIZE, pad=style.PAIRS_OFFSET - 2 * style.PANEL_TITLE_PAD)
    place: Any = {"xy": (0.5, 1), "xytext": (0, style.PANEL_TITLE_PAD), "xycoords": "axes fraction", "ha": "center"}
    axes.annotate(measure, **place, textcoords="offset points", fontsize=style.PANEL_TITLE_SIZE, annotation_clip=False)


def _read(table: str, value: str) -> "pd.DataFrame":
    difference = f"{value}_difference"
    rows = read_frame(table, TRAJECTORY_FIELDS, ("step", "layer", difference), may_be_empty=(difference,))
    return _of_points(rows.rename(columns={difference: "difference", f"{value}_found": "found"}))


def _read_scores(scores: str) -> "pd.DataFrame":
    bounds = ("low", "high")
    return _of_points(read_frame(scores, TRAJECTORY_SCORE_FIELDS, ("step", "value", *bounds), may_be_empty=bounds))


def _of_points(rows: "pd.DataFrame") -> "pd.DataFrame":
    """Return the rows of each step's recipe or checkpoint, which the table names first; its seeds follow it."""
    first = rows.groupby(["trajectory", "step"])["checkpoint"].transform("first")
    return rows[rows["checkpoint"] == first]


def places_of(steps: Sequence[int]) -> np.ndarray:
    """Return where steps stand on an axis that is logarithmic but for its left end, 0: ascending, (steps,)."""
    places = np.log2(np.maximum(steps, 1)).astype(float)
    gaps = np.diff(places[np.asarray(steps) > 0])
    if steps[0] == 0 and len(steps) > 1:
        places[0] = places[1] - (np.median(gaps) if len(gaps) else 1)
    return places


def _edges(places: np.ndarray) -> np.ndarray:
    """Return the edges of cells about places, half-way between them: (places + 1,)."""
    if len(places) == 1:
        return np.array([places[0] - 0.5, places[0] + 0.5])
    middles = (places[1:] + places[:-1]) / 2
    return np.concatenate([[2 * places[0] - middles[0]], middles, [2 * places[-1] - middles[-1]]])


def _draw_map(axes: Axes, points: "pd.DataFrame", scale: Normalize) -> None:
    if not points["difference"].notna().any():
        style.explain_empty(axes, "nothing to compare")
        return
    cells = points.pivot(index="layer", columns="step", values="difference")
    steps, layers = sorted(points["step"].unique()), sorted(points["layer"].unique())
    cells[steps[0]] = 0.0  # it is what the others are compared with
    places = places_of(steps)
    axes.set_facecolor(style.GRID)  # of cells without a difference
    axes.pcolormesh(_edges(places), np.arange(len(layers) + 1) - 0.5, cells.to_numpy(), cmap=_COLOURS, norm=scale)
    found = points[points["found"].isin([HIGHER, LOWER])]
    at = dict(zip(steps, places, strict=True))
    axes.plot([at[step] for step in found["step"]], [layers.index(layer) for layer in found["layer"]], **_FOUND)
    _label_steps(axes, steps, places, 6)
    axes.set_yticks(range(len(layers)), [f"{layer:g}" for layer in layers])
    if len(layers) > 8:
        axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=7))


def _label_steps(axes: Axes, steps: Sequence[int], places: np.ndarray, most: int) -> None:
    """Label `most` steps at most, none that stands too close to the one before; always the first and the last."""
    room = (places[-1] - places[0]) / most
    shown = [0]
    for i in range(1, len(places)):
        if places[i] - places[shown[-1]] >= room:
            shown.append(i)
    if shown[-1] != len(places) - 1:
        shown[-1 if len(shown) > 1 else 0 :] = [len(places) - 1] if len(shown) > 1 else [0, len(places) - 1]
    axes.set_xticks(places[shown], [f"{steps[i]:g}" for i in shown], rotation=45, ha="right", rotation_mode="anchor")
    axes.set_xlim(*_edges(places)[[0, -1]])


def _draw_scores(axes: Axes, rows: "pd.DataFrame") -> list[Artist]:
    """Draw the scores by step; returns the handles of a legend."""
    points = rows.sort_values("step")
    if not len(points):
        style.explain_empty(axes, "no scores")
        return []
    steps = sorted(points["step"].unique())
    places, handles = places_of(steps), list[Artist]()
    for i, (metric, label) in enumerate(SCORES.items()):
        line = points[points["metric"] == metric]
        if len(line):
            look: Any = {"color": style.COLOURS[i + 2], "marker": style.MARKERS[i], "linestyle": style.DASHES[i]}
            handles += axes.plot(places, line["value"].to_numpy(), **look, label=label, clip_on=False)
            style.band(axes, places, line[["low", "high"]].to_numpy(), look["color"])
    axes.set_ylim(0, max(1.0, axes.get_ylim()[1]))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=3))
    style.grid_lines(axes)
    _label_steps(axes, steps, places, 9)
    return handles
