"""What an adapter's folder tells of the base that it was trained on: its name, its architecture, its tokenizer."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pairprobe.checkpoints.adapters import CONFIG
from pairprobe.checkpoints.folder import read_json
from pairprobe.errors import InputError
from pairprobe.io.progress import log

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

# The files that tokens are read from.
TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "added_tokens.json")


def compare_base(folder: Path, name: str, base: list[str], encoder: "PreTrainedModel") -> None:
    """Warn where an adapter's config names another base. name: of the adapter; base: names of the base, the best first."""
    config = read_json(folder / CONFIG)
    given, mapping = config.get("base_model_name_or_path"), config.get("auto_mapping")
    if given and _last_part(str(given)) not in map(_last_part, base):
        log.warning("adapter %s: %s names %s; the base here is %s", name, CONFIG, f"{given!s:.200}", base[0])
    library = str(mapping.get("parent_library")) if isinstance(mapping, dict) else ""
    own = type(encoder).__module__
    if library.startswith("transformers.models.") and library.split(".")[2] != own.split(".")[2]:
        said = library.split(".")[2][:80]
        log.warning("adapter %s: %s says %s; the base here is %s", name, CONFIG, said, encoder.config.model_type)


def _last_part(name: str) -> str:
    return name.rstrip("/").rpartition("/")[2].casefold()


def check_tokens(folder: Path, name: str, tokenizer: "PreTrainedTokenizerFast") -> None:
    """Compare the tokenizer beside an adapter with its base's, which is the one that is used.

    Raises InputError where it has tokens more that may stand in a text. Special ones (for padding) are a warning.
    """
    found: dict[str, bool] = {}  # whether a token is special
    for token, special in _tokens(folder):
        found[token] = found.get(token, False) or special
    added = {token: special for token, special in found.items() if token not in tokenizer.get_vocab()}
    if words := sorted(token for token, special in added.items() if not special):
        raise InputError(
            f"adapter {name}: its tokenizer has {len(words)} tokens that the base's lacks ({words[0]!r:.80}, ...), so it "
            "was trained on other subtokens. Merge it into the base that has them with peft (merge_and_unload), save that "
            "with the tokenizer, and take it as source: path; or, if they were never used, remove the adapter's tokenizer."
        )
    if added:
        log.warning("adapter %s: its tokenizer adds %s; the base's is used", name, ", ".join(sorted(added))[:200])


def _tokens(folder: Path) -> Iterator[tuple[str, bool]]:
    """Yield the tokens of a tokenizer's files, and whether each is special."""
    whole, settings, added = (read_json(folder / file) if (folder / file).is_file() else {} for file in TOKENIZER)
    vocabulary: Any = (whole.get("model") or {}).get("vocab") or []  # Unigram's is a list of (token, score)
    yield from ((one if isinstance(one, str) else str(one[0]), False) for one in vocabulary)
    for row in [*(whole.get("added_tokens") or []), *(settings.get("added_tokens_decoder") or {}).values()]:
        yield str(row.get("content")), bool(row.get("special"))
    named = [one.get("content") if isinstance(one, dict) else one for one in settings.values()]
    yield from ((token, token in named) for token in added)
