"""The loss of each training, step by step, drawn from ``training/{checkpoint}.tsv``."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, NullFormatter, StrMethodFormatter

from pairprobe.figures import style
from pairprobe.figures.style import Appearance
from pairprobe.io.tsv import read_frame

TRAINING_FIELDS = ("step", "epoch", "loss", "learning_rate")
# Shorter runs are shown as they are.
MIN_SMOOTHED = 20
# Where the longest run has more times the steps of the shortest, a linear axis would leave a sliver of the shortest.
MAX_LINEAR_RATIO = 10


@style.styled
def training_figure(paths: Mapping[str, Sequence[str]], appearance: Appearance) -> Figure:
    """Return the figure of the loss by step: thin lines as logged, a thick one smoothed; one column of a paper wide.

    paths: ``{recipe or checkpoint: training.tsv of each of its checkpoints}``, whose mean is smoothed. A checkpoint whose
    file has only its header was not trained and has no line. Raises InputError for a table with other columns and for a
    cell that is no number.
    """
    logged = {
        name: [points for path in several if len((points := read_losses(path))[0])] for name, several in paths.items()
    }
    losses = {name: mean_losses(runs) for name, runs in logged.items() if runs}
    figure = style.new_figure(style.ONE_COLUMN)
    axes = figure.subplots()
    style.grid_lines(axes)
    axes.set_ylabel("Training loss")
    axes.set_xlabel("Training step")
    if not losses:
        style.explain_empty(axes, "no training")
        return figure
    _step_axis(axes, [steps for steps, _ in losses.values()])
    windows = {name: window_of(steps) for name, (steps, _) in losses.items()}
    note, said = _smoothing_in_words(windows)
    axes.set_title(note, loc="left", fontsize=style.NOTE_SIZE, color=style.TEXT, pad=4)
    handles = []
    for name, points in losses.items():
        look = {**appearance.line(name, losses), "label": appearance.legend(name, said[name])}
        for run in logged[name] if windows[name] or len(logged[name]) > 1 else []:
            _draw_logged(axes, *run, look["color"])
        handles += _draw_loss(axes, *points, windows[name], look)
    axes.set_ylim(bottom=0)
    style.legends_below(figure, [(axes, handles)], 3.0)
    return figure


def read_losses(path: str) -> tuple[np.ndarray, np.ndarray]:
    """Read ``training.tsv``: steps and losses, each (points,), in the order of the steps. A loss may be NaN."""
    rows = read_frame(path, TRAINING_FIELDS, ("step", "loss")).sort_values("step", kind="stable")
    # A loss that overflowed is a gap in the line, as one that is NaN.
    return rows["step"].to_numpy(float), rows["loss"].astype(float).where(np.isfinite(rows["loss"])).to_numpy()


def mean_losses(runs: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean of several runs' losses at the steps that all of them logged: steps and losses, each (points,)."""
    steps = functools.reduce(np.intersect1d, [steps for steps, _ in runs])
    return steps, np.mean([losses[np.isin(of_run, steps)] for of_run, losses in runs], axis=0)


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
    if len(steps) < MIN_SMOOTHED:
        return None
    wanted = max(1.0, steps[-1] / 20)
    power = 10 ** int(np.log10(wanted))
    return max(n * power for n in (1, 2, 5) if n * power <= wanted)


def _smoothing_in_words(windows: dict[str, int | None]) -> tuple[str, dict[str, str]]:
    """Return a note for the figure, and what each label says more: the window, where they differ."""
    different = {window for window in windows.values() if window}
    if not different:
        return "", dict.fromkeys(windows, "")
    if len(different) > 1:
        note = "Thin: as logged. Thick: exponential moving average (EMA)."
        said = {name: f"EMA, {_in_steps(window)}" for name, window in windows.items() if window}
    else:
        note = f"Thin: as logged. Thick: exponential average over {_in_steps(*different)}."
        said = {name: "" for name, window in windows.items() if window}
    return note, dict.fromkeys(windows, "as logged") | said


def _in_steps(window: int) -> str:
    return f"{window:,} step{'s' * (window > 1)}"


def _step_axis(axes: Axes, runs: Sequence[np.ndarray]) -> None:
    """Set the axis of the steps up: linear, or logarithmic where the runs' lengths are far apart."""
    lengths = [steps[-1] for steps in runs]
    if max(lengths) > MAX_LINEAR_RATIO * min(lengths):
        axes.set_xscale("log")
        axes.set_xlim(min(steps[0] for steps in runs), max(lengths))
        axes.set_xlabel("Training step (log scale)")
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        axes.set_xlim(0, max(lengths))
        axes.xaxis.set_major_locator(MaxNLocator(nbins=5, steps=style.ROUND, integer=True))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


def _shown(axes: Axes, steps: np.ndarray, losses: np.ndarray) -> np.ndarray:
    return style.thinned(np.log(steps) if axes.get_xscale() == "log" else steps, losses)


def _draw_logged(axes: Axes, steps: np.ndarray, losses: np.ndarray, colour: Any) -> None:
    shown = _shown(axes, steps, losses)
    axes.plot(steps[shown], losses[shown], color=colour, alpha=0.3, linewidth=0.5, zorder=2)


def _draw_loss(axes: Axes, steps: np.ndarray, losses: np.ndarray, window: int | None, look: dict[str, Any]) -> list[Line2D]:
    """Draw one line, steps and losses (points,); returns the handle for the legend."""
    if window is None:
        return axes.plot(steps, losses, **look, clip_on=False, zorder=3)
    means = smoothed(steps, losses, window)
    shown = _shown(axes, steps, means)
    # Markers at even distances along the line, not at each of its points. (matplotlib fails at a line without any length.)
    apart = 0.12 if np.isfinite(means).any() else None
    return axes.plot(steps[shown], means[shown], **look, markevery=apart, clip_on=False, zorder=3)
