"""A question with its paragraphs and annotations, as every reader gives it."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar

from pairprobe.errors import InputError

if TYPE_CHECKING:
    from pairprobe.data.pages import Page

# Characters of an example_id.
MAX_ID = 1000

Span = tuple[int, int]
YesNo = Literal["yes", "no"]


@dataclass(frozen=True, slots=True)
class Annotation:
    """What one annotator found; spans are ``[start, end)`` over the document's words.

    ``long_answer`` is the passage that answers (None where the page does not), ``long_answer_tag`` the markup that holds it
    ("P", "Table", "Ul", ...), ``nested`` whether that lies inside another such passage (a row of a table); the
    ``short_answers`` lie in it, in reading order; ``yes_no`` is "yes", "no" or None.

    An answer in a running text of n words: ``Annotation((0, n), "P", (span,))``. The page does not answer:
    ``Annotation(None)``. Only a passage with the tag "P" becomes an example. ``running_text.document_of`` does all this
    where answers are given by characters.
    """

    long_answer: Span | None
    long_answer_tag: str | None = None
    short_answers: tuple[Span, ...] = ()
    yes_no: YesNo | None = None
    nested: bool = False


@dataclass
class Document:
    """A question and its page, after Natural Questions.

    ``text`` is the page's words, apart by one blank; ``annotations`` are those of all annotators; ``sentences`` cover the
    words, or are None: then ``text.sentence_spans`` finds them in the words. ``context`` and ``answers``: the running text
    that the words were split from and the gold answers as they are written in it, where the data set has them (SQuAD).
    """

    example_id: str
    title: str
    question: list[str]
    text: str
    annotations: tuple[Annotation, ...]
    sentences: tuple[Span, ...] | None = None
    context: str | None = None
    answers: tuple[str, ...] | None = None

    @property
    def page(self) -> "Page | None":
        """The page in its own tokens, markup among them; None where the data set has no markup."""
        return None

    @functools.cached_property
    def words(self) -> list[str]:
        """The page's words."""
        return self.text.split(" ")

    @functools.cached_property
    def selected(self) -> Annotation | None:
        """The annotation that makes the example."""
        return select_annotation(self.annotations)


def check_id(where: str, document: Document) -> Document | InputError:
    """Return a document, or an InputError where its example_id would break a line or a cell of the tables."""
    name = document.example_id
    if name == name.strip() and name.isprintable() and len(name) <= MAX_ID:
        return document
    return InputError(
        f"{where}: the question's id is {name[:80]!a}, of {len(name)} characters. Wanted: at most {MAX_ID} that can "
        "be printed, no blank first or last."
    )


def check_unique(example_id: str, where: str, seen: dict[str, str]) -> None:
    """Raise InputError for an example_id that was seen elsewhere; seen: ``{example_id: where}``, to which it is added."""
    if (place := seen.setdefault(example_id, where)) != where:
        raise InputError(
            f"{where}: the question {example_id!r} is also in {place}; each must occur once. Remove one of the two."
        )


class _Answer(Protocol):
    """What an annotator found, whether its spans count words or tokens."""

    @property
    def long_answer(self) -> Span | None: ...

    @property
    def short_answers(self) -> tuple[Span, ...]: ...


Answer = TypeVar("Answer", bound=_Answer)


def select_annotation(annotations: Sequence[Answer]) -> Answer | None:
    """Return the annotation that counts: in the page's order the first with a short answer, else the first.

    As in the joint baseline for Natural Questions (Alberti et al., 2019). None where the page does not answer: where there
    are several annotators, fewer than two found an answer (the dataset's official evaluation).
    """
    found = [((a.long_answer[0], -a.long_answer[1]), a) for a in annotations if a.long_answer]
    if len(found) < min(2, len(annotations)):
        return None
    answered = [a for _, a in sorted(found, key=lambda place: place[0])]
    return next((a for a in answered if a.short_answers), answered[0] if answered else None)
