"""How often verdicts are wrong, and what is found at all: simulated, where the truth is known.

    .venv/bin/python benchmarks/calibration.py                          the tables
    .venv/bin/python benchmarks/calibration.py --write                  and into docs/reference/evidence.md
    .venv/bin/python benchmarks/calibration.py --runs 20                quicker, and less sure
    .venv/bin/python benchmarks/calibration.py --trainings              verdicts on control trainings

A run of the simulation is five tasks by two measures and seven layers, judged on auc and on specific, as the demo is. Pages
differ in length, evenly or after Zipf's law, and are easy or hard for all checkpoints; fine-tuning does more to some pages
than to others; neighbouring layers agree. A seed moves whole curves: by turns each by itself, half of it together with all
others, or all together. Near 100 % all of this is skewed. The numbers were chosen after the demo's rankings.
"""

import argparse
import itertools
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pairprobe.evidence import claims
from pairprobe.evidence.control_trainings import Compared, Effects, TaskEffects
from pairprobe.evidence.control_trainings import Comparison as TrainingComparison
from pairprobe.evidence.estimation import Estimate, Sums
from pairprobe.evidence.fields import (
    CLAIM_FIELDS,
    LESS,
    MORE,
    NO_MORE,
    UNDECIDED,
)
from pairprobe.evidence.weighing import Comparison, Settings, TaskDifferences
from pairprobe.io.progress import track
from pairprobe.tables.layout import markdown

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reference" / "evidence.md"
MARKS = r"(<!-- {0}: begin -->\n)(.*)(<!-- {0}: end -->)"
DEVIATIONS, SEEDS, PAGES = (0, 1, 2, 5), (3, 5, 10), (24, 80, 320)
TASKS, LAYERS, LOWER, SETTINGS = 5, 7, 2, Settings()
NAMES = list(itertools.product(("cosine", "euclidean"), range(LAYERS)))
# Differences in points, by layer, of each task in turn. Nothing at all; as the paper says, for two tasks nothing and for
# three a gap that opens late; a truth that lies on the bounds of the claims.
WORLDS = {
    "nothing": [[0.0] * LAYERS] * TASKS,
    "the paper": [[0.0] * LAYERS] * 2 + [[0, 0, 0, 3, 8, 12, 15]] * 3,
    "on the bounds": [
        [0, 5, 0, 0, 0, 0, 0], [5, 5, 5, 5, 5, 5, 5], [0, 0, 5, 6, 6, 6, 6], [0, 0, 0, 6, 0, -6, 0],
        [-9, -7, -8, -8, -8, -8, -8],
    ],
    "the ceiling": [[0.0] * LAYERS] * TASKS,
    "one task": [[5.0] * LAYERS],
}  # fmt: skip
# The same of two trainings from one checkpoint, of which the second is a control: neither does anything; any training does
# the same; they differ by the margin, or one of them does nothing; training to answer does more above.
UPPER = [0, 0, 0, 3, 8, 12, 15]
TRAININGS = {
    "nothing": [([0.0] * LAYERS, [0.0] * LAYERS)] * TASKS,
    "any training": [(UPPER, UPPER)] * TASKS,
    "on the bounds": [
        ([8.0] * LAYERS, [3.0] * LAYERS), ([-8.0] * LAYERS, [-3.0] * LAYERS), ([0.0] * LAYERS, [5.0] * LAYERS),
        ([0.0] * LAYERS, [-8.0] * LAYERS), ([2.5] * LAYERS, [-2.5] * LAYERS),
    ],
    "more above": [(UPPER, [0.0] * LAYERS)] * TASKS,
}  # fmt: skip
LEVEL = {"the ceiling": 97.0}  # percent; else 75
# In shares of the distance to 100 %: how pages differ, what fine-tuning does to one page more than to another, what a
# checkpoint makes of a page in a layer.
SPREAD_OF_PAGES, SPREAD_OF_EFFECTS, SPREAD_OF_LAYERS = 0.3, 0.15, 0.1
NEIGHBOURS = 0.7  # the correlation of layers


@dataclass(frozen=True)
class Cell:
    """One cell of the simulation. deviation: of seeds, in points; pages: the effective number."""

    world: str
    deviation: float
    seeds: int
    pages: int
    zipf: bool


def lengths(dice: np.random.Generator, pages: int, zipf: bool) -> np.ndarray:
    """Draw the unmatching pairs of pages so that so many are effective: (number of pages,)."""
    number = pages
    while True:
        weights = 1 / np.arange(1, number + 1) ** 0.75 if zipf else 1 + dice.poisson(0.6, number)
        drawn = np.round(weights / weights.mean() * 130 * dice.uniform(0.6, 1.4, number)).clip(20)
        if drawn.sum() ** 2 / (drawn**2).sum() >= pages:
            return drawn
        number += max(1, number // 20)


def layered(dice: np.random.Generator, *shape: int) -> np.ndarray:
    """Draw standard normal numbers whose neighbours in the last axis, the layers, are alike."""
    drawn = dice.normal(0, 1, shape)
    for layer in range(1, shape[-1]):
        drawn[..., layer] = NEIGHBOURS * drawn[..., layer - 1] + np.sqrt(1 - NEIGHBOURS**2) * drawn[..., layer]
    return drawn


def draw(dice: np.random.Generator, cell: Cell, together: float) -> list[TaskDifferences]:
    """Draw what a fine-tuned recipe less a checkpoint comes to, in all tasks.

    together: the share of the variance of seeds that all curves have in common.
    """
    level = LEVEL.get(cell.world, 75.0)
    shared = np.sqrt(together) * layered(dice, cell.seeds, 1, LAYERS)
    return [draw_task(dice, cell, level, np.array(truth, float), shared, 1 - together) for truth in WORLDS[cell.world]]


def draw_task(
    dice: np.random.Generator, cell: Cell, level: float, truth: np.ndarray, shared: np.ndarray, own: float
) -> TaskDifferences:
    """Draw one task, see ``draw_recipes``."""
    length, recipes = draw_recipes(dice, cell, level, [truth], [shared], own)
    found = estimates(dice, length, recipes)
    differences = {on: after - before for on, (before, after) in found.items()}
    return TaskDifferences("task", NAMES, dict.fromkeys(differences, (len(length), len(length))), differences)


def draw_recipes(
    dice: np.random.Generator,
    cell: Cell,
    level: float,
    truths: Sequence[np.ndarray],
    shared: Sequence[np.ndarray],
    own: float,
) -> tuple[np.ndarray, list[list[np.ndarray]]]:
    """Draw the lengths of a task's pages, and how many each outranks by a checkpoint and by recipes that start from it.

    truths: of each recipe, (layers,), in points. shared: of each what seeds do to all curves, (seeds, 1, layers), in
    standard deviations; own: the share of the variance that each curve has by itself. Returns counts (pages, measures,
    layers), of the checkpoint and of the seeds of each recipe.
    """
    length = lengths(dice, cell.pages, cell.zipf)
    pages = dice.normal(0, SPREAD_OF_PAGES, (len(length), 1, 1))

    def checkpoint(mean: np.ndarray, of_pages: np.ndarray, spread: float) -> np.ndarray:
        """Return how many each page outranks, (pages, measures, layers); mean: (measures, layers), in percent."""
        noise = of_pages + SPREAD_OF_LAYERS * layered(dice, len(length), 2, LAYERS)
        variance = spread**2 + SPREAD_OF_LAYERS**2
        miss = (100 - mean) * np.exp(noise - variance / 2)
        return dice.binomial(length[:, None, None].astype(int), np.clip(1 - miss / 100, 0, 1))

    # At the ceiling seeds have less room.
    scale, both = cell.deviation * (100 - level) / 25, np.hypot(SPREAD_OF_PAGES, SPREAD_OF_EFFECTS)
    found: list[list[np.ndarray]] = []
    for truth, of_all in zip(truths, shared, strict=True):
        effects = SPREAD_OF_EFFECTS * layered(dice, len(length), 2, LAYERS)
        seeds = scale * (of_all + np.sqrt(own) * layered(dice, cell.seeds, 2, LAYERS))
        found = found or [[checkpoint(np.full((2, LAYERS), level), pages, SPREAD_OF_PAGES)]]
        found.append([checkpoint(np.clip(level + truth + of_seed, 0, 100), pages + effects, both) for of_seed in seeds])
    return length, found


def estimates(dice: np.random.Generator, length: np.ndarray, recipes: list[list[np.ndarray]]) -> dict[str, list[Estimate]]:
    """Return auc and specific of the checkpoint and of each recipe, from what ``draw_recipes`` gives."""
    found = {}
    for on in ("auc", "specific"):
        # Specific: less what other anchors outrank, which fine-tuning leaves as it is.
        share = 0.5 if on == "specific" else 0
        counts = [
            [count - dice.binomial(length[:, None, None].astype(int), share, count.shape) for count in several]
            for several in recipes
        ]
        ratios = [
            [Sums(each.reshape(len(length), -1), np.repeat(length[:, None], 2 * LAYERS, 1)) for each in several]
            for several in counts
        ]
        found[on] = [Estimate.of_checkpoints(several, i > 0) for i, several in enumerate(ratios)]
    return found


def is_wrong(claim: str, says: str, truth: np.ndarray) -> bool:
    """Say whether what was found of a claim is not so. truth: (layers,), in points."""
    margin, upper = SETTINGS.margin, truth[LOWER + 1 :].mean()
    slope = np.polyfit(range(LOWER, LAYERS), truth[LOWER:], 1)[0]
    opening = claims.onset(truth > margin, truth >= 0)
    of = truth[: LOWER + 1] if claim == "lower_layers_equal" else truth
    if says.startswith("opens by"):
        return opening > int(says.split()[-1]) or (int(says.split()[-1]) > LOWER and opening <= LOWER)
    return {
        "equal": (np.abs(of) >= margin).any(),
        "no gap": (np.abs(truth) >= margin).any(),
        "differ": (np.abs(of) <= margin).all(),
        "better": upper <= 1e-9,
        "worse": upper >= -1e-9,
        "grows": slope <= 1e-9 or upper <= 1e-9,
        "falls": slope >= -1e-9,
        "no advantage": upper >= -1e-9,
        "never opens": opening < LAYERS,
        "undecided": False,
    }["differ" if says.startswith("differ") else says]


def simulate(cell: Cell, runs: int) -> dict[str, float]:
    """Return how often any verdict is wrong, how many are decided, and what difference would mostly be found."""
    dice = np.random.default_rng([ord(letter) for letter in repr(cell)])
    place = {name: i for i, name in enumerate(CLAIM_FIELDS)}
    wrong, decided, missed = [], [], []
    for run in range(runs):
        tasks = draw(dice, cell, (0, 0.5, 1)[run % 3])
        rows = list(Comparison("before", "after", True, tasks, SETTINGS).verdicts())
        each = len(rows) // len(tasks)
        said = [(row[place["claim"]], row[place["found"]], WORLDS[cell.world][i // each]) for i, row in enumerate(rows)]
        wrong.append(any(is_wrong(claim, says, np.array(truth, float)) for claim, says, truth in said))
        decided.append(np.mean([says != "undecided" for _, says, _ in said]))
        # A mean difference over the upper layers is found where it exceeds its interval, whose width it does not change.
        missed += [-float(row[place["low"]]) for row in rows if row[place["claim"]] == "upper_layers_better"]
    return {"wrong": np.mean(wrong), "decided": np.mean(decided), "found": np.quantile(missed, 0.8)}


def draw_trainings(dice: np.random.Generator, cell: Cell, together: float) -> list[TaskEffects]:
    """Draw what two recipes from one checkpoint come to, in all tasks: the second is a control training."""
    shared = [np.sqrt(together) * layered(dice, cell.seeds, 1, LAYERS) for _ in range(2)]
    found = []
    for truths in TRAININGS[cell.world]:
        both = [np.array(truth, float) for truth in truths]
        length, recipes = draw_recipes(dice, cell, 75.0, both, shared, 1 - together)
        effects = {
            on: Effects(after - before, control - before, after - control)
            for on, (before, after, control) in estimates(dice, length, recipes).items()
        }
        found.append(TaskEffects("task", NAMES, dict.fromkeys(effects, (len(length), len(length))), effects))
    return found


def is_wrong_of_trainings(verdict: str, after: float, control: float) -> bool:
    """Say whether a verdict is not so. after, control: the true effects, in points."""
    difference = after - control
    return {
        MORE: difference * after <= 1e-9,
        LESS: difference * control >= -1e-9,
        NO_MORE: abs(difference) >= SETTINGS.margin,
        UNDECIDED: False,
    }[verdict]


def simulate_trainings(cell: Cell, runs: int) -> dict[str, float]:
    """Return how often any verdict on a control training is wrong, and how many are decided."""
    dice = np.random.default_rng([ord(letter) for letter in f"trainings {cell}"])
    names, wrong, decided = Compared("before", "after", "control"), [], []
    for run in range(runs):
        tasks = draw_trainings(dice, cell, (0, 0.5, 1)[run % 3])
        found = list(TrainingComparison(names, True, tasks, SETTINGS).verdicts())
        said = []
        for i, (_, both) in enumerate(found):  # on auc of each task and measure, then on specific
            truths = TRAININGS[cell.world][i % (len(found) // 2) // 2]
            for verdict, part in zip(both, (slice(0, LOWER + 1), slice(LOWER + 1, None)), strict=True):
                said.append((verdict, *(np.mean(truth[part]) for truth in truths)))
        wrong.append(any(is_wrong_of_trainings(*each) for each in said))
        decided.append(np.mean([verdict != UNDECIDED for verdict, _, _ in said]))
    return {"wrong": np.mean(wrong), "decided": np.mean(decided)}


def simulate_all(runs: int) -> dict[Cell, dict[str, float]]:
    """Simulate every cell."""
    return _simulated(
        simulate, [Cell(*each) for each in itertools.product(WORLDS, DEVIATIONS, SEEDS, PAGES, (False, True))], runs
    )


def simulate_control_trainings(runs: int) -> str:
    """Simulate verdicts on control trainings; returns how often any of a comparison is wrong, and the share decided."""
    cells = [Cell(*each) for each in itertools.product(TRAININGS, (0, 2, 5), (3,), (24, 80), (False, True))]
    found = _simulated(simulate_trainings, cells, runs)
    fields = ["world", "seeds apart by", "seeds", "effective pages", "lengths", "any wrong (%)", "decided (%)"]
    lines = [
        [one.world, one.deviation, one.seeds, one.pages, "Zipf" if one.zipf else "even"]
        + [f"{100 * each[name]:.1f}" for name in ("wrong", "decided")]
        for one, each in found.items()
    ]
    return markdown(fields, lines, fields[1:4] + fields[5:])


def _simulated(
    function: Callable[[Cell, int], dict[str, float]], cells: list[Cell], runs: int
) -> dict[Cell, dict[str, float]]:
    with ProcessPoolExecutor() as pool:
        found = pool.map(function, cells, itertools.repeat(runs))
        return dict(zip(cells, track(found, len(cells), "simulating", "cells"), strict=True))


def table_of_wrong(found: dict[Cell, dict[str, float]]) -> str:
    """Lay out how often any verdict is wrong, in percent: of all designs together, and of the worst."""
    fields = ["world", *(f"seeds {sd} apart" for sd in DEVIATIONS)]
    lines = []
    for world in WORLDS:
        rates = [
            [each["wrong"] for one, each in found.items() if (one.world, one.deviation) == (world, sd)] for sd in DEVIATIONS
        ]
        lines.append([world, *(f"{100 * np.mean(each):.1f} ({100 * max(each):.1f})" for each in rates)])
    return markdown(fields, lines, fields[1:])


def table_of_found(found: dict[Cell, dict[str, float]]) -> str:
    """Lay out what difference is found with 80 %, in points, and the share of verdicts decided where nothing differs."""
    fields = [
        "seeds",
        "effective pages",
        *(f"found, {sd} apart" for sd in DEVIATIONS),
        *(f"decided, {sd} apart" for sd in DEVIATIONS),
    ]
    lines = []
    for seeds, pages in itertools.product(SEEDS, PAGES):
        cells = [found[Cell("nothing", sd, seeds, pages, False)] for sd in DEVIATIONS]
        shown = [*(f"{each['found']:.1f}" for each in cells), *(f"{100 * each['decided']:.0f}" for each in cells)]
        lines.append([seeds, pages, *shown])
    return markdown(fields, lines, fields)


def main() -> None:
    """Simulate, print the tables, and write them into the page where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=200, help="simulations for each cell")
    parser.add_argument("--write", action="store_true", help="write the tables into docs/reference/evidence.md")
    parser.add_argument("--trainings", action="store_true", help="simulate verdicts on control trainings, and nothing else")
    arguments = parser.parse_args()
    text = PAGE.read_text()
    if arguments.trainings:
        print(simulate_control_trainings(arguments.runs))
        return
    found = simulate_all(arguments.runs)
    for name, table in (("wrong", table_of_wrong(found)), ("found", table_of_found(found))):
        print(table)
        text = re.sub(MARKS.format(name), lambda marks, table=table: f"{marks[1]}{table}{marks[3]}", text, flags=re.DOTALL)
    if arguments.write:
        PAGE.write_text(text)


if __name__ == "__main__":
    main()
