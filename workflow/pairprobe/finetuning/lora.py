"""LoRA (Hu et al., 2022): matrices of low rank beside an encoder's own, trained in their place, with the heads."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from pairprobe.checkpoints import adapters, peft_layers
from pairprobe.checkpoints.heads import prefixes
from pairprobe.errors import InputError
from pairprobe.io import files

# How ``peft`` calls what heads are for.
ANSWERING, CLASSIFYING = "QUESTION_ANS", "SEQ_CLS"


@dataclass(frozen=True, slots=True)
class Lora:
    """What is trained of LoRA.

    rank: of the matrices. alpha: their product is multiplied by alpha / rank. dropout: of their input. targets: the
    last parts of the names of linear layers, as in ("query", "value"); None: all linear layers of the encoder.
    """

    rank: int
    alpha: int
    dropout: float = 0.0
    targets: tuple[str, ...] | None = None


def add(encoder: PreTrainedModel, lora: Lora, name: str) -> None:
    """Put new matrices into an encoder, in place: they alone are trained. name: how errors call the checkpoint.

    They begin as peft begins them: the first at random, from PyTorch's random state, the second zero, so that the encoder
    computes what it did. Raises InputError where a target is no linear layer of the encoder.
    """
    peft_layers.inject(encoder, _config(lora, list(_chosen(encoder, lora, name))))


def _chosen(encoder: PreTrainedModel, lora: Lora, name: str) -> list[str]:
    """Return the names of the layers that get matrices; of a pooler, which no head reads, none does."""
    linear = [one for one, module in encoder.named_modules() if type(module) in (nn.Linear, Conv1D) and "pooler" not in one]
    for target in lora.targets or ():
        if not any(f".{one}".endswith(f".{target}") for one in linear):
            known = sorted({one.rpartition(".")[2] for one in linear})
            raise InputError(
                f"finetuning.lora.targets: found {target!r}, and {name} has no linear layer of that name. Allowed: "
                f"{', '.join(known)}."
            )
    targets = tuple(f".{target}" for target in lora.targets or [""])
    return [one for one in linear if lora.targets is None or f".{one}".endswith(targets)]


def _config(lora: Lora, names: list[str]) -> Any:
    from peft import LoraConfig

    return LoraConfig(r=lora.rank, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=names)


def save(model: PreTrainedModel, lora: Lora, folder: Path, task: str | None = ANSWERING) -> None:
    """Write what was trained as a folder of an adapter of ``peft``, with the heads, where they have a task.

    model: the whole one, whose encoder has the matrices. task: as ``peft`` calls it, ANSWERING, CLASSIFYING or None; it
    puts the folder on the base as transformers' class for the task loads it, or as ``AutoModel`` does, where there is no
    such class for the architecture, or one for questions that does not read its weights (Llama).
    """
    own, answering = prefixes(model.config)
    outer = {ANSWERING: own if answering == own else "", CLASSIFYING: own, None: ""}[task]
    tuned, heads = {}, {}
    for key, tensor in model.state_dict().items():
        if peft_layers.is_of_adapter(key):
            tuned[peft_layers.saved_name(key.removeprefix(own))] = tensor.contiguous()
        elif task and not key.startswith(own):
            heads[key] = tensor.contiguous()
    config = _config(lora, sorted({key.split(".lora_")[0] for key in tuned})).to_dict()
    config |= {
        "task_type": task if outer else None,
        "modules_to_save": sorted({key.partition(".")[0] for key in heads}) if outer else None,
        "inference_mode": True,
        "target_modules": sorted(config["target_modules"]),
    }
    state = {f"{outer}{key}": tensor for key, tensor in tuned.items()} | heads
    folder.mkdir(parents=True)
    save_file({f"base_model.model.{key}": one for key, one in state.items()}, folder / adapters.WEIGHTS, {"format": "pt"})
    files.write_text(folder / adapters.CONFIG, json.dumps(config, indent=2, sort_keys=True, default=list))


def merge(model: PreTrainedModel) -> None:
    """Merge the matrices into the encoder's weights, in place; what is left is a model as it was before ``add``."""
    too_high = "has NaN or infinite weights. Set finetuning.lora.learning_rate lower."
    try:
        peft_layers.merge(model.base_model)
    except ValueError as error:
        raise InputError(f"the trained encoder {too_high}") from error
    for name, tensor in model.state_dict().items():
        if not torch.isfinite(tensor).all():
            raise InputError(f"the trained {name} {too_high}")
