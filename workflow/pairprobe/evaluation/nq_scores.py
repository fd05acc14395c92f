"""A model's scores on Natural Questions as rows of tables: in percent, with confidence intervals, and its curves."""

import itertools
from collections.abc import Iterator
from pathlib import Path

from pairprobe.evaluation.nq_bootstrap import intervals
from pairprobe.evaluation.nq_files import read_gold, read_predictions
from pairprobe.evaluation.nq_metric import Judged, at_best_threshold, curve, judge, recall_at, without_threshold

SCORE_FIELDS = (
    "answer", "examples", "gold", "predicted", "threshold",
    "precision", "precision_low", "precision_high", "recall", "recall_low", "recall_high", "f1", "f1_low", "f1_high",
    "precision_unthresholded", "recall_unthresholded", "f1_unthresholded",
    "recall_at_precision_50", "recall_at_precision_75", "recall_at_precision_90",
)  # fmt: skip
CURVE_FIELDS = ("answer", "threshold", "precision", "recall")


def scores(gold_path: str | Path, predictions_path: str | Path, seed: int) -> list[tuple[str, ...]]:
    """Return the rows of SCORE_FIELDS for "long" and "short"; raises InputError as the readers and ``judge`` do."""
    return [score_row(answer, judged, seed) for answer, judged in _read(gold_path, predictions_path).items()]


def curve_rows(gold_path: str | Path, predictions_path: str | Path) -> Iterator[tuple[str, ...]]:
    """Yield the rows of CURVE_FIELDS, "long" then "short", from the highest threshold to the lowest."""
    for answer, judged in _read(gold_path, predictions_path).items():
        for threshold, precision, recall in zip(*curve(judged), strict=True):
            yield answer, _number(threshold), _percent(precision), _percent(recall)


def _read(gold_path: str | Path, predictions_path: str | Path) -> dict[str, Judged]:
    return judge(read_gold(gold_path), read_predictions(predictions_path), (str(gold_path), str(predictions_path)))


def score_row(answer: str, judged: Judged, seed: int) -> tuple[str, ...]:
    """Return a row of SCORE_FIELDS for one kind of answer; its intervals are a bootstrap's over the questions."""
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
