"""Synonyms: a question word and a paragraph word that share a frequent sense of WordNet, and no lemma."""

from dataclasses import replace

import pytest
from samples import example

from pairprobe.probing_sets.pairs import Pair
from pairprobe.probing_sets.tasks.synonyms import LEAST_SHARE, find, find_any_synset, shared_sense

NONE_SHARED = "no two words share a frequent sense"


@pytest.mark.parametrize(
    ("question", "paragraph", "anchor", "match"),
    [
        ("when was the movie made", "the film was made in 1950", 3, 1),
        ("who bought the house", "she purchased it", 1, 1),
        # Every form of a word has the word's senses.
        ("when did she marry him", "they wed in 1900", 3, 1),
        ("when were the babies born", "three infants were born", 3, 1),
        ("when did it start", "it began in 1900", 3, 1),
        ("Lawyer of whom", "an attorney", 0, 1),
        # Adjectives and adverbs have senses too.
        ("how big is it", "it is large", 1, 2),
        ("how quickly was it", "it went rapidly", 1, 2),
        # The capital comes from the start of the sentence.
        ("what is the film", "it is old . | Movie makers came", 3, 4),
        # Verbs that could be nouns, shown to be none.
        ("when did the film start", "it began in 1900", 4, 1),
        ("who can help him", "they will aid her", 2, 2),
        ("who helps the poor", "she aided them", 1, 1),
        ("who did it help in the war", "they eagerly assisted him", 3, 2),
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
    assert shared_sense(reader, one, other)[0] > 0
    assert find(example(question, paragraph), reader) == NONE_SHARED


@pytest.mark.parametrize(
    ("question", "paragraph"),
    [
        # start, noun; began, verb.
        ("what is the start of it", "they began it"),
        # film, verb; movie, noun.
        ("who can film it", "the movie of it"),
        ("what is the film", "they will movie it"),
        # help, noun: no "to", no auxiliary, no object shows a verb.
        ("what was a great help in school", "they assisted him"),
        ("how much help", "they assisted him"),
        # use, noun.
        ("who can make use of it", "they utilized it"),
        # construct, verb; build, noun.
        ("who constructed it", "in one continuous build"),
        # minimal, adjective; minimum, noun.
        ("what is a minimal set", "the bare minimum and more"),
        # person, noun; individual, adjective.
        ("what person came", "their individual rights"),
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
    assert shared_sense(reader, one, other)[0] > 0
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
        # Nor has one that the question itself writes as a name.
        ("what is the Film", "it is an old movie", "the question has only stop words and names"),
    ],
)
def test_names_make_no_pair(reader, question, paragraph, why):
    assert find(example(question, paragraph), reader) == why


@pytest.mark.parametrize(("title", "anchor"), [("The Movie Club", None), ("Movie", 3), ("History_of_movie", 3)])
def test_a_name_in_the_title_makes_no_pair_but_its_first_word_may(reader, title, anchor):
    found = find(replace(example("when was the movie club founded", "a film of 1950"), title=title), reader)
    assert found == (NONE_SHARED if anchor is None else Pair("question", (anchor,), (1,)))


@pytest.mark.parametrize("question", ["what is it to you", "how often was it", "is tv a 3d ?"])
def test_a_question_of_stop_words_and_short_words_says_so(reader, question):
    assert find(example(question, "it is frequently so"), reader) == "the question has only stop words and names"


def test_of_several_pairs_the_one_of_the_most_frequent_sense_is_taken(reader):
    assert shared_sense(reader, "film", "movie")[0] > shared_sense(reader, "start", "began")[0]
    assert find(example("did they start the film", "they began the movie"), reader) == Pair("question", (4,), (3,))


@pytest.mark.parametrize("one", ["propose", "commence"])
def test_a_verb_needs_a_smaller_share_than_a_noun(reader, one):
    other = {"propose": "suggest", "commence": "begin"}[one]
    share, pos = shared_sense(reader, one, other)
    assert pos == "v"
    assert LEAST_SHARE["v"] < share < LEAST_SHARE["n"]


@pytest.mark.parametrize(
    ("question", "paragraph"),
    [
        ("what is the biggest lake", "a large lake"),
        ("which lake is bigger", "the largest lake"),
        # Who is required to come must; what is required is needed.
        ("what is needed in the house", "all are required to come"),
        ("who is required to come", "they needed a house"),
    ],
)
def test_words_in_constructions_that_do_not_go_together_make_no_pair(reader, question, paragraph):
    assert find(example(question, paragraph), reader) == NONE_SHARED


@pytest.mark.parametrize(
    ("question", "paragraph", "anchor", "match"),
    [
        ("what is the biggest lake", "its largest lake", 3, 1),
        ("what is needed in the house", "a key was required", 2, 3),
    ],
)
def test_words_in_one_construction_make_a_pair(reader, question, paragraph, anchor, match):
    assert find(example(question, paragraph), reader) == Pair("question", (anchor,), (match,))


@pytest.mark.parametrize(
    ("question", "paragraph"),
    [
        # WordNet's big cat, and "a little".
        ("is it a large one", "they saw big cats there"),
        ("was it a little late", "it is a small lake"),
    ],
)
def test_a_word_of_a_fixed_phrase_makes_no_pair(reader, question, paragraph):
    assert find(example(question, paragraph), reader) == NONE_SHARED


def test_a_preposition_that_was_a_participle_makes_no_pair(reader):
    words = "they considered it good"
    assert find(example("what did he regard as a gift", words), reader) == Pair("question", (3,), (1,))
    assert find(example("what was said regarding a gift", words), reader) == NONE_SHARED


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
    assert LEAST_SHARE[pos] < share <= 1


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
        # No more than half of a noun's uses: a store can be a supply, a railway the track alone.
        ("railroad", "railway"),
        ("store", "shop"),
        # Less than 0.43 of a verb's.
        ("use", "apply"),
        ("named", "called"),
        # Adjectives that relate to a noun.
        ("fiscal", "financial"),
    ],
)
def test_words_without_two_lemmas_in_a_common_frequent_sense_share_none(reader, one, other):
    assert shared_sense(reader, one, other) == (0.0, "")


@pytest.mark.parametrize(
    ("question", "paragraph", "anchor", "match"),
    [
        # Exile is a synset of both, and the usual sense of neither "deport" nor, as a verb, "exile".
        ("who was sent into exile", "he was deported", 4, 2),
        # Names, numbers and words in any construction.
        ("what is the USDA", "it is Agriculture", 3, 2),
        ("was it 12 years", "a dozen years", 2, 1),
        # The first pair of the question's words, then of the paragraph's, whatever their senses.
        ("site of the movie", "its place is in a film", 0, 1),
        # Forms of one word, equal words and stop words are none.
        ("who buys the movie in it", "movies were bought and made an inch of film", 3, 8),
    ],
)
def test_any_synset_makes_a_pair_in_the_other_reading(reader, question, paragraph, anchor, match):
    assert find_any_synset(example(question, paragraph), reader) == Pair("question", (anchor,), (match,))


def test_without_a_common_synset_the_other_reading_says_so(reader):
    assert find_any_synset(example("who buys the car", "she bought it , the dog"), reader) == "no two words share a synset"
