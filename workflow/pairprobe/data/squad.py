"""SQuAD 1.1 and 2.0 (Rajpurkar et al., 2016, 2018), read as documents.

The published JSON, the hub's parquet, and the hub's rows as JSON lines, an array, or ``data`` of an object. A document is a
paragraph with one of its questions, as ``running_text.document_of`` makes it; a question without an answer (2.0,
``is_impossible``) has a single annotation that found nothing.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
from msgspec import UNSET, UnsetType

from pairprobe.data.documents import Document
from pairprobe.data.running_text import Asked, document_of
from pairprobe.data.values import Flag, Plain, as_text, is_true, whole_number
from pairprobe.errors import InputError
from pairprobe.io import encodings, parquet, whole_files
from pairprobe.io.typed_json import decoded, fault, read_objects

Documents = Iterator[tuple[str, Document | InputError]]


class _Answer(msgspec.Struct):
    text: str
    answer_start: int | float | str


class _Question(msgspec.Struct):
    id: int | float | str
    question: str
    answers: list[_Answer] | UnsetType | None = UNSET
    is_impossible: Flag = False


class _Paragraph(msgspec.Struct):
    context: str
    qas: list[msgspec.Raw]


class _Article(msgspec.Struct):
    paragraphs: list[msgspec.Raw]
    title: Plain = None


class _File(msgspec.Struct):
    data: list[msgspec.Raw]


class _Columns(msgspec.Struct):
    text: list[str] | None
    answer_start: list[int | float | str] | None


class _Row(msgspec.Struct):
    """A question as the hub lays it out."""

    id: int | float | str
    context: str
    question: str
    answers: _Columns | list[_Answer] | UnsetType | None = UNSET
    title: Plain = None
    is_impossible: Flag = False


def read(path: str | Path) -> Documents:
    """Yield ``(where, document)`` for each question of a file, or the error in its place.

    JSON, plain or gzip, or parquet with the hub's columns. Raises InputError for a file that is no SQuAD at all.
    """
    path = Path(path)
    yield from _read_parquet(path) if path.suffix == ".parquet" else _read_json(path)


def _read_json(path: Path) -> Documents:
    content = encodings.as_utf8(str(path), whole_files.read(path))
    if not content.strip():
        return
    if content.lstrip().startswith(b"["):
        found = decoded(str(path), content, list[msgspec.Raw])
    else:
        whole = decoded(str(path), content, _File)
        found = whole if isinstance(whole, InputError) else whole.data
    if isinstance(found, InputError):
        if not isinstance(decoded("", content.partition(b"\n")[0], _Row), _Row):
            raise found
        yield from _read_rows(read_objects(path))
    elif found and isinstance(decoded("", found[0], _Row), _Row):
        yield from _read_rows((f"{path}, item {number}", raw) for number, raw in enumerate(found, 1))
    else:
        for number, raw in enumerate(found, 1):
            yield from _paragraphs(f"{path}, article {number}", raw)


def _read_rows(rows: Iterable[tuple[str, bytes | msgspec.Raw | InputError]]) -> Documents:
    for where, raw in rows:
        row = raw if isinstance(raw, InputError) else decoded(where, raw, _Row)
        yield where, row if isinstance(row, InputError) else _from_row(where, row)


def _paragraphs(where: str, raw: msgspec.Raw) -> Documents:
    article = decoded(where, raw, _Article)
    if isinstance(article, InputError):
        yield where, article
        return
    named = f" ({title})" if (title := " ".join(str(article.title or "").split())) else ""
    for i, raw_paragraph in enumerate(article.paragraphs, 1):
        yield from _questions(f"{where}{named}, paragraph {i}", article.title, raw_paragraph)


def _questions(where: str, title: Plain, raw: msgspec.Raw) -> Documents:
    paragraph = decoded(where, raw, _Paragraph)
    if isinstance(paragraph, InputError):
        yield where, paragraph
        return
    for i, raw_question in enumerate(paragraph.qas, 1):
        here = f"{where}, question {i}"
        question = decoded(here, raw_question, _Question)
        yield here, question if isinstance(question, InputError) else _document(here, title, paragraph.context, question)


def _read_parquet(path: Path) -> Documents:
    for where, row in parquet.read_rows(path, ("id", "context", "question", "answers"), ("title", "is_impossible")):
        if isinstance(row, InputError):
            yield where, row
            continue
        try:
            yield where, _from_row(where, msgspec.convert(row, _Row))
        except msgspec.ValidationError as error:
            yield where, InputError(f"{where}{fault(error, _Row)}")


def _from_row(where: str, row: _Row) -> Document | InputError:
    answers = row.answers
    if isinstance(answers, _Columns):
        texts, starts = answers.text or [], answers.answer_start or []
        if len(texts) != len(starts):
            counts = f"{len(texts)} text and {len(starts)} answer_start"
            return InputError(f"{where}, key answers: found {counts}, wanted as many of each.")
        answers = list(map(_Answer, texts, starts))
    return _document(where, row.title, row.context, _Question(row.id, row.question, answers, row.is_impossible))


def _document(where: str, title: Plain, context: str, question: _Question) -> Document | InputError:
    try:
        name, title = as_text(where, "id", question.id) or "", as_text(where, "title", title)
        asked = Asked(name, title, question.question, context, _answers(where, question))
    except InputError as error:
        return error
    return document_of(where, asked, {"example_id": "id"})


def _answers(where: str, question: _Question) -> list[tuple[str, int]]:
    if is_true(where, "is_impossible", question.is_impossible):
        return []
    if question.answers is UNSET:
        raise InputError(f"{where}, key answers: missing. Wanted: a list, empty or null where there is no answer.")
    return [(answer.text, whole_number(where, "answer_start", answer.answer_start)) for answer in question.answers or []]
