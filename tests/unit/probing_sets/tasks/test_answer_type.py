"""Answer type: who, when or where, and the answer's words."""

import pytest
from samples import example

from pairprobe.probing_sets.pairs import Pair
from pairprobe.probing_sets.tasks.answer_type import find

RELEASED = "It was released on October 1 , 2012 ."


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


def pair_of(question, paragraph, answer):
    """Look for the answer's words in the paragraph, and for the pair that they make."""
    words, wanted = paragraph.split(), answer.split()
    start = next(i for i in range(len(words)) if words[i : i + len(wanted)] == wanted)
    return find(example(question, paragraph, (start, start + len(wanted))))


@pytest.mark.parametrize(
    ("paragraph", "answer"),
    [
        ("The mill opened in 1874 .", "1874"),
        ("The abbey stood there by 742 already .", "742"),
        ("It closed in the mid-1990s for good .", "mid-1990s"),
        ("It was rebuilt 1931–1934 by the town .", "1931–1934"),
        ("The bell rings at 7:30 .", "7:30"),
        ("It opens on the first Sunday in May .", "first Sunday in May"),
        ("It was built in the late ninth century .", "late ninth century"),
        ("The owls hunt at night .", "night"),
        ("Trains ran on a late-night timetable .", "late-night"),
        ("It was sold after the flood .", "after the flood"),
        ("Guests may enter when the gate is open .", "when the gate is open"),
        ("He left During the siege .", "During the siege"),
        ("The dam formed 2.5 million years ago .", "2.5 million years ago"),
    ],
)
def test_an_answer_to_when_names_a_time(paragraph, answer):
    assert isinstance(pair_of("when did it happen", paragraph, answer), Pair)


@pytest.mark.parametrize(
    ("question", "paragraph", "answer"),
    [
        ("when snow melts on the roof what forms", "Below the roof icicles form .", "icicles"),
        ("when are you rich", "A household is rich with $ 90,500 .", "$ 90,500"),
        ("when the mine closed how much was lost", "The town lost $ 350 million .", "350 million"),
        ("when the mine closed how much was lost", "The town lost $ 350 at once .", "350"),
        ("when the mine closed how much was lost", "The town lost 350 % of it .", "350"),
        ("when did they meet", "They meet in A Farewell at Sea .", "A Farewell at Sea"),
        ("when does the vote start", "The vote starts with the Top 8 .", "Top 8"),
    ],
)
def test_an_answer_to_when_that_names_no_time_makes_no_pair(question, paragraph, answer):
    assert pair_of(question, paragraph, answer) == "the answer is of another type than when asks for"


@pytest.mark.parametrize(
    ("question", "paragraph", "answer"),
    [
        ("where is the bridge", "The bridge is in Porto .", "Porto"),
        ("where is the office", "The office is at 12 Mill Lane .", "12 Mill Lane"),
        ("where do the frogs live", "The frogs live under wet leaves .", "under wet leaves"),
        ("where did the wine originate", "The wine originated in Georgia .", "Georgia"),
        ("where does the surname come from", "It is common in what is now Latvia .", "Latvia"),
        ("where does the tea come from", "The tea is grown near the old town of Uji .", "near the old town of Uji"),
        # "from" alone asks for a place, and so does "frank".
        ("where was she from", "She was a nurse from Perth .", "Perth"),
        ("where did frank live", "Frank lived with a painter from Perth .", "Perth"),
    ],
)
def test_an_answer_to_where_can_be_a_place(question, paragraph, answer):
    assert isinstance(pair_of(question, paragraph, answer), Pair)


@pytest.mark.parametrize(
    ("question", "paragraph", "answer"),
    [
        ("where did they settle and when", "They settled there in 1702 .", "1702"),
        ("where was the prize shown", "It was shown at the 2011 Harbour Awards .", "2011 Harbour Awards"),
        ("where was the ship going and with how many sailors", "It had 36 sailors on board .", "36 sailors"),
        ("where does the school stand in the table", "The school came 9th in the table .", "9th"),
        ("where does the town rank by size", "The town is the second largest .", "second largest"),
        ("where does the word come from", "The word is from Old Norse .", "Old Norse"),
        ("where does the word come from", "The word is from Old Norse .", "from Old Norse"),
        ("where did the word originate", "The word may be Gothic .", "Gothic"),
        ("where does the plant get its colour from", "The colour is due to iron .", "iron"),
        ("where did the tale come from", "In 1850 it was told by Ada Brown .", "Ada Brown"),
        ("where did the tale come from", "In the first of his books , Ada Brown told it .", "Ada Brown"),
        ("where did the tale come from", "Ada Brown told it .", "Ada Brown"),
    ],
)
def test_an_answer_to_where_that_is_no_place_makes_no_pair(question, paragraph, answer):
    assert pair_of(question, paragraph, answer) == "the answer is of another type than where asks for"


def test_an_answer_to_who_is_no_year():
    question, paragraph = "who founded the club and when", "The club was founded in 1921 by Ida Moss and 12 sailors ."
    assert pair_of(question, paragraph, "1921") == "the answer is of another type than who asks for"
    assert isinstance(pair_of(question, paragraph, "Ida Moss"), Pair)
    assert isinstance(pair_of(question, paragraph, "12 sailors"), Pair)
