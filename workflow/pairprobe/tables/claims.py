"""The verdicts on the paper's claims laid out for reading."""

from typing import Any

import pandas as pd

from pairprobe.evidence.claims import CLAIMS
from pairprobe.evidence.fields import CLAIM_FIELDS, UNDECIDED
from pairprobe.io.tsv import read_frame
from pairprobe.tables.layout import label_of, markdown

_NUMBERS = ("value", "interval", "layer", "pairs", "pages", "needed")
_FIELDS = ("claim", "task", "in the paper", "measure", "verdict", *_NUMBERS)
_NOTE = """\
A difference is the second checkpoint's percentage less the first's, in points. Value: the largest difference (with its
layer), the mean over the upper layers, the layer from which on the advantage exceeds the margin ("never": it does not to
the end), the slope in points a layer. Needed: how many pairs would decide, if the differences are as estimated, with the
power that the configuration asks for.
"""


def claims_markdown(path: str, labels: dict[str, str]) -> str:
    """Lay ``tables/claims.tsv`` out: for each pair of checkpoints the verdicts at a glance, and with their numbers.

    labels: what tables call a task or checkpoint, where it has another than its name.
    """
    claims = read_frame(path, CLAIM_FIELDS, ("value", "low", "high", "layers"))
    claims["claim"] = pd.Categorical(claims["claim"], list(CLAIMS))
    parts = []
    for pair, rows in claims.groupby(["before", "after"], sort=False):
        before, after = map(str, pair)
        lines = [_line(row, labels) for row in rows.sort_values("claim", kind="stable").itertuples()]
        parts += [
            f"# {label_of(str(after), labels)} against {label_of(str(before), labels)}\n",
            _at_a_glance(rows, labels),
            markdown(_FIELDS, lines, _NUMBERS),
        ]
    return "\n".join([*parts, _NOTE] if parts else ["There are no two checkpoints with pairs in common to compare.\n"])


def _at_a_glance(rows: pd.DataFrame, labels: dict[str, str]) -> str:
    """A line a claim, a column a task; * where the paper says so itself."""
    cells = {key: _verdict(some) for key, some in rows.groupby(["claim", "task"], observed=True)}
    tasks = rows["task"].unique()
    lines = [[CLAIMS[claim].says, *(cells[claim, task] for task in tasks)] for claim in CLAIMS]
    return markdown(["claim (* in the paper)", *(label_of(task, labels) for task in tasks)], lines)


def _verdict(rows: pd.DataFrame) -> str:
    """Return the verdict of a claim on a task: one where all measures agree, else each measure's."""
    same = rows["verdict"].nunique() == 1
    said = rows["verdict"].iloc[0] if same else ", ".join(rows["measure"] + " " + rows["verdict"])
    return said + ("*" if rows["stated"].iloc[0] == "yes" else "")


def _line(row: Any, labels: dict[str, str]) -> tuple[str, ...]:
    numbers = (row.value, row.low, row.high)
    if row.claim == "gap_opens_late":
        value, low, high = ("never" if layer >= row.layers else f"{layer:.0f}" for layer in numbers)
    else:
        value, low, high = (f"{number:.1f}" for number in numbers)
    needed = row.pairs_needed if row.verdict == UNDECIDED else ""
    return (
        CLAIMS[row.claim].says,
        label_of(row.task, labels),
        row.stated,
        row.measure,
        row.verdict,
        value,
        f"{low} to {high}",
        row.layer,
        row.pairs,
        row.pages,
        f"{int(needed):,}" if needed.isdigit() else needed,
    )
