"""How well checkpoints answer: precision by recall, drawn from ``curve.tsv`` and ``scores.tsv``."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from pairprobe.errors import InputError
from pairprobe.figures import style
from pairprobe.figures.style import Appearance
from pairprobe.io.tsv import read_frame

if TYPE_CHECKING:
    import pandas as pd

CURVE_FIELDS = ("answer", "threshold", "precision", "recall")
SCORE_FIELDS = ("answer", "gold", "predicted", "precision", "recall", "f1")  # others may stand among them
ANSWERS = {"long": "Long answers", "short": "Short answers"}
ISO_F1 = (20, 40, 60, 80)


@style.styled
def precision_recall_figure(paths: Mapping[str, Sequence[tuple[str, str]]], appearance: Appearance) -> Figure:
    """Return the figure of precision by recall, long answers beside short ones; two columns of a paper wide.

    paths: ``{recipe or checkpoint: (curve.tsv, scores.tsv) of each of its checkpoints}``; several curves are thin. The
    precision and recall of the scores are marked, and their F1, the mean of several, is in the legend. Where there are no
    predictions or no gold answers the legend says so, and where that holds of all the panel does. Raises InputError for a
    table with other columns and for a cell that is no number.
    """
    read = {
        name: [
            (_read(curve, CURVE_FIELDS, CURVE_FIELDS[1:], True), _read(scores, SCORE_FIELDS, SCORE_FIELDS[1:], False))
            for curve, scores in several
        ]
        for name, several in paths.items()
    }
    figure = style.new_figure(style.TWO_COLUMNS)
    panels = figure.subplots(1, len(ANSWERS))
    legends = []
    for axes, (answer, title) in zip(panels, ANSWERS.items(), strict=True):
        axes.set_title(title)
        axes.set_xlabel("Recall (%)")
        handles, reasons = [], []
        for name, several in read.items():
            look = appearance.line(name, paths)
            there = [tables for tables in several if not _nothing(tables[1], answer)]
            for tables in there:
                points, best = (rows[rows["answer"] == answer] for rows in tables)
                _draw_curve(axes, points, best, look, thin=len(several) > 1)
            if there:
                f1 = np.mean([scores.loc[scores["answer"] == answer, "f1"].iloc[-1] for _, scores in there])
                handles.append(_key(look, appearance.legend(name, f"F1 {f1:.1f}")))
            else:
                reasons.append(_nothing(several[0][1], answer))
                handles.append(_key(look, f"{appearance.label(name)} ({reasons[-1]})"))
        if lines := axes.get_lines():
            _percent_axes(axes, max(max(line.get_xdata()) for line in lines))
            legends.append((axes, handles))
        else:
            style.explain_empty(axes, " or ".join(dict.fromkeys(reasons)) or "no checkpoints")
    panels[0].set_ylabel("Precision (%)")
    style.legends_below(figure, legends, 3.2)
    return figure


def _read(path: str, fields: tuple[str, ...], numbers: tuple[str, ...], exactly: bool) -> "pd.DataFrame":
    rows = read_frame(path, fields, numbers, exactly)
    if (other := ~rows["answer"].isin(list(ANSWERS))).any():
        i = other.to_numpy().argmax()
        raise InputError(f"{path}, line {i + 2}: found answer {rows['answer'][i]!r}, wanted one of {', '.join(ANSWERS)}.")
    return rows


def _nothing(scores: "pd.DataFrame", answer: str) -> str:
    """Return why an answer has no curve, "" where it has one."""
    of_answer = scores[scores["answer"] == answer]
    if len(of_answer) and not of_answer["gold"].iloc[-1]:
        return "no gold answers"
    return "" if len(of_answer) and of_answer["predicted"].iloc[-1] else "no predictions"


def _key(look: dict[str, Any], label: str) -> Line2D:
    return Line2D([], [], **_line_of(look), **_mark_of(look), label=label)


def _line_of(look: dict[str, Any]) -> dict[str, Any]:
    return {"color": look["color"], "linestyle": look["linestyle"], "linewidth": 1.2}


def _mark_of(look: dict[str, Any]) -> dict[str, Any]:
    return {"marker": look["marker"], "markeredgecolor": "white", "markeredgewidth": 0.5, "markersize": 5}


def _draw_curve(axes: Axes, points: "pd.DataFrame", best: "pd.DataFrame", look: dict[str, Any], thin: bool) -> None:
    """Draw one checkpoint's curve, and mark the best.

    points: rows of ``curve.tsv``, the highest threshold first; best: the row of ``scores.tsv``.
    """
    line_look = {**_line_of(look), **({"linewidth": style.SEED["linewidth"]} if thin else {})}
    # The precision that stands for a recall is that at which it is reached: the level lies before the point, and the first
    # one reaches back to the axis. The points without a right answer (0 and 0) would draw over the axis and say nothing.
    right = points[points["recall"] > 0]
    if len(right):
        recall, precision = right["recall"].to_numpy(), right["precision"].to_numpy()
        recall, precision = np.append(0, recall), np.append(precision[0], precision)
        shown = style.thinned(recall, precision)
        axes.plot(recall[shown], precision[shown], **line_look, drawstyle="steps-pre", clip_on=False, zorder=3)
    at_best = {**_line_of(look), **_mark_of(look), "linestyle": "", "markersize": 4 if thin else 6}
    row = best.iloc[-1]
    axes.plot([row["recall"]], [row["precision"]], **at_best, clip_on=False, zorder=4)


def _percent_axes(axes: Axes, furthest: float) -> None:
    """Set the axes to percent, as far as the largest recall needs, with lines of equal F1 behind the data."""
    high = min(100, max(10, 10 * np.ceil(1.05 * furthest / 10)))
    axes.set(xlim=(0, high), ylim=(0, 100))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, steps=style.ROUND, integer=True))
    for f1 in ISO_F1:
        # F1 = 2PR / (P + R); below half of it no precision will do, and it needs 100 at the first recall here.
        recall = np.linspace(100 * f1 / (200 - f1), 100, 200)
        precision = f1 * recall / (2 * recall - f1)
        axes.plot(recall, precision, color=style.CURVE, linewidth=0.6, zorder=1)
        if recall[0] < high:
            look: Any = {"va": "center", "fontsize": style.CURVE_SIZE, "color": style.REFERENCE}
            axes.annotate(f"F1 {f1}", (high, f1 * high / (2 * high - f1)), (3, 0), textcoords="offset points", **look)
