"""What training to answer questions does beside control trainings, laid out for reading."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from pairprobe.evidence.claims import MIN_PAGES, MIN_SEEDS, enough
from pairprobe.evidence.fields import (
    CONTROL_TRAINING_FIELDS,
    JUDGED,
    LESS,
    LOWER_LAYERS,
    MORE,
    NO_MORE,
    RECIPE,
    UPPER_LAYERS,
)
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

_TEXTS = ("value", "before", "after", "control", "task", "measure", "layer", "scope", "verdict")
_COUNTS = ("pairs", "seeds", "pages", "effective_pages")
_NUMBERS = ("effect", "of the control", "difference", "interval", "p")
_GLANCE = """\
What {after} does to {before}, beside what the control training {control} does. An effect is what a task's percentages have
after training less before it, in points, the mean over the lower or the upper layers. {more}: training has an effect, and
it goes further than the control's in its direction. {no_more}: the two effects differ by less than {margin:g} points.
{less}: the control's effect goes further in its direction. All verdicts on these two trainings together are
wrong with a probability of {error} at most; all else is undecided, which is not the same as nothing. On fewer than
{pages} effective pages, or where one of the two has several seeds and one of them fewer than {seeds}, nothing is
decided."""
_VALUES = """\
The means over lower and upper layers, in points. Interval: of the difference, {confidence}, by itself; p: corrected for
all verdicts of {after} and {control}; pages: effective ones. {seeds_told}"""


def read_control_trainings(path: str) -> pd.DataFrame:
    """Read ``tables/control_trainings.tsv``; empty cells are NaN, and "" in the column verdict."""
    numbers = [name for name in CONTROL_TRAINING_FIELDS if name not in _TEXTS]
    empty = [name for name in numbers if name not in _COUNTS]
    return read_frame(path, CONTROL_TRAINING_FIELDS, numbers, may_be_empty=empty)


def decided(rows: pd.DataFrame, level: float) -> "pd.Series[bool]":
    """Return in which rows a test finds a difference: by p, on enough pages, and of a recipe on enough seeds."""
    return (rows["p_adjusted"] <= level) & enough(rows["effective_pages"], rows["seeds"], rows["scope"] == RECIPE)


def control_trainings_table(
    path: str,
    labels: dict[str, str],
    evidence: Mapping[str, Any],
    seeds: Mapping[str, int | str],
    recipes: Recipes = NO_RECIPES,
) -> str:
    """Lay ``tables/control_trainings.tsv`` out in Markdown: the verdicts on each two trainings, and their numbers.

    labels: what tables call a task or checkpoint, where it has another than its name. evidence: the section of the
    configuration. seeds: see ``layout.seeds_told``.
    """
    rows = read_control_trainings(path)
    rows = rows[rows["layer"].isin([LOWER_LAYERS, UPPER_LAYERS])]
    parts = []
    for (before, after, control), some in rows.groupby(["before", "after", "control"], sort=False):
        told: dict[str, Any] = {
            "before": label_of(str(before), labels),
            "after": label_with_seeds(str(after), labels, recipes),
            "control": label_with_seeds(str(control), labels, recipes),
            **{"more": MORE.capitalize(), "no_more": NO_MORE.capitalize(), "less": LESS.capitalize()},
            **{
                "margin": evidence["margin"],
                "error": percent_told(1 - evidence["confidence"]),
                "confidence": percent_told(evidence["confidence"]),
            },
            **{"pages": MIN_PAGES, "seeds": MIN_SEEDS},
            "seeds_told": seeds_told({name: seed for name, seed in seeds.items() if name in (after, control)}, labels),
        }
        parts += [
            heading("{after} beside {control}".format(**told)),
            paragraph(_GLANCE.format(**told)),
            _at_a_glance(some, labels),
            paragraph(_VALUES.format(**told)),
            _numbers(some, labels),
        ]
    return "\n".join(parts or ["There is no pair that all of these checkpoints have ranked.\n"])


def _at_a_glance(rows: pd.DataFrame, labels: dict[str, str]) -> str:
    """A line for each task and measure, a column for the lower and upper layers, on auc and on specific."""
    columns = [(layers, on) for layers in (LOWER_LAYERS, UPPER_LAYERS) for on in JUDGED]
    cells = {
        key: " ".join(some["verdict"]) for key, some in rows.groupby(["task", "measure", "layer", "value"], sort=False)
    }
    names = rows[["task", "measure"]].drop_duplicates().itertuples(index=False)
    lines = [
        [label_of(task, labels), measure, *(cells.get((task, measure, *each), "") for each in columns)]
        for task, measure in names
    ]
    return markdown(["task", "measure", *(f"{layers}, {on}" for layers, on in columns)], lines)


def _numbers(rows: pd.DataFrame, labels: dict[str, str]) -> str:
    lines = [_line(row, labels) for row in rows.itertuples()]
    return markdown(["task", "measure", "on", "layers", *_NUMBERS, "pages", "verdict"], lines, (*_NUMBERS, "pages"))


def _line(row: Any, labels: dict[str, str]) -> tuple[str, ...]:
    return (
        *(label_of(row.task, labels), row.measure, row.value, row.layer),
        *map(number_told, (row.effect, row.control_effect, row.difference)),
        interval_told(row.difference_low, row.difference_high),
        p_told(row.p_adjusted),
        count_told(round(row.effective_pages)),
        row.verdict,
    )
