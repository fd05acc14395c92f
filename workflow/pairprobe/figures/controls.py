"""How the conclusion depends on the way to measure: the mean difference over the upper layers, for each control."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from pairprobe.evidence.fields import NO_GAP, UNDECIDED, VARIANT_FIELDS
from pairprobe.figures import style
from pairprobe.io.tsv import read_frame
from pairprobe.tables.layout import label_of

if TYPE_CHECKING:
    import pandas as pd

# The claim whose value and interval are drawn: the mean difference over the upper layers.
CLAIM = "upper_layers_better"
_MARKERS = {"cosine": "o", "euclidean": "s", "start": "o", "end": "s"}
# By what was found of the claim.
_COLOURS = {"better": style.COLOURS[2], "worse": style.COLOURS[1], NO_GAP: style.COLOURS[0], UNDECIDED: style.REFERENCE}


@style.styled
def controls_figure(claims: str, pair: tuple[str, str], tasks: Sequence[str], labels: dict[str, str]) -> Figure:
    """Return the figure of the mean difference over the upper layers by each variant, with its interval, for each task.

    claims: a table of ``VARIANT_FIELDS``. pair: the two checkpoints, in the order of the table, the second less the first.
    Colours are the verdicts on whether it is better, markers the measures. The first variant of the table is at the top.
    """
    rows = read_frame(claims, VARIANT_FIELDS, ("value", "low", "high"), may_be_empty=("low", "high"))
    rows = rows[(rows["before"] == pair[0]) & (rows["after"] == pair[1]) & (rows["claim"] == CLAIM)]
    rows = rows[rows["on"] == "auc"]
    variants = list(rows["variant"].unique())
    width = style.CONTROLS_COLUMN * len(tasks) + style.CONTROLS_MARGIN
    size = (width, style.CONTROLS_ROW * max(3, len(variants)) + style.CONTROLS_ROOM)
    figure = style.new_figure(size)
    grid = figure.subplots(1, len(tasks), squeeze=False, sharey=True)
    for axes, task in zip(grid[0], tasks, strict=True):
        _draw(axes, rows[rows["task"] == task], variants)
        axes.set_title(style.wrapped(label_of(task, labels), style.LONGEST_TASK), fontweight="bold")
        axes.set_xlabel("Difference (points)")
    named = {"none": "As it is", **labels}  # controls.NONE, without what that module needs
    grid[0, 0].set_yticks(range(len(variants)), [style.wrapped(label_of(name, named), 28) for name in variants])
    grid[0, 0].set_ylim(max(len(variants), 1) - 0.5, -0.5)
    before, after = (label_of(name, labels) for name in pair)
    title = style.title_of(figure, f"{after} − {before}, mean of the upper layers")
    figure.suptitle(title, fontsize=style.TITLE_SIZE)
    figure.legend(handles=_key(set(rows["measure"])), loc="outside lower center", ncols=5)
    return figure


def _draw(axes: Axes, rows: "pd.DataFrame", variants: list[str]) -> None:
    if not len(rows):
        style.explain_empty(axes, "nothing to compare")
        return
    axes.axvline(0, color=style.REFERENCE, linewidth=0.8, zorder=1)
    measures = list(rows["measure"].unique())
    for row in rows.to_dict("records"):
        place = variants.index(row["variant"]) + 0.22 * (2 * measures.index(row["measure"]) - len(measures) + 1) / 2
        colour = _COLOURS[row["found"]]
        axes.plot([row["low"], row["high"]], [place, place], color=colour, linewidth=1.2, zorder=2)
        axes.plot([row["value"]], [place], color=colour, marker=_MARKERS[row["measure"]], linestyle="", zorder=3)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=4))
    axes.grid(axis="y", color=style.FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)


def _key(measures: set[str]) -> list[Line2D]:
    handles = [Line2D([], [], color=colour, label=found) for found, colour in _COLOURS.items()]
    for marker in dict.fromkeys(_MARKERS.values()):
        if names := [measure for measure, its in _MARKERS.items() if its == marker and measure in measures]:
            handles.append(Line2D([], [], color=style.MARK, linestyle="", marker=marker, label=", ".join(names)))
    return handles
