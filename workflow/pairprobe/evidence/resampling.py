"""Bootstrap intervals and permutation tests for ratios of sums over clusters, and for differences of two of them.

A percentage is 100 * sum(count) / sum(para_len), equation 3 of the paper. Clusters of pairs (pages) are resampled or
swapped, since pairs of one page are not independent. A column is a layer and measure. A resample is a row of weights, so
that all columns of many resamples are one product of matrices.

Efron (1987), Better bootstrap confidence intervals; Hesterberg (2015), What teachers should know about the bootstrap (small
samples); Phipson and Smyth (2010), Permutation p-values should never be zero; Holm (1979); Schuirmann (1987), two one-sided
tests.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri, stdtrit

# Resamples in one product of matrices: more are no faster, and take more memory.
CHUNK_SIZE = 500
# Two statistics that are no further apart are tied: sums of the same numbers in another order differ by less.
TIE_TOLERANCE = 1e-9

Seed = int | Sequence[int]


@dataclass(frozen=True)
class Sums:
    """Sums over the pairs of each cluster: ``count``, (clusters, columns), and ``length``, likewise or (clusters, 1)."""

    count: np.ndarray
    length: np.ndarray

    def __len__(self) -> int:
        """Return the number of clusters."""
        return len(self.count)

    def percentage(self) -> np.ndarray:
        """Return 100 * sum(count) / sum(length) of each column, NaN where there is nothing: (columns,)."""
        return _ratio(self.count.sum(0), self.length.sum(0))

    def left_out(self) -> np.ndarray:
        """Return percentages without one cluster at a time: (clusters, columns)."""
        return _ratio(self.count.sum(0) - self.count, self.length.sum(0) - self.length)


def _ratio(count: np.ndarray, length: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio: np.ndarray = 100 * count / length
    return ratio


def _weights(clusters: int, number: int, seed: Seed) -> Iterator[np.ndarray]:
    """Yield how often each cluster is drawn in each resample: (some resamples, clusters), float64."""
    rng = np.random.default_rng(seed)
    for start in range(0, number, CHUNK_SIZE):
        rows = min(CHUNK_SIZE, number - start)
        places = rng.integers(0, clusters, (rows, clusters)) + clusters * np.arange(rows)[:, None]
        yield np.bincount(places.ravel(), minlength=rows * clusters).reshape(rows, clusters).astype(np.float64)


@dataclass(frozen=True)
class Bootstrap:
    """A statistic and its bootstrap distribution.

    estimate: (columns,); replicates: (resamples, columns); left_out: (clusters, columns), without one cluster at a time.
    """

    estimate: np.ndarray
    replicates: np.ndarray
    left_out: np.ndarray

    def __sub__(self, other: "Bootstrap") -> "Bootstrap":
        """Return the paired difference of two statistics that have the same resamples of the same clusters."""
        return Bootstrap(self.estimate - other.estimate, self.replicates - other.replicates, self.left_out - other.left_out)

    def __matmul__(self, weights: np.ndarray) -> "Bootstrap":
        """Return weighted sums of the columns, such as means or slopes over layers; weights: (columns, statistics)."""
        return Bootstrap(self.estimate @ weights, self.replicates @ weights, self.left_out @ weights)

    def __getitem__(self, columns: slice | list[int]) -> "Bootstrap":
        """Return some of the columns."""
        return Bootstrap(self.estimate[columns], self.replicates[:, columns], self.left_out[:, columns])

    @property
    def error(self) -> np.ndarray:
        """The standard error, (columns,): of the replicates, widened for few clusters as ``interval`` is."""
        clusters = len(self.left_out)
        error: np.ndarray = self.replicates.std(0) * np.sqrt(clusters / max(1, clusters - 1))
        return error

    def interval(self, confidence: float | np.ndarray = 0.95) -> np.ndarray:
        """Return the bias-corrected and accelerated interval of each column: (columns, 2).

        For few clusters, where the bootstrap's intervals are too narrow, its tails are Student's t with n - 1 degrees of
        freedom in place of the normal ones, times sqrt(n / (n - 1)) (Hesterberg 2015, section 3.2). NaN where there are
        fewer than two clusters. The interval of a statistic that is the same in all resamples has width 0.
        """
        clusters = len(self.left_out)
        if clusters < 2:
            return np.full((len(self.estimate), 2), np.nan)
        tails = np.array([(1 - np.asarray(confidence)) / 2, (1 + np.asarray(confidence)) / 2])
        tails = np.sqrt(clusters / (clusters - 1)) * stdtrit(clusters - 1, tails)
        tails = np.broadcast_to(tails[:, None] if tails.ndim == 1 else tails, (2, len(self.estimate)))
        bias, acceleration = self._bias(), self._acceleration()
        with np.errstate(invalid="ignore"):
            levels = ndtr(bias + (bias + tails) / (1 - acceleration * (bias + tails)))
        return np.stack([_quantiles(self.replicates, level, self.estimate) for level in levels], axis=1)

    def _bias(self) -> np.ndarray:
        below = (self.replicates < self.estimate - TIE_TOLERANCE).mean(0)
        ties = (np.abs(self.replicates - self.estimate) <= TIE_TOLERANCE).mean(0)
        # Where all replicates are on one side the correction would be infinite.
        margin = 0.5 / len(self.replicates)
        bias: np.ndarray = ndtri(np.clip(below + ties / 2, margin, 1 - margin))
        return bias

    def _acceleration(self) -> np.ndarray:
        from_mean = self.left_out.mean(0) - self.left_out
        squares = (from_mean**2).sum(0)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(squares > 0, (from_mean**3).sum(0) / (6 * squares**1.5), 0.0)


def _quantiles(replicates: np.ndarray, levels: np.ndarray, estimate: np.ndarray) -> np.ndarray:
    """Return a quantile of each column, each at its own level, by linear interpolation: (columns,)."""
    ordered = np.sort(replicates, axis=0)
    with np.errstate(invalid="ignore"):
        places = np.clip(np.nan_to_num(levels, nan=0.5), 0, 1) * (len(ordered) - 1)
    low = np.floor(places).astype(int)
    high = np.minimum(low + 1, len(ordered) - 1)
    columns = np.arange(ordered.shape[1])
    value = ordered[low, columns] + (places - low) * (ordered[high, columns] - ordered[low, columns])
    return np.where(np.isnan(estimate), np.nan, value)


def bootstrap(several: Sequence[Sums], number: int, seed: Seed) -> list[Bootstrap]:
    """Resample the clusters of several ratios of sums. All have the same resamples, so that their differences are paired.

    The same seed and number of clusters draw the same resamples.
    """
    replicates = [np.empty((number, sums.count.shape[1])) for sums in several]
    done = 0
    for weights in _weights(len(several[0]), number, seed):
        for sums, rows in zip(several, replicates, strict=True):
            rows[done : done + len(weights)] = _ratio(weights @ sums.count, weights @ sums.length)
        done += len(weights)
    return [Bootstrap(sums.percentage(), rows, sums.left_out()) for sums, rows in zip(several, replicates, strict=True)]


def permutation_test(before: Sums, after: Sums, number: int, seed: Seed) -> np.ndarray:
    """Test whether the two percentages differ: two-sided p of each column, (columns,), NaN where there is no percentage.

    before, after: of the same clusters. A permutation swaps the two in each cluster with probability 1/2. Where there are
    no more than ``number`` permutations (2**clusters), each is taken once and the test is exact; otherwise p counts the
    observed statistic too, so that it is never 0 (Phipson and Smyth 2010).
    """
    clusters = len(before)
    if clusters == 0:
        return np.full(before.count.shape[1], np.nan)
    observed = np.abs(after.percentage() - before.percentage())
    extreme, taken = np.zeros(len(observed)), 0
    for swapped in _swaps(clusters, number, seed):
        counts, lengths = (
            (one.sum(0) + swapped @ (other - one), other.sum(0) - swapped @ (other - one))
            for one, other in ((before.count, after.count), (before.length, after.length))
        )
        found = np.abs(_ratio(counts[1], lengths[1]) - _ratio(counts[0], lengths[0]))
        extreme += (found >= observed - TIE_TOLERANCE).sum(0)
        taken += len(swapped)
    exact = taken == 2**clusters
    p = extreme / taken if exact else (extreme + 1) / (taken + 1)
    return np.where(np.isnan(observed), np.nan, p)


def _swaps(clusters: int, number: int, seed: Seed) -> Iterator[np.ndarray]:
    """Yield the clusters to swap, as 0 or 1: (some permutations, clusters), float64."""
    if 2**clusters <= number:
        yield (np.arange(2**clusters)[:, None] >> np.arange(clusters) & 1).astype(np.float64)
        return
    rng = np.random.default_rng(seed)
    for start in range(0, number, CHUNK_SIZE):
        yield rng.integers(0, 2, (min(CHUNK_SIZE, number - start), clusters)).astype(np.float64)


def holm(p: np.ndarray) -> np.ndarray:
    """Correct p-values for multiple testing (Holm 1979), which controls the family-wise error rate.

    NaN stands for no test: it stays NaN and does not count.
    """
    p = np.asarray(p, np.float64)
    tested = np.flatnonzero(~np.isnan(p))
    order = tested[np.argsort(p[tested], kind="stable")]
    stepped = np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1))
    corrected = np.full(p.shape, np.nan)
    corrected[order] = np.minimum(stepped, 1)
    return corrected


def clusters_needed(distance: np.ndarray, error: np.ndarray, clusters: int, level: float, power: float) -> np.ndarray:
    """Return how many clusters a one-sided test needs to tell a statistic from a bound with this power: (columns,).

    distance: of the statistic from the bound. error: its standard error with ``clusters`` clusters, which shrinks with
    their square root. Infinite where the distance is 0.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        needed = clusters * ((ndtri(1 - level) + ndtri(power)) * error / np.abs(distance)) ** 2
    return np.where(np.asarray(error) == 0, 2.0, np.where(np.asarray(distance) == 0, np.inf, np.ceil(needed)))
