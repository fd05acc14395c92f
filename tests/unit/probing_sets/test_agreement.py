"""Gender and number: which pronouns agree with a name."""

import pytest
from samples import example

from pairprobe.probing_sets import agreement

MALE, FEMALE, THING, PLURAL = "male", "female", "thing", "plural"
NAMES = [
    # First names.
    ("Marie Curie slept .", "Marie Curie", {FEMALE}),
    ("John Quux slept .", "John Quux", {MALE}),
    ("Jean Quux slept .", "Jean Quux", {MALE, FEMALE}),
    # A surname borrows the first name of the full one.
    ("John Quux slept . | Quux slept .", "Quux", {MALE}),
    ("Frida Kahlo and Diego Rivera slept .", "Frida Kahlo and Diego Rivera", {PLURAL}),
    # Titles.
    ("Queen Zorblat slept .", "Queen Zorblat", {FEMALE}),
    ("he saw mr Zorblat .", "Zorblat", {MALE}),
    ("he saw mrs Zorblat .", "Zorblat", {FEMALE}),
    ("King Anne slept .", "King Anne", {MALE}),
    ("the Rev. Zorblat slept .", "Rev. Zorblat", {MALE, FEMALE}),
    ("Dr. Marie Zorblat slept .", "Dr. Marie Zorblat", {FEMALE}),
    # Accents do not hide a first name; a surname may be a word for a thing.
    ("Frédéric Zorblat slept .", "Frédéric Zorblat", {MALE}),
    ("Alfred Whitehead slept . | Whitehead slept .", "Whitehead", {MALE}),
    # What the paragraph calls it.
    ("Zorblat is a physicist .", "Zorblat", {MALE, FEMALE}),
    ("Zorblat ( born 1900 ) was a British painter .", "Zorblat", {MALE, FEMALE}),
    ("Zorblat , a physicist , slept .", "Zorblat", {MALE, FEMALE}),
    ("Zorblat is a band .", "Zorblat", {THING, PLURAL}),
    ("Zorblat is the longest bridge in Spain .", "Zorblat", {THING}),
    ("John Quux is a song by a man .", "John Quux", {THING}),
    ("The Lord of the Rings is a novel .", "Lord of the Rings", {THING}),
    # WordNet.
    ("Germany is large .", "Germany", {THING}),
    ("Einstein slept .", "Einstein", {MALE, FEMALE}),
    ("NASA is large .", "NASA", {THING, PLURAL}),
    ("Zorblat Bridge is large .", "Zorblat Bridge", {THING}),
    ("Zorblat Bridges are large .", "Zorblat Bridges", {THING, PLURAL}),
    # Dates, places, and names that nothing is known of.
    ("he slept in June 1905 .", "June 1905", {THING}),
    ("he was in Zorblat .", "Zorblat", {THING, PLURAL}),
    ("Zorblat slept .", "Zorblat", {MALE, FEMALE, THING}),
    ("Zorblats slept .", "Zorblats", {MALE, FEMALE, THING, PLURAL}),
    ("Zorblat and Quux slept .", "Zorblat and Quux", {MALE, FEMALE, THING, PLURAL}),
    ("Zorblat Empire is large .", "Zorblat Empire", {THING, PLURAL}),
]


def of_last(paragraph, name, title="Page"):
    made = example("q", paragraph, name, title=title)
    return made, made.answer


@pytest.mark.parametrize(("paragraph", "name", "can_be"), NAMES)
def test_a_name_can_be_what_is_known_of_it(reader, paragraph, name, can_be):
    made, span = of_last(paragraph, name)
    assert agreement.could_be(made, span, reader) == can_be


def test_each_rule_decides_a_name_of_these(reader):
    facts = [agreement.facts_of(*of_last(paragraph, name), reader) for paragraph, name, _ in NAMES]
    decided = {next(rule.reason for rule in agreement.RULES if rule.holds(of_name)) for of_name in facts}
    assert [rule.reason for rule in agreement.RULES if rule.reason not in decided] == []


def test_a_surname_alone_borrows_the_first_name_of_the_page_s_title(reader):
    for title in ("Marie Quux", "Marie_Quux", "Marie Quux (singer)"):
        made, span = of_last("Quux slept .", "Quux", title=title)
        assert agreement.could_be(made, span, reader) == {FEMALE}


@pytest.mark.parametrize(
    ("name", "genders"), [("marie", {FEMALE}), ("john", {MALE}), ("jean", {MALE, FEMALE}), ("zorblat", None)]
)
def test_a_first_name_has_the_genders_that_bear_it_often(name, genders):
    assert agreement.first_names().get(name) == genders


@pytest.mark.parametrize(
    ("pronouns", "means"),
    [("he him his", MALE), ("she her hers", FEMALE), ("it its", THING), ("they them their theirs", PLURAL)],
)
def test_pronouns_stand_for_gender_and_number(pronouns, means):
    assert {agreement.PRONOUNS[pronoun] for pronoun in pronouns.split()} == {means}
