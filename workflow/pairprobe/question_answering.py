"""Extractive question answering: documents in windows with a stride, spans out of logits, exact match and F1.

Exact match and F1 are those of SQuAD 1.1 (Rajpurkar et al., 2016, its evaluation script): the best over the gold answers,
without case, punctuation and articles.
"""

import hashlib
import re
import string
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from pairprobe.errors import InputError
from pairprobe.examples import Document, Span


@dataclass(frozen=True, slots=True)
class Window:
    """One window of a document, encoded: ``[CLS] question [SEP] part of the document [SEP]``.

    word_of: (subtokens,), the document's word of each subtoken, -1 outside the document. start, end: the subtokens of the
    gold answer, both inclusive; 0, 0 ([CLS]) where the window does not hold it whole.
    """

    example_id: str
    input_ids: list[int]
    token_type_ids: list[int] | None
    word_of: np.ndarray
    start: int
    end: int


def windows(documents: Iterable[Document], tokenizer, max_length: int, stride: int) -> Iterator[Window]:
    """Cut documents into windows of at most ``max_length`` subtokens that overlap by ``stride`` subtokens.

    Raises InputError where a question leaves no room for that.
    """
    special = tokenizer.num_special_tokens_to_add(pair=True)
    for document in documents:
        asked = len(tokenizer(document.question, is_split_into_words=True, add_special_tokens=False)["input_ids"]) + special
        if asked + stride >= max_length:
            raise InputError(
                f"example {document.example_id}: its question leaves {max_length - asked} of a window's {max_length} "
                f"subtokens, and windows share {stride}. Set max_length higher or stride lower."
            )
        batch = tokenizer(
            document.question,
            document.words,
            is_split_into_words=True,
            truncation="only_second",
            max_length=max_length,
            stride=stride,
            return_overflowing_tokens=True,
        )
        for i in range(len(batch["input_ids"])):
            sides, words = batch.sequence_ids(i), batch.word_ids(i)
            word_of = np.array([w if side == 1 else -1 for side, w in zip(sides, words, strict=True)])
            start, end = _locate(word_of, document.short_answers)
            segments = batch["token_type_ids"][i] if "token_type_ids" in batch else None
            yield Window(document.example_id, batch["input_ids"][i], segments, word_of, start, end)


def _locate(word_of: np.ndarray, answers: list[Span]) -> Span:
    """Return the first and last subtoken of the first answer that a window holds whole; (0, 0) where it holds none."""
    for first, end in sorted(answers):
        starts, ends = np.flatnonzero(word_of == first), np.flatnonzero(word_of == end - 1)
        if len(starts) and len(ends):
            # A word cut by the window's edge is no whole word, but its pieces in here are all that can be pointed at.
            return int(starts[0]), int(ends[-1])
    return 0, 0


def training_windows(
    documents: Iterable[Document], tokenizer, max_length: int, stride: int, unanswered: float, seed: int
) -> list[Window]:
    """Return the windows of the documents that have a short answer; of those without it in them, a share is kept.

    unanswered: that share, 0 to 1; which ones is a hash of the seed and the window.
    """
    answered = (document for document in documents if document.short_answers)
    kept = []
    for i, window in enumerate(windows(answered, tokenizer, max_length, stride)):
        digest = hashlib.blake2b(f"{seed}\0{window.example_id}\0{i}".encode(), digest_size=8).digest()
        if window.end > 0 or int.from_bytes(digest, "big") / 2**64 < unanswered:
            kept.append(window)
    return kept


def best_span(start: np.ndarray, end: np.ndarray, word_of: np.ndarray, max_words: int) -> tuple[float, Span]:
    """Return the best span of a window and its score, the sum of its two logits.

    start, end: (subtokens,) logits. The span is ``[first, end)`` in words of the document, at most ``max_words`` long.
    """
    inside = np.flatnonzero(word_of >= 0)
    words = word_of[inside]
    length = words[None, :] - words[:, None]
    scores = start[inside][:, None] + end[inside][None, :]
    # By subtoken too: the end must not stand before the start within one word.
    allowed = (length >= 0) & (length < max_words) & (inside[None, :] >= inside[:, None])
    scores = np.where(allowed, scores, -np.inf)
    i, j = np.unravel_index(scores.argmax(), scores.shape)
    return float(scores[i, j]), (int(words[i]), int(words[j]) + 1)


def normalized(answer: str) -> list[str]:
    """Return the words that count of an answer: in lower case, without punctuation and articles."""
    bare = "".join(character for character in answer.lower() if character not in set(string.punctuation))
    return re.sub(r"\b(a|an|the)\b", " ", bare).split()


def exact_match(prediction: str, golds: list[str]) -> float:
    """Return 1.0 where the prediction equals a gold answer, else 0.0."""
    return float(any(normalized(prediction) == normalized(gold) for gold in golds))


def f1(prediction: str, golds: list[str]) -> float:
    """Return the best F1, 0 to 1, of the prediction's words against a gold answer's."""

    def of(gold: str) -> float:
        predicted, wanted = normalized(prediction), normalized(gold)
        common = sum((Counter(predicted) & Counter(wanted)).values())
        return 2 * common / (len(predicted) + len(wanted)) if common else float(predicted == wanted)

    return max(of(gold) for gold in golds)
