"""How training went and how well a checkpoint answers: loss by step, and precision by recall.

Drawn from ``training/{checkpoint}.tsv``, ``curve.tsv`` and ``scores.tsv``. Only the smoothing of losses is computed
here.
"""

from collections.abc import Sequence
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from pairprobe.errors import InputError
from pairprobe.figures import style
from pairprobe.figures.style import ROUND, thinned
from pairprobe.io.tsv import _numbers, read_tsv
from pairprobe.tables.layout import label_of

CURVE_FIELDS = ("answer", "threshold", "precision", "recall")
SCORE_FIELDS = ("answer", "gold", "predicted", "precision", "recall", "f1")  # others may stand among them
ANSWERS = {"long": "Long answers", "short": "Short answers"}


ISO_F1 = (20, 40, 60, 80)
GREY = "#777777"


class Best(NamedTuple):
    """Recall, precision and F1 in percent at the threshold of the best F1; and why there is no curve, else ""."""

    recall: float
    precision: float
    f1: float
    nothing: str


def draw_precision_recall(
    paths: dict[str, str],
    scores: dict[str, str],
    labels: dict[str, str],
    colours: dict[str, str],
    among: Sequence[str],
    outputs: Sequence[str],
) -> None:
    """Draw precision by recall to several files, the format of each by its suffix. See ``precision_recall_figure``."""
    style.save(precision_recall_figure(paths, scores, labels, colours, among), outputs)


def precision_recall_figure(
    paths: dict[str, str],
    scores: dict[str, str],
    labels: dict[str, str],
    colours: dict[str, str],
    among: Sequence[str],
) -> Figure:
    """Return the figure of precision by recall, long answers beside short ones; two columns of a paper wide.

    paths: ``{checkpoint: curve.tsv}``, scores: ``{checkpoint: scores.tsv}``, whose precision and recall are marked and
    whose F1 is in the legend. Where there are no predictions or no gold answers the legend says so, and where that holds of
    all checkpoints the panel does. labels, colours, among and errors: as ``training_figure``.
    """
    curves = {checkpoint: read_curves(path) for checkpoint, path in paths.items()}
    best = {checkpoint: read_scores(scores[checkpoint]) for checkpoint in paths}
    with plt.rc_context(style.STYLE):
        figure, panels = plt.subplots(1, len(ANSWERS), figsize=(6.9, 2.8), layout="constrained")
        legends = []
        for axes, (answer, title) in zip(panels, ANSWERS.items(), strict=True):
            axes.set_title(title)
            axes.set_xlabel("Recall (%)")
            handles = []
            for checkpoint in paths:
                look = style.appearance(checkpoint, list(among or paths), colours)
                points, score = curves[checkpoint][answer], best[checkpoint][answer]
                handles.append(_draw_curve(axes, *points, score, look, label_of(checkpoint, labels)))
            if lines := axes.get_lines():
                _percent_axes(axes, max(max(line.get_xdata()) for line in lines))
                legends.append((axes, handles))
            else:
                reasons = dict.fromkeys(best[checkpoint][answer].nothing for checkpoint in paths)
                style.say(axes, " or ".join(reasons) or "no checkpoints")
        panels[0].set_ylabel("Precision (%)")
        style.legends_below(figure, legends, 3.2)
    return figure


def read_curves(path: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Read ``curve.tsv``: ``{answer: (recall, precision)}``, each (thresholds,) in percent, the highest threshold first."""
    found: dict[str, list] = {answer: [] for answer in ANSWERS}
    for number, row in enumerate(read_tsv(path, CURVE_FIELDS), 2):
        found[_answer(path, number, row)].append(_numbers(path, number, row, ("recall", "precision")))
    return {answer: tuple(np.array(points, float).reshape(-1, 2).T) for answer, points in found.items()}


def read_scores(path: str) -> dict[str, Best]:
    """Read ``scores.tsv``: ``{answer: Best}``. An answer that it lacks has nothing predicted."""
    found = dict.fromkeys(ANSWERS, Best(np.nan, np.nan, np.nan, "no predictions"))
    for number, row in enumerate(read_tsv(path), 2):
        if not set(SCORE_FIELDS) <= set(row):
            raise InputError(f"{path}, line 1: found {list(row)}, wanted {list(SCORE_FIELDS)} among them.")
        gold, predicted, *numbers = _numbers(path, number, row, ("gold", "predicted", "recall", "precision", "f1"))
        nothing = "" if gold and predicted else "no predictions" if gold else "no gold answers"
        found[_answer(path, number, row)] = Best(*numbers, nothing)
    return found


def _answer(path: str, number: int, row: dict) -> str:
    if row["answer"] not in ANSWERS:
        raise InputError(f"{path}, line {number}: found answer {row['answer']!r}, wanted one of {', '.join(ANSWERS)}.")
    return row["answer"]


def _draw_curve(axes: Axes, recall: np.ndarray, precision: np.ndarray, best: Best, look: dict, label: str) -> Line2D:
    """Draw one checkpoint's curve, recall and precision (thresholds,), and mark the best; returns the legend's handle."""
    line = {"color": look["color"], "linestyle": look["linestyle"], "linewidth": 1.2}
    mark = {"marker": look["marker"], "markeredgecolor": "white", "markeredgewidth": 0.5, "markersize": 5}
    if best.nothing:
        return Line2D([], [], **line, **mark, label=f"{label} ({best.nothing})")
    # The precision that stands for a recall is that at which it is reached: the level lies before the point, and the first
    # one reaches back to the axis. The points without a right answer (0 and 0) would draw over the axis and say nothing.
    right = recall > 0
    if right.any():
        recall, precision = np.append(0, recall[right]), np.append(precision[right][0], precision[right])
        kept = thinned(recall, precision)
        axes.plot(recall[kept], precision[kept], **line, drawstyle="steps-pre", clip_on=False, zorder=3)
    at_best = {**line, **mark, "linestyle": "", "markersize": 6}
    axes.plot([best.recall], [best.precision], **at_best, clip_on=False, zorder=4)
    return Line2D([], [], **line, **mark, label=f"{label} (F1 {best.f1:.1f})")


def _percent_axes(axes: Axes, furthest: float) -> None:
    """Set the axes to percent, as far as the largest recall needs, with lines of equal F1 behind the data."""
    high = min(100, max(10, 10 * np.ceil(1.05 * furthest / 10)))
    axes.set(xlim=(0, high), ylim=(0, 100))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, steps=ROUND, integer=True))
    for f1 in ISO_F1:
        # F1 = 2PR / (P + R); below half of it no precision will do, and it needs 100 at the first recall here.
        recall = np.linspace(100 * f1 / (200 - f1), 100, 200)
        precision = f1 * recall / (2 * recall - f1)
        axes.plot(recall, precision, color="#cccccc", linewidth=0.6, zorder=1)
        if recall[0] < high:
            end = f1 * high / (2 * high - f1)
            axes.annotate(f"F1 {f1}", (high, end), (3, 0), textcoords="offset points", va="center", fontsize=6, color=GREY)
