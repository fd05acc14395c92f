"""The look of all figures, and what they are drawn with.

Fonts, sizes and colours stand here and nowhere else: to change them, edit the first half of this module.
"""

import contextlib
import functools
import io
import textwrap
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import matplotlib
import matplotlib.style
import numpy as np
from matplotlib import font_manager
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import ScaledTranslation

from pairprobe.io import files
from pairprobe.io.progress import log
from pairprobe.tables.layout import label_of
from pairprobe.tables.recipes import label_with_seeds

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike

# Okabe and Ito's palette (2008), which people with any colour vision can tell apart; markers and dashes repeat it. With
# more checkpoints (seeds, steps, sizes) colours are those of cividis, which is as safe, from dark to light.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (3, 1, 1, 1)), "-", "-", "-")
MANY_COLOURS = "cividis"
# Of the cells of a matrix, from dark to light: also in grey.
MATRIX_COLOURS = "cividis"
# Lower, equal, higher: of the same palette.
DIVERGING = ("#0072B2", "#FFFFFF", "#D55E00")

# Greys: marks in a key; small text; reference lines (zero, chance); curves of equal F1; grid lines and margins; faint ones.
MARK, TEXT, REFERENCE, CURVE, GRID, FAINT = "#444444", "#555555", "#777777", "#cccccc", "#dddddd", "#eeeeee"

# A family that matplotlib finds; it brings "DejaVu Sans", "DejaVu Serif" and "STIXGeneral".
FONT = "DejaVu Sans"
# In points.
FONT_SIZE = 8  # labels of axes, and the legend of a grid
FIGURE_TITLE_SIZE = 10
TASK_SIZE = 9  # the task above a column of a grid
TITLE_SIZE = 8.5
PANEL_TITLE_SIZE = 7  # the measure above a panel of a grid
TICK_SIZE = 7  # also the number of pairs
LEGEND_SIZE = 7.5  # of the legend of a figure without a grid
NOTE_SIZE = 6.5
CURVE_SIZE = 6  # labels on curves of equal F1
CELL_SIZE = 5.5  # numbers in the cells of a matrix

# In inches. COLUMN is a column of the ACL's and the ACM's papers.
COLUMN = 3.33
PANEL = (COLUMN, 2.6)
ONE_COLUMN = (3.4, 2.6)
TWO_COLUMNS = (6.9, 2.8)
# A grid is GRID_COLUMN * tasks + GRID_MARGIN wide, so that five tasks are as wide as two columns of a paper, and at least
# a column wide. It is GRID_ROW * rows + GRID_ROOM high.
GRID_COLUMN, GRID_MARGIN, GRID_ROW, GRID_ROOM = 1.3, 0.4, 1.25, 1.0
# What titles of panels may reach beyond the last column: the layout does not look at their width.
GRID_RIGHT = 0.12
# In points above the axes of a grid: the title of a panel, the number of pairs and the task. Larger fonts need more.
PANEL_TITLE_PAD, PAIRS_OFFSET, TASK_OFFSET = 3, 19, 29
# Likewise the figure of controls: of a column for each task and a row for each variant.
CONTROLS_COLUMN, CONTROLS_MARGIN, CONTROLS_ROW, CONTROLS_ROOM = 1.6, 1.7, 0.32, 1.2
# A figure of matrices: each is so wide and high, and so many stand in a row; beside them the scale, below them labels.
MATRIX, MATRICES_ACROSS, MATRIX_MARGIN, MATRIX_ROOM = 2.05, 3, 0.9, 0.3
# Rows of the figure of trajectories: of maps of layer by step, and of the scores below them.
# SCALE_MARGIN is the room for labels and for the scale of colours.
MAP_ROW, SCORE_ROW, SCALE_MARGIN = 1.5, 1.0, 0.4
# The overview: two columns of a paper wide; so high for each task, or for each of the panels beside, whichever is more.
OVERVIEW_TASK, OVERVIEW_PANEL, OVERVIEW_ROOM = 1.15, 1.75, 0.9
# The height that a figure's size leaves for its legends below, and for one legend of all panels; for taller ones the
# figure grows.
LEGEND_ROOM, SHARED_LEGEND_ROOM = 0.36, 0.3

# What an axis of points shows at least, on both sides of 0: fewer would look like much.
LEAST_POINTS = 5
# Arguments of ``Axes.plot``: a recipe's seeds, behind their mean; chance.
SEED: Any = {"linewidth": 0.6, "linestyle": "-", "alpha": 0.6, "zorder": 2.5}
BASELINE: Any = {"linewidth": 0.9, "linestyle": "-.", "zorder": 1.5}
CHANCE: Any = {"linewidth": 0.9, "linestyle": ":", "zorder": 1.5}
BAND_ALPHA = 0.18
_HOLLOW: Any = {"linestyle": "", "markerfacecolor": "white"}

# What is not here is as matplotlib has it, whatever settings a user has.
STYLE: Any = {  # matplotlib's type lists every setting
    "font.family": FONT,
    "font.size": FONT_SIZE,
    "axes.titlesize": TITLE_SIZE,
    "axes.labelsize": FONT_SIZE,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "xtick.labelsize": TICK_SIZE,
    "ytick.labelsize": TICK_SIZE,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "legend.fontsize": FONT_SIZE,
    "legend.frameon": False,
    "lines.linewidth": 1.5,
    "lines.markersize": 3.6,
    "savefig.dpi": 300,
    # Text stays text in PDF; the same data give the same bytes.
    "pdf.fonttype": 42,
    "svg.fonttype": "path",
    "svg.hashsalt": "pairprobe",
    # A dollar in a label is a dollar.
    "text.parse_math": False,
}


# In characters; a longer label goes on in a second line, since a legend wider than its axes would squeeze them. A task
# above its column has less room. More lines than these are cut off.
LONGEST_LABEL, LONGEST_TASK, MOST_LINES = 42, 16, 3
# In a legend below a narrow figure, lines are made shorter, down to this.
SHORTEST_LABEL = 20
# In a line of a title, an inch.
TITLE_CHARACTERS = 12
# Pixels an inch, of a figure in a notebook.
NOTEBOOK_DPI = 150
# More points cannot be told apart in a column's width, and would make the SVG megabytes.
MOST_POINTS = 1000
ROUND = (1, 2, 5, 10)  # distances of ticks, times 10^n
# Labels of the x-axis.
LAYER, DEPTH = "Layer", "Relative depth\n(layer / last)"
# Of panels and of the y-axis.
MEASURE_LABELS = {
    "cosine": "Cosine similarity",
    "euclidean": "Euclidean distance",
    "start": "Start position",
    "end": "End position",
}
VALUE_LABELS = {"percentage": "Pairwise ranking (%)", "auc": "Pairwise AUC (%)", "specific": "Specific (points)"}


_Arguments = ParamSpec("_Arguments")
_Drawn = TypeVar("_Drawn")
_Value = TypeVar("_Value")


def styled(draw: Callable[_Arguments, _Drawn]) -> Callable[_Arguments, _Drawn]:
    """Decorate a function so that what it draws is drawn in ``STYLE``."""

    @functools.wraps(draw)
    def draw_in_style(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Drawn:
        _check_font()
        with in_style():
            return draw(*args, **kwargs)

    return draw_in_style


@contextlib.contextmanager
def in_style() -> Iterator[None]:
    """Draw in ``STYLE``. Characters without a glyph are ``save``'s to warn of, which knows the label."""
    with matplotlib.style.context(["default", STYLE]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph .* missing from font")
        yield


class ShownFigure(Figure):
    """A figure that a notebook shows."""

    def _repr_png_(self) -> bytes:
        with in_style():
            _find_glyphs(self)
            self.savefig(image := io.BytesIO(), format="png", dpi=NOTEBOOK_DPI)
        return image.getvalue()


def new_figure(size: tuple[float, float]) -> Figure:
    """Return a figure of a size in inches; it is none of pyplot's, which would hold it open and show it in a window."""
    return ShownFigure(figsize=size, layout="constrained")


@functools.cache
def _check_font() -> None:
    """Raise ValueError where there is no such font: matplotlib would take another one without a word."""
    font_manager.findfont(FONT, fallback_to_default=False)


@dataclass(frozen=True, kw_only=True)
class Appearance:
    """How figures show the recipes and checkpoints of a run.

    among: its units: the recipes, and the checkpoints outside them; the place among them decides colour, marker and dashes,
    so that a unit has one colour in every figure. recipes: ``{recipe: its checkpoints}``; one of these that is drawn by
    itself has a look of its own. labels: ``{name of unit, checkpoint or task: what figures call it}``. colours: ``{name:
    colour}``, which go before the palette.
    """

    among: Sequence[str]
    recipes: dict[str, list[str]] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    colours: dict[str, str] = field(default_factory=dict)

    def label(self, name: str) -> str:
        """Return what figures call a recipe, checkpoint or task, in lines of ``LONGEST_LABEL`` characters."""
        return wrapped(label_of(name, self.labels))

    def legend(self, name: str, said: str = "") -> str:
        """Return a label for a legend, see ``tables.recipes.label_with_seeds``."""
        return wrapped(label_with_seeds(name, self.labels, self.recipes, said))

    def grouped(self, compared: Iterable[str], of_checkpoints: Mapping[str, _Value]) -> dict[str, list[_Value]]:
        """Return what there is of the checkpoints of each name that is compared."""
        return {name: [of_checkpoints[one] for one in self.recipes.get(name, [name])] for name in compared}

    def names(self) -> list[str]:
        """Return the units, then the checkpoints of the recipes."""
        return [*self.among, *(one for several in self.recipes.values() for one in several)]

    def line(self, name: str, beside: Iterable[str] = ()) -> dict[str, Any]:
        """Return the color, marker and linestyle of a recipe or checkpoint, as arguments of ``Axes.plot``.

        beside: what the figure draws, this one too; where the run's markers or dashes are not all different there, they go
        by the place in it. Raises ValueError for one that is not of the run.
        """
        names = self._peers(name)
        number, last = names.index(name), len(names) - 1
        drawn = list(beside)

        def look(looks: Sequence[_Value]) -> _Value:
            shown = [looks[self._peers(one).index(one) % len(looks)] for one in drawn]
            repeated = any(one in shown[:i] for i, one in enumerate(shown))
            return looks[(drawn.index(name) if repeated else number) % len(looks)]

        by_place = COLOURS[number] if last < len(COLOURS) else matplotlib.colormaps[MANY_COLOURS](0.92 * number / last)
        return {
            "color": self.colours.get(name) or by_place,
            "marker": look(MARKERS),
            "linestyle": look(DASHES),
        }

    def _peers(self, name: str) -> list[str]:
        return self.names() if name not in self.among else list(self.among)


def wrapped(label: str, width: int = LONGEST_LABEL) -> str:
    """Break a label into at most ``MOST_LINES`` lines of so many characters."""
    return textwrap.fill(label, width, max_lines=MOST_LINES, placeholder=" …")


def title_of(figure: Figure, words: str) -> str:
    """Break the title of a figure into lines that are no wider than the figure."""
    return wrapped(words, int(TITLE_CHARACTERS * figure.get_size_inches()[0]))


def grow(figure: Figure, inches: float) -> None:
    """Make a figure so much higher, where that is more than 0."""
    across, high = figure.get_size_inches()
    figure.set_size_inches(across, high + max(0, inches))


def curve(
    axes: Axes, points: "pd.DataFrame", value: str, look: dict[str, Any], bounds: tuple[str, str] | None = None
) -> Line2D:
    """Draw a value by layer, and behind it the band of its interval where every layer has one that is bounded.

    points: the columns layer, value, and bounds where there are intervals; these are {value}_low and {value}_high where
    they are not given. look: arguments of ``Axes.plot``. Returns the line, for a legend.
    """
    points = points.sort_values("layer")
    layers, ends = points["layer"].to_numpy(), list(bounds or (f"{value}_low", f"{value}_high"))
    if {*ends} <= {*points.columns} and np.isfinite(points[ends].to_numpy()).all():
        band(axes, layers, points[ends].to_numpy(), look["color"])
    return axes.plot(layers, points[value].to_numpy(), **look)[0]


def found_marks(axes: Axes, points: "pd.DataFrame", value: str, look: dict[str, Any]) -> None:
    """Draw a curve's markers hollow in the layers in which nothing is found, by the column found; look: of the curve."""
    unsure = points[~points["found"]]
    hollow = {**look, **_HOLLOW, "label": "_hollow", "zorder": look.get("zorder", 2) + 1}
    axes.plot(unsure["layer"].to_numpy(), unsure[value].to_numpy(), **hollow)


def found_key(level: float, found: str = "", hollow: str = "Undecided, or too few pages or seeds") -> list[Artist]:
    """Return the key of filled and hollow markers. found: what stands before p; hollow: what is said of those."""
    look: Any = {"marker": "o", "linestyle": "", "color": MARK}
    filled = Line2D([], [], **look, label=f"{found}p ≤ {level:.3g} (corrected)")
    return [filled, Line2D([], [], **{**look, **_HOLLOW}, label=hollow)]


def spread_key(confidence: float, bands: bool = True, seeds: bool = True) -> list[Artist]:
    """Return the key of bands and of thin lines, of those that there are."""
    told = f"{100 * confidence:g} % interval"
    band_of_key: list[Artist] = [Patch(color=MARK, alpha=BAND_ALPHA, linewidth=0, label=told)] if bands else []
    return [*band_of_key, *([Line2D([], [], **SEED, color=MARK, label="Single seeds")] if seeds else [])]


def seed_lines(axes: Axes, rows: "pd.DataFrame", value: str, column: str, seeds: Iterable[str], **look: Any) -> None:
    """Draw a thin line for each seed of a recipe, by layer. column: the one of ``rows`` that names a seed."""
    for seed in seeds:
        line = rows[rows[column] == seed].sort_values("layer")[["layer", value]].to_numpy()
        axes.plot(*line.T, **{**SEED, **look}, label=f"_{seed}")


def band(axes: Axes, x: "ArrayLike", bounds: Iterable[tuple[float, float]], colour: Any) -> None:
    """Shade the intervals of a line, behind it; bounds: (low, high) of each x."""
    low, high = zip(*bounds, strict=True)
    axes.fill_between(x, low, high, color=colour, alpha=BAND_ALPHA, linewidth=0, zorder=2)


def by_depth(rows: "pd.DataFrame", keys: Sequence[str]) -> tuple["pd.DataFrame", str]:
    """Return rows with relative depth, layer / last layer, in the place of layers where they have not all as many.

    rows: with the column layer; those that agree in ``keys`` are of one curve or of several with the same layers. Returns
    the label of the x-axis, too. The rows are returned as they are where all have the same last layer.
    """
    last = rows.groupby(list(keys))["layer"].transform("max")
    if last.nunique() < 2:
        return rows, LAYER
    return rows.assign(layer=rows["layer"] / last.clip(lower=1)), DEPTH


class _LayerLocator(MaxNLocator):
    """Ticks at layers: fewer where numbers have two digits, which would touch in the narrow panels of a grid."""

    def tick_values(self, vmin: float, vmax: float) -> Any:
        self.set_params(nbins=7 if vmax < 10 else 5)
        return super().tick_values(vmin, vmax)


def layer_axes(axes: Axes, label: str = LAYER) -> None:
    """Set layers, or quarters of the depth, as ticks of the x-axis, and draw faint horizontal lines behind the data.

    label: ``LAYER`` or ``DEPTH``.
    """
    if label == DEPTH:
        axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "0.25", "0.5", "0.75", "1"])
    else:
        axes.xaxis.set_major_locator(_LayerLocator(integer=True, min_n_ticks=1))
    grid_lines(axes)


def grid_lines(axes: Axes) -> None:
    """Draw faint horizontal lines behind the data."""
    axes.grid(axis="y", color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)


def explain_empty(axes: Axes, words: str) -> None:
    """Write in axes why they are empty."""
    axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center", va="center", color=TEXT)
    axes.set(xticks=[], yticks=[])


def legends_below(figure: Figure, legends: Sequence[tuple[Axes, Sequence[Artist]]], width: float) -> None:
    """Put a legend below the x-axis of each axes, where it hides no data; the figure grows by what does not fit.

    legends: (axes, handles); width: how wide one may be, in inches. All get the same number of columns, as many as fit.
    """
    legends = [(axes, handles) for axes, handles in legends if handles]
    if not legends:
        return
    for columns in range(max(len(handles) for _, handles in legends), 0, -1):
        drawn = [_legend_below(figure, axes, handles, columns) for axes, handles in legends]
        extents = [legend.get_window_extent() for legend in drawn]
        if max(extent.width for extent in extents) <= width * figure.dpi:
            break
    tallest = max(extent.height for extent in extents) / figure.dpi
    grow(figure, tallest - LEGEND_ROOM)


def legend_of_all(
    figure: Figure, handles: Sequence[Artist], most_columns: int, key: Sequence[Artist] = (), **look: Any
) -> None:
    """Put one legend below all axes, in as many columns as fit, at most so many; the figure grows by what does not fit.

    key: handles that stay together: behind the others in one row, before them in several, which are filled by column. Where
    one column is too wide, labels go on in further lines.
    """
    shapes = [(columns, 0) for columns in range(min(len(handles) + len(key), most_columns), 0, -1)]
    for columns, width in [*shapes, *((1, width) for width in range(LONGEST_LABEL, SHORTEST_LABEL - 1, -2))]:
        ordered = [*handles, *key] if columns == len(handles) + len(key) else [*key, *handles]
        labels = [str(handle.get_label()) for handle in ordered]
        labels = [textwrap.fill(" ".join(label.split()), width) for label in labels] if width else labels
        legend = figure.legend(ordered, labels, loc="outside lower center", ncols=columns, **look)
        extent = legend.get_window_extent()
        if extent.width <= figure.bbox.width or (columns, width) == (1, SHORTEST_LABEL):
            break
        legend.remove()
    grow(figure, extent.height / figure.dpi - SHARED_LEGEND_ROOM)


def _legend_below(figure: Figure, axes: Axes, handles: Sequence[Artist], columns: int) -> Legend:
    # In points from the axes' lower edge, past tick labels and axis label, whatever the axes' height comes to be.
    below = axes.transAxes + ScaledTranslation(0, -31 / 72, figure.dpi_scale_trans)
    return axes.legend(
        handles=handles,
        labels=[textwrap.fill(str(handle.get_label()), LONGEST_LABEL) for handle in handles],
        loc="upper center",
        bbox_to_anchor=(0.5, 0),
        bbox_transform=below,
        ncols=columns,
        fontsize=LEGEND_SIZE,
        handlelength=2.6,
        columnspacing=1.2,
        labelspacing=0.25,
        borderaxespad=0,
        borderpad=0,
    )


def save(figure: Figure, paths: Iterable[str]) -> None:
    """Save a figure to several files, the format of each by its suffix, each whole or not at all."""
    with in_style():
        _find_glyphs(figure)
        for path in paths:
            kind = str(path).rsplit(".", 1)[-1]
            metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
            with files.atomic_write(path) as temporary:
                figure.savefig(temporary, format=kind, metadata=metadata)


def _find_glyphs(figure: Figure) -> None:
    """Draw characters that ``FONT`` lacks in an installed font that has them, and warn of those that none has."""
    known = font_manager.get_font(font_manager.findfont(FONT)).get_charmap()
    without: dict[str, set[str]] = {}
    for text in figure.findobj(Text):
        words = " ".join(text.get_text().split())
        missing = frozenset(letter for letter in words if ord(letter) not in known and letter != " ")
        if not missing:
            continue
        families, lacking = _families_with(missing)
        text.set_fontfamily([FONT, *families])
        if lacking:
            without[words] = lacking
    for words, lacking in without.items():
        log.warning(
            "%r is drawn with boxes: no installed font has %s. Install one that has, or give another label.",
            words,
            " ".join(sorted(lacking)),
        )


@functools.cache
def _families_with(letters: frozenset[str]) -> tuple[list[str], set[str]]:
    """Return installed fonts that have these characters, as few as there need be, and the characters that none has."""
    has: dict[str, set[str]] = {}
    for entry in sorted(font_manager.fontManager.ttflist, key=lambda entry: (entry.name, entry.fname)):
        # matplotlib's last resort has a box for every character; emoji in colours cannot be drawn.
        if not entry.name.startswith("Last Resort") and "Color" not in entry.name:
            with contextlib.suppress(OSError, RuntimeError):
                known = font_manager.get_font(entry.fname).get_charmap()
                has.setdefault(entry.name, set()).update(letter for letter in letters if ord(letter) in known)
    lacking, families = set(letters), []
    while lacking and (found := max((each & lacking for each in has.values()), key=len)):
        families.append(next(name for name, each in has.items() if each >= found))
        lacking -= found
    return families, lacking


def thinned(places: np.ndarray, values: np.ndarray, at_most: int = MOST_POINTS) -> np.ndarray:
    """Return which points to draw, ascending indices: all, or at most ``at_most`` that look the same.

    places, values: (points,), the places ascending and as they are on the axis (the logarithm on a logarithmic one). The
    first and the last are retained, and the lowest and the highest in each of equal parts of the axis, so that no peak is
    lost.
    """
    if len(places) <= at_most:
        return np.arange(len(places))
    parts = (at_most - 2) // 2
    edges = np.linspace(places[0], places[-1], parts + 1)[1:-1]
    part = np.searchsorted(edges, places, side="right")
    order = np.lexsort((values, part))
    lowest = np.flatnonzero(np.diff(part[order], prepend=-1))
    highest = np.append(lowest[1:], len(places)) - 1
    return np.unique(np.concatenate([[0, len(places) - 1], order[lowest], order[highest]]))
