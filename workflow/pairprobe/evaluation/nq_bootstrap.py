"""Confidence intervals of scores on Natural Questions, by a percentile bootstrap over the questions."""

import itertools
from collections.abc import Iterator

import numpy as np

from pairprobe.evaluation.nq_metric import Judged, f1_of, points

# Cells of (resamples, examples) that are computed at once: a few arrays of 8 MB each, whatever the number of either.
CHUNK_SIZE = 1 << 20


def draws(examples: int, seed: int) -> Iterator[np.ndarray]:
    """Yield resamples without end: the indices of as many examples, drawn with replacement, each (examples,)."""
    generator = np.random.default_rng(seed)
    while True:
        yield generator.integers(examples, size=examples)


def intervals(judged: Judged, seed: int, resamples: int = 2000, level: float = 0.95) -> dict[str, tuple[float, float]]:
    """Return ``{"precision": (low, high), "recall": ..., "f1": ...}`` at the best threshold, by percentile bootstrap.

    Examples are drawn anew, and the threshold is chosen anew in each resample: its choice is part of what varies.
    """
    best = np.concatenate([_best(judged, weights) for weights in _weights(len(judged.score), seed, resamples)])
    low, high = np.quantile(best, [(1 - level) / 2, (1 + level) / 2], axis=0).tolist()
    return {name: (low[i], high[i]) for i, name in enumerate(("precision", "recall", "f1"))}


def _weights(examples: int, seed: int, resamples: int) -> Iterator[np.ndarray]:
    """Yield how often each example is drawn, (some resamples, examples), a bounded number of cells at a time."""
    counts = (np.bincount(drawn, minlength=examples) for drawn in itertools.islice(draws(examples, seed), resamples))
    while some := list(itertools.islice(counts, max(1, CHUNK_SIZE // examples))):
        yield np.stack(some)


def _best(judged: Judged, weights: np.ndarray) -> np.ndarray:
    """Return precision, recall and F1 at each resample's best threshold, (resamples, 3)."""
    _, precision, recall = points(judged, weights)
    f1 = f1_of(precision, recall)
    best = f1.argmax(1)[:, None]
    return np.concatenate([np.take_along_axis(values, best, axis=1) for values in (precision, recall, f1)], axis=1)
