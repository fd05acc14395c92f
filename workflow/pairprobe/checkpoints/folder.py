"""The files of a checkpoint's folder: whether they are there and what their names say, and what config.json asks for.

No model is made here: a file that is missing, damaged or hostile is refused before transformers sees it.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pairprobe.checkpoints import formats
from pairprobe.checkpoints.checksums import verify_checksums
from pairprobe.errors import InputError, one_line

WEIGHTS = "model.safetensors"
INDEX = f"{WEIGHTS}.index.json"
_BYTES = {"config.json": 2**24, "tokenizer.json": 2**28, "tokenizer_config.json": 2**26, INDEX: 2**26}

# What a key of config.json would have transformers do besides building an encoder, at whatever depth it stands.
_REFUSED = {
    "auto_map": "asks for code of its own, and no remote code is ever run. Take a checkpoint that transformers knows",
    "backbone": "names another model, which would be fetched. Take an encoder that is one model",
    "transformers_weights": f"names other weights. Wanted: {WEIGHTS}, alone or in shards with {INDEX}",
    "fusion_config": "asks for other formulas. Remove the key",
    "kernel_config": "asks for code from the hub. Remove the key",
    "chunk_size_feed_forward": "fails on each text that is no multiple of it. Set it to 0, which changes no number",
    "is_decoder": "makes a decoder of it, whose words see only those before them. Take an encoder, or set it to false",
}
# Attention of other names is another package's, or code from the hub.
_IMPLEMENTATIONS = {"eager", "sdpa", "batched_mm", "grouped_mm"}
# So many layers, heads or labels, and sizes so large, has no encoder: building one would take all memory or time.
_LIMITS = {
    r"n(um)?_((hidden_)?layers?|((attention|key_value)_)?heads?|hidden_groups|labels)": 10_000,
    r"(hidden|intermediate|embedding|(type_)?vocab)_size|((hidden|emb|head|ffn)_)?dim|d_(model|inner|ff|head)|n_embd|"
    "max_position_embeddings|n_positions": 100_000_000,
}
# Whose own keys are names that people have given.
_NAMES = ("id2label", "label2id", "task_specific_params")


class AdapterError(InputError):
    """A folder holds an adapter where an encoder is wanted."""


def verify_files(folder: str | Path) -> list[Path]:
    """Check the files of a checkpoint, which are not loaded. Returns those that hold its weights.

    Raises InputError where one is missing, damaged or of another format, and where config.json asks for what is never done.
    """
    verify_checksums(folder)
    verify_settings(folder, formats.names_in(Path(folder)))
    return weight_files(Path(folder))


def verify_settings(folder: str | Path, names: Sequence[str]) -> None:
    """Check the files of a checkpoint beside its weights, as ``verify_files`` does.

    names: of what the checkpoint holds where it comes from, of which the folder may have a part, see ``formats.names_in``.
    """
    folder = Path(folder)
    name = f"checkpoint {folder}"
    adapters = sorted(file.name for file in folder.glob("adapter_*") if file.suffix in (".json", ".safetensors", ".bin"))
    if adapters:
        raise AdapterError(
            f"{name}: it holds an adapter ({adapters[0]}), which is no encoder by itself. Write source: adapter for it, "
            "and base: NAME, of the checkpoint that it was trained on; or, if it is merged already, delete adapter_*."
        )
    if not (folder / "config.json").is_file():
        other = formats.parted_weights(names, folder) or formats.other_weights(names)
        hint = _inside(names) or (f"And {other}" if other else "")
        raise InputError(f"{name}: config.json is missing. Wanted: a folder saved by save_pretrained. {hint}".rstrip())
    config = read_json(folder / "config.json")
    _check_config(config, name)
    for file in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json"):
        if (folder / file).is_file():
            content = read_json(folder / file)
            _check_growth(content.get("normalizer"), f"{name}: {file}")
            for token, i in content.items() if file == "added_tokens.json" else ():
                if not isinstance(i, int):
                    raise InputError(f"{name}: {file}, key {token}: found {i!r:.80}, wanted an id, as 600. Fetch it again.")
            if isinstance(longest := content.get("model_max_length"), (str, list, dict)):
                raise InputError(f"{name}: {file}, key model_max_length: found {longest!r:.80}, wanted a number, as 512.")
            for key in ("vocab", "merges", "init_inputs"):
                if file == "tokenizer_config.json" and content.get(key):
                    raise InputError(
                        f"{name}: {file}, key {key}: it takes the place of the tokenizer's files. Remove the key."
                    )
    if not (folder / "tokenizer.json").is_file():
        _check_vocabulary(folder, name)


def _check_vocabulary(folder: Path, name: str) -> None:
    """Raise InputError where a file that the tokenizer is made of is missing, empty or something else."""
    files = [file for pattern in ("vocab.txt", "merges.txt", "*.model") for file in sorted(folder.glob(pattern))]
    for file in files:
        with file.open("rb") as opened:
            head = opened.read(64)
        if kind := kind_of(head) if head.strip() else ", but empty":
            raise InputError(f"{name}: {file.name} is no part of a tokenizer{kind}. Fetch it again.")
    if (folder / "vocab.json").is_file() and not files:
        raise InputError(f"{name}: merges.txt is missing beside vocab.json. Fetch it.")


def read_json(file: Path) -> dict[str, Any]:
    """Read a checkpoint's file of JSON. Raises InputError where it is no object of JSON, or too large for one."""
    name = f"checkpoint {file.parent}: {file.name}"
    if file.stat().st_size > _BYTES.get(file.name, 2**26):
        raise InputError(
            f"{name} has {file.stat().st_size:,} bytes, which is too much for what it should hold. Fetch it again."
        )
    content = file.read_bytes()
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{name} is not JSON{kind_of(content)}: {one_line(error)}. Fetch it again.") from None
    if not isinstance(found, dict):
        raise InputError(
            f"{name} is JSON of another kind: found a {type(found).__name__}, wanted an object. Fetch it again."
        )
    return found


def kind_of(content: bytes) -> str:
    """Say what a file is that should be another one."""
    kinds = {
        b"version https://git-lfs": "a pointer of Git LFS (git lfs pull gets the file)",
        **dict.fromkeys((b"<!", b"<html", b"<head", b"<?xml"), "a web page"),  # <s> may be an entry of a vocabulary
        b"PK": "a zip archive, as pickled weights are",
        b"GGUF": "GGUF",
        b"\x89HDF": "HDF5",
    }
    start = content[:64].lstrip().lower()
    return next((f", but {kind}" for sign, kind in kinds.items() if start.startswith(sign.lower())), "")


def _check_config(config: dict[str, Any], name: str) -> None:
    if not isinstance(config.get("model_type"), str):
        raise InputError(
            f"{name}: config.json, key model_type: found {config.get('model_type')!r}, wanted an architecture's name. Add "
            'it, as in "model_type": "bert".'
        )
    labels = config.get("id2label")
    if labels is not None and not (isinstance(labels, dict) and all(re.fullmatch(r"-?\d+", key) for key in labels)):
        raise InputError(
            f"{name}: config.json, key id2label: found {labels!r:.80}, wanted a name for each number. An encoder needs no "
            "labels: remove id2label, label2id and num_labels."
        )
    if not isinstance(config.get("num_labels", 0), int):
        raise InputError(
            f"{name}: config.json, key num_labels: found {config['num_labels']!r:.80}, wanted an integer. Remove the key."
        )
    for key, value in entries(config):
        where = f"{name}: config.json, key {key}"
        if (value and key in formats.QUANTISED_KEYS[:2]) or (key in formats.QUANTISED_KEYS and isinstance(value, dict)):
            plain = "if they are plain, as after an adapter was merged, remove the key"
            raise InputError(f"{where}: {formats.quantisation(value)}; or, {plain}.")
        if key in _REFUSED and value:
            if key != "auto_map" or not known_architecture(config):
                raise InputError(f"{where}: it {_REFUSED[key]}.")
        if key.strip("_").endswith(("attn_implementation", "experts_implementation")) and isinstance(value, str):
            if value not in _IMPLEMENTATIONS:
                raise InputError(
                    f"{where}: found {value!r}, which needs other packages or code from the hub. Remove the key."
                )
        limit = next((limit for keys, limit in _LIMITS.items() if re.fullmatch(keys, key)), None)
        if limit and type(value) is int and value > limit:
            raise InputError(f"{where}: found {value:,}, and no encoder has more than {limit:,}. Fetch it again.")


def known_architecture(config: dict[str, Any]) -> bool:
    """Whether transformers has a config.json's architecture itself, so that code of the checkpoint's own is not needed."""
    from transformers import CONFIG_MAPPING

    return str(config.get("model_type")) in CONFIG_MAPPING


def entries(config: Any) -> Iterator[tuple[str, Any]]:
    """Yield the keys and values of JSON, those inside others, too, but for labels and tasks."""
    for key, value in config.items() if isinstance(config, dict) else enumerate(config):
        if isinstance(key, str):
            yield key, value
        if isinstance(value, (dict, list)) and key not in _NAMES:
            yield from entries(value)


def _check_growth(normalizer: Any, name: str) -> None:
    """Raise InputError where a normalizer could make a text many times as long."""
    growth = 1
    for key, value in entries({"normalizer": normalizer} if normalizer else {}):
        if key in ("content", "prepend") and isinstance(value, str):
            growth *= max(1, len(value))
    if growth > 100_000:
        raise InputError(
            f"{name}, key normalizer: it can make a text {growth:,} times as long. Wanted: a text of about its length."
        )


def weight_files(folder: Path) -> list[Path]:
    """Return the files that hold a checkpoint's weights. Raises InputError where there are none in safetensors."""
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]  # whatever an index beside it says, as transformers has it
    if not (folder / INDEX).is_file():
        raise without_weights(formats.names_in(folder), folder)
    named = indexed_files(folder)
    for file in named:
        if not (folder / file).is_file():
            raise InputError(f"checkpoint {folder}: {INDEX} names {file}, which is not there. Fetch it again.")
    return [folder / file for file in named]


@contextmanager
def open_tensors(file: Path, name: str) -> Iterator[Any]:
    """Open a file of safetensors. Raises InputError where it is not whole; name: how the error calls what it is of."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="pt") as tensors:
            yield tensors
    except SafetensorError as error:
        with file.open("rb") as opened:
            kind = kind_of(opened.read(64))
        raise InputError(
            f"{name}: {file.name} is no whole safetensors file{kind} ({one_line(error)}). Fetch it again."
        ) from None


def indexed_files(folder: Path) -> list[str]:
    """Return the files that the index of a checkpoint names. Raises InputError where it is none of files beside it."""
    name = f"checkpoint {folder}"
    index = read_json(folder / INDEX)
    places = index.get("weight_map")
    if not isinstance(places, dict) or not places or "metadata" not in index:
        raise InputError(
            f"{name}: {INDEX} is no index of weights: wanted the keys metadata and weight_map. Fetch it again."
        )
    named = sorted({str(file) for file in places.values()})
    for file in named:
        if Path(file).name != file or not file.endswith(".safetensors"):
            raise InputError(f"{name}: {INDEX} names {file!r}, wanted a safetensors file beside it. Fetch it again.")
    return named


def without_weights(names: Sequence[str], folder: str | Path) -> InputError:
    """Return the error that there are no weights in safetensors, and what there is; names: as in ``verify_settings``."""
    name, others = f"checkpoint {folder}", formats.matching(names, "*.safetensors")
    if parts := formats.parted_weights(names, folder):
        return InputError(f"{name}: {parts}")
    if others and (settings := formats.matching(names, "quantize_config.json", "quant_config.json")):
        said = f"it has {others[0]}, and by {settings[0]} the weights are quantised. {formats.UNQUANTISED}."
        return InputError(f"{name}: {said}")
    if len(others) > 1:
        return InputError(f"{name}: it has {', '.join(others)}, and no {INDEX} that says what is in which. Fetch it again.")
    if others:
        return InputError(
            f"{name}: it has {others[0]}, and no {WEIGHTS}. If these are the whole encoder's weights, rename the file."
        )
    found = formats.other_weights(names) or f"it has no weights; wanted {WEIGHTS}. {_inside(names)}".rstrip()
    return InputError(f"{name}: {found}")


def _inside(names: Sequence[str]) -> str:
    """Say which folders inside one hold a checkpoint or an adapter; "" where none does."""
    if adapters := {name.partition("/")[0] for name in formats.matching(names, "*/adapter_config.json")}:
        return f"{one_inside(adapters, 'an adapter')} Write source: adapter for it, and base: NAME."
    found = {name.partition("/")[0] for name in formats.matching(names, "checkpoint-*/*")}
    # The pooling of sentence-transformers has a config.json, too, and no weights.
    weights = {name.partition("/")[0] for name in formats.matching(names, "*/*.safetensors", "*/*.bin")}
    return one_inside(found | weights & {name.partition("/")[0] for name in formats.matching(names, "*/config.json")})


def one_inside(folders: Iterable[str], what: str = "one") -> str:
    """Say in which of a folder's own folders that is which is wanted, in the order of a training's steps; "" of none."""
    inside = sorted(folders, key=lambda name: (int("".join(re.findall(r"\d", name)) or 0), name))
    which = "is that the folder" if len(inside) == 1 else "which is meant"
    return f"There is {what} in {', '.join(inside)}: {which}?" if inside else ""
