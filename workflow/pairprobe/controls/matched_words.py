"""Paragraph words that are matched with another by position, by frequency or by part of speech.

Each way to match is a function of an example's ``WordProperties``, a pair, the position of one word of its match, and a
pool of the paragraph's words ((words,), bool). It returns which words of the pool are matched with that word, (words,),
bool: at least one where the pool has a word at all that can be.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from pairprobe.data import text
from pairprobe.data.examples import Example
from pairprobe.probing_sets.pairs import PairRow
from pairprobe.probing_sets.wordnet import WordNet, is_ordinary_word, sense_shares

# Two words are about as far from the anchor if their distances differ by this share of the paragraph's words.
DISTANCE_STEP = 0.1


@dataclass(frozen=True, slots=True)
class WordProperties:
    """What an example's words are matched by.

    frequencies: ``word_frequencies`` of all examples. wordnet: for parts of speech.
    """

    example: Example
    frequencies: Counter[str]
    wordnet: WordNet | None = None


def word_frequencies(examples: Iterable[Example]) -> Counter[str]:
    """Count the case-folded words of the examples' paragraphs, a paragraph of several questions once."""
    paragraphs = {tuple(example.paragraph) for example in examples}
    return Counter(word.casefold() for paragraph in paragraphs for word in paragraph)


def by_position(properties: WordProperties, pair: PairRow, word: int, pool: np.ndarray) -> np.ndarray:
    """Return the words that are about as far from the anchor as the word is: a tenth of the paragraph nearer or farther.

    The question's words count as if they stood before the paragraph's. The position of a phrase is its middle.
    """
    first = -len(properties.example.question) if pair["anchor"]["side"] == "question" else 0
    anchor = first + np.mean(pair["anchor"]["words"])
    distances = np.abs(np.arange(len(pool)) - anchor)
    step = DISTANCE_STEP * len(pool)
    return _within(np.abs(distances - distances[word]), pool, step, step)


def by_frequency(properties: WordProperties, pair: PairRow, word: int, pool: np.ndarray) -> np.ndarray:
    """Return the words whose count has the same floor(log2) as the word's, or the next ones where there is none."""
    bins = np.array([properties.frequencies[each.casefold()].bit_length() for each in properties.example.paragraph])
    return _within(np.abs(bins - bins[word]), pool, 0, 1)


def by_frequency_and_part_of_speech(properties: WordProperties, pair: PairRow, word: int, pool: np.ndarray) -> np.ndarray:
    """Return the words of the word's part of speech that are as frequent as it is: see ``by_frequency``."""
    parts = np.array([part_of_speech(properties, i) for i in range(len(pool))])
    return by_frequency(properties, pair, word, pool & (parts == parts[word]))


def part_of_speech(properties: WordProperties, i: int) -> str:
    """Return what kind of word a paragraph word is: symbol, number, function, name, or WordNet's n, v, a or r.

    Coarse, and by the word alone. A stop word is a function word. A word with a capital is a name, unless it opens a
    sentence and WordNet has it in lower case. Any other word is what most of its uses in WordNet are, and a noun where
    WordNet does not have it.
    """
    word = properties.example.paragraph[i]
    lower = word.lower()
    if not text.is_lexical(word):
        return "symbol"
    if any(character.isdigit() for character in word):
        return "number"
    if lower in text.STOP_WORDS:
        return "function"
    opens = any(i == start for start, _ in properties.example.sentences)
    if not word.islower() and not (opens and is_ordinary_word(properties.wordnet, lower)):
        return "name"
    shares: defaultdict[str, float] = defaultdict(float)
    for synset, share in sense_shares(properties.wordnet, lower).items():
        shares[synset.pos().replace("s", "a")] += share
    return max(shares, key=shares.__getitem__, default="n")


def _within(differences: np.ndarray, pool: np.ndarray, width: float, step: float) -> np.ndarray:
    """Return the words of a pool that differ by at most ``width``, made wider step by step until there is one."""
    while pool.any() and not (pool & (differences <= width)).any():
        width += step
    return pool & (differences <= width)
