"""Anisotropy: the mean and the dominant directions of a layer's word vectors, and similarity without them.

Contextual vectors fill a narrow cone (Ethayarajh, 2019, "How Contextual are Contextualized Word Representations?"), and
a few directions or single dimensions can make up most of any cosine (Mu and Viswanath, 2018, "All-but-the-Top"; Timkey and
van Schijndel, 2021, "All Bark and No Bite"). Such a rogue dimension has a large mean, which is subtracted with the mean, or
a large variance, which makes it a dominant direction.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pairprobe.errors import InputError
from pairprobe.io import arrays
from pairprobe.io.progress import log, track

if TYPE_CHECKING:
    from pairprobe.activations.store import WordVectors


@dataclass(frozen=True, slots=True)
class LayerStatistics:
    """What the word vectors of each layer have in common.

    mean: (layers, hidden). directions: (layers, n, hidden), orthonormal, the principal components of the largest variance,
    in descending order. share: (layers, n), the share of the variance that each explains. All float64.
    """

    mean: np.ndarray
    directions: np.ndarray
    share: np.ndarray


def number_of_dominant(hidden: int) -> int:
    """Return how many directions count as dominant: a hundredth of the hidden size, the rule of Mu and Viswanath (2018)."""
    return max(1, round(hidden / 100))


def without_mean(statistics: LayerStatistics, vectors: np.ndarray) -> np.ndarray:
    """Subtract each layer's mean. vectors: (layers, words, hidden); returns the same in float64."""
    return vectors.astype(np.float64) - statistics.mean[:, None]


def without_dominant(statistics: LayerStatistics, vectors: np.ndarray) -> np.ndarray:
    """Subtract each layer's mean, then the projection on its dominant directions. Shapes as ``without_mean``."""
    centred = without_mean(statistics, vectors)
    return centred - centred @ statistics.directions.transpose(0, 2, 1) @ statistics.directions


def layer_statistics(activations: "WordVectors", directions: int | None = None) -> LayerStatistics:
    """Return mean and dominant directions of each layer, over all words with a vector, of questions and paragraphs alike.

    activations: read once, with one example in memory. directions: how many; None: ``number_of_dominant``. Sums are taken
    in the order of the examples' names, so that shards change nothing. Raises InputError where no direction would be left.
    """
    layers, hidden = activations.shape
    directions = number_of_dominant(hidden) if directions is None else directions
    if directions >= hidden:
        raise InputError(f"dominant_directions: found {directions}, wanted fewer than the {hidden} that the vectors have.")
    words, total, products = 0, np.zeros((layers, hidden)), np.zeros((layers, hidden, hidden))
    names = sorted(activations.names())
    for name in track(names, len(names), "means and dominant directions"):
        vectors = np.concatenate(activations[name], axis=1)
        vectors = vectors[:, ~np.isnan(vectors[0, :, 0])].astype(np.float64)
        words += vectors.shape[1]
        total += vectors.sum(1)
        products += vectors.transpose(0, 2, 1) @ vectors
    mean = total / max(words, 1)
    variances, axes = np.linalg.eigh(products / max(words, 1) - mean[:, :, None] * mean[:, None])
    variances, axes = variances[:, ::-1], axes.transpose(0, 2, 1)[:, ::-1]
    total_variance = np.maximum(variances.sum(1, keepdims=True), np.finfo(float).tiny)
    statistics = LayerStatistics(mean, axes[:, :directions], variances[:, :directions] / total_variance)
    shares = ", ".join(f"{100 * share:.0f}" for share in statistics.share.sum(1))
    log.info("%d words; share of each layer's variance along %d directions, in percent: %s", words, directions, shares)
    return statistics


def write(path: str, statistics: LayerStatistics) -> None:
    """Write ``spaces/{checkpoint}.npz``."""
    arrays.write(path, mean=statistics.mean, directions=statistics.directions, share=statistics.share)


def read(path: str) -> LayerStatistics:
    """Read ``spaces/{checkpoint}.npz``. Raises InputError where it was damaged."""
    return LayerStatistics(*arrays.read(path, "mean", "directions", "share"))
