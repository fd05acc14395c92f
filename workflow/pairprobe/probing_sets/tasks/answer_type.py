"""Answer type: a question that starts with who, when or where, and its answer's words.

"We extract examples that question starts with who, when and where because these questions has specific answer types"
(section 2.2 of the paper). Not all have: "when rock melts, what is formed?" asks for no time, and "where does the name come
from?" for no place where a language answers it. So a pair counts only if the answer's words can be of the question's type.
"""

import re

from pairprobe.data import text
from pairprobe.data.examples import Example
from pairprobe.probing_sets.pairs import Pair
from pairprobe.probing_sets.wordnet import WordNet

VIEW = "paragraph"

QUESTION_WORDS = frozenset({"who", "when", "where"})

_TIME_WORDS = frozenset(
    """
    january february march april may june july august september october november december
    jan feb mar apr jun jul aug sep sept oct nov dec
    monday tuesday wednesday thursday friday saturday sunday
    spring summer autumn fall winter christmas easter
    minute minutes hour hours day days night nights week weeks weekend weekends month months season seasons
    year years decade decades century centuries millennium millennia
    dawn morning noon afternoon dusk evening midnight today tonight tomorrow yesterday
    time times age ages era eras period periods epoch birth beginning end bc bce ad ce
    early late soon ago before after prior during following since until till when while
    """.split()
)
_YEAR = re.compile(r"1\d{3}|20\d\d")
# 1998, 1990s, 90s, 336, 10:30; "11,770" is an amount.
_TIME_NUMBER = re.compile(r"[1-9]\d{2,3}\.?|\d{2,4}s|\d{1,2}:\d\d")
_AMOUNTS = frozenset("% percent thousand million billion trillion $ £ €".split())
# Inside a word: "mid-1990s", "2012–2013", "late-night".
_JOINTS = re.compile("[-–/]")

_ASKS_RANK = re.compile(r"\brank(s|ed)?\b")
_ASKS_ORIGIN = re.compile(r"\boriginate|\b(come|comes|came|coming|get|gets|got|derives?|derived)\b.* from\b")
_PREPOSITIONS = frozenset(
    "about across as at between by for from in into near of on onto over to through under upon with".split()
)
_PREPOSITIONS_OF_PLACE = frozenset({"across", "at", "in", "near"})
# "in what is now Galicia", "in the neighbouring Pakistan".
_MOST_WORDS_BEHIND_PREPOSITION = 3


def find(example: Example, wordnet: WordNet | None = None) -> Pair | str:
    """Pair the question's first word with the answer's words, punctuation apart; or say why not."""
    asked = example.question[0].lower()
    if asked not in QUESTION_WORDS:
        return "the question does not start with who, when or where"
    if example.answer is None:
        return "no short answer"
    match = tuple(i for i in range(*example.answer) if text.is_lexical(example.paragraph[i]))
    if not match:
        return "the answer has no word with a letter or digit"
    of_type = {"who": _can_be_someone, "when": _can_be_time, "where": _can_be_place}[asked]
    if not of_type(example, match):
        return f"the answer is of another type than {asked} asks for"
    return Pair("question", (0,), match)


def _can_be_someone(example: Example, match: tuple[int, ...]) -> bool:
    """Whether the answer holds no year ("who is the founder and when was it founded")."""
    return not any(_YEAR.fullmatch(example.paragraph[i]) for i in match)


def _can_be_time(example: Example, match: tuple[int, ...]) -> bool:
    """Whether a word of the answer says when: a year or a time of day, a month, a unit of time, "before", "after"."""
    return any(_says_when(example.paragraph, i) for i in match)


def _says_when(paragraph: list[str], i: int) -> bool:
    parts = _JOINTS.split(paragraph[i].lower())
    if not _TIME_WORDS.isdisjoint(parts):
        return True
    counts = not _AMOUNTS.isdisjoint(word.lower() for word in paragraph[max(i - 1, 0) : i + 2])
    return not counts and any(_TIME_NUMBER.fullmatch(part) for part in parts)


def _can_be_place(example: Example, match: tuple[int, ...]) -> bool:
    """Whether the answer is no time and no number, and the question asks for no rank, nor for a source that is no place."""
    words = [example.paragraph[i] for i in match]
    number = any(word[0].isdigit() for word in words) and not any(word[0].isupper() for word in words)
    if number or any(_YEAR.fullmatch(word) for word in words):
        return False
    question = " ".join(example.question).lower()
    return not _ASKS_RANK.search(question) and (not _ASKS_ORIGIN.search(question) or _stands_as_place(example))


def _stands_as_place(example: Example) -> bool:
    """Whether a preposition of place opens the answer or stands before it: "in Denmark", not "from Old French"."""
    if example.answer is None:
        return False
    first = example.answer[0]
    before = example.paragraph[max(first - 1 - _MOST_WORDS_BEHIND_PREPOSITION, 0) : first + 1]
    prepositions = [word.lower() for word in before if word.lower() in _PREPOSITIONS]
    return bool(prepositions) and prepositions[-1] in _PREPOSITIONS_OF_PLACE
