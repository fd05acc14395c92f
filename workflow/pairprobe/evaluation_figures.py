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
from matplotlib.ticker import MaxNLocator, NullFormatter, StrMethodFormatter

from pairprobe import plotting
from pairprobe.errors import InputError
from pairprobe.tables import label_of, read_tsv

TRAINING_FIELDS = ("step", "epoch", "loss", "learning_rate")
CURVE_FIELDS = ("answer", "threshold", "precision", "recall")
SCORE_FIELDS = ("answer", "gold", "predicted", "precision", "recall", "f1")  # others may stand among them
ANSWERS = {"long": "Long answers", "short": "Short answers"}

# More points cannot be told apart in a column's width, and would make the SVG megabytes.
MOST_POINTS = 1000
# Shorter runs are shown as they are.
FEWEST_SMOOTHED = 20
# Where the longest run has more times the steps of the shortest, a linear axis would leave a sliver of the shortest.
WIDEST_LINEAR = 10

ROUND = (1, 2, 5, 10)  # what ticks may be apart, times 10^n
ISO_F1 = (20, 40, 60, 80)
GREY = "#777777"


class Best(NamedTuple):
    """Recall, precision and F1 in percent at the threshold of the best F1; and why there is no curve, else ""."""

    recall: float
    precision: float
    f1: float
    nothing: str


def draw_training(
    paths: dict[str, str], labels: dict[str, str], colours: dict[str, str], among: Sequence[str], outputs: Sequence[str]
) -> None:
    """Draw the loss of training by step to several files, the format of each by its suffix. See ``training_figure``."""
    plotting.save(training_figure(paths, labels, colours, among), outputs)


def draw_precision_recall(
    paths: dict[str, str],
    scores: dict[str, str],
    labels: dict[str, str],
    colours: dict[str, str],
    among: Sequence[str],
    outputs: Sequence[str],
) -> None:
    """Draw precision by recall to several files, the format of each by its suffix. See ``precision_recall_figure``."""
    plotting.save(precision_recall_figure(paths, scores, labels, colours, among), outputs)


def training_figure(paths: dict[str, str], labels: dict[str, str], colours: dict[str, str], among: Sequence[str]) -> Figure:
    """Return the figure of the loss by step: a thin line as logged, a thick one smoothed; one column of a paper wide.

    paths: ``{checkpoint: training.tsv}``; a checkpoint whose file has only its header was not trained and has no line.
    labels: ``{checkpoint: what the figure calls it}``; colours: ``{checkpoint: colour}``; among: all checkpoints of the
    run, so that one looks the same in every figure (none: those of ``paths``). Raises InputError for a table with other
    columns and for a cell that is no number.
    """
    losses = {checkpoint: read_losses(path) for checkpoint, path in paths.items()}
    losses = {checkpoint: points for checkpoint, points in losses.items() if len(points[0])}
    with plt.rc_context(plotting.STYLE):
        figure, axes = plt.subplots(figsize=(3.4, 2.6), layout="constrained")
        plotting.grid_lines(axes)
        axes.set_ylabel("Training loss")
        axes.set_xlabel("Training step")
        if not losses:
            plotting.say(axes, "no training")
            return figure
        _step_axis(axes, [steps for steps, _ in losses.values()])
        windows = {checkpoint: window_of(steps) for checkpoint, (steps, _) in losses.items()}
        note, said = _smoothing_in_words(windows)
        axes.set_title(note, loc="left", fontsize=6.5, color="#555555", pad=4)
        handles = []
        for checkpoint, points in losses.items():
            look = plotting.appearance(checkpoint, list(among or paths), colours)
            label = label_of(checkpoint, labels) + said[checkpoint]
            handles += _draw_loss(axes, *points, windows[checkpoint], look, label)
        axes.set_ylim(bottom=0)
        plotting.legends_below(figure, [(axes, handles)], 3.0)
    return figure


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
    with plt.rc_context(plotting.STYLE):
        figure, panels = plt.subplots(1, len(ANSWERS), figsize=(6.9, 2.8), layout="constrained")
        legends = []
        for axes, (answer, title) in zip(panels, ANSWERS.items(), strict=True):
            axes.set_title(title)
            axes.set_xlabel("Recall (%)")
            handles = []
            for checkpoint in paths:
                look = plotting.appearance(checkpoint, list(among or paths), colours)
                points, score = curves[checkpoint][answer], best[checkpoint][answer]
                handles.append(_draw_curve(axes, *points, score, look, label_of(checkpoint, labels)))
            if lines := axes.get_lines():
                _percent_axes(axes, max(max(line.get_xdata()) for line in lines))
                legends.append((axes, handles))
            else:
                reasons = dict.fromkeys(best[checkpoint][answer].nothing for checkpoint in paths)
                plotting.say(axes, " or ".join(reasons) or "no checkpoints")
        panels[0].set_ylabel("Precision (%)")
        plotting.legends_below(figure, legends, 3.2)
    return figure


def read_losses(path: str) -> tuple[np.ndarray, np.ndarray]:
    """Read ``training.tsv``: steps and losses, each (points,), in the order of the steps. A loss may be NaN."""
    rows = [_numbers(path, i, row, ("step", "loss")) for i, row in enumerate(read_tsv(path, TRAINING_FIELDS), 2)]
    steps, losses = np.array(rows, float).reshape(-1, 2).T
    order = np.argsort(steps, kind="stable")
    # A loss that overflowed is a gap in the line, as one that is NaN.
    return steps[order], np.where(np.isfinite(losses), losses, np.nan)[order]


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


def _numbers(path: str, number: int, row: dict, keys: Sequence[str]) -> list[float]:
    try:
        return [float(row[key]) for key in keys]
    except (TypeError, ValueError):
        found = ", ".join(f"{key} {row[key]!r}" for key in keys)
        raise InputError(f"{path}, line {number}: found {found}, wanted numbers.") from None


def _answer(path: str, number: int, row: dict) -> str:
    if row["answer"] not in ANSWERS:
        raise InputError(f"{path}, line {number}: found answer {row['answer']!r}, wanted one of {', '.join(ANSWERS)}.")
    return row["answer"]


def smoothed(steps: np.ndarray, losses: np.ndarray, window: float) -> np.ndarray:
    """Return the exponential moving average of losses, (points,): a weight falls to 1/e in ``window`` steps.

    A loss is the mean since the last logged step, so it weighs as many steps as it stands for; the weights of what there
    is make 1 together, so that the first losses are not favoured. NaN where a loss is NaN, which weighs nothing.
    """
    total = weight = before = 0.0
    means = np.full(len(losses), np.nan)
    for i, (step, loss) in enumerate(zip(steps, losses, strict=True)):
        if not np.isnan(loss):
            decay = np.exp((before - step) / window)
            total, weight = total * decay + (step - before) * loss, weight * decay + (step - before)
            means[i], before = total / weight, step
    return means


def window_of(steps: np.ndarray) -> int | None:
    """Return how many steps a loss is averaged over: a twentieth of the run, rounded down to 1, 2 or 5 times 10^n.

    steps: (points,), ascending. None for a run of too few points to be smoothed.
    """
    if len(steps) < FEWEST_SMOOTHED:
        return None
    wanted = max(1.0, steps[-1] / 20)
    power = 10 ** int(np.log10(wanted))
    return max(n * power for n in (1, 2, 5) if n * power <= wanted)


def thinned(places: np.ndarray, values: np.ndarray, at_most: int = MOST_POINTS) -> np.ndarray:
    """Return which points to draw, ascending indices: all, or at most ``at_most`` that look the same.

    places, values: (points,), the places ascending and as they are on the axis (the logarithm on a logarithmic one). The
    first and the last are kept, and of each of equal parts of the axis the lowest and the highest, so that no peak is lost.
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


def _smoothing_in_words(windows: dict[str, int | None]) -> tuple[str, dict[str, str]]:
    """Return a note for the figure, and what each checkpoint's label says more: the window, where they differ."""
    different = {window for window in windows.values() if window}
    if not different:
        return "", dict.fromkeys(windows, "")
    if len(different) > 1:
        note = "Thin: as logged. Thick: exponential moving average (EMA)."
        said = {checkpoint: f" (EMA, {_in_steps(window)})" for checkpoint, window in windows.items() if window}
    else:
        note = f"Thin: as logged. Thick: exponential average over {_in_steps(*different)}."
        said = {checkpoint: "" for checkpoint, window in windows.items() if window}
    return note, dict.fromkeys(windows, " (as logged)") | said


def _in_steps(window: int) -> str:
    return f"{window:,} step{'s' * (window > 1)}"


def _step_axis(axes: Axes, runs: Sequence[np.ndarray]) -> None:
    """Set the axis of the steps up: linear, or logarithmic where the runs' lengths are far apart."""
    lengths = [steps[-1] for steps in runs]
    if max(lengths) > WIDEST_LINEAR * min(lengths):
        axes.set_xscale("log")
        axes.set_xlim(min(steps[0] for steps in runs), max(lengths))
        axes.set_xlabel("Training step (log scale)")
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        axes.set_xlim(0, max(lengths))
        axes.xaxis.set_major_locator(MaxNLocator(nbins=5, steps=ROUND, integer=True))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


def _draw_loss(
    axes: Axes, steps: np.ndarray, losses: np.ndarray, window: int | None, look: dict, label: str
) -> list[Line2D]:
    """Draw one run, steps and losses (points,); returns the handle for the legend."""
    places = np.log(steps) if axes.get_xscale() == "log" else steps
    if window is None:
        return axes.plot(steps, losses, **look, label=label, clip_on=False, zorder=3)
    kept = thinned(places, losses)
    axes.plot(steps[kept], losses[kept], color=look["color"], alpha=0.3, linewidth=0.5, zorder=2)
    means = smoothed(steps, losses, window)
    kept = thinned(places, means)
    # Markers at even distances along the line, not at each of its points. (matplotlib fails at a line without any length.)
    apart = 0.12 if np.isfinite(means).any() else None
    return axes.plot(steps[kept], means[kept], **look, label=label, markevery=apart, clip_on=False, zorder=3)


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
