"""Adapters as layers of peft in an encoder: put in, filled with tensors, and merged into its weights."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pairprobe.errors import InputError, one_line

if TYPE_CHECKING:
    import torch
    from torch import nn
    from transformers import PreTrainedModel

# The kinds of adapters, and how the names of their tensors begin.
SIGNS = {"LORA": "lora_", "IA3": "ia3_", "LOHA": "hada_", "LOKR": "lokr_"}
NAME = "default"


@dataclass(frozen=True)
class Adapter:
    """An adapter, matched to an encoder.

    config: of peft, for exactly these modules. tuned: its own tensors by their names in the encoder. whole: weights of the
    encoder that it has anew, and heads: those of a head that answers questions, by their names in the model with the head.
    """

    config: Any
    tuned: "dict[str, torch.Tensor]"
    whole: "dict[str, torch.Tensor]"
    heads: "dict[str, torch.Tensor]"


def config_class(kind: str) -> Any:
    """Return peft's class of configurations of one of the kinds of ``SIGNS``."""
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

    return PEFT_TYPE_TO_CONFIG_MAPPING[kind]  # type: ignore[index]  # its keys are strings


def apply(adapter: Adapter, encoder: "PreTrainedModel", name: str, dtype: "torch.dtype | None" = None) -> None:
    """Put an adapter's layers into an encoder, in place. name: how errors call the adapter. dtype: of its tensors.

    Without a type they keep their own, mostly float32, whatever that of the encoder. The weights that an adapter has whole
    are not touched. Raises InputError where a tensor is missing or has another shape than the encoder needs.
    """
    if not adapter.tuned:  # it has whole weights alone
        return
    try:
        inject(encoder, adapter.config)
    except Exception as error:
        raise InputError(f"{name}: peft cannot use its adapter_config.json: {one_line(error)}") from error
    own = {key: tensor for key, tensor in encoder.state_dict().items() if is_of_adapter(key)}
    for key, tensor in adapter.tuned.items():
        if key not in own or own[key].shape != tensor.shape:
            wanted = tuple(own[key].shape) if key in own else "no such tensor"
            raise InputError(
                f"{name}: {saved_name(key)} has the shape {tuple(tensor.shape)}, wanted {wanted}, by the base "
                f"({encoder.config.model_type}, {encoder.config.hidden_size} wide) and adapter_config.json. Name the base "
                "that it was trained on."
            )
    if missing := sorted(own.keys() - adapter.tuned.keys()):
        raise InputError(f"{name}: it lacks {saved_name(missing[0])} ({len(missing)} tensors). Save it again.")
    encoder.load_state_dict(adapter.tuned, strict=False, assign=True)
    for _, layer in _layers(encoder) if dtype else ():
        layer.to(dtype)


def inject(encoder: "PreTrainedModel", config: Any) -> None:
    """Put new layers of an adapter into an encoder, in place: they alone are trained. config: peft's."""
    from peft.mapping import PEFT_TYPE_TO_TUNER_MAPPING

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that GPT-2 keeps its matrices the other way round, which it finds by itself
        PEFT_TYPE_TO_TUNER_MAPPING[config.peft_type](encoder, config, NAME)


def is_of_adapter(key: str) -> bool:
    """Whether a name in the ``state_dict`` of an encoder that has an adapter is the adapter's."""
    return any(part.startswith(tuple(SIGNS.values())) for part in key.split("."))


def saved_name(key: str) -> str:
    """Return how peft's files name a tensor that has this name in memory."""
    return key.replace(f".{NAME}", "", 1)


def _layers(encoder: "nn.Module") -> "Iterator[tuple[str, Any]]":
    from peft.tuners.tuners_utils import BaseTunerLayer

    yield from ((name, module) for name, module in encoder.named_modules() if isinstance(module, BaseTunerLayer))


def merge(encoder: "nn.Module") -> list[str]:
    """Merge the adapter of an encoder into its weights, computed in float32, and take its layers out, in place.

    Returns the names of the weights that may have changed. Raises ValueError where they are no longer finite, and
    RuntimeError where a bias of the adapter has none to be added to.
    """
    import torch

    changed = []
    for name, layer in list(_layers(encoder)):
        base = layer.get_base_layer()
        dtype = next(base.parameters()).dtype
        with torch.no_grad():
            layer.float().merge(safe_merge=True)
        encoder.set_submodule(name, base.to(dtype))
        changed += [f"{name}.{parameter}" for parameter, _ in base.named_parameters()]
    if changed:
        del encoder.peft_config
    return changed
