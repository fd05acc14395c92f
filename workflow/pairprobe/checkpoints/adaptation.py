"""Making a checkpoint's folder from that of its base and an adapter, merged into its weights or beside them.

Merged, it is a plain folder: the base's files, in which the changed tensors are others, in the type that the base has them
in. Not merged, the adapter lies in a folder of it and is applied whenever the checkpoint is loaded.
"""

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from pairprobe.checkpoints import adapter_matching, adapter_origin, adapters, fetching, formats, peft_layers
from pairprobe.checkpoints.checksums import CHECKSUMS, write_checksums
from pairprobe.checkpoints.folder import INDEX, WEIGHTS, read_json, weight_files
from pairprobe.checkpoints.heads import answer_heads
from pairprobe.checkpoints.inspection import named, verify
from pairprobe.checkpoints.loading import load_model, load_tokenizer
from pairprobe.checkpoints.padding import sample
from pairprobe.errors import InputError
from pairprobe.io import files
from pairprobe.io.progress import log

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

# Of an adapter on the hub; config.json, which it does not need, would say that it is a whole model.
_FILES = (adapters.CONFIG, adapters.WEIGHTS, "config.json", *adapter_origin.TOKENIZER)
_PRECISIONS = {"F32": "float32", "BF16": "bfloat16", "F16": "float16"}


def adapt(source: dict, base: str, target: str) -> None:
    """Make ``target`` a verified folder of a checkpoint: that of ``base`` with an adapter.

    source: the configuration of a checkpoint: ``path``, or ``repository`` and ``revision``; ``merge``; ``base_from``, where
    the base is from. Raises InputError where there is no such adapter, where it does not fit the base or changes nothing,
    and as ``inspection.verify`` does; then nothing is left at ``target``.
    """
    with files.atomic_write(target) as temporary:
        temporary.mkdir()
        if "path" in source:
            folder, name = Path(source["path"]), source["path"]
            if not folder.is_dir():
                advice = formats.advice_on(folder) or "Check its path in the configuration."
                raise InputError(f"adapter {folder}: there is no such folder. {advice}")
        else:
            folder = temporary.with_name(f"{temporary.name}-adapter")
            name = f"{source['repository']} at revision {source['revision']}"
            fetching.snapshot(source["repository"], source["revision"], _FILES, folder, "adapter")
        with named(folder, name):
            encoder = _combine(folder, Path(base), temporary, source.get("merge", True))
            adapter_origin.compare_base(folder, name, [*filter(None, [source.get("base_from")]), Path(base).name], encoder)
            adapter_origin.check_tokens(folder, name, load_tokenizer(base))
            if not source.get("merge", True):
                adapters.copy(folder, temporary / adapters.UNMERGED)
        with named(temporary, target):
            verify(temporary)
        write_checksums(temporary)


def _combine(folder: Path, base: Path, target: Path, merge: bool) -> "PreTrainedModel":
    """Copy the base's files to ``target``, with the tensors that an adapter changes; return the encoder that has it."""
    from transformers import AutoModel

    if (base / adapters.UNMERGED).is_dir():
        raise InputError(f"checkpoint {base}: it has an adapter that is not merged. Set merge: true for it.")
    encoder, _ = load_model(AutoModel, base, _stored_precision(base))
    adapter = adapter_matching.read(folder, encoder.eval(), f"checkpoint {base}")
    before = _states(encoder)
    encoder.load_state_dict(adapter.whole, strict=False)
    peft_layers.apply(adapter, encoder, f"adapter {folder}")
    if before.equal(_states(encoder)):
        raise InputError(f"adapter {folder}: it changes no hidden state of checkpoint {base}. Was it trained, and saved?")
    log.info("%s: %d tensors on %s", folder, len(adapter.tuned) + len(adapter.whole), base)
    changed = {**adapter.whole, **adapter.heads}
    if merge:
        merged = _merge(encoder, f"adapter {folder}")
        state = encoder.state_dict()
        changed |= {name: state[name] for name in merged}
    for file in base.iterdir():
        if file.is_file() and file.name not in (CHECKSUMS, INDEX) and file not in weight_files(base):
            shutil.copyfile(file, target / file.name)
    _write_weights(base, target, changed, encoder)
    return encoder


def _merge(encoder: "PreTrainedModel", name: str) -> list[str]:
    """Merge an adapter as ``peft_layers.merge`` does, with its errors as InputError."""
    try:
        return peft_layers.merge(encoder)
    except ValueError as error:
        raise InputError(f"{name}: merged, it makes weights that are not finite. Fetch it again.") from error
    except RuntimeError as error:
        raise InputError(
            f"{name}: {adapters.CONFIG}, key lora_bias: the adapter has a bias for a layer of the base that has none, so "
            "that it cannot be merged. Set merge: false for this checkpoint."
        ) from error


def _stored_precision(folder: Path) -> str:
    """Return the type that the weights of a checkpoint have in its files; float32 where they have several."""
    from safetensors import safe_open

    found = set()
    for file in weight_files(folder):
        with safe_open(file, framework="pt") as tensors:
            found |= {tensors.get_slice(key).get_dtype() for key in tensors.keys()}  # noqa: SIM118 (no mapping)
    return _PRECISIONS.get(found.pop(), "float32") if len(found) == 1 else "float32"


def _states(encoder: "PreTrainedModel") -> "torch.Tensor":
    import torch

    ids, mask = sample(encoder)
    with torch.inference_mode():
        return encoder(input_ids=ids, attention_mask=mask)[0]


def _write_weights(base: Path, target: Path, changed: "dict[str, torch.Tensor]", encoder: "PreTrainedModel") -> None:
    """Write the base's files of weights with other tensors; those that it does not have, heads, go into the last one.

    changed: by their names in the encoder, or, of heads, in the model that has them.
    """
    from safetensors.torch import load_file, save_file

    left = dict(changed)
    places: dict[str, str] = {}
    sources = weight_files(base)
    for file in sources:
        tensors = load_file(file)
        for key, tensor in tensors.items():
            stem = key.removeprefix(f"{encoder.base_model_prefix}.")
            if stem in left:
                tensors[key] = left.pop(stem).to(tensor.dtype).reshape(tensor.shape).contiguous()
        if file == sources[-1]:
            if lost := [key for key in left if not key.startswith(answer_heads(encoder.config))]:
                raise InputError(
                    f"checkpoint {base}: the adapter changes {lost[0]}, which the base's files name otherwise. Save the "
                    "base anew with transformers' save_pretrained."
                )
            tensors |= left
        places |= dict.fromkeys(tensors, file.name)
        save_file(tensors, target / file.name, {"format": "pt"})
    if places and WEIGHTS not in places.values():
        index = {**read_json(base / INDEX), "weight_map": places}
        files.write_text(target / INDEX, json.dumps(index, indent=2))
