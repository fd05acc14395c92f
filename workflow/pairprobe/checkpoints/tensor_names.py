"""Names of tensors in safetensors files, as wrappers and other ways of saving leave them, put right in a copy.

Only the head of a file is written anew: its numbers are copied byte by byte.
"""

import json
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from pairprobe.checkpoints.folder import INDEX, read_json, weight_files
from pairprobe.checkpoints.heads import prefixes
from pairprobe.checkpoints.loading import load_config
from pairprobe.io import files
from pairprobe.io.progress import log

# What torch.compile, FSDP and checkpointing of activations put into names, and DistributedDataParallel before them.
_INSIDE = re.compile(r"(?<![^.])((_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.)+")
_BEFORE = "module."
# The head's length, 8 bytes, little-endian, stands before it. It is a multiple of 8, filled up with blanks.
_LENGTH = 8


def put_right(folder: Path) -> None:
    """Give the weights in a folder of ours the names that save_pretrained gives to an encoder below a head.

    Names lose what wrappers added. What a class for answering questions calls its encoder, as transformers' for Llama,
    becomes what the others call it. A tensor that safetensors' ``save_model`` kept under a head's name alone, because the
    encoder shares it, gets the encoder's. Raises InputError as ``weight_files`` and ``load_config`` do.
    """
    heads = {file: _read_head(file) for file in weight_files(folder)}
    names = {name for head in heads.values() for name in head if name != "__metadata__"}
    encoder, answering = prefixes(load_config(folder))
    new = _unwrapped(names)
    if not any(name.startswith(encoder) for name in new.values()):
        new = {name: re.sub(rf"^{re.escape(answering or encoder)}", encoder, better) for name, better in new.items()}
    for head in heads.values():
        new |= _shared(head.get("__metadata__", {}), names, encoder)
    new = {name: better for name, better in new.items() if better not in names}
    if not new or len({*new.values()}) < len(new):  # two of one name: verification says so
        return
    some = next(iter(new.items()))
    log.warning("%d tensors are given the names that save_pretrained gives, as %s → %s", len(new), *some)
    for file, head in heads.items():
        _write_head(file, {new.get(name, name): place for name, place in head.items()})
    if (index := folder / INDEX).is_file():
        content = read_json(index)
        content["weight_map"] = {new.get(name, name): file for name, file in content["weight_map"].items()}
        files.write_text(index, json.dumps(content))


def _unwrapped(names: Iterable[str]) -> dict[str, str]:
    """Return all names, and what they are without what wrappers added."""
    plain = {name: _INSIDE.sub("", name) for name in names}
    if all(name.startswith(_BEFORE) for name in plain.values()):
        plain = {name: better.removeprefix(_BEFORE) for name, better in plain.items()}
    return plain


def _shared(metadata: dict[str, str], names: set[str], encoder: str) -> dict[str, str]:
    """Return the names of tensors that a head shares with the encoder, and what the encoder calls them.

    ``save_model`` writes {name that was left out: name that was kept} beside other metadata.
    """
    left_out = {kept: name for name, kept in metadata.items() if kept in names and name not in names}
    return {kept: name for kept, name in left_out.items() if name.startswith(encoder) and not kept.startswith(encoder)}


def _read_head(file: Path) -> dict:
    """Return the head of a safetensors file; {} of what is none, which verification names."""
    with file.open("rb") as opened:
        length = int.from_bytes(opened.read(_LENGTH), "little")
        if not 0 < length < file.stat().st_size:
            return {}
        try:
            head = json.loads(opened.read(length))
        except (ValueError, RecursionError):
            return {}
    return head if isinstance(head, dict) else {}


def _write_head(file: Path, head: dict) -> None:
    """Write a file with another head, in place of the old one, which may be a hard link to a cache."""
    # Relations of tensors that had no name of their own are no longer so.
    head["__metadata__"] = {"format": "pt"}
    content = json.dumps(head, separators=(",", ":")).encode()
    content += b" " * (-len(content) % 8)
    with file.open("rb") as old, files.atomic_write(file) as temporary, temporary.open("wb") as new:
        old.seek(_LENGTH + int.from_bytes(old.read(_LENGTH), "little"))
        new.write(len(content).to_bytes(_LENGTH, "little") + content)
        shutil.copyfileobj(old, new, 2**20)
