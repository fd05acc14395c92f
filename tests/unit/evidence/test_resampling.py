"""Intervals and tests: textbook examples, an independent implementation, properties, and simulated null data."""

import itertools

import numpy as np
import pytest
from scipy import stats

from pairprobe.evidence.estimation import Sums
from pairprobe.evidence.resampling import bootstrap


def sums_of(seed: int, clusters: int, columns: int = 3, share: float = 0.6) -> Sums:
    dice = np.random.default_rng(seed)
    length = dice.integers(20, 200, (clusters, 1)).astype(float)
    return Sums(dice.binomial(length.astype(int), share, (clusters, columns)).astype(float), length)


def test_a_replicate_is_the_percentage_of_the_clusters_that_were_drawn():
    sums = sums_of(1, 3)
    # Of three clusters there are ten different resamples.
    possible = [
        Sums(sums.count[list(drawn)], sums.length[list(drawn)]).percentage()
        for drawn in itertools.combinations_with_replacement(range(3), 3)
    ]
    for replicate in bootstrap([sums], 200, 0)[0].replicates:
        assert np.isclose(possible, replicate).all(1).any()


def test_the_same_seed_gives_the_same_intervals_and_another_gives_others():
    one, same, other = (bootstrap([sums_of(3, 25)], 1000, seed)[0].interval() for seed in (5, 5, 6))
    assert (one == same).all()
    assert (one != other).any()


@pytest.mark.parametrize("seed", range(3))
def test_the_interval_is_scipys_bca_but_for_its_wider_tails(seed):
    sums = sums_of(seed, 400, columns=1)
    ours = bootstrap([sums], 20_000, seed)[0].interval(0.9)[0]
    theirs = stats.bootstrap(
        (sums.count[:, 0], sums.length[:, 0]),
        lambda count, length, axis: 100 * count.sum(axis) / length.sum(axis),
        paired=True,
        vectorized=True,
        n_resamples=20_000,
        confidence_level=0.9,
        method="BCa",
        rng=np.random.default_rng(1),
    ).confidence_interval
    width = theirs.high - theirs.low
    assert ours == pytest.approx([theirs.low, theirs.high], abs=0.03 * width)


def test_of_means_of_normal_data_the_interval_is_students():
    dice = np.random.default_rng(0)
    values = dice.normal(50, 5, (12, 400))
    # Lengths of 100: the percentage is a mean.
    interval = bootstrap([Sums(values, np.full((12, 1), 100.0))], 4000, 0)[0].interval(0.95)
    error = values.std(0, ddof=1) / np.sqrt(12)
    half = stats.t.ppf(0.975, 11) * error
    assert np.median((interval[:, 1] - interval[:, 0]) / (2 * half)) == pytest.approx(1, abs=0.05)


def test_columns_that_no_resample_changes_have_an_interval_of_no_width():
    sums = Sums(np.array([[5.0, 1.0]] * 4), np.full((4, 1), 10.0))
    assert (bootstrap([sums], 100, 0)[0].interval() == [[50, 50], [10, 10]]).all()


def test_one_cluster_has_no_interval():
    assert np.isnan(bootstrap([sums_of(0, 1)], 10, 0)[0].interval()).all()


def paired(dice: np.random.Generator, clusters: int, columns: int, difference: float = 0.0) -> tuple[Sums, Sums]:
    """Draw questions that two checkpoints answer: a question is easy or hard for both, and pages differ in length."""
    length = dice.integers(30, 200, clusters)
    ease = dice.normal(0.8, 1.0, (clusters, 1))
    chances = [1 / (1 + np.exp(-(ease + dice.normal(0, 0.5, (clusters, columns)) + shift))) for shift in (0, difference)]
    before, after = (
        Sums(dice.binomial(length[:, None], chance).astype(float), length[:, None] * 1.0) for chance in chances
    )
    return before, after
