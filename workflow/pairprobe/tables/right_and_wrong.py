"""What was found of pairs of right and of wrong answers, laid out for reading."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from pairprobe.evidence.claims import MIN_PAGES, MIN_SEEDS, enough
from pairprobe.evidence.fields import CORRELATION, RIGHT_AND_WRONG_FIELDS, UNDECIDED
from pairprobe.io.tsv import read_frame
from pairprobe.tables.layout import (
    count_told,
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

_TEXTS = ("ranked_by", "answered_by", "task", "measure", "value")
_COUNTS = ("layer", "pairs_right", "pairs_wrong", "pages", "effective_pages", "seeds")
_SHOWN = {"auc": "auc", "specific": "specific", CORRELATION: "correlation with F1"}
_NUMBERS = ("right", "wrong", "pages", "layer", "of right", "of wrong", "difference", "interval", "p")
_FIELDS = ("task", "measure", "on", "rankings of", *_NUMBERS, "found")
_GLANCE = """\
Where pairs rank otherwise, by the answers of {name}. On auc and on specific: the pairs of questions that are answered
right (exact match) less those of questions that are answered wrong, in points. On the correlation with F1: of a
pair's own auc with its question's F1 (Spearman's; positive: the better the answer, the higher the pair ranks). Higher,
lower: in which layers a test finds it; p is {level:.3g} at most, corrected over all tasks, measures and layers of a line
(Bonferroni). All else is undecided: it may be nothing, or too small for so few pages or seeds. Nothing is decided on fewer
than {pages} effective pages (of the smaller group), or of a recipe of fewer than {seeds} seeds."""
_MEANT = """\
It is about pairs and answers that go together, not about causes: a page, or a question, that is hard may make both worse.
What the rankings of {before} show by the same answers was there before training."""
_VALUES = """\
The layer with the smallest p of each task, measure and value, by the answers of {name}. Right, wrong: pairs of right and of
wrong answers, the mean over seeds; pages: effective ones. Difference: right less wrong in points, or the correlation, with
its {confidence} interval by itself; p: corrected. {seeds_told}"""


def read_right_and_wrong(path: str) -> pd.DataFrame:
    """Read ``tables/right_and_wrong.tsv``; empty cells are NaN."""
    numbers = [name for name in RIGHT_AND_WRONG_FIELDS if name not in _TEXTS]
    empty = [name for name in numbers if name not in _COUNTS]
    return read_frame(path, RIGHT_AND_WRONG_FIELDS, numbers, may_be_empty=empty)


def decided(rows: pd.DataFrame, recipes: Recipes, level: float) -> "pd.Series[bool]":
    """Return of which rows a test finds a difference: by p, on enough pages, and of a recipe on enough seeds."""
    of_recipe = rows["answered_by"].isin(list(recipes))
    return (rows["p_adjusted"] <= level) & enough(rows["effective_pages"], rows["seeds"], of_recipe)


def right_and_wrong_table(
    path: str,
    labels: dict[str, str],
    confidence: float,
    seeds: Mapping[str, int | str],
    recipes: Recipes = NO_RECIPES,
) -> str:
    """Lay ``tables/right_and_wrong.tsv`` out in Markdown: for each unit that answers what was found, and its numbers.

    labels: what tables call a task or checkpoint, where it has another than its name. seeds: see ``layout.seeds_told``.
    recipes: ``{recipe: its checkpoints}``; these checkpoints by themselves are left out.
    """
    rows = read_right_and_wrong(path)
    rows["found"] = decided(rows, recipes, 1 - confidence)
    of_seeds = {one for several in recipes.values() for one in several}
    rows = rows[~rows["answered_by"].isin(of_seeds) & rows["value"].isin(list(_SHOWN))]
    parts = []
    for unit, of_unit in rows.groupby("answered_by", sort=False):
        before = [name for name in of_unit["ranked_by"].unique() if name != unit]
        told: dict[str, Any] = {
            "name": label_with_seeds(str(unit), labels, recipes),
            "level": 1 - confidence,
            "confidence": percent_told(confidence),
            "pages": MIN_PAGES,
            "seeds": MIN_SEEDS,
            "seeds_told": seeds_told({name: seed for name, seed in seeds.items() if name == unit}, labels),
            "before": "".join(label_of(name, labels) for name in before),
        }
        parts += [
            heading(told["name"]),
            *([paragraph(_MEANT.format(**told))] if before else []),
            paragraph(_GLANCE.format(**told)),
            _at_a_glance(of_unit, labels),
            paragraph(_in_words(of_unit, labels)),
            paragraph(_VALUES.format(**told)),
            _numbers(of_unit, labels),
        ]
    return "\n".join(parts or ["There is no pair of a question that has a short answer.\n"])


def _at_a_glance(rows: pd.DataFrame, labels: dict[str, str]) -> str:
    """A line for the rankings of each and a value, a column a task."""
    tasks = rows["task"].unique()
    cells = {key: _said(some) for key, some in rows.groupby(["ranked_by", "value", "task"], sort=False)}
    lines = [
        [label_of(ranks, labels), said, *(cells.get((ranks, value, task), "") for task in tasks)]
        for ranks in rows["ranked_by"].unique()
        for value, said in _SHOWN.items()
    ]
    return markdown(["rankings of", "on", *(label_of(task, labels) for task in tasks)], lines)


def _in_words(rows: pd.DataFrame, labels: dict[str, str]) -> str:
    """Say what is found, and of which tasks nothing."""
    found = rows[rows["found"]]
    said = []
    for (task, value, ranks), some in found.groupby(["task", "value", "ranked_by"], sort=False):
        what = "where F1 is higher, a pair ranks" if value == CORRELATION else f"of pairs of right answers {value} is"
        name, of = label_of(str(task), labels), label_of(str(ranks), labels)
        said.append(f"{name}: {what} {_said(some)} (rankings of {of})")
    nothing = [label_of(task, labels) for task in rows["task"].unique() if task not in {*found["task"]}]
    told = f"Found: {'; '.join(said)}." if said else "Nothing is found."
    return f"{told} Undecided in all layers: {', '.join(nothing)}." if said and nothing else told


def _said(rows: pd.DataFrame) -> str:
    """Say in which layers a test finds a difference, by measure; once where the measures agree."""
    if not rows["difference"].notna().any():
        return "none right" if not rows["pairs_right"].any() else "none wrong" if not rows["pairs_wrong"].any() else "none"
    if (rows["effective_pages"] < MIN_PAGES).all():
        pages = int(rows["effective_pages"].max())
        return f"{UNDECIDED}: {pages} page{'s' * (pages != 1)}"
    found = {str(measure): _layers_of(some[some["found"]]) for measure, some in rows.groupby("measure", sort=False)}
    if len(set(found.values())) == 1:
        return next(iter(found.values())) or UNDECIDED
    return "; ".join(f"{said} ({measure})" for measure, said in found.items() if said)


def _layers_of(found: pd.DataFrame) -> str:
    """Return such as "higher in layers 2 and 3, lower in layer 6"; "" for nothing."""
    ends = {"higher": found["difference"] > 0, "lower": found["difference"] < 0}
    layers = {end: found.loc[those, "layer"].astype(int).astype(str).tolist() for end, those in ends.items()}
    return ", ".join(
        f"{end} in layer{'s' * (len(some) > 1)} {' and '.join(filter(None, [', '.join(some[:-1]), some[-1]]))}"
        for end, some in layers.items()
        if some
    )


def _numbers(rows: pd.DataFrame, labels: dict[str, str]) -> str:
    keys = ["task", "measure", "value", "ranked_by"]
    places = {key: rows[key].map({name: i for i, name in enumerate(rows[key].unique())}) for key in keys}
    places["value"] = rows["value"].map({name: i for i, name in enumerate(_SHOWN)})
    ordered = rows.assign(**{f"place_{key}": place for key, place in places.items()})
    first = ordered.sort_values(["p_adjusted", "p"], kind="stable").groupby(keys, sort=False).head(1)
    lines = [_line(row, labels) for row in first.sort_values([f"place_{key}" for key in keys]).itertuples()]
    return markdown(_FIELDS, lines, _NUMBERS)


def _line(row: Any, labels: dict[str, str]) -> tuple[str, ...]:
    decimals = 2 if row.value == CORRELATION else 1

    difference = number_told(row.difference, decimals)
    found = ("higher" if row.difference > 0 else "lower") if row.found else UNDECIDED if difference else "none"
    counts = map(count_told, (row.pairs_right, row.pairs_wrong, int(row.effective_pages)))
    return (
        *(label_of(row.task, labels), row.measure, _SHOWN[row.value], label_of(row.ranked_by, labels), *counts),
        *(str(row.layer) if difference else "", number_told(row.right), number_told(row.wrong), difference),
        *(interval_told(row.low, row.high, decimals), p_told(row.p_adjusted)),
        found,
    )
