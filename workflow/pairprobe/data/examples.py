"""Documents, and the examples made of them.

A document is a question with its whole page; an example is a question with the one paragraph that answers it. Both are
lists of words: the encoder sees every word, and every position below counts words.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pairprobe.data import text
from pairprobe.data.documents import Annotation, Document, Span
from pairprobe.errors import InputError
from pairprobe.io import files


@dataclass(frozen=True, slots=True)
class Example:
    """A question and the paragraph that answers it: a line of ``examples/{partition}.jsonl.gz``.

    ``answer`` is the short answer, ``[start, end)`` over ``paragraph``, or None (the whole paragraph answers, or yes or
    no does); ``sentences`` cover the paragraph.
    """

    example_id: str
    title: str
    question: list[str]
    paragraph: list[str]
    answer: Span | None
    sentences: list[Span]


def example_of(document: Document) -> Example | str:
    """Cut the example out of a document; where there is none, say why. Of several short answers it takes the first."""
    annotation = document.selected
    if annotation is None or annotation.long_answer is None:
        some = any(a.long_answer for a in document.annotations)
        return "one annotator alone found an answer" if some else "the page does not answer the question"
    if annotation.long_answer_tag != "P":
        return f"the long answer is no paragraph but <{annotation.long_answer_tag}>"
    start, end = annotation.long_answer
    # No further than the paragraph: most of a page lies behind it.
    paragraph = document.text.split(" ", end)[start:end]
    if not document.text or not paragraph:
        return "the paragraph has no words"
    if not document.question:
        return "the question has no words"
    answer = None
    if annotation.short_answers:
        first = min(annotation.short_answers)
        answer = (first[0] - start, first[1] - start)
    if document.sentences is None:
        sentences = text.sentence_spans(paragraph)
    else:
        sentences = [(a - start, b - start) for a, b in document.sentences if start <= a and b <= end]
    return Example(document.example_id, document.title, document.question, paragraph, answer, sentences)


def document_of(example: Example) -> Document:
    """Return an example as a document whose page is the paragraph."""
    whole = (0, len(example.paragraph))
    annotation = Annotation(whole, "P", (example.answer,) if example.answer else ())
    return Document(
        example.example_id,
        example.title,
        example.question,
        " ".join(example.paragraph),
        (annotation,),
        tuple(example.sentences),
    )


def answer_sentence(example: Example) -> Span | None:
    """Return the sentence that holds the short answer; from first to last where the answer crosses sentences.

    None where there is no short answer. This is what the view ``sentence`` encodes (section 2.2 of the paper,
    Boundary: "we simplify the entire paragraph to the sentence where the answer locate").
    """
    if example.answer is None:
        return None
    start, end = example.answer
    held = [sentence for sentence in example.sentences if sentence[0] < end and start < sentence[1]]
    return held[0][0], held[-1][1]


def read_examples(path: str | Path) -> Iterator[Example]:
    """Read ``examples/{partition}.jsonl.gz``, checking each line.

    Raises InputError for a line that is cut off, lacks a field, has an answer outside its paragraph or sentences that
    do not cover it, and for an example_id that occurs twice.
    """
    seen: dict[str, str] = {}
    for where, example in read_each_example(path):
        if isinstance(example, InputError):
            raise example
        _once(where, example.example_id, seen)
        yield example


def read_each_example(path: str | Path) -> Iterator[tuple[str, Example | InputError]]:
    """Yield ``(where, example)`` for each line, or the error in its place; an example_id may occur twice."""
    for where, line in files.read_lines(path):
        try:
            found = line if isinstance(line, InputError) else _example(where, files.json_object(where, line))
        except InputError as error:
            found = error
        yield where, found


def _example(where: str, row: dict) -> Example:
    if not _field(where, row, "example_id", str):
        raise InputError(f"{where}, key example_id: it is empty.")
    return Example(
        row["example_id"],
        _field(where, row, "title", str),
        _words(where, row, "question"),
        _words(where, row, "paragraph"),
        _answer(where, row, len(row["paragraph"])),
        _sentences(where, row, len(row["paragraph"])),
    )


def _field(where: str, row: dict, key: str, kind: type) -> Any:
    if key not in row:
        raise InputError(f"{where}: the field {key} is missing; found {', '.join(sorted(row)) or 'none'}.")
    if not isinstance(row[key], kind):
        raise InputError(f"{where}, key {key}: found {row[key]!r}, wanted a {kind.__name__}.")
    return row[key]


def _words(where: str, row: dict, key: str) -> list[str]:
    words = _field(where, row, key, list)
    try:
        whole = bool(words) and "" not in words and " " not in "".join(words)
    except TypeError:  # not all are strings
        whole = False
    if not whole:
        wrong = [word for word in words if not isinstance(word, str) or not word or " " in word]
        raise InputError(
            f"{where}, key {key}: found {wrong[0]!r} among the words, wanted strings, none of them empty or with a blank."
            if wrong
            else f"{where}, key {key}: found no words, wanted at least one."
        )
    return words


def _answer(where: str, row: dict, length: int) -> Span | None:
    return None if _field(where, row, "answer", object) is None else _span(where, row, "answer", length)


def _sentences(where: str, row: dict, length: int) -> list[Span]:
    found = _field(where, row, "sentences", list)
    sentences = [_span(where, {"sentences": sentence}, "sentences", length) for sentence in found]
    edges = [0, *(end for _, end in sentences)]
    if [start for start, _ in sentences] != edges[:-1] or edges[-1] != length:
        raise InputError(
            f"{where}, key sentences: {sentences} do not cover the {length} words one after the other. "
            "Write spans [start, end) in reading order, from 0 to the last word."
        )
    return sentences


def _span(where: str, row: dict, key: str, length: int) -> Span:
    span = row[key]
    if (
        not isinstance(span, list)
        or len(span) != 2
        or type(span[0]) is not int  # nor is True
        or type(span[1]) is not int
        or not 0 <= span[0] < span[1] <= length
    ):
        raise InputError(
            f"{where}, key {key}: found {span!r}, wanted [start, end) with 0 <= start < end <= {length}, "
            f"since there are {length} words."
        )
    return span[0], span[1]


def _once(where: str, example_id: str, seen: dict[str, str]) -> None:
    line = where.rsplit(" ", 1)[1]
    if example_id in seen:
        raise InputError(
            f"{where}: example_id {example_id!r} stands already on line {seen[example_id]}; each must occur once. "
            "Remove one of the two."
        )
    seen[example_id] = line
