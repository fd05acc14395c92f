"""Named entities by rule: runs of capitalised words, and what is known of their gender and number.

No tagger and no model: a run of capitals is a name; first names (US census of 1990, package ``names``), WordNet and what
the paragraph itself calls the entity ("X was a physicist") say whether it can be he, she, it or they.
"""

import functools
import importlib.resources
from collections.abc import Iterator

from pairprobe import text
from pairprobe.examples import Example, Span
from pairprobe.wordnet import kinds, sense_shares

# What a pronoun can stand for.
PRONOUNS = {
    **dict.fromkeys(("he", "him", "his"), "male"),
    **dict.fromkeys(("she", "her", "hers"), "female"),
    **dict.fromkeys(("it", "its"), "thing"),
    **dict.fromkeys(("they", "them", "their", "theirs"), "plural"),
}
ANYTHING = frozenset({"male", "female", "thing", "plural"})
PEOPLE = frozenset({"male", "female"})

_INSIDE_NAME = frozenset("of the and in de la le du von van der del 's for to on a an at with from by & - – or".split())
_MALE_WORDS = frozenset("king prince emperor sir lord father man mr pope duke brother son baron".split())
_FEMALE_WORDS = frozenset("queen princess empress lady mother woman mrs miss duchess sister daughter".split())
_DATES = frozenset(
    "january february march april may june july august september october november december monday tuesday wednesday "
    "thursday friday saturday sunday".split()
)
_PEOPLE_KINDS = frozenset({"person"})
_THING_KINDS = frozenset(
    "location artifact communication object substance event act animal plant body food phenomenon time state quantity "
    "attribute cognition possession process".split()
)
# A name that nothing is known of is no person behind these: "at Vassar", "the Washburn".
_BEFORE_PLACES = frozenset("in at from near into the a an around across through".split())
_ENDS_NOUN_PHRASE = frozenset("of in by who which that from and , . for at with on to as ; ( whose where when".split())
_OPENING = frozenset({'"', "``", "'", "\u201c", "\u2018", "(", "the", "a", "an"})
_QUOTES = frozenset({'"', "``", "''", "\u201c", "\u201d"})


def is_capital(example: Example, i: int) -> bool:
    """Whether a paragraph word is written as a name: a capital first, or a digit behind one ("Apollo 11").

    At a sentence's start a stop word has its capital from there.
    """
    word = example.paragraph[i]
    if word[0].isdigit():
        return i > 0 and not starts_sentence(example, i) and is_capital(example, i - 1)
    return word[0].isupper() and not (starts_sentence(example, i) and word.lower() in text.STOP_WORDS)


def starts_sentence(example: Example, i: int) -> bool:
    """Whether a word is the first of its sentence, quotation marks and brackets apart."""
    while i > 0 and example.paragraph[i - 1] in _QUOTES | {"("}:
        i -= 1
    return any(i == start for start, _ in example.sentences)


def names_in(example: Example, start: int, end: int) -> Iterator[Span]:
    """Yield the names in a stretch of the paragraph: runs of capitalised words, small words inside them included.

    No name crosses the edge of a sentence.
    """
    i = start
    while i < end:
        if not is_capital(example, i):
            i += 1
            continue
        stop = min(end, sentence_of(example, i)[1])
        last = j = i
        while j < stop and (is_capital(example, j) or example.paragraph[j].lower() in _INSIDE_NAME):
            last = j if is_capital(example, j) else last
            j += 1
        yield i, last + 1
        i = last + 1


def sentence_of(example: Example, i: int) -> Span:
    """Return the sentence that holds a word."""
    return next(sentence for sentence in example.sentences if sentence[0] <= i < sentence[1])


def is_subject(example: Example, name: Span, wordnet) -> bool:
    """Whether a name opens its sentence, alone: no part of a longer noun phrase, and no mere possessor."""
    start, end = name
    first = start
    while first > 0 and example.paragraph[first - 1].lower() in _OPENING and not starts_sentence(example, first):
        first -= 1
    if not starts_sentence(example, first):
        return False
    stop = sentence_of(example, start)[1]
    if end < stop and example.paragraph[end] in {"'s", "'"}:
        return False
    following = example.paragraph[end] if end < stop else "."
    return not is_noun(wordnet, following)


def is_noun(wordnet, word: str) -> bool:
    """Whether a lower-case word is most often a noun ("art" behind "Safavid")."""
    if not word.isalpha() or not word.islower() or word in text.STOP_WORDS:
        return False
    shares = sense_shares(wordnet, word)
    return sum(share for synset, share in shares.items() if synset.pos() == "n") > 0.5


def fills_quotation(example: Example, name: Span) -> bool:
    """Whether a name that stands in quotation marks is the whole of what they hold."""
    start, end = sentence_of(example, name[0])
    opened = sum(word in _QUOTES for word in example.paragraph[start : name[0]]) % 2
    if not opened:
        return True
    after = example.paragraph[name[1]] if name[1] < end else ""
    return example.paragraph[name[0] - 1] in _QUOTES and after in _QUOTES


def could_be(example: Example, name: Span, wordnet) -> frozenset[str]:
    """Return what a name can be by what is known of it: some of male, female, thing, plural; ANYTHING where unknown."""
    words = [word.lower() for word in example.paragraph[slice(*name)]]
    if _DATES & set(words):
        return frozenset({"thing"})
    if "and" in words[1:-1] and words[0] in first_names() and words[words.index("and") + 1] in first_names():
        return frozenset({"plural"})  # two people
    titled = set(words) | ({example.paragraph[name[0] - 1].lower()} if name[0] else set())
    of_kind = kinds(wordnet, " ".join(words))
    called = _called(example, words, wordnet)
    genders = _first_name(example, words)
    if called == "thing":
        return frozenset({"thing"})
    if called == "group":
        return frozenset({"thing", "plural"})
    if titled & _MALE_WORDS:
        return frozenset({"male"})
    if titled & _FEMALE_WORDS:
        return frozenset({"female"})
    if genders and (called == "person" or len(words) > 1 or not of_kind & _THING_KINDS):
        return genders
    if called == "person" or (of_kind & _PEOPLE_KINDS and not of_kind & (_THING_KINDS | {"group"})):
        return PEOPLE
    if "group" in of_kind:
        return frozenset({"thing", "plural"})
    if of_kind & _THING_KINDS and not of_kind & _PEOPLE_KINDS:
        return frozenset({"thing"})
    if len(words) > 1 and not genders and any(kinds(wordnet, word) & _THING_KINDS for word in words[-1:]):
        return frozenset({"thing", "plural"}) if words[-1].endswith("s") else frozenset({"thing"})
    before = example.paragraph[name[0] - 1].lower() if name[0] else ""
    if before in _BEFORE_PLACES and not starts_sentence(example, name[0]):
        return frozenset({"thing", "plural"})
    return ANYTHING


def _first_name(example: Example, words: list[str]) -> frozenset[str]:
    """Return the genders of a name's first name; a surname alone borrows that of its full name in the paragraph."""
    table = first_names()
    if words[0] in table and len(words) <= 4:
        return table[words[0]]
    if len(words) == 1:
        for start, end in names_in(example, 0, len(example.paragraph)):
            name = [word.lower() for word in example.paragraph[start:end]]
            if 1 < len(name) <= 4 and name[-1] == words[0] and name[0] in table:
                return table[name[0]]
        title = example.title.lower().split()
        if 1 < len(title) <= 4 and title[-1] == words[0] and title[0] in table:
            return table[title[0]]
    return frozenset()


@functools.cache
def first_names() -> dict[str, frozenset[str]]:
    """Return ``{first name: genders}`` in lower case; a name borne ten times as often by one gender has that alone."""
    often: dict[str, dict[str, float]] = {}
    for gender in ("male", "female"):
        for line in importlib.resources.files("names").joinpath(f"dist.{gender}.first").read_text().splitlines():
            name, percent, *_ = line.split()
            often.setdefault(name.lower(), {})[gender] = float(percent)
    return {
        name: frozenset(gender for gender, share in shares.items() if share * 10 > max(shares.values()))
        for name, shares in often.items()
    }


def _called(example: Example, words: list[str], wordnet) -> str | None:
    """Return what the paragraph calls a name, "person", "group" or "thing", by the noun of "X is a ... noun"."""
    read = [word.lower() for word in example.paragraph]
    at = text.contains_words(read, words)
    stop = sentence_of(example, at)[1]
    i = _after_brackets(read, at + len(words), stop)
    if i + 1 >= stop or read[i] not in {"is", "was", "are", "were", ","} or read[i + 1] not in {"a", "an", "the", "one"}:
        return None
    noun = None
    for word in read[i + 2 : min(i + 12, stop)]:
        if word in _ENDS_NOUN_PHRASE:
            break
        noun = word if is_noun(wordnet, word) else noun
    if noun is None:
        return None
    kind = next(s for s in sense_shares(wordnet, noun) if s.pos() == "n").lexname().removeprefix("noun.")
    return kind if kind in ("person", "group") else "thing"


def _after_brackets(read: list[str], i: int, stop: int) -> int:
    if i < stop and read[i] in _QUOTES:
        i += 1
    if i < stop and read[i] == "(":
        while i < stop and read[i] != ")":
            i += 1
        i += 1
    return i
