"""The space of a layer's word vectors: its mean and its dominant directions, and similarity without them.

Contextual vectors fill a narrow cone (Ethayarajh, 2019, "How Contextual are Contextualized Word Representations?"), and
a few directions or single dimensions can make up most of any cosine (Mu and Viswanath, 2018, "All-but-the-Top"; Timkey and
van Schijndel, 2021, "All Bark and No Bite"). A rogue dimension has a large mean, which goes with the mean, or a large
variance, which makes it a dominant direction.
"""

from dataclasses import dataclass

import numpy as np

from pairprobe.errors import InputError
from pairprobe.io import files
from pairprobe.io.progress import log, track


@dataclass(frozen=True, slots=True)
class Space:
    """What the word vectors of each layer have in common.

    mean: (layers, hidden). directions: (layers, n, hidden), of length 1 and at right angles to each other, those of the
    largest variance first. share: (layers, n), each one's share of the variance. All float64.
    """

    mean: np.ndarray
    directions: np.ndarray
    share: np.ndarray


def dominant(hidden: int) -> int:
    """Return how many directions count as dominant: a hundredth of the width, the rule of Mu and Viswanath (2018)."""
    return max(1, round(hidden / 100))


def without_mean(space: Space, vectors: np.ndarray) -> np.ndarray:
    """Subtract each layer's mean. vectors: (layers, words, hidden); returns the same in float64."""
    return vectors.astype(np.float64) - space.mean[:, None]


def without_dominant(space: Space, vectors: np.ndarray) -> np.ndarray:
    """Subtract each layer's mean and what is left along its dominant directions. Shapes as ``without_mean``."""
    centred = without_mean(space, vectors)
    return centred - centred @ space.directions.transpose(0, 2, 1) @ space.directions


def space_of(activations, directions: int | None = None) -> Space:
    """Find mean and dominant directions of each layer, over all words with a vector, of questions and paragraphs alike.

    activations: a ``store.Activations``, read once, one example in memory. directions: how many; None: ``dominant`` says.
    Sums are taken in the order of the examples' names, so that shards change nothing. Raises InputError where no direction
    would be left.
    """
    layers, hidden = activations.shape
    directions = dominant(hidden) if directions is None else directions
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
    everything = np.maximum(variances.sum(1, keepdims=True), np.finfo(float).tiny)
    space = Space(mean, axes[:, :directions], variances[:, :directions] / everything)
    shares = ", ".join(f"{100 * share:.0f}" for share in space.share.sum(1))
    log.info("%d words; %d directions have of each layer's variance, in percent: %s", words, directions, shares)
    return space


def write(path: str, space: Space) -> None:
    """Write ``spaces/{checkpoint}.npz``."""
    with files.atomic_write(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, mean=space.mean, directions=space.directions, share=space.share)


def read(path: str) -> Space:
    """Read ``spaces/{checkpoint}.npz``."""
    with np.load(path, allow_pickle=False) as stored:
        return Space(stored["mean"], stored["directions"], stored["share"])
