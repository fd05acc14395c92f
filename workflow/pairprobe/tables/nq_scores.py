"""Scores on Natural Questions laid out as in the paper's Table 2."""

from collections.abc import Sequence

from pairprobe.tables.layout import label_of, markdown

# Table 2 of the paper, in percent: P, R and F1 of the long answer, then of the short one.
PAPER = {
    "BERT (pre-train), in the paper": ("16.81", "28.10", "21.03", "4.16", "3.81", "4.57"),
    "BERT (fine-tune), in the paper": ("56.91", "62.30", "59.48", "46.74", "40.25", "43.25"),
}


_NOTES = (
    "In percent, by the official metric of Natural Questions, at the threshold with the best F1; in brackets 95 % "
    "intervals by bootstrap over questions. The heads of a frozen encoder are trained while the encoder stays as it is. "
    "The paper's rows are on the dev set; the F1 of 4.57 is as printed there, though a precision of 4.16 and a recall of "
    "3.81 give 3.98."
)


def paper_table(rows: Sequence[dict[str, str]], labels: dict[str, str]) -> str:
    """Lay the scores out in Markdown after Table 2 of the paper, above the paper's own rows; and what is not in it, below.

    rows: as ``scores`` gives them, by field, with ``checkpoint`` and ``head`` (how its head came about) besides. labels:
    what tables call a checkpoint, where it has another than its name.
    """
    lines: dict[tuple[str, str], dict[str, dict[str, str]]] = {}
    for row in rows:
        lines.setdefault((row["checkpoint"], row["head"]), {})[row["answer"]] = row
    named = [((label_of(checkpoint, labels), head), both) for (checkpoint, head), both in lines.items()]
    columns = ("Long P", "Long R", "Long F1", "Short P", "Short R", "Short F1")
    ours = [
        (*name, f"{int(both['long']['examples']):,}", *_with_interval(both["long"]), *_with_interval(both["short"]))
        for name, both in named
    ]
    theirs = [(model, "", "7,830", *numbers) for model, numbers in PAPER.items()]
    table = markdown(("Model", "Head", "Questions", *columns), [*ours, *theirs], numbers=("Questions", *columns))
    more = {
        "R at P 50": "recall_at_precision_50",
        "R at P 75": "recall_at_precision_75",
        "R at P 90": "recall_at_precision_90",
        "P, all": "precision_unthresholded",
        "R, all": "recall_unthresholded",
        "F1, all": "f1_unthresholded",
    }
    rest = [
        (*name, answer, *(_short_percent(row[field]) for field in more.values()))
        for name, both in named
        for answer, row in both.items()
    ]
    heading = (
        "The best recall at a precision of at least 50, 75 and 90 %, and the scores of all predictions, no threshold set:"
    )
    return f"{table}\n{_NOTES}\n\n{heading}\n\n" + markdown(("Model", "Head", "Answer", *more), rest, numbers=tuple(more))


def _with_interval(row: dict[str, str]) -> tuple[str, str, str]:
    precision, recall, f1, low, high = (
        _short_percent(row[name]) for name in ("precision", "recall", "f1", "f1_low", "f1_high")
    )
    return precision, recall, f"{f1} [{low}, {high}]"


def _short_percent(percent: str) -> str:
    return f"{float(percent):.2f}"
