"""SQuAD 1.1 and 2.0 (Rajpurkar et al., 2016, 2018), the published JSON and the hub's parquet, read as documents.

A document is a paragraph with one of its questions; each gold answer is an annotation of its own, and a question without
one (2.0, ``is_impossible``) has a single annotation that found nothing. Words and sentences are ``text.split``'s. An
answer that begins or ends within a word takes all of that word.
"""

import gzip
import zlib
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import msgspec

from pairprobe.data import text
from pairprobe.data.documents import Annotation, Document, Span
from pairprobe.errors import InputError
from pairprobe.io import parquet
from pairprobe.io.typed_json import decoded

# The words of a context, by characters, and its sentences, by words.
Splits = tuple[list[Span], list[Span]]


class _Answer(msgspec.Struct):
    text: str
    answer_start: int


class _Question(msgspec.Struct):
    id: str
    question: str
    answers: list[_Answer]
    is_impossible: bool = False


class _Paragraph(msgspec.Struct):
    context: str
    qas: list[msgspec.Raw]


class _Article(msgspec.Struct):
    title: str
    paragraphs: list[msgspec.Raw]


class _File(msgspec.Struct):
    data: list[msgspec.Raw]


def read(path: str | Path) -> Iterator[tuple[str, Document | InputError]]:
    """Yield ``(where, document)`` for each question of a file, or the error in its place.

    JSON, plain or gzip, or parquet with the hub's columns. Raises InputError for a file that is no SQuAD at all.
    """
    path = Path(path)
    yield from _read_parquet(path) if path.suffix == ".parquet" else _read_json(path)


def _read_json(path: Path) -> Iterator[tuple[str, Document | InputError]]:
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else open(path, "rb") as file:
            content = file.read()
        content.decode()
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file. Check the path in the configuration.") from None
    except (EOFError, gzip.BadGzipFile, zlib.error, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a whole file ({error}). Fetch it again.") from None
    found = decoded(str(path), content, _File)
    if isinstance(found, InputError):
        raise found
    for number, raw in enumerate(found.data, 1):
        where = f"{path}, article {number}"
        article = decoded(where, raw, _Article)
        if isinstance(article, InputError):
            yield where, article
            continue
        for i, raw_paragraph in enumerate(article.paragraphs, 1):
            yield from _questions(f"{where} ({article.title}), paragraph {i}", article.title, raw_paragraph)


def _questions(where: str, title: str, raw: msgspec.Raw) -> Iterator[tuple[str, Document | InputError]]:
    paragraph = decoded(where, raw, _Paragraph)
    if isinstance(paragraph, InputError):
        yield where, paragraph
        return
    splits = _split(where, paragraph.context)
    for i, raw_question in enumerate(paragraph.qas, 1):
        here = f"{where}, question {i}"
        question = decoded(here, raw_question, _Question)
        if isinstance(question, InputError):
            yield here, question
        else:
            yield here, _document(here, title, paragraph.context, splits, question)


def _read_parquet(path: Path) -> Iterator[tuple[str, Document | InputError]]:
    rows = parquet.read_rows(path, ("id", "title", "context", "question", "answers"))
    # The questions on a paragraph follow each other: its words are found once.
    for context, group in groupby(rows, key=lambda item: item[1]["context"]):
        splits = None
        for where, row in group:
            splits = splits or _split(where, context if isinstance(context, str) else "")
            try:
                answers = row["answers"]
                pairs = zip(answers["text"], answers["answer_start"], strict=True)
                fields = {"id": row["id"], "question": row["question"]}
                fields["answers"] = [{"text": words, "answer_start": start} for words, start in pairs]
                question = msgspec.convert(fields, _Question)
                title, _ = msgspec.convert((row["title"], context), tuple[str, str])
            except (TypeError, KeyError, ValueError) as error:
                yield (
                    where,
                    InputError(f"{where}: not a row of SQuAD ({error}). Wanted: id, title, context, question, answers."),
                )
                continue
            yield where, _document(where, title, context, splits, question)


def _split(where: str, context: str) -> Splits | InputError:
    spans, sentences = text.split(context)
    return (spans, sentences) if spans else InputError(f"{where}, key context: found no words, wanted at least one.")


def _document(
    where: str, title: str, context: str, splits: Splits | InputError, question: _Question
) -> Document | InputError:
    if isinstance(splits, InputError):
        return splits
    spans, sentences = splits
    asked = [question.question[a:b] for a, b in text.word_spans(question.question)]
    if not asked or not question.id:
        return InputError(f"{where}, key {'question' if question.id else 'id'}: it is empty.")
    annotations = []
    for answer in question.answers if not question.is_impossible else []:
        start, end = answer.answer_start, answer.answer_start + len(answer.text)
        if start < 0 or context[start:end] != answer.text or not answer.text.strip():
            return InputError(
                f"{where}, key answers: found {answer.text!r} at character {start}, where the context has "
                f"{context[max(0, start) : max(0, end)]!r}. The answers do not belong to this context."
            )
        touched = [i for i, (a, b) in enumerate(spans) if a < end and start < b]
        annotations.append(Annotation((0, len(spans)), "P", ((touched[0], touched[-1] + 1),)))
    words = " ".join(context[a:b] for a, b in spans)
    golds = tuple(answer.text for answer in question.answers if not question.is_impossible)
    found = tuple(annotations or [Annotation(None)])
    return Document(question.id, title, asked, words, found, tuple(sentences), context=context, answers=golds)
