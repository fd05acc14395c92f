"""The verdicts on the paper's claims laid out for reading."""

from typing import Any

import pandas as pd

from pairprobe.evidence.claims import CLAIMS
from pairprobe.evidence.fields import CLAIM_FIELDS, UNDECIDED
from pairprobe.io.tsv import read_frame
from pairprobe.tables.layout import label_of, markdown, paragraph, seeds_told

# A number of pairs that nobody finds.
MOST_PAIRS = 100_000
_NUMBERS = ("value", "interval", "layer", "pairs", "pages", "needed")
_FIELDS = ("claim", "task", "measure", "in the paper", "verdict", *_NUMBERS)
_VERDICTS = """\
Verdicts on the claims of Cai et al. (2020), {pair}, for each task; where the measures differ, of each measure. A
star: the paper says so itself. Two that differ by no more than {margin:g} points are equal. By itself each verdict is
wrong with a probability of {error:.3g} % at most, over resampled pages. {seeds}
"""
_VALUES = """\
The numbers behind the verdicts, {pair}. Value: of no difference the largest one, with its layer; of better the mean
difference over the upper layers; of a gap that opens the layer from which on the difference exceeds {margin:g} points
("never": it does not to the end); of one that grows the slope a layer. Differences are the second's percentage less
the first's, in points. Interval: of {confidence:.3g} %, for no difference of {equal:.3g} %, pages resampled. Pairs,
pages: how many are compared. Needed: how many pairs would decide with a probability of {power:.3g} %, if the
differences are as estimated. {seeds}
"""


def claims_markdown(path: str, labels: dict[str, str], evidence: dict[str, float], seeds: dict[str, int]) -> str:
    """Lay ``tables/claims.tsv`` out: for each pair of checkpoints the verdicts at a glance, and with their numbers.

    labels: what tables call a task or checkpoint, where it has another than its name. evidence: confidence, margin and
    power by which claims were judged. seeds: see ``layout.seeds_told``.
    """
    told: dict[str, Any] = {
        "margin": evidence["margin"],
        "error": 100 * (1 - evidence["confidence"]),
        "confidence": 100 * evidence["confidence"],
        "equal": 100 * (2 * evidence["confidence"] - 1),
        "power": 100 * evidence["power"],
    }
    claims = read_frame(path, CLAIM_FIELDS, ("value", "low", "high", "layers"))
    claims["claim"] = pd.Categorical(claims["claim"], list(CLAIMS))
    parts = []
    for pair, rows in claims.groupby(["before", "after"], sort=False):
        before, after = (label_of(str(name), labels) for name in pair)
        told |= {"pair": f"{after} against {before}", "seeds": seeds_told(seeds, labels)}
        lines = [_line(row, labels) for row in rows.sort_values("claim", kind="stable").itertuples()]
        parts += [
            f"# {paragraph(told['pair'])}",
            paragraph(_VERDICTS.format(**told)),
            _at_a_glance(rows, labels),
            paragraph(_VALUES.format(**told)),
            markdown(_FIELDS, lines, _NUMBERS),
        ]
    return "\n".join(parts if parts else ["There are no two checkpoints with pairs in common to compare.\n"])


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
        value, low, high = (f"{number:z.1f}" for number in numbers)
    return (
        CLAIMS[row.claim].says,
        label_of(row.task, labels),
        row.measure,
        row.stated,
        row.verdict,
        value,
        low if low == high else f"{low} to {high}",
        row.layer,
        row.pairs,
        row.pages,
        _rounded(row.pairs_needed) if row.verdict == UNDECIDED else "",
    )


def _rounded(needed: str) -> str:
    """Return a number of pairs in two digits: it is an estimate of an estimate."""
    pairs = float(needed or "nan")
    if pairs > MOST_PAIRS:
        return f"more than {MOST_PAIRS:,}"
    return f"{int(float(f'{pairs:.1e}')):,}" if pairs == pairs else needed
