"""Answer type: who, when or where, and the answer's words."""

import pytest

from pairprobe.examples import Example
from pairprobe.probing_sets import Pair
from pairprobe.probing_sets.answer_type import find

RELEASED = "It was released on October 1 , 2012 ."


def example(question, paragraph, answer):
    words = paragraph.split()
    return Example("1", "Page", question.split(), words, answer, [(0, len(words))])


@pytest.mark.parametrize(
    ("question", "paragraph", "answer", "match"),
    [
        # Table 1 of the paper: the comma is no word of the pair.
        ("when did locked out of heaven come out", RELEASED, (4, 8), (4, 5, 7)),
        ("when does the movie battle of the sexes come out", "out on September 22 , 2017 , by Fox", (2, 6), (2, 3, 5)),
        ("who sang it", "It is by Bruno Mars .", (3, 5), (3, 4)),
        ("where is it", "It is in Spain .", (3, 4), (3,)),
        ("Who sang it", "It is by `` P!nk '' .", (3, 6), (4,)),
        ("WHEN", "In 1905 .", (1, 3), (1,)),
    ],
)
def test_the_first_word_is_paired_with_the_words_of_the_answer(question, paragraph, answer, match):
    assert find(example(question, paragraph, answer)) == Pair("question", (0,), match)


@pytest.mark.parametrize(
    "question", ["what is it", "how many are there", "whose is it", "whom did he see", "in what year and where", "wherever"]
)
def test_another_first_word_makes_no_pair(question):
    assert find(example(question, RELEASED, (4, 8))) == "the question does not start with who, when or where"


def test_a_question_without_a_short_answer_makes_no_pair():
    assert find(example("when was it", RELEASED, None)) == "no short answer"


def test_an_answer_of_punctuation_alone_makes_no_pair():
    assert find(example("when was it", "It was , - .", (2, 4))) == "the answer has no word with a letter or digit"
