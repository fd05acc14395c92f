"""How alike two checkpoints represent the same words, layer by layer: linear CKA, and representational similarity.

Linear CKA (Kornblith et al. 2019) is |C_xy|^2 / (|C_xx| |C_yy|) in Frobenius norms, C_xy being the sum of x y' over the
words, whose features x and y have their means taken off. It is 1 where one space is the other turned or scaled. Only sums
of products of features are kept, (hidden, hidden) a layer, so that memory does not grow with the words; the two spaces
may be of different widths.

Representational similarity (RSA; Kriegeskorte et al. 2008) compares what is close to what: Pearson's correlation of the
cosine similarities of all pairs of words under the one checkpoint with those under the other, the kernel and the
correlation of Merchant et al. (2020). Here the pairs are of one text, and the mean over the texts is taken: words are
compared in the context that they share.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from pairprobe.activations.store import Activations
from pairprobe.data.examples import Example
from pairprobe.data.sampling import hash_integer
from pairprobe.evidence.resampling import Bootstrap, Sums, bootstrap
from pairprobe.io.progress import log, track

REPRESENTATION_FIELDS = (
    "before", "after", "layer", "examples", "pages", "words", "cka", "cka_low", "cka_high", "cka_debiased", "rsa",
    "rsa_low", "rsa_high",
)  # fmt: skip
# Of a longer text so many words are drawn for RSA: pairs grow with their square.
MOST_WORDS = 512
# Products of features are added up for so many words at once: they are as large as those of a single text.
_AT_ONCE = 512
_PAIRS = ("xy", "xx", "yy")


class Moments:
    """Sums over the words of two spaces, x and y, for each layer: all that CKA has to know of them.

    products: sums of x y', (layers, hidden of x, hidden of y), for ``_PAIRS`` of spaces. What else there is serves the
    debiased estimate: of the squared norms of the words, their sums, those of their products, and of a word times that of
    the other space.
    """

    def __init__(self, x: np.ndarray, y: np.ndarray):
        """Begin, with the first words, (layers, words, hidden) of each space, which are not added yet."""
        spaces, layers = {"x": x, "y": y}, len(x)
        # Sums about a place near the mean lose no digits; CKA is the same about any.
        self.origin = {name: space.mean(1, keepdims=True) for name, space in spaces.items()}
        width = {name: space.shape[2] for name, space in spaces.items()}
        self.words = 0
        self.sums = {name: np.zeros((layers, width[name])) for name in spaces}
        self.products = {a + b: np.zeros((layers, width[a], width[b])) for a, b in _PAIRS}
        self.squares = {name: np.zeros(layers) for name in spaces}
        self.square_products = {pair: np.zeros(layers) for pair in _PAIRS}
        self.by_square = {a + b: np.zeros((layers, width[a])) for a in spaces for b in spaces}

    def add(self, x: np.ndarray, y: np.ndarray) -> None:
        """Add words: (layers, words, hidden) of each space, float64."""
        spaces = {name: space - self.origin[name] for name, space in (("x", x), ("y", y))}
        norms = {name: np.einsum("lnh,lnh->ln", space, space) for name, space in spaces.items()}
        self.words += x.shape[1]
        for name, space in spaces.items():
            self.sums[name] += space.sum(1)
            self.squares[name] += norms[name].sum(1)
        for a, b in _PAIRS:
            for layer, (one, other) in enumerate(zip(spaces[a], spaces[b], strict=True)):
                self.products[a + b][layer] += one.T @ other
            self.square_products[a + b] += (norms[a] * norms[b]).sum(1)
        for a, b in self.by_square:
            self.by_square[a + b] += np.einsum("lnh,ln->lh", spaces[a], norms[b])

    def covariance(self, pair: str, layer: int) -> np.ndarray:
        """Return the sum of x y' with the means taken off, in one layer: (hidden of x, hidden of y)."""
        a, b = pair
        return self.products[pair][layer] - np.outer(self.sums[a][layer], self.sums[b][layer] / self.words)

    def dependence(self) -> dict[str, np.ndarray]:
        """Return |C|^2 of each pair of spaces, (layers,): HSIC of linear kernels, but for a factor."""
        layers = range(len(self.sums["x"]))
        return {pair: np.array([np.square(self.covariance(pair, layer)).sum() for layer in layers]) for pair in _PAIRS}

    def cka(self) -> np.ndarray:
        """Return the linear CKA of each layer, (layers,)."""
        return _normalised(self.dependence())

    def cka_debiased(self) -> np.ndarray:
        """Return CKA from the unbiased estimate of HSIC (HSIC_1 of Song et al. 2012): (layers,).

        It is near 0 where x says nothing of y; the plain one is far above that when words are few for the width. It takes a
        word for independent of the others, and leaves the diagonals of the kernels out. NaN below four words.
        """
        if self.words < 4:
            return np.full(len(self.sums["x"]), np.nan)
        return _normalised({pair: self._unbiased(pair) for pair in _PAIRS})

    def _unbiased(self, pair: str) -> np.ndarray:
        """Return HSIC_1 times n (n - 3), n being the number of words: (layers,).

        With K and L, the kernels x x' and y y' of all words with 0 on their diagonals, it is
        tr(K L) + 1'K1 1'L1 / ((n - 1) (n - 2)) - 2 1'K L1 / (n - 2).
        """
        a, b = pair
        n, one, other = self.words, self.sums[a], self.sums[b]
        trace = np.square(self.products[pair]).sum((1, 2)) - self.square_products[pair]
        sums = [np.square(self.sums[name]).sum(1) - self.squares[name] for name in pair]
        rows = (
            np.einsum("li,lij,lj->l", one, self.products[pair], other, optimize=True)
            - (one * self.by_square[a + b]).sum(1)
            - (other * self.by_square[b + a]).sum(1)
            + self.square_products[pair]
        )
        return trace + sums[0] * sums[1] / ((n - 1) * (n - 2)) - 2 * rows / (n - 2)

    def shares(self, x: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
        """Return what each word gives to ``dependence``, which is their sum: (words, layers) for each pair of spaces.

        x, y: (layers, words, hidden), float64. A word gives x' C y, its own product along the sum of all.
        """
        spaces = {
            name: space - self.origin[name] - self.sums[name][:, None] / self.words for name, space in (("x", x), ("y", y))
        }
        return {
            pair: np.stack(
                [
                    np.einsum("nh,nh->n", one @ self.covariance(pair, layer), other)
                    for layer, (one, other) in enumerate(zip(*(spaces[name] for name in pair), strict=True))
                ],
                axis=1,
            )
            for pair in _PAIRS
        }


def _normalised(dependence: dict[str, np.ndarray]) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return dependence["xy"] / np.sqrt(dependence["xx"] * dependence["yy"])


def resampled_cka(shares: dict[str, np.ndarray], number: int, seed: int) -> Bootstrap:
    """Return the bootstrap of CKA over pages: shares: (pages, layers) of each pair, sums of ``Moments.shares``.

    Of a resample's covariances the part along those of all pages is taken, <C, C(w)>^2 / |C|^2 for |C(w)|^2, which sums of
    the pages' shares give. What is left out is the part across, noise that is squared and never cancels out: it would push
    every resample, in which words come twice, above the estimate. It is of a lower order in the number of pages.
    """
    whole = {pair: share.sum(0) for pair, share in shares.items()}
    by_x, by_y = bootstrap([Sums(shares["xy"], shares["xx"]), Sums(shares["xy"], shares["yy"])], number, seed)
    # The two ratios are in percent; their product is (sum xy)^2 / (sum xx sum yy).
    with np.errstate(invalid="ignore", divide="ignore"):
        factor = np.sqrt(whole["xx"] * whole["yy"]) / whole["xy"] / 100**2
    return Bootstrap(
        by_x.estimate * by_y.estimate * factor,
        by_x.replicates * by_y.replicates * factor,
        by_x.left_out * by_y.left_out * factor,
    )


def rsa(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return Pearson's correlation of the cosine similarities of all pairs of words in two spaces, for each layer.

    x, y: (layers, words, hidden). Returns (layers,), NaN below three words and where all similarities are equal.
    """
    if x.shape[1] < 3:
        return np.full(len(x), np.nan)
    pairs = np.triu_indices(x.shape[1], 1)
    return np.array([_correlation(*(_cosines(space)[pairs] for space in layer)) for layer in zip(x, y, strict=True)])


def _cosines(words: np.ndarray) -> np.ndarray:
    words = words.astype(np.float64)
    with np.errstate(invalid="ignore"):
        directions = words / np.linalg.norm(words, axis=1, keepdims=True)
    return directions @ directions.T


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    one, other = one - one.mean(), other - other.mean()
    scale = np.sqrt((one @ one) * (other @ other))
    return float(one @ other / scale) if scale > 0 else float("nan")


def sampled(example_id: str, words: int, seed: int) -> np.ndarray:
    """Return which words of a text RSA takes, ascending: all, or ``MOST_WORDS`` that seed and example_id decide."""
    if words <= MOST_WORDS:
        return np.arange(words)
    return np.sort(np.random.default_rng(hash_integer(seed, example_id)).choice(words, MOST_WORDS, replace=False))


def compare(
    examples: Iterable[Example],
    before: Activations,
    after: Activations,
    seed: int,
    resamples: int = 10_000,
    confidence: float = 0.95,
) -> list[tuple]:
    """Compare two checkpoints on the words, of question and paragraph, that have a vector under both.

    examples: those of the partition probe; before, after: of the view paragraph. Returns rows of ``REPRESENTATION_FIELDS``
    without the checkpoints' names, one a layer; none, and a line in the log, where the two have different numbers of layers
    or no example in common. resamples: of pages, for intervals of this confidence. Each text is read twice.
    """
    if before.layers != after.layers:
        log.warning("not compared: %d layers and %d, the embeddings included", before.layers, after.layers)
        return []
    found = {example.example_id: example.title for example in examples}
    titles = {name: title for name, title in found.items() if name in before and name in after}
    log.info("%d of %d examples have activations of both checkpoints", len(titles), len(found))
    if not titles:
        log.warning("not compared: there is no example in common")
        return []
    # In this order resamples are drawn, whatever that of the examples.
    places = {title: i for i, title in enumerate(sorted(set(titles.values())))}
    pages = {name: places[title] for name, title in titles.items()}
    moments, similarities = _first_reading(pages, before, after, seed)
    shares = _second_reading(moments, pages, before, after)
    of_cka = resampled_cka(shares, resamples, seed).interval(confidence)
    (of_rsa,) = bootstrap([similarities], resamples, seed)
    # To first order a resample's CKA may be above 1, which none is.
    values = [moments.cka(), np.clip(of_cka, 0, 1), moments.cka_debiased(), of_rsa.estimate / 100]
    numbers = np.column_stack([*values, of_rsa.interval(confidence) / 100])
    counts = (len(titles), len(places), moments.words)
    return [(layer, *counts, *(f"{value:.4f}" for value in row)) for layer, row in enumerate(numbers)]


def _first_reading(pages: dict[str, int], before: Activations, after: Activations, seed: int) -> tuple[Moments, Sums]:
    """Return the moments of all words, and the sums of RSA over the texts of each page."""
    moments = None
    total = np.zeros((1 + max(pages.values()), before.layers))
    number = np.zeros_like(total)
    for names, of_text, x, y in _batches(pages, before, after, "similarities"):
        moments = moments or Moments(x, y)
        moments.add(x, y)
        for i, name in enumerate(names):
            text = np.flatnonzero(of_text == i)
            text = text[sampled(name, len(text), seed)]
            value = rsa(x[:, text], y[:, text])
            total[pages[name]] += np.nan_to_num(value)
            number[pages[name]] += np.isfinite(value)
    return moments, Sums(total, number)


def _second_reading(moments: Moments, pages: dict[str, int], before: Activations, after: Activations) -> dict:
    """Return what each page gives to ``Moments.dependence``: (pages, layers) for each pair of spaces."""
    shares = {pair: np.zeros((1 + max(pages.values()), before.layers)) for pair in _PAIRS}
    for names, of_text, x, y in _batches(pages, before, after, "intervals"):
        page = np.array([pages[name] for name in names])[of_text]
        for pair, share in moments.shares(x, y).items():
            np.add.at(shares[pair], page, share)
    return shares


def _batches(pages: dict[str, int], before: Activations, after: Activations, what: str) -> Iterator[tuple]:
    """Yield some texts at a time: their names, which of them each word is in, and x and y, (layers, words, hidden)."""
    names, spaces, words = [], [], 0
    for name in track(pages, len(pages), what):
        names.append(name)
        spaces.append(_words(before[name], after[name]))
        words += spaces[-1][0].shape[1]
        if words >= _AT_ONCE:
            yield _together(names, spaces)
            names, spaces, words = [], [], 0
    if words:
        yield _together(names, spaces)


def _words(before: tuple[np.ndarray, np.ndarray], after: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return the vectors of the words that have one under both checkpoints: (layers, words, hidden) of each."""
    x, y = (np.concatenate(space, axis=1) for space in (before, after))
    kept = ~np.isnan(x[0, :, 0]) & ~np.isnan(y[0, :, 0])
    return x[:, kept], y[:, kept]


def _together(names: list[str], spaces: list[tuple[np.ndarray, np.ndarray]]) -> tuple:
    of_text = np.repeat(np.arange(len(names)), [x.shape[1] for x, _ in spaces])
    return names, of_text, *(np.concatenate(some, axis=1).astype(np.float64) for some in zip(*spaces, strict=True))
