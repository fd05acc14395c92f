"""The roofline of a pass: what its matrix products alone would take at the machine's best rate for such products.

Counted are the products of all linear layers and the two of the attention, at the true lengths: no padding, no special
treatment, nothing else that a forward pass does. The rate is the best of all that are at hand, on all cores: PyTorch's mm
and linear, and oneDNN's product with a weight laid out for the processor; on all cores at one product, or on each core a
product of its own. Attention is counted at the same rate, which its narrow products do not reach, so no extractor gets
quite there. Training has three times the products of a forward pass: those of the gradients of Y = X W^T are dX = dY W and
dW = dY^T X, and the rate is then the best of their shapes, too.
"""

import itertools
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch import nn

ROWS = (512, 2048)
SURVEY, ROUND = 0.05, 0.3  # seconds of each candidate
FASTEST = 3


def linears(model) -> list[tuple[int, int]]:
    """Return the (in, out) shapes of the linear layers that hidden states go through."""
    named = ((name, part) for name, part in model.named_modules() if isinstance(part, nn.Linear))
    return [(part.in_features, part.out_features) for name, part in named if "pooler" not in name]


def flops(model, lengths: Iterable[int]) -> float:
    """Return the floating-point operations of the products of a forward pass of texts of so many subtokens."""
    weights = sum(a * b for a, b in linears(model))
    config = model.config
    return float(sum(2 * n * weights + 4 * n * n * config.hidden_size * config.num_hidden_layers for n in lengths))


def training_flops(model, lengths: Iterable[int]) -> float:
    """Return those of a forward and a backward pass, in which each product has two gradients."""
    return 3 * flops(model, lengths)


@dataclass(frozen=True)
class Product:
    """A way to multiply (rows, inner) by (inner, columns): one thread a product of its own, or all threads together."""

    kind: str
    rows: int
    inner: int
    columns: int
    apart: bool
    dtype: torch.dtype

    def __str__(self) -> str:
        """Say what it is."""
        how = "a core each" if self.apart else "all cores together"
        return f"{self.kind}, {self.rows} x {self.inner} x {self.columns}, {how}"

    def rate(self, length: float) -> float:
        """Return the floating-point operations a second of all threads, over so many seconds."""
        threads = torch.get_num_threads()
        workers = threads if self.apart else 1
        torch.set_num_threads(1 if self.apart else threads)
        try:
            with torch.inference_mode():
                products = [self._prepared() for _ in range(workers)]
            with ThreadPoolExecutor(workers) as pool:
                rates = pool.map(lambda product: _repeated(product, length), products)
                return 2.0 * self.rows * self.inner * self.columns * sum(rates)
        finally:
            torch.set_num_threads(threads)

    def _prepared(self) -> Callable[[], object]:
        rows = torch.randn(self.rows, self.inner).to(self.dtype)
        weight = torch.randn(self.columns, self.inner).to(self.dtype)
        if self.kind == "torch.mm":
            turned = weight.T.contiguous()
            return lambda: torch.mm(rows, turned)
        if self.kind == "torch.mm, transposed":
            upright, turned = rows.T.contiguous(), weight.T.contiguous()
            return lambda: torch.mm(upright.T, turned)
        if self.kind == "linear":
            return lambda: nn.functional.linear(rows, weight)
        packed = torch.ops.mkldnn._reorder_linear_weight(weight, self.rows)
        return lambda: torch.ops.mkldnn._linear_pointwise(rows, packed, None, "none", [], "")


def _repeated(product: Callable[[], object], length: float) -> float:
    """Return how often a second something runs."""
    with torch.inference_mode():
        product()
        started, times = time.perf_counter(), 0
        while (spent := time.perf_counter() - started) < length:
            product()
            times += 1
    return times / spent


def candidates(model, precision: str, training: bool = False) -> list[Product]:
    """Return all products of the shapes of a model's layers, in every way that this build of PyTorch has.

    training: whether those of a backward pass are among them.
    """
    kinds = ["torch.mm", "linear"]
    if torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        kinds.append("oneDNN, packed")
    layers = sorted(set(linears(model)))
    gradients = {(b, a) for a, b in layers} if training else set()
    shapes = [(kind, rows, *shape) for kind in kinds for rows in ROWS for shape in sorted({*layers, *gradients})]
    if training:
        shapes += [("torch.mm, transposed", b, rows, a) for rows in ROWS for a, b in layers]
    ways = itertools.product(shapes, (False, True))
    return [Product(*shape, apart, getattr(torch, precision)) for shape, apart in ways]


def best(found: list[Product]) -> list[Product]:
    """Return the fastest few, the fastest first; what a processor cannot do is left out."""
    rates = []
    for product in found:
        try:
            rates.append((product.rate(SURVEY), product))
        except RuntimeError:  # oneDNN has not every type on every processor
            continue
    rates.sort(key=lambda item: -item[0])
    return [product for _, product in rates[:FASTEST]]


def rate(products: list[Product]) -> float:
    """Return the best rate of these products now."""
    return max(product.rate(ROUND) for product in products)
