"""Whether the intervals cover and the tests keep their level: simulated, where the truth is known.

    .venv/bin/python benchmarks/calibration.py                          the table
    .venv/bin/python benchmarks/calibration.py --write                  and into docs/evidence.md
    .venv/bin/python benchmarks/calibration.py --figure docs/calibration.svg    what stands there, drawn
    .venv/bin/python benchmarks/calibration.py --runs 100               quicker, and less sure

Questions of a page are alike, both checkpoints find the same questions hard, neighbouring layers agree, and paragraphs
differ in length: so are the demo's rankings, whose spread the figures below were chosen after.
"""

import argparse
import functools
import re
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from pairprobe.evidence import claims
from pairprobe.evidence.resampling import Sums, bootstrap, holm, permutation_test
from pairprobe.figures import style
from pairprobe.io.progress import track
from pairprobe.tables.layout import markdown

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "evidence.md"
MARKS = r"(<!-- calibration: begin -->\n)(.*)(<!-- calibration: end -->)"
PAGES = (10, 20, 40, 80, 160, 320)
LAYERS, FAMILIES = 7, 10  # of the demo: a family is a task and a measure
RESAMPLES, LEVEL = 1000, 0.05
# Standard deviations, in logits: of a page, of a question, of what a checkpoint makes of a question in a layer.
SPREAD_OF_PAGES, SPREAD_OF_QUESTIONS, SPREAD_OF_LAYERS = 0.4, 0.8, 0.5
NEIGHBOURS = 0.7  # the correlation of layers
QUESTIONS_OF_A_PAGE = 1.6
EFFECTS = (2, 5, 10)  # points


def draw(dice: np.random.Generator, pages: int, logits: np.ndarray) -> list[Sums]:
    """Draw what checkpoints come to on new pages; logits: of each checkpoint and layer, (checkpoints, layers)."""
    page = np.repeat(np.arange(pages), 1 + dice.poisson(QUESTIONS_OF_A_PAGE - 1, pages))
    para_len = dice.integers(40, 200, len(page))
    ease = dice.normal(0, SPREAD_OF_PAGES, pages)[page] + dice.normal(0, SPREAD_OF_QUESTIONS, len(page))
    drawn = []
    for of_layers in logits:
        noise = dice.normal(0, SPREAD_OF_LAYERS, (len(page), len(of_layers)))
        for layer in range(1, len(of_layers)):
            noise[:, layer] = NEIGHBOURS * noise[:, layer - 1] + np.sqrt(1 - NEIGHBOURS**2) * noise[:, layer]
        chance = 1 / (1 + np.exp(-(of_layers + ease[:, None] + noise)))
        count = dice.binomial(para_len[:, None] - 2, chance)
        by_page = np.stack([np.bincount(page, column, pages) for column in count.T], axis=1)
        drawn.append(Sums(by_page, np.bincount(page, para_len, pages)[:, None]))
    return drawn


def truth(logits: np.ndarray, pages: int = 100_000) -> np.ndarray:
    """Return the percentages of so many pages, (checkpoints, layers): where intervals should lie around."""
    return np.array([sums.percentage() for sums in draw(np.random.default_rng(99), pages, logits)])


@functools.cache
def logit_of(percentage: float) -> float:
    """Return the logit at which that percentage comes out."""
    low, high = -6.0, 8.0
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (middle, high) if truth(np.array([[middle]]), 20_000)[0, 0] < percentage else (low, middle)
    return low


def coverage(dice: np.random.Generator, pages: int, level: float, runs: int) -> tuple[float, float]:
    """Return how often 95 % intervals hold the truth: of a percentage, and of a difference of two that is none."""
    logits = np.full((2, LAYERS), logit_of(level))
    wanted, held = truth(logits).mean(), np.zeros(2)
    for run in range(runs):
        one, other = bootstrap(draw(dice, pages, logits), RESAMPLES, run)
        for i, (found, value) in enumerate(((one, wanted), (other - one, 0.0))):
            low, high = found.interval(1 - LEVEL).T
            held[i] += ((low <= value) & (value <= high)).mean()
    return tuple(held / runs)


def false_alarms(dice: np.random.Generator, pages: int, runs: int) -> tuple[float, float]:
    """Return how often any of all tests rejects where there is no difference: without, and with Holm's correction."""
    logits, found = np.full((2, LAYERS), logit_of(75)), np.zeros(2)
    for run in range(runs):
        p = np.concatenate(
            [permutation_test(*draw(dice, pages, logits), 2000, (run, family)) for family in range(FAMILIES)]
        )
        found += [(p <= LEVEL).any(), (holm(p) <= LEVEL).any()]
    return tuple(found / runs)


def wrong_verdicts(dice: np.random.Generator, pages: int, runs: int) -> tuple[float, float]:
    """Return how often two that differ by the margin are called equal, and two alike are said to have a gap."""
    bounds = claims.Bounds(lower=2, margin=5.0, confidence=1 - LEVEL, power=0.8)
    alike = np.full((2, LAYERS), logit_of(75))
    apart = alike.copy()
    apart[1, 1] = logit_of(80)
    found = np.zeros(2)
    for run in range(runs):
        for i, (logits, claim, wrong) in enumerate(
            (
                (apart, "lower_layers_equal", (claims.SUPPORTED,)),
                (alike, "upper_layers_better", ("supported", "contradicted")),
            )
        ):
            one, other = bootstrap(draw(dice, pages, logits), RESAMPLES, run)
            found[i] += claims.verdict(claim, other - one, bounds).verdict in wrong
    return tuple(found / runs)


def power(dice: np.random.Generator, pages: int, effect: float, runs: int) -> float:
    """Return how often a difference of so many points in one layer of many is found, corrected."""
    logits = np.full((2, LAYERS), logit_of(75))
    alike, found = logits.copy(), 0
    logits[1, -1] = logit_of(75 + effect)
    for run in range(runs):
        p = [permutation_test(*draw(dice, pages, logits), 2000, run)]
        p += [permutation_test(*draw(dice, pages, alike), 2000, (run, family)) for family in range(1, FAMILIES)]
        found += holm(np.concatenate(p))[LAYERS - 1] <= LEVEL
    return found / runs


def simulate(runs: int) -> list[dict]:
    """Simulate everything, for each number of pages."""
    rows = []
    for pages in track(PAGES, len(PAGES), "simulating", "sizes"):
        dice = np.random.default_rng(pages)
        row = {"pages": pages, "questions": round(pages * QUESTIONS_OF_A_PAGE)}
        for level in (50, 75, 95):
            row[f"coverage at {level} %"], difference = coverage(dice, pages, level, runs)
            if level == 75:
                row["coverage, difference"] = difference
        row["any of 70, uncorrected"], row["any of 70, Holm"] = false_alarms(dice, pages, max(1, runs // 2))
        row["equal, wrongly"], row["a gap, wrongly"] = wrong_verdicts(dice, pages, runs)
        for effect in EFFECTS:
            row[f"{effect} points found"] = power(dice, pages, effect, max(1, runs // 5))
        rows.append(row)
    return rows


def table(rows: list[dict]) -> str:
    fields, numbers = list(rows[0]), ("pages", "questions")
    lines = ([str(row[key]) if key in numbers else f"{100 * row[key]:.1f}" for key in fields] for row in rows)
    # Turned on its side: sizes are the columns.
    turned = list(zip(fields, *lines, strict=True))
    return markdown(turned[0], turned[1:], turned[0][1:])


def read(page: str) -> dict[str, list[float]]:
    """Read the table of the page back: each line's numbers, by its name."""
    lines = re.search(MARKS, page, re.DOTALL)[2].splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {name: [float(number) for number in numbers] for name, *numbers in (cells[0], *cells[2:])}


def figure(found: dict[str, list[float]], path: str) -> None:
    """Draw coverage, false alarms and power by the number of questions."""
    panels = {
        "Coverage of 95 % intervals (%)": ([key for key in found if key.startswith("coverage")], 95, (84, 100)),
        "False alarms (%)": (["any of 70, Holm", "equal, wrongly", "a gap, wrongly"], 5, (0, 20)),
        "Differences found (%)": ([key for key in found if key.endswith("found")], 80, (0, 100)),
    }
    with plt.rc_context(style.STYLE):
        drawn, grid = plt.subplots(1, len(panels), figsize=(7.0, 3.0), layout="constrained")
        for axes, (title, (keys, wanted, limits)) in zip(grid, panels.items(), strict=True):
            for key in keys:
                axes.plot(
                    found["questions"], found[key], **style.Appearance(among=keys).line(key), label=key, clip_on=False
                )
            axes.axhline(wanted, color="#777777", linewidth=0.9, linestyle=":")
            axes.set(xscale="log", xlabel="Questions", ylim=limits)
            axes.set_xticks(found["questions"], [f"{number:.0f}" for number in found["questions"]])
            axes.minorticks_off()
            axes.set_title(title)
            style.grid_lines(axes)
        style.legends_below(drawn, [(axes, axes.get_lines()[:-1]) for axes in grid], 2.2)
        style.save(drawn, [path])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=500, help="simulated data sets of each size")
    parser.add_argument("--figure", help=f"draw what stands in {PAGE.relative_to(ROOT)}, and simulate nothing")
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE.relative_to(ROOT)}")
    given = parser.parse_args()
    if given.figure:
        figure(read(PAGE.read_text()), given.figure)
        return
    found = table(simulate(given.runs))
    print(found)
    if given.write:
        PAGE.write_text(re.sub(MARKS, lambda mark: mark[1] + found + mark[3], PAGE.read_text(), flags=re.DOTALL))


if __name__ == "__main__":
    main()
