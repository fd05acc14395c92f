"""Abbreviation: a question word that is the initials of consecutive paragraph words ("rbc", "red blood cells").

"We ensure that one word in the query is an abbreviation of consecutive phrases in context" (section 2.2 of the paper).
"""

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
    best: tuple[int, ...] = ()
    for start, word in enumerate(paragraph):
        if word[0].lower() != letters[0]:
            continue
        used = _spell(letters, paragraph, start)
        if used and _plausible([paragraph[i] for i in used], letters):
            # The fewest silent words: the tightest reading of the initials.
            if not best or used[-1] - used[0] < best[-1] - best[0]:
                best = used
    return tuple(range(best[0], best[-1] + 1)) if best else ()


def _spell(letters: str, paragraph: list[str], start: int) -> tuple[int, ...]:
    """Return the positions of the words, from ``start``, that lend one letter each, small words passed over."""
    used, i = [], start
    for letter in letters:
        while used and i < len(paragraph) and paragraph[i].lower() in _SILENT and paragraph[i][0].lower() != letter:
            i += 1
        if i >= len(paragraph) or paragraph[i][0].lower() != letter or len(paragraph[i]) < 2:
            return ()
        used.append(i)
        i += 1
    return tuple(used)


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
        names = [lemma.name() for lemma in synset.lemmas() if "_" in lemma.name()]
        known = [name.replace("_", " ").lower() for name in names if _spell(letters, name.split("_"), 0)]
        if known:
            return " ".join(words).lower() not in known
    return False
