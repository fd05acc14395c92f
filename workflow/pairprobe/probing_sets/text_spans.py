"""Spans of a text, as characters, as words, or as a string that occurs once in it: which words they are."""

import functools
import itertools
import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral

from pairprobe.data import text
from pairprobe.data.documents import Span

# Characters of a text that a message shows.
SHOWN = 60
# Chinese characters: no blanks stand between them, and each is a word.
_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002fa1f"
_BLANKS = r"\s+"
_PARTS = re.compile(f"[{_HAN}]|[^{_HAN}]+")


@dataclass(frozen=True, slots=True)
class Characters:
    """Characters ``[start, end)`` of running text, counted from 0."""

    start: int
    end: int

    def __str__(self) -> str:
        """Return "characters 3 to 7", the end not included."""
        return f"characters {self.start} to {self.end}"


@dataclass(frozen=True, slots=True)
class Words:
    """Words ``[start, end)`` of a text, counted from 0: those of ``word_spans``, or of the list that it is."""

    start: int
    end: int

    def __str__(self) -> str:
        """Return "words 3 to 7", the end not included."""
        return f"words {self.start} to {self.end}"


class PairError(Exception):
    """What is wrong, ``said``, with the field ``key`` of a pair; "" where it is with none in particular."""

    def __init__(self, key: str, said: str):
        super().__init__(key, said)
        self.key, self.said = key, said


@functools.lru_cache(maxsize=256)
def word_spans(written: str) -> tuple[Span, ...]:
    """Return the characters of each word of running text: the words of ``data.text``, but each Chinese character is one."""
    return tuple(
        (start + part.start(), start + part.end())
        for start, end in text.word_spans(written)
        for part in _PARTS.finditer(written[start:end])
    )


@dataclass(frozen=True, slots=True)
class Text:
    """A question or a text as words.

    name: what messages call it. written: as it may be written, each with the characters of its words: running text as it
    is, a list of words with blanks in between, then without. Between two words whose letters would run together in a script
    that sets blanks, there is one in both.
    """

    name: str
    words: list[str]
    written: list[tuple[str, Sequence[Span]]]

    @classmethod
    def of(cls, name: str, given: object) -> "Text":
        """Take running text, or a list of words. Raises PairError for anything else, and where there is no word."""
        if isinstance(given, str):
            spans = word_spans(given)
            made = cls(name, [given[start:end] for start, end in spans], [(given, spans)])
        elif isinstance(given, Sequence):
            wrong = [word for word in given if not isinstance(word, str) or word.split() != [word]]
            if wrong:
                raise PairError(
                    name, f"found {wrong[0]!r:.{SHOWN}} among its words. Wanted: strings without blanks, none empty."
                )
            made = cls(name, list(given), [_joined(given), _joined(given, _needs_blank)])
        else:
            raise PairError(name, f"found {given!r:.{SHOWN}}, wanted text or a list of words.")
        if not made.words:
            raise PairError(name, "it is empty. Wanted: words.")
        return made

    @property
    def is_running(self) -> bool:
        """Whether it is running text, whose characters can be counted."""
        return len(self.written) == 1

    def slice(self, span: Characters | Words) -> str:
        """Return what stands at a span; "" where that is outside of the text."""
        written, spans = self.written[0]
        if isinstance(span, Characters):
            return written[max(span.start, 0) : max(span.end, 0)]
        covered = spans[max(span.start, 0) : max(span.end, 0)]
        return written[covered[0][0] : covered[-1][1]] if covered else ""

    def find(self, key: str, span: object) -> tuple[int, ...]:
        """Return the positions of a span's words. Raises PairError about ``key`` where there are none."""
        if isinstance(span, str):
            return self._find_string(key, span)
        if not isinstance(span, Characters | Words):
            raise PairError(key, f"found {span!r:.{SHOWN}}, wanted a string, Characters or Words.")
        if not all(isinstance(place, Integral) for place in (span.start, span.end)):
            raise PairError(key, f"found {span!r:.{SHOWN}}, wanted whole numbers, such as {type(span).__name__}(3, 4).")
        if isinstance(span, Characters) and not self.is_running:
            raise PairError(key, f"found {span} of {self.name}, which is a list of words. Wanted: words, or a string.")
        size = len(self.written[0][0]) if isinstance(span, Characters) else len(self.words)
        if not 0 <= span.start < span.end <= size:
            raise PairError(key, f"found {span}, outside of {self.name}. Wanted: 0 <= start < end <= {size}.")
        if isinstance(span, Words):
            return tuple(range(span.start, span.end))
        covered = _cover(*self.written[0], (span.start, span.end))
        if isinstance(covered, str):
            raise PairError(key, self._cut(self.slice(span), covered))
        if not covered:
            raise PairError(key, f"found {span}, where {self.name} has no word. Wanted: one word, or several.")
        return covered

    def _find_string(self, key: str, string: str) -> tuple[int, ...]:
        pieces = string.split()
        if not pieces:
            raise PairError(key, "it is empty. Wanted: a string that occurs once.")
        # Looked at ahead, so that occurrences may overlap.
        pattern = re.compile(rf"(?=({_BLANKS.join(map(re.escape, pieces))}))")
        places: dict[tuple[int, ...], int] = {}
        cut = ""
        for written, spans in self.written:
            for occurrence in pattern.finditer(written):
                covered = _cover(written, spans, occurrence.span(1))
                if isinstance(covered, str):
                    cut = cut or covered
                else:
                    places.setdefault(covered, occurrence.start(1))
            if places:
                break
        if len(places) == 1:
            return next(iter(places))
        if places:
            raise PairError(key, self._several(key, string, places))
        raise PairError(key, self._cut(string, cut) if cut else self._missing(pieces))

    def _cut(self, string: str, word: str) -> str:
        return (
            f"{string!r} is a part of the word {word!r}, and only whole words have vectors. Take the whole word; or write "
            f"{self.name} as a list of words (JSON lines), cut as you want."
        )

    def _missing(self, pieces: list[str]) -> str:
        string, shown = " ".join(pieces), self.written[0][0]
        hint = ""
        if self._has(string, str.casefold):
            hint = "It is there in other capitals. "
        elif self._has(string, lambda one: unicodedata.normalize("NFKC", one).casefold()):
            hint = "It is there in another form of Unicode, which may look the same: write one form, such as NFC, in both. "
        shown = shown if len(shown) <= SHOWN else f"{shown[:SHOWN]} ..."
        side = "; or anchor_side passage, where the anchor is not in the question" if self.name == "question" else ""
        return f"{string!r} is not in {self.name}, {shown!r}. {hint}Wanted: words as they are written there{side}."

    def _has(self, string: str, as_compared: Callable[[str], str]) -> bool:
        return any(as_compared(string) in as_compared(" ".join(written.split())) for written, _ in self.written)

    def _several(self, key: str, string: str, places: Mapping[tuple[int, ...], int]) -> str:
        words, character = next(iter(places.items()))
        if self.is_running:
            where = f"characters {', '.join(map(str, places.values()))}"
            advice = f"{key}_start {character} beside it"
        else:
            where = f"words {', '.join(str(each[0]) for each in places)}"
            advice = f"{key}_word_start {words[0]} and {key}_word_end {words[-1] + 1} beside it"
        return f"{string!r} occurs {len(places)} times in {self.name}, at {where}. Say which: {advice} is the first."


def _joined(words: Sequence[str], apart: Callable[[str, str], bool] = lambda *_: True) -> tuple[str, Sequence[Span]]:
    """Return words as one string, with a blank between two that are ``apart``, and the characters of each."""
    padded = [word + " " * apart(word, behind) for word, behind in itertools.pairwise(words)] + [*words[-1:]]
    starts = itertools.accumulate(map(len, padded), initial=0)
    return "".join(padded), [(start, start + len(word)) for start, word in zip(starts, words, strict=False)]


def _needs_blank(before: str, behind: str) -> bool:
    """Whether two words stand apart by a blank: letters that have capitals, or digits, meet (not in Chinese or Thai)."""
    return all(char.isdecimal() or char.lower() != char.upper() for char in (before[-1], behind[0]))


def _cover(written: str, spans: Sequence[Span], place: Span) -> tuple[int, ...] | str:
    """Return the words that characters cover; or one that they cut, of which a letter or digit would be left over.

    Other characters of a word, such as the stop of an abbreviation, may be left over.
    """
    start, end = place
    first, last = bisect_right(spans, start, key=lambda word: word[1]), bisect_left(spans, end, key=lambda word: word[0])
    for begins, ends in spans[first:last]:
        if text.is_lexical(written[begins : max(begins, start)] + written[min(end, ends) : ends]):
            return written[begins:ends]
    return tuple(range(first, last))
