"""What was found of the paper's claims, laid out for reading."""

import itertools
from typing import Any

import pandas as pd

from pairprobe.evidence.claims import CLAIMS, MIN_PAGES, MIN_SEEDS
from pairprobe.evidence.fields import CHECKPOINTS, CLAIM_FIELDS, JUDGED, RECIPE, UNDECIDED
from pairprobe.io.tsv import read_frame
from pairprobe.tables.layout import label_of, markdown, paragraph, seeds_told

_NUMBERS = ("value", "interval", "layer", "pairs", "pages", "effective", "needed")
_FIELDS = ("claim", "task", "measure", "on", "in the paper", "found", *_NUMBERS)
_SCOPES = {
    RECIPE: """\
{pair}, on {pages} pages ({effective} effective) and {pairs} pairs for a task. What is said of a recipe
holds over its trainings ({seeds} seeds) and over pages, both taken as random; what is no recipe is one checkpoint as it
is.""",
    CHECKPOINTS: """\
{pair}, on {pages} pages ({effective} effective) and {pairs} pairs for a task. What is said holds for these two
checkpoints alone, over pages: another training of the same recipe may differ from them by as much. For what holds of a
recipe, train it with {least_seeds} seeds or more.""",
}
_LIMITS = """\
It can say whether this encoder, on these pages, behaves as Cai et al. (2020) say of theirs; not whether their numbers are
right, which are of another training and other pages. On auc: about the pair and the geometry of the vectors together. On
specific (auc less that of other anchors): about the pair. A dagger: both are decided, and not alike. With
fewer than {least_pages} effective pages, or a recipe of fewer than {least_seeds} seeds, nothing is decided. Trainings
are taken to scatter evenly about their mean: where each ends in one of two ways, three agree by chance in one of four."""
_VERDICTS = """\
Verdicts on the paper's claims, {pair}. A star: the paper says so of this task; without one the cell says what was found.
Two that differ by no more than {margin:g} points in any layer are equal, and have no gap. All verdicts of this table
together: one or more is wrong with a probability of {error:.3g} % at most (Bonferroni over {tests} tests). {seeds_told}"""
_VALUES = """\
The numbers behind the verdicts, {pair}. Value: of no difference the largest one, with its layer; of better the mean
difference over the upper layers; of a gap that opens the first layer where the difference exceeds {margin:g} points
without falling below 0 later ("never": there is none); of one that grows the slope a layer, beside which the mean must
be above 0. Differences are the second less the first, in points. Interval: as wide as all verdicts together need.
Effective: the number of pages of one size that tell as much. Needed: how many pairs would decide with a probability of
{power:.3g} %, if the differences are as estimated within a standard error. {seeds_told}"""


def claims_markdown(path: str, labels: dict[str, str], evidence: dict[str, float], seeds: dict[str, int]) -> str:
    """Lay ``tables/claims.tsv`` out: for each comparison what it is of, the verdicts at a glance, and their numbers.

    labels: what tables call a task or checkpoint, where it has another than its name. evidence: confidence, margin and
    power by which claims were judged. seeds: see ``layout.seeds_told``.
    """
    numbers = ("value", "low", "high", "layers", "pairs", "pages", "effective_pages", "seeds")
    claims = read_frame(path, CLAIM_FIELDS, numbers, may_be_empty=("low", "high"))
    claims["claim"] = pd.Categorical(claims["claim"], list(CLAIMS))
    parts = []
    for pair, rows in claims.groupby(["before", "after"], sort=False):
        told: dict[str, Any] = {
            "margin": evidence["margin"],
            "error": 100 * (1 - evidence["confidence"]),
            "power": 100 * evidence["power"],
            "pair": " against ".join(label_of(str(name), labels) for name in pair[::-1]),
            "tests": len(rows),
            "seeds": _range(rows["seeds"]),
            "seeds_told": seeds_told(seeds, labels),
            "least_seeds": MIN_SEEDS,
            "least_pages": MIN_PAGES,
            **{name: _range(rows[column]) for name, column in _COUNTS.items()},
        }
        lines = [_line(row, labels) for row in rows.sort_values("claim", kind="stable").itertuples()]
        opening = f"Compared: {_SCOPES[rows['scope'].iloc[0]]} {_LIMITS}"
        parts += [
            f"# {paragraph(told['pair'])}",
            paragraph(opening.format(**told)),
            paragraph(_VERDICTS.format(**told)),
            _at_a_glance(rows, labels),
            paragraph(_VALUES.format(**told)),
            markdown(_FIELDS, lines, _NUMBERS),
        ]
    return "\n".join(parts if parts else ["There are no two checkpoints with pairs and layers in common to compare.\n"])


_COUNTS = {"pages": "pages", "effective": "effective_pages", "pairs": "pairs"}


def _range(numbers: pd.Series) -> str:
    low, high = f"{numbers.min():.0f}", f"{numbers.max():.0f}"
    return low if low == high else f"{low} to {high}"


def _at_a_glance(rows: pd.DataFrame, labels: dict[str, str]) -> str:
    """A line a claim and value, a column a task; * where the paper says so itself."""
    cells = {key: _cell(some) for key, some in rows.groupby(["claim", "on", "task"], observed=True)}
    tasks, values = rows["task"].unique(), [on for on in JUDGED if (rows["on"] == on).any()]
    for claim, task in itertools.product(CLAIMS, tasks):
        both = [cells.get((claim, on, task), UNDECIDED) for on in JUDGED]
        if not any(UNDECIDED in cell for cell in both) and both[0] != both[1]:
            cells |= {(claim, on, task): f"{cell} †" for on, cell in zip(JUDGED, both, strict=True)}
    lines = [
        [CLAIMS[claim].says, on, *(cells.get((claim, on, task), "") for task in tasks)] for claim in CLAIMS for on in values
    ]
    return markdown(["claim (* in the paper)", "on", *(label_of(task, labels) for task in tasks)], lines)


def _cell(rows: pd.DataFrame) -> str:
    """Return the verdict, or what was found where the paper says nothing: once where all measures agree."""
    stated = rows["stated"].iloc[0] == "yes"
    said = rows["verdict" if stated else "found"]
    told = said.iloc[0] if said.nunique() == 1 else ", ".join(rows["measure"] + " " + said)
    return told + "*" * stated


def _line(row: Any, labels: dict[str, str]) -> tuple[str, ...]:
    numbers = (row.value, row.low, row.high)
    if row.claim == "gap_opens_late":
        value, low, high = ("never" if layer >= row.layers else f"{layer:.0f}" for layer in numbers)
    else:
        value, low, high = ("" if pd.isna(number) else f"{number:z.1f}" for number in numbers)
    # A verdict in the paper's words is followed by what was found.
    found = f"{row.verdict}: {row.found}" if row.verdict and row.verdict != row.found else row.found
    return (
        *(CLAIMS[row.claim].says, label_of(row.task, labels), row.measure, row.on, row.stated, found),
        *(value, low if low == high else f"{low} to {high}", row.layer, f"{row.pairs:.0f}", f"{row.pages:.0f}"),
        *(f"{row.effective_pages:.0f}", row.pairs_needed if row.found == UNDECIDED else ""),
    )
