"""How the conclusion moves over the ways to measure: the mean difference over the upper layers, for each variant."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from pairprobe.evidence.claims import CONTRADICTED, SUPPORTED, UNDECIDED
from pairprobe.evidence.weighing import VARIANT_FIELDS
from pairprobe.figures import style
from pairprobe.io.tsv import read_tsv
from pairprobe.tables.layout import label_of

# The claim whose value and interval are drawn: the mean difference over the upper layers.
CLAIM = "upper_layers_better"
_MARKERS = {"cosine": "o", "euclidean": "s", "start": "o", "end": "s"}
_COLOURS = {SUPPORTED: style.COLOURS[2], CONTRADICTED: style.COLOURS[1], UNDECIDED: "#777777"}


def draw_variants(
    claims: str, pair: tuple[str, str], tasks: Sequence[str], labels: dict[str, str], paths: Sequence[str]
) -> None:
    """Draw, for each task, the mean difference over the upper layers as each variant finds it, with its interval.

    claims: a table of ``evidence.VARIANT_FIELDS``. pair: the two checkpoints, the second less the first. Colours are the
    verdicts on whether it is better, markers the measures. The first variant of the table stands at the top.
    """
    rows = [
        row for row in read_tsv(claims, VARIANT_FIELDS) if (row["before"], row["after"]) == pair and row["claim"] == CLAIM
    ]
    variants = list(dict.fromkeys(row["variant"] for row in rows))
    size = (1.6 * len(tasks) + 1.7, 0.32 * max(3, len(variants)) + 1.2)
    with plt.rc_context(style.STYLE):
        figure, grid = plt.subplots(1, len(tasks), figsize=size, layout="constrained", squeeze=False, sharey=True)
        for axes, task in zip(grid[0], tasks, strict=True):
            _draw(axes, [row for row in rows if row["task"] == task], variants)
            axes.set_title(label_of(task, labels), fontweight="bold")
            axes.set_xlabel("Difference (points)")
        named = {"none": "As it is", **labels}  # controls.NONE, without what that module needs
        grid[0, 0].set_yticks(range(len(variants)), [label_of(name, named) for name in variants])
        grid[0, 0].set_ylim(len(variants) - 0.5, -0.5)
        figure.suptitle(
            f"{label_of(pair[1], labels)} − {label_of(pair[0], labels)}, mean of the upper layers", fontsize=8.5
        )
        figure.legend(handles=_key(rows), loc="outside lower center", ncols=5)
        style.save(figure, paths)


def _draw(axes: Axes, rows: list[dict], variants: list[str]) -> None:
    axes.axvline(0, color="#777777", linewidth=0.8, zorder=1)
    measures = list(dict.fromkeys(row["measure"] for row in rows))
    for row in rows:
        place = variants.index(row["variant"]) + 0.22 * (2 * measures.index(row["measure"]) - len(measures) + 1) / 2
        value, low, high = (float(row[key]) for key in ("value", "low", "high"))
        colour = _COLOURS[row["verdict"]]
        axes.plot([low, high], [place, place], color=colour, linewidth=1.2, zorder=2)
        axes.plot([value], [place], color=colour, marker=_MARKERS[row["measure"]], linestyle="", zorder=3)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=4))
    axes.grid(axis="y", color="#eeeeee", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)


def _key(rows: list[dict]) -> list[Line2D]:
    verdicts = {SUPPORTED: "better", CONTRADICTED: "worse", UNDECIDED: "undecided"}
    found = {row["measure"] for row in rows}
    names = {"o": [m for m in ("cosine", "start") if m in found], "s": [m for m in ("euclidean", "end") if m in found]}
    handles = [Line2D([], [], color=_COLOURS[verdict], label=name) for verdict, name in verdicts.items()]
    return handles + [
        Line2D([], [], color="#444444", linestyle="", marker=marker, label=", ".join(some))
        for marker, some in names.items()
        if some
    ]
