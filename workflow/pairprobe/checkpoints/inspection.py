"""Looking at a checkpoint before it is used: whether config, weights and tokenizer are sound, and of one encoder."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pairprobe.checkpoints import formats
from pairprobe.checkpoints.folder import entries, open_tensors, read_json, verify_files, weight_files
from pairprobe.checkpoints.heads import answer_heads
from pairprobe.checkpoints.loading import (
    check_encoder,
    check_hidden_states,
    is_causal,
    load_config,
    load_encoder,
    load_model,
    load_tokenizer,
    sight,
)
from pairprobe.checkpoints.tokenization import Encoding, encode, has_separator
from pairprobe.errors import InputError, one_line
from pairprobe.io.progress import log

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

# Words that any tokenizer of English text knows, as pieces at least.
_LOWER = "the king of that old city was first to build a bridge over this river when war had come in june".split()
_CAPITAL = "The King John France London March Queen America William Sunday".split()
# No vocabulary has these characters.
_FOREIGN = ["\U0001f9ff\u2e3b"]

# A limit below this holds no example.
_SHORT = 16


@contextmanager
def named(temporary: str | Path, name: str) -> Iterator[None]:
    """Raise an InputError about a temporary folder as one about ``name``."""
    try:
        yield
    except InputError as error:
        raise type(error)(str(error).replace(str(temporary), name)) from error


def verify(folder: str | Path) -> None:
    """Check that a folder holds an encoder that can be trusted and used; raise InputError where it does not.

    Wanted: a config.json that needs no remote code; weights in safetensors, finite, in the shapes that config.json
    describes; and a fast tokenizer that knows plain English and gives no subtoken that the encoder does not have.
    """
    verify_files(folder)
    verify_encoder(folder)


def verify_encoder(folder: str | Path) -> None:
    """Load a checkpoint whose files were verified: check config, weights and tokenizer against each other.

    Raises InputError where they are not of one encoder, and where one of them is of no use.
    """
    from transformers import AutoModel

    folder = Path(folder)
    name = f"checkpoint {folder}"
    files = weight_files(folder)
    check_encoder(load_config(folder), folder)
    tensors = _count_tensors(files, name)
    with _no_larger_than(
        10 * tensors + 1000,
        f"{name}: config.json describes an encoder of many times as many tensors as the "
        f"{tensors} of the weights. Take weights and config.json of one model.",
    ):
        # Names and shapes alone: no memory is taken, whatever config.json says.
        model, _ = load_model(AutoModel, folder, "float32", device_map="meta")
    _check_values(files, model, name)
    tokenizer = load_tokenizer(folder)
    rows = next(model.get_input_embeddings().parameters()).shape[0]
    _check_ids(tokenizer, rows, name)
    _check_given_ids(tokenizer, folder, name)
    _check_words(tokenizer, name)
    _check_merges(tokenizer, name)
    _check_size(tokenizer, rows, name)
    _check_padding(tokenizer, model, rows, name)
    _check_case(tokenizer, folder, name)
    encoder = load_encoder(folder)
    _check_states(encoder, tokenizer, name)
    if not is_causal(encoder) and tokenizer.sep_token is not None and not has_separator(tokenizer):
        raise InputError(
            f"{name}: its tokenizer has {tokenizer.sep_token}, and puts no special token between question and paragraph. "
            "Mend post_processor in tokenizer.json."
        )


def _count_tensors(files: list[Path], name: str) -> int:
    """Count the tensors. Raises InputError for those that quantised weights are made of, and for parts without numbers."""
    count = 0
    for file in files:
        with open_tensors(file, name) as tensors:
            keys = list(tensors.keys())
            if part := formats.quantised_part(keys):
                raise InputError(
                    f"{name}: {file.name}, tensor {part[0]}: the weights are quantised ({part[1]}). {formats.UNQUANTISED}."
                )
            if empty := [key for key in keys if 0 in tensors.get_slice(key).get_shape()]:
                raise InputError(
                    f"{name}: {file.name}, tensor {empty[0]}: it has no numbers ({len(empty)} such tensors), as DeepSpeed "
                    "(ZeRO-3) leaves them without stage3_gather_16bit_weights_on_model_save. Save the whole weights."
                )
            count += len(keys)
    return count


@contextmanager
def _no_larger_than(limit: int, message: str) -> Iterator[None]:
    """Raise InputError as soon as a model is built of more tensors than ``limit``."""
    from torch.nn.modules.module import register_module_parameter_registration_hook

    count = 0

    def hook(*_: Any) -> None:
        nonlocal count
        count += 1
        if count > limit:
            raise InputError(message)

    handle = register_module_parameter_registration_hook(hook)
    try:
        yield
    finally:
        handle.remove()


def _check_values(files: list[Path], model: "PreTrainedModel", name: str) -> None:
    """Raise InputError for weights that are quantised, not finite, or, in a whole matrix of the encoder, zero.

    Those of poolers and of heads that answer no questions are not used.
    """
    import torch

    wanted = {key for key, _ in model.named_parameters() if "pooler" not in key}
    heads = answer_heads(model.config)
    seen: dict[str, str] = {}
    for file in files:
        with open_tensors(file, name) as tensors:
            for key in tensors.keys():  # noqa: SIM118 (no mapping)
                where = f"{name}: {file.name}, tensor {key}"
                kind, shape = (part := tensors.get_slice(key)).get_dtype(), part.get_shape()
                used = (stem := key.removeprefix(f"{model.base_model_prefix}.")) in wanted
                if used and stem in seen:
                    raise InputError(
                        f"{where}: the encoder has it twice, also as {seen[stem]}. Save it with save_pretrained."
                    )
                seen[stem] = f"{key} in {file.name}"
                if kind not in ("F64", "F32", "F16", "BF16"):
                    if used:
                        raise InputError(
                            f"{where}: found weights of the type {kind}, which are quantised; wanted floating point of "
                            f"16 bits or more. {formats.UNQUANTISED}."
                        )
                    continue
                tensor = tensors.get_tensor(key)
                if not torch.isfinite(tensor if kind != "F64" else tensor.float()).all():
                    if used or key.startswith(heads):
                        raise InputError(f"{where}: found NaN or infinite weights.")
                    log.warning("%s: found NaN or infinite weights, which nothing here uses", where)
                # Segments may well be zero: RoBERTa's are.
                if used and len(shape) > 1 and min(shape) > 1 and "token_type" not in key and not tensor.any():
                    raise InputError(f"{where}: found nothing but zeros. Was the file written to its end? Fetch it again.")


def _check_ids(tokenizer: "PreTrainedTokenizerFast", rows: int, name: str) -> None:
    """Raise InputError where a tokenizer gives ids that the encoder has no embedding for."""
    pair = tokenizer(_LOWER[:5], _LOWER[5:], is_split_into_words=True)
    ids, sides = pair["input_ids"], pair.sequence_ids(0)
    # The ids of special tokens may stand in the template for pairs alone.
    found, token = max((i, token) for token, i in [*tokenizer.get_vocab().items(), *zip(pair.tokens(0), ids, strict=True)])
    if found >= rows:
        raise InputError(
            f"{name}: its tokenizer gives {token!r} the id {found}, and the encoder has embeddings for {rows:,}. Take "
            "both of one model; after adding tokens: resize_token_embeddings, train, and save both."
        )
    for place, side in enumerate(sides):
        if side is None and tokenizer.convert_ids_to_tokens(ids[place]) != pair.tokens(0)[place]:
            raise InputError(
                f"{name}: its tokenizer writes {pair.tokens(0)[place]!r} as the id {ids[place]}, which is that of "
                f"{tokenizer.convert_ids_to_tokens(ids[place])!r}. Mend post_processor in tokenizer.json."
            )


def _check_given_ids(tokenizer: "PreTrainedTokenizerFast", folder: Path, name: str) -> None:
    """Raise InputError where an added token has another id than a file gives it; warn where config.json gives others."""
    added, settings, whole, config = (
        read_json(folder / file) if (folder / file).is_file() else {}
        for file in ("added_tokens.json", "tokenizer_config.json", "tokenizer.json", "config.json")
    )
    vocabulary = tokenizer.get_vocab()
    for file, tokens in (
        ("added_tokens.json", added.items()),
        ("tokenizer_config.json", [(row.get("content"), i) for i, row in settings.get("added_tokens_decoder", {}).items()]),
        ("tokenizer.json", [(row["content"], row["id"]) for row in whole.get("added_tokens", [])]),
    ):
        for token, given in tokens:
            if vocabulary.get(token, int(given)) != int(given):
                raise InputError(
                    f"{name}: {file} gives {token!r} the id {given}, and its tokenizer gives it {vocabulary[token]}. Take "
                    "all files of one tokenizer, saved by save_pretrained."
                )
    for kind in ("pad", "cls", "sep", "bos", "eos"):
        given, own = config.get(f"{kind}_token_id"), getattr(tokenizer, f"{kind}_token_id", None)
        if isinstance(given, int) and own is not None and given != own:
            token = tokenizer.convert_ids_to_tokens(own)
            log.warning("config.json has %s_token_id %d, and the tokenizer gives %s the id %d", kind, given, token, own)


def _check_size(tokenizer: "PreTrainedTokenizerFast", rows: int, name: str) -> None:
    """Raise InputError where a tokenizer is much smaller than the embeddings, which may have been filled up a little."""
    if not isinstance(tokenizer.model_max_length, (int, float)) or tokenizer.model_max_length < _SHORT:
        raise InputError(
            f"{name}: tokenizer_config.json, key model_max_length: found {tokenizer.model_max_length!r}, wanted the "
            f"subtokens of the longest text, {_SHORT} or more."
        )
    if len(tokenizer) < 0.5 * rows:
        raise InputError(
            f"{name}: its tokenizer has {len(tokenizer):,} entries, and the encoder embeddings for {rows:,}. Take both of "
            "one model."
        )
    if len(tokenizer) < 0.9 * rows:
        log.warning("the tokenizer has %d entries, and the encoder embeddings for %d", len(tokenizer), rows)


def _check_padding(tokenizer: "PreTrainedTokenizerFast", model: "PreTrainedModel", rows: int, name: str) -> None:
    given = model.config.pad_token_id
    if tokenizer.pad_token_id is None or (given is not None and not 0 <= given < rows):
        raise InputError(
            f"{name}: config.json, key pad_token_id: found {given}, which is no id of encoder and tokenizer. Give that of "
            "the tokenizer's padding, or remove the key."
        )
    for part, module in model.named_modules():
        counted = getattr(module, "padding_idx", None) if part.endswith("position_embeddings") else None
        if counted is not None and counted != tokenizer.pad_token_id:
            raise InputError(
                f"{name}: config.json, key pad_token_id: found {counted}, and its tokenizer pads with "
                f"{tokenizer.pad_token_id} ({tokenizer.pad_token}). Positions are counted from it, so all would be wrong."
            )


def _check_words(tokenizer: "PreTrainedTokenizerFast", name: str) -> None:
    """Raise InputError where half of the plain words of English are unknown, or half of those with a capital."""
    for words, hint in (
        (_LOWER, ""),
        (_CAPITAL, " If its vocabulary has no capitals: do_lower_case in tokenizer_config.json."),
    ):
        encoding = encode(tokenizer, [words], [words])[0]
        unknown = _unknown(encoding, tokenizer.unk_token_id, words)
        if len(unknown) >= len(words) / 2:
            raise InputError(
                f"{name}: its tokenizer ({type(tokenizer).__name__}, {len(tokenizer):,} entries) knows no plain English: "
                f"{len(unknown)} words of {len(words)} are {tokenizer.unk_token} ({', '.join(unknown[:3])}, ...). Take the "
                f"tokenizer's files that belong to this model.{hint}"
            )
        if unknown:
            log.warning("the tokenizer does not know %s", ", ".join(unknown))

    try:
        encode(tokenizer, [_FOREIGN], [_FOREIGN])
    except Exception as error:
        raise InputError(
            f"{name}: its tokenizer fails at letters that its vocabulary lacks: {one_line(error)}. Set unk_token in "
            "tokenizer.json and tokenizer_config.json to an entry of the vocabulary, as [UNK]."
        ) from error


def _check_merges(tokenizer: "PreTrainedTokenizerFast", name: str) -> None:
    """Raise InputError where the merges of BPE do not make the words that its vocabulary has whole."""
    words = [token[1:] for token in tokenizer.get_vocab() if re.fullmatch("[Ġ▁][a-z]{3,}", token)]
    if type(tokenizer.backend_tokenizer.model).__name__ != "BPE" or not words:
        return
    encoding = encode(tokenizer, [words], [_LOWER])[0]
    split = (encoding.subtokens()[: len(words)] > 1).nonzero()[0]
    if len(split) > 0.05 * len(words):
        pieces = tokenizer.convert_ids_to_tokens(encoding.input_ids[encoding.word_of == split[0]].tolist())
        raise InputError(
            f"{name}: the merges of its tokenizer do not make the entries of its vocabulary ({words[split[0]]!r} is read "
            f"as {' '.join(pieces)}). Fetch merges.txt, or tokenizer.json, again."
        )


def _unknown(encoding: Encoding, unknown_id: int | None, words: list[str]) -> list[str]:
    owners = set(encoding.word_of[encoding.input_ids == unknown_id].tolist()) if unknown_id is not None else set()
    return [word for place, word in enumerate(words) if place in owners]


def _check_case(tokenizer: "PreTrainedTokenizerFast", folder: Path, name: str) -> None:
    """Raise InputError where words lose their capitals by default alone, and the vocabulary has many with capitals.

    Where the tokenizer's files say so, it may be meant, and is a warning.
    """
    special = set(tokenizer.all_special_tokens)
    capitals = [token for token in tokenizer.get_vocab() if re.search("[A-Z]", token) and token not in special]
    share = len(capitals) / len(tokenizer)
    if share < 0.02 or tokenizer.tokenize("The KING London") != tokenizer.tokenize("the king london"):
        return
    said = f"{share:.0%} of the tokenizer's entries have capitals ({max(capitals)}), and it reads all words in lower case"
    settings = read_json(folder / "tokenizer_config.json") if (folder / "tokenizer_config.json").is_file() else {}
    if settings.get("do_lower_case") or _lowers(folder / "tokenizer.json"):
        log.warning("%s, as its files say", said)
        return
    raise InputError(
        f"{name}: {said}, since tokenizer_config.json does not say otherwise. In a copy of the folder (source: path), "
        'write tokenizer_config.json with {"do_lower_case": false}, or true if it was trained so.'
    )


def _lowers(file: Path) -> bool:
    """Whether the normalizer of a tokenizer.json lowers letters."""
    normalizer = read_json(file).get("normalizer") if file.is_file() else None
    settings = list(entries({"normalizer": normalizer} if normalizer else {}))
    return ("lowercase", True) in settings or ("type", "Lowercase") in settings


def _check_states(model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerFast", name: str) -> None:
    """Run a model. Raises InputError where hidden states are not finite, and where no word sees another."""
    import torch

    inputs = dict(tokenizer(_LOWER[:5], _LOWER[5:], is_split_into_words=True, return_tensors="pt"))
    try:
        with torch.inference_mode():
            states = model(**inputs, output_hidden_states=True).hidden_states
        seen = sight(model)
    except Exception as error:
        raise InputError(
            f"{name}: its encoder ({type(model).__name__}) cannot read a sentence: {one_line(error)}"
        ) from error
    check_hidden_states(model, states, tuple(inputs["input_ids"].shape))
    for layer, state in enumerate(states):
        if not torch.isfinite(state).all():
            raise InputError(
                f"{name}: the hidden states of layer {layer} are not finite. Weights or numbers in config.json are wrong."
            )
    if not any(seen):
        raise InputError(
            f"{name}: in {type(model).__name__} no word sees another: its attention does not run here. Take another model."
        )
