"""Bootstrap intervals for ratios of sums over pages, for statistics whose jackknife would take too long.

Pages are clusters: their words are not independent. A column is a layer. A resample is a row of weights, so that all
columns of many resamples are one product of matrices.

Efron (1987), Better bootstrap confidence intervals; Hesterberg (2015), What teachers should know about the bootstrap (small
samples).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri, stdtrit

from pairprobe.evidence.estimation import Sums

# Resamples in one product of matrices: more are no faster, and take more memory.
CHUNK_SIZE = 500
# Two statistics that are no further apart are tied: sums of the same numbers in another order differ by less.
TIE_TOLERANCE = 1e-9

Seed = int | Sequence[int]


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
    for weights in _weights(len(several[0].count), number, seed):
        for sums, rows in zip(several, replicates, strict=True):
            with np.errstate(invalid="ignore", divide="ignore"):
                rows[done : done + len(weights)] = 100 * (weights @ sums.count) / (weights @ sums.length)
        done += len(weights)
    return [Bootstrap(sums.percentage(), rows, sums.left_out()) for sums, rows in zip(several, replicates, strict=True)]
