"""Words to subtokens: [CLS] question [SEP] paragraph [SEP], and which word each subtoken is a piece of.

Or question and paragraph alone, one behind the other: bare input.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Protocol

import numpy as np

from pairprobe.errors import InputError

NO_WORD = -1
# Texts that are tokenized at once: the tokenizer's own result takes ten times the memory of an Encoding.
CHUNK_SIZE = 256

# Texts are neither truncated nor padded.
_AS_IT_IS = {"truncation": False, "padding": False, "return_attention_mask": False, "verbose": False}
_ADVICE = (
    "The hidden states would not be those that the model gives for running text. Take the tokenizer files that the "
    "checkpoint was published with, saved by save_pretrained, or another checkpoint."
)


class Batch(Protocol):
    """What a tokenizer makes of a batch of texts; transformers' ``BatchEncoding`` fulfils it."""

    def __getitem__(self, key: str) -> Any:
        """Return a field of all texts, such as "input_ids"."""

    def __contains__(self, key: object) -> bool:
        """Whether there is such a field."""

    def sequence_ids(self, batch_index: int = 0) -> list[int | None]:
        """Return for each subtoken of a text the side that it is on, 0 or 1; None for a special one."""

    def word_ids(self, batch_index: int = 0) -> list[int | None]:
        """Return for each subtoken of a text the place of its word on its side; None for a special one."""


class Tokenizer(Protocol):
    """What is asked of a tokenizer. The fast ones of transformers fulfil it."""

    def __call__(self, text: Any, text_pair: Any = None, **options: Any) -> Batch:
        """Encode a text, or two, or a list of either; a text is a string, or words with ``is_split_into_words``."""

    def get_vocab(self) -> dict[str, int]:
        """Return the id of each subtoken."""

    def convert_ids_to_tokens(self, ids: list[int]) -> str | list[str]:
        """Return the subtokens with these ids; of one id alone it would be a string."""

    @property
    def unk_token_id(self) -> int | None:
        """The id of the unknown token, where there is one."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """One encoded pair of word lists.

    input_ids, token_type_ids, word_of: (subtokens,) each, int32; ``word_of`` counts the words of the first list, then
    of the second, and is NO_WORD for special tokens. token_type_ids is None where the model gets no segments.
    """

    input_ids: np.ndarray
    token_type_ids: np.ndarray | None
    word_of: np.ndarray
    first_words: int
    words: int

    def __len__(self) -> int:
        """Count subtokens, special ones included."""
        return len(self.input_ids)

    def subtokens(self) -> np.ndarray:
        """Count the subtokens of each word: (words,). 0 where the tokenizer turns a word into nothing."""
        return np.bincount(self.word_of[self.word_of >= 0], minlength=self.words)


def encode(
    tokenizer: Tokenizer, firsts: list[list[str]], seconds: list[list[str]], special_tokens: bool = True
) -> list[Encoding]:
    """Encode pairs of word lists with a fast tokenizer, without truncation.

    special_tokens: whether there are [CLS], [SEP] and segments; else the second list's subtokens follow the first's.
    """
    encodings: list[Encoding] = []
    for start in range(0, len(firsts), CHUNK_SIZE):
        chunk = slice(start, start + CHUNK_SIZE)
        encodings += _encode_chunk(tokenizer, firsts[chunk], seconds[chunk], special_tokens)
    return encodings


def _encode_chunk(
    tokenizer: Tokenizer, firsts: list[list[str]], seconds: list[list[str]], special_tokens: bool
) -> Iterator[Encoding]:
    batch = tokenizer(firsts, seconds, is_split_into_words=True, add_special_tokens=special_tokens, **_AS_IT_IS)
    for i, (first, second) in enumerate(zip(firsts, seconds, strict=True)):
        sides = batch.sequence_ids(i)
        word_of = [
            NO_WORD if side is None or word is None else word + side * len(first)
            for side, word in zip(sides, batch.word_ids(i), strict=True)
        ]
        segments = batch["token_type_ids"][i] if special_tokens and "token_type_ids" in batch else None
        yield Encoding(
            np.asarray(batch["input_ids"][i], np.int32),
            None if segments is None else np.asarray(segments, np.int32),
            np.asarray(word_of, np.int32),
            len(first),
            len(first) + len(second),
        )


def check_alignment(tokenizer: Tokenizer, pairs: Iterable[tuple[str, Sequence[str], Sequence[str]]], name: str) -> None:
    """Check that a tokenizer maps subtokens to the right words, and gives those that it would give in running text.

    pairs: ``(example_id, question words, passage words)``; name: how errors call the checkpoint. Raises InputError at the
    first word whose subtokens

    - are not consecutive, are out of order or on the wrong side;
    - do not cover its letters and digits, unless one of them is the unknown token (a word without ASCII letters and digits
      may have no subtoken at all);
    - differ from those after a blank in running text, where the word consists of ASCII letters and digits. (The first word
      of a text is not compared: there is no blank before it.)
    """
    for example_id, *both in pairs:
        sides = [list(words) for words in both]
        found = _first_misaligned(tokenizer, sides)
        if found is None:
            continue
        side, word, ids, wrong = found
        # A tokenizer that counts wrong may name a word that is not there.
        text = repr(sides[side][word]) if word < len(sides[side]) else "beyond the last"
        raise InputError(
            f"{name}: its tokenizer ({type(tokenizer).__name__}) goes wrong at example {example_id}, "
            f"{('question', 'passage')[side]}, word {word} ({text}), with the subtokens "
            f"{tokenizer.convert_ids_to_tokens(ids)}: {wrong}. {_ADVICE}"
        )


def _first_misaligned(tokenizer: Tokenizer, sides: list[list[str]]) -> tuple[int, int, list[int], str] | None:
    """Return side and index of the first misaligned word, the ids of its subtokens, and what is wrong with them."""
    batch = tokenizer(*sides, is_split_into_words=True, return_offsets_mapping=True, **_AS_IT_IS)
    owners = list(zip(batch.sequence_ids(0), batch.word_ids(0), strict=True))
    ids: list[list[list[int]]] = [[[] for _ in words] for words in sides]
    covered: list[list[set[int]]] = [[set() for _ in words] for words in sides]
    last, place = (0, 0), -1
    for i, (side, word) in enumerate(owners):
        if side is None or word is None:
            continue
        inside = word < len(sides[side])
        if not inside or (side, word) < last or ((side, word) == last and ids[side][word] and place != i - 1):
            own = [n for owner, n in zip(owners, batch["input_ids"], strict=True) if owner == (side, word)]
            said = f"one is subtoken {i} of {len(owners)}, which stands neither beside its others nor after the word before"
            return side, word, own, said
        last, place = (side, word), i
        ids[side][word].append(batch["input_ids"][i])
        covered[side][word].update(range(*batch["offset_mapping"][i]))
    for side, words in enumerate(sides):
        in_text = _in_running_text(tokenizer, words)
        for k, written in enumerate(words):
            wrong = _misread(tokenizer, written, ids[side][k], covered[side][k], in_text[k] if k else None)
            if wrong:
                return side, k, ids[side][k], wrong
    return None


def _misread(tokenizer: Tokenizer, word: str, ids: list[int], covered: set[int], in_text: list[int] | None) -> str | None:
    """Say which letters of a word its subtokens do not cover, or which other subtokens it has in running text."""
    lost = "".join(character for at, character in enumerate(word) if character.isalnum() and at not in covered)
    if lost and (ids or lost.isascii()) and tokenizer.unk_token_id not in ids:
        return f"they do not cover {lost!r}, and wanted is every letter and digit in one of them"
    if in_text is not None and word.isascii() and word.isalnum() and ids != in_text:
        return f"behind a blank in running text the same word has {tokenizer.convert_ids_to_tokens(in_text)}"
    return None


def _in_running_text(tokenizer: Tokenizer, words: list[str]) -> list[list[int]]:
    """Return the ids of each word's subtokens where the words are one text, with a blank between two."""
    batch = tokenizer(" ".join(words), add_special_tokens=False, return_offsets_mapping=True, **_AS_IT_IS)
    ends = [end - 1 for end in accumulate(len(word) + 1 for word in words)]
    ids: list[list[int]] = [[] for _ in words]
    for i, (_, end) in zip(batch["input_ids"], batch["offset_mapping"], strict=True):
        # By its end: the first subtoken of a word may or may not include the blank before it.
        ids[min(bisect_left(ends, end), len(words) - 1)].append(i)
    return ids
