"""Errors of pages and of seeds: textbook tests, an independent implementation, properties, and simulated data."""

import numpy as np
import pytest
from scipy import optimize, special, stats

from pairprobe.evidence.estimation import Estimate, Sums, moderate


def sums_of(seed: int, pages: int, columns: int = 3, share: float = 0.6) -> Sums:
    dice = np.random.default_rng(seed)
    length = dice.integers(20, 200, (pages, columns)).astype(float)
    return Sums(dice.binomial(length.astype(int), share).astype(float), length)


def estimate_of(data: np.ndarray, draws: tuple = ()) -> Estimate:
    """Make an estimate of the means of data, (pages, columns)."""
    pages = len(data)
    return Estimate.of(data.mean(0), (data.sum(0) - data) / (pages - 1), draws, np.full(data.shape[1], float(pages)))


def test_the_percentage_is_a_ratio_of_sums_and_no_mean_of_ratios():
    sums = Sums(np.array([[1.0], [30.0]]), np.array([[2.0], [40.0]]))
    assert sums.percentage() == pytest.approx([100 * 31 / 42])


def test_without_one_page_at_a_time_is_the_percentage_of_the_others():
    sums = sums_of(0, 7)
    for i, row in enumerate(sums.left_out()):
        rest = np.delete(np.arange(7), i)
        assert row == pytest.approx(Sums(sums.count[rest], sums.length[rest]).percentage())


@pytest.mark.parametrize(("lengths", "pages"), [([5, 5, 5, 5], 4), ([10, 0, 0, 0], 1), ([3, 1], 1.6)])
def test_effective_pages_on_worked_examples(lengths, pages):
    length = np.array(lengths, float)[:, None]
    assert Sums(length, length).effective_pages() == pytest.approx([pages])


@pytest.mark.parametrize("confidence", [0.5, 0.95])
def test_of_means_the_interval_and_p_are_students(confidence):
    data = np.random.default_rng(1).normal(0.3, 1, (23, 4))
    found = estimate_of(data)
    wanted = stats.ttest_1samp(data, 0)
    assert found.interval(confidence) == pytest.approx(np.stack(wanted.confidence_interval(confidence), axis=1))
    assert found.p_value() == pytest.approx(wanted.pvalue, rel=1e-6)


def test_p_for_many_tests_is_bonferronis():
    data = np.random.default_rng(1).normal(0.5, 1, (40, 4))
    found = estimate_of(data)
    assert found.p_value(10) == pytest.approx(np.minimum(1, 10 * found.p_value()), rel=1e-6)


def test_where_nothing_differs_p_is_one_and_the_interval_has_no_width():
    found = estimate_of(np.zeros((9, 2)))
    assert found.p_value() == pytest.approx([1, 1])
    assert (found.interval(0.95) == 0).all()


def test_one_page_has_no_interval():
    found = Estimate.of_checkpoints([sums_of(0, 1)], is_recipe=False)
    assert np.isnan(found.interval(0.95)).all()
    assert np.isnan(found.percentage_interval(0.95)).all()
    assert np.isnan(found.p_value()).all()


def test_a_percentage_stays_within_its_bounds_and_at_its_end():
    count = np.tile([9.0, 10.0, 0.0], (20, 1))
    count[0, 0] = 8
    low, high = Estimate.of_checkpoints([Sums(count, np.full((20, 3), 10.0))], is_recipe=False).percentage_interval(0.999).T
    assert ((low >= 0) & (high <= 100)).all()
    assert low[0] < 100 * 179 / 200 < high[0]
    # Were the truth lower than that, 20 pages would not all be at the end, with this confidence.
    assert (low[1], high[1]) == pytest.approx((100 * 0.001 ** (1 / 20), 100))
    assert (low[2], high[2]) == pytest.approx((0, 100 - low[1]))


def test_seeds_alone_make_the_interval_of_a_single_t_test():
    draws = np.random.default_rng(2).normal(7, 3, (5, 2))
    found = Estimate.of(draws.mean(0), np.tile(draws.mean(0), (30, 1)), [draws], np.full(2, 30.0))
    wanted = stats.ttest_1samp(draws, 0).confidence_interval(0.95)
    assert found.interval(0.95) == pytest.approx(np.stack(wanted, axis=1))


def test_what_is_paired_is_tested_by_the_differences_of_each_seed_and_of_each_page():
    dice = np.random.default_rng(4)
    by_seed, by_page = dice.normal(0, 9, (5, 1)), dice.normal(0, 9, (30, 1))
    one, other = ((dice.normal(i, 1, (30, 2)) + by_page, dice.normal(i, 1, (5, 2)) + by_seed) for i in (1, 0))
    for still in (0, 1):  # either errors of pages alone, or of seeds alone
        several = [each[still] for each in (one, other)]
        wanted = stats.ttest_rel(*several)
        apart = [
            Estimate.of(each.mean(0), np.tile(each.mean(0), (30, 1)), [each], np.full(2, 30.0))
            if still
            else estimate_of(each)
            for each in several
        ]
        found = apart[0].paired_difference(apart[1])
        assert found.interval(0.95) == pytest.approx(np.stack(wanted.confidence_interval(0.95), axis=1))
        assert found.p_value() == pytest.approx(wanted.pvalue, rel=1e-6)
        beside = apart[0][[0]].paired_difference(apart[1])
        assert beside.interval(0.95)[0] == pytest.approx(found.interval(0.95)[0])
        assert beside.value[1] == pytest.approx(several[0][:, 0].mean() - several[1][:, 1].mean())


def test_only_as_many_draws_are_paired():
    three, two = (Estimate.of_checkpoints([sums_of(s, 20) for s in range(n)], is_recipe=True) for n in (3, 2))
    with pytest.raises(ValueError, match="broadcast"):
        three.paired_difference(two)


def test_two_recipes_add_their_variances_and_have_the_fewer_seeds():
    dice = np.random.default_rng(3)
    one, other = (
        Estimate.of_checkpoints([sums_of(s, 20) for s in dice.integers(99, size=n)], is_recipe=True) for n in (3, 6)
    )
    assert (other - one).seed_variance == pytest.approx(one.seed_variance + other.seed_variance)
    assert (other - one).seeds == 3


def test_a_percentage_of_no_pair_has_no_interval():
    count, total = np.full((20, 2), 5.0), np.full((20, 2), 10.0)
    count[:, 1] = total[:, 1] = 0
    found = Estimate.of_checkpoints([Sums(count, total)], is_recipe=False)
    assert np.isnan(found.percentage_interval(0.95)).tolist() == [[False, False], [True, True]]


def test_the_mean_over_seeds_is_that_of_their_percentages():
    several = [sums_of(seed, 20) for seed in range(4)]
    found = Estimate.of_checkpoints(several, is_recipe=True)
    assert found.value == pytest.approx(np.mean([each.percentage() for each in several], axis=0))
    assert found.seed_variance == pytest.approx(np.var([each.percentage() for each in several], axis=0, ddof=1) / 4)


def test_moderated_variances_are_those_of_smyth_but_never_below_their_own():
    dice = np.random.default_rng(4)
    draws = dice.normal(0, np.geomspace(0.3, 6, 12)[:, None, None], (12, 4, 1))
    found = moderate([Estimate.of(d.mean(0), np.zeros((5, 1)), [d], np.full(1, 5.0)) for d in draws])
    variances, own = draws.var(1, ddof=1)[:, 0] / 4, 3
    logs = np.log(variances) - special.digamma(own / 2) + np.log(own / 2)
    spread = logs.var(ddof=1) - special.polygamma(1, own / 2)
    freedom = 2 * optimize.brentq(lambda x: special.polygamma(1, x) - spread, 1e-3, 1e5)
    prior = np.exp(logs.mean() + special.digamma(freedom / 2) - np.log(freedom / 2))
    wanted = np.maximum(variances, (freedom * prior + own * variances) / (freedom + own))
    assert [each.seed_variance[0] for each in found] == pytest.approx(wanted.tolist(), rel=1e-6)
    assert found[0].freedom == pytest.approx([freedom + own], rel=1e-6)


def test_one_curve_by_itself_is_not_moderated():
    draws = np.random.default_rng(5).normal(0, 2, (3, 4))
    alone = Estimate.of(draws.mean(0), np.zeros((5, 4)), [draws], np.full(4, 5.0))
    (found,) = moderate([alone])
    assert found.seed_variance == pytest.approx(alone.seed_variance)
    assert found.freedom == pytest.approx(alone.freedom)


@pytest.mark.slow
@pytest.mark.parametrize("together", [0.0, 1.0])
def test_simultaneous_intervals_of_three_seeds_hold(together):
    """Whether each curve has its own luck with seeds or all share it, hardly ever any of twenty is wrong."""
    dice, wrong, runs = np.random.default_rng(6), 0, 300
    for _ in range(runs):
        shared, own = dice.normal(0, 3, (3, 1)), dice.normal(0, 3, (20, 3, 1))
        draws = together * shared + (1 - together) * own
        pages = dice.normal(0, 5, (20, 30, 1))
        curves = [
            Estimate.of(d.mean(0) + p.mean(0), d.mean(0) + (p.sum(0) - p) / 29, [d], np.full(1, 30.0))
            for d, p in zip(draws, pages, strict=True)
        ]
        wrong += any(abs(each.value[0]) > each.half_width(0.05, 20)[0] for each in moderate(curves))
    assert wrong <= stats.binom.ppf(0.999, runs, 0.05)


def test_intervals_cover_where_page_lengths_are_after_zipfs_law():
    dice, runs, covered = np.random.default_rng(3), 400, 0
    length = np.maximum(20, 3000 / np.arange(1, 121) ** 0.75).round()
    for _ in range(runs):
        share = np.clip(dice.normal(0.7, 0.08, 120), 0, 1)
        sums = Sums(dice.binomial(length.astype(int), share).astype(float)[:, None], length[:, None])
        ((low, high),) = Estimate.of_checkpoints([sums], is_recipe=False).percentage_interval(0.95)
        covered += low <= 70 <= high
    assert covered >= stats.binom.ppf(0.001, runs, 0.95)
