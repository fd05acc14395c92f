"""Words and sentences."""

import gzip
import itertools
import json
import signal
from pathlib import Path

import pysbd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pysbd import processor
from pysbd.lists_item_replacer import ListItemReplacer

from pairprobe.data import sentences, text

SQUAD = Path(__file__).parents[3].parent / "shared" / "squad" / "dev-part1-v1.1.json.gz"


def words_of(running: str) -> list[str]:
    return [running[start:end] for start, end in text.word_spans(running)]


def sentences_of(words: str) -> list[str]:
    return [" ".join(words.split()[start:end]) for start, end in text.sentence_spans(words.split())]


@pytest.mark.parametrize("token", ["<P>", "</P>", "<H1>", "</Td>", "<Br/>", "<td>", '<Th_colspan="2">', '<A_title="1<2">'])
def test_a_tag_is_html(token):
    assert text.is_html(token)


@pytest.mark.parametrize("token", ["<", ">", "<>", "</>", "P", "<3", "<3>", "a<b>", "<P>.", "<P> ", "<P x>", "<é>", ""])
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


def test_sentences_are_spans_of_the_words():
    running = "  Mr. Smith left.  He lost!\n\nWhy? "
    words, sentences = text.split(running)
    assert [[running[a:b] for a, b in words[slice(*sentence)]] for sentence in sentences] == [
        ["Mr.", "Smith", "left", "."],
        ["He", "lost", "!"],
        ["Why", "?"],
    ]


def assert_covered(running):
    """Assert that the words hold every character but blanks, each once, in order, and the sentences every word."""
    words, sentences = text.split(running)
    assert "".join(running[a:b] for a, b in words) == "".join(running.split()), running
    assert all(a < b <= c for (a, b), (c, _) in itertools.pairwise([*words, (len(running), 0)])), running
    assert [i for sentence in sentences for i in range(*sentence)] == list(range(len(words))), running
    assert all(start < end for start, end in sentences), running


# What pysbd and the tokenizer use themselves, or take for lists, quotations and ends of sentences.
PIECES = (
    """a b. A. he "Go." ' " '' `` (x y) [1] ... .. ? ?! U.S. Mr. 1. 2) i. • ∯ &ᓰ& ∬ ȸ \\ * + $ No. p.m. 日本。 « » “ ” ∮
&⎋& cannot gonna 'tis d'ye more'n -- % 5.5 http://a.b/c <P> ♭ e.g. é""".split()
    + list("\u2018\u2019\n\t\r\u00a0\u2028\x1c\x1f\u0085\u200b")
)


@pytest.mark.slow
@settings(max_examples=400, deadline=None, derandomize=True, database=None)
@given(st.lists(st.tuples(st.sampled_from(PIECES), st.sampled_from(["", " ", "  "])), max_size=12))
def test_words_hold_every_character_of_any_text(pieces):
    assert_covered("".join(piece + blank for piece, blank in pieces))


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_words_hold_every_character_of_any_unicode(running):
    assert_covered(running)


@pytest.mark.parametrize("running", ["∯", "It rained ∯ there. He left.", ";\x1f1. a", "\u2028∮\r\r\n5.5"])
def test_what_the_sentence_splitter_loses_or_refuses_is_kept(running):
    assert_covered(running)


def test_real_paragraphs_lose_nothing():
    if not SQUAD.exists():
        pytest.skip(f"{SQUAD} is not on this machine")
    with gzip.open(SQUAD) as file:
        contexts = [p["context"] for article in json.load(file)["data"] for p in article["paragraphs"]]
    for context in contexts[::12]:
        assert_covered(context)


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


def pysbd_ends(running):
    """Return where sentences end by pysbd as it is."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(processor, "ListItemReplacer", ListItemReplacer)
        return [sentence.end for sentence in pysbd.Segmenter("en", clean=False, char_span=True).segment(running)]


REFERENCES = "x.[1] x.[12, 3] x.[4 -5][6] x.[1111] x.∯[7]\t x.12 x.1 234 (i) ii) b) c. 2) 3. I. is. Is. no. Y!J".split(" ")


@pytest.mark.slow
@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(st.lists(st.tuples(st.sampled_from([*PIECES[:-8], *REFERENCES]), st.sampled_from(["", " ", "  "])), max_size=20))
def test_sentences_end_where_pysbd_ends_them(pieces):
    running = "".join(piece + blank for piece, blank in pieces)
    assert list(sentences.ends(running)) == pysbd_ends(running)


@pytest.fixture
def at_most_five_seconds():
    def stop(*_):
        raise TimeoutError

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, 5)
    yield
    signal.setitimer(signal.ITIMER_PROF, 0)
    signal.signal(signal.SIGPROF, before)


# Items of lists, lines and abbreviations: each was looked for in the whole text again.
@pytest.mark.parametrize(("unit", "size"), [("a) b) c) ", 2_400), ("a\n", 10_000), ("1. a 2. b ", 10_000), ("(a ", 10_000)])
def test_the_time_grows_with_the_text(unit, size, at_most_five_seconds):
    assert_covered(unit * (size // len(unit)) + " x. The end")


@pytest.mark.parametrize("numbers", ["[" + "484 " * 40 + "]", "[" + "1" * 400 + " x", "[1, 22, " * 60, "[12]" * 200 + "x"])
def test_numbers_in_brackets_are_read_in_one_way(numbers, at_most_five_seconds):
    assert_covered(f"The roll lists the wool sold in each year...{numbers}")


def test_a_long_text_has_the_sentences_of_its_parts():
    running = "".join(f"Dr. Odo {i} went to (or left) the U.S. Senate. " for i in range(600))
    words, found = text.split(running)
    assert len(running) > 2 * sentences.PIECE
    assert [running[words[a][0] : words[b - 1][1]] for a, b in found] == [
        f"Dr. Odo {i} went to (or left) the U.S. Senate." for i in range(600)
    ]
    assert_covered("x" * 3 * sentences.PIECE)
