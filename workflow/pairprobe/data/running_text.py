"""Running text with answers at character offsets, as documents: what readers of such data sets share."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pairprobe.data import text
from pairprobe.data.documents import Annotation, Document, Span
from pairprobe.data.sampling import hash_bytes
from pairprobe.errors import InputError


@dataclass(frozen=True, slots=True)
class Asked:
    """A question about a running text.

    answers: each gold answer as it is written in the context, with the character at which it begins; none where the context
    does not answer, and an empty one is none. title: the page's; without one (None, or blank) the context is a page of its
    own.
    """

    example_id: str
    title: str | None
    question: str
    context: str
    answers: Sequence[tuple[str, int]]


def document_of(where: str, asked: Asked, keys: Mapping[str, str]) -> Document | InputError:
    """Return the document of a question: its page is the context, which is one paragraph.

    Words and sentences are ``text.split``'s. Each answer is an annotation of its own; one that begins or ends within a word
    takes that word whole. Where a field is empty or an answer is not where it is said to be, an InputError is in the
    document's place. where: the place in the file, for messages; keys: what the file calls a field of ``Asked``, where it
    has another name for it.
    """
    try:
        return _document(where, asked, keys)
    except InputError as error:
        return error


def _document(where: str, asked: Asked, keys: Mapping[str, str]) -> Document:
    context = asked.context
    question = [asked.question[start:end] for start, end in text.word_spans(asked.question)]
    spans, sentences = _split(context)
    for field, there in (("context", spans), ("question", question), ("example_id", asked.example_id)):
        if not there:
            raise InputError(f"{where}, key {keys.get(field, field)}: it is empty.")
    answers = [answer for answer in asked.answers if answer[0].strip()]
    annotations = [Annotation((0, len(spans)), "P", (_words_of(where, asked, answer, spans, keys),)) for answer in answers]
    return Document(
        asked.example_id,
        asked.title if asked.title and asked.title.strip() else _title_from(context),
        question,
        " ".join(context[start:end] for start, end in spans),
        tuple(annotations or [Annotation(None)]),
        tuple(sentences),
        context=context,
        answers=tuple(answer for answer, _ in answers),
    )


@functools.lru_cache(maxsize=16)
def _title_from(context: str) -> str:
    """Name the page that a context without a title is: its first words, and a digest that only the same words have."""
    words = " ".join(context.split())
    return f"{words[:40]} [{hash_bytes(words, size=6).hex()}]"


# The questions on a text follow each other.
@functools.lru_cache(maxsize=16)
def _split(context: str) -> tuple[list[Span], list[Span]]:
    return text.split(context)


def _words_of(where: str, asked: Asked, answer: tuple[str, int], spans: list[Span], keys: Mapping[str, str]) -> Span:
    """Return the span of words that an answer touches."""
    (written, start), context = answer, asked.context
    end, name = start + len(written), keys.get("context", "context")
    if start < 0 or context[start:end] != written:
        there = repr(context[start:end][:200]) if 0 <= start < len(context) else f"{len(context)} characters"
        key = keys.get("answers", "answers")
        raise InputError(
            f"{where}, key {key}: found {written[:200]!r} at character {start}, where the {name} has {there}. The answer "
            f"does not belong to this {name}."
        )
    touched = [i for i, (first, last) in enumerate(spans) if first < end and start < last]
    return touched[0], touched[-1] + 1
