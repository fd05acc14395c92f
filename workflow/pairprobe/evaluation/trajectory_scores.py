"""How well each step of a training answers questions, and by how much that differs from the first."""

from collections.abc import Iterator, Mapping
from typing import Any

from pairprobe.evaluation.page_scores import PageScores, estimate
from pairprobe.evidence.estimation import Estimate, moderate
from pairprobe.evidence.fields import METRICS, TRAJECTORY_SCORE_FIELDS
from pairprobe.evidence.trajectories import Series, Trajectory
from pairprobe.io.tsv import rounded, write_tsv

# Of a checkpoint, by metric.
Scores = Mapping[str, PageScores]


def weigh(series: Series, scores: Mapping[str, Scores], confidence: float, path: str) -> None:
    """Write a table of ``TRAJECTORY_SCORE_FIELDS``; scores: of each checkpoint.

    p_adjusted is corrected for all steps of a trajectory and metric.
    """
    rows: list[tuple[Any, ...]] = []
    for one in series.trajectories:
        names = [name for point in one.points for name in series.checkpoints_of(point)]
        for metric in METRICS:
            if all(metric in scores[name] for name in names):
                of_metric = {name: scores[name][metric] for name in names}
                rows += [(one.name, *row) for row in _rows(one, series, metric, of_metric, confidence)]
    write_tsv(path, TRAJECTORY_SCORE_FIELDS, rows)


def _rows(
    one: Trajectory, series: Series, metric: str, scores: Mapping[str, PageScores], confidence: float
) -> Iterator[tuple[Any, ...]]:
    several = [[scores[name] for name in series.checkpoints_of(point)] for point in one.points]
    means = [
        estimate([[score] for score in draws], point in series.recipes)
        for point, draws in zip(one.points, several, strict=True)
    ]
    # Of a recipe by seed: each begins with heads of its own.
    changes = moderate([mean.paired_difference(means[0]) for mean in means[1:]])
    told = [[""] * 5, *(_told(change, confidence, len(changes)) for change in changes)]
    for step, point, mean, change in zip(one.steps, one.points, means, told, strict=True):
        names = series.checkpoints_of(point)
        yield point, series.seeds.get(point, ""), step, metric, *_value(mean, scores[names[0]], confidence), *change
        for name in names if point in series.recipes else ():
            alone = _value(estimate([[scores[name]]], False), scores[name], confidence)
            yield name, series.seeds.get(name, ""), step, metric, *alone, *[""] * 5


def _value(score: Estimate, scores: PageScores, confidence: float) -> list[str]:
    """Return questions, seeds, pages, effective pages, and the value with its interval."""
    ends = score.percentage_interval(confidence)[0]
    counts = [str(scores.sizes.sum()), str(score.seeds), str(len(scores.sizes)), f"{score.pages[0]:.1f}"]
    return [*counts, *map(rounded, (score.value[0], *ends))]


def _told(change: Estimate, confidence: float, tests: int) -> list[str]:
    """Return the difference with its interval, p and p_adjusted."""
    numbers = (change.value[0], *change.interval(confidence)[0].clip(-100, 100))
    return [*map(rounded, numbers), rounded(change.p_value()[0], 6), rounded(change.p_value(tests)[0], 6)]
