"""Dropout of hidden states and of attention weights, fast on a CPU.

PyTorch draws a random number for each element, one after the other, and its fused attention has no dropout on a CPU. Here
four elements share a random number of 64 bits, so that a rate is met to 1/65,536. Which weights of an attention are
dropped is kept in their signs, so that the backward pass needs one tensor for both.
"""

import contextlib
import math
import threading
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

from pairprobe.checkpoints import cpu_kernels

ATTENTION = "pairprobe_training"
# Integers as wide as a number, by whose bits numbers are dropped.
_BITS = {torch.bfloat16: torch.int16, torch.float32: torch.int32}
_STEPS = 1 << 15
# Attention weights that are computed at once, so that they stay in a core's cache.
CHUNK_BYTES = 1 << 20

# Where this thread's random numbers come from; PyTorch's own generator, where nothing is set.
_source = threading.local()


@contextlib.contextmanager
def drawn_from(generator: torch.Generator) -> Iterator[None]:
    """Let this thread draw what it drops from a generator of its own."""
    _source.generator = generator
    try:
        yield
    finally:
        _source.generator = None


def _dropped(shape: torch.Size, rate: float, dtype: torch.dtype) -> torch.Tensor:
    """Return integers as wide as ``dtype``: the sign bit alone where an element is dropped, 0 elsewhere."""
    number = math.prod(shape)
    numbers = torch.empty(-(-number // 4), dtype=torch.int64)
    numbers.random_(-(2**63), None, generator=getattr(_source, "generator", None))
    drawn = numbers.view(torch.int16)[:number].view(shape)
    signs = drawn.bitwise_and_(_STEPS - 1).sub_(round(rate * _STEPS)).bitwise_and_(-_STEPS)
    return signs if dtype == torch.bfloat16 else signs.int().bitwise_left_shift_(16)


def _drops_all(rate: float) -> bool:
    """Whether a rate is so near to 1 that nothing is retained, which is PyTorch's to compute."""
    return round(rate * _STEPS) >= _STEPS


def _scale(rate: float) -> float:
    """Return what retained elements are multiplied by, so that the mean stays."""
    return 1 / (1 - round(rate * _STEPS) / _STEPS)


class Dropout(nn.Dropout):
    """``nn.Dropout`` on a CPU, of tensors in float32 and bfloat16."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """input: of any shape. Returns a new tensor."""
        if not self.training or not self.p or input.dtype not in _BITS or _drops_all(self.p):
            return super().forward(input)
        return _Dropout.apply(input, self.p)


class _Dropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, input: torch.Tensor, rate: float) -> torch.Tensor:
        dropped = _dropped(input.shape, rate, input.dtype)
        retained = dropped.bitwise_right_shift_(15 if input.dtype == torch.bfloat16 else 31).bitwise_not_()
        ctx.save_for_backward(retained)
        ctx.scale = _scale(rate)
        return _retain(input, retained, ctx.scale)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        (retained,) = ctx.saved_tensors
        return _retain(gradient, retained, ctx.scale), None


def _retain(values: torch.Tensor, retained: torch.Tensor, scale: float) -> torch.Tensor:
    bits = values.contiguous().view(retained.dtype).bitwise_and(retained)
    return bits.view(values.dtype).mul_(scale)


def attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **options: Any,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Attention with dropout, as many examples at a time as fit into a core's cache.

    Called as ``transformers`` calls an attention function; query, key, value: (examples, heads, subtokens, width of a
    head). Anything but plain attention of an encoder in training is left to PyTorch's own function.
    """
    plain = cpu_kernels.is_plain(module, query, key, value, attention_mask, options)
    if not plain or not query.requires_grad or query.dtype not in _BITS or _drops_all(dropout):
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **options
        )
    lengths = None if attention_mask is None else _lengths(attention_mask)
    mask = attention_mask if lengths is None else None
    scaling = query.shape[-1] ** -0.5 if scaling is None else scaling
    return _Attention.apply(query * scaling, key, value, mask, lengths, dropout), None


def _lengths(mask: torch.Tensor) -> list[int] | None:
    """Return how many subtokens of each example are attended to, where the mask hides padding behind them and no more."""
    if mask.dtype != torch.bool or mask.shape[1] != 1:
        return None
    lengths = mask[:, 0, 0].sum(-1)
    attended = torch.arange(mask.shape[-1]) < lengths[:, None]
    return lengths.tolist() if (mask[:, 0] == attended[:, None]).all() else None


class _Attention(torch.autograd.Function):
    """Weights W = softmax(Q Kᵀ), signed: negative where they are dropped; context C = scale · max(W, 0) V."""

    @staticmethod
    def forward(
        ctx: Any,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        mask: torch.Tensor | None,
        lengths: list[int] | None,
        rate: float,
    ) -> torch.Tensor:
        _, heads, subtokens, width = query.shape
        rows = [part.reshape(-1, subtokens, width) for part in (query, key, value)]
        context, weights = torch.empty_like(rows[2]), []
        for first, last in _chunks(query):
            at = slice(first * heads, last * heads)
            queries, keys, values = (part[at] for part in rows)
            scores = torch.bmm(queries, keys.transpose(1, 2))
            if lengths is not None:
                for scores_of, length in zip(scores.split(heads), lengths[first:last], strict=True):
                    scores_of[:, :, length:] = torch.finfo(scores.dtype).min
            elif mask is not None:
                scores = cpu_kernels.masked(scores, mask[first:last], heads)
            weight = torch.softmax(scores, -1)
            if rate:
                weight.view(_BITS[weight.dtype]).bitwise_or_(_dropped(weight.shape, rate, weight.dtype))
            torch.bmm(torch.relu(weight), values, out=context[at])
            weights.append(weight)
        ctx.save_for_backward(*rows, *weights)
        ctx.heads, ctx.scale = heads, _scale(rate)
        return context.mul_(ctx.scale).view(query.shape).transpose(1, 2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        rows, weights = ctx.saved_tensors[:3], ctx.saved_tensors[3:]
        shape = gradient.transpose(1, 2).shape
        gradient = (gradient.transpose(1, 2) * ctx.scale).reshape(rows[0].shape)
        found = [torch.empty_like(part) for part in rows]
        for (first, last), weight in zip(_chunks(gradient.view(shape)), weights, strict=True):
            at = slice(first * ctx.heads, last * ctx.heads)
            queries, keys, values = (part[at] for part in rows)
            of_queries, of_keys, of_values = (part[at] for part in found)
            of_context = gradient[at]
            torch.bmm(torch.relu(weight).transpose(1, 2), of_context, out=of_values)
            # 0 where the weight was dropped.
            of_weight = torch.ops.aten.threshold_backward(torch.bmm(of_context, values.transpose(1, 2)), weight, 0)
            of_scores = torch.ops.aten._softmax_backward_data(of_weight, weight.abs(), -1, weight.dtype)
            torch.bmm(of_scores, keys, out=of_queries)
            torch.bmm(of_scores.transpose(1, 2), queries, out=of_keys)
        return *(part.view(shape) for part in found), None, None, None


def _chunks(query: torch.Tensor) -> list[tuple[int, int]]:
    """Cut examples into chunks whose weights fit into a core's cache: the first of each, and the one behind its last."""
    examples, heads, subtokens, _ = query.shape
    size = max(1, CHUNK_BYTES // (heads * subtokens**2 * query.element_size()))
    return [(first, min(first + size, examples)) for first in range(0, examples, size)]


AttentionInterface.register(ATTENTION, attention)
AttentionMaskInterface.register(ATTENTION, sdpa_mask)
