"""The suite's figures: how near every way of extraction comes to the roofline, and how time and memory grow."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator, ScalarFormatter

from pairprobe.figures import style
from suite import extraction, growth
from suite.encoders import PRECISIONS
from suite.extraction import BARE, LOOP, NEUROX, OURS, SORTED

BLUE, ORANGE, GREEN, _, YELLOW, SKY, BLACK = style.COLOURS
LABELS = {
    OURS: "pairprobe",
    BARE: "its forward passes alone",
    SORTED: "transformers, sorted batches",
    LOOP: "transformers, one by one",
    NEUROX: "NeuroX (float32)",
}
LOOKS = {OURS: BLUE, BARE: SKY, SORTED: GREEN, LOOP: YELLOW, NEUROX: ORANGE}
GREY = "#777777"


def draw_extraction(found: Sequence[dict], paths: Sequence[str]) -> None:
    """Draw the parts of extraction, an encoder each, to files."""
    style.save(extraction_figure(found), paths)


def extraction_figure(found: Sequence[dict]) -> Figure:
    """Return a figure with a row for each encoder and a column for each precision."""
    with plt.rc_context(style.STYLE):
        figure, grid = plt.subplots(
            len(found), len(PRECISIONS), figsize=(7.0, 0.35 + 1.35 * len(found)),
            sharex=True, sharey=True, squeeze=False, layout="constrained",
        )  # fmt: skip
        for row, part in zip(grid, found, strict=True):
            for axes, precision in zip(row, PRECISIONS, strict=True):
                _draw_shares(axes, extraction.shares(part, precision))
                axes.set_title(f"{part['encoder'].partition(' (')[0]}, {precision}", loc="left")
        for axes in grid[-1]:
            axes.set_xlabel("Share of the roofline")
    return figure


def _draw_shares(axes: Axes, shares: dict) -> None:
    """Draw a bar for each way, as long as its median, with a line from the least to the most of the rounds."""
    for place, way in enumerate(LABELS):
        if way not in shares:
            axes.annotate("not installed", (0.01, place), va="center", fontsize=6.5, color=GREY)
            continue
        share = shares[way]
        axes.barh(place, share.median, height=0.72, color=LOOKS[way])
        axes.plot([share.least, share.most], [place, place], color=BLACK, linewidth=0.9, marker="|", markersize=4)
        axes.annotate(
            f"{share.median:.2f}", (share.most, place), (4, 0), textcoords="offset points", va="center", fontsize=7
        )
    axes.axvline(1, color=GREY, linewidth=0.9, linestyle=":")
    axes.set(xlim=(0, 1.02), ylim=(len(LABELS) - 0.5, -0.5))
    axes.set_yticks(range(len(LABELS)), LABELS.values())
    axes.tick_params(axis="y", length=0)


def draw_growth(found: dict, paths: Sequence[str]) -> None:
    """Draw how the cost grows, to files."""
    style.save(growth_figure(found), paths)


def growth_figure(found: dict) -> Figure:
    """Return a figure of two panels: time, where lines of slope 1 are in proportion, and memory."""
    steps = list(found["steps"])
    times = [int(n) for n in found["steps"][steps[0]]]
    with plt.rc_context(style.STYLE):
        figure, (time, memory) = plt.subplots(1, 2, figsize=(7.0, 2.6), layout="constrained")
        for step in steps:
            look = {**style.Appearance(among=steps).line(step), "label": growth.LABELS[step]}
            spreads = [growth.seconds(found, step, str(n)) for n in times]
            style.band(time, times, [(spread.least, spread.most) for spread in spreads], look["color"])
            time.plot(times, [spread.median for spread in spreads], **look)
            memory.plot(times, [growth.peak(found, step, str(n)) for n in times], **look)
        _draw_proportion(time, times)
        for axes, title, unit in ((time, "Time", "Seconds (log scale)"), (memory, "Memory", "MiB at most")):
            axes.set_xscale("log", base=2)
            axes.xaxis.set_major_locator(FixedLocator(times))
            axes.xaxis.set_minor_locator(NullLocator())
            axes.xaxis.set_major_formatter(ScalarFormatter())
            axes.set_xlabel(f"Times {found['base']} examples (log scale)")
            axes.set_ylabel(unit)
            axes.set_title(title, loc="left")
            style.grid_lines(axes)
        memory.set_ylim(0, None)
        figure.legend(handles=memory.get_lines(), loc="outside lower center", ncols=len(steps), handlelength=2.6)
    return figure


def _draw_proportion(axes: Axes, times: Sequence[int]) -> None:
    """Draw grey lines of slope 1 behind what is drawn, on logarithmic axes."""
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda seconds, _: f"{seconds:g}"))
    low, high = axes.get_ylim()
    start = low
    while start < high:
        axes.plot(times, [start * n / times[0] for n in times], color="#cccccc", linewidth=0.6, zorder=1)
        start *= 4
    axes.set_ylim(low, high)
    axes.text(0.98, 0.03, "grey: in proportion", transform=axes.transAxes, ha="right", fontsize=6.5, color=GREY)
