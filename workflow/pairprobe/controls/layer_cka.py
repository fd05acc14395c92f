"""Linear CKA between all pairs of layers of two checkpoints, on the words that both have: a matrix.

It is that of ``cka_rsa``, whose numbers stand on the diagonal, with the same resamples. Depth and width of the two may
differ. The matrices of products are held for some pairs of layers at a time (``BYTES``), and the texts are read twice for
each of these blocks, so that memory does not grow with the square of the layers.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from pairprobe.controls.cka_rsa import Moments, Resampling, batches, of_pages, pages_in_common, resampled_cka
from pairprobe.controls.units import units_among
from pairprobe.data.examples import Example
from pairprobe.evidence.estimation import Estimate, effective_number
from pairprobe.io import arrays

if TYPE_CHECKING:
    from pairprobe.activations.store import WordVectors

LAYER_CKA_FIELDS = (
    "before", "after", "layer_before", "layer_after", "seeds", "examples", "pages", "words", "cka", "cka_low", "cka_high",
    "cka_debiased",
)  # fmt: skip
# Of products held at a time. BERT-base's 13 x 13 pairs of layers take 4 blocks.
BYTES = 2**28


@dataclass(frozen=True)
class LayerCka:
    """CKA of all pairs of layers, (layers before, layers after); of no pair where the two have no example in common.

    low, high: the interval over pages. left_out: (pages, pairs), without one page at a time. words: of each page. examples:
    (1,), how many there are.
    """

    cka: np.ndarray
    debiased: np.ndarray
    low: np.ndarray
    high: np.ndarray
    left_out: np.ndarray
    words: np.ndarray
    examples: np.ndarray

    def write(self, path: str) -> None:
        """Write it to a file."""
        arrays.write(path, **{name: getattr(self, name) for name in self.__dataclass_fields__})

    @classmethod
    def read(cls, path: str) -> "LayerCka":
        """Read it from a file. Raises InputError where that is not whole."""
        return cls(*arrays.read(path, *cls.__dataclass_fields__))


def compare_layers(
    examples: Iterable[Example], before: "WordVectors", after: "WordVectors", resampling: Resampling
) -> LayerCka:
    """Return CKA of all pairs of layers of two checkpoints. examples, before, after: as in ``cka_rsa.compare``.

    A block of layers takes two matrices of float64 for each of its pairs of layers, and reads all texts twice.
    """
    pages = pages_in_common(examples, before, after)
    shape = (before.layers, after.layers)
    number = 1 + max(pages.values(), default=-1)
    cka, debiased = np.full(shape, np.nan), np.full(shape, np.nan)
    if not pages:
        return LayerCka(cka, debiased, cka, cka, np.zeros((0, cka.size)), np.zeros(0), np.zeros(1, int))
    shares = {"xy": np.zeros((number, *shape)), "xx": np.zeros((number, shape[0])), "yy": np.zeros((number, shape[1]))}
    for x, y in _blocks(before.shape, after.shape):
        moments = _moments(pages, before, after, x, y)
        added, words = of_pages(moments, pages, before, after, (x, y))
        cka[x, y] = moments.cka().reshape(cka[x, y].shape)
        debiased[x, y] = moments.cka_debiased().reshape(cka[x, y].shape)
        shares["xy"][:, x, y] = added["xy"].reshape(number, *cka[x, y].shape)
        shares["xx"][:, x], shares["yy"][:, y] = added["xx"], added["yy"]
    one, other = (indices.ravel() for indices in np.indices(shape))
    of_pairs = {"xy": shares["xy"].reshape(number, -1), "xx": shares["xx"][:, one], "yy": shares["yy"][:, other]}
    found = resampled_cka(of_pairs, resampling.resamples, resampling.seed)
    low, high = np.clip(found.interval(resampling.confidence), 0, 1).T.reshape(2, *shape)
    return LayerCka(cka, debiased, low, high, found.left_out, words, np.array([len(pages)]))


def _moments(pages: Mapping[str, int], before: "WordVectors", after: "WordVectors", x: slice, y: slice) -> Moments:
    """Return the moments of all pairs of some layers."""
    pairs = [*product(range(x.stop - x.start), range(y.stop - y.start))]
    moments: Moments | None = None
    for _, _, ours, theirs in batches(pages, before, after, f"layers {x.start}-{x.stop - 1}"):
        moments = moments or Moments(ours[x], theirs[y], pairs)
        moments.add(ours[x], theirs[y])
    assert moments is not None, "there is at least one text"
    return moments


def _blocks(before: tuple[int, int], after: tuple[int, int]) -> Iterator[tuple[slice, slice]]:
    """Yield layers of the one and of the other whose products take ``BYTES`` at most, or one of each; shapes as stores'."""
    at_once = max(1, BYTES // (before[1] * after[1] * 8))
    high = min(after[0], at_once)
    wide = max(1, at_once // high)
    for x, y in product(range(0, before[0], wide), range(0, after[0], high)):
        yield slice(x, min(x + wide, before[0])), slice(y, min(y + high, after[0]))


def summarise(
    found: Mapping[tuple[str, str], LayerCka], recipes: Mapping[str, Sequence[str]], confidence: float
) -> list[tuple]:
    """Return rows of ``LAYER_CKA_FIELDS``: of each recipe, the mean over its seeds, and of each checkpoint.

    found: by the names of the checkpoint before and of the other. A checkpoint's interval is over pages; a recipe's is over
    pages and seeds, see ``evidence.estimation``.
    """
    befores = {after: before for before, after in found}
    rows = []
    for name, several in units_among(befores, recipes).items():
        each = [found[befores[one], one] for one in several]
        first = each[0]
        if not first.examples[0]:
            continue
        cka, debiased = (np.mean([getattr(one, value) for one in each], axis=0) for value in ("cka", "debiased"))
        low, high = (first.low, first.high) if name not in recipes else _interval(each, confidence)
        counts = (len(several), first.examples[0], len(first.words), int(first.words.sum()))
        for i, j in np.ndindex(*first.cka.shape):
            numbers = (f"{values[i, j]:.4f}" for values in (cka, low, high, debiased))
            rows.append((befores[several[0]], name, i, j, *counts, *numbers))
    return rows


def _interval(seeds: Sequence[LayerCka], confidence: float) -> np.ndarray:
    """Return the interval of a recipe's mean: (2, layers before, layers after)."""
    draws = np.stack([one.cka.ravel() for one in seeds])
    left_out = np.mean([one.left_out for one in seeds], axis=0)
    pages = np.full(draws.shape[1], effective_number(seeds[0].words[:, None])[0])
    estimate = Estimate.of(draws.mean(0), left_out, [draws], pages)
    return np.clip(estimate.interval(confidence), 0, 1).T.reshape(2, *seeds[0].cka.shape)
