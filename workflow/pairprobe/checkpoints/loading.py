"""Loading encoders and tokenizers from a checkpoint's folder."""

import contextlib
import inspect
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pairprobe.checkpoints import adapter_matching, adapters, peft_layers
from pairprobe.checkpoints.checksums import verify_checksums
from pairprobe.checkpoints.folder import known_architecture, read_json
from pairprobe.checkpoints.tokenization import check_alignment
from pairprobe.errors import InputError, one_line
from pairprobe.io.progress import log

if TYPE_CHECKING:
    import torch
    from tokenizers import Tokenizer as Backend
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerFast

_VOCABULARIES = ("tokenizer.json", "vocab.txt", "vocab.json", "merges.txt", "*.model")


@contextlib.contextmanager
def _offline() -> Iterator[None]:
    """Let nothing that a checkpoint names (a backbone, a kernel, the model of an adapter) be asked of the hub."""
    from huggingface_hub import constants

    before, constants.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE, True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


@_offline()
def load_tokenizer(folder: str | Path) -> "PreTrainedTokenizerFast":
    """Load a checkpoint's fast tokenizer, set up to read a list of words as the model reads running text.

    It gives segment ids exactly where the model has segments, pads and truncates on the right, and has a padding token.
    Raises InputError where there is no tokenizer, only a slow one, or one that splits words otherwise than in running text;
    and where the checkpoint was damaged.
    """
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    verify_checksums(folder)
    name = f"checkpoint {folder}"
    files = sorted({file.name for pattern in _VOCABULARIES for file in Path(folder).glob(pattern)})
    if not files:
        raise InputError(f"{name}: it has no tokenizer; wanted tokenizer.json beside config.json.")
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        tokenizer("the")
    except Exception as error:
        said = f"{one_line(error).rstrip('.')}. Are these files whole, and of one model? Fetch them again."
        if "tiktoken" in said and (models := [file for file in files if file.endswith(".model")]):
            said = f"{models[0]} is no whole sentencepiece model. Fetch it again."
        raise InputError(f"{name}: its tokenizer cannot be loaded from {', '.join(files)}: {said}") from error
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise InputError(
            f"{name}: its tokenizer ({type(tokenizer).__name__}) is a slow one, which cannot say which word a subtoken "
            "comes from. Wanted: a fast tokenizer (tokenizer.json)."
        )
    _switch_off_sampling(tokenizer.backend_tokenizer.model)
    _suit_to_model(tokenizer, load_config(folder))
    _suit_to_words(tokenizer, name)
    return tokenizer


@_offline()
def load_config(folder: str | Path) -> "PreTrainedConfig":
    """Load a checkpoint's config.

    Raises InputError where ``transformers`` does not know its architecture, and where the checkpoint was damaged.
    """
    from transformers import AutoConfig, __version__

    verify_checksums(folder)
    file = Path(folder) / "config.json"
    if file.is_file() and not known_architecture(described := read_json(file)):
        raise InputError(
            f"checkpoint {folder}: config.json, key model_type: found {described.get('model_type')!r:.80}, which "
            f"transformers {__version__} does not know. Take a checkpoint of an architecture that it knows, or, where a "
            "newer transformers does, install that."
        )
    try:
        return AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:
        said = one_line(error)
        raise InputError(f"checkpoint {folder}: config.json describes no model of transformers: {said}") from error


def _switch_off_sampling(model: Any) -> None:
    """Switch off what makes each encoding of a text another: the dropout of BPE, the sampling of Unigram."""
    for sampling in ("dropout", "alpha", "nbest_size"):
        if getattr(model, sampling, None):
            log.warning("the tokenizer samples (%s), which is switched off", sampling)
            setattr(model, sampling, None)


def _suit_to_model(tokenizer: "PreTrainedTokenizerFast", config: "PreTrainedConfig") -> None:
    """Let a tokenizer give the inputs that the model takes, whatever its own class and files say."""
    from transformers import MODEL_MAPPING

    found = MODEL_MAPPING.get(type(config), None)
    model = found[0] if isinstance(found, (list, tuple)) else found
    # RoBERTa has one segment only, DeBERTa-v3 none, and DistilBERT takes no such input; ALBERT has two, and its tokenizer
    # does not give them by itself. XLNet has no vocabulary of them: it tells same from other.
    several = config.model_type == "xlnet" or (getattr(config, "type_vocab_size", None) or 0) > 1
    segments = several and model is not None and "token_type_ids" in inspect.signature(model.forward).parameters
    tokenizer.model_input_names = ["input_ids", *(["token_type_ids"] if segments else []), "attention_mask"]
    tokenizer.padding_side = tokenizer.truncation_side = "right"
    if tokenizer.pad_token is None or tokenizer.pad_token_id >= config.vocab_size:
        tokenizer.pad_token = _padding_token(tokenizer, config)


def _padding_token(tokenizer: "PreTrainedTokenizerFast", config: "PreTrainedConfig") -> str:
    """Return a special token to pad with, if there is one: a word (GPT-2's "!") would be special once that is saved."""
    special = {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
    first = str(tokenizer.convert_ids_to_tokens(padding_id(config)))
    candidates = (first, tokenizer.eos_token, tokenizer.bos_token, tokenizer.unk_token)
    return next((str(token) for token in candidates if token in special), first)


def padding_id(config: "PreTrainedConfig") -> int:
    """Return the id of the padding token: that of the config, or 0 where it has none within the vocabulary."""
    found = getattr(config, "pad_token_id", None)
    return found if found is not None and 0 <= found < config.vocab_size else 0


# An example with common and rare letters and digits, on which tokenizers differ that treat blanks differently.
_EXAMPLE = (
    "(built in)",
    "who was the architect of it in 1912".split(),
    "the castle stands on unbelievable ground since 20260 , says Zachary 7x9q".split(),
)


def _suit_to_words(tokenizer: "PreTrainedTokenizerFast", name: str) -> None:
    """Let a tokenizer read a list of words as running text. Raises InputError where that cannot be done.

    Byte-level tokenizers (RoBERTa, ModernBERT) take a word without a blank before it for a part of the word before. Only
    some classes know the keyword add_prefix_space, so the parts of the tokenizer are changed.
    """
    for add_blank in (_blank_by_pre_tokenizer, _blank_by_normalizer):
        try:
            check_alignment(tokenizer, [_EXAMPLE], name)
        except InputError:
            add_blank(tokenizer.backend_tokenizer)
        else:
            return
    check_alignment(tokenizer, [_EXAMPLE], name)


def _blank_by_pre_tokenizer(backend: "Backend") -> None:
    for piece in [*_pieces(backend.pre_tokenizer), *_pieces(backend.post_processor)]:
        if hasattr(piece, "add_prefix_space"):
            piece.add_prefix_space = True


def _pieces(part: Any) -> list[Any]:
    """Return what a part of a tokenizer is composed of: itself alone, where it is no sequence."""
    from tokenizers import pre_tokenizers, processors

    composed = isinstance(part, (pre_tokenizers.Sequence, processors.Sequence))
    return list(part) if composed else [part]


def _blank_by_normalizer(backend: "Backend") -> None:
    """For tokenizers that split by rules before the bytes (Llama 3's), or treat blanks as letters (Gemma's)."""
    from tokenizers import normalizers

    before = [] if backend.normalizer is None else [backend.normalizer]
    backend.normalizer = normalizers.Sequence([normalizers.Prepend(" "), *before])
    for piece in _pieces(backend.pre_tokenizer):
        if hasattr(piece, "add_prefix_space"):
            piece.add_prefix_space = False


def load_encoder(folder: str | Path, precision: str = "float32", device: str = "cpu") -> "PreTrainedModel":
    """Load a checkpoint's encoder for inference: evaluation mode, no gradients, weights in ``precision``.

    Raises InputError where it is no encoder that transformers knows, and where weights of the encoder are missing. (A
    head's or a pooler's may be.)
    """
    from transformers import AutoModel

    check_encoder(load_config(folder), folder)
    model, _ = load_model(AutoModel, folder, precision)
    model.config.use_cache = False  # of keys and values for texts to come, which a decoder fills unless told not to
    log.info("loaded %s: %s, %d layers, %s", folder, type(model).__name__, model.config.num_hidden_layers, precision)
    return model.eval().requires_grad_(False).to(device)


def check_encoder(config: "PreTrainedConfig", folder: str | Path) -> None:
    """Raise InputError where a checkpoint's architecture is no encoder of text alone."""
    from transformers import AutoModel

    check_architecture(AutoModel, config, folder)
    if config.is_encoder_decoder:
        raise InputError(
            f"checkpoint {folder}: {config.model_type} is an encoder with a decoder, and layers of the two cannot be "
            "compared. Wanted: an encoder alone, or a decoder alone."
        )
    if not (hasattr(config, "num_hidden_layers") and hasattr(config, "hidden_size") and hasattr(config, "vocab_size")):
        part = "AutoModel.from_pretrained(OLD).language_model.save_pretrained(NEW), and the tokenizer's files beside it"
        advice = f"Save its language model by itself: {part}" if hasattr(config, "text_config") else "Take another encoder"
        raise InputError(f"checkpoint {folder}: {config.model_type} is no encoder of text alone. {advice}.")


@_offline()
def load_model(
    auto: Any, folder: str | Path, precision: str, left_out: Sequence[str] = (), **options: Any
) -> tuple["PreTrainedModel", list[str]]:
    """Load a checkpoint by one of transformers' Auto classes. options: further ones of its ``from_pretrained``.

    left_out: how the names begin of weights that are not read, as if the checkpoint had none of them.
    Returns the model and the names of its heads' weights that the checkpoint does not have. Raises InputError where the
    class has no model for the checkpoint's architecture, where the weights and the encoder do not have the same tensors in
    the same shapes, and where the checkpoint was damaged. An adapter that is not merged is applied.
    """
    import torch
    from transformers import PreTrainedModel
    from transformers.utils import logging

    check_architecture(auto, config := load_config(folder), folder)
    source: str | Path | None = folder
    if left_out and (state := _state_without(folder, left_out)):
        # An Auto class takes no state.
        auto = auto if issubclass(auto, PreTrainedModel) else auto._model_mapping[type(config)]
        for name, value in options.items():
            setattr(config, name, value)
        config.name_or_path, source = str(folder), None
        options = {"config": config, "state_dict": state}
    logging.disable_progress_bar()
    logging.set_verbosity_error()  # what does not fit is an error of ours
    try:
        model, loading = auto.from_pretrained(
            source,
            dtype=getattr(torch, precision),
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
            **options,
        )
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"checkpoint {folder}: transformers cannot make a model of it: {one_line(error)}") from error
    model.config.return_dict = True  # hidden states are asked for by their name
    lacking = _check_fit(model, loading, folder)
    unmerged = Path(folder) / adapters.UNMERGED
    if unmerged.is_dir() and model.device.type != "meta":
        encoder = model.base_model
        adapter = adapter_matching.read(unmerged, encoder, f"checkpoint {folder}")
        peft_layers.apply(adapter, encoder, f"adapter {unmerged}", model.dtype)
    return model, lacking


def _state_without(folder: str | Path, left_out: Sequence[str]) -> dict[str, "torch.Tensor"]:
    """Read the weights of a checkpoint but those whose names begin so; none where no name does."""
    from safetensors import safe_open

    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(safe_open(one, framework="pt")) for one in Path(folder).glob("*.safetensors")]
        found = {key: file for file in files for key in file.keys()}  # noqa: SIM118 (no mapping)
        kept = [key for key in sorted(found) if not key.startswith(tuple(left_out))]
        return {key: found[key].get_tensor(key) for key in kept} if len(kept) < len(found) else {}


def _check_fit(model: "PreTrainedModel", loading: dict[str, Any], folder: str | Path) -> list[str]:
    """Return which weights of heads the checkpoint lacks. Raises InputError where weights and encoder do not fit."""
    for key, found, wanted in sorted(loading["mismatched_keys"]):
        raise InputError(
            f"checkpoint {folder}: the weights {key} have the shape {tuple(found)}, wanted {tuple(wanted)}, as "
            f"{type(model).__name__} has by config.json. Take both of one model, saved by save_pretrained."
        )
    inner = "" if model.base_model is model else f"{model.base_model_prefix}."
    lacking = [key for key in sorted(loading["missing_keys"]) if key.startswith(inner)]
    missing = [key for key in lacking if "pooler" not in key]
    unused = sorted(loading["unexpected_keys"])
    if missing:
        others = f", and have {unused[0]}, which is unknown there" if unused else ""
        raise InputError(
            f"checkpoint {folder}: the weights lack {', '.join(missing[:5])} ({len(missing)} in all){others}. Wanted: "
            "weights saved by save_pretrained for the architecture that config.json names."
        )
    # Layers beyond those of config.json, adapters inside the layers, positions of a kind that transformers gave up.
    parts = {name for name, _ in model.base_model.named_children()}
    inside = [key for key in unused if key.removeprefix(f"{model.base_model_prefix}.").split(".")[0] in parts]
    if inside := [key for key in inside if key.endswith(".weight")]:
        raise InputError(
            f"checkpoint {folder}: the weights have {inside[0]} ({len(inside)} such tensors), and the encoder of "
            f"config.json ({model.config.num_hidden_layers} layers) has no place for it: another one was saved. Mend "
            "config.json (num_hidden_layers), or, where this encoder is meant, save it anew with save_pretrained."
        )
    return sorted(set(loading["missing_keys"]) - set(lacking))


def check_architecture(auto: Any, config: "PreTrainedConfig", folder: str | Path) -> None:
    """Raise InputError where one of transformers' Auto classes has no model for a checkpoint's architecture."""
    if type(config) not in auto._model_mapping:
        raise InputError(
            f"checkpoint {folder}: transformers' {auto.__name__} has no model for its architecture ({config.model_type}). "
            "Take a checkpoint of another architecture, or leave out what needs this one."
        )


def check_hidden_states(model: "PreTrainedModel", layers: Sequence["torch.Tensor"], shape: tuple[int, int]) -> None:
    """Raise InputError where hidden states are not one for each layer and the embeddings, all of one width.

    shape: of what the encoder read, (examples, subtokens).
    """
    found = [tuple(layer.shape) for layer in layers]
    wanted = [(*shape, model.config.hidden_size)] * (model.config.num_hidden_layers + 1)
    if found != wanted:
        raise InputError(
            f"checkpoint {model.name_or_path}: {type(model).__name__} gives {len(found)} hidden states of the shapes "
            f"{sorted(set(found))}, wanted {len(wanted)} of {wanted[0]}. Take another encoder."
        )


def sight(model: "PreTrainedModel") -> tuple[float, float]:
    """Return how far the last hidden states before a changed subtoken move, and those after it: the greatest differences.

    The model must be in evaluation mode.
    """
    import torch

    if model.training:
        raise ValueError("sight and is_causal: wanted a model in evaluation mode, since dropout moves all states")
    pad, size, subtokens = padding_id(model.config), model.config.vocab_size, min(7, longest(model))
    # Seven different ids and one more, none of them that of padding, by which some models count positions.
    ids = [(pad + 1 + i * max(1, size // 9)) % size for i in range(subtokens + 1)]
    place = subtokens // 2
    states = []
    with torch.inference_mode():
        for changed in (ids[place], ids[-1]):
            given = torch.tensor([[*ids[:place], changed, *ids[place + 1 : -1]]], device=model.device)
            states.append(model.base_model(input_ids=given, attention_mask=torch.ones_like(given))[0][0].float())
    moved = (states[0] - states[1]).abs().amax(-1).tolist()
    return max(moved[:place]), max(moved[place + 1 :])


def is_causal(model: "PreTrainedModel") -> bool:
    """Whether each word sees only those before it, as in a decoder: by what the model does, whatever its name.

    The model must be in evaluation mode.
    """
    before, after = sight(model)
    # Nothing, but for rounding: in a mixture of experts another word is another product of matrices for all words.
    return before < 0.05 * after


def longest(model: "PreTrainedModel") -> int:
    """Return how many subtokens, special ones included, a model has positions for; sys.maxsize where there is no limit."""
    import torch

    limits = [sys.maxsize]
    asked = getattr(model.config, "max_position_embeddings", None) or 0
    if asked > 0:
        limits.append(asked)
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, torch.nn.Embedding):
            # RoBERTa and MPNet count positions from the row after that of the padding.
            limits.append(module.num_embeddings - (0 if module.padding_idx is None else module.padding_idx + 1))
    return min(limits)


def check_windows(model: "PreTrainedModel", length: int, folder: str | Path, section: str) -> None:
    """Raise InputError where a checkpoint has fewer positions than ``length``, the subtokens of a window.

    section: of the configuration, where the length of windows is set.
    """
    if length > (limit := longest(model)):
        raise InputError(
            f"checkpoint {folder}: windows of {length} subtokens were asked for, and it has positions for {limit}. "
            f"Set {section}.max_length to {limit} or less."
        )
