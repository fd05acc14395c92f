"""Pairs of one's own: which words a span is, which pairs share an example, and what is refused."""

import re

import pytest

from pairprobe.errors import InputError
from pairprobe.probing_sets.text_pairs import MAX_FAULTS, TextPair, resolve
from pairprobe.probing_sets.text_spans import Characters, Words

TEXT = "The old man's soup was hot, but her soup was cold."


def words(given, span, other="cold"):
    """Return the words that a span of a text is found to be."""
    (example,), (row,) = resolve([TextPair(given, span, other)])
    return [example.paragraph[i] for i in row["anchor"]["words"]]


def refused(*pairs, **fields):
    """Return what is said of pairs that cannot be used; without pairs of one with these fields."""
    with pytest.raises(InputError) as error:
        resolve(pairs or [TextPair(**{"text": TEXT, "anchor": "hot", "match": "cold"} | fields)])
    return str(error.value)


@pytest.mark.parametrize(
    ("span", "found"),
    [
        ("hot", ["hot"]),
        ("old  man", ["old", "man"]),  # whatever blanks
        ("man's", ["man", "'s"]),
        ("man", ["man"]),  # a possessive 's is a word of its own, as in Natural Questions
        ("hot,", ["hot", ","]),
        (Characters(23, 26), ["hot"]),
        (Characters(22, 27), ["hot", ","]),
        (Words(1, 3), ["old", "man"]),
    ],
)
def test_a_span_is_whole_words(span, found):
    assert words(TEXT, span) == found


def test_a_string_is_found_as_whole_words_before_it_is_found_in_parts_of_words():
    assert words("A hotel, and hot soup, and cold soup.", "hot") == ["hot"]


def test_characters_of_a_word_that_are_no_letters_may_be_left_over():
    assert words("Prices in the U.S. are cold.", "U.S") == ["U.S."]
    assert words("Is it -hot- or cold?", "hot") == ["-hot-"]


def test_each_chinese_character_is_a_word_so_that_strings_are_found_without_blanks():
    assert words("汤很热。水很凉。", "热", "凉") == ["热"]
    assert words("热汤和凉水", "热汤", "凉水") == ["热", "汤"]


def test_of_a_string_each_chinese_character_is_a_word_in_japanese_too_and_kana_and_thai_stay_whole():
    (japanese, thai), _ = resolve([TextPair("猫がとても好き", "猫", "好"), TextPair("น้ำร้อน มาก", "น้ำร้อน", "มาก")])
    assert japanese.paragraph == ["猫", "がとても", "好", "き"]
    assert thai.paragraph == ["น้ำร้อน", "มาก"]


@pytest.mark.parametrize(
    ("span", "found"), [("ร้อน", ["ร้อน"]), ("น้ำร้อน", ["น้ำ", "ร้อน"]), ("น้ำ ร้อน", ["น้ำ", "ร้อน"]), (Words(1, 2), ["ร้อน"])]
)
def test_words_of_any_script_can_be_given_as_a_list(span, found):
    given = ["น้ำ", "ร้อน", "และ", "เย็น"]
    assert words(given, span, "เย็น") == found


@pytest.mark.parametrize(
    ("given", "span"),
    [
        (["the", "rapist", "is", "cold"], "therapist"),
        (["the", "rapist", "is", "cold"], "rapistis"),
        (["при", "мер", "cold"], "пример"),
        (["19", "45", "cold"], "1945"),
        (["ca", "n't", "cold"], "can't"),
    ],
)
def test_words_of_a_list_that_blanks_set_apart_are_not_run_together(given, span):
    assert f"anchor: {span!r} is not in text, {' '.join(given)!r}." in refused(TextPair(given, span, "cold"))


@pytest.mark.parametrize(
    ("given", "span", "found"),
    [
        (["the", "rapist", "saw", "a", "therapist", "cold"], "therapist", ["therapist"]),
        (["the", "rapist", "is", "cold"], "the rapist", ["the", "rapist"]),
        (["man", "'s", "soup", ",", "cold"], "man's", ["man", "'s"]),
        (["iPhone", "手机", "cold"], "iPhone手机", ["iPhone", "手机"]),
        # As it stands in the list, rather than made up of two words of it.
        (["热", "汤", "和", "热汤", "cold"], "热汤", ["热汤"]),
    ],
)
def test_a_string_is_found_in_a_list_as_it_would_be_written(given, span, found):
    assert words(given, span) == found


def test_text_that_runs_from_right_to_left_is_as_any_other():
    assert words("המרק חם והמים קרים.", "חם", "קרים") == ["חם"]


def test_a_text_without_a_question_has_an_anchor_in_the_text():
    (example,), (row,) = resolve([TextPair(TEXT, "hot", "cold", id="7")])
    assert example.question == []
    assert row == {
        "example_id": example.example_id,
        "id": "7",
        "anchor": {"side": "paragraph", "words": (6,)},
        "match": {"words": (12,)},
    }


@pytest.mark.parametrize(("side", "found"), [(None, "question"), ("question", "question"), ("passage", "paragraph")])
def test_with_a_question_the_anchor_is_in_it_unless_it_is_said_to_be_in_the_passage(side, found):
    (example,), (row,) = resolve([TextPair(TEXT, "hot", "cold", "what is hot?", anchor_side=side)])
    assert example.question == ["what", "is", "hot", "?"]
    assert row["anchor"] == {"side": found, "words": (2,) if found == "question" else (6,)}


def test_pairs_of_one_text_share_an_example_and_are_one_group():
    pairs = [TextPair(TEXT, "hot", "cold"), TextPair("Another cold, hot day.", "hot", "cold"), TextPair(TEXT, "man", "her")]
    examples, rows = resolve(pairs)
    assert len(examples) == 2
    assert [row["example_id"] for row in rows] == [examples[i].example_id for i in (0, 1, 0)]
    assert [row["id"] for row in rows] == ["0", "1", "2"]
    assert len({example.title for example in examples}) == 2
    assert examples[0].title.startswith("The old man's soup")


def test_a_group_is_the_title_of_its_examples_and_a_text_in_two_groups_is_two_examples():
    groups = ["a", "b", "a"]
    examples, rows = resolve([TextPair(TEXT, "hot", "cold", group=group) for group in groups])
    assert [example.title for example in examples] == ["a", "b"]
    assert [row["example_id"] for row in rows] == [examples[i].example_id for i in (0, 1, 0)]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"anchor": "soup"}, "pairs[0], anchor: 'soup' occurs 2 times in text, at characters 14, 36."),
        ({"anchor": "soup"}, "Say which: anchor_start 14 beside it is the first."),
        ({"text": ["hot", "cold", "hot"]}, "at words 0, 2. Say which: anchor_word_start 0 and anchor_word_end 1"),
        ({"anchor": "ho"}, "anchor: 'ho' is a part of the word 'hot', and only whole words have vectors."),
        ({"anchor": Characters(23, 25)}, "anchor: 'ho' is a part of the word 'hot'"),
        ({"match": "warm"}, "match: 'warm' is not in text, \"The old man's soup was hot, but her soup was cold.\"."),
        ({"match": "Cold"}, "match: 'Cold' is not in text"),
        ({"match": "Cold"}, "It is there in other capitals."),
        ({"text": "cafe\u0301, cold", "anchor": "caf\u00e9"}, "It is there in another form of Unicode, which may look"),
        ({"text": "caf\u00e9, cold", "anchor": "Cafe\u0301"}, "write one form, such as NFC, in both."),
        ({"question": "what?"}, "anchor: 'hot' is not in question, 'what?'."),
        ({"question": "what?"}, "or anchor_side passage"),
        ({"match": "hot, but"}, "match: it has the anchor's word 'hot'. Wanted: other words of the text."),
        ({"match": Characters(40, 99)}, "characters 40 to 99, outside of text. Wanted: 0 <= start < end <= 50."),
        ({"match": Words(14, 15)}, "match: found words 14 to 15, outside of text. Wanted: 0 <= start < end <= 14."),
        ({"match": Characters(27, 28)}, "match: found characters 27 to 28, where text has no word."),
        ({"match": Words(3, 3)}, "match: found words 3 to 3"),
        ({"match": Words(3.0, 4.0)}, "match: found Words(start=3.0, end=4.0), wanted whole numbers, such as Words(3, 4)."),
        ({"match": Characters("3", "4")}, "wanted whole numbers, such as Characters(3, 4)."),
        ({"match": "  "}, "match: it is empty."),
        ({"match": 7}, "match: found 7, wanted a string, Characters or Words."),
        ({"text": ["hot", "cold"], "match": Characters(4, 8)}, "characters 4 to 8 of text, which is a list of words."),
        ({"text": ["hot", "ice cold"]}, "text: found 'ice cold' among its words."),
        ({"text": " "}, "text: it is empty."),
        ({"question": ""}, "question: it is empty."),
        ({"text": 7}, "text: found 7, wanted text or a list of words."),
        ({"anchor_side": "question"}, "anchor_side: found 'question'. Wanted: passage, or nothing,"),
        ({"anchor_side": "left", "question": "hot?"}, "anchor_side: found 'left'. Wanted: question or passage."),
        ({"group": ""}, "group: found ''. Wanted: 1 to 1000 characters that can be printed"),
        ({"id": "a\tb"}, "id: found 'a\\tb'."),
        ({"id": True}, "id: found True."),
        ({"id": 1.5}, "id: found 1.5."),
    ],
)  # fmt: skip
def test_what_is_refused_is_said_with_what_was_wanted(fields, said):
    assert said in refused(**fields)


def test_an_id_stands_for_one_pair_and_all_pairs_have_a_question_or_none():
    one = TextPair(TEXT, "hot", "cold", id="a")
    assert "pairs[1], id: 'a' is that of pairs[0] too." in refused(one, one)
    assert "pairs[1], question: found a question, and there was none before." in refused(one, TextPair("b", "a", "b", "a"))


def test_whole_numbers_are_ids_and_groups_too():
    one, other = TextPair(TEXT, "hot", "cold", id=1, group=3), TextPair(TEXT, "hot", "cold", id="a", group="3")
    (example,), rows = resolve([one, other])
    assert ([row["id"] for row in rows], example.title) == (["1", "a"], "3")
    assert "pairs[1], id: there is none, so that its number 1 is taken, which is the id of pairs[0]" in refused(
        one, TextPair(TEXT, "hot", "cold", group=3)
    )


def test_all_faults_are_listed_up_to_ten():
    said = refused(*[TextPair(TEXT, "hot", "cold"), *[TextPair(TEXT, "x", "y")] * 6]).splitlines()
    assert [line.split(":")[0].strip() for line in said[1:11]] == [
        f"pairs[{i}], {key}" for i in range(1, 6) for key in ("anchor", "match")
    ]
    assert len(said) == MAX_FAULTS + 2
    assert re.search("^  and more\\.$", said[-1])
