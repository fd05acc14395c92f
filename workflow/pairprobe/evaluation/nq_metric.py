"""The official metric of Natural Questions (Kwiatkowski et al., 2019), on arrays.

What is right is what the dataset's own script says (package ``natural-questions``, ``nq_eval.py``): an answer counts whole
or not at all; a prediction is right where it equals that of any annotator; and predictions that score below a threshold
count as none, the threshold being the one that gives the best F1. Numbers are fractions, 0 to 1.

How many annotators must agree that there is an answer: two, as in the script, which was made for the dev set's five.
Training data has one annotation a question, and would have no gold answer at all. So a question has a gold answer where at
least min(2, its number of annotations) of them have one: with five annotations that is the script's default, with one what
the script does at ``--long_non_null_threshold=1 --short_non_null_threshold=1``. See ``needed``.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pairprobe.errors import InputError
from pairprobe.evaluation.nq_files import Answer, Place, Prediction

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


def needed(annotations: Sequence) -> int:
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
    return Judged(
        np.array(ids),
        np.array(has_gold, bool),
        np.array(has_prediction, bool),
        np.array(correct, bool),
        # Adding 0 makes of -0.0, which is a tie with 0.0, the same number.
        np.array(score, np.float64) + 0.0,
    )


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
    f1 = f1_of(precision, recall)
    best = f1.argmax()
    if not f1[best]:
        return Score(0.0, 0.0, 0.0, 0.0)
    return Score(float(precision[best]), float(recall[best]), float(f1[best]), float(threshold[best]))


def without_threshold(judged: Judged) -> Score:
    """Score with every prediction counted, whatever its score; the threshold is minus infinity."""
    _, precision, recall = curve(judged)
    return Score(float(precision[-1]), float(recall[-1]), float(f1_of(precision, recall)[-1]), -math.inf)


def recall_at(judged: Judged, precision: float) -> float:
    """Return the highest recall at a threshold where precision is at least ``precision``; 0 where there is none."""
    _, reached, recall = curve(judged)
    return float(recall[reached >= precision].max(initial=0.0))


def curve(judged: Judged) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return threshold, precision and recall, each (distinct scores,), from the highest threshold to the lowest."""
    threshold, precision, recall = points(judged, np.ones((1, len(judged.score)), int))
    return threshold, precision[0], recall[0]


def points(judged: Judged, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the curve of each of several resamples: threshold (points,), precision and recall (resamples, points).

    weights: (resamples, examples), how often each example is drawn. A point at whose score no example is drawn repeats the
    point before it; the first points may be 0 and 0.
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


def f1_of(precision: np.ndarray, recall: np.ndarray) -> np.ndarray:
    """Return the harmonic mean of precision and recall; 0 where both are."""
    return _ratio(2 * precision * recall, precision + recall)
