"""How fast one core of this machine multiplies matrices as wide as BERT-base's."""

import time

import torch
from torch import nn

ROWS, WIDTH = 256, 768


def measure(precision: str, seconds: float = 0.4) -> float:
    """Return the operations a second of one core; precision: ``float32`` or ``bfloat16``.

    The best of many short products, so that other processes disturb little. oneDNN packs the weights, where it is there.
    """
    rows, weight = (torch.randn(n, WIDTH).to(getattr(torch, precision)) for n in (ROWS, WIDTH))
    if packs := torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        weight = torch.ops.mkldnn._reorder_linear_weight(weight, ROWS)
    multiply = torch.ops.mkldnn._linear_pointwise if packs else nn.functional.linear
    threads, best, end = torch.get_num_threads(), float("inf"), time.perf_counter() + seconds
    torch.set_num_threads(1)
    with torch.inference_mode():
        while (started := time.perf_counter()) < end:
            multiply(rows, weight, None, *(("none", [], "") if packs else ()))
            best = min(best, time.perf_counter() - started)
    torch.set_num_threads(threads)
    return 2 * ROWS * WIDTH**2 / best
