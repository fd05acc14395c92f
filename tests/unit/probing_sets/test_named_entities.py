"""Named entities: runs of capitalised words, and their place in the sentence."""

import pytest
from samples import example

from pairprobe.probing_sets import named_entities


def names(paragraph):
    made = example("q", paragraph)
    return [" ".join(made.paragraph[slice(*name)]) for name in named_entities.names_in(made, 0, len(made.paragraph))]


@pytest.mark.parametrize(
    ("paragraph", "found"),
    [
        ("Marie Curie met Pierre .", ["Marie Curie", "Pierre"]),
        ("The Battle of the Somme began .", ["Battle of the Somme"]),
        ("The Beatles in London and they", ["Beatles in London"]),
        ("Apollo 11 landed .", ["Apollo 11"]),
        ("all 11 men landed in 1969 .", []),
        ("he was in Spain | 11 men slept", ["Spain"]),
        # A stop word at a sentence's start has its capital from there, in quotation marks too; another word is a name.
        ("He slept . | In May he rose . | `` The Wall '' fell .", ["May", "Wall"]),
        ("In 1889 it stood .", []),
        # No name crosses the edge of a sentence.
        ("he met Marie | Curie slept", ["Marie", "Curie"]),
        ("no name .", []),
    ],
)
def test_names_are_runs_of_capitalised_words(paragraph, found):
    assert names(paragraph) == found


@pytest.mark.parametrize(
    ("paragraph", "name", "is_subject"),
    [
        ("Marie Curie slept .", "Marie Curie", True),
        ("The Eiffel Tower is tall .", "Eiffel Tower", True),
        ("`` Thriller '' is a song .", "Thriller", True),
        ("\u2018 Thriller \u2019 is a song .", "Thriller", True),
        ("he slept . | Marie slept .", "Marie", True),
        ("he saw Marie .", "Marie", False),
        ("In Spain it rains .", "Spain", False),
        ("In 1905 , Marie slept .", "Marie", True),
        ("Then , tired , Marie slept .", "Marie", True),
        ("The cat , Marie slept .", "Marie", False),
        ("Marie 's husband slept .", "Marie", False),
        ("Safavid art is old .", "Safavid", False),
    ],
)
def test_a_name_that_opens_its_sentence_alone_is_its_subject(reader, paragraph, name, is_subject):
    made = example("q", paragraph, name)
    assert named_entities.is_subject(made, made.answer, reader) == is_subject
