"""An encoder as a processor runs it fastest: the same weights and formulas, other loops over them.

PyTorch's own matrix product in float32 is MKL's, which on processors that are not Intel's leaves half of their rate unused,
and its fused attention is slow in bfloat16. oneDNN, which PyTorch carries and ``torch.compile`` uses on processors, takes
weights that are laid out for the processor once, and applies a GELU while a product is still in the cache. Nothing is
compiled here. Sums are taken in another order than the plain model's; in bfloat16 a fused GELU rounds once where that one
rounds twice, and scores of the attention are rounded before their softmax, which is in float32.
"""

import os
from collections.abc import Iterator

import numpy as np
import torch
from torch import nn
from transformers import AttentionInterface
from transformers.activations import GELUActivation
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

from pairprobe.io.progress import log

# oneDNN keeps code for the last 1,024 shapes that were computed, and so does what calls it, in each thread. Batches of text
# have a shape for each length, and come sorted, so that none comes back once it has passed: the code would fill 400 MB.
for _cache in ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY"):
    os.environ.setdefault(_cache, "32")

ATTENTION = "pairprobe"
# Attention scores that are held at once, in examples: those of one head after the other fit into a core's cache.
AT_ONCE = 2
# What some attentions have besides.
SPECIAL = ("position_bias", "softcap", "s_aux", "cache")
# How far hidden states may be from those of the plain model, as a share of the largest of them.
TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 0.05}


class PackedLinear(nn.Module):
    """``nn.Linear`` with weights in oneDNN's own layout, followed by a GELU where ``gelu`` is set."""

    def __init__(self, linear: nn.Linear, gelu: bool = False):
        super().__init__()
        # A hint of how many rows there will be; others are computed as well.
        self.weight = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), 1024)
        self.bias = linear.bias
        self.then = ("gelu", [], "none") if gelu else ("none", [], "")

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """rows: (..., in features). Returns (..., out features)."""
        return torch.ops.mkldnn._linear_pointwise(rows, self.weight, self.bias, *self.then)


def speed_up(model, device: str = "cpu") -> None:
    """Change an encoder in place into one that gives the same hidden states faster.

    Does nothing on a GPU, and where the processor or this build of PyTorch has no oneDNN. Where what comes out is not what
    the plain model gives, the model is left as it was, and a line in the log says so.
    """
    if device != "cpu" or not torch.backends.mkldnn.is_available() or model.dtype not in TOLERANCE:
        return
    attention, replaced = model.config._attn_implementation, []
    with torch.inference_mode():
        before = _sample(model)
        try:
            for parent, name, new in list(_faster(model)):
                replaced.append((parent, name, getattr(parent, name)))
                setattr(parent, name, new)
            if model.dtype == torch.bfloat16 and attention == "sdpa":
                model.set_attn_implementation(ATTENTION)
            # Not Python's own, which passes over NaN.
            apart = float(np.max([_distance(*both) for both in zip(_sample(model), before, strict=True)]))
        except RuntimeError as error:  # a processor that oneDNN does not know, or not in this type
            log.info("%s is run as it is: %s", type(model).__name__, " ".join(str(error).split())[:200])
            apart = None
    if apart is None or not apart <= TOLERANCE[model.dtype]:
        for parent, name, old in reversed(replaced):
            setattr(parent, name, old)
        model.set_attn_implementation(attention)
        if apart is not None:
            log.info("%s is run as it is: it came out %.2g apart", type(model).__name__, apart)


def _faster(model) -> Iterator[tuple[nn.Module, str, nn.Module]]:
    """Yield (module, name of its part, what is to take the part's place)."""
    for module in model.modules():
        # By its exact class: one that is derived from it may do more.
        linears = {name: part for name, part in module.named_children() if type(part) is nn.Linear}
        fuses = _fuses_gelu(module)
        for name, part in linears.items():
            yield module, name, PackedLinear(part, gelu=fuses and name == "dense")
        if fuses:
            yield module, "intermediate_act_fn", nn.Identity()


def _fuses_gelu(module: nn.Module) -> bool:
    """Whether a module is BERT's first half of a feed-forward layer: ``intermediate_act_fn(dense(rows))``, with a GELU."""
    exact = getattr(module, "intermediate_act_fn", None)
    if not isinstance(exact, GELUActivation) or type(getattr(module, "dense", None)) is not nn.Linear:
        return False
    return exact.act is nn.functional.gelu


def _sample(model) -> list[torch.Tensor]:
    """Return what a model gives for a text, and for two of different length side by side."""
    pad = model.config.pad_token_id or 0
    ids = (torch.arange(2 * 24).reshape(2, 24) * 7919) % min(model.config.vocab_size, 20011)
    ids[ids == pad] = pad + 1
    mask = torch.ones_like(ids)
    mask[1, 15:] = 0
    ids = ids.masked_fill(mask == 0, pad)
    both = model(input_ids=ids, attention_mask=mask)[0]
    alone = model(input_ids=ids[:1], attention_mask=mask[:1])[0]
    return [both[mask > 0].float(), alone.float()]


def _distance(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one - other).abs().max() / other.abs().max())


def attention(module, query, key, value, attention_mask, scaling=None, dropout=0.0, **options):
    """Attention by two products and a softmax in float32 between them, a few examples at a time.

    Called as ``transformers`` calls an attention; query, key, value: (examples, heads, subtokens, width of a head). What is
    not plain attention of an encoder goes to the one of PyTorch.
    """
    special = any(options.get(name) is not None for name in SPECIAL) or _looks_back(module, attention_mask, options)
    if special or dropout or not query.shape == key.shape == value.shape:
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **options
        )
    examples, heads, subtokens, width = query.shape
    queries = (query * (width**-0.5 if scaling is None else scaling)).reshape(-1, subtokens, width)
    keys = key.reshape(-1, subtokens, width).transpose(1, 2)
    values = value.reshape(-1, subtokens, width)
    context = torch.empty_like(values)
    for start in range(0, examples, AT_ONCE):
        rows = slice(start * heads, (start + AT_ONCE) * heads)
        scores = torch.bmm(queries[rows], keys[rows])
        if attention_mask is not None:
            scores = _masked(scores, attention_mask[start : start + AT_ONCE], heads)
        weights = torch.softmax(scores, -1, dtype=torch.float32).to(values.dtype)
        torch.bmm(weights, values[rows], out=context[rows])
    return context.view(examples, heads, subtokens, width).transpose(1, 2), None


def _masked(scores: torch.Tensor, mask: torch.Tensor, heads: int) -> torch.Tensor:
    """scores: (examples * heads, subtokens, subtokens); mask: (examples, 1, 1 or subtokens, subtokens), bool or to add."""
    scores = scores.view(-1, heads, *scores.shape[1:])
    # The least number, not infinity: padding that sees nothing at all must not become NaN.
    scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min) if mask.dtype == torch.bool else scores + mask
    return scores.flatten(0, 1)


def _looks_back(module, mask, options) -> bool:
    """Whether a subtoken sees only those before it, which the mask need not say."""
    causal = options.get("is_causal")
    causal = getattr(module, "is_causal", True) if causal is None else causal
    return bool(causal) and mask is None


AttentionInterface.register(ATTENTION, attention)
AttentionMaskInterface.register(ATTENTION, sdpa_mask)
