"""Confidence intervals of scores on Natural Questions."""

import itertools
import math
import tracemalloc
import warnings

import numpy as np
import pytest
from nq_official import (
    judged_from,
    official_numbers,
    our_numbers,
    rows_of,
)

from pairprobe.evaluation import nq_bootstrap
from pairprobe.evaluation.nq_bootstrap import draws, intervals
from pairprobe.evaluation.nq_metric import (
    Judged,
    at_best_threshold,
)


def normal_case(examples, seed=0):
    dice = np.random.default_rng(seed)
    gold, predicted, right = dice.random((3, examples)) < np.array([[0.6], [0.7], [0.5]])
    correct = gold & predicted & right
    ids = np.array([f"{i:06}" for i in range(examples)])
    return Judged(ids, gold, predicted, correct, np.round(dice.normal(size=examples) + correct, 1))


@pytest.mark.parametrize(("examples", "level"), [(1, 0.95), (2, 0.95), (37, 0.95), (37, 0.5), (300, 0.9)])
def test_intervals_equal_a_loop_of_the_official_script_over_the_same_resamples(examples, level):
    judged = normal_case(examples)
    rows = list(rows_of(judged).values())
    best = [official_numbers([rows[i] for i in drawn])[0] for drawn in itertools.islice(draws(examples, seed=4), 100)]
    columns = dict(zip(("f1", "precision", "recall"), zip(*best, strict=True), strict=False))
    found = intervals(judged, seed=4, resamples=100, level=level)
    assert set(found) == {"precision", "recall", "f1"}
    for name, between in found.items():
        assert between == tuple(np.quantile(columns[name], [(1 - level) / 2, (1 + level) / 2]))


def test_resamples_are_drawn_with_replacement():
    some = np.stack(list(itertools.islice(draws(50, seed=0), 2000)))
    assert some.shape == (2000, 50)
    # Every example as often as any, and each left out of (1 - 1/50)^50 = 36.4 % of the resamples.
    assert np.bincount(some.ravel(), minlength=50) == pytest.approx(2000, rel=0.1)
    assert np.mean([50 - len(set(drawn)) for drawn in some.tolist()]) / 50 == pytest.approx(0.364, abs=0.005)


def test_intervals_go_by_the_seed_and_not_by_how_many_resamples_are_worked_on_at_once(monkeypatch):
    judged = normal_case(200)
    before = intervals(judged, seed=0, resamples=150)
    assert intervals(judged, seed=0, resamples=150) == before
    assert intervals(judged, seed=1, resamples=150) != before
    for cells in (1, 700, 200 * 150):
        monkeypatch.setattr(nq_bootstrap, "CHUNK_SIZE", cells)
        assert intervals(judged, seed=0, resamples=150) == before


def test_intervals_hold_the_estimate():
    judged = normal_case(2000)
    best = at_best_threshold(judged)
    for name, (low, high) in intervals(judged, seed=0).items():
        assert low < getattr(best, name) < high
        assert 0.01 < high - low < 0.2


def test_with_one_score_the_interval_of_precision_is_that_of_a_proportion():
    correct = np.arange(1000) % 5 < 2
    judged = Judged(np.arange(1000).astype(str), np.ones(1000, bool), np.ones(1000, bool), correct, np.zeros(1000))
    low, high = intervals(judged, seed=0, resamples=4000)["precision"]
    half = 1.96 * math.sqrt(0.4 * 0.6 / 1000)
    assert (low, high) == (pytest.approx(0.4 - half, abs=0.003), pytest.approx(0.4 + half, abs=0.003))


def test_a_lower_level_gives_narrower_intervals():
    wide, narrow = (intervals(normal_case(300), seed=0, resamples=500, level=level) for level in (0.95, 0.5))
    assert all(wide[name][0] < narrow[name][0] < narrow[name][1] < wide[name][1] for name in wide)


@pytest.mark.parametrize(("gold", "predicted"), [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_where_nothing_is_right_all_is_0_without_a_warning(gold, predicted):
    judged = judged_from([(bool(gold), bool(predicted), False, score) for score in (1, 2, 2)])
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        assert our_numbers(judged) == ((0, 0, 0, 0), (0, 0, 0), (0, 0, 0))
        assert intervals(judged, seed=0, resamples=10) == dict.fromkeys(("precision", "recall", "f1"), (0, 0))


@pytest.mark.slow
def test_memory_is_bounded_on_the_whole_dev_set():
    judged = normal_case(7830)
    tracemalloc.start()
    intervals(judged, seed=0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100 << 20
