"""The verdicts on the paper's claims laid out for reading."""

from collections.abc import Iterator

from pairprobe.evidence.claims import CLAIMS, UNDECIDED
from pairprobe.evidence.weighing import CLAIM_FIELDS
from pairprobe.io.tsv import read_tsv
from pairprobe.tables.layout import label_of, markdown

_FIELDS = ("claim", "task", "in the paper", "measure", "verdict", "value", "interval", "layer", "pairs", "pages", "needed")
_NUMBERS = ("value", "interval", "layer", "pairs", "pages", "needed")
_NOTE = """\
A difference is the second checkpoint's percentage less the first's, in points. Value: the largest difference (with its
layer), the mean over the upper layers, the layer from which on the advantage exceeds the margin ("never": it does not to
the end), the slope in points a layer. Needed: how many pairs would decide, if the differences are as estimated, with the
power that the configuration asks for.
"""


def claims_markdown(claims: str, labels: dict[str, str]) -> str:
    """Lay ``tables/claims.tsv`` out: for each pair of checkpoints the verdicts at a glance, and with their numbers.

    labels: what tables call a task or checkpoint, where it has another than its name.
    """
    parts = []
    for (before, after), rows in _by_pair(claims).items():
        fields, glance = _at_a_glance(rows, labels)
        parts += [
            f"# {label_of(after, labels)} against {label_of(before, labels)}\n",
            markdown(fields, glance),
            markdown(_FIELDS, [_line(row, labels) for row in rows], _NUMBERS),
        ]
    return "\n".join([*parts, _NOTE] if parts else ["There are no two checkpoints with pairs in common to compare.\n"])


def _by_pair(claims: str) -> dict[tuple[str, str], list[dict]]:
    pairs: dict[tuple[str, str], list[dict]] = {}
    for row in read_tsv(claims, CLAIM_FIELDS):
        pairs.setdefault((row["before"], row["after"]), []).append(row)
    order = list(CLAIMS)
    return {pair: sorted(rows, key=lambda row: order.index(row["claim"])) for pair, rows in pairs.items()}


def _at_a_glance(rows: list[dict], labels: dict[str, str]) -> tuple[list[str], Iterator[list[str]]]:
    """A line a claim, a column a task; * where the paper says so itself."""
    tasks = list(dict.fromkeys(row["task"] for row in rows))

    def cell(claim: str, task: str) -> str:
        mine = [row for row in rows if (row["claim"], row["task"]) == (claim, task)]
        verdicts = {row["measure"]: row["verdict"] for row in mine}
        same = len(set(verdicts.values())) == 1
        said = mine[0]["verdict"] if same else ", ".join(f"{measure} {verdict}" for measure, verdict in verdicts.items())
        return said + ("*" if mine[0]["stated"] == "yes" else "")

    lines = ([CLAIMS[claim].says, *(cell(claim, task) for task in tasks)] for claim in CLAIMS)
    return ["claim (* in the paper)", *(label_of(task, labels) for task in tasks)], lines


def _line(row: dict, labels: dict[str, str]) -> tuple[str, ...]:
    onset = row["claim"] == "gap_opens_late"
    value, low, high = (_layer(row[key], row) if onset else f"{float(row[key]):.1f}" for key in ("value", "low", "high"))
    needed = row["pairs_needed"] if row["verdict"] == UNDECIDED else ""
    return (
        CLAIMS[row["claim"]].says,
        label_of(row["task"], labels),
        row["stated"],
        row["measure"],
        row["verdict"],
        value,
        f"{low} to {high}",
        row["layer"],
        row["pairs"],
        row["pages"],
        f"{int(needed):,}" if needed.isdigit() else needed,
    )


def _layer(value: str, row: dict) -> str:
    return "never" if float(value) >= float(row["layers"]) else f"{float(value):.0f}"
