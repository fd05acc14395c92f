"""The official metric of Natural Questions (Kwiatkowski et al., 2019), on arrays, with intervals.

What is right is what the dataset's own script says (package ``natural-questions``, ``nq_eval.py``): an answer counts whole
or not at all; a prediction is right where it equals that of any annotator; and predictions that score below a threshold
count as none, the threshold being the one that gives the best F1. Numbers are fractions, 0 to 1, but percent in tables.

How many annotators must agree that there is an answer: two, as in the script, which was made for the dev set's five.
Training data has one annotation a question, and would have no gold answer at all. So a question has a gold answer where at
least min(2, its number of annotations) of them have one: with five annotations that is the script's default, with one what
the script does at ``--long_non_null_threshold=1 --short_non_null_threshold=1``. See ``needed``.

Gold is JSON lines, plain or gzip, a question a line; predictions are one JSON object. Other keys are ignored. A span that
is not there has -1 for all of its offsets; where only bytes, or only tokens, are not known, these are -1::

    {"example_id": 1, "annotations": [{"long_answer": SPAN, "short_answers": [SPAN, ...], "yes_no_answer": "NONE"}, ...]}

    {"predictions": [{"example_id": 1, "long_answer": SPAN, "long_answer_score": 13.5, "short_answers": [SPAN, ...],
                      "short_answers_score": 26.4, "yes_no_answer": "NONE"}, ...]}

    SPAN: {"start_byte": 62657, "end_byte": 64776, "start_token": 391, "end_token": 604}
"""

import itertools
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from pairprobe.errors import InputError
from pairprobe.io import files

SCORE_FIELDS = (
    "answer", "examples", "gold", "predicted", "threshold",
    "precision", "precision_low", "precision_high", "recall", "recall_low", "recall_high", "f1", "f1_low", "f1_high",
    "precision_unthresholded", "recall_unthresholded", "f1_unthresholded",
    "recall_at_precision_50", "recall_at_precision_75", "recall_at_precision_90",
)  # fmt: skip
CURVE_FIELDS = ("answer", "threshold", "precision", "recall")


# Cells of (resamples, examples) worked on at once: a few arrays of 8 MB each, whatever the number of either.
_CELLS = 1 << 20


# --- Files ----------------------------------------------------------------------------------------------------------


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
    predictions: dict[str, Prediction] = {}
    for i, row in enumerate(_rows(path)):
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
    """Return the list under ``predictions``. By ``json``, which lets NaN in, so that it can be named."""
    try:
        whole = json.loads(Path(path).read_bytes())
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file. Check the path.") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not whole JSON ({error}). Was the file cut off? Fetch or write it again.") from None
    rows = whole.get("predictions") if isinstance(whole, dict) else None
    if not isinstance(rows, list):
        found = f"an object with the keys {list(whole)[:5]}" if isinstance(whole, dict) else type(whole).__name__
        raise InputError(f'{path}: found {found}. Wanted: {{"predictions": [...]}}, a prediction for each question.')
    return rows


def _converted(where: str, row: Any, kind: type) -> Any:
    try:
        return msgspec.convert(row, kind)
    except msgspec.ValidationError as error:
        said, _, place = str(error).partition(" - at ")
        place = place.strip("`").removeprefix("$").removeprefix(".")
        name = f", example {row['example_id']}" if isinstance(row, dict) and "example_id" in row else ""
        raise InputError(
            f"{where}{name}{f', key {place}' if place else ''}: {said}. "
            f"Write it in the format of the official script (see pairprobe/nq_evaluation.py)."
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


# --- Which answers are right ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Judged:
    """Every question's gold and prediction of one kind of answer; all arrays (examples,), in the order of the ids.

    has_gold: enough annotators found an answer. has_prediction: one is made. correct: both, and the prediction is an
    annotator's. score: the prediction's, also where it is that there is no answer.
    """

    example_ids: np.ndarray
    has_gold: np.ndarray
    has_prediction: np.ndarray
    correct: np.ndarray
    score: np.ndarray


def needed(annotations: Sequence[Answer]) -> int:
    """Return how many annotators must have found an answer for it to be gold: two, or all if there are fewer.

    Where nobody looked there is no gold answer, so never 0.
    """
    return max(1, min(2, len(annotations)))


def judge(
    gold: dict[str, tuple[Answer, ...]],
    predictions: dict[str, Prediction],
    names: tuple[str, str] = ("the gold", "the predictions"),
) -> dict[str, Judged]:
    """Judge the predictions: ``{"long": ..., "short": ...}``; the short one is the set of short answers, or yes or no.

    names: what errors call the two. Raises InputError where there is no question, or the two are not on the same ones.
    """
    _check_questions(gold, predictions, names)
    ids = sorted(gold)
    long = [(*_long(gold[name], predictions[name].answer), predictions[name].long_score) for name in ids]
    short = [(*_short(gold[name], predictions[name].answer), predictions[name].short_score) for name in ids]
    return {"long": _judged(ids, long), "short": _judged(ids, short)}


def _check_questions(gold: dict, predictions: dict, names: tuple[str, str]) -> None:
    if not gold:
        raise InputError(f"{names[0]}: there are no questions in it. Wanted: at least one. Was it made of the right data?")
    missing, unknown = sorted(gold.keys() - predictions.keys()), sorted(predictions.keys() - gold.keys())
    if missing or unknown:
        said = [
            f"{len(only)} in {name} alone ({', '.join(only[:3])}{', ...' if len(only) > 3 else ''})"
            for name, only in ((names[0], missing), (names[1], unknown))
            if only
        ]
        raise InputError(
            f"{names[0]} and {names[1]} are not on the same questions: example_ids {' and '.join(said)}, {len(gold)} and "
            f"{len(predictions)} in all. Wanted: one prediction for each question. Predict for this very gold."
        )


def _long(annotations: Sequence[Answer], predicted: Answer) -> tuple[bool, bool, bool]:
    """Return has_gold, has_prediction, correct of a question's long answer."""
    places = [found.long for found in annotations if found.long]
    has_gold = len(places) >= needed(annotations)
    right = has_gold and predicted.long is not None and any(same(place, predicted.long) for place in places)
    return has_gold, predicted.long is not None, right


def _short(annotations: Sequence[Answer], predicted: Answer) -> tuple[bool, bool, bool]:
    """Return has_gold, has_prediction, correct of a question's short answers, among which yes and no are."""
    has_gold = sum(bool(found.short or found.yes_no) for found in annotations) >= needed(annotations)
    if predicted.yes_no:
        return has_gold, True, has_gold and any(found.yes_no == predicted.yes_no for found in annotations)
    has_prediction = bool(predicted.short)
    right = has_gold and has_prediction and any(same_set(found.short, predicted.short) for found in annotations)
    return has_gold, has_prediction, right


def same(a: Place, b: Place) -> bool:
    """Whether two places agree in bytes or in tokens, in whichever both have.

    Or, not and: with the same tokens other bytes do no harm, as in the official script.
    """
    return (a.in_bytes is not None and a.in_bytes == b.in_bytes) or (a.in_tokens is not None and a.in_tokens == b.in_tokens)


def same_set(a: Sequence[Place], b: Sequence[Place]) -> bool:
    """Whether each place of one is in the other, and the other way round; how often does not count."""
    return all(any(same(x, y) for y in b) for x in a) and all(any(same(x, y) for x in a) for y in b)


def _judged(ids: list[str], rows: list[tuple[bool, bool, bool, float]]) -> Judged:
    has_gold, has_prediction, correct, score = zip(*rows, strict=True)
    flags = (np.array(flag, bool) for flag in (has_gold, has_prediction, correct))
    # Adding 0 makes of -0.0, which is a tie with 0.0, the same number.
    return Judged(np.array(ids), *flags, np.array(score, np.float64) + 0.0)


# --- Scores ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Score:
    """Precision, recall and F1, fractions, where predictions that score below ``threshold`` count as none."""

    precision: float
    recall: float
    f1: float
    threshold: float


def at_best_threshold(judged: Judged) -> Score:
    """Score at the threshold with the best F1, the highest of several; all 0, the threshold too, where nothing is right."""
    threshold, precision, recall = curve(judged)
    f1 = _f1(precision, recall)
    best = f1.argmax()
    if not f1[best]:
        return Score(0.0, 0.0, 0.0, 0.0)
    return Score(float(precision[best]), float(recall[best]), float(f1[best]), float(threshold[best]))


def without_threshold(judged: Judged) -> Score:
    """Score with every prediction counted, whatever its score; the threshold is minus infinity."""
    _, precision, recall = curve(judged)
    return Score(float(precision[-1]), float(recall[-1]), float(_f1(precision, recall)[-1]), -math.inf)


def recall_at(judged: Judged, precision: float) -> float:
    """Return the highest recall at a threshold where precision is at least ``precision``; 0 where there is none."""
    _, reached, recall = curve(judged)
    return float(recall[reached >= precision].max(initial=0.0))


def curve(judged: Judged) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return threshold, precision and recall, each (distinct scores,), from the highest threshold to the lowest."""
    threshold, precision, recall = _points(judged, np.ones((1, len(judged.score)), int))
    return threshold, precision[0], recall[0]


def _points(judged: Judged, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the curves of several resamples: threshold (points,), precision and recall (resamples, points).

    weights: (resamples, examples), how often each example is in. A score that is in no example of a resample gives the
    point before it once more, or at the beginning 0 and 0.
    """
    order = np.argsort(-judged.score, kind="stable")
    score = judged.score[order]
    last_of_ties = np.flatnonzero(np.append(score[1:] != score[:-1], True))
    # Whole numbers until the one division, as in the official script: equal to the last bit.
    right, predicted = (
        np.cumsum(weights[:, order] * flag[order], axis=1)[:, last_of_ties]
        for flag in (judged.correct, judged.has_prediction)
    )
    gold = weights[:, judged.has_gold].sum(1, keepdims=True)
    return score[last_of_ties], _ratio(right, predicted), _ratio(right, gold)


def _ratio(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Divide; 0 where the divisor is."""
    return np.divide(x, y, out=np.zeros(x.shape), where=y != 0)


def _f1(precision: np.ndarray, recall: np.ndarray) -> np.ndarray:
    return _ratio(2 * precision * recall, precision + recall)


# --- Intervals ------------------------------------------------------------------------------------------------------


def draws(examples: int, seed: int) -> Iterator[np.ndarray]:
    """Yield resamples without end: the indices of as many examples, drawn with replacement, each (examples,)."""
    dice = np.random.default_rng(seed)
    while True:
        yield dice.integers(examples, size=examples)


def intervals(judged: Judged, seed: int, resamples: int = 2000, level: float = 0.95) -> dict[str, tuple[float, float]]:
    """Return ``{"precision": (low, high), "recall": ..., "f1": ...}`` at the best threshold, by percentile bootstrap.

    Examples are drawn anew, and the threshold is chosen anew in each resample: its choice is part of what varies.
    """
    best = np.concatenate([_best(judged, weights) for weights in _weights(len(judged.score), seed, resamples)])
    low, high = np.quantile(best, [(1 - level) / 2, (1 + level) / 2], axis=0).tolist()
    return {name: (low[i], high[i]) for i, name in enumerate(("precision", "recall", "f1"))}


def _weights(examples: int, seed: int, resamples: int) -> Iterator[np.ndarray]:
    """Yield how often each example is drawn, (some resamples, examples), a bounded number of cells at a time."""
    counts = (np.bincount(drawn, minlength=examples) for drawn in itertools.islice(draws(examples, seed), resamples))
    while some := list(itertools.islice(counts, max(1, _CELLS // examples))):
        yield np.stack(some)


def _best(judged: Judged, weights: np.ndarray) -> np.ndarray:
    """Return precision, recall and F1 at each resample's best threshold, (resamples, 3)."""
    _, precision, recall = _points(judged, weights)
    f1 = _f1(precision, recall)
    best = f1.argmax(1)[:, None]
    return np.concatenate([np.take_along_axis(values, best, axis=1) for values in (precision, recall, f1)], axis=1)


# --- Tables ---------------------------------------------------------------------------------------------------------


def scores(gold_path: str | Path, predictions_path: str | Path, seed: int) -> list[tuple[str, ...]]:
    """Return the rows of SCORE_FIELDS for "long" and "short"; raises InputError as the readers and ``judge`` do."""
    return [_score_row(answer, judged, seed) for answer, judged in _read(gold_path, predictions_path).items()]


def curve_rows(gold_path: str | Path, predictions_path: str | Path) -> Iterator[tuple[str, ...]]:
    """Yield the rows of CURVE_FIELDS, "long" then "short", from the highest threshold to the lowest."""
    for answer, judged in _read(gold_path, predictions_path).items():
        for threshold, precision, recall in zip(*curve(judged), strict=True):
            yield answer, _number(threshold), _percent(precision), _percent(recall)


def _read(gold_path: str | Path, predictions_path: str | Path) -> dict[str, Judged]:
    return judge(read_gold(gold_path), read_predictions(predictions_path), (str(gold_path), str(predictions_path)))


def _score_row(answer: str, judged: Judged, seed: int) -> tuple[str, ...]:
    best, plain, between = at_best_threshold(judged), without_threshold(judged), intervals(judged, seed)
    counts = (len(judged.score), judged.has_gold.sum(), judged.has_prediction.sum())
    thresholded = [(getattr(best, name), *between[name]) for name in ("precision", "recall", "f1")]
    recalls = [recall_at(judged, precision) for precision in (0.5, 0.75, 0.9)]
    percents = [*itertools.chain(*thresholded), plain.precision, plain.recall, plain.f1, *recalls]
    return answer, *map(str, counts), _number(best.threshold), *map(_percent, percents)


def _number(value: float) -> str:
    return f"{value:.6g}"


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.4f}"
