"""Words and sentences."""

import functools
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nltk.tokenize import NLTKWordTokenizer

# Function words and the commonest light verbs: never an anchor or a match of their own.
STOP_WORDS = frozenset(
    """
    a about above across after again against all almost along already also although always am among an and another any
    anybody anyone anything are aren't around as at away back be became because become becomes been before behind being
    below between both but by can can't cannot could couldn't did didn't do does doesn't doing don't done down during
    each either else enough even ever every everybody everyone everything few first for from further get gets getting
    go goes going gone got had hadn't has hasn't have haven't having he her here hers herself him himself his how
    however i if in including indeed instead into is isn't it its itself just last later least less let like ll made
    make makes making many may maybe me might mine more most much must my myself n't near neither never next no nobody
    none nor not nothing now of off often on once one only onto or other others ought our ours ourselves out over own
    per perhaps put quite rather re really s said same see seem seems several shall she should shouldn't since so some
    somebody someone something sometimes soon still such t take taken takes than that the their theirs them themselves
    then there therefore these they thing things this those though through throughout thus till to together too took
    toward towards two under until up upon us used using usually various ve very was wasn't way we well went were
    weren't what whatever when where whether which while who whole whom whose why will with within without won't would
    wouldn't yes yet you your yours yourself
    """.split()
)

_SENTENCE_END = frozenset({".", "?", "!", "..."})
_CLOSING = frozenset({'"', "'", "''", "\u201d", "\u2019", ")", "]", "}"})
# A full stop that is a word of its own still does not end a sentence after these.
_ABBREVIATED = frozenset("mr mrs ms dr st sr jr prof gen col lt sgt capt gov sen rep rev mt ft no vs v etc inc ltd".split())
_TAG = re.compile(r"</?[A-Za-z][^ ]*>")
_TAG_NAME = re.compile(r"</?([A-Za-z][A-Za-z0-9]*)")
_SEPARATOR = re.compile(r"[\x1c-\x1f]")


def is_html(token: str) -> bool:
    """Whether a token of Natural Questions is markup, such as ``<P>``, ``</Td>`` or ``<Th_colspan="2">``."""
    return _TAG.fullmatch(token) is not None


def tag_of(token: str) -> str:
    """Return the name of the tag that a token begins with: "P" of ``<P>``; "" where it is none."""
    found = _TAG_NAME.match(token)
    return found[1] if found else ""


def is_lexical(word: str) -> bool:
    """Whether a word has at least one letter or digit (punctuation and emoji have none)."""
    return word.isalnum() or any(character.isalnum() for character in word)


def contains_words(words: list[str], phrase: list[str]) -> int:
    """Return where ``phrase`` first occurs in ``words``, as it is written; -1 where it does not."""
    size = len(phrase)
    return next((i for i in range(len(words) - size + 1) if words[i : i + size] == phrase), -1)


@functools.cache
def _splitters() -> tuple[Callable[[str], Iterator[int]], "NLTKWordTokenizer"]:
    # Imported here, since most of what needs this module splits no running text.
    from nltk.tokenize import NLTKWordTokenizer

    from pairprobe.data import sentences

    return sentences.ends, NLTKWordTokenizer()


def split(text: str) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Split running text into words and sentences.

    Returns the character span ``(start, end)`` of each word, in reading order, and the sentences as spans of these words.
    Treebank words as in Natural Questions, sentence by sentence, since only the last full stop of a sentence is a word
    of its own (nltk.tokenize.NLTKWordTokenizer; sentences by pysbd).
    """
    sentence_ends, tokenizer = _splitters()
    words: list[tuple[int, int]] = []
    sentences, start = [], 0
    # pysbd stops at separators that \s matches and int() refuses.
    ends = list(sentence_ends(_SEPARATOR.sub(" ", text)))
    for end in [*ends[:-1], len(text)]:
        first = len(words)
        words += [(start + a, start + b) for a, b in tokenizer.span_tokenize(text[start:end])]
        if len(words) > first:
            sentences.append((first, len(words)))
        start = end
    return words, sentences


def word_spans(text: str) -> list[tuple[int, int]]:
    """Split running text into words: the character span ``(start, end)`` of each, in reading order (see ``split``)."""
    return split(text)[0]


def sentence_spans(words: list[str]) -> list[tuple[int, int]]:
    """Split a paragraph's words into sentences: ``[start, end)`` of each; together they cover every word.

    The words of Natural Questions already keep the stops of abbreviations ("U.S.", "Dr.") inside the word, so a stop
    that is a word of its own ends a sentence, unless a lower-case word or a known abbreviation says otherwise.
    """
    spans, start, i = [], 0, 0
    while i < len(words):
        if words[i] in _SENTENCE_END:
            end = i + 1
            while end < len(words) and words[end] in _CLOSING | _SENTENCE_END:
                end += 1
            before = words[i - 1] if i > start else ""
            abbreviated = words[i] == "." and (
                before.lower() in _ABBREVIATED or (len(before) == 1 and before.isalpha() and before.isupper())
            )
            goes_on = end < len(words) and (words[end][0].islower() or words[end] in {",", ";", ":"} or abbreviated)
            if not goes_on:
                spans.append((start, end))
                start = end
            i = end
        else:
            i += 1
    if start < len(words):
        spans.append((start, len(words)))
    return spans
