"""Gold and predictions of Natural Questions in the files of its official script (package ``natural-questions``).

Gold is JSON lines, plain or gzip, a question a line; predictions are one JSON object. Other keys are ignored. A span that
is not there has -1 for all of its offsets; where only bytes, or only tokens, are not known, these are -1::

    {"example_id": 1, "annotations": [{"long_answer": SPAN, "short_answers": [SPAN, ...], "yes_no_answer": "NONE"}, ...]}

    {"predictions": [{"example_id": 1, "long_answer": SPAN, "long_answer_score": 13.5, "short_answers": [SPAN, ...],
                      "short_answers_score": 26.4, "yes_no_answer": "NONE"}, ...]}

    SPAN: {"start_byte": 62657, "end_byte": 64776, "start_token": 391, "end_token": 604}
"""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from pairprobe.errors import InputError
from pairprobe.io import encodings, files, whole_files
from pairprobe.io.typed_json import fault


class Place(NamedTuple):
    """Where an answer stands, ``[start, end)`` in bytes of the page and in its tokens; None where that is not known."""

    in_bytes: tuple[int, int] | None
    in_tokens: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What one annotator or a model answers: the long answer, the short answers' set, and "yes", "no" or None."""

    long: Place | None
    short: tuple[Place, ...]
    yes_no: str | None


@dataclass(frozen=True, slots=True)
class Prediction:
    """A model's answer to a question, with how sure it is of the long and of the short answer (any scale)."""

    answer: Answer
    long_score: float
    short_score: float


class _Span(msgspec.Struct, frozen=True):
    start_byte: int
    end_byte: int
    start_token: int
    end_token: int


class _Annotation(msgspec.Struct):
    long_answer: _Span
    short_answers: list[_Span]
    yes_no_answer: str


class _Question(msgspec.Struct):
    example_id: int | str
    annotations: list[_Annotation]


class _Prediction(msgspec.Struct):
    example_id: int | str
    long_answer_score: float
    short_answers_score: float
    long_answer: _Span = _Span(-1, -1, -1, -1)
    short_answers: list[_Span] = []
    yes_no_answer: str = "NONE"


_YES_NO = {"yes": "yes", "no": "no", "none": None}


def read_gold(path: str | Path) -> dict[str, tuple[Answer, ...]]:
    """Read the annotations of each question, by its id as a string.

    Raises InputError with the file, the line and the key or id where a line is no question, a span is impossible or an id
    comes twice.
    """
    gold: dict[str, tuple[Answer, ...]] = {}
    for where, row in files.read_json_lines(path):
        question = _converted(where, row, _Question)
        name = _new_id(where, question.example_id, gold)
        where = f"{where}, example {name}, annotations"
        gold[name] = tuple(_answer(f"{where}[{i}]", found) for i, found in enumerate(question.annotations))
    return gold


def read_predictions(path: str | Path) -> dict[str, Prediction]:
    """Read the prediction for each question, by its id as a string.

    Raises InputError with the file and the key or id where that is not whole JSON of this form, a span is impossible, spans
    and yes or no are answered together, a score is NaN or an id comes twice.
    """
    return converted(_rows(path), str(path))


def converted(rows: Iterable[Any], path: str) -> dict[str, Prediction]:
    """Convert the list under ``predictions``, as ``read_predictions`` does. path: how errors call it."""
    predictions: dict[str, Prediction] = {}
    for i, row in enumerate(rows):
        found = _converted(f"{path}, predictions[{i}]", row, _Prediction)
        name = _new_id(f"{path}, predictions[{i}]", found.example_id, predictions)
        where = f"{path}, example {name}"
        answer = _answer(where, found)
        if answer.short and answer.yes_no:
            raise InputError(
                f"{where}: found yes_no_answer {found.yes_no_answer!r} together with {len(answer.short)} short_answers. "
                f"Wanted: one of the two. Set yes_no_answer to 'NONE' or leave short_answers empty."
            )
        for key in ("long_answer_score", "short_answers_score"):
            if math.isnan(getattr(found, key)):
                raise InputError(f"{where}: {key} is NaN. Wanted: a number. Look into the model that gave it.")
        predictions[name] = Prediction(answer, found.long_answer_score, found.short_answers_score)
    return predictions


def _rows(path: str | Path) -> list:
    """Return the list under ``predictions``; by ``json``, which reads NaN, so that an error can name the score."""
    content = encodings.as_utf8(str(path), whole_files.read(path))
    try:
        whole = json.loads(content)
    except (ValueError, RecursionError) as error:
        if files.ends_early(content.replace(b"NaN", b"null")):
            raise InputError(f"{path}: not whole JSON ({error}). Was the file cut off? Fetch or write it again.") from None
        raise InputError(f"{path}: not JSON ({error}). Write it as JSON.") from None
    rows = whole.get("predictions") if isinstance(whole, dict) else None
    if not isinstance(rows, list):
        found = f"an object with the keys {list(whole)[:5]}" if isinstance(whole, dict) else type(whole).__name__
        raise InputError(f'{path}: found {found}. Wanted: {{"predictions": [...]}}, a prediction for each question.')
    return rows


def _converted(where: str, row: Any, kind: type) -> Any:
    try:
        return msgspec.convert(row, kind)
    except msgspec.ValidationError as error:
        name = f", example {row['example_id']}" if isinstance(row, dict) and "example_id" in row else ""
        raise InputError(
            f"{where}{name}{fault(error, kind)} Write it in the format of the official script nq_eval.py."
        ) from None


def _new_id(where: str, example_id: int | str, known: dict) -> str:
    name = str(example_id)
    if name in known:
        raise InputError(f"{where}: example_id {name} is there twice. Wanted: each question once. Leave one of them out.")
    return name


def _answer(where: str, found: _Annotation | _Prediction) -> Answer:
    if (yes_no := found.yes_no_answer.lower()) not in _YES_NO:
        raise InputError(f"{where}: yes_no_answer is {found.yes_no_answer!r}. Wanted: 'YES', 'NO' or 'NONE'.")
    short = (_place(f"{where}, short_answers[{i}]", span) for i, span in enumerate(found.short_answers))
    return Answer(
        _place(f"{where}, long_answer", found.long_answer), tuple(place for place in short if place), _YES_NO[yes_no]
    )


def _place(where: str, span: _Span) -> Place | None:
    place = Place(
        _offsets(where, "byte", span.start_byte, span.end_byte), _offsets(where, "token", span.start_token, span.end_token)
    )
    return place if any(place) else None


def _offsets(where: str, unit: str, start: int, end: int) -> tuple[int, int] | None:
    if start < 0 and end < 0:
        return None
    if 0 <= start < end:
        return start, end
    raise InputError(
        f"{where}: found start_{unit} {start} and end_{unit} {end}. Wanted: start before end, or -1 for both where there "
        f"is none. The end is the first {unit} after the answer."
    )
