"""Coreference: an entity of the question, and a pronoun in the answer's sentence that refers to it."""

import pytest
from samples import example

from pairprobe.probing_sets.pairs import Pair
from pairprobe.probing_sets.tasks.coreference import find

NO_ENTITY = "no entity of the question stands before the answer's sentence, and not in it"
NO_PRONOUN = "no pronoun in the answer's sentence"
CONTRADICTS = "gender or number of the entity contradicts each pronoun"
RIVAL = "the pronoun could refer to something else"

TOWER = "The Eiffel Tower is a landmark . |"
CURIE = "Marie Curie was a physicist . |"


def pair_of(reader, question, paragraph, answer, title="Page"):
    """Return the words of the pair that is found, or why there is none."""
    made = example(question, paragraph, answer, title)
    found = find(made, reader)
    if isinstance(found, str):
        return found
    assert found.side == "paragraph"
    return " ".join(made.paragraph[i] for i in found.anchor), " ".join(made.paragraph[i] for i in found.match)


@pytest.mark.parametrize(
    "opening",
    [
        '" Locked Out of Heaven " is a song . |',
        "`` Locked Out of Heaven '' is a song by American singer Bruno Mars . |",
        "\u201c Locked Out of Heaven \u201d is a song by American singer Bruno Mars . |",
    ],
)
def test_the_paper_s_it_is_locked_out_of_heaven(reader, opening):
    released = "It was released as the lead single from the album on October 1 , 2012 ."
    found = pair_of(reader, "when did locked out of heaven come out", opening + released, "October 1 , 2012")
    assert found == ("Locked Out of Heaven", "It")


def test_a_pair_has_positions_in_the_paragraph(reader):
    made = example("when was marie curie born", CURIE + "She was born in 1867 .", "1867")
    assert find(made, reader) == Pair("paragraph", (0, 1), (6,))


@pytest.mark.parametrize(
    ("question", "paragraph", "answer", "pair"),
    [
        ("when did marie curie die", CURIE + "She died in 1934 .", "1934", ("Marie Curie", "She")),
        ("when did marie curie die", CURIE + "In 1934 , she died at home .", "home", ("Marie Curie", "she")),
        ("when did marie curie die", CURIE + "Her death was in 1934 .", "1934", ("Marie Curie", "Her")),
        # For he and she the entity need not be the subject.
        ("when did marie curie die", "All knew Marie Curie . | Then in 1934 she died .", "1934", ("Marie Curie", "she")),
        ("when did queen victoria die", "Queen Victoria ruled . | She died in 1901 .", "1901", ("Queen Victoria", "She")),
        ("when was the eiffel tower built", TOWER + "It was built in 1889 .", "1889", ("Eiffel Tower", "It")),
        ("when was the eiffel tower built", TOWER + "Its year is 1889 .", "1889", ("Eiffel Tower", "Its")),
        ("when did the beatles form", "The Beatles were a band . | They met in 1960 .", "1960", ("Beatles", "They")),
        # An adjunct before the pronoun opens its sentence.
        ("who built the eiffel tower", TOWER + "In that year it was built by workers .", "workers", ("Eiffel Tower", "it")),
        ("when was the eiffel tower built", TOWER + "After ten years , it stood in 1889 .", "1889", ("Eiffel Tower", "it")),
        ("who built the eiffel tower", TOWER + "In 1889 , it was built by workers .", "workers", ("Eiffel Tower", "it")),
        ("where was marie curie", CURIE + "Since 1890 , she was in Paris .", "Paris", ("Marie Curie", "she")),
        # The sentence between goes on about the entity.
        ("when was the eiffel tower built", TOWER + "It is tall . | It is from 1889 .", "1889", ("Eiffel Tower", "It")),
        ("when was paris founded", "Paris is a city . | Then Paris grew . | It was old in 300 .", "300", ("Paris", "It")),
        # A subject outweighs a rival that is none, for he and she as for it and they.
        ("when did marie curie die", "Marie Curie met Ada Lovelace . | She died in 1934 .", "1934", ("Marie Curie", "She")),
        # The entity may follow an opening adjunct itself.
        (
            "when did marie curie die",
            "As Ada Lovelace slept , Marie Curie left . | She died in 1934 .",
            "1934",
            ("Marie Curie", "She"),
        ),
        # A participle, or "most of", opens a clause too.
        ("when was the eiffel tower built", TOWER + "Built by workers , it is from 1889 .", "1889", ("Eiffel Tower", "it")),
        ("when was the eiffel tower built", TOWER + "Most of its steel is from 1889 .", "1889", ("Eiffel Tower", "its")),
        # "It is a sequel to" stands for something.
        ("when was the eiffel tower built", TOWER + "It is a rival to all from 1894 .", "1894", ("Eiffel Tower", "It")),
        # Accents and apostrophes do not matter.
        ("when did chloé's band form", "Chloe was a singer . | Her band is from 1990 .", "1990", ("Chloe", "Her")),
        ("when was zoe born", "Zoé was a singer . | She was born in 1990 .", "1990", ("Zoé", "She")),
        # In normal writing the question writes the name as one; its first word has a capital anyway.
        ("When did Marie Curie die ?", CURIE + "She died in 1934 .", "1934", ("Marie Curie", "She")),
        ("Marie Curie died when ?", CURIE + "She died in 1934 .", "1934", ("Marie Curie", "She")),
        # A capital at a sentence's start is a name's where another place has it too.
        ("when did scout leave", "All liked Scout . | Scout is shy . | She left in 1934 .", "1934", ("Scout", "She")),
        ("When did little Scout leave ?", "Scout is shy . | She left in 1934 .", "1934", ("Scout", "She")),
        ("when did scout come out", "`` Scout '' is a song . | It came out in 1934 .", "1934", ("Scout", "It")),
    ],
)
def test_a_pronoun_that_can_refer_to_the_entity_is_found(reader, question, paragraph, answer, pair):
    assert pair_of(reader, question, paragraph, answer) == pair


@pytest.mark.parametrize(
    ("title", "question", "paragraph", "anchor"),
    [
        (
            "Over the Zorb (film)",
            "when is over the zorb from",
            "Over the Zorb is a film . | It is from 1990 .",
            "Over the Zorb",
        ),
        ("Zorb, Zorb", "when is zorb zorb from", "`` Zorb , Zorb '' is a song . | It is from 1990 .", "Zorb , Zorb"),
        (
            "Everybody's_Zorb",
            "when is everybody's zorb from",
            "Everybody 's Zorb is a film . | It is from 1990 .",
            "Everybody 's Zorb",
        ),
        # A longer name around it stays whole, and a title that is written as no name is none.
        (
            "Ada Zorb",
            "when did ada zorb and bob zorb wed",
            "Ada Zorb and Bob Zorb met . | They wed in 1990 .",
            "Ada Zorb and Bob Zorb",
        ),
        ("Zorb pain", "when did zorb pain hurt", "Zorb pain hurts . | It hurt in 1990 .", None),
    ],
)
def test_the_page_s_title_is_a_whole_name(reader, title, question, paragraph, anchor):
    found = pair_of(reader, question, paragraph, "1990", title)
    assert found == NO_ENTITY if anchor is None else found[0] == anchor


def test_without_a_short_answer_there_is_no_pair(reader):
    assert pair_of(reader, "who was marie curie", CURIE + "She was a chemist .", None) == "no short answer"


@pytest.mark.parametrize(
    ("question", "paragraph"),
    [
        # The entity is not in the question, is written as no name, or comes too late.
        ("when was she born", CURIE + "She was born in 1867 ."),
        ("when was the physicist born", CURIE + "She was born in 1867 ."),
        ("when was marie curie born", "She was born in 1867 . |" + CURIE.strip("|")),
        # It stands in the answer's sentence as well, with its whole name or the last word of it.
        ("when was marie curie born", CURIE + "She , Marie Curie , was born in 1867 ."),
        ("when was marie curie born", CURIE + "She was born a Curie in 1867 ."),
        # The answer's sentence has the first name, or the first words of a longer one.
        ("when was marie curie born", CURIE + "She , Marie , was born in 1867 ."),
        ("when was john paul ii born", "John Paul II slept . | John Paul knew his age in 1867 ."),
        # A mere part of a noun phrase, an adjective, a nickname inside another name.
        ("when was the curie student born", "He was a Marie Curie student . | She was born in 1867 ."),
        ("who was mongolian", "All liked the Mongolian . | He was born in 1867 ."),
        ("when was luke born", "Bob `` Luke '' Jackson slept . | He was born in 1867 ."),
        # A common noun, as the sentence's start writes it; as the question does.
        ("when was oxygen found", "Oxygen is a gas . | It was found in 1867 ."),
        ("When was applied zorbology new ?", "Applied Zorbology is young . | It was new in 1867 ."),
        # The question has a part of the name only.
        ("when was marie born", CURIE + "She was born in 1867 ."),
        # The name is no more than a part of what the quotation marks hold.
        ("when was marie curie born", "`` Marie Curie today '' is a song . | It was born in 1867 ."),
        ("when was marie curie born", "\u201c Marie Curie today \u201d is a song . | It was born in 1867 ."),
    ],
)
def test_without_a_shared_entity_before_the_answer_s_sentence_there_is_no_pair(reader, question, paragraph):
    assert pair_of(reader, question, paragraph, "1867") == NO_ENTITY


@pytest.mark.parametrize(
    "sentence",
    [
        "The year was 1889 .",
        "We built this for you in 1889 .",
        "It is said that work began in 1889 .",
        "It was not until 1889 that work began .",
        "It seems that work began in 1889 .",
        "It was difficult to begin before 1889 .",
    ],
)
def test_a_dummy_it_is_no_pronoun(reader, sentence):
    assert pair_of(reader, "when was the eiffel tower built", TOWER + sentence, "1889") == NO_PRONOUN


@pytest.mark.parametrize(
    ("question", "paragraph"),
    [
        ("when was marie curie born", CURIE + "He was born in 1867 ."),
        ("when was marie curie born", CURIE + "It was 1867 ."),
        ("when was marie curie born", CURIE + "They were born in 1867 ."),
        ("when was john smith born", "John Smith was a physicist . | She was born in 1867 ."),
        ("when was queen victoria born", "Queen Victoria ruled . | He was born in 1867 ."),
        ("when was king john born", "King John ruled . | She was born in 1867 ."),
        ("when was the eiffel tower built", TOWER + "He was born in 1867 ."),
        ("when was the eiffel tower built", TOWER + "They came in 1867 ."),
        ("when did the beatles form", "The Beatles were a band . | She came in 1867 ."),
        ("what came in may", "Then May was cold . | She was born in 1867 ."),
    ],
)
def test_gender_and_number_must_not_contradict(reader, question, paragraph):
    assert pair_of(reader, question, paragraph, "1867") == CONTRADICTS


@pytest.mark.parametrize(
    ("question", "paragraph"),
    [
        # Another woman between the two, or before a woman who is not the subject.
        ("when was marie curie born", "Marie Curie met Ada Lovelace . | All know that she was born in 1867 ."),
        ("when was marie curie born", CURIE + "Ada Lovelace wrote . | She was born in 1867 ."),
        ("when was marie curie born", "Ada Lovelace met Marie Curie . | She was born in 1867 ."),
        ("when was marie curie born", CURIE + "As Ada Lovelace knew , she was born in 1867 ."),
        ("when was zorblat born", "Zorblat met her with his dog . | She was born in 1867 ."),
        # A thing must be the subject, and the pronoun too.
        ("when was the eiffel tower built", "Tourists love the Eiffel Tower . | It is from 1867 ."),
        ("when was the eiffel tower built", "The Eiffel Tower 's roof is high . | It is from 1867 ."),
        ("when was the eiffel tower built", TOWER + "Then all the men had built it in 1867 ."),
        ("when was the eiffel tower built", TOWER + "The year before , it was built by 1867 ."),
        ("when was the eiffel tower built", TOWER + "When the roof fell , it was built anew in 1867 ."),
        ("when was the eiffel tower built", TOWER + "In those days of old and even now , it is from 1867 ."),
        ("when was the eiffel tower built", "Another park by the Eiffel Tower is old . | It is from 1867 ."),
        # Another subject, or other talk, between the two.
        ("when was the eiffel tower built", TOWER + "The Louvre is a museum . | It is from 1867 ."),
        ("when was the eiffel tower built", TOWER + "The Louvre is by the Eiffel Tower . | It is from 1867 ."),
        ("when was the eiffel tower built", TOWER + "The men are proud . | It is from 1867 ."),
    ],
)
def test_a_pronoun_that_could_refer_to_something_else_makes_no_pair(reader, question, paragraph):
    assert pair_of(reader, question, paragraph, "1867") == RIVAL


@pytest.mark.parametrize("rival", ["Henry Ford", "London Bridge", "the Beatles"])
def test_a_name_of_another_gender_or_number_is_no_rival(reader, rival):
    paragraph = f"Marie Curie saw {rival} . | She was born in 1867 ."
    assert pair_of(reader, "when was marie curie born", paragraph, "1867") == ("Marie Curie", "She")


@pytest.mark.parametrize(
    ("question", "paragraph", "anchor"),
    [
        # The longest, though a shorter one is nearer.
        ("did curie know marie curie", CURIE + "Curie slept . | She died in 1934 .", (0, 1)),
        ("did curie know marie curie", "Curie slept . |" + CURIE + "She died in 1934 .", (3, 4)),
        # Of two mentions the nearer.
        ("when did marie curie die", CURIE + CURIE + "She died in 1934 .", (6, 7)),
    ],
)
def test_the_longest_entity_is_taken_and_of_its_mentions_the_nearest(reader, question, paragraph, anchor):
    assert find(example(question, paragraph, "1934"), reader).anchor == anchor


def test_of_several_pronouns_the_first_that_can_refer_is_taken(reader):
    paragraph = CURIE + "When he slept , she and her dog died in 1934 ."
    assert pair_of(reader, "when did marie curie die", paragraph, "1934") == ("Marie Curie", "she")
