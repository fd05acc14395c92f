"""Boundary: the sentence that holds the answer, and where the answer starts and ends."""

import pytest

from pairprobe.data.examples import Example
from pairprobe.probing_sets.pairs import Boundary
from pairprobe.probing_sets.tasks.boundary import find

# Words 0-5, 6-12 and 13-16.
WORDS = "Spain is a fine country . It is governed by a king . He is Felipe .".split()
SENTENCES = [(0, 6), (6, 13), (13, 17)]


def example(answer, sentences=SENTENCES):
    return Example("1", "Spain", "who governs spain".split(), WORDS, answer, sentences)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ((0, 1), (0, 6)),
        ((5, 6), (0, 6)),
        ((6, 7), (6, 13)),
        ((10, 12), (6, 13)),
        ((15, 16), (13, 17)),
        # All of the sentence but its full stop.
        ((13, 16), (13, 17)),
    ],
)
def test_the_sentence_is_the_one_that_holds_the_answer(answer, sentence):
    assert find(example(answer)) == Boundary(sentence, answer)


@pytest.mark.parametrize(("answer", "sentence"), [((4, 7), (0, 13)), ((12, 14), (6, 17)), ((5, 14), (0, 17))])
def test_an_answer_across_sentences_has_all_of_them_for_its_sentence(answer, sentence):
    assert find(example(answer)) == Boundary(sentence, answer)


def test_a_question_without_a_short_answer_has_no_boundary():
    assert find(example(None)) == "no short answer"


@pytest.mark.parametrize("answer", [(0, 6), (6, 17), (0, 17)])
def test_an_answer_that_is_the_whole_sentence_leaves_nothing_to_find(answer):
    assert find(example(answer)) == "the answer is the whole sentence"


def test_a_paragraph_of_one_sentence_is_the_sentence():
    assert find(example((3, 5), [(0, 17)])) == Boundary((0, 17), (3, 5))
