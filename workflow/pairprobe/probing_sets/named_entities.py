"""Named entities by rule: runs of capitalised words, which of them are names, and where in the sentence they stand.

No tagger and no model. What gender and number a name has is in ``agreement``.
"""

import re
import unicodedata
import urllib.parse
from collections.abc import Iterator

from pairprobe.data import text
from pairprobe.data.documents import Span
from pairprobe.data.examples import Example
from pairprobe.probing_sets.wordnet import WordNet, is_ordinary_word, sense_shares

# Words in lower case that a name may have inside.
SMALL_WORDS = frozenset("of the and in de la le du von van der del 's for to on a an at with from by & - – or".split())
QUOTES = frozenset({'"', "``", "''", "\u201c", "\u201d"})
# What may stand between a sentence's start and the name that is its subject.
_BEFORE_SUBJECT = frozenset({'"', "``", "'", "\u201c", "\u2018", "(", "the", "a", "an"})
_POSSESSIVE = re.compile("(?=['\u2019]s$)")

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
_LONGEST_ADJUNCT = 8
_LONGEST_ADJUNCT_WITHOUT_COMMA = 4


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
    while i > 0 and example.paragraph[i - 1] in QUOTES | {"("}:
        i -= 1
    return any(i == start for start, _ in example.sentences)


def sentence_of(example: Example, i: int) -> Span:
    """Return the sentence that holds a word."""
    return next(sentence for sentence in example.sentences if sentence[0] <= i < sentence[1])


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
        while j < stop and (is_capital(example, j) or example.paragraph[j].lower() in SMALL_WORDS):
            last = j if is_capital(example, j) else last
            j += 1
        yield i, last + 1
        i = last + 1


def entities_in(example: Example, start: int, end: int, wordnet: WordNet) -> Iterator[Span]:
    """Yield the names that may be entities: the page's title where it is written as a name, and runs of capitalised words.

    The title tells where its name begins and ends: "Along Came a Spider" has a small word first, "Sugar, Sugar" a comma. It
    takes the place of the runs that it overlaps, unless a longer run holds it.
    """
    runs = list(names_in(example, start, end))
    titles = [title for title in _titles_in(example, start, end) if not any(_holds(run, title) for run in runs)]
    yield from titles
    for run in runs:
        if is_proper(example, run, wordnet) and not any(_overlap(run, title) for title in titles):
            yield run


def _holds(outer: Span, inner: Span) -> bool:
    return outer[0] <= inner[0] and inner[1] <= outer[1]


def _overlap(one: Span, other: Span) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def _titles_in(example: Example, start: int, end: int) -> Iterator[Span]:
    """Yield where the page's title of several words stands, each of them a capital first or small inside a name."""
    title = title_words(example)
    if len(title) < 2:
        return
    i = start
    while i < end:
        span = spelled_at(example.paragraph[:end], i, title)
        words = example.paragraph[slice(*span)] if span else []
        if span and words[0][0].isupper() and all(_fits_inside(word) for word in words):
            yield span
            i = span[1]
        else:
            i += 1


def _fits_inside(word: str) -> bool:
    return not word[0].islower() or word in SMALL_WORDS or word in text.STOP_WORDS


def title_words(example: Example) -> list[str]:
    """Return the words of the page's title, without what stands in brackets; SQuAD writes them as in an address."""
    return urllib.parse.unquote(example.title).replace("_", " ").split(" (")[0].split()


def is_proper(example: Example, name: Span, wordnet: WordNet) -> bool:
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
    capital_from_start = (
        starts_sentence(example, start) and is_ordinary_word(wordnet, word.lower()) and not _has_capital(wordnet, word)
    )
    return not capital_from_start or _is_shown_as_name(example, start)


def _has_capital(wordnet: WordNet, word: str) -> bool:
    return any(lemma.name() == word for synset in wordnet.synsets(word.lower()) for lemma in synset.lemmas())


def _is_shown_as_name(example: Example, i: int) -> bool:
    word = example.paragraph[i]
    return (
        (i > 0 and example.paragraph[i - 1] in QUOTES)
        or word in example.question[1:]
        or word in title_words(example)[1:]
        or any(other == word and not starts_sentence(example, j) for j, other in enumerate(example.paragraph))
    )


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


def is_subject(example: Example, name: Span, wordnet: WordNet) -> bool:
    """Whether a name opens its sentence, or its clause, alone: no part of a longer noun phrase, and no mere possessor."""
    start, end = name
    first = start
    while first > 0 and example.paragraph[first - 1].lower() in _BEFORE_SUBJECT and not starts_sentence(example, first):
        first -= 1
    behind_adjunct = first > 0 and example.paragraph[first - 1] == "," and opens_clause(example, first)
    if not starts_sentence(example, first) and not behind_adjunct:
        return False
    following = example.paragraph[end] if end < sentence_of(example, start)[1] else "."
    return following not in {"'s", "'"} and not modifies(example, name, wordnet)


def opens_clause(example: Example, i: int, pronoun: str = "") -> bool:
    """Whether a word is the first of its sentence, or follows an opening adjunct ("In 1905, it", "Opened in 1905, it").

    pronoun: what a pronoun at this place stands for. Before "thing" and "plural" the adjunct must be short and no clause,
    whose own subject the pronoun could mean.
    """
    start, _ = sentence_of(example, i)
    before = [word.lower() for word in example.paragraph[start:i]]
    if not before:
        return True
    if pronoun in ("thing", "plural") and (before[0] in _SUBORDINATING or len(before) > _LONGEST_ADJUNCT):
        return False
    opener = before[0] in _OPENERS | _SUBORDINATING
    if before[-1] == ",":
        return opener or before[0] in _IRREGULAR_PARTICIPLES or before[0].endswith(("ed", "ing", "ly"))
    most_of = before[1:] == ["of"]  # "Most of its people"
    return "," not in before and len(before) <= _LONGEST_ADJUNCT_WITHOUT_COMMA and (opener or most_of)


def modifies(example: Example, name: Span, wordnet: WordNet) -> bool:
    """Whether a name is a mere part of a longer noun phrase ("Safavid art", "a Notre Dame graduate")."""
    return name[1] < sentence_of(example, name[0])[1] and is_noun(wordnet, example.paragraph[name[1]])


def is_noun(wordnet: WordNet, word: str) -> bool:
    """Whether a lower-case word is most often a noun ("art" behind "Safavid")."""
    if not word.isalpha() or not word.islower() or word in text.STOP_WORDS:
        return False
    shares = sense_shares(wordnet, word)
    return sum(share for synset, share in shares.items() if synset.pos() == "n") > 0.5


def fills_quotation(example: Example, name: Span) -> bool:
    """Whether a name that stands in quotation marks is the whole of what they hold."""
    start, end = sentence_of(example, name[0])
    is_quoted = sum(word in QUOTES for word in example.paragraph[start : name[0]]) % 2
    if not is_quoted:
        return True
    after = example.paragraph[name[1]] if name[1] < end else ""
    if example.paragraph[name[0] - 1] not in QUOTES or after not in QUOTES:
        return False
    # A nickname is a part of the name around it: Lucas "Luke" Jackson.
    around = (name[0] - 2, name[1] + 1)
    return not (around[0] >= start and around[1] < end and all(is_capital(example, i) for i in around))
