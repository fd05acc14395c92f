"""Words and sentences."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pairprobe import text


def words_of(running: str) -> list[str]:
    return [running[start:end] for start, end in text.word_spans(running)]


def sentences_of(words: str) -> list[str]:
    return [" ".join(words.split()[start:end]) for start, end in text.sentence_spans(words.split())]


@pytest.mark.parametrize("token", ["<P>", "</P>", "<H1>", "</Td>", "<Br/>", "<td>"])
def test_a_tag_is_html(token):
    assert text.is_html(token)


@pytest.mark.parametrize("token", ["<", ">", "<>", "P", "<3", "a<b>", "<P>.", "<P> ", ""])
def test_what_only_looks_like_a_tag_is_no_html(token):
    assert not text.is_html(token)


@pytest.mark.parametrize("word", ["a", "1940", "'s", "é", "U.S.", "5.5", "北"])
def test_a_word_with_a_letter_or_digit_is_lexical(word):
    assert text.is_lexical(word)


@pytest.mark.parametrize("word", [".", "``", "–", "...", "$", "(", "🙂", ""])
def test_punctuation_is_not_lexical(word):
    assert not text.is_lexical(word)


def test_a_phrase_is_found_where_it_first_stands():
    assert text.contains_words("a b a b c".split(), ["a", "b"]) == 0
    assert text.contains_words("a b a b c".split(), ["b", "c"]) == 3


@pytest.mark.parametrize("phrase", [["b", "a"], ["A"], ["a", "b", "c", "d"]])
def test_a_phrase_that_is_not_there_is_at_minus_one(phrase):
    assert text.contains_words("a b c".split(), phrase) == -1


def test_stop_words_are_lower_case_words():
    assert [word for word in text.STOP_WORDS if word != word.lower()] == []
    assert {"the", "of", "n't", "who", "made"} <= text.STOP_WORDS
    assert not {"president", "won", "river"} & text.STOP_WORDS


def test_punctuation_is_words_of_its_own():
    assert words_of('He said, "Go." Then (at 5) he left.') == 'He said , " Go . " Then ( at 5 ) he left .'.split()


def test_a_contraction_is_two_words():
    assert words_of("Dora can't swim, Tom's can.") == "Dora ca n't swim , Tom 's can .".split()


def test_an_abbreviation_keeps_its_stop_and_a_sentence_gives_it_up():
    assert (
        words_of("Mr. Smith went to the U.S. Senate. He lost.") == "Mr. Smith went to the U.S. Senate . He lost .".split()
    )


def test_words_are_where_their_spans_say():
    running = "  Two  spaces.\nA second line, 150,782 long.  "
    assert words_of(running) == "Two spaces . A second line , 150,782 long .".split()
    assert text.word_spans(running)[0] == (2, 5)


def test_text_without_words_has_no_spans():
    assert text.word_spans("") == text.word_spans(" \n ") == []


def test_a_stop_a_question_mark_and_an_exclamation_mark_end_a_sentence():
    assert sentences_of("It rained . Why ? It just did ! So") == ["It rained .", "Why ?", "It just did !", "So"]


def test_closing_marks_belong_to_the_sentence_they_close():
    assert sentences_of("`` Go . '' ( She did . ) He stayed .") == ["`` Go . ''", "( She did . )", "He stayed ."]


def test_marks_in_a_row_end_one_sentence():
    assert sentences_of("What ? ! Yes ...") == ["What ? !", "Yes ..."]


@pytest.mark.parametrize(
    "words",
    [
        "Mr . Smith left .",
        "John F . Kennedy spoke .",
        "They met St . John here .",
        "Wow ! he said .",
        "` No . ' , he said .",
    ],
)
def test_a_stop_within_a_sentence_does_not_end_it(words):
    assert sentences_of(words) == [words]


def test_a_stop_inside_a_word_ends_no_sentence():
    assert sentences_of("The U.S. Senate met at 5 p.m. sharp .") == ["The U.S. Senate met at 5 p.m. sharp ."]


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(st.lists(st.sampled_from(["He", "left", ".", "?", "...", ")", "''", ",", "Mr", "A", "no"])))
def test_sentences_cover_every_word_once_in_order(words):
    spans = text.sentence_spans(words)
    assert [i for span in spans for i in range(*span)] == list(range(len(words)))
    assert all(start < end for start, end in spans)
