"""Exact match and F1 of answers as texts, as in the evaluation scripts of SQuAD.

SQuAD 1.1 is Rajpurkar et al. (2016), 2.0 is Rajpurkar et al. (2018). Case, punctuation and articles are ignored; of several
gold answers the best counts.
"""

import re
import string
from collections import Counter
from collections.abc import Iterator, Mapping

import orjson

from pairprobe.errors import InputError
from pairprobe.io import files

SCORE_FIELDS = ("checkpoint", "head", "examples", "exact_match", "f1")


def scores(gold: str, texts: str, unanswerable: bool = False) -> tuple[int, float, float]:
    """Return the number of questions, exact match and F1 in percent, NaN where there is no question.

    The arguments and errors are those of ``by_question``.
    """
    found = list(by_question(gold, texts, unanswerable).values())
    if not found:
        return 0, float("nan"), float("nan")
    matches, overlaps = zip(*found, strict=True)
    return len(found), 100 * sum(matches) / len(found), 100 * sum(overlaps) / len(found)


def by_question(gold: str, texts: str, unanswerable: bool = False) -> dict[str, tuple[float, float]]:
    """Return exact match and F1 of each question, ``{example_id: (0 or 1, 0 to 1)}``, in the order of the gold file.

    gold: JSON lines with ``example_id`` and ``answers``; texts: JSON, ``{example_id: answer}``. unanswerable: whether
    questions without an answer count, to be answered with "" (SQuAD 2.0); else they are left out. Raises InputError where a
    question has no text.
    """
    with open(texts, "rb") as file:
        predictions = orjson.loads(file.read())
    return dict(scored(gold, predictions, texts, unanswerable))


def scored(
    gold: str, predictions: Mapping[str, str], texts: str, unanswerable: bool
) -> Iterator[tuple[str, tuple[float, float]]]:
    """Yield the same for answers as ``{example_id: answer}``, which errors call ``texts``."""
    for where, row in files.read_json_lines(gold):
        name = str(row["example_id"])
        if name not in predictions:
            raise InputError(f"{texts}: no answer to question {name} ({where}). Answer the questions of this gold file.")
        if unanswerable:
            # An answer without words counts as no answer.
            golds = [answer for answer in row["answers"] if normalized(answer)] or [""]
            yield name, (exact_match(predictions[name], golds), f1(predictions[name], golds, nothing=True))
        elif row["answers"]:
            yield name, (exact_match(predictions[name], row["answers"]), f1(predictions[name], row["answers"]))


def normalized(answer: str) -> list[str]:
    """Return the words that count of an answer: in lower case, without punctuation and articles."""
    bare = "".join(character for character in answer.lower() if character not in set(string.punctuation))
    return re.sub(r"\b(a|an|the)\b", " ", bare).split()


def exact_match(prediction: str, golds: list[str]) -> float:
    """Return 1.0 where the prediction equals a gold answer, else 0.0."""
    return float(any(normalized(prediction) == normalized(gold) for gold in golds))


def f1(prediction: str, golds: list[str], nothing: bool = False) -> float:
    """Return the best F1, 0 to 1, of the prediction's words against a gold answer's.

    nothing: whether an answer of no words can be right, as in the script of SQuAD 2.0; in that of 1.1 its F1 is 0.
    """

    def of(gold: str) -> float:
        predicted, wanted = normalized(prediction), normalized(gold)
        common = sum((Counter(predicted) & Counter(wanted)).values())
        if not common:
            return float(nothing and predicted == wanted)
        return 2 * common / (len(predicted) + len(wanted))

    return max(of(gold) for gold in golds)
