"""SQuAD 1.1 and 2.0 (Rajpurkar et al., 2016, 2018), the published JSON and the hub's parquet, read as documents.

A document is a paragraph with one of its questions, as ``running_text.document_of`` makes it; a question without an answer
(2.0, ``is_impossible``) has a single annotation that found nothing.
"""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from pairprobe.data.documents import Document
from pairprobe.data.running_text import Asked, document_of
from pairprobe.errors import InputError
from pairprobe.io import parquet, whole_files
from pairprobe.io.typed_json import decoded


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
        content = whole_files.read(path)
        content.decode()
    except UnicodeDecodeError as error:
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
    for i, raw_question in enumerate(paragraph.qas, 1):
        here = f"{where}, question {i}"
        question = decoded(here, raw_question, _Question)
        yield here, question if isinstance(question, InputError) else _document(here, title, paragraph.context, question)


def _read_parquet(path: Path) -> Iterator[tuple[str, Document | InputError]]:
    for where, row in parquet.read_rows(path, ("id", "title", "context", "question", "answers")):
        try:
            answers = row["answers"]
            pairs = zip(answers["text"], answers["answer_start"], strict=True)
            fields = {"id": row["id"], "question": row["question"]}
            fields["answers"] = [{"text": words, "answer_start": start} for words, start in pairs]
            question = msgspec.convert(fields, _Question)
            title, context = msgspec.convert((row["title"], row["context"]), tuple[str, str])
        except (TypeError, KeyError, ValueError) as error:
            yield (
                where,
                InputError(f"{where}: not a row of SQuAD ({error}). Wanted: id, title, context, question, answers."),
            )
            continue
        yield where, _document(where, title, context, question)


def _document(where: str, title: str, context: str, question: _Question) -> Document | InputError:
    answers = [] if question.is_impossible else [(answer.text, answer.answer_start) for answer in question.answers]
    return document_of(where, Asked(question.id, title, question.question, context, answers), {"example_id": "id"})
