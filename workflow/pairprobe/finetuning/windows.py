"""Pages in overlapping windows of subtokens, and the answer that each window holds.

After the joint baseline for Natural Questions (Alberti et al., 2019, "A BERT Baseline for the Natural Questions"): only the
top-level candidates are read, each behind a markup token that says what it is and its number on the page; a window is
``[CLS] question [SEP] part of the page [SEP]``, or what a decoder reads in their place.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from pairprobe.data import text
from pairprobe.data.pages import Page
from pairprobe.errors import InputError

if TYPE_CHECKING:
    from pairprobe.finetuning.subtokenizer import Subtokenizer

# The type of the answer in a window; NULL where the window does not hold the whole answer.
ANSWER_TYPES = ("null", "yes", "no", "short", "long")
NULL, YES, NO, SHORT, LONG = range(5)

# The kind of a passage, by its tag; all others count as paragraphs.
_KINDS = {
    "Table": "Table",
    "Tr": "Table",
    "Ul": "List",
    "Ol": "List",
    "Dl": "List",
    "Li": "List",
    "Dd": "List",
    "Dt": "List",
}
NUMBERED = 50  # passages of a kind that have a number of their own; further ones share the last number
MARKUP = tuple(f"[{kind}={i}]" for kind in ("Paragraph", "Table", "List") for i in range(1, NUMBERED + 1))


@dataclass(frozen=True, slots=True)
class Subtokens:
    """A page's subtokens, all arrays (subtokens,).

    token: the page's token that a subtoken belongs to; for markup the tag that it stands for. passage: the index of its
    passage in ``Page.passages``. is_word: False for markup. first, last: whether it is the first or the last subtoken of
    its passage's words, on a page with markup (on other pages a passage is no answer).
    """

    ids: np.ndarray
    token: np.ndarray
    passage: np.ndarray
    is_word: np.ndarray
    first: np.ndarray
    last: np.ndarray

    def __len__(self) -> int:
        """Count subtokens."""
        return len(self.ids)

    def __getitem__(self, part: slice) -> "Subtokens":
        """Return a part of them."""
        return Subtokens(*(getattr(self, name)[part] for name in self.__slots__))


def subtokens_of(page: Page, subtokenizer: "Subtokenizer", markup: bool = True) -> Subtokens:
    """Return the subtokens of a page's passages, each behind its markup token where the page has markup.

    markup: False leaves markup tokens out, for a model that was not trained with them.
    """
    parts = [_passage(page, number, kind, subtokenizer, markup) for number, kind in enumerate(_kinds(page))]
    columns = [np.concatenate(some) for some in zip(*parts, strict=True)] if parts else [np.zeros(0, np.int32)] * 4
    ids, token, passage, is_word = columns
    is_word = is_word.astype(bool)
    places = np.flatnonzero(is_word) if page.markup else np.zeros(0, np.int64)
    edges = np.flatnonzero(np.diff(passage[places])) + 1
    first, last = np.zeros(len(ids), bool), np.zeros(len(ids), bool)
    first[places[np.concatenate([[0], edges])] if len(places) else []] = True
    last[places[np.concatenate([edges - 1, [-1]])] if len(places) else []] = True
    return Subtokens(ids, token, passage, is_word, first, last)


def _kinds(page: Page) -> list[str]:
    """Name each passage after its kind and its number among those of its kind: one of ``MARKUP``, or "" without markup."""
    if not page.markup:
        return [""] * len(page.passages)
    names = []
    counts: dict[str, int] = {}
    for start, _ in page.passages:
        kind = _KINDS.get(text.tag_of(page.tokens[start]), "Paragraph")
        counts[kind] = counts.get(kind, 0) + 1
        names.append(f"[{kind}={min(counts[kind], NUMBERED)}]")
    return names


def _passage(page: Page, number: int, kind: str, subtokenizer: "Subtokenizer", markup: bool) -> tuple[np.ndarray, ...]:
    start, end = page.passages[number]
    places = [i for i in range(start, end) if not (page.markup and text.is_html(page.tokens[i]))]
    pieces = subtokenizer([page.tokens[i] for i in places])
    mark = subtokenizer.markup[kind] if kind and markup else []
    ids = np.fromiter(chain(mark, chain.from_iterable(pieces)), np.int32)
    token = np.concatenate([np.full(len(mark), start), np.repeat(places, [len(piece) for piece in pieces])]).astype(
        np.int32
    )
    return ids, token, np.full(len(ids), number, np.int32), np.arange(len(ids)) >= len(mark)


@dataclass(frozen=True, slots=True)
class Window:
    """One window of a page.

    input_ids: (subtokens,), special ones included. begin: the index in them at which the page's part begins. part: that
    part. at: the index of its first subtoken among those of the page.
    """

    example_id: str
    input_ids: np.ndarray
    begin: int
    part: Subtokens
    at: int


def windows(
    page: Page, subtokenizer: "Subtokenizer", max_length: int, stride: int, subtokens: Subtokens | None = None
) -> Iterator[Window]:
    """Cut a page into windows of at most ``max_length`` subtokens, each of which begins ``stride`` subtokens after the
    last.

    ``stride`` is the ``doc_stride`` of BERT and of the joint baseline; after a long question, which leaves less room than
    that, it is the room, so that no subtoken is missed. subtokens: the page's, where they are known. A page without words
    has no window. Raises InputError where the question fills a window.
    """
    before, between, behind = subtokenizer.template
    question = list(chain(before, *subtokenizer(page.question), between))
    room = max_length - len(question) - len(behind)
    if room < 1:
        raise InputError(
            f"example {page.example_id}: its question of {len(question) - len(before) - len(between)} subtokens leaves "
            f"nothing of a window of {max_length} for the page. Set max_length higher, or take the question out."
        )
    subtokens = subtokens_of(page, subtokenizer) if subtokens is None else subtokens
    if not subtokens.is_word.any():
        return
    for at in range(0, len(subtokens), min(stride, room)):
        part = subtokens[at : at + room]
        yield Window(
            page.example_id, np.concatenate([question, part.ids, behind]).astype(np.int32), len(question), part, at
        )
        if at + room >= len(subtokens):
            return


def gold_of(page: Page) -> tuple[int, tuple[int, int] | None]:
    """Return the answer of a page: its type, an index into ``ANSWER_TYPES``, and its span in tokens.

    As in the joint baseline, the span of several short answers goes from the first to the last, and the span of yes, no
    and a long answer alone is the long answer.
    """
    found = page.selected
    if found is None:
        return NULL, None
    if found.short_answers:
        return SHORT, (min(start for start, _ in found.short_answers), max(end for _, end in found.short_answers))
    return {"yes": YES, "no": NO, None: LONG}[found.yes_no], found.long_answer


def target(window: Window, answer_type: int, places: tuple[int, int] | None) -> tuple[int, int, int]:
    """Return answer type, start and end of a window; NULL, 0, 0 ([CLS]) where it does not hold the whole answer.

    answer_type: of the page. places: the first and the last of the page's subtokens that are the answer, both inclusive.
    """
    if places is None or not window.at <= places[0] <= places[1] < window.at + len(window.part):
        return NULL, 0, 0
    shift = window.begin - window.at
    return answer_type, places[0] + shift, places[1] + shift


def places_of(subtokens: Subtokens, span: tuple[int, int] | None) -> tuple[int, int] | None:
    """Return the first and the last subtoken of the words of a span of tokens; None where it has none."""
    if span is None:
        return None
    inside = np.flatnonzero(subtokens.is_word & (span[0] <= subtokens.token) & (subtokens.token < span[1]))
    return (int(inside[0]), int(inside[-1])) if len(inside) else None
