"""Spearman's rank correlation, ties averaged, and the same without one page at a time."""

import numpy as np
from scipy.stats import rankdata

# So few pairs are taken out of ranks in less time than the others are sorted anew.
FEW = 5


def rank_correlations(values: np.ndarray, other: np.ndarray, page: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Correlate the ranks of each column with those of another variable over the pairs.

    values: (pairs, columns); other: (pairs,); page: (pairs,), the number of each pair's page, from 0. Returns the
    correlations, (columns,), and those without one page at a time, (pages, columns). NaN where all values are tied.
    """
    ranks = rankdata(np.column_stack([other, values]), axis=0)
    left_out = [_correlations(_without(ranks, page == number)) for number in range(page.max() + 1)]
    return _correlations(ranks), np.array(left_out)


def _without(ranks: np.ndarray, out: np.ndarray) -> np.ndarray:
    """Return the ranks of the other pairs among themselves."""
    rest: np.ndarray = ranks[~out]
    if out.sum() > FEW:
        return np.asarray(rankdata(rest, axis=0))
    found = rest.copy()
    for row in ranks[out]:
        # One less above it, half of one beside it.
        found -= (np.sign(rest - row) + 1) / 2
    return found


def _correlations(ranks: np.ndarray) -> np.ndarray:
    """Correlate the first column with the others; ranks: (pairs, 1 + columns)."""
    deviations = ranks - (len(ranks) + 1) / 2
    squares = (deviations**2).sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        found: np.ndarray = (deviations[:, :1] * deviations[:, 1:]).sum(0) / np.sqrt(squares[0] * squares[1:])
    return found
