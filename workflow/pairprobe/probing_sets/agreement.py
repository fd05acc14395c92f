"""Gender and number: which pronouns agree with a name.

By rule, without a model. First names (US census of 1990, package ``names``), WordNet and what the paragraph itself calls
the name ("X was a physicist") say whether it can be he, she, it or they. ``RULES`` lists the rules, the strongest first.
"""

import functools
import importlib.resources
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from pairprobe.data import text
from pairprobe.data.documents import Span
from pairprobe.data.examples import Example
from pairprobe.probing_sets import named_entities
from pairprobe.probing_sets.wordnet import WordNet, kinds, sense_shares

# What a pronoun can stand for.
PRONOUNS = {
    **dict.fromkeys(("he", "him", "his"), "male"),
    **dict.fromkeys(("she", "her", "hers"), "female"),
    **dict.fromkeys(("it", "its"), "thing"),
    **dict.fromkeys(("they", "them", "their", "theirs"), "plural"),
}

_MALE, _FEMALE, _THING, _PLURAL = (frozenset({name}) for name in ("male", "female", "thing", "plural"))
_PERSON = _MALE | _FEMALE
_SINGULAR = _PERSON | _THING
# A band or a team is it or they, and so is a name of unknown number that is no person's.
_GROUP = _THING | _PLURAL

_MALE_TITLES = frozenset("king prince emperor sir lord father man mr pope duke brother son baron".split())
_FEMALE_TITLES = frozenset("queen princess empress lady mother woman mrs miss duchess sister daughter".split())
# Titles that say "a person" and no gender ("the Rev. Jones"). The first name may follow them.
_NEUTRAL_TITLES = frozenset("rev reverend dr prof professor president senator governor colonel captain judge".split())
_DATES = frozenset(
    "january february march april may june july august september october november december monday tuesday wednesday "
    "thursday friday saturday sunday".split()
)
# A name of which nothing else is known is no person's behind these: "at Vassar", "the Washburn".
_BEFORE_PLACES = frozenset("in at from near into the a an around across through".split())
# WordNet's noun files but person and group.
_THING_KINDS = frozenset(
    "location artifact communication object substance event act animal plant body food phenomenon time state quantity "
    "attribute cognition possession process".split()
)
_ENDS_NOUN_PHRASE = frozenset("of in by who which that from and , . for at with on to as ; ( whose where when".split())
# A name of more words is an organisation's or a work's, whatever its first word.
_MOST_WORDS_OF_PERSON = 4


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a name. All words are in lower case.

    before: the word before it, "" at the paragraph's start. kinds, last_kinds: WordNet's kinds of the whole name, and of
    the last of several words. called: what the paragraph calls it, "person", "group", "thing" or None. genders: of those
    who bear its first name; empty where that is none.
    """

    words: list[str]
    before: str
    opens_sentence: bool
    kinds: set[str]
    last_kinds: set[str]
    called: str | None
    genders: frozenset[str]


class Rule(NamedTuple):
    """Where ``holds``, the name agrees with the pronouns of ``can_be``; None stands for the genders of its first name."""

    reason: str
    holds: Callable[[Facts], object]
    can_be: frozenset[str] | None


# The first rule that holds decides. The last one always holds.
RULES = (
    Rule("it has a month or weekday", lambda name: _DATES & set(name.words), _THING),
    Rule("it joins two first names by 'and'", lambda name: _joins_first_names(name.words), _PLURAL),
    Rule("the paragraph calls it a thing", lambda name: name.called == "thing", _THING),
    Rule("the paragraph calls it a group", lambda name: name.called == "group", _GROUP),
    Rule("it has a title of men", lambda name: _MALE_TITLES & {*name.words, name.before}, _MALE),
    Rule("it has a title of women", lambda name: _FEMALE_TITLES & {*name.words, name.before}, _FEMALE),
    Rule("it has a first name, or its full name does", lambda name: name.genders and not _is_rather_a_place(name), None),
    Rule("the paragraph calls it a person", lambda name: name.called == "person", _PERSON),
    Rule("it has a title without gender", lambda name: _has_neutral_title(name), _PERSON),
    Rule(
        "WordNet knows it as a person alone",
        lambda name: "person" in name.kinds and not name.kinds & {*_THING_KINDS, "group"},
        _PERSON,
    ),
    Rule("WordNet knows it as a group", lambda name: "group" in name.kinds, _GROUP),
    Rule("WordNet knows it as a thing", lambda name: name.kinds & _THING_KINDS and "person" not in name.kinds, _THING),
    Rule("its last word is a group", lambda name: not name.genders and "group" in name.last_kinds, _GROUP),
    Rule(
        "its last word is a thing, in the plural",
        lambda name: not name.genders and name.last_kinds & _THING_KINDS and _ends_in_s(name),
        _GROUP,
    ),
    Rule("its last word is a thing", lambda name: not name.genders and name.last_kinds & _THING_KINDS, _THING),
    Rule(
        "a preposition or article precedes it",
        lambda name: name.before in _BEFORE_PLACES and not name.opens_sentence,
        _GROUP,
    ),
    Rule("it may be a plural", lambda name: _ends_in_s(name) or "and" in name.words[1:-1], _SINGULAR | _PLURAL),
    Rule("nothing is known of it", lambda _: True, _SINGULAR),
)


def could_be(example: Example, name: Span, wordnet: WordNet) -> frozenset[str]:
    """Return which of male, female, thing and plural a name of the paragraph can be, by the first rule that holds."""
    facts = facts_of(example, name, wordnet)
    rule = next(rule for rule in RULES if rule.holds(facts))
    return facts.genders if rule.can_be is None else rule.can_be


def facts_of(example: Example, name: Span, wordnet: WordNet) -> Facts:
    """Collect what the rules ask of a name."""
    start, end = name
    words = [word.lower() for word in example.paragraph[start:end]]
    return Facts(
        words,
        before=example.paragraph[start - 1].lower() if start else "",
        opens_sentence=named_entities.starts_sentence(example, start),
        kinds=kinds(wordnet, " ".join(words)),
        last_kinds=kinds(wordnet, words[-1]) if len(words) > 1 else set(),
        called=_called(example, words, wordnet),
        genders=_genders(example, words),
    )


def _joins_first_names(words: list[str]) -> bool:
    names = first_names()
    return "and" in words[1:-1] and words[0] in names and words[words.index("and") + 1] in names


def _is_rather_a_place(name: Facts) -> bool:
    # A surname may be a word for a thing as well ("Whitehead"), but a single word for a place is likelier the place.
    return name.called != "person" and len(name.words) == 1 and bool(name.kinds & {"location", "group"})


def _has_neutral_title(name: Facts) -> bool:
    if name.before.rstrip(".") in _NEUTRAL_TITLES:
        return True
    # "Judge Dredd", but no "Governor of Texas" and no "Captain 2".
    followed = (
        len(name.words) > 1 and name.words[1].rstrip(".").isalpha() and name.words[1] not in named_entities.SMALL_WORDS
    )
    return followed and name.words[0].rstrip(".") in _NEUTRAL_TITLES


def _ends_in_s(name: Facts) -> bool:
    return name.words[-1].endswith("s")


def _genders(example: Example, words: list[str]) -> frozenset[str]:
    """Return the genders of a name's first name; a surname alone borrows that of its full name in paragraph or title."""
    words = [named_entities.unaccented(word) for word in words]
    if len(words) > 1 and words[0].rstrip(".") in _NEUTRAL_TITLES:
        words = words[1:]
    table = first_names()
    if words[0] in table and len(words) <= _MOST_WORDS_OF_PERSON:
        return table[words[0]]
    if len(words) > 1:
        return frozenset()
    full = [example.paragraph[slice(*name)] for name in named_entities.names_in(example, 0, len(example.paragraph))]
    for name in (*full, named_entities.title_words(example)):
        parts = [named_entities.unaccented(word) for word in name]
        if 1 < len(parts) <= _MOST_WORDS_OF_PERSON and parts[-1] == words[0] and parts[0] in table:
            return table[parts[0]]
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


def _called(example: Example, words: list[str], wordnet: WordNet) -> str | None:
    """Return what the paragraph calls a name, "person", "group" or "thing", by the noun of "X is a ... noun"."""
    read = [word.lower() for word in example.paragraph]
    at = text.contains_words(read, words)
    stop = named_entities.sentence_of(example, at)[1]
    i = _after_brackets(read, at + len(words), stop)
    if i + 1 >= stop or read[i] not in {"is", "was", "are", "were", ","} or read[i + 1] not in {"a", "an", "the", "one"}:
        return None
    noun = None
    for word in read[i + 2 : min(i + 12, stop)]:
        if word in _ENDS_NOUN_PHRASE:
            break
        noun = word if named_entities.is_noun(wordnet, word) else noun
    if noun is None:
        return None
    kind = next(s for s in sense_shares(wordnet, noun) if s.pos() == "n").lexname().removeprefix("noun.")
    return kind if kind in ("person", "group") else "thing"


def _after_brackets(read: list[str], i: int, stop: int) -> int:
    """Pass over a closing quotation mark and what stands in brackets: "X ( born 1900 ) was"."""
    if i < stop and read[i] in named_entities.QUOTES:
        i += 1
    if i < stop and read[i] == "(":
        while i < stop and read[i] != ")":
            i += 1
        i += 1
    return i
