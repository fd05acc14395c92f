"""Dropout as a processor draws it fast, alone and in attention: the same formulas, other random bits and loops.

PyTorch draws its dropout on a processor at some 200 million elements a second, and attention with dropout has no fused
kernel there: it is computed in float32, from tensors that do not lie one after the other. Together that was nearly half of
a training step. Here a random word makes four elements, what is dropped is cleared bit by bit, and attention goes a few
examples at a time, whose scores stay in the cache.
"""

import torch
from torch import nn
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

from pairprobe.kernels import AT_ONCE, SPECIAL

ATTENTION = "pairprobe_training"
# An integer type as wide as each floating one, in which bits can be cleared.
_BITS = {torch.bfloat16: torch.int16, torch.float16: torch.int16, torch.float32: torch.int32, torch.float64: torch.int64}
# A probability is rounded to a multiple of 2**-15.
_STEPS = 1 << 15


def speed_up(model: nn.Module, device: str = "cpu") -> None:
    """Change a model's dropout, and its attention where that is PyTorch's own, in place; does nothing on a GPU."""
    if device != "cpu":
        return
    for module in list(model.modules()):
        for name, part in module.named_children():
            if type(part) is nn.Dropout:
                setattr(module, name, Dropout(part.p))
    if model.config._attn_implementation == "sdpa":
        model.set_attn_implementation(ATTENTION)


class Dropout(nn.Module):
    """``nn.Dropout`` with other random bits."""

    def __init__(self, p: float):
        super().__init__()
        self.p = p

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """values: any shape, which is returned."""
        if not (self.training and self.p):
            return values
        return _Dropped.apply(values, self.p)


class _Dropped(torch.autograd.Function):
    @staticmethod
    def forward(ctx, values, p):
        ctx.kept, ctx.scale = drawn(values.shape, p), _scale(p)
        return _keep(values, ctx.kept).mul_(ctx.scale)

    @staticmethod
    def backward(ctx, gradient):
        return _keep(gradient, ctx.kept).mul_(ctx.scale), None


def drawn(shape: torch.Size, p: float) -> torch.Tensor:
    """Draw, with torch's generator, what is kept: int16 of this shape, all bits set, or none with probability ``p``."""
    size = shape.numel()
    bits = torch.empty(-(-size // 4), dtype=torch.int64).random_().view(torch.int16)[:size].view(shape)
    # What is left of a number below the limit is negative, and its sign fills all bits.
    return bits.bitwise_and_(_STEPS - 1).sub_(_limit(p)).bitwise_right_shift_(15)


def _limit(p: float) -> int:
    return min(round((1 - p) * _STEPS), _STEPS - 1)


def _scale(p: float) -> float:
    """Return what keeps the mean: of the probability as it was rounded."""
    return _STEPS / _limit(p) if _limit(p) else 0.0


def _keep(values: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
    bits = _BITS[values.dtype]
    return values.contiguous().view(bits).bitwise_and(kept.to(bits)).view(values.dtype)


def attention(module, query, key, value, attention_mask, scaling=None, dropout=0.0, **options):
    """Attention, called as ``transformers`` calls one; query, key, value: (examples, heads, subtokens, width of a head).

    What is not plain attention of an encoder goes to the one of PyTorch.
    """
    causal = options.get("is_causal")
    causal = getattr(module, "is_causal", True) if causal is None else causal
    special = causal or any(options.get(name) is not None for name in SPECIAL)
    if special or query.dtype not in _BITS or not query.shape == key.shape == value.shape:
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **options
        )
    scaling = query.shape[-1] ** -0.5 if scaling is None else scaling
    return _Attention.apply(query, key, value, attention_mask, scaling, dropout).transpose(1, 2), None


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(ctx, query, key, value, mask, scaling, p):
        examples, heads, subtokens, width = query.shape
        query, key, value = (part.reshape(-1, subtokens, width) for part in (query * scaling, key, value))
        context, weights = torch.empty_like(value), value.new_empty(len(value), subtokens, subtokens)
        kept = drawn(weights.shape, p) if p else None
        mask = None if mask is None else mask.expand(examples, *mask.shape[1:])
        for start in range(0, examples, AT_ONCE):
            rows = slice(start * heads, (start + AT_ONCE) * heads)
            scores = torch.bmm(query[rows], key[rows].transpose(1, 2))
            if mask is not None:
                scores = _masked(scores, mask[start : start + AT_ONCE], heads)
            weights[rows] = torch.softmax(scores, -1, dtype=torch.promote_types(scores.dtype, torch.float32))
            context[rows] = torch.bmm(_keep(weights[rows], kept[rows]) if p else weights[rows], value[rows])
        ctx.save_for_backward(query, key, value, weights, kept)
        ctx.heads, ctx.scaling, ctx.p = heads, scaling, p
        return (context.mul_(_scale(p)) if p else context).view(examples, heads, subtokens, width)

    @staticmethod
    def backward(ctx, gradient):
        query, key, value, weights, kept = ctx.saved_tensors
        shape = gradient.shape
        gradient = gradient.reshape(value.shape)
        gradient = gradient * _scale(ctx.p) if ctx.p else gradient
        of_query, of_key, of_value = torch.empty_like(query), torch.empty_like(key), torch.empty_like(value)
        for start in range(0, len(value), AT_ONCE * ctx.heads):
            rows = slice(start, start + AT_ONCE * ctx.heads)
            of_weights = torch.bmm(gradient[rows], value[rows].transpose(1, 2))
            dropped = weights[rows]
            if ctx.p:
                of_weights, dropped = _keep(of_weights, kept[rows]), _keep(dropped, kept[rows])
            of_value[rows] = torch.bmm(dropped.transpose(1, 2), gradient[rows])
            of_scores = torch._softmax_backward_data(of_weights, weights[rows], -1, weights.dtype)
            of_query[rows] = torch.bmm(of_scores, key[rows])
            of_key[rows] = torch.bmm(of_scores.transpose(1, 2), query[rows])
        of_query.mul_(ctx.scaling)
        return of_query.view(shape), of_key.view(shape), of_value.view(shape), None, None, None


def _masked(scores: torch.Tensor, mask: torch.Tensor, heads: int) -> torch.Tensor:
    """scores: (examples * heads, subtokens, subtokens); mask: (examples, 1, 1 or subtokens, subtokens), bool or to add."""
    scores = scores.view(-1, heads, *scores.shape[1:])
    # The least number, not infinity: padding that sees nothing at all must not become NaN.
    scores = scores.masked_fill_(~mask, torch.finfo(scores.dtype).min) if mask.dtype == torch.bool else scores + mask
    return scores.flatten(0, 1)


AttentionInterface.register(ATTENTION, attention)
AttentionMaskInterface.register(ATTENTION, sdpa_mask)
