"""The grid after Figure 1 of the paper, and its panels one by one.

The x-axis is the layer (0: the embeddings), or, in a figure of checkpoints of different numbers of layers, the relative
depth (1: the last layer). The y-axis is the pairwise ranking percentage. Values are those of
``percentages.tsv``, bands those of ``tables/intervals.tsv``. What heads on surface features reach in boundary, without a
model, is a line across the layers, from ``tables/baselines.tsv``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from pairprobe.figures import style
from pairprobe.figures.style import MEASURE_LABELS as MEASURE_LABELS
from pairprobe.figures.style import VALUE_LABELS as VALUE_LABELS
from pairprobe.io.tsv import read_frame, read_tsv
from pairprobe.rankings.percentages import PERCENTAGE_FIELDS, SPECIFICITY_FIELDS
from pairprobe.tables.recipes import NO_RECIPES, Recipes, with_means

if TYPE_CHECKING:
    import pandas as pd

_KEYS = ["checkpoint", "task", "measure", "layer"]
BOUNDS = [f"{value}_{bound}" for value in VALUE_LABELS for bound in ("low", "high")]


@dataclass(frozen=True)
class Panel(style.Appearance):
    """One panel: a task and a measure, drawn for several recipes or checkpoints. value: one of ``VALUE_LABELS``."""

    task: str
    measure: str
    compared: Sequence[str]
    value: str = "percentage"


def read_percentages(path: str, intervals: str | None = None, recipes: Recipes = NO_RECIPES) -> "pd.DataFrame":
    """Read ``percentages.tsv``, with the bounds of ``tables/intervals.tsv`` where that is given.

    recipes: ``{recipe: its checkpoints}``; each has rows of its own, the mean of these.
    """
    rows = read_frame(path, PERCENTAGE_FIELDS, PERCENTAGE_FIELDS[3:], may_be_empty=SPECIFICITY_FIELDS)
    rows = with_means(rows, recipes, _KEYS[1:])
    if intervals is None:
        return rows
    bounds = read_frame(intervals, [*_KEYS, *BOUNDS], ["layer", *BOUNDS], exactly=False, may_be_empty=BOUNDS)
    return rows.merge(bounds[[*_KEYS, *BOUNDS]], on=_KEYS, how="left")


def read_baselines(path: str | None) -> dict[tuple[str, str], float]:
    """Read the auc of surface features alone, by task and measure, from ``tables/baselines.tsv``; {} without it."""
    rows = [row for row in read_tsv(path) if row["baseline"] == "surface_features"] if path else []
    return {(row["task"], row["measure"]): float(row["estimate"]) for row in rows if row["value"] == "auc"}


@style.styled
def panel_figure(percentages: str, panel: Panel, intervals: str | None = None, baselines: str | None = None) -> Figure:
    """Return the figure of one panel; intervals, baselines: the tables that bands and baselines are drawn from."""
    rows = read_percentages(percentages, intervals, panel.recipes)
    rows, x_label = style.by_depth(of_panels(rows, [panel]), ["checkpoint"])
    figure = style.new_figure(style.PANEL)
    axes = figure.subplots()
    lines = draw_panel(axes, rows, panel, read_baselines(baselines), x_label)
    axes.set_title(style.title_of(figure, f"{panel.label(panel.task)}: {MEASURE_LABELS[panel.measure].lower()}"))
    axes.set_xlabel(x_label)
    axes.set_ylabel(VALUE_LABELS[panel.value])
    style.legends_below(figure, [(axes, lines)], 2.8)
    return figure


@style.styled
def grid_figure(
    percentages: str,
    columns: Sequence[Sequence[Panel]],
    title: str = "",
    intervals: str | None = None,
    baselines: str | None = None,
) -> Figure:
    """Return the grid of all tasks, with bands and baselines as ``panel_figure`` has them; columns: as in ``task_grid``."""
    rows, without_model = read_percentages(percentages, intervals, columns[0][0].recipes), read_baselines(baselines)
    rows, x_label = style.by_depth(of_panels(rows, [panel for panels in columns for panel in panels]), ["checkpoint"])

    def pairs(panel: Panel) -> int:
        return _most_pairs(rows[(rows["task"] == panel.task) & rows["checkpoint"].isin(panel.compared)])

    figure = task_grid(
        columns,
        lambda axes, panel: draw_panel(axes, rows, panel, without_model, x_label),
        pairs,
        lambda panel: VALUE_LABELS[panel.value],
        x_label=x_label,
    )
    if title:
        title = style.title_of(figure, title)
        figure.suptitle(title, fontsize=style.FIGURE_TITLE_SIZE)
        style.grow(figure, title.count("\n") * style.FIGURE_TITLE_SIZE / 60)
    return figure


def task_grid(
    columns: Sequence[Sequence[Panel]],
    draw: Callable[[Axes, Panel], list[Artist]],
    pairs: Callable[[Panel], int],
    y_label: Callable[[Panel], str],
    key: Sequence[Artist] = (),
    x_label: str = style.LAYER,
) -> Figure:
    """Return a figure with a column for each task, its panels one below the other, and one legend for all.

    columns: the panels of each task from the top down, the tasks from left to right; one with fewer panels leaves its last
    places empty. draw: draws a panel and returns the handles of its legend; for key see ``style.legend_of_all``. pairs: how
    many pairs a panel's task has. y_label: what a panel's y-axis shows. x_label: what the x-axis of each column shows.
    """
    rows = max(map(len, columns))
    width = max(style.COLUMN, style.GRID_COLUMN * len(columns) + style.GRID_MARGIN)
    size = (width, style.GRID_ROW * rows + style.GRID_ROOM)
    figure = style.new_figure(size)
    layout: Any = figure.get_layout_engine()
    layout.set(rect=(0, 0, 1 - style.GRID_RIGHT / width, 1))
    grid = figure.subplots(rows, len(columns), squeeze=False)
    legend: dict[object, Artist] = {}
    labelled = [""] * rows
    for column, panels in zip(grid.T, columns, strict=True):
        for row, (axes, panel) in enumerate(zip(column, panels, strict=False)):
            for line in draw(axes, panel):
                legend.setdefault(line.get_label(), line)
            # A row of a grid may show another value than the rows above it.
            name = MEASURE_LABELS[panel.measure]
            if panel.value == "specific" != panels[0].value:
                name = f"{name.split()[0]}, specific"
            name = f"({'abcd'[row]}) {name}"
            axes.set_title(name, fontsize=style.PANEL_TITLE_SIZE, pad=style.PANEL_TITLE_PAD)
            if y_label(panel) != labelled[row]:
                labelled[row] = y_label(panel)
                axes.set_ylabel(labelled[row])
        for axes in column[len(panels) :]:
            axes.remove()
        column[len(panels) - 1].set_xlabel(x_label)
        for value in {y_label(panel) for panel in panels}:
            _share_scale([axes for axes, panel in zip(column, panels, strict=False) if y_label(panel) == value])
        _name_column(column[0], panels[0], pairs(panels[0]))
    style.grow(figure, max(_task_of(panels[0]).count("\n") for panels in columns) * style.TASK_SIZE / 60)
    if legend:
        style.legend_of_all(figure, [*legend.values()], 2 + len(columns), key)
    return figure


def _share_scale(panels: Sequence[Axes]) -> None:
    """Give panels of one task and value one y-axis, so that they can be compared; panels without data have none."""
    drawn = [axes for axes in panels if axes.lines]
    if drawn:
        lows, highs = zip(*(axes.get_ylim() for axes in drawn), strict=True)
        for axes in drawn:
            axes.set_ylim(min(lows), max(highs))


def _task_of(panel: Panel) -> str:
    return style.wrapped(panel.label(panel.task), style.LONGEST_TASK)


def _name_column(axes: Axes, panel: Panel, pairs: int) -> None:
    """Write the task above a column of axes, and below it in small how many pairs there are."""
    task = _task_of(panel)
    # Several lines stand on the place of one.
    task_look = {"fontweight": "bold", "fontsize": style.TASK_SIZE, "va": "bottom" if "\n" in task else "baseline"}
    looks: Any = (
        (task, style.TASK_OFFSET, task_look),
        (
            f"{pairs:,} {'pair' if pairs == 1 else 'pairs'}" if pairs else "no pairs",
            style.PAIRS_OFFSET,
            {"fontsize": style.TICK_SIZE, "color": style.TEXT},
        ),
    )
    for words, height, look in looks:
        place: Any = {"xy": (0.5, 1), "xytext": (0, height), "xycoords": "axes fraction", "textcoords": "offset points"}
        axes.annotate(words, **place, ha="center", annotation_clip=False, **look)


def of_panels(rows: "pd.DataFrame", panels: Sequence[Panel]) -> "pd.DataFrame":
    """Return the rows of the recipes, checkpoints and seeds that panels draw."""
    names = {name for panel in panels for name in panel.compared}
    seeds = {seed for panel in panels for name in panel.compared for seed in panel.recipes.get(name, ())}
    return rows[rows["checkpoint"].isin(names | seeds)]


def _most_pairs(rows: "pd.DataFrame") -> int:
    return int(rows["pairs"].max()) if len(rows) else 0


def draw_panel(
    axes: Axes, rows: "pd.DataFrame", panel: Panel, baselines: Mapping[tuple[str, str], float], x_label: str
) -> list[Artist]:
    """Draw one panel's lines; returns the handles for a legend. An empty set says so in words."""
    of_panel = rows[(rows["task"] == panel.task) & (rows["measure"] == panel.measure)]
    of_panel = of_panel.sort_values("layer")

    def points(name: str) -> "pd.DataFrame":
        return of_panel[of_panel["checkpoint"] == name]

    shown = {name: found for name in panel.compared if (found := points(name))[panel.value].notna().any()}
    style.layer_axes(axes, x_label)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
    if not shown:
        style.explain_empty(axes, "no pairs found")
        return []
    lines: list[Artist] = []
    for name, found in shown.items():
        look = panel.line(name, panel.compared)
        seeds = panel.recipes.get(name, ())
        style.seed_lines(axes, of_panel, panel.value, "checkpoint", seeds, color=look["color"])
        lines.append(
            style.curve(axes, found, panel.value, {**look, "label": panel.legend(name), "clip_on": False, "zorder": 3})
        )
    if (baseline := baselines.get((panel.task, panel.measure))) is not None:
        look = {**style.BASELINE, "color": style.TEXT, "label": "Surface features, no model"}
        lines.append(axes.axhline(_scaled(baseline, next(iter(shown.values())), panel.value).iloc[0], **look))
    chance = _draw_chance(axes, shown, panel)
    low, high = axes.get_ylim()
    least = style.LEAST_POINTS
    axes.set_ylim(*((min(-least, low), max(least, high)) if panel.value == "specific" else (max(0, low), min(100, high))))
    return [*lines, chance]


def _draw_chance(axes: Axes, shown: Mapping[str, "pd.DataFrame"], panel: Panel) -> Artist:
    """Draw chance in each layer, for each recipe or checkpoint apart where it differs; returns a handle for the legend."""
    grey: Any = {**style.CHANCE, "color": style.REFERENCE, "label": "Chance"}
    chances = {name: _chance(points, panel.value) for name, points in shown.items()}
    if len({chance for of_one in chances.values() for chance in of_one}) == 1:
        axes.axhline(next(iter(chances.values())).iloc[0], **grey)
    else:
        for name, chance in chances.items():
            look = {**grey, "color": panel.line(name)["color"]}
            axes.plot(shown[name]["layer"].to_numpy(), chance.to_numpy(), **look)
    return Line2D([], [], **grey)


def _chance(points: "pd.DataFrame", value: str) -> "pd.Series":
    """Return the value of a match that has nothing to do with its anchor, for each row.

    It is ``null_auc``, for percentages of all paragraph words; where there is none, as for boundary, half of the words.
    """
    if value == "specific":
        return 0.0 * points["layer"]
    return _scaled(points["null_auc"].fillna(50.0), points, value)


def _scaled(auc: "pd.Series | float", points: "pd.DataFrame", value: str) -> "pd.Series":
    """Return an auc for each row, on the scale of percentages, which are of all words, where that is the value."""
    return auc * (points["unmatching"] / points["para_len"] if value == "percentage" else 1.0 + 0 * points["layer"])
