"""Which of an example's words a pair is made of, and which it is ranked among."""

from collections.abc import Collection, Iterable

import numpy as np

from pairprobe.data import text
from pairprobe.probing_sets.pairs import PairRow


def has_vector(vectors: np.ndarray) -> np.ndarray:
    """Return which words have a vector: (words,), bool. vectors: (layers, words, hidden), NaN where a word has none."""
    found: np.ndarray = ~np.isnan(vectors[0, :, 0])
    return found


def words_of_pair(
    pair: PairRow, in_question: np.ndarray, in_paragraph: np.ndarray
) -> tuple[list[int], list[int], list[int]]:
    """Return the positions of a pair's words that have a vector: the anchor's, the match's, and those in the paragraph.

    in_question, in_paragraph: which words of question and paragraph have a vector, as ``has_vector`` says.
    """
    on_question = pair["anchor"]["side"] == "question"
    anchor = [i for i in pair["anchor"]["words"] if (in_question if on_question else in_paragraph)[i]]
    match = [i for i in pair["match"]["words"] if in_paragraph[i]]
    return anchor, match, match if on_question else match + anchor


def lexical_words(words: list[str]) -> np.ndarray:
    """Return which words have at least one letter or digit: (words,), bool."""
    return np.fromiter(map(text.is_lexical, words), bool, len(words))


def counted_words(paragraph: list[str], has_vector: np.ndarray, punctuation: bool) -> np.ndarray:
    """Return which words count in ranking: (words,), bool.

    Those with a vector (has_vector: (words,), bool) and, unless ``punctuation``, with at least one letter or digit.
    """
    return has_vector if punctuation else has_vector & lexical_words(paragraph)


def forms_of(words: list[str], positions: Iterable[int]) -> set[str]:
    """Return the case-folded forms of the words at these positions."""
    return {words[i].casefold() for i in positions}


def with_form(words: list[str], forms: Collection[str]) -> np.ndarray:
    """Return which words have one of these case-folded forms: (words,), bool."""
    return np.array([word.casefold() in forms for word in words], bool)


def unmatching_words(paragraph: list[str], counted: np.ndarray, paired: Iterable[int]) -> np.ndarray:
    """Return which counted words do not appear in the matching pair: (words,), bool.

    A word is left out when its case-folded form equals that of a paragraph word of the pair.
    """
    others: np.ndarray = counted & ~with_form(paragraph, forms_of(paragraph, paired))
    return others


def runs(size: int, ends: np.ndarray, banned: np.ndarray) -> np.ndarray:
    """Return where the runs of ``size`` consecutive words start that begin and end with one of ``ends`` and hold no banned.

    ends, banned: (words,), bool. Returns positions, ascending.
    """
    starts = np.arange(max(len(ends) - size + 1, 0))
    before = np.concatenate([[0], np.cumsum(banned)])
    found: np.ndarray = starts[ends[starts] & ends[starts + size - 1] & (before[starts + size] == before[starts])]
    return found
