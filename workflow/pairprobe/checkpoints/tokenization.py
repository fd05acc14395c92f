"""Words to subtokens: [CLS] question [SEP] paragraph [SEP], and which word each subtoken is a piece of.

A decoder reads a beginning-of-sequence token, one text, a newline and the other text; ``Layout`` says what is read.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Protocol, TypeAlias

import numpy as np

from pairprobe.errors import InputError
from pairprobe.io.progress import log

NO_WORD = -1
# Which text a model reads first, and what stands around the two: see ``Layout``.
ORDERS = QUESTION_FIRST, PARAGRAPH_FIRST = "question_first", "paragraph_first"
TEMPLATE, NEWLINE, NONE = "template", "newline", "none"
NEWLINE_SIGN = "\\n"
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

    def decode(self, token_ids: list[int]) -> str | list[str]:
        """Return the text of subtokens; of several lists it would be several texts."""

    @property
    def unk_token_id(self) -> int | None:
        """The id of the unknown token, where there is one."""

    @property
    def bos_token_id(self) -> int | None:
        """The id of the token that a text begins with, where there is one."""


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

    def places(self) -> np.ndarray:
        """Return where the subtokens of words are, word after word, whichever text was read first: (pieces of words,)."""
        return np.argsort(self.word_of, kind="stable")[np.count_nonzero(self.word_of < 0) :]


@dataclass(frozen=True, slots=True)
class Layout:
    """How a model reads two texts: which comes first, and what stands around them.

    order: "question_first" or "paragraph_first". separators: "template" (the special tokens and segments that the tokenizer
    has for a pair), "newline" (the beginning-of-sequence token, where the tokenizer has one, and ``between`` the two) or
    "none".
    """

    order: str = QUESTION_FIRST
    separators: str = TEMPLATE


PLAIN = Layout()


def layout_of(tokenizer: Tokenizer, causal: bool, order: str | None = None, special_tokens: bool = True) -> Layout:
    """Return how a model reads two texts. causal: see ``loading.is_causal``. special_tokens: whether it reads any.

    order: None puts the paragraph first for a causal model, so that the question's words have read it, else the question.
    A causal model reads a newline, but for one whose tokenizer loses newlines and has a separator; any other model what its
    tokenizer has for a pair, or a newline where that puts nothing between the two.
    """
    templated = has_separator(tokenizer) and not (causal and newline(tokenizer))
    separators = (TEMPLATE if templated else NEWLINE) if special_tokens else NONE
    if separators == NEWLINE and not newline(tokenizer):
        instead = "its beginning-of-sequence token" if beginning(tokenizer) else "nothing"
        log.warning("the tokenizer loses newlines and has no separator: between two texts stands %s", instead)
    return Layout(order or (PARAGRAPH_FIRST if causal else QUESTION_FIRST), separators)


def has_separator(tokenizer: Tokenizer) -> bool:
    """Whether a tokenizer puts a special token between the two texts of a pair, as [SEP]; a second beginning is none."""
    batch = tokenizer(["the"], ["king"], is_split_into_words=True, **_AS_IT_IS)
    sides = batch.sequence_ids(0)
    between = slice(sides.index(0), sides.index(1))
    special = {i for i, side in zip(batch["input_ids"][between], sides[between], strict=True) if side is None}
    return bool(special - set(beginning(tokenizer)))


def newline(tokenizer: Tokenizer) -> list[int]:
    """Return the subtokens of a newline between two words of running text, or else of a newline alone.

    (A subtoken of running text may hold the end of a word, too.) None where the tokenizer loses newlines: what it makes of
    one is decoded to something else.
    """
    batch = tokenizer("the\nthe", add_special_tokens=False, return_offsets_mapping=True, **_AS_IT_IS)
    if found := [i for i, where in zip(batch["input_ids"], batch["offset_mapping"], strict=True) if tuple(where) == (3, 4)]:
        return found
    ids = tokenizer("\n", add_special_tokens=False, **_AS_IT_IS)["input_ids"]
    # Without the blank that many put before a text.
    ends = (ids[first:] for first in reversed(range(len(ids))))
    return next((end for end in ends if str(tokenizer.decode(end)).strip(" ") == "\n"), [])


def between(tokenizer: Tokenizer) -> list[int]:
    """Return what stands between two texts in place of a separator: a newline, or where it is lost another beginning."""
    return newline(tokenizer) or beginning(tokenizer)


def beginning(tokenizer: Tokenizer) -> list[int]:
    """Return the token that texts begin with, whether the tokenizer puts it there itself or not; none where it has none."""
    return [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]


def described(tokenizer: Tokenizer, layout: Layout, view: str) -> str:
    """Return what a model reads in words, such as ``[CLS] question [SEP] paragraph [SEP]``; a newline is ``\\n``.

    view: what the second text is called; "text" is read alone.
    """
    [encoding] = encode(tokenizer, [[] if view == "text" else ["the"]], [["the"]], layout)
    names = [view] if view == "text" else ["question", view]
    reads_newline = layout.separators == NEWLINE and bool(newline(tokenizer))
    told: list[str] = []
    for i, word in zip(encoding.input_ids.tolist(), encoding.word_of.tolist(), strict=True):
        special = NEWLINE_SIGN if told and reads_newline else str(tokenizer.convert_ids_to_tokens([i])[0])
        said = special if word == NO_WORD else names[word]
        told += [said] if told[-1:] != [said] else []
    return " ".join(told)


def encode(
    tokenizer: Tokenizer, firsts: list[list[str]], seconds: list[list[str]], layout: Layout = PLAIN
) -> list[Encoding]:
    """Encode pairs of word lists, questions and paragraphs, with a fast tokenizer, without truncation.

    A pair whose first list is empty is a single text: what the tokenizer has for one, or the beginning-of-sequence token
    and the text.
    """
    encodings: list[Encoding] = []
    for start in range(0, len(firsts), CHUNK_SIZE):
        chunk = slice(start, start + CHUNK_SIZE)
        encodings += _encode_chunk(tokenizer, firsts[chunk], seconds[chunk], layout)
    return encodings


def _encode_chunk(
    tokenizer: Tokenizer, firsts: list[list[str]], seconds: list[list[str]], layout: Layout
) -> Iterator[Encoding]:
    rows = (_templated if layout.separators == TEMPLATE else _joined)(tokenizer, firsts, seconds, layout)
    for first, second, (ids, segments, word_of) in zip(firsts, seconds, rows, strict=True):
        yield Encoding(
            np.asarray(ids, np.int32),
            None if segments is None else np.asarray(segments, np.int32),
            np.asarray(word_of, np.int32),
            len(first),
            len(first) + len(second),
        )


# Ids, segments where there are any, and for each subtoken its word, counted as in ``Encoding``.
_Row: TypeAlias = tuple[list[int], list[int] | None, list[int]]


def _templated(tokenizer: Tokenizer, firsts: list[list[str]], seconds: list[list[str]], layout: Layout) -> Iterator[_Row]:
    """Yield what the tokenizer's own template makes of each pair, or of the second text alone."""
    swapped = layout.order == PARAGRAPH_FIRST
    pairs = [pair[::-1] if swapped else pair for pair in zip(firsts, seconds, strict=True) if pair[0]]
    of_pairs = _tokenized(tokenizer, *map(list, zip(*pairs, strict=True)))
    of_singles = _tokenized(tokenizer, [second for first, second in zip(firsts, seconds, strict=True) if not first])
    for first in firsts:
        batch, i = next(of_pairs if first else of_singles)
        word_of = [
            NO_WORD if side is None or word is None else word + len(first) * (side != swapped)
            for side, word in zip(batch.sequence_ids(i), batch.word_ids(i), strict=True)
        ]
        yield batch["input_ids"][i], batch["token_type_ids"][i] if "token_type_ids" in batch else None, word_of


def _joined(tokenizer: Tokenizer, firsts: list[list[str]], seconds: list[list[str]], layout: Layout) -> Iterator[_Row]:
    """Yield the subtokens of each pair's texts one behind the other, with a newline between them or with nothing."""
    begins, separator = (beginning(tokenizer), between(tokenizer)) if layout.separators == NEWLINE else ([], [])
    both = (_tokenized(tokenizer, texts, add_special_tokens=False) for texts in (firsts, seconds))
    for first, *found in zip(firsts, *both, strict=True):
        parts = [
            (batch["input_ids"][i], [NO_WORD if word is None else word + before for word in batch.word_ids(i)])
            for (batch, i), before in zip(found, (0, len(first)), strict=True)
        ]
        parts = parts[1:] if not first else parts[::-1] if layout.order == PARAGRAPH_FIRST else parts
        ids, word_of = list(begins), [NO_WORD] * len(begins)
        for number, (of_text, owners) in enumerate(parts):
            ids += [*separator, *of_text] if number else of_text
            word_of += [*[NO_WORD] * len(separator), *owners] if number else owners
        yield ids, None, word_of


def _tokenized(tokenizer: Tokenizer, *texts: list[list[str]], **options: bool) -> Iterator[tuple[Batch, int]]:
    """Tokenize word lists, or pairs of them; yields the whole batch, and the place of each in it."""
    if not texts or not texts[0]:
        return
    batch = tokenizer(*texts, is_split_into_words=True, **{**_AS_IT_IS, **options})
    for i in range(len(texts[0])):
        yield batch, i


def check_alignment(tokenizer: Tokenizer, pairs: Iterable[tuple[str, Sequence[str], Sequence[str]]], name: str) -> None:
    """Check that a tokenizer maps subtokens to the right words, and gives those that it would give in running text.

    pairs: ``(example_id, question words or none, passage words)``; name: how errors call the checkpoint. Raises InputError
    at the first word whose subtokens

    - are not consecutive, are out of order or on the wrong side;
    - do not cover its letters and digits, unless one of them is the unknown token (a word without ASCII letters and digits
      may have no subtoken at all);
    - differ from those after a blank in running text, where the word consists of ASCII letters and digits. (The first word
      of a text is not compared: there is no blank before it.)
    """
    for example_id, *both in pairs:
        named = {name: list(words) for name, words in zip(("question", "passage"), both, strict=True) if words}
        sides = list(named.values())
        found = _first_misaligned(tokenizer, sides)
        if found is None:
            continue
        side, word, ids, wrong = found
        # A tokenizer that counts wrong may name a word that is not there.
        text = repr(sides[side][word]) if word < len(sides[side]) else "beyond the last"
        raise InputError(
            f"{name}: its tokenizer ({type(tokenizer).__name__}) goes wrong at example {example_id}, "
            f"{list(named)[side]}, word {word} ({text}), with the subtokens "
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
