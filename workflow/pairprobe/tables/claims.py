"""What was found of the paper's claims, laid out for reading."""

import itertools
from typing import Any

import pandas as pd

from pairprobe.evidence.claims import CLAIMS, MIN_PAGES, MIN_SEEDS, lower_of
from pairprobe.evidence.fields import CHECKPOINTS, CLAIM_FIELDS, JUDGED, RECIPE, UNDECIDED
from pairprobe.io.tsv import read_frame
from pairprobe.probing_sets import registry
from pairprobe.tables.layout import (
    count_told,
    heading,
    interval_told,
    label_of,
    markdown,
    number_told,
    paragraph,
    percent_told,
    seeds_told,
)
from pairprobe.tables.reading import causal_told
from pairprobe.tables.recipes import NO_RECIPES, Recipes, units

_NUMBERS = ("value", "interval", "layer", "pairs", "pages", "effective", "needed")
_FIELDS = ("claim", "task", "measure", "on", "in the paper", "found", *_NUMBERS)
_COMPARED = """\
Compared: {pair}, on {pages} {units} ({effective} effective) and {pairs} pairs for a task. Lower layers: 0 to {lower}; upper
layers: {upper}."""
_SCOPES = {
    RECIPE: """\
What is said of a recipe holds over its trainings ({seeds} seeds) and over pages, both taken as random; what is no recipe
is one checkpoint as it is.""",
    CHECKPOINTS: """\
What is said holds for {two} alone, over pages: another training of the same recipe may differ from them by as much.
For what holds of a recipe, train it with {least_seeds} seeds or more.""",
}
# By whether the paper states something of one of the tasks.
_PAPER = {
    True: """\
It can say whether this {model}, on these pages, behaves as Cai et al. (2020) say of theirs; not whether their numbers are
right, which are of another training and other pages.""",
    False: "Cai et al. (2020), whose claims these are, have none of these tasks: what was found is told in the same terms.",
}
_STAR = "A star: the paper says so of this task; without one the cell says what was found. "
_LIMITS = """\
{paper} On auc: about the pair and the geometry of the vectors together. On
specific (auc less that of other anchors): about the pair. A dagger: by one measure both are decided, and not alike. With
fewer than {least_pages} effective pages, or a recipe of fewer than {least_seeds} seeds (one checkpoint by itself is no
recipe), nothing is decided. Trainings
are taken to scatter evenly about their mean: where each ends in one of two ways, three agree by chance in one of four."""
_GROUPS = " Where pairs are given, in a file or a notebook ({}), pages are their groups."
_VERDICTS = """\
Verdicts{claims}, {pair}. {star}
Two that differ by no more than {margin:g} points in any layer are equal, and have no gap. All verdicts of this table
together: one or more is wrong with a probability of {error} at most (Bonferroni over {tests} tests). {seeds_told}"""
_VALUES = """\
The numbers behind the verdicts, {pair}. Value: of no difference the largest one, or where some are found the largest of
these, or where only an interval exceeds {margin:g} points that one, with its layer; of better the mean difference over
the upper layers; of a gap that opens the first layer where the difference exceeds {margin:g} points without falling
below 0 later ("never": there is none); of one that grows the slope a layer, or where there is no advantage the mean
over the upper layers. Differences are {difference}, in points. Interval: as wide as all verdicts together need.
Effective: the number of pages of one size that tell as much. Needed: how many pairs would decide with a probability of
{power}, if the differences are as estimated within a standard error. {seeds_told}"""

# In percent; nearly all words are outranked, and what rises cannot be seen.
CEILING = 99
_CEILING = """\
At the ceiling: by auc, both are at {least} % or more in every layer of {told}. There "equal" only says that neither fell,
and specific moves with swapped_auc alone, which is about other anchors. Take pairs that are harder."""

_OTHER_DEPTHS = """\
Not compared: checkpoints of different numbers of layers, since differences, tests and verdicts are layer by layer. Their
last layers: {told}. Figures draw them side by side over relative depth (layer / last layer)."""


def claims_at_a_glance(path: str, labels: dict[str, str]) -> str:
    """Return the verdicts of ``tables/claims.tsv``: a line a claim and value, a column a task; labels as below."""
    rows = _read_claims(path)
    return "\n".join([_at_a_glance(rows, labels), *map(paragraph, _too_few(rows))])


def claims_markdown(
    path: str,
    labels: dict[str, str],
    evidence: dict[str, float],
    seeds: dict[str, int],
    intervals: str | None = None,
    recipes: Recipes = NO_RECIPES,
    activations: str | None = None,
) -> str:
    """Lay ``tables/claims.tsv`` out: for each comparison what it is of, the verdicts at a glance, and their numbers.

    labels: what tables call a task or checkpoint, where it has another than its name. evidence: confidence, margin and
    power by which claims were judged. seeds: see ``layout.seeds_told``. intervals: ``tables/intervals.tsv``; where it has
    checkpoints of different numbers of layers, it is said that they are not compared. recipes: ``{recipe: its
    checkpoints}``.
    """
    read = causal_told(activations, labels, recipes) if activations else []
    pairs = _read_claims(path).groupby(["before", "after"], sort=False)
    about, parts = [], []
    for pair, rows in pairs:
        before, after = (label_of(str(name), labels) for name in pair)
        stated = bool((rows["stated"] == "yes").any())
        told: dict[str, Any] = {
            "paper": _PAPER[stated].format(model="model" if read else "encoder"),
            "claims": " on the paper's claims" * stated,
            "star": _STAR * stated,
            **_layers_told(rows, evidence),
            "difference": f"{after} less {before}",
            "margin": evidence["margin"],
            "error": percent_told(1 - evidence["confidence"]),
            "power": percent_told(evidence["power"]),
            "pair": f"{after} against {before}",
            "two": "these two checkpoints" if len(pairs) == 1 else "the two checkpoints of a comparison",
            "tests": len(rows),
            "seeds": _range(rows["seeds"]),
            "seeds_told": seeds_told(seeds, labels),
            "groups": _groups_told(rows["task"], labels),
            "units": "groups" if _given(rows["task"]) == list(rows["task"].unique()) else "pages",
            "least_seeds": MIN_SEEDS,
            "least_pages": MIN_PAGES,
            **{name: _range(rows[column]) for name, column in _COUNTS.items()},
        }
        shown = [i for i, name in enumerate(_FIELDS) if stated or name != "in the paper"]
        lines = [_line(row, labels, stated) for row in rows.sort_values("claim", kind="stable").itertuples()]
        about.append(f"{_SCOPES[rows['scope'].iloc[0]]}{{groups}} {_LIMITS}".format(**told))
        parts.append(
            [
                heading(told["pair"]),
                " ".join([_COMPARED.format(**told), *_too_few(rows)]),
                paragraph(_VERDICTS.format(**told)),
                _at_a_glance(rows, labels),
                paragraph(_VALUES.format(**told)),
                markdown([_FIELDS[i] for i in shown], [[line[i] for i in shown] for line in lines], _NUMBERS),
                *_at_the_ceiling(intervals, rows, labels, recipes),
            ]
        )
    text = _opened(parts, about, [paragraph(line) for line in read])
    text = text or ["There are no two checkpoints with pairs and layers in common to compare.\n"]
    return "\n".join([*text, *_of_other_depths(intervals, labels, recipes)])


def _opened(parts: list[list[str]], about: list[str], read: list[str]) -> list[str]:
    """Return the parts of all comparisons with what they are about: once, above them, where it is the same of several.

    read: how decoders read, said once.
    """
    once = len(parts) > 1 and len(set(about)) == 1
    text = [*([paragraph(about[0])] if once else []), *(read if len(parts) > 1 else [])]
    for (title, compared, *rest), its in zip(parts, about, strict=True):
        text += [title, paragraph(compared if once else f"{compared} {its}"), *(read if len(parts) == 1 else []), *rest]
    return text


def _too_few(rows: pd.DataFrame) -> list[str]:
    """Say that nothing can be decided, where all tasks have too few pages, or a recipe too few seeds."""
    told = []
    if (most := rows["effective_pages"].max()) < MIN_PAGES:
        told.append(f"Nothing is decided: {most:.0f} effective pages or groups at most, wanted {MIN_PAGES}.")
    if (rows["scope"] == RECIPE).all() and (seeds := rows["seeds"].max()) < MIN_SEEDS:
        told.append(f"Nothing is decided: a recipe has {seeds:.0f} seeds at most, wanted {MIN_SEEDS}.")
    return told


def _groups_told(tasks: pd.Series, labels: dict[str, str]) -> str:
    """Say what pages are of tasks whose pairs are given: their names are no module's."""
    given = [label_of(task, labels) for task in _given(tasks)]
    return _GROUPS.format(", ".join(given)) if given else ""


def _given(tasks: pd.Series) -> list[str]:
    """Return the tasks whose pairs are given: their names are no module's."""
    known = registry.names()
    return [task for task in tasks.unique() if task not in known]


def _layers_told(rows: pd.DataFrame, evidence: dict[str, float]) -> dict[str, str]:
    """Say which layers are the lower and the upper ones."""
    last, configured = int(rows["layers"].iloc[0]) - 1, evidence.get("lower_layers")
    lower = lower_of(last, None if configured is None else int(configured), "the two")
    return {"lower": str(lower), "upper": f"{lower + 1} to {last}" if last > lower + 1 else str(last)}


def _at_the_ceiling(intervals: str | None, rows: pd.DataFrame, labels: dict[str, str], recipes: Recipes) -> list[str]:
    """Name the tasks in which both have an auc so near 100 in every layer that neither can rise."""
    if intervals is None:
        return []
    found = read_frame(intervals, ["checkpoint", "task", "measure", "auc"], ["auc"], exactly=False)
    found["checkpoint"] = units(found["checkpoint"], recipes)
    found = found[found["checkpoint"].isin(rows[["before", "after"]].iloc[0]) & found["task"].isin(rows["task"])]
    least = found.groupby(["task", "measure"], sort=False)["auc"].min()
    told = [f"{label_of(task, labels)} ({measure})" for task, measure in least.index[least >= CEILING]]
    return [paragraph(_CEILING.format(least=CEILING, told=", ".join(told)))] if told else []


def _of_other_depths(intervals: str | None, labels: dict[str, str], recipes: Recipes) -> list[str]:
    """Say of which recipes and checkpoints nothing is claimed, since they have different numbers of layers."""
    if intervals is None:
        return []
    rows = read_frame(intervals, ["checkpoint", "layer"], ["layer"], exactly=False)
    rows["checkpoint"] = units(rows["checkpoint"], recipes)
    last = rows.groupby("checkpoint", sort=False)["layer"].max().astype(int)
    if last.nunique() < 2:
        return []
    told = "; ".join(
        f"{number} ({', '.join(label_of(str(name), labels) for name in last.index[last == number])})"
        for number in sorted(last.unique())
    )
    return [paragraph(_OTHER_DEPTHS.format(told=told))]


def _read_claims(path: str) -> pd.DataFrame:
    numbers = ("value", "low", "high", "layers", "pairs", "pages", "effective_pages", "seeds")
    claims = read_frame(path, CLAIM_FIELDS, numbers, may_be_empty=("low", "high"))
    return claims.assign(claim=pd.Categorical(claims["claim"], list(CLAIMS)))


_COUNTS = {"pages": "pages", "effective": "effective_pages", "pairs": "pairs"}


def _range(numbers: pd.Series) -> str:
    low, high = count_told(round(numbers.min())), count_told(round(numbers.max()))
    return low if low == high else f"{low} to {high}"


def _at_a_glance(rows: pd.DataFrame, labels: dict[str, str]) -> str:
    """A line a claim and value, a column a task; * where the paper says so itself."""
    cells = {key: _cell(some) for key, some in rows.groupby(["claim", "on", "task"], observed=True)}
    tasks, values = rows["task"].unique(), [on for on in JUDGED if (rows["on"] == on).any()]
    for (claim, task), some in rows.groupby(["claim", "task"], observed=True):
        if _decided_unlike(some):
            cells |= {key: f"{cells[key]} †" for key in itertools.product([claim], JUDGED, [task])}
    stated = bool((rows["stated"] == "yes").any())
    lines = [
        [_claim_told(claim, stated), on, *(cells.get((claim, on, task), "") for task in tasks)]
        for claim in CLAIMS
        for on in values
    ]
    first = "claim (* in the paper)" if stated else "layers"
    return markdown([first, "on", *(label_of(task, labels) for task in tasks)], lines)


def _decided_unlike(rows: pd.DataFrame) -> bool:
    """Whether a claim is decided on auc and on specific by one measure, and not alike; in which layer does not matter."""
    decided = rows[rows["found"] != UNDECIDED]
    found = decided["found"].str.replace(r" in layer \d+", "", regex=True)
    return bool((found.groupby(decided["measure"]).nunique() > 1).any())


def _cell(rows: pd.DataFrame) -> str:
    """Return the verdict, or what was found where the paper says nothing: once where all measures agree."""
    stated = rows["stated"].iloc[0] == "yes"
    said = rows["verdict" if stated else "found"]
    told = said.iloc[0] if said.nunique() == 1 else ", ".join(rows["measure"] + " " + said)
    return told + "*" * stated


def _claim_told(claim: str, stated: bool) -> str:
    """Return what a claim says, or where the paper has none of the tasks what it is about: cells say what was found."""
    return CLAIMS[claim].says if stated else CLAIMS[claim].about


def _line(row: Any, labels: dict[str, str], stated: bool) -> tuple[str, ...]:
    value, interval = number_told(row.value), interval_told(row.low, row.high)
    if row.claim == "gap_opens_late":
        numbers = (row.value, row.low, row.high)
        value, low, high = ("never" if layer >= row.layers else f"{layer:.0f}" for layer in numbers)
        interval = low if low == high else f"{low} to {high}"
    counts = (count_told(round(number)) for number in (row.pairs, row.pages, row.effective_pages))
    # A verdict in the paper's words is followed by what was found.
    found = f"{row.verdict}: {row.found}" if row.verdict and row.verdict != row.found else row.found
    return (
        *(_claim_told(row.claim, stated), label_of(row.task, labels), row.measure, row.on, row.stated, found),
        *(value, interval, row.layer, *counts, row.pairs_needed if row.found == UNDECIDED else ""),
    )
