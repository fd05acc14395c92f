"""Abbreviation: a question word that is the initials of consecutive paragraph words ("rbc", "red blood cells").

"We ensure that one word in the query is an abbreviation of consecutive phrases in context" (section 2.2 of the paper).
"""

import re
from collections.abc import Iterator

from pairprobe.data import text
from pairprobe.data.examples import Example
from pairprobe.probing_sets.pairs import Pair
from pairprobe.probing_sets.wordnet import WordNet, is_ordinary_word

VIEW = "paragraph"
USES_WORDNET = True

# Words within a full form that may lend no letter: FBI, Federal Bureau of Investigation.
_SILENT = frozenset({"of", "the", "and", "for", "in", "on", "to", "at", "by", "&", "de"})
# Where the paragraph gives the abbreviation beside the full form, more words can be known to lend none.
_SILENT_IF_GIVEN = _SILENT | text.STOP_WORDS | {","}
# What stands between a full form and its abbreviation: "X ( Y", "X , or Y", "X – Y", "Y stands for X".
_LINKS = frozenset(
    "( [ ' '' ` `` \" \u201c \u201d \u2018 \u2019 , : - \u2013 \u2014 or the a an as is for from abbreviated called known "
    "short stands".split()
)
_MOST_LINKS = 4
_ROMAN = frozenset("ivxl")
_STOPPED = re.compile(r"([a-z]\.)+[a-z]\.?")
_JOINTS = re.compile(r"[-/–]")


def find(example: Example, wordnet: WordNet) -> Pair | str:
    """Pair the first question word that abbreviates words of the paragraph with these words; or say why not."""
    why = "no question word could be an abbreviation"
    for i, word in enumerate(example.question):
        if not _could_abbreviate(example.question, i):
            continue
        is_one = _looks_abbreviated(example.question, i) or not is_ordinary_word(wordnet, letters_of(word))
        if is_one:
            why = "the abbreviation's full form is not in the paragraph"
        for letters in _readings(word):
            match = given_form(letters, example.paragraph)
            if not match and is_one:
                match = full_form(letters, example.paragraph, wordnet)
            if match:
                return Pair("question", (i,), match)
    return why


def letters_of(word: str) -> str:
    """Return the letters of an abbreviation, in lower case: "N.A.T.O." and "NATO's" give "nato"."""
    return word.lower().removesuffix("'s").replace(".", "")


def _readings(word: str) -> list[str]:
    """Return the letters of an abbreviation, and those without a plural's s ("MVPs", "rbcs") where enough are left."""
    letters = letters_of(word)
    plural = word.endswith("s") and word[-2:-1].isalpha() and len(letters) > (2 if word[-2].isupper() else 3)
    return [letters, letters[:-1]] if plural else [letters]


def _could_abbreviate(question: list[str], i: int) -> bool:
    word, letters = question[i], letters_of(question[i])
    # In a question that has capitals a word with one is a name.
    could = letters not in text.STOP_WORDS and (word.islower() or not _tells_case(question))
    return (
        2 <= len(letters) <= 8
        and letters.isalpha()
        and not set(letters) <= _ROMAN
        and (could or _looks_abbreviated(question, i))
    )


def _looks_abbreviated(question: list[str], i: int) -> bool:
    """Whether a word is written as an abbreviation, so that it is no other word, whatever its letters ("US", "u.s.").

    In a question without capitals a stop word behind "the" is one, too: "the us", "the who".
    """
    if _tells_case(question):
        return _has_capitals(question[i])
    word = question[i].lower()
    return bool(_STOPPED.fullmatch(word)) or (word in text.STOP_WORDS and i > 0 and question[i - 1].lower() == "the")


def _tells_case(question: list[str]) -> bool:
    letters = "".join(question)
    return letters != letters.lower() and letters != letters.upper()


def _has_capitals(word: str) -> bool:
    return sum(letter.isupper() for letter in word) >= 2


def given_form(letters: str, paragraph: list[str]) -> tuple[int, ...]:
    """Find the full form beside which the paragraph gives the abbreviation ("chief executive officer ( CEO )").

    Returns the positions of its words, () where there is none. Of several the nearest to the abbreviation, and the one
    before it goes before the one behind it.
    """
    found = [
        (gap, behind, *_looseness(form, paragraph), form)
        for form in _forms(letters, paragraph, _SILENT_IF_GIVEN)
        for behind, gap in enumerate((_gap_behind(letters, paragraph, form), _gap_before(letters, paragraph, form)))
        if gap
    ]
    return _from_first_to_last(min(found)[-1]) if found else ()


def _gap_behind(letters: str, paragraph: list[str], form: tuple[int, ...]) -> int:
    """Return how many words stand between a form and its abbreviation behind it, 0 where it is not given there.

    Between them are links, or the rest of the form's name and a bracket: "Inner City Games Foundation ( ICG )".
    """
    end = i = form[-1] + 1
    while i < len(paragraph) and i - end < _MOST_LINKS and paragraph[i].lower() in _LINKS:
        i += 1
        if _abbreviates(letters, paragraph, i):
            return i - end
    i = end
    while i < len(paragraph) and (paragraph[i][0].isupper() or paragraph[i].lower() in _SILENT):
        i += 1
    named = paragraph[end - 1][0].isupper() and paragraph[i : i + 1] == ["("]
    return i + 1 - end if named and _abbreviates(letters, paragraph, i + 1) else 0


def _gap_before(letters: str, paragraph: list[str], form: tuple[int, ...]) -> int:
    """Return how many links stand between a form and its abbreviation before it, 0 where it is not given there."""
    for gap in range(1, min(_MOST_LINKS, form[0] - 1) + 1):
        if paragraph[form[0] - gap].lower() not in _LINKS:
            return 0
        if _abbreviates(letters, paragraph, form[0] - gap - 1):
            return gap
    return 0


def _abbreviates(letters: str, paragraph: list[str], i: int) -> bool:
    """Whether a paragraph word is the abbreviation, written as one; a plural's s may stand behind it."""
    word = paragraph[i] if i < len(paragraph) else ""
    return letters_of(word) in {letters, letters + "s"} and _has_capitals(word)


def full_form(letters: str, paragraph: list[str], wordnet: WordNet) -> tuple[int, ...]:
    """Find consecutive paragraph words whose initials are ``letters``; returns their positions, () where there are none.

    Small words (of, the, and, ...) may lend no letter. Two letters alone are weak evidence, so the words of a full form
    of two must both be capitalised; where there are more, the words are all of one kind: capitalised, or all not.
    """
    found = [
        used
        for used in _forms(letters, paragraph, _SILENT)
        if _is_of_one_kind([paragraph[i] for i in used], letters)
        and _treats_small_words_alike(used, paragraph)
        and not _ends_longer_name(letters, paragraph, used)
        and not _means_another(letters, [paragraph[i] for i in _from_first_to_last(used)], wordnet)
    ]
    return _from_first_to_last(min(found, key=lambda used: _looseness(used, paragraph))) if found else ()


def _from_first_to_last(form: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(range(form[0], form[-1] + 1))


def _looseness(form: tuple[int, ...], paragraph: list[str]) -> tuple[int, int]:
    # Small words lend a letter only where they must (NOAA); then the tightest reading of the initials.
    return sum(paragraph[i].lower() in _SILENT for i in form), form[-1] - form[0]


def _forms(letters: str, paragraph: list[str], silent: frozenset[str]) -> Iterator[tuple[int, ...]]:
    """Yield the positions of words that spell the letters: two or more not small, the first and the last of all."""
    for start in range(len(paragraph)):
        for used in _spellings(letters, paragraph, start, silent):
            words = [paragraph[i] for i in used]
            small = [word.lower() in _SILENT or word in silent for word in words]
            if small.count(False) >= 2 and not (small[0] or small[-1]) and letters not in map(str.lower, words):
                yield used


def _spellings(letters: str, words: list[str], start: int, silent: frozenset[str] = _SILENT) -> Iterator[tuple[int, ...]]:
    """Yield the ways in which words from ``start`` on lend all the letters; silent words may be passed over."""
    if not letters:
        yield ()
        return
    if start >= len(words):
        return
    for initials in _initials(words[start]):
        if letters.startswith(initials):
            for rest in _after(letters.removeprefix(initials), words, start + 1, silent):
                yield (start, *rest)


def _initials(word: str) -> set[str]:
    """Return the letters that a word can lend: its first, or one for each of its parts ("mortgage-backed": m, mb)."""
    parts = [part[0].lower() for part in _JOINTS.split(word) if part]
    return {"".join(parts[:1]), "".join(parts)} - {""}


def _after(letters: str, words: list[str], i: int, silent: frozenset[str]) -> Iterator[tuple[int, ...]]:
    if letters and i < len(words) and words[i].lower() in silent:
        yield from _after(letters, words, i + 1, silent)
    yield from _spellings(letters, words, i, silent)


def _is_of_one_kind(words: list[str], letters: str) -> bool:
    """Whether words are all capitalised, or, for three letters or more, none behind the first.

    Words that are not all capitalised neither begin nor end with a stop word ("are based in the city").
    """
    content = [word for word in words if word.lower() not in _SILENT]
    if any(len(word) == 1 and word.isalnum() for word in words):
        return False
    capitals = [word[0].isupper() for word in content]
    if all(capitals):
        return True
    return len(letters) > 2 and not any(capitals[1:]) and not {words[0].lower(), words[-1].lower()} & text.STOP_WORDS


def _treats_small_words_alike(form: tuple[int, ...], paragraph: list[str]) -> bool:
    """Whether the small words between lend a letter, all of them ("Lord of the Rings"), or none does; "the" never must."""
    small = {i for i in _from_first_to_last(form) if paragraph[i].lower() in _SILENT}
    return not small & set(form) or all(i in form or paragraph[i].lower() == "the" for i in small)


def _ends_longer_name(letters: str, paragraph: list[str], form: tuple[int, ...]) -> bool:
    """Whether words are the end of a name that the paragraph abbreviates: "Royal Canadian Air Force ( RCAF )" is no CAF."""
    behind = paragraph[form[-1] + 1 : form[-1] + 3]
    longer = letters_of(behind[1]) if len(behind) == 2 and behind[0] == "(" else ""
    more = len(longer) - len(letters)
    return more > 0 and longer.endswith(letters) and form[0] > 0 and paragraph[form[0] - 1][0].lower() == longer[more - 1]


def _means_another(letters: str, words: list[str], wordnet: WordNet) -> bool:
    """Whether WordNet spells the abbreviation out as something else ("usa": not United States Army)."""
    for synset in wordnet.synsets(letters, "n"):
        # The commonest sense that is spelt out decides: USA is the country before it is the army.
        names = [lemma.name().split("_") for lemma in synset.lemmas() if "_" in lemma.name()]
        known = [_gist(name[: used[-1] + 1]) for name in names for used in _spellings(letters, name, 0)]
        if known:
            return _gist(words) not in known
    return False


def _gist(words: list[str]) -> list[str]:
    """Return words in lower case without small words, hyphens and a plural's s: "red blood cells" is "red blood cell"."""
    parts = [part for word in words for part in _JOINTS.split(word.lower())]
    return [part.removesuffix("s") for part in parts if part not in _SILENT]
