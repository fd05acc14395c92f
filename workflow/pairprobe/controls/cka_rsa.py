"""Similarity of two checkpoints' representations of the same words, layer by layer: linear CKA, and RSA.

Linear CKA (Kornblith et al. 2019) is |C_xy|^2 / (|C_xx| |C_yy|) in Frobenius norms. C_xy is the sum of x y' over the words,
where x and y are a word's hidden states under the two checkpoints, less their means. CKA is 1 where y is x rotated or
scaled. Only sums of products are held in memory, (hidden, hidden) a layer, whatever the number of words. The two hidden
sizes may differ.

RSA (representational similarity analysis; Kriegeskorte et al. 2008) compares what is close to what: Pearson's correlation
of the cosine similarities of all pairs of words under one checkpoint with those under the other, the kernel and the
correlation of Merchant et al. (2020). Here the pairs are words of one text, and the result is the mean over the texts:
words are compared in the context that they share.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pairprobe.data.examples import Example
from pairprobe.data.sampling import hash_integer
from pairprobe.evidence.estimation import Sums
from pairprobe.evidence.resampling import Bootstrap, bootstrap
from pairprobe.io.progress import log, track

if TYPE_CHECKING:
    from pairprobe.activations.store import WordVectors

REPRESENTATION_FIELDS = (
    "before", "after", "layer", "examples", "pages", "words", "cka", "cka_low", "cka_high", "cka_debiased", "rsa",
    "rsa_low", "rsa_high",
)  # fmt: skip
# RSA takes a subsample of this size of a longer text: pairs grow with the square of the words.
MOST_WORDS = 512
# Texts are read together until they have this many words. A product over them is as large as one of a single text.
CHUNK_SIZE = 512
_PAIRS = {"xy": ("x", "y"), "xx": ("x", "x"), "yy": ("y", "y")}


@dataclass(frozen=True, slots=True)
class Resampling:
    """How intervals are made: by so many resamples of pages, with this confidence. The seed is also ``subsample``'s."""

    seed: int
    resamples: int = 10_000
    confidence: float = 0.95


class Moments:
    """Sums over the words of two representations, x and y: all that CKA needs, of each layer or of any pairs of layers.

    layers: for each of ``_PAIRS`` which layers its products are of. products: sums of x y', (products, hidden of x, hidden
    of y). The debiased estimate needs besides: the sums of the words' squared norms (squares), of products of two squared
    norms (square_products), and of a word times its squared norm (by_square).
    """

    def __init__(self, x: np.ndarray, y: np.ndarray, pairs: Sequence[tuple[int, int]] = ()):
        """Take shapes and origin from the first words, (layers, words, hidden) of each, without adding them.

        pairs: of a layer of x and one of y, by default each layer with that of the same number.
        """
        both = {"x": x, "y": y}
        of_x, of_y = np.array(pairs or [(i, i) for i in range(len(x))]).T
        self.layers = {"xy": (of_x, of_y), "yx": (of_y, of_x)}
        self.layers |= {name + name: (np.arange(len(vectors)),) * 2 for name, vectors in both.items()}
        # Sums about a point near the mean lose no digits; CKA is the same about any point.
        self.origin = {name: vectors.mean(1, keepdims=True) for name, vectors in both.items()}
        width = {name: vectors.shape[2] for name, vectors in both.items()}
        self.words = 0
        self.sums = {name: np.zeros((len(vectors), width[name])) for name, vectors in both.items()}
        number = {pair: len(one) for pair, (one, _) in self.layers.items()}
        self.products = {pair: np.zeros((number[pair], width[a], width[b])) for pair, (a, b) in _PAIRS.items()}
        self.squares = {name: np.zeros(len(vectors)) for name, vectors in both.items()}
        self.square_products = {pair: np.zeros(number[pair]) for pair in _PAIRS}
        self.by_square = {pair: np.zeros((number[pair], width[pair[0]])) for pair in self.layers}

    def add(self, x: np.ndarray, y: np.ndarray) -> None:
        """Add words: x and y, (layers, words, hidden), float64."""
        both = {name: vectors - self.origin[name] for name, vectors in (("x", x), ("y", y))}
        norms = {name: np.einsum("lnh,lnh->ln", vectors, vectors) for name, vectors in both.items()}
        self.words += x.shape[1]
        for name, vectors in both.items():
            self.sums[name] += vectors.sum(1)
            self.squares[name] += norms[name].sum(1)
        for pair, (one, other) in self.layers.items():
            a, b = pair[0], pair[1]
            for place, (i, j) in enumerate(zip(one, other, strict=True)):
                self.by_square[pair][place] += norms[b][j] @ both[a][i]
                if pair in _PAIRS:
                    self.products[pair][place] += both[a][i].T @ both[b][j]
        for pair, (a, b) in _PAIRS.items():
            one, other = self.layers[pair]
            self.square_products[pair] += (norms[a][one] * norms[b][other]).sum(1)

    def covariance(self, pair: str, place: int) -> np.ndarray:
        """Return one of a pair's products, less the means: (hidden of x, hidden of y)."""
        (a, b), (one, other) = _PAIRS[pair], self.layers[pair]
        return self.products[pair][place] - np.outer(self.sums[a][one[place]], self.sums[b][other[place]] / self.words)

    def dependence(self) -> dict[str, np.ndarray]:
        """Return |C|^2 of each of ``_PAIRS``, (products,): HSIC of linear kernels, but for a factor."""
        return {
            pair: np.array([np.square(self.covariance(pair, place)).sum() for place in range(len(products))])
            for pair, products in self.products.items()
        }

    def cka(self) -> np.ndarray:
        """Return the linear CKA of each layer or pair of layers, (pairs,)."""
        return self._normalised(self.dependence())

    def cka_debiased(self) -> np.ndarray:
        """Return CKA from the unbiased estimate of HSIC (HSIC_1 of Song et al. 2012): (pairs,).

        It is near 0 where x and y are independent; plain CKA is far above 0 there when words are few for the hidden size.
        It takes words for independent of each other, and leaves out the kernels' diagonals. NaN below four words.
        """
        if self.words < 4:
            return np.full(len(self.products["xy"]), np.nan)
        return self._normalised({pair: self._unbiased(pair) for pair in _PAIRS})

    def _unbiased(self, pair: str) -> np.ndarray:
        """Return HSIC_1 times n (n - 3), n being the number of words: (products,).

        With K and L, the kernels x x' and y y' of all words with 0 on their diagonals, it is
        tr(K L) + 1'K1 1'L1 / ((n - 1) (n - 2)) - 2 1'K L1 / (n - 2).
        """
        (a, b), layers, n = _PAIRS[pair], self.layers[pair], self.words
        one, other = (self.sums[name][of_name] for name, of_name in zip((a, b), layers, strict=True))
        trace = np.square(self.products[pair]).sum((1, 2)) - self.square_products[pair]
        sums = [
            np.square(self.sums[name]).sum(1)[of_name] - self.squares[name][of_name]
            for name, of_name in zip((a, b), layers, strict=True)
        ]
        rows = (
            np.einsum("li,lij,lj->l", one, self.products[pair], other, optimize=True)
            - (one * self.by_square[a + b]).sum(1)
            - (other * self.by_square[b + a]).sum(1)
            + self.square_products[pair]
        )
        return trace + sums[0] * sums[1] / ((n - 1) * (n - 2)) - 2 * rows / (n - 2)

    def shares(self, x: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
        """Return what each word adds to ``dependence``: (words, products) for each of ``_PAIRS``.

        x, y: (layers, words, hidden), float64. A word adds x' C y, where C is the covariance over all words.
        """
        both = {
            name: vectors - self.origin[name] - self.sums[name][:, None] / self.words
            for name, vectors in (("x", x), ("y", y))
        }
        return {
            pair: np.stack(
                [
                    np.einsum("nh,nh->n", both[a][i] @ self.covariance(pair, place), both[b][j])
                    for place, (i, j) in enumerate(zip(*self.layers[pair], strict=True))
                ],
                axis=1,
            )
            for pair, (a, b) in _PAIRS.items()
        }

    def _normalised(self, dependence: dict[str, np.ndarray]) -> np.ndarray:
        one, other = self.layers["xy"]
        with np.errstate(invalid="ignore", divide="ignore"):
            return dependence["xy"] / np.sqrt(dependence["xx"][one] * dependence["yy"][other])


def resampled_cka(shares: dict[str, np.ndarray], number: int, seed: int) -> Bootstrap:
    """Return the bootstrap of CKA over pages. shares: (pages, columns) of each of ``_PAIRS``, sums of ``Moments.shares``.

    |C(w)|^2 of a resample w is replaced by <C, C(w)>^2 / |C|^2, the part of its covariance C(w) along the covariance C of
    all pages; sums of the pages' shares give it. The part orthogonal to C is noise. Its square never cancels out, and would
    push every resample above the estimate. It is of a lower order in the number of pages.
    """
    total = {pair: share.sum(0) for pair, share in shares.items()}
    by_x, by_y = bootstrap([Sums(shares["xy"], shares["xx"]), Sums(shares["xy"], shares["yy"])], number, seed)
    # The two ratios are in percent; their product is (sum xy)^2 / (sum xx sum yy).
    with np.errstate(invalid="ignore", divide="ignore"):
        factor = np.sqrt(total["xx"] * total["yy"]) / total["xy"] / 100**2
    return Bootstrap(
        by_x.estimate * by_y.estimate * factor,
        by_x.replicates * by_y.replicates * factor,
        by_x.left_out * by_y.left_out * factor,
    )


def rsa(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return Pearson's correlation of the cosine similarities of all pairs of words in x with those in y, for each layer.

    x, y: (layers, words, hidden). Returns (layers,), NaN below three words and where all similarities are equal.
    """
    if x.shape[1] < 3:
        return np.full(len(x), np.nan)
    pairs = np.triu_indices(x.shape[1], 1)
    return np.array([_correlation(*(_cosines(vectors)[pairs] for vectors in layer)) for layer in zip(x, y, strict=True)])


def _cosines(words: np.ndarray) -> np.ndarray:
    words = words.astype(np.float64)
    with np.errstate(invalid="ignore"):
        directions = words / np.linalg.norm(words, axis=1, keepdims=True)
    return directions @ directions.T


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    one, other = one - one.mean(), other - other.mean()
    scale = np.sqrt((one @ one) * (other @ other))
    return float(one @ other / scale) if scale > 0 else float("nan")


def subsample(example_id: str, words: int, seed: int) -> np.ndarray:
    """Return which of a text's words RSA takes, ascending: all, or ``MOST_WORDS`` that seed and example_id decide."""
    if words <= MOST_WORDS:
        return np.arange(words)
    return np.sort(np.random.default_rng(hash_integer(seed, example_id)).choice(words, MOST_WORDS, replace=False))


def compare(
    examples: Iterable[Example],
    before: "WordVectors",
    after: "WordVectors",
    resampling: Resampling,
) -> list[tuple]:
    """Compare two checkpoints on the words, of question and paragraph, that have a vector under both.

    examples: those of the partition probe; before, after: of the view paragraph. Returns rows of ``REPRESENTATION_FIELDS``
    without the checkpoints' names, one a layer; none, and a line in the log, where the two have different numbers of layers
    or no example in common. Each text is read twice.
    """
    if before.layers != after.layers:
        log.warning("not compared: %d layers and %d, the embeddings included", before.layers, after.layers)
        return []
    pages = pages_in_common(examples, before, after)
    if not pages:
        return []
    moments, similarities = _first_reading(pages, before, after, resampling.seed)
    shares, _ = of_pages(moments, pages, before, after)
    of_cka = resampled_cka(shares, resampling.resamples, resampling.seed).interval(resampling.confidence)
    (of_rsa,) = bootstrap([similarities], resampling.resamples, resampling.seed)
    # To first order a resample's CKA may be above 1, which none is.
    values = [moments.cka(), np.clip(of_cka, 0, 1), moments.cka_debiased(), of_rsa.estimate / 100]
    numbers = np.column_stack([*values, of_rsa.interval(resampling.confidence) / 100])
    counts = (len(pages), 1 + max(pages.values()), moments.words)
    return [(layer, *counts, *(f"{value:.4f}" for value in row)) for layer, row in enumerate(numbers)]


def pages_in_common(examples: Iterable[Example], before: "WordVectors", after: "WordVectors") -> dict[str, int]:
    """Return the number of the page of each example that both have; none, and a line in the log, where there is none.

    Pages are numbered by their titles, so that resamples are the same whatever the order of the examples.
    """
    found = {example.example_id: example.title for example in examples}
    titles = {name: title for name, title in found.items() if name in before and name in after}
    log.info("%d of %d examples have activations of both checkpoints", len(titles), len(found))
    if not titles:
        log.warning("not compared: there is no example in common")
    places = {title: i for i, title in enumerate(sorted(set(titles.values())))}
    return {name: places[title] for name, title in titles.items()}


def _first_reading(pages: dict[str, int], before: "WordVectors", after: "WordVectors", seed: int) -> tuple[Moments, Sums]:
    """Return the moments of all words, and the sums of RSA over the texts of each page."""
    moments: Moments | None = None
    total = np.zeros((1 + max(pages.values()), before.layers))
    number = np.zeros_like(total)
    for names, of_text, x, y in batches(pages, before, after, "similarities"):
        moments = moments or Moments(x, y)
        moments.add(x, y)
        for i, name in enumerate(names):
            text = np.flatnonzero(of_text == i)
            text = text[subsample(name, len(text), seed)]
            value = rsa(x[:, text], y[:, text])
            total[pages[name]] += np.nan_to_num(value)
            number[pages[name]] += np.isfinite(value)
    assert moments is not None, "there is at least one text"
    return moments, Sums(total, number)


def of_pages(
    moments: Moments,
    pages: Mapping[str, int],
    before: "WordVectors",
    after: "WordVectors",
    layers: tuple[slice, slice] = (slice(None), slice(None)),
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return what each page adds to ``Moments.dependence``, (pages, products) for each of ``_PAIRS``, and its words.

    layers: those of the one and of the other that the moments are of.
    """
    number = 1 + max(pages.values())
    words = np.zeros(number)
    shares = {pair: np.zeros((number, len(products))) for pair, products in moments.products.items()}
    for names, of_text, x, y in batches(pages, before, after, "intervals"):
        page = np.array([pages[name] for name in names])[of_text]
        np.add.at(words, page, 1)
        for pair, share in moments.shares(x[layers[0]], y[layers[1]]).items():
            np.add.at(shares[pair], page, share)
    return shares, words


def batches(pages: Mapping[str, int], before: "WordVectors", after: "WordVectors", what: str) -> Iterator[tuple]:
    """Yield some texts at a time: their names, which of them each word is in, and x and y, (layers, words, hidden)."""
    names, texts, words = [], [], 0
    for name in track(pages, len(pages), what):
        names.append(name)
        texts.append(_common_words(before[name], after[name]))
        words += texts[-1][0].shape[1]
        if words >= CHUNK_SIZE:
            yield _joined(names, texts)
            names, texts, words = [], [], 0
    if words:
        yield _joined(names, texts)


def _common_words(
    before: tuple[np.ndarray, np.ndarray], after: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the vectors of the words that have one under both checkpoints: (layers, words, hidden) of each."""
    x, y = (np.concatenate(sides, axis=1) for sides in (before, after))
    has_both = ~np.isnan(x[0, :, 0]) & ~np.isnan(y[0, :, 0])
    return x[:, has_both], y[:, has_both]


def _joined(names: list[str], texts: list[tuple[np.ndarray, np.ndarray]]) -> tuple:
    of_text = np.repeat(np.arange(len(names)), [x.shape[1] for x, _ in texts])
    return names, of_text, *(np.concatenate(some, axis=1).astype(np.float64) for some in zip(*texts, strict=True))
