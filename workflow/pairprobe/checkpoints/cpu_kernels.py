"""A faster forward pass of an encoder on a CPU, with the same weights and formulas.

PyTorch multiplies float32 matrices by MKL, which reaches half of the possible rate on processors that are not Intel's, and
its fused attention is slow in bfloat16. Here oneDNN multiplies, which PyTorch includes and which ``torch.compile`` uses on
CPUs: weights are laid out for the processor once, and a GELU is applied while a product is still in the cache. Nothing is
compiled. Results differ from the plain model's by rounding: sums are taken in another order; in bfloat16 a fused GELU
rounds once instead of twice, and attention scores are rounded before their softmax, which is in float32.
"""

import os
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import AttentionInterface, PreTrainedModel
from transformers.activations import GELUActivation
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

from pairprobe.checkpoints import padding
from pairprobe.errors import one_line
from pairprobe.io.progress import log

# oneDNN caches compiled code for the last 1,024 shapes, and so does PyTorch's interface to it, in each thread. Batches of
# text have a shape for each length and come sorted by it, so that no shape comes back: the caches would grow to 400 MB.
for _cache in ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY"):
    os.environ.setdefault(_cache, "32")

ATTENTION = "pairprobe"
# Examples whose attention scores are computed at once, so that they fit into a core's cache.
CHUNK_SIZE = 2
# Options of attentions that are more than a softmax of products.
SPECIAL = ("position_bias", "softcap", "s_aux", "cache")
# The largest allowed difference from the plain model's hidden states, as a share of the largest of them.
TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 0.05}


class PackedLinear(nn.Module):
    """``nn.Linear`` with weights in oneDNN's own layout, followed by a GELU where ``gelu`` is set."""

    def __init__(self, linear: nn.Linear, gelu: bool = False):
        super().__init__()
        # 1024 is a hint of the number of rows; any number can be computed.
        self.weight = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), 1024)
        self.bias = linear.bias
        self.then: tuple[str, list[float], str] = ("gelu", [], "none") if gelu else ("none", [], "")

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """rows: (..., in features). Returns (..., out features)."""
        return torch.ops.mkldnn._linear_pointwise(rows, self.weight, self.bias, *self.then)

    def plain(self) -> nn.Linear:
        """Return the layer that it was made of, without the GELU."""
        weight = self.weight.to_dense()
        linear = nn.Linear(weight.shape[1], weight.shape[0], bias=self.bias is not None, device="meta")
        linear.weight, linear.bias = nn.Parameter(weight, requires_grad=False), self.bias
        return linear


def speed_up(model: PreTrainedModel, device: str = "cpu") -> None:
    """Change an encoder in place so that it computes the same hidden states faster.

    Does nothing on a GPU, and where the processor or this build of PyTorch has no oneDNN. Where the hidden states of a
    sample differ by more than ``TOLERANCE``, the model is left as it was, and a line in the log says so.
    """
    if device != "cpu" or not torch.backends.mkldnn.is_available() or model.dtype not in TOLERANCE:
        return
    attention, replaced = model.config._attn_implementation, []
    with torch.inference_mode():
        before = sample(model)
        try:
            for parent, name, new in _faster(model):
                # A layer goes as its replacement comes, or a large model would take twice the memory.
                replaced.append((parent, name, new if isinstance(new, PackedLinear) else getattr(parent, name)))
                setattr(parent, name, new)
            if model.dtype == torch.bfloat16 and attention == "sdpa":
                model.set_attn_implementation(ATTENTION)
            apart = distance(sample(model), before)
        except RuntimeError as error:  # a processor that oneDNN does not know, or not in this type
            log.info("%s is run without the fast kernels: %s", type(model).__name__, one_line(error, 200))
            apart = None
    if apart is None or not apart <= TOLERANCE[model.dtype]:
        for parent, name, old in reversed(replaced):
            setattr(parent, name, old.plain() if isinstance(old, PackedLinear) else old)
        model.set_attn_implementation(attention)
        if apart is not None:
            log.info("%s is run without the fast kernels: they differ by %.2g", type(model).__name__, apart)


def _faster(model: PreTrainedModel) -> Iterator[tuple[nn.Module, str, nn.Module]]:
    """Yield (module, name of a child, its replacement)."""
    for module in model.modules():
        # By exact class: a derived one may do more.
        linears = {name: part for name, part in module.named_children() if type(part) is nn.Linear}
        fuses = _fuses_gelu(module)
        for name, part in linears.items():
            yield module, name, PackedLinear(part, gelu=fuses and name == "dense")
        if fuses:
            yield module, "intermediate_act_fn", nn.Identity()


def _fuses_gelu(module: nn.Module) -> bool:
    """Whether a module is the first half of BERT's feed-forward layer, ``intermediate_act_fn(dense(rows))`` with a GELU."""
    exact = getattr(module, "intermediate_act_fn", None)
    if not isinstance(exact, GELUActivation) or type(getattr(module, "dense", None)) is not nn.Linear:
        return False
    return exact.act is nn.functional.gelu


def sample(model: PreTrainedModel) -> list[torch.Tensor]:
    """Return a model's hidden states of two texts of different length in one batch, and of one text alone."""
    ids, mask = padding.sample(model)
    both = model(input_ids=ids, attention_mask=mask)[0]
    alone = model(input_ids=ids[:1], attention_mask=mask[:1])[0]
    return [both[mask > 0].detach().float(), alone.detach().float()]


def distance(found: list[torch.Tensor], wanted: list[torch.Tensor]) -> float:
    """Return how far two samples are apart, as a share of the largest number; NaN where one of them has it."""
    apart = [float((one - other).abs().max() / other.abs().max()) for one, other in zip(found, wanted, strict=True)]
    return float(np.max(apart))  # Python's max ignores NaN


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
    """Attention as two matrix products with a softmax in float32 between them, a few examples at a time.

    Called as ``transformers`` calls an attention function; query, key, value: (examples, heads, subtokens, width of a
    head). Anything but plain attention of an encoder is left to PyTorch's own function.
    """
    if dropout or not is_plain(module, query, key, value, attention_mask, options):
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **options
        )
    examples, heads, subtokens, width = query.shape
    queries = (query * (width**-0.5 if scaling is None else scaling)).reshape(-1, subtokens, width)
    keys = key.reshape(-1, subtokens, width).transpose(1, 2)
    values = value.reshape(-1, subtokens, width)
    context = torch.empty_like(values)
    for start in range(0, examples, CHUNK_SIZE):
        rows = slice(start * heads, (start + CHUNK_SIZE) * heads)
        scores = torch.bmm(queries[rows], keys[rows])
        if attention_mask is not None:
            scores = masked(scores, attention_mask[start : start + CHUNK_SIZE], heads)
        weights = torch.softmax(scores, -1, dtype=torch.float32).to(values.dtype)
        torch.bmm(weights, values[rows], out=context[rows])
    return context.view(examples, heads, subtokens, width).transpose(1, 2), None


def is_plain(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    options: Mapping[str, Any],
) -> bool:
    """Whether an attention is an encoder's, a softmax of products and no more; arguments as ``attention`` has them."""
    special = any(options.get(name) is not None for name in SPECIAL) or _is_causal(module, mask, options)
    return not special and query.shape == key.shape == value.shape


def masked(scores: torch.Tensor, mask: torch.Tensor, heads: int) -> torch.Tensor:
    """Return scores, (examples * heads, subtokens, subtokens), without what a mask hides.

    mask: (examples, 1, 1 or subtokens, subtokens), bool or to add.
    """
    scores = scores.view(-1, heads, *scores.shape[1:])
    # The least number, not -inf: a row of padding, in which all is masked, must not become NaN.
    scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min) if mask.dtype == torch.bool else scores + mask
    return scores.flatten(0, 1)


def _is_causal(module: nn.Module, mask: torch.Tensor | None, options: Mapping[str, Any]) -> bool:
    """Whether attention is causal: each subtoken sees only those before it, though the mask does not say so."""
    causal = options.get("is_causal")
    causal = getattr(module, "is_causal", True) if causal is None else causal
    return bool(causal) and mask is None


AttentionInterface.register(ATTENTION, attention)
AttentionMaskInterface.register(ATTENTION, sdpa_mask)
