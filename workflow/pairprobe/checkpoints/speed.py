"""How fast one core of this machine computes what BERT-base is made of."""

import time
from collections.abc import Callable

import torch
from torch import nn
from transformers import BertConfig, BertModel

from pairprobe.checkpoints import cpu_kernels, devices

ROWS, WIDTH = 256, 768
# What ``layer_seconds`` reads: texts, subtokens of each.
TEXTS = 2, 512


def product_flops(precision: str) -> float:
    """Return the operations a second in products of matrices; precision: ``float32`` or ``bfloat16``.

    oneDNN packs the weights, where it is there.
    """
    rows, weight = (torch.randn(n, WIDTH).to(getattr(torch, precision)) for n in (ROWS, WIDTH))
    if packs := torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        weight = torch.ops.mkldnn._reorder_linear_weight(weight, ROWS)
    multiply = torch.ops.mkldnn._linear_pointwise if packs else nn.functional.linear
    rest: tuple = ("none", [], "") if packs else ()
    return 2 * ROWS * WIDTH**2 / _best(lambda: multiply(rows, weight, None, *rest), 0.4)


def layer_seconds(precision: str) -> float:
    """Return the seconds that ``TEXTS`` take in embeddings and a layer of BERT-base's shape, as extraction computes it."""
    model = BertModel(BertConfig(num_hidden_layers=1)).eval().to(getattr(torch, precision))
    cpu_kernels.speed_up(model)
    texts = torch.zeros(TEXTS, dtype=torch.long)
    return _best(lambda: model(texts), 0.6)


def _best(run: Callable[[], object], seconds: float) -> float:
    """Return the least processor time of many runs of something, since other processes disturb some of them."""
    best, end = float("inf"), time.thread_time() + seconds
    with devices.operation_threads(1), torch.inference_mode():
        while (started := time.thread_time()) < end:
            run()
            best = min(best, time.thread_time() - started)
    return best
