"""Abbreviation: a question word that is the initials of consecutive paragraph words ("rbc", "red blood cells").

"We ensure that one word in the query is an abbreviation of consecutive phrases in context" (section 2.2 of the paper).
"""

from collections.abc import Iterator

from pairprobe import text
from pairprobe.examples import Example
from pairprobe.probing_sets import Pair
from pairprobe.wordnet import is_ordinary_word

VIEW = "paragraph"
USES_WORDNET = True

# Words within a full form that may lend no letter: FBI, Federal Bureau of Investigation.
_SILENT = frozenset({"of", "the", "and", "for", "in", "on", "to", "at", "by", "&", "de"})
_ROMAN = frozenset("ivxlcdm")


def find(example: Example, wordnet) -> Pair | str:
    """Pair the first question word that abbreviates words of the paragraph with these words; or say why not."""
    candidates = [i for i, word in enumerate(example.question) if _could_abbreviate(word, wordnet)]
    if not candidates:
        return "no question word could be an abbreviation"
    for i in candidates:
        letters = letters_of(example.question[i])
        match = full_form(letters, example.paragraph)
        if match and not _means_another(letters, [example.paragraph[j] for j in match], example.paragraph, wordnet):
            return Pair("question", (i,), match)
    return "the abbreviation's full form is not in the paragraph"


def letters_of(word: str) -> str:
    """Return the letters of an abbreviation, in lower case: "N.A.T.O." gives "nato"."""
    return word.lower().replace(".", "")


def _could_abbreviate(word: str, wordnet) -> bool:
    letters = letters_of(word)
    return (
        2 <= len(letters) <= 8
        and letters.isalpha()
        and letters not in text.STOP_WORDS
        and not set(letters) <= _ROMAN - {"d", "m", "c"}
        and not is_ordinary_word(wordnet, letters)
    )


def full_form(letters: str, paragraph: list[str]) -> tuple[int, ...]:
    """Find consecutive paragraph words whose initials are ``letters``; returns their positions, () where there are none.

    Small words (of, the, and, ...) may lend no letter. Two letters alone are weak evidence, so the words of a full form
    of two must both be capitalised; where there are more, the words are all of one kind: capitalised, or all not.
    """
    found = [
        used
        for start in range(len(paragraph))
        for used in _spellings(letters, paragraph, start)
        if _plausible([paragraph[i] for i in used], letters)
    ]
    if not found:
        return ()
    # Small words lend a letter only where they must (NOAA); then the tightest reading of the initials.
    best = min(found, key=lambda used: (sum(paragraph[i].lower() in _SILENT for i in used), used[-1] - used[0]))
    return tuple(range(best[0], best[-1] + 1))


def _spellings(letters: str, words: list[str], start: int) -> Iterator[tuple[int, ...]]:
    """Yield the ways in which words from ``start`` on lend the letters, one each; small words may be passed over."""
    if not letters:
        yield ()
        return
    if start >= len(words):
        return
    word = words[start]
    if word[0].lower() == letters[0] and len(word) > 1:
        for rest in _after(letters[1:], words, start + 1):
            yield (start, *rest)


def _after(letters: str, words: list[str], i: int) -> Iterator[tuple[int, ...]]:
    if letters and i < len(words) and words[i].lower() in _SILENT:
        yield from _after(letters, words, i + 1)
    yield from _spellings(letters, words, i)


def _plausible(words: list[str], letters: str) -> bool:
    content = [word for word in words if word.lower() not in _SILENT]
    if len(content) < 2 or words[-1].lower() in _SILENT or words[0].lower() in _SILENT:
        return False
    if any(word.lower() == letters for word in words):
        return False
    capitals = [word[0].isupper() for word in content]
    return all(capitals) if len(letters) == 2 else all(capitals) or not any(capitals[1:])


def _means_another(letters: str, words: list[str], paragraph: list[str], wordnet) -> bool:
    """Whether WordNet spells the abbreviation out as something else ("usa": not United States Army).

    The paragraph's word goes before WordNet's where it gives the abbreviation right behind the full form.
    """
    after = text.contains_words(paragraph, words) + len(words)
    if any(word.lower().strip("s") == letters.strip("s") for word in paragraph[after : after + 4]):
        return False
    for synset in wordnet.synsets(letters, "n"):
        # The commonest sense that is spelt out decides: USA is the country before it is the army.
        names = [lemma.name().split("_") for lemma in synset.lemmas() if "_" in lemma.name()]
        known = [_singular(name[: used[-1] + 1]) for name in names for used in _spellings(letters, name, 0)]
        if known:
            return _singular(words) not in known
    return False


def _singular(words: list[str]) -> list[str]:
    """Return words in lower case without a plural's s, so that "red blood cells" is "red blood cell"."""
    return [word.lower().removesuffix("s") for word in words]
