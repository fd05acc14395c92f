"""The figure of ``scaling.py``: speed-up, idle share, and what the critical path consists of."""

import textwrap
from collections.abc import Callable, Sequence

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedLocator, MultipleLocator, NullLocator, ScalarFormatter

from pairprobe.figures import style
from schedule import critical_path

GREY = "#777777"
# Rules below this share of a critical path are drawn as one piece.
SMALLEST = 0.04


def draw(drawn: Sequence[tuple], paths: Sequence[str], in_words: Callable[[float], str]) -> None:
    """Draw simulated series, each with its points, to files, the format of each by its suffix."""
    style.save(scaling_figure(drawn, in_words), paths)


def scaling_figure(drawn: Sequence[tuple], in_words: Callable[[float], str]) -> Figure:
    """Return the figure, a page wide. drawn: (Series, its Points); in_words: how a number of seconds is written."""
    looks = [style.appearance(str(i), [str(j) for j in range(len(drawn))], {}) for i in range(len(drawn))]
    with plt.rc_context(style.STYLE):
        figure, axes = plt.subplot_mosaic(
            [["speed", "idle"], ["path", "path"]],
            figsize=(6.9, 2.95 + 0.48 * len(drawn)),
            height_ratios=[2.1, 0.3 + 0.48 * len(drawn)],
            layout="constrained",
        )
        _draw_speed_up(axes["speed"], drawn, looks)
        _draw_idle(axes["idle"], drawn, looks)
        handles = [Line2D([], [], **look, label=_label(series)) for (series, _), look in zip(drawn, looks, strict=True)]
        figure.legend(handles=handles, loc="outside upper center", ncols=len(handles), fontsize=7.5, handlelength=2.6)
        _draw_paths(axes["path"], drawn, looks, in_words)
    return figure


def _label(series) -> str:
    return f"{series.name}\n{series.unit}\n({series.origin})"


def _number_axis(axes: Axes, numbers: Sequence[int]) -> None:
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_locator(FixedLocator(numbers))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.set_xlim(numbers[0] / 1.12, numbers[-1] * 1.12)
    axes.set_xlabel("Workers, or cores (log scale)")


def _draw_speed_up(axes: Axes, drawn: Sequence[tuple], looks: Sequence[dict]) -> None:
    """Draw what was simulated as lines with marks, what no schedule can surpass thin, where all is in proportion grey."""
    numbers = [point.number for point in drawn[0][1]]
    _number_axis(axes, numbers)
    style.grid_lines(axes)
    axes.set_title("Speed-up", loc="left")
    axes.set_ylabel("Times as fast as one")
    highest, note = 1.0, "thin: no schedule is faster; dotted: critical path alone"
    for (series, points), look in zip(drawn, looks, strict=True):
        alone, thin = points[0].seconds, {"color": look["color"], "linewidth": 0.7}
        limit = alone / sum(job.seconds for job in critical_path(series.jobs))
        highest = max(highest, limit)
        axes.axhline(limit, **thin, linestyle=(0, (1, 2)), zorder=1)
        axes.plot(numbers, [alone / point.bound for point in points], **thin, alpha=0.6, zorder=2)
        axes.plot(numbers, [alone / point.seconds for point in points], **look, zorder=3)
        if series.measured:
            walls, first = series.measured, series.measured[min(series.measured)]
            mark = {"marker": look["marker"], "color": look["color"], "markerfacecolor": "white", "markersize": 6.5}
            axes.plot(list(walls), [first / wall for wall in walls.values()], linestyle="", **mark, zorder=2.5)
            highest = max(highest, *(first / wall for wall in walls.values()))
            note = "open: measured\nthin: no schedule is faster; dotted: critical path alone"
    top = 1.2 * highest
    axes.set_ylim(0.7, top)
    # Of what is drawn straight on a linear axis; here it leaves the panel early.
    fine = [2 ** (i / 20) for i in range(20 * len(numbers)) if 2 ** (i / 20) <= top]
    axes.plot(fine, fine, color=GREY, linewidth=0.9, zorder=1)
    axes.annotate("ideal", (fine[-1], fine[-1]), (4, -2), textcoords="offset points", va="top", fontsize=6.5, color=GREY)
    axes.text(
        1, 0.04, note,
        transform=axes.transAxes, ha="right", fontsize=6.5, color=GREY,
    )  # fmt: skip


def _draw_idle(axes: Axes, drawn: Sequence[tuple], looks: Sequence[dict]) -> None:
    """Draw the share of the workers' time in which no job runs."""
    numbers = [point.number for point in drawn[0][1]]
    _number_axis(axes, numbers)
    style.grid_lines(axes)
    axes.set_title("Idle share", loc="left")
    axes.set_ylabel("Time without a job (%)")
    axes.set_ylim(0, 100)
    axes.yaxis.set_major_locator(MultipleLocator(20))
    if any(series.workers(1).gpus for series, _ in drawn):
        axes.text(
            1, 0.04, "of GPUs, where workers have one",
            transform=axes.transAxes, ha="right", fontsize=6.5, color=GREY,
        )  # fmt: skip
    for (_, points), look in zip(drawn, looks, strict=True):
        axes.plot(numbers, [100 * point.idle for point in points], **look, clip_on=False, zorder=3)


def _draw_paths(axes: Axes, drawn: Sequence[tuple], looks: Sequence[dict], in_words: Callable[[float], str]) -> None:
    """Draw a bar for each series: its critical path, rule after rule, the names where they find room."""
    axes.set_title("Critical path (dark: jobs that run a model, on a GPU where there is one)", loc="left")
    axes.set_xlabel("Share of its time (%)")
    axes.set_xlim(0, 100)
    axes.set_ylim(len(drawn) - 0.5, -0.5)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    totals, pieces = [], []
    for row, ((series, _), look) in enumerate(zip(drawn, looks, strict=True)):
        chain = critical_path(series.jobs)
        dark = {job.rule for job in chain if job.gpu}
        parts = parts_of(chain, SMALLEST)
        total = sum(parts.values())
        totals.append(f"{series.name}\n{in_words(total)}")
        left = 0.0
        for rule, seconds in parts.items():
            width, alpha = 100 * seconds / total, 1 if rule in dark else 0.35
            bars = axes.barh(row, width, left=left, height=0.84, color=look["color"], alpha=alpha, edgecolor="white")
            pieces.append((bars[0], rule, in_words(seconds), "white" if rule in dark else "black"))
            left += width
    axes.set_yticks(range(len(drawn)), totals)
    # Only now it is known how large the bars are.
    axes.figure.canvas.draw()
    for bar, rule, time, colour in pieces:
        _name(axes, bar, rule.split("_"), time, colour)


def _name(axes: Axes, bar: Rectangle, words: Sequence[str], time: str, colour: str) -> None:
    """Write a rule's name and time into its piece: in few lines, in many, or not at all, as there is room."""
    x, y = bar.get_x() + bar.get_width() / 2, bar.get_y() + bar.get_height() / 2
    room = bar.get_window_extent()
    for lines in (textwrap.wrap(" ".join(words), 10), words):
        written = "\n".join([*lines, time])
        text = axes.text(x, y, written, ha="center", va="center", fontsize=5.8, linespacing=0.95, color=colour)
        extent = text.get_window_extent()
        if extent.width < room.width and extent.height < room.height:
            return
        text.remove()


def parts_of(chain: Sequence, smallest: float = 0.0) -> dict[str, float]:
    """Return the seconds of each rule in a chain of jobs, in its order, and last of all "others" that are small."""
    seconds: dict[str, float] = {}
    for job in chain:
        seconds[job.rule] = seconds.get(job.rule, 0.0) + job.seconds
    total = sum(seconds.values())
    parts = {rule: spent for rule, spent in seconds.items() if spent >= smallest * total}
    rest = total - sum(parts.values())
    return parts | ({"others": rest} if len(parts) < len(seconds) and rest > 0 else {})
