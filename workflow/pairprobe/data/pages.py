"""A question with its page in the page's own tokens: markup, long answer candidates and all annotations.

A line of ``documents/{partition}.jsonl.gz``, which trains and asks the models that answer questions. Positions count
tokens, markup among them, as Natural Questions does; those of ``examples`` count words.
"""

import functools
from collections.abc import Callable, Iterator

import msgspec

from pairprobe.data import text
from pairprobe.data.documents import Document, Span, YesNo, check_unique, select_annotation
from pairprobe.errors import InputError
from pairprobe.io import files
from pairprobe.io.typed_json import decoded


class Marked(msgspec.Struct, frozen=True):
    """What one annotator found; spans are ``[start, end)`` over the page's tokens."""

    long_answer: Span | None
    short_answers: tuple[Span, ...] = ()
    yes_no: YesNo | None = None


class Page(msgspec.Struct, frozen=True, dict=True):
    """A question and its page.

    ``text``: the tokens, apart by one blank; with ``markup`` those that look like a tag are no words. ``candidates``: the
    long answers to choose from, ``(start, end, top level or not)``. ``context`` and ``answers``: the running text that
    the tokens were split from and the gold answers as they are written in it, where the data set has them (SQuAD).
    """

    example_id: str
    title: str
    question: list[str]
    text: str
    markup: bool
    candidates: tuple[tuple[int, int, bool], ...]
    annotations: tuple[Marked, ...]
    context: str | None = None
    answers: tuple[str, ...] | None = None

    @functools.cached_property
    def tokens(self) -> list[str]:
        """The page's tokens; none where the page is empty."""
        return self.text.split(" ") if self.text else []

    @functools.cached_property
    def selected(self) -> Marked | None:
        """The annotation that trains: see ``documents.select_annotation``. A short answer without words is none."""
        spans = [tuple(span for span in found.short_answers if self.words(*span)) for found in self.annotations]
        pairs = zip(self.annotations, spans, strict=True)
        return select_annotation([msgspec.structs.replace(found, short_answers=shorts) for found, shorts in pairs])

    @functools.cached_property
    def passages(self) -> list[Span]:
        """The candidates that lie in no other one, in the page's order: what is read, and what a long answer can be.

        Where no candidates are given, what the markup says: paragraphs, tables and lists; without markup the whole page.
        """
        found = sorted((start, end) for start, end, top_level in self.candidates if top_level)
        if not found and self.markup:
            found = _marked_passages(self.tokens)
        return found or ([(0, len(self.tokens))] if self.tokens else [])

    def words(self, start: int, end: int) -> list[str]:
        """Return the tokens of a span that are words."""
        return [token for token in self.tokens[start:end] if token and not (self.markup and text.is_html(token))]

    def answer_text(self, start: int, end: int) -> str:
        """Return a span as it is written in the running text, or its words apart by one blank where there is none."""
        if self.context is None:
            return " ".join(self.words(start, end))
        places = _word_spans(self.context)
        return self.context[places[start][0] : places[end - 1][1]]

    @functools.cached_property
    def gold_texts(self) -> list[str]:
        """The short answers of all annotators as texts, each once; none where the page does not answer."""
        if self.answers is not None:
            return list(dict.fromkeys(self.answers))
        spans = dict.fromkeys(span for found in self.annotations for span in found.short_answers) if self.selected else ()
        return list(dict.fromkeys(filter(None, (self.answer_text(*span) for span in spans))))


def _marked_passages(tokens: list[str]) -> list[Span]:
    """Return the paragraphs, tables and lists of a page that lie in no other one."""
    found, opened, depth = [], 0, 0
    for i, token in enumerate(tokens):
        if not text.is_html(token) or text.tag_of(token).lower() not in ("p", "table", "ul", "ol", "dl"):
            continue
        if not token.startswith("</"):
            opened, depth = (i if depth == 0 else opened), depth + 1
        elif depth:
            depth -= 1
            if depth == 0:
                found.append((opened, i + 1))
    return found


# The questions of a paragraph follow each other.
@functools.lru_cache(maxsize=16)
def _word_spans(context: str) -> list[Span]:
    return text.word_spans(context)


def page_of(document: Document) -> Page:
    """Return a document's page; one without markup is a single passage. Raises InputError where its candidates are
    unsound."""
    if (page := document.page) is not None:
        return page
    return Page(
        document.example_id,
        document.title,
        document.question,
        document.text,
        markup=False,
        candidates=((0, len(document.words), True),) if document.text else (),
        annotations=tuple(Marked(a.long_answer, a.short_answers, a.yes_no) for a in document.annotations),
        context=document.context,
        answers=document.answers,
    )


def row_of(page: Page) -> dict:
    """Return a page as a line of ``documents/{partition}.jsonl.gz``, which ``read_pages`` reads."""
    return msgspec.to_builtins(page)


class _Named(msgspec.Struct):
    """A page's name, for those that are not wanted."""

    example_id: str


class _Titled(_Named):
    """A page's name and title."""

    title: str


def read_titles(path: str) -> dict[str, str]:
    """Read the title of each page of ``documents/{partition}.jsonl.gz``, by its example_id; errors: ``read_pages``'s."""
    titles: dict[str, str] = {}
    for where, line in files.read_lines(path):
        if isinstance(line, InputError):
            raise line
        found = decoded(where, line, _Titled)
        if isinstance(found, InputError):
            raise found
        titles[found.example_id] = found.title
    return titles


def read_pages(path: str, shard: tuple[int, int] = (0, 1), wanted: Callable[[str], bool] | None = None) -> Iterator[Page]:
    """Read ``documents/{partition}.jsonl.gz``, checking each line, one page in memory at a time.

    shard: ``(i, n)``, every n-th line from line i on; the others are not looked at. wanted: which pages are, by their
    example_id; of the others nothing else is looked at. Raises InputError for a line that is
    cut off, lacks a field, or has a span outside its page, and for an example_id that occurs twice.
    """
    seen: dict[str, str] = {}
    number, count = shard
    for i, (where, line) in enumerate(files.read_lines(path)):
        if i % count != number:
            continue
        if isinstance(line, InputError):
            raise line
        if wanted and isinstance(named := decoded(where, line, _Named), _Named) and not wanted(named.example_id):
            continue
        page = decoded(where, line, Page)
        if isinstance(page, InputError):
            raise page
        check(where, page)
        check_unique(page.example_id, where, seen)
        yield page


def check(where: str, page: Page) -> None:
    """Raise InputError where a span of a page lies outside it, or its question is empty."""
    length = page.text.count(" ") + 1 if page.text else 0
    bounds = [("candidates", (start, end), (0, length)) for start, end, _ in page.candidates]
    for found in page.annotations:
        bounds += [("annotations", found.long_answer, (0, length))] if found.long_answer else []
        bounds += [("annotations", short, found.long_answer or (0, 0)) for short in found.short_answers]
    for key, span, limits in bounds:
        check_span(where, key, span, limits)
    if not page.question or not page.example_id:
        raise InputError(f"{where}, key {'question' if page.example_id else 'example_id'}: it is empty.")


def check_span(where: str, key: str, span: Span, limits: Span) -> None:
    """Raise InputError where a span of tokens is empty or does not lie inside another one."""
    if not limits[0] <= span[0] < span[1] <= limits[1]:
        raise InputError(
            f"{where}, key {key}: found tokens [{span[0]}, {span[1]}), wanted a span inside [{limits[0]}, {limits[1]}). "
            "The positions do not belong to this page."
        )
