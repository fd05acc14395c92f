"""Spearman's correlation, with and without one page at a time: worked examples, and an independent implementation."""

import numpy as np
import pytest
from scipy import stats

from pairprobe.evidence.rank_correlation import rank_correlations


def test_a_worked_example_with_ties():
    # Ranks 1, 2.5, 2.5, 4 and 2, 2, 2, 4... of which r is Pearson's.
    values, other = np.array([[1.0], [5.0], [5.0], [9.0]]), np.array([0.0, 0.0, 0.0, 1.0])
    found, _ = rank_correlations(values, other, np.arange(4))
    # Deviations -1.5, 0, 0, 1.5 and -0.5, -0.5, -0.5, 1.5: 3 / sqrt(4.5 * 3).
    assert found == pytest.approx([3 / np.sqrt(13.5)])


def test_all_and_without_each_page_are_scipys():
    dice = np.random.default_rng(3)
    page = np.repeat(np.arange(9), dice.integers(1, 9, 9))
    values, other = dice.integers(0, 12, (len(page), 5)) / 11, dice.choice([0, 0.4, 1], len(page))
    found, left_out = rank_correlations(values, other, page)
    assert found == pytest.approx([stats.spearmanr(column, other).statistic for column in values.T])
    for number, row in enumerate(left_out):
        rest = page != number
        assert row == pytest.approx([stats.spearmanr(column[rest], other[rest]).statistic for column in values.T])


def test_there_is_none_where_all_values_are_tied_or_no_pair_is_left():
    found, left_out = rank_correlations(np.array([[1.0, 2.0], [1.0, 3.0]]), np.array([0.0, 1.0]), np.array([0, 0]))
    assert np.isnan(found).tolist() == [True, False]
    assert np.isnan(left_out).all()
