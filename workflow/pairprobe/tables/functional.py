"""What is lost by interventions, laid out for reading."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from pairprobe.evidence.claims import MIN_PAGES, MIN_SEEDS, enough, lower_of
from pairprobe.evidence.fields import EXACT_MATCH, F1, LONG_F1, SHORT_F1
from pairprobe.interventions.names import FUNCTIONAL_FIELDS, IN_WORDS, INTACT, LOWER, UPPER
from pairprobe.io.tsv import read_frame
from pairprobe.tables.layout import (
    heading,
    interval_told,
    label_of,
    markdown,
    number_told,
    p_told,
    paragraph,
    percent_told,
    seeds_told,
)
from pairprobe.tables.recipes import NO_RECIPES, Recipes, label_with_seeds

METRICS = {EXACT_MATCH: "exact match", F1: "F1", LONG_F1: "long F1", SHORT_F1: "short F1"}
_TEXTS = ("checkpoint", "before", "intervention", "metric")
_CAPTION = """\
Scores of {name} in percent, by layer k, with layers of {before}. As it is: exact match and F1 of its answers, and F1
of long and short answers by Natural Questions' metric, at the threshold with the best F1, where the data has them.
Embeddings go with layer 1, and are layer 0 where one layer alone is replaced; the final norm goes with the last layer.
No layer up to 0, and none above the last, is {name} as it is. A star: a test finds a loss or gain; p is {level:.3g} at
most, corrected over all interventions and layers of a metric (Bonferroni). Nothing is found on fewer than {pages}
effective pages, or of a recipe of fewer than {seeds} seeds. {seeds_told}"""
_LOST = """\
What {name} loses of its F1 by each intervention, in points (negative: it gains), paired by {paired}, with its
{confidence} interval by itself, over pages{and_seeds}; p: corrected."""
# After sentences on what is lost. Each has two one-sided tests at a half of the level, so both together keep it.
_JUDGED = """\
In brackets: {confidence} intervals, each by itself. The test of a loss or gain is that of the stars below; "within
{margin:g} points" says that the interval is (two one-sided tests; evidence.margin)."""
_EXITS = """\
Scores of {name} in percent, by new heads on each of its layers k, its encoder as it is. As it is: by its own
heads."""


def read_functional(path: str) -> pd.DataFrame:
    """Read ``tables/functional.tsv``; empty cells of numbers are NaN."""
    numbers = [name for name in FUNCTIONAL_FIELDS if name not in _TEXTS]
    empty = [name for name in numbers if name not in ("questions", "seeds", "pages", "effective_pages", "value")]
    return read_frame(path, FUNCTIONAL_FIELDS, numbers, may_be_empty=[*empty, "before"])


def found(rows: pd.DataFrame, recipes: Recipes, level: float) -> "pd.Series[bool]":
    """Return of which rows a test finds that something is lost or gained: by p, on enough pages and seeds."""
    return (rows["p_adjusted"] <= level) & _enough(rows, recipes)


def little(rows: pd.DataFrame, recipes: Recipes, margin: float) -> "pd.Series[bool]":
    """Return of which rows tests find that no more than ``margin`` points are lost or gained, on enough pages and seeds.

    Two one-sided tests (Schuirmann 1987), each at a half of the level of the interval.
    """
    return (rows["lost_low"] > -margin) & (rows["lost_high"] < margin) & _enough(rows, recipes)


def _enough(rows: pd.DataFrame, recipes: Recipes) -> "pd.Series[bool]":
    several: pd.Series[bool] = enough(rows["effective_pages"], rows["seeds"], rows["checkpoint"].isin(list(recipes)))
    return several


def functional_table(
    path: str,
    labels: dict[str, str],
    evidence: Mapping[str, Any],
    seeds: Mapping[str, int | str],
    recipes: Recipes = NO_RECIPES,
) -> str:
    """Lay ``tables/functional.tsv`` out in Markdown: for each recipe and checkpoint what is lost, in words and numbers.

    labels: what tables call a checkpoint, where it has another than its name. evidence: the configuration's section. seeds:
    see ``layout.seeds_told``. recipes: ``{recipe: its checkpoints}``; these by themselves are left out. Raises InputError
    where ``evidence.lower_layers`` leaves no upper layer.
    """
    rows = read_functional(path)
    confidence = evidence["confidence"]
    rows["found"] = found(rows, recipes, 1 - confidence)
    rows["little"] = little(rows, recipes, evidence["margin"])
    of_seeds = {one for several in recipes.values() for one in several}
    parts = []
    for unit, some in rows[~rows["checkpoint"].isin(of_seeds)].groupby("checkpoint", sort=False):
        if (some["intervention"] == INTACT).all():
            continue
        told: dict[str, Any] = {
            "name": label_with_seeds(str(unit), labels, recipes),
            "before": label_of(some["before"].iloc[0], labels) if some["before"].iloc[0] else "",
            "level": 1 - confidence,
            "confidence": percent_told(confidence),
            "margin": evidence["margin"],
            "pages": MIN_PAGES,
            "seeds": MIN_SEEDS,
            "seeds_told": seeds_told({name: seed for name, seed in seeds.items() if name == unit}, labels),
            "of_recipe": unit in recipes,
            "and_seeds": " and seeds" if unit in recipes else "",
            "paired": "page and seed" if unit in recipes else "page",
        }
        parts += [heading(told["name"]), *_parts(some, told, evidence["lower_layers"])]
    return "\n".join(parts or ["There is no recipe or checkpoint that has answered with an intervention.\n"])


def _parts(rows: pd.DataFrame, told: dict[str, Any], lower_layers: int | None) -> list[str]:
    if not told["before"]:
        return [paragraph(_EXITS.format(**told)), _by_layer(rows, told)]
    last = int(rows["layer"].max())
    lower = lower_of(last, lower_layers, told["name"])
    said = [*filter(None, (_sentence(rows, told, intervention, lower, last) for intervention in (LOWER, UPPER)))]
    lost = rows[(rows["metric"] == F1) & rows["p"].notna()]
    parts = [paragraph(" ".join([*said, _JUDGED.format(**told)]))] if said else []
    parts += [paragraph(_CAPTION.format(**told)), _by_layer(rows, told)]
    return [*parts, paragraph(_LOST.format(**told)), _losses(lost, told)] if len(lost) else parts


def _sentence(rows: pd.DataFrame, told: dict[str, Any], intervention: str, lower: int, last: int) -> str:
    """Say what is lost by a graft at the last lower layer."""
    of_f1 = rows[rows["metric"] == F1]
    some = of_f1[(of_f1["intervention"] == intervention) & (of_f1["layer"] == lower)]
    if not len(some) or not 0 < lower < last:
        return ""
    row: Any = next(some.itertuples())
    intact = of_f1[of_f1["intervention"] == INTACT]["value"].iloc[0]
    whence = f"the embeddings and layers 1 to {lower}" if intervention == LOWER else f"layers {lower + 1} to {last}"
    ends, said = (row.lost_low, row.lost_high), "lost"
    if row.lost < 0:
        ends, said = (-row.lost_high, -row.lost_low), "gained"
    interval = f" ({interval_told(*ends)})" if interval_told(*ends) else ""
    changed = f"{number_told(abs(row.lost))} points are {said}{interval}, {_verdict(row, told)}"
    return (
        f"With {whence} from {told['before']}, F1 is {number_told(row.value)} in place of {number_told(intact)}: {changed}."
    )


def _verdict(row: Any, told: dict[str, Any]) -> str:
    """Say what the tests find of what is lost."""
    within = f"within {told['margin']:g} points"
    if row.found:
        return f"which the test finds, {within}" if row.little else "which the test finds"
    if row.little:
        return f"little or nothing: {within}"
    few = [f"{int(row.effective_pages)} of {MIN_PAGES} effective pages"] if row.effective_pages < MIN_PAGES else []
    few += [f"{row.seeds:.0f} of {MIN_SEEDS} seeds"] if told["of_recipe"] and row.seeds < MIN_SEEDS else []
    return f"which is undecided: {' and '.join(few) or 'it may be nothing'}"


def _by_layer(rows: pd.DataFrame, told: dict[str, Any]) -> str:
    """A line for each metric and intervention, a column for each layer."""
    layers = sorted(rows["layer"].dropna().astype(int).unique())
    lines = []
    for metric, of_metric in rows.groupby("metric", sort=False):
        intact = of_metric[of_metric["intervention"] == INTACT]["value"].iloc[0]
        for intervention, some in of_metric[of_metric["intervention"] != INTACT].groupby("intervention", sort=False):
            cells = dict(map(_cell, some.itertuples()))
            said = IN_WORDS[str(intervention)].format(**told)
            lines.append((METRICS[str(metric)], said, number_told(intact), *(cells.get(layer, "") for layer in layers)))
    numbers = ["as it is", *map(str, layers)]
    return markdown(["metric", "intervention", *numbers], lines, numbers=numbers)


def _cell(row: Any) -> tuple[int, str]:
    return int(row.layer), number_told(row.value) + "*" * bool(row.found)


def _losses(rows: pd.DataFrame, told: dict[str, Any]) -> str:
    def line(row: Any) -> tuple[str, ...]:
        numbers = f"{row.layer:.0f}", number_told(row.value), number_told(row.lost)
        interval = interval_told(row.lost_low, row.lost_high)
        return IN_WORDS[row.intervention].format(**told), *numbers, interval, p_told(row.p_adjusted)

    fields = ("intervention", "k", "F1", "lost", "interval", "p")
    return markdown(fields, map(line, rows.itertuples()), numbers=fields[1:])
