"""The norm behind a model's last layer, found by what it does.

Models that normalise before each part of a layer (decoders, ModernBERT) have one more norm at the end. ``transformers``
gives their last hidden state behind it, and all others before it.
"""

from collections.abc import Iterator

import torch
from torch import nn
from transformers import PreTrainedModel

from pairprobe.checkpoints import padding
from pairprobe.errors import InputError

# By how much two results of one formula may differ, as a share of the largest number; in other types by 0.02.
_TOLERANCE = {torch.float32: 1e-4}


def find(model: PreTrainedModel) -> str | None:
    """Return the name of the norm behind the last layer; None where there is none, as in BERT.

    It stands outside the stack of layers, gives the last hidden state, treats each subtoken by itself, and gives the same
    for vectors of twice the length. The model must be in evaluation mode.
    """
    return next((name for name, _ in _candidates(model)), None)


def take_out(model: PreTrainedModel) -> nn.Module | None:
    """Take the norm behind the last layer out of a model, in place, and return it; None where there is none.

    The model's last hidden state is then what that norm was given. Raises InputError where it is not.
    """
    for name, given in _candidates(model):
        parent, _, child = name.rpartition(".")
        norm = model.get_submodule(name)
        setattr(model.get_submodule(parent), child, nn.Identity())
        if not _alike(_last(model), given):
            raise InputError(
                f"checkpoint {model.name_or_path}: {type(model).__name__} does not run without its norm {name}. Set "
                "activations.final_norm to as_given."
            )
        return norm
    return None


def _candidates(model: PreTrainedModel) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield the names of modules that may be the norm, and what they were given."""
    seen: list[tuple[str, nn.Module, torch.Tensor, torch.Tensor]] = []
    lists = tuple(f"{name}." for name, module in model.named_modules() if isinstance(module, nn.ModuleList))

    def watch(name: str, module: nn.Module) -> torch.utils.hooks.RemovableHandle:
        def hook(_: nn.Module, given: tuple[object, ...], named: dict[str, object], found: object) -> None:
            tensors = [one for one in (*given, *named.values()) if isinstance(one, torch.Tensor)]
            if len(tensors) == 1 and isinstance(found, torch.Tensor) and tensors[0].shape == found.shape:
                # Copies: what comes later may be written over them.
                seen.append((name, module, tensors[0].clone(), found.clone()))

        return module.register_forward_hook(hook, with_kwargs=True)

    outside = ((name, module) for name, module in model.named_modules() if name and not name.startswith(lists))
    handles = [watch(name, module) for name, module in outside]
    try:
        last = _last(model)
    finally:
        for handle in handles:
            handle.remove()
    for name, module, given, found in reversed(seen):
        same = found.numel() == last.numel() and torch.equal(found.reshape(last.shape), last)
        if same and not torch.equal(given, found) and _is_norm(module, given):
            yield name, given.reshape(last.shape)


def _last(model: PreTrainedModel) -> torch.Tensor:
    ids, mask = padding.sample(model)
    with torch.inference_mode():
        return model(input_ids=ids[:1], attention_mask=mask[:1])[0]


def _is_norm(module: nn.Module, given: torch.Tensor) -> bool:
    with torch.inference_mode():
        # Far from where what is added to the variance counts.
        once, twice, alone = module(1000 * given), module(2000 * given), module(1000 * given[..., 1:2, :])
    return _alike(once, twice) and _alike(once[..., 1:2, :], alone)


def _alike(one: torch.Tensor, other: torch.Tensor) -> bool:
    tolerance = _TOLERANCE.get(one.dtype, 0.02)
    return bool((one - other).abs().max() <= tolerance * other.abs().max())
