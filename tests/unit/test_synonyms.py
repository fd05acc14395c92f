"""Synonyms: a question word and a paragraph word that share a frequent sense of WordNet, and no lemma."""

import pytest

from pairprobe import wordnet
from pairprobe.examples import Example
from pairprobe.probing_sets import Pair
from pairprobe.probing_sets.synonyms import LEAST_SHARE, find, shared_sense

pytestmark = pytest.mark.xdist_group("wordnet")

NONE_SHARED = "no two words share a frequent sense"


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    # One copy for all tests of a process: nltk takes seconds to read it.
    root = tmp_path_factory.getbasetemp() / "wordnet"
    if not root.exists():
        wordnet.install("package", str(root))
    return wordnet.load(str(root))


def example(question, paragraph):
    """Make an example; in the paragraph, | ends a sentence."""
    words, sentences = [], []
    for sentence in paragraph.split("|"):
        start = len(words)
        words += sentence.split()
        sentences.append((start, len(words)))
    return Example("1", "Page", question.split(), words, None, sentences)


@pytest.mark.parametrize(
    ("question", "paragraph", "anchor", "match"),
    [
        ("when was the movie made", "the film was made in 1950", 3, 1),
        ("who bought the house", "she purchased it", 1, 1),
        # Every form of a word has the word's senses.
        ("when did she marry him", "they wed in 1900", 3, 1),
        ("when were the babies born", "three infants were born", 3, 1),
        ("when did it start", "it began in 1900", 3, 1),
        ("who is a Lawyer", "an attorney", 3, 1),
        # Adjectives and adverbs have senses too.
        ("how big is it", "it is large", 1, 2),
        ("how quickly was it", "it went rapidly", 1, 2),
        # The capital comes from the start of the sentence.
        ("what is the film", "it is old . | Movie makers came", 3, 4),
    ],
)
def test_a_synonym_is_found(reader, question, paragraph, anchor, match):
    assert find(example(question, paragraph), reader) == Pair("question", (anchor,), (match,))


@pytest.mark.parametrize(
    ("question", "paragraph"),
    [
        ("what is the film", "an old film"),
        # Two forms of one lemma.
        ("who bought it", "she buys it"),
        ("what is one mouse", "three mice"),
        # A sense that is rare for one of the two ("kind" and "form" of government, "lead" and "run").
        ("what kind is it", "a form of government"),
        ("who can lead it", "he will run it"),
    ],
)
def test_words_that_are_no_two_frequent_synonyms_make_no_pair(reader, question, paragraph):
    assert find(example(question, paragraph), reader) == NONE_SHARED


@pytest.mark.parametrize(
    ("question", "paragraph", "one", "other"),
    [
        ("where did felipe go", "they travel far", "go", "travel"),
        ("who stated that", "he said it", "stated", "said"),
    ],
)
def test_stop_words_make_no_pair_though_they_have_synonyms(reader, question, paragraph, one, other):
    assert shared_sense(reader, one, other)[0] > LEAST_SHARE
    assert find(example(question, paragraph), reader) == NONE_SHARED


@pytest.mark.parametrize(
    ("question", "paragraph"),
    [
        # start, noun; began, verb.
        ("what is the start of it", "they began it"),
        # film, verb; movie, noun.
        ("who can film it", "the movie of it"),
        ("what is the film", "they will movie it"),
    ],
)
def test_a_part_of_speech_that_the_word_before_rules_out_makes_no_pair(reader, question, paragraph):
    assert find(example(question, paragraph), reader) == NONE_SHARED


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("theatre", "theater"),
        ("traveller", "traveler"),
        ("percent", "percentage"),
        ("analyse", "analyze"),
        ("grey", "gray"),
    ],
)
def test_two_spellings_or_forms_of_one_word_make_no_pair(reader, one, other):
    assert shared_sense(reader, one, other)[0] > LEAST_SHARE
    assert find(example(f"which {one} is it", f"the {other} is old"), reader) == NONE_SHARED


@pytest.mark.parametrize(
    ("question", "paragraph", "why"),
    [
        # A name in the paragraph has no synonym.
        ("what is the film", "it is called Movie now", NONE_SHARED),
        ("what is the film", "it is on MOVIE now", NONE_SHARED),
        ("what is the film", "MOVIE 43 is bad", NONE_SHARED),
        # Nor has a word of the question that is a name in the paragraph.
        ("when did film start", "the movie by Film was new", NONE_SHARED),
        ("who is film", "the movie by Film", "the question has only stop words and names"),
    ],
)
def test_names_make_no_pair(reader, question, paragraph, why):
    assert find(example(question, paragraph), reader) == why


@pytest.mark.parametrize("question", ["what is it to you", "how often was it", "is tv a 3d ?"])
def test_a_question_of_stop_words_and_short_words_says_so(reader, question):
    assert find(example(question, "it is frequently so"), reader) == "the question has only stop words and names"


def test_of_several_pairs_the_one_of_the_most_frequent_sense_is_taken(reader):
    assert shared_sense(reader, "film", "movie")[0] > shared_sense(reader, "start", "began")[0]
    assert find(example("did they start the film", "they began the movie"), reader) == Pair("question", (4,), (3,))


def test_of_pairs_of_one_sense_the_first_is_taken(reader):
    found = find(example("which car is the car", "one automobile or another automobile"), reader)
    assert found == Pair("question", (1,), (1,))


@pytest.mark.parametrize(
    ("one", "other", "pos"),
    [("car", "automobile", "n"), ("marry", "wed", "v"), ("big", "large", "a"), ("quickly", "rapidly", "r")],
)
def test_a_shared_sense_is_the_same_from_both_sides_and_has_its_part_of_speech(reader, one, other, pos):
    share, found = shared_sense(reader, one, other)
    assert (share, found) == shared_sense(reader, other, one)
    assert found == pos
    assert LEAST_SHARE < share <= 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("car", "car"),
        ("car", "cars"),
        ("car", "banana"),
        # Mostly of another part of speech: relish, the noun.
        ("enjoy", "relish"),
        # WordNet has it as a name only.
        ("bible", "scripture"),
        ("october", "oct"),
        # Never seen in this sense in WordNet's texts.
        ("cutis", "skin"),
    ],
)
def test_words_without_two_lemmas_in_a_common_frequent_sense_share_none(reader, one, other):
    assert shared_sense(reader, one, other) == (0.0, "")
