"""Which paragraph words are like another: in place, in frequency, in part of speech.

Each way is a function of a ``Context``, a pair, the position of one word of its match and a pool of the paragraph's words
((words,), bool), and returns those of the pool that are like the word: at least one where the pool allows it.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from pairprobe.data import text
from pairprobe.data.examples import Example
from pairprobe.probing_sets.wordnet import is_ordinary_word, sense_shares

# Words are about as far from the anchor if their distances differ by this share of the paragraph's words.
NEAR = 0.1


@dataclass(frozen=True, slots=True)
class Context:
    """What words are compared by: the example, how often each word occurs (``word_counts``), and WordNet or None."""

    example: Example
    counts: Counter
    wordnet: object = None


def word_counts(examples: Iterable[Example]) -> Counter:
    """Count the case-folded words of the examples' paragraphs, a paragraph of several questions once."""
    paragraphs = {tuple(example.paragraph) for example in examples}
    return Counter(word.casefold() for paragraph in paragraphs for word in paragraph)


def in_place(context: Context, pair: dict, word: int, pool: np.ndarray) -> np.ndarray:
    """Return the words that are about as far from the anchor as the word is: a tenth of the paragraph nearer or farther.

    The question's words are thought to stand before the paragraph's; a phrase stands where its middle is.
    """
    first = -len(context.example.question) if pair["anchor"]["side"] == "question" else 0
    anchor = first + np.mean(pair["anchor"]["words"])
    distances = np.abs(np.arange(len(pool)) - anchor)
    step = NEAR * len(pool)
    return _within(np.abs(distances - distances[word]), pool, step, step)


def in_frequency(context: Context, pair: dict, word: int, pool: np.ndarray) -> np.ndarray:
    """Return the words whose count has the same floor(log2) as the word's, or the next ones where there is none."""
    bins = np.array([context.counts[each.casefold()].bit_length() for each in context.example.paragraph])
    return _within(np.abs(bins - bins[word]), pool, 0, 1)


def in_frequency_and_part_of_speech(context: Context, pair: dict, word: int, pool: np.ndarray) -> np.ndarray:
    """Return the words of the word's part of speech that are as frequent as it is: see ``in_frequency``."""
    parts = np.array([part_of_speech(context, i) for i in range(len(pool))])
    return in_frequency(context, pair, word, pool & (parts == parts[word]))


def part_of_speech(context: Context, i: int) -> str:
    """Return what kind of word a paragraph word is: symbol, number, function, name, or WordNet's n, v, a or r.

    Coarse, and by the word alone. A stop word is a function word. A capital that neither the start of a sentence nor an
    ordinary word explains makes a name. Else it is what most of the word's uses in WordNet are, and a noun where WordNet
    does not have the word.
    """
    word = context.example.paragraph[i]
    lower = word.lower()
    if not text.is_lexical(word):
        return "symbol"
    if any(character.isdigit() for character in word):
        return "number"
    if lower in text.STOP_WORDS:
        return "function"
    opens = any(i == start for start, _ in context.example.sentences)
    if not word.islower() and not (opens and is_ordinary_word(context.wordnet, lower)):
        return "name"
    shares: Counter = Counter()
    for synset, share in sense_shares(context.wordnet, lower).items():
        shares[synset.pos().replace("s", "a")] += share
    return max(shares, key=shares.__getitem__, default="n")


def _within(differences: np.ndarray, pool: np.ndarray, width: float, step: float) -> np.ndarray:
    """Return the words of a pool that differ by at most ``width``, made wider step by step until there is one."""
    while pool.any() and not (pool & (differences <= width)).any():
        width += step
    return pool & (differences <= width)
