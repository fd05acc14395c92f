"""Named entities by rule: runs of capitalised words, and what is known of their gender and number.

No tagger and no model: a run of capitals is a name; first names (US census of 1990, package ``names``), WordNet and what
the paragraph itself calls the entity ("X was a physicist") say whether it can be he, she, it or they.
"""

import functools
import importlib.resources
import re
import unicodedata
import urllib.parse
from collections.abc import Iterator

from pairprobe.data import text
from pairprobe.data.documents import Span
from pairprobe.data.examples import Example
from pairprobe.probing_sets.wordnet import is_ordinary_word, kinds, sense_shares

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
# Before a name they say that it is a person's, and no more ("the Rev. Jones"): the first name may stand behind them.
_PERSON_TITLES = frozenset("rev reverend dr prof professor president senator governor colonel captain judge".split())
# "Built in 1905, it": with those in -ed, they open a sentence as an adjunct does, and so do the words below.
_IRREGULAR_PARTICIPLES = frozenset("born built held known led made set won written".split())
_OPENERS = frozenset(
    """
    about above across after afterwards against along also among around as at before behind below beside besides between
    beyond by despite during eventually finally following for from furthermore here however in inside instead into later
    like meanwhile moreover near nevertheless next now of on once outside over per rather since so soon still subsequently
    then there therefore through throughout thus to today together toward towards under until unlike upon via with within
    without
    """.split()
)
# These open a clause with a subject of its own, which "it" or "they" may mean ("When the roof fell, it was mended").
_SUBORDINATING = frozenset("although as because if once since though unless until when whenever where while".split())
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
_POSSESSIVE = re.compile("(?=['\u2019]s$)")
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


def entities_in(example: Example, start: int, end: int, wordnet) -> Iterator[Span]:
    """Yield the names that may be entities: runs of capitalised words, and the page's title where it is written as a name.

    The title tells where its name begins and ends: "Along Came a Spider" has a small word first, "Sugar, Sugar" a comma.
    """
    titles = list(_titles_in(example, start, end))
    runs = list(names_in(example, start, end))
    inside = [(a, b) for a, b in titles if not any(c <= a and b <= d for c, d in runs)]
    yield from inside
    for name in runs:
        if not any(a < name[1] and name[0] < b for a, b in inside) and is_proper(example, name, wordnet):
            yield name


def _titles_in(example: Example, start: int, end: int) -> Iterator[Span]:
    """Yield where the page's title of several words stands, each of them a capital first or small inside a name."""
    title = title_words(example)
    if len(title) < 2:
        return
    i = start
    while i < end:
        span = spelled_at(example.paragraph[:end], i, title)
        words = example.paragraph[slice(*span)] if span else []
        if words and words[0][0].isupper() and all(_fits_inside(word) for word in words):
            yield span
            i = span[1]
        else:
            i += 1


def _fits_inside(word: str) -> bool:
    return not word[0].islower() or word in _INSIDE_NAME or word in text.STOP_WORDS


def title_words(example: Example) -> list[str]:
    """Return the words of the page's title, without what stands in brackets; SQuAD writes them as in an address."""
    return urllib.parse.unquote(example.title).replace("_", " ").split(" (")[0].split()


def is_proper(example: Example, name: Span, wordnet) -> bool:
    """Whether a capital is that of an entity, not of an adjective ("Mongolian") or a sentence's first word ("Oxygen is").

    A single word at a sentence's start that WordNet writes in lower case alone is a name only where quotation marks hold
    it, or the title, or a place inside a sentence of the paragraph or question, writes it with a capital too.
    """
    start, end = name
    word = example.paragraph[start]
    if end - start > 1:
        return True
    if any(synset.lexname() == "adj.pert" for synset in wordnet.synsets(word.lower(), "a")):
        return False
    if not starts_sentence(example, start) or not is_ordinary_word(wordnet, word.lower()) or _has_capital(wordnet, word):
        return True
    again = (i for i, other in enumerate(example.paragraph) if other == word and not starts_sentence(example, i))
    quoted = start > 0 and example.paragraph[start - 1] in _QUOTES
    return quoted or word in example.question[1:] or word in title_words(example)[1:] or next(again, None) is not None


def _has_capital(wordnet, word: str) -> bool:
    return any(lemma.name() == word for synset in wordnet.synsets(word.lower()) for lemma in synset.lemmas())


def spelling(word: str) -> str:
    """Return a word's letters and digits alone, in lower case and without accents: "Beyoncé" is "beyonce"."""
    return "".join(character for character in unaccented(word) if character.isalnum())


def unaccented(word: str) -> str:
    """Return a word in lower case and without accents."""
    parts = unicodedata.normalize("NFKD", word.lower())
    return "".join(character for character in parts if not unicodedata.combining(character))


def spelled_at(words: list[str], i: int, phrase: list[str]) -> Span | None:
    """Return the words from ``i`` on that spell a phrase, however either is cut into words and set with marks.

    "sugar sugar" spells "Sugar , Sugar", and "somebody's" spells "Somebody 's".
    """
    wanted, found = "".join(map(spelling, phrase)), ""
    if not wanted or not spelling(words[i]):
        return None
    for j in range(i, len(words)):
        found += spelling(words[j])
        if found == wanted:
            return i, j + 1
        if not wanted.startswith(found):
            return None
    return None


def is_asked(example: Example, name: Span) -> bool:
    """Whether the question holds a name; where it is written in normal writing, as a name there too."""
    phrase = example.paragraph[slice(*name)]
    # Natural Questions' questions hold "germany's" as one word.
    question = [part for word in example.question for part in _POSSESSIVE.split(word) if part]
    normal = question[0][0].isupper()
    spans = (spelled_at(question, i, phrase) for i in range(len(question)))
    return any(span and (span[0] == 0 or not normal or not question[span[0]][0].islower()) for span in spans)


def sentence_of(example: Example, i: int) -> Span:
    """Return the sentence that holds a word."""
    return next(sentence for sentence in example.sentences if sentence[0] <= i < sentence[1])


def is_subject(example: Example, name: Span, wordnet) -> bool:
    """Whether a name opens its sentence, or its clause, alone: no part of a longer noun phrase, and no mere possessor."""
    start, end = name
    first = start
    while first > 0 and example.paragraph[first - 1].lower() in _OPENING and not starts_sentence(example, first):
        first -= 1
    if not starts_sentence(example, first) and (example.paragraph[first - 1] != "," or not opens_clause(example, first)):
        return False
    following = example.paragraph[end] if end < sentence_of(example, start)[1] else "."
    return following not in {"'s", "'"} and not modifies(example, name, wordnet)


def opens_clause(example: Example, i: int, wanted: str = "") -> bool:
    """Whether a word is the first of its sentence, or follows an opening adjunct ("In 1905, it", "Opened in 1905, it")."""
    start, _ = sentence_of(example, i)
    before = [word.lower() for word in example.paragraph[start:i]]
    if not before:
        return True
    if wanted in ("thing", "plural") and (before[0] in _SUBORDINATING or len(before) > 8):
        return False
    if before[-1] == ",":
        opens = before[0] in _OPENERS | _SUBORDINATING | _IRREGULAR_PARTICIPLES
        return opens or before[0].endswith(("ed", "ing", "ly"))
    short = "," not in before and len(before) <= 4
    return short and (before[0] in _OPENERS | _SUBORDINATING or before[1:] == ["of"])  # "Most of its people"


def modifies(example: Example, name: Span, wordnet) -> bool:
    """Whether a name is a mere part of a longer noun phrase ("Safavid art", "a Notre Dame graduate")."""
    return name[1] < sentence_of(example, name[0])[1] and is_noun(wordnet, example.paragraph[name[1]])


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
    if example.paragraph[name[0] - 1] not in _QUOTES or after not in _QUOTES:
        return False
    # A nickname is a part of the name around it: Lucas "Luke" Jackson.
    around = (name[0] - 2, name[1] + 1)
    return not (around[0] >= start and around[1] < end and all(is_capital(example, i) for i in around))


def could_be(example: Example, name: Span, wordnet) -> frozenset[str]:
    """Return what a name can be by what is known of it: some of male, female, thing, plural; ANYTHING where unknown."""
    words = [word.lower() for word in example.paragraph[slice(*name)]]
    if _DATES & set(words):
        return frozenset({"thing"})
    if "and" in words[1:-1] and words[0] in first_names() and words[words.index("and") + 1] in first_names():
        return frozenset({"plural"})  # two people
    before = example.paragraph[name[0] - 1].lower() if name[0] else ""
    titled = {*words, before}
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
    # A surname may be a word for a thing as well ("Whitehead"), but a place is likelier the place.
    if genders and (called == "person" or len(words) > 1 or not of_kind & {"location", "group"}):
        return genders
    if (
        called == "person"
        or _is_titled(words, before)
        or (of_kind & _PEOPLE_KINDS and not of_kind & (_THING_KINDS | {"group"}))
    ):
        return PEOPLE
    if "group" in of_kind:
        return frozenset({"thing", "plural"})
    if of_kind & _THING_KINDS and not of_kind & _PEOPLE_KINDS:
        return frozenset({"thing"})
    last = kinds(wordnet, words[-1]) if len(words) > 1 and not genders else set()
    if last & (_THING_KINDS | {"group"}):
        return frozenset({"thing", "plural"}) if words[-1].endswith("s") or "group" in last else frozenset({"thing"})
    if before in _BEFORE_PLACES and not starts_sentence(example, name[0]):
        return frozenset({"thing", "plural"})
    return ANYTHING if words[-1].endswith("s") or "and" in words[1:-1] else ANYTHING - {"plural"}


def _is_titled(words: list[str], before: str) -> bool:
    own = len(words) > 1 and words[1].rstrip(".").isalpha() and words[1] not in _INSIDE_NAME
    return before.rstrip(".") in _PERSON_TITLES or (own and words[0].rstrip(".") in _PERSON_TITLES)


def _first_name(example: Example, words: list[str]) -> frozenset[str]:
    """Return the genders of a name's first name; a surname alone borrows that of its full name in the paragraph."""
    table = first_names()
    words = [unaccented(word) for word in words]
    if len(words) > 1 and words[0].rstrip(".") in _PERSON_TITLES:
        words = words[1:]
    if words[0] in table and len(words) <= 4:
        return table[words[0]]
    if len(words) == 1:
        for start, end in names_in(example, 0, len(example.paragraph)):
            name = [unaccented(word) for word in example.paragraph[start:end]]
            if 1 < len(name) <= 4 and name[-1] == words[0] and name[0] in table:
                return table[name[0]]
        title = [unaccented(word) for word in title_words(example)]
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
