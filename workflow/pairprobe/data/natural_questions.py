"""Natural Questions (Kwiatkowski et al., 2019) in its three formats, read as documents.

- The *original* JSON lines: ``document_tokens``, each with its text and byte offsets
  (https://github.com/google-research-datasets/natural-questions).
- The *simplified* JSON lines: ``document_text`` has the same tokens apart by one blank, and a blank inside a token is an
  underscore (``simplify_nq_data.py`` there).
- The hub's *parquet* (``google-research-datasets/natural_questions``): the original's fields in nested columns.

All three become rows of the simplified format first, so the same question gives the same document from each. Only what
they share is used: a token is markup by its looks (the simplified format has no flags), and a page is named by its address.
"""

import functools
import html
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import parse_qs, unquote, urlparse

import msgspec
import numpy as np

from pairprobe.data import pages, text
from pairprobe.data.documents import Annotation, Document, Span, YesNo
from pairprobe.data.pages import Marked, Page
from pairprobe.data.values import Plain, as_text
from pairprobe.errors import InputError
from pairprobe.io import parquet
from pairprobe.io.typed_json import Value, decoded, read_objects

if TYPE_CHECKING:
    import pyarrow

_LABELS = ("NO", "YES")  # the hub's classes 0 and 1
_YES_NO: dict[str, YesNo] = {"YES": "yes", "NO": "no", "yes": "yes", "no": "no"}


class _TokenSpan(msgspec.Struct):
    start_token: int
    end_token: int
    candidate_index: int = -1
    top_level: bool = True

    @property
    def span(self) -> Span:
        return self.start_token, self.end_token


class _Annotation(msgspec.Struct):
    long_answer: _TokenSpan
    short_answers: list[_TokenSpan]
    yes_no_answer: Literal["YES", "NO", "NONE", "yes", "no", "none", None] = None


class _Token(msgspec.Struct):
    token: str


class _Row(msgspec.Struct):
    """A line; what is Raw is decoded where it is asked for only, since it is most of the line."""

    example_id: int | str
    question_text: str
    annotations: list[_Annotation]
    document_text: msgspec.Raw = msgspec.Raw()
    document_tokens: msgspec.Raw = msgspec.Raw()
    long_answer_candidates: msgspec.Raw = msgspec.Raw(b"[]")
    document_url: str | None = None
    document_title: Plain = None


_COLUMNS = (
    "id",
    "document.title",
    "document.url",
    "document.tokens.token",
    "question.text",
    "long_answer_candidates.start_token",
    "long_answer_candidates.end_token",
    "long_answer_candidates.top_level",
    "annotations.long_answer",
    "annotations.short_answers",
    "annotations.yes_no_answer",
)


def read(path: str | Path) -> Iterator[tuple[str, Document | InputError]]:
    """Yield ``(where, document)`` for each question of a file, one in memory at a time, or the error in its place.

    The format is seen from the suffix ``.parquet`` and, line by line, from the fields. Raises InputError for a file that
    is missing, cut off or of another kind.
    """
    if Path(path).suffix == ".parquet":
        yield from _read_parquet(path)
        return
    for where, line in read_objects(path):
        yield where, line if isinstance(line, InputError) else _from_line(where, line)


def _from_line(where: str, line: bytes | msgspec.Raw) -> Document | InputError:
    row = decoded(where, line, _Row)
    if isinstance(row, InputError):
        return row
    for tokens, first in ((row.document_text, b'"'), (row.document_tokens, b"[")):
        if _begins(tokens, first):
            return _document(where, row, tokens, row.long_answer_candidates)
    return InputError(
        f"{where}: wanted document_text, a string (the simplified format), or document_tokens, a list (the original)."
    )


def _begins(raw: msgspec.Raw, first: bytes) -> bool:
    return bytes(memoryview(raw)[:1]) == first


def _decoded(where: str, raw: msgspec.Raw, kind: type[Value], key: str) -> Value:
    found = decoded(where, raw, kind, key)
    if isinstance(found, InputError):
        raise found
    return found


def _read_parquet(path: str | Path) -> Iterator[tuple[str, Document | InputError]]:
    for first, batch in parquet.batches(path, _COLUMNS):
        if isinstance(batch, InputError):
            yield f"{path}, row {first}", batch
            continue
        documents = _joined(path, batch.column("document"))
        rows = batch.drop_columns("document").to_pylist()
        for i, (row, (title, url, page)) in enumerate(zip(rows, documents, strict=True)):
            where = f"{path}, row {first + i}"
            try:
                fields = {
                    "example_id": row["id"],
                    "question_text": row["question"]["text"],
                    "annotations": _annotations(row["annotations"]),
                    "document_title": title,
                    "document_url": url,
                }
                candidates = msgspec.convert(_rows_of(row["long_answer_candidates"]), list[_TokenSpan])
                # Checks the types of what was taken from the row as it is.
                found, page = msgspec.convert((fields, page), tuple[_Row, str])
            except (AttributeError, TypeError, KeyError, IndexError, ValueError) as error:
                yield where, InputError(f"{where}: not a row of Natural Questions as the hub has it ({error}).")
                continue
            yield where, _document(where, found, page, candidates)


def _joined(path: str | Path, documents: "pyarrow.StructArray") -> Iterator[tuple[str, str, str]]:
    """Yield title, address and text of each document; the tokens are joined without making each a Python string."""
    import pyarrow
    import pyarrow.compute as pc

    tokens = documents.field("tokens").field("token")
    try:
        if tokens.type != pyarrow.list_(pyarrow.string()) and _holds_text(tokens.type):
            tokens = tokens.cast(pyarrow.list_(pyarrow.string()))
        single = pc.replace_substring(tokens.values, " ", "_")
        texts = pc.binary_join(type(tokens).from_arrays(tokens.offsets, single), " ")
    except (AttributeError, pyarrow.ArrowException):
        raise InputError(
            f"{path}, column document.tokens.token: found {tokens.type}, wanted lists of strings. Is this a file of the "
            "data set that data.source names?"
        ) from None
    columns = (documents.field("title"), documents.field("url"), texts)
    yield from zip(*(column.to_pylist() for column in columns), strict=True)


def _holds_text(type_: "pyarrow.DataType") -> bool:
    """Whether it is one of the types that other programs write for lists of strings."""
    from pyarrow import types

    if not (types.is_list(type_) or types.is_large_list(type_)):
        return False
    text = type_.value_type.value_type if types.is_dictionary(type_.value_type) else type_.value_type
    return types.is_string(text) or types.is_large_string(text) or types.is_string_view(text)


def _rows_of(columns: dict[str, list]) -> list[dict]:
    """Turn ``{field: values}`` into a dictionary for each value."""
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _annotations(columns: dict[str, list]) -> list[dict]:
    return [
        {
            "long_answer": row["long_answer"],
            "short_answers": _rows_of({key: row["short_answers"][key] for key in ("start_token", "end_token")}),
            "yes_no_answer": _label(row["yes_no_answer"]),
        }
        for row in _rows_of(columns)
    ]


def _label(found: int | str | None) -> str | None:
    if isinstance(found, str | None):
        return found
    return None if found < 0 else _LABELS[found]


def _document(
    where: str, row: _Row, tokens: msgspec.Raw | str, candidates: msgspec.Raw | list[_TokenSpan]
) -> Document | InputError:
    try:
        return _MarkedDocument(where, row, tokens, candidates)
    except InputError as error:
        return error


class _MarkedDocument(Document):
    """A question whose page has markup.

    Most of a line is its page, and half of all questions have no answer, so the page is decoded when it is first asked for.
    Raises InputError where the annotations do not belong to the page, and when ``page`` is asked for where the page or its
    candidates are unsound.
    """

    def __init__(
        self, where: str, row: _Row, tokens: msgspec.Raw | str, candidates: msgspec.Raw | list[_TokenSpan]
    ) -> None:
        self._where, self._row, self._tokens_given, self._candidates_given = where, row, tokens, candidates
        self.annotations = tuple(map(self._annotation, row.annotations))
        self.example_id = str(row.example_id)
        self.title = (
            _title_in(row.document_url or "")
            or as_text(where, "document_title", row.document_title)
            or self._tokens.heading()
            or self.example_id
        )
        self.question = row.question_text.split()
        if not self.example_id:
            raise InputError(f"{where}, key example_id: it is empty.")

    @functools.cached_property
    def text(self) -> str:  # type: ignore[override]  # mypy takes it for read-only, but a cached_property can be assigned
        return self._tokens.words()

    @functools.cached_property
    def page(self) -> Page:
        found = Page(
            self.example_id,
            self.title,
            self.question,
            self._marked_text,
            markup=True,
            candidates=tuple((*c.span, c.top_level) for c in self._candidates),
            annotations=tuple(map(_marked, self._row.annotations)),
        )
        pages.check(self._where, found)
        return found

    @functools.cached_property
    def _marked_text(self) -> str:
        """The page's tokens, apart by one blank."""
        given = self._tokens_given
        if isinstance(given, str):
            return given
        if _begins(given, b'"'):
            return _decoded(self._where, given, str, "document_text")
        tokens = _decoded(self._where, given, list[_Token], "document_tokens")
        return " ".join(token.token.replace(" ", "_") for token in tokens)

    @functools.cached_property
    def _tokens(self) -> "_TokenIndex":
        return _TokenIndex(self._marked_text)

    @functools.cached_property
    def _candidates(self) -> list[_TokenSpan]:
        given = self._candidates_given
        if isinstance(given, list):
            return given
        return _decoded(self._where, given, list[_TokenSpan], "long_answer_candidates")

    def _annotation(self, found: _Annotation) -> Annotation:
        """Return an annotation with its positions in words."""
        where, answer = self._where, found.long_answer
        yes_no = _YES_NO.get(found.yes_no_answer or "")
        if answer.span == (-1, -1):
            if found.short_answers:
                raise InputError(f"{where}, key short_answers: found some, but no long answer that holds them.")
            return Annotation(None, None, (), yes_no)
        tokens = self._tokens
        pages.check_span(where, "long_answer", answer.span, (0, len(tokens)))
        nested = self._is_nested(answer)
        for short in found.short_answers:
            pages.check_span(where, "short_answers", short.span, answer.span)
        spans = sorted({tokens.word_span(*short.span) for short in found.short_answers})
        words = tuple((first, last) for first, last in spans if first < last)
        return Annotation(tokens.word_span(*answer.span), tokens.tag(answer.start_token), words, yes_no, nested)

    def _is_nested(self, answer: _TokenSpan) -> bool:
        """Whether the long answer lies in another candidate; False where it names no candidate."""
        if answer.candidate_index < 0 or not self._candidates:
            return False
        if answer.candidate_index >= len(self._candidates):
            raise InputError(
                f"{self._where}, key long_answer.candidate_index: found {answer.candidate_index}, and there are "
                f"{len(self._candidates)} long_answer_candidates."
            )
        candidate = self._candidates[answer.candidate_index]
        if answer.span != candidate.span:
            raise InputError(
                f"{self._where}, key long_answer: found tokens [{answer.start_token}, {answer.end_token}), but its "
                f"candidate {answer.candidate_index} is [{candidate.start_token}, {candidate.end_token}). The two must be "
                "the same."
            )
        return not candidate.top_level


def _marked(found: _Annotation) -> Marked:
    long_answer = None if found.long_answer.span == (-1, -1) else found.long_answer.span
    return Marked(long_answer, tuple(short.span for short in found.short_answers), _YES_NO.get(found.yes_no_answer or ""))


class _TokenIndex:
    """Where the tokens of a page are in its bytes: it has thousands, and most are never looked at one by one.

    ``before[i]``: the number of words before token i.
    """

    def __init__(self, page: str):
        self.size = len(encoded := page.encode())
        # Three bytes behind the end, so that every token, an empty one at the end too, has three bytes to look at.
        self.bytes = np.frombuffer(encoded + b"\0\0\0", np.uint8)
        self.ends = np.append(np.flatnonzero(self.bytes == ord(" ")), self.size)
        self.starts = np.concatenate([[0], self.ends[:-1] + 1])
        self.is_word = ~self._is_markup() & (self.ends > self.starts)
        self.before = np.concatenate([[0], np.cumsum(self.is_word)])

    def __len__(self) -> int:
        return len(self.starts)

    def _is_markup(self) -> np.ndarray:
        """Whether each token looks like a tag: ``text.is_html`` for all tokens at once."""
        first, second, third = (self.bytes[self.starts + i] for i in range(3))
        name = np.where(second == ord("/"), third, second) | 0x20  # in lower case
        letter = (ord("a") <= name) & (name <= ord("z"))
        return (first == ord("<")) & letter & (self.bytes[self.ends - 1] == ord(">"))

    def token(self, i: int) -> str:
        return self.bytes[self.starts[i] : self.ends[i]].tobytes().decode()

    def tag(self, i: int) -> str:
        """Return the name of the tag that token i is: "P" of ``<P>``."""
        return (not self.is_word[i] and text.tag_of(self.token(i))) or "no markup"

    def word_span(self, start: int, end: int) -> Span:
        """Return the span of words that a span of tokens holds."""
        return int(self.before[start]), int(self.before[end])

    def words(self) -> str:
        """Return the words, apart by one blank."""
        # A token goes with the blank behind it.
        of_words = np.repeat(self.is_word, np.diff(self.starts, append=self.size + 1))[: self.size]
        return self.bytes[: self.size][of_words].tobytes().decode().removesuffix(" ")

    def heading(self) -> str:
        """Return the words of the page's first heading, "" where it has none."""
        found = re.search(rb"<H1> (.*?) ?</H1>", self.bytes.tobytes())
        return " ".join(t for t in found[1].decode().split(" ") if t and not text.is_html(t)) if found else ""


@functools.lru_cache(maxsize=1024)
def _title_in(url: str) -> str:
    try:
        address = urlparse(html.unescape(url))
    except ValueError:
        return ""
    named = parse_qs(address.query).get("title")  # with its %xx resolved
    return (named[0] if named else unquote(address.path.rsplit("/", 1)[-1])).replace("_", " ")
