"""MRQA's shared task (Fisch et al., 2019), read as documents: JSON lines, a header first, then contexts with questions.

A document is a context with one of its questions. Markers ([DOC], [TLE], [PAR], [SEP]) and the tags of Natural Questions
are no words; a marker ends a sentence. A context that is a table or a list of Natural Questions is no paragraph.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from pairprobe.data import text
from pairprobe.data.documents import Document
from pairprobe.data.running_text import Asked, document_of
from pairprobe.data.values import as_text
from pairprobe.errors import InputError
from pairprobe.io import files
from pairprobe.io.typed_json import decoded

KEYS = {"example_id": "qid", "answers": "detected_answers"}
_MARKER = re.compile(r"\[(?:DOC|TLE|PAR|SEP)\]")
_TAG = re.compile(r"(?<!\S)</?[A-Za-z][^ ]*>(?!\S)")
_ARTICLE = re.compile(r"\b(?:a|an|the)\b")
_TITLE = re.compile(r"\[TLE\](.*?)\[(?:DOC|TLE|PAR|SEP)\]", re.DOTALL)


class _Name(msgspec.Struct):
    dataset: str


class _Header(msgspec.Struct):
    header: _Name


class _Answer(msgspec.Struct):
    text: str
    char_spans: list[tuple[int, int]]


class _Question(msgspec.Struct):
    qid: int | float | str
    question: str
    detected_answers: list[_Answer]
    answers: list[str] = []


class _Line(msgspec.Struct):
    context: str
    qas: list[msgspec.Raw]


@dataclass(frozen=True)
class _Page:
    """A context, the same of equal length without markers and tags, its title, and the tag that it begins with."""

    context: str
    bare: str
    title: str | None
    tag: str


def read(path: str | Path) -> Iterator[tuple[str, Document | InputError]]:
    """Yield ``(where, document)`` for each question of a file, plain or gzip, or the error in its place.

    The first line is a header; another one is that of a file which was put behind it.
    """
    for number, (where, raw) in enumerate(files.read_lines(path)):
        if isinstance(raw, InputError):
            yield where, raw
            continue
        header, line = decoded(where, raw, _Header), decoded(where, raw, _Line)
        if number == 0 and isinstance(header, InputError):
            yield where, header
        elif isinstance(line, _Line):
            yield from _questions(where, line)
        elif isinstance(header, InputError):
            yield where, line


def _questions(where: str, line: _Line) -> Iterator[tuple[str, Document | InputError]]:
    bare = _TAG.sub(_blank, _MARKER.sub(_line_end, line.context))
    found = _TITLE.search(line.context)
    title = " ".join(found[1].split()) if found else None
    tag = text.tag_of(line.context.lstrip()) if _TAG.match(line.context.lstrip()) else "P"
    for i, raw in enumerate(line.qas, 1):
        here = f"{where}, question {i}"
        question = decoded(here, raw, _Question)
        if isinstance(question, InputError):
            yield here, question
            continue
        try:
            yield here, _document(here, question, _Page(line.context, bare, title, tag))
        except InputError as error:
            yield here, error


def _document(where: str, question: _Question, page: _Page) -> Document | InputError:
    found = [(answer.text, span) for answer in question.detected_answers for span in answer.char_spans]
    spans = [_checked(where, page.context, written, span) for written, span in found]
    answers = [(page.bare[start:end], start) for start, end in spans]
    name = as_text(where, "qid", question.qid) or ""
    made = document_of(where, Asked(name, page.title, question.question, page.bare, answers), KEYS)
    if isinstance(made, InputError) or not answers:
        return made
    annotations = tuple(replace(annotation, long_answer_tag=page.tag) for annotation in made.annotations)
    # The official evaluation takes the accepted answers, in the context or not.
    return replace(made, annotations=annotations, answers=tuple(question.answers) or made.answers)


def _checked(where: str, context: str, written: str, span: tuple[int, int]) -> tuple[int, int]:
    """Return ``[start, end)`` of an answer: MRQA's end is its last character."""
    start, last = span
    there = context[start : last + 1] if 0 <= start <= last < len(context) else ""
    if _normalized(there) == _normalized(written):
        return start, last + 1
    advice = "The answer does not belong to this context."
    if context[start:last] == written:
        advice = "Here the end is one too far: it is the last character in MRQA."
    raise InputError(
        f"{where}, key char_spans: found {written[:200]!r} at characters {start} to {last}, where the context has "
        f"{there[:200]!r}. {advice}"
    )


def _normalized(written: str) -> str:
    """Return what MRQA compares when it detects an answer: no case, punctuation, articles or blanks."""
    bare = "".join(character for character in written.lower() if character.isalnum() or character.isspace())
    return "".join(_ARTICLE.sub("", bare).split()) or written


def _blank(found: re.Match[str]) -> str:
    return " " * len(found[0])


def _line_end(found: re.Match[str]) -> str:
    return "\n".ljust(len(found[0]))
