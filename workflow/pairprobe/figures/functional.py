"""How well a checkpoint answers with layers of the one that it was made of, layer by layer."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from pairprobe.evidence.fields import F1, LONG_F1, SHORT_F1
from pairprobe.figures import style
from pairprobe.figures.style import Appearance
from pairprobe.interventions.names import EARLY_EXIT, IN_WORDS, INTACT
from pairprobe.tables.functional import METRICS, read_functional

if TYPE_CHECKING:
    import pandas as pd

_LONGEST_TITLE = 30  # characters in a line, above a column of 2.3 inches
# What is drawn besides the interventions and the intact checkpoint: the same of the checkpoint before.
BEFORE_EXIT, BEFORE_INTACT = f"before_{EARLY_EXIT}", f"before_{INTACT}"
# In the order of the key. before: what the checkpoint before is called at the beginning of a label.
_LEGEND = {
    **{name: words.format(before="before") for name, words in IN_WORDS.items()},
    BEFORE_EXIT: f"{{before}}: {IN_WORDS[EARLY_EXIT].lower()}",
    INTACT: "As it is",
    BEFORE_INTACT: "{before}, its own heads",
}
_LEVELS: Any = {
    INTACT: {"color": style.MARK, "linewidth": 0.9, "linestyle": "--", "zorder": 1.5},
    BEFORE_INTACT: {"color": style.MARK, "linewidth": 0.9, "linestyle": ":", "zorder": 1.5},
}
_LOOKS: Any = {
    name: {"color": style.COLOURS[i], "marker": style.MARKERS[i], "linestyle": style.DASHES[i]}
    for i, name in enumerate([*IN_WORDS, BEFORE_EXIT])
}


@style.styled
def functional_figure(table: str, compared: Sequence[str], appearance: Appearance, confidence: float) -> Figure:
    """Return the figure: a row for each recipe or checkpoint that was made of another one, a column for each F1.

    table: ``tables/functional.tsv``. compared: the rows; those of which it has no interventions are left out. A recipe
    has its mean with its interval, of this confidence, and each seed thin.
    """
    rows = read_functional(table)
    changed = rows[rows["before"].ne("") & rows["intervention"].ne(INTACT)]
    names = [name for name in compared if name in set(changed["checkpoint"])]
    metrics = [metric for metric in (F1, LONG_F1, SHORT_F1) if metric in set(changed["metric"])]
    size = (max(style.ONE_COLUMN[0], 2.3 * len(metrics)), 2.1 * max(1, len(names)) + style.SHARED_LEGEND_ROOM)
    figure = style.new_figure(size)
    grid = figure.subplots(max(1, len(names)), max(1, len(metrics)), sharex=True, sharey=True, squeeze=False)
    befores = {before for name in names for before in changed.loc[changed["checkpoint"] == name, "before"]}
    before = appearance.label(*befores) if len(befores) == 1 else "Before"
    legend: dict[object, Artist] = {}
    for row, name in zip(grid, names, strict=False):
        for axes, metric in zip(row, metrics, strict=True):
            axes.set_title(style.wrapped(appearance.legend(name), _LONGEST_TITLE), fontsize=style.PANEL_TITLE_SIZE)
            axes.set_ylabel(f"{METRICS[metric][0].upper()}{METRICS[metric][1:]} (%)")
            for handle in draw_answers(axes, rows[rows["metric"] == metric], name, appearance, before):
                legend.setdefault(handle.get_label(), handle)
    for axes in grid[-1]:
        axes.set_xlabel(f"{style.LAYER} k")
    if not names:
        style.explain_empty(grid[0][0], "nothing to compare")
        return figure
    has_bands = bool(rows.loc[rows["checkpoint"].isin([*names, *befores]), "low"].notna().any())
    key = style.spread_key(confidence, has_bands, any(name in appearance.recipes for name in names))
    style.legend_of_all(figure, [*legend.values()], 3, key)
    return figure


def draw_answers(
    axes: Axes, rows: "pd.DataFrame", name: str, appearance: Appearance, before: str, looks: Mapping[str, Any] = _LOOKS
) -> list[Artist]:
    """Draw the scores of a recipe or checkpoint, and what there is of the one before; returns the handles of a legend.

    rows: of ``read_functional``, of one metric. before: what the legend calls the one before. looks: arguments of
    ``Axes.plot`` for what is drawn by layer, of the interventions and ``BEFORE_EXIT``.
    """
    style.layer_axes(axes)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
    own = rows[rows["checkpoint"] == name]
    sources = {BEFORE_EXIT: EARLY_EXIT, BEFORE_INTACT: INTACT}
    those = rows[rows["checkpoint"] == own["before"].iloc[0]]
    handles: list[Artist] = []
    for kind, label in _LEGEND.items():
        of_one = those if kind in sources else own
        points = of_one[of_one["intervention"] == sources.get(kind, kind)]
        label = label.format(before=before)
        if not len(points):
            continue
        if kind in _LEVELS:
            axes.axhline(points["value"].iloc[0], **_LEVELS[kind], label=label)
            handles.append(Line2D([], [], **_LEVELS[kind], label=label))
        elif kind in looks:
            if kind not in sources:
                seeds = appearance.recipes.get(name, ())
                thin = {"color": looks[kind]["color"], "linestyle": looks[kind]["linestyle"]}
                style.seed_lines(axes, rows[rows["intervention"] == kind], "value", "checkpoint", seeds, **thin)
            look = {"zorder": 3, **looks[kind], "clip_on": False, "label": label}
            handles.append(style.curve(axes, points, "value", look, ("low", "high")))
    # The scale is shared: it is set by each panel in turn, and must hold the bands of the panels before.
    axes.set_ylim(0, max(axes.get_ylim()[1], 1.03 * axes.dataLim.ymax))
    return handles
