"""Intervals and tests: textbook examples, an independent implementation, properties, and simulated null data."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pairprobe.evidence.resampling import Bootstrap, Sums, bootstrap, clusters_needed, holm, permutation_test


def sums_of(seed: int, clusters: int, columns: int = 3, share: float = 0.6) -> Sums:
    dice = np.random.default_rng(seed)
    length = dice.integers(20, 200, (clusters, 1)).astype(float)
    return Sums(dice.binomial(length.astype(int), share, (clusters, columns)).astype(float), length)


def test_the_percentage_is_a_ratio_of_sums_and_no_mean_of_ratios():
    sums = Sums(np.array([[1.0], [30.0]]), np.array([[2.0], [40.0]]))
    assert sums.percentage() == pytest.approx([100 * 31 / 42])


def test_without_one_cluster_at_a_time_is_the_percentage_of_the_others():
    sums = sums_of(0, 7)
    for i, row in enumerate(sums.left_out()):
        rest = np.delete(np.arange(7), i)
        assert row == pytest.approx(Sums(sums.count[rest], sums.length[rest]).percentage())


def test_a_replicate_is_the_percentage_of_the_clusters_that_were_drawn():
    sums = sums_of(1, 3)
    # Of three clusters there are ten different resamples.
    possible = [
        Sums(sums.count[list(drawn)], sums.length[list(drawn)]).percentage()
        for drawn in itertools.combinations_with_replacement(range(3), 3)
    ]
    for replicate in bootstrap([sums], 200, 0)[0].replicates:
        assert np.isclose(possible, replicate).all(1).any()


def test_several_are_resampled_in_the_same_way_so_that_what_is_always_ahead_stays_ahead():
    one = sums_of(2, 30)
    other = Sums(one.count + 1, one.length)
    before, after = bootstrap([one, other], 500, 0)
    assert ((after - before).replicates > 0).all()
    # Not paired, they are not.
    assert not (after.replicates - bootstrap([one], 500, 1)[0].replicates > 0).all()


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


def test_means_and_slopes_over_columns_are_resampled_with_them():
    found = bootstrap([sums_of(4, 20, columns=4)], 100, 0)[0]
    slope = found @ np.array([[-0.3], [-0.1], [0.1], [0.3]])
    assert slope.replicates[:, 0] == pytest.approx(np.polyfit(np.arange(4), found.replicates.T, 1)[0])
    assert isinstance(slope, Bootstrap)


def exact_p(before: Sums, after: Sums) -> np.ndarray:
    """By a loop over all ways to swap."""
    observed, extreme, n = np.abs(after.percentage() - before.percentage()), 0, len(before)
    for swapped in itertools.product([False, True], repeat=n):
        swap = np.array(swapped)[:, None]
        one = Sums(np.where(swap, after.count, before.count), np.where(swap, after.length, before.length))
        other = Sums(np.where(swap, before.count, after.count), np.where(swap, before.length, after.length))
        extreme = extreme + (np.abs(other.percentage() - one.percentage()) >= observed - 1e-9)
    return extreme / 2**n


@pytest.mark.parametrize("seed", range(5))
def test_with_few_clusters_the_permutation_test_is_exact(seed):
    before, after = sums_of(seed, 8), sums_of(seed + 100, 8)
    assert permutation_test(before, after, 1000, 0) == pytest.approx(exact_p(before, after))


def test_with_more_clusters_it_comes_near_the_exact_one():
    before, after = sums_of(7, 11, columns=40), sums_of(8, 11, columns=40)
    exact, drawn = exact_p(before, after), permutation_test(before, after, 2000, 0)
    assert np.abs(drawn - exact).max() < 0.045  # four standard errors


def test_scipys_permutation_test_finds_the_same():
    before = sums_of(9, 40, columns=1)
    after = Sums(before.count + np.random.default_rng(1).integers(-9, 12, before.count.shape), before.length)
    theirs = stats.permutation_test(
        (after.count[:, 0], before.count[:, 0]),
        lambda one, other, axis: one.sum(axis) - other.sum(axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=20_000,
        rng=np.random.default_rng(0),
    ).pvalue
    assert permutation_test(before, after, 20_000, 0)[0] == pytest.approx(theirs, abs=0.015)


def test_p_is_never_zero_and_is_one_where_nothing_differs():
    before = sums_of(10, 60)
    after = Sums(before.count + 20, before.length)
    assert permutation_test(before, after, 99, 0) == pytest.approx(0.01)
    assert (permutation_test(before, before, 99, 0) == 1).all()


def test_holm_on_a_worked_example():
    # Ordered 0.005, 0.01, 0.03, 0.04: times 4, 3, 2, 1, never falling.
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_keeps_the_order_lies_below_bonferroni_and_passes_no_test_over(values):
    p = np.array([*values, np.nan])
    corrected = holm(p)
    assert np.isnan(corrected[-1])
    assert (corrected[:-1] >= p[:-1]).all()
    assert (corrected[:-1] <= np.minimum(1, p[:-1] * len(values)) + 1e-12).all()
    assert (np.diff(corrected[np.argsort(p[:-1], kind="stable")]) >= 0).all()


def test_the_number_needed_is_the_textbook_one():
    # One-sided at 2.5 % with a power of 80 %: (1.96 + 0.84)**2 = 7.85 standard errors squared.
    needed = clusters_needed(np.array([2.0, 0.0]), np.array([1.0, 1.0]), 50, 0.025, 0.8)
    assert needed[0] == np.ceil(50 * 7.8489 / 4)
    assert np.isinf(needed[1])


# Calibration, small; benchmarks/calibration.py does it at length.


def paired(dice: np.random.Generator, clusters: int, columns: int, difference: float = 0.0) -> tuple[Sums, Sums]:
    """Draw questions that two checkpoints answer: a question is easy or hard for both, and pages differ in length."""
    length = dice.integers(30, 200, clusters)
    ease = dice.normal(0.8, 1.0, (clusters, 1))
    chances = [1 / (1 + np.exp(-(ease + dice.normal(0, 0.5, (clusters, columns)) + shift))) for shift in (0, difference)]
    before, after = (
        Sums(dice.binomial(length[:, None], chance).astype(float), length[:, None] * 1.0) for chance in chances
    )
    return before, after


def test_on_null_data_intervals_cover_and_corrected_tests_seldom_reject():
    dice = np.random.default_rng(0)
    covered, rejected, runs, columns = 0, 0, 150, 10
    for run in range(runs):
        before, after = paired(dice, 30, columns)
        one, other = bootstrap([before, after], 600, run)
        low, high = (other - one).interval(0.95).T
        covered += ((low <= 0) & (high >= 0)).sum()
        rejected += bool((holm(permutation_test(before, after, 999, run)) <= 0.05).any())
    # Four standard errors, from below for coverage: 1,500 intervals and 150 families.
    assert covered / (runs * columns) > 0.95 - 4 * np.sqrt(0.95 * 0.05 / (runs * columns))
    assert rejected / runs < 0.05 + 4 * np.sqrt(0.05 * 0.95 / runs)


def test_a_real_difference_is_found():
    dice = np.random.default_rng(1)
    found = [permutation_test(*paired(dice, 60, 10, difference=0.5), 999, run) for run in range(20)]
    assert (np.array([holm(p) for p in found]) <= 0.05).mean() > 0.9
