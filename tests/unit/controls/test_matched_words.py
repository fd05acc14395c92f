"""Which paragraph words are like another, on paragraphs that can be checked by eye."""

from collections import Counter

import numpy as np
import pytest
from samples import pair

from pairprobe.controls.matched_words import (
    WordProperties,
    by_frequency,
    by_frequency_and_part_of_speech,
    by_position,
    part_of_speech,
    word_frequencies,
)
from pairprobe.data.examples import Example


def example(paragraph, question="what is it", name="1", sentences=None):
    words = paragraph.split()
    return Example(name, "Page", question.split(), words, None, sentences or [(0, len(words))])


def places(found):
    return np.flatnonzero(found).tolist()


def test_words_are_counted_without_case_and_a_paragraph_of_two_questions_once():
    examples = [example("The cat The"), example("The cat The", "and what is this", "2"), example("the dog", name="3")]
    assert word_frequencies(examples) == {"the": 3, "cat": 1, "dog": 1}


def test_by_position_are_the_words_about_as_far_from_the_anchor():
    # Twenty words: a tenth is two. From the question, as far as word 10 are words 8 to 12.
    properties, pool = WordProperties(example(" ".join("abcdefghijklmnopqrst")), Counter()), np.ones(20, bool)
    pool[10] = False
    assert places(by_position(properties, pair([1], [10]), 10, pool)) == [8, 9, 11, 12]
    # What is nearer to the question's last word than word 0 stands in the question: words 1 and 2 are farther.
    pool[0] = False
    assert places(by_position(properties, pair([2], [0]), 0, pool)) == [1, 2]
    # From word 12 of the paragraph, word 16 is four away: two to six away, on both sides.
    assert places(by_position(properties, pair([12], [16], "paragraph"), 16, pool)) == [6, 7, 8, 9, 14, 15, 16, 17, 18]


def test_by_position_looks_farther_where_there_is_none():
    properties, pool = WordProperties(example(" ".join("abcdefghijklmnopqrst")), Counter()), np.zeros(20, bool)
    pool[[3, 4, 19]] = True
    assert places(by_position(properties, pair([0], [10]), 10, pool)) == [4]


def test_by_frequency_are_the_words_of_the_same_power_of_two():
    counts = Counter({"a": 1, "b": 2, "c": 3, "d": 4, "e": 7, "f": 8})
    properties = WordProperties(example("A b c d e f"), counts)
    found = [places(by_frequency(properties, pair([0], [i]), i, np.ones(6, bool))) for i in range(6)]
    assert found == [[0], [1, 2], [1, 2], [3, 4], [3, 4], [5]]


def test_by_frequency_takes_the_next_power_where_there_is_none():
    counts = Counter({"a": 1, "b": 2, "c": 9, "d": 100})
    properties = WordProperties(example("a b c d"), counts)
    assert places(by_frequency(properties, pair([0], [1]), 1, np.array([True, False, False, True]))) == [0]
    assert places(by_frequency(properties, pair([0], [2]), 2, np.array([True, False, False, True]))) == [0, 3]


@pytest.mark.parametrize("like", [by_position, by_frequency])
def test_of_an_empty_pool_nothing_is_like_a_word(like):
    properties = WordProperties(example("a b c"), Counter("abc"))
    assert not like(properties, pair([0], [1]), 1, np.zeros(3, bool)).any()


PARTS = {
    "The": "function", "cats": "n", "quickly": "r", "ate": "v", "large": "a", "meals": "n", "in": "function",
    "Rome": "name", "1905": "number", ",": "symbol", "mid-1990s": "number", "NASA": "name", "zzyzx": "n", "Naples": "name",
    ".": "symbol", "Cats": "n", "Turing": "name", "slept": "v",
}  # fmt: skip


@pytest.mark.slow
def test_each_word_has_the_part_of_speech_that_a_reader_expects(reader):
    words = list(PARTS)
    first, second = words.index("Cats"), words.index("Turing")
    sentences = [(0, first), (first, second), (second, len(words))]
    properties = WordProperties(example(" ".join(words), sentences=sentences), Counter(), reader)
    assert {word: part_of_speech(properties, i) for i, word in enumerate(words)} == PARTS


def test_a_capital_inside_a_sentence_makes_a_name_of_an_ordinary_word(reader):
    properties = WordProperties(example("Cats saw Apple"), Counter(), reader)
    assert [part_of_speech(properties, i) for i in range(3)] == ["n", "v", "name"]


def test_matched_words_are_alike_in_both(reader):
    paragraph = example("a dog ate a bone near Rome and slept")
    counts = Counter({"a": 40, "dog": 1, "ate": 1, "bone": 30, "near": 1, "rome": 1, "and": 90, "slept": 1})
    properties, pool = WordProperties(paragraph, counts, reader), np.ones(9, bool)
    assert places(by_frequency_and_part_of_speech(properties, pair([0], [2]), 2, pool)) == [2, 8]
    pool[1] = False
    # No other noun is as rare as the dog; the frequent one is taken, but never another part of speech.
    assert places(by_frequency_and_part_of_speech(properties, pair([0], [1]), 1, pool)) == [4]
    pool[4] = False
    assert not by_frequency_and_part_of_speech(properties, pair([0], [1]), 1, pool).any()
