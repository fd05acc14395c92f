import numpy as np
import pytest
from families import MODEL
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from pairprobe.checkpoints import loading
from pairprobe.checkpoints.tokenization import NO_WORD, Layout, check_alignment, described, encode, layout_of, newline
from pairprobe.errors import InputError

ZERO_WIDTH = "\u200b"


@pytest.fixture(scope="module")
def tokenizer():
    return loading.load_tokenizer(MODEL)


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


PAIR = ("e1", "who built it".split(), "the Castle of 1912 , 7x9q unbelievably old".split())


def broken(change):
    """The real tokenizer with a part of its backend changed."""
    backend = Tokenizer.from_file(str(MODEL / "tokenizer.json"))
    change(backend)
    return PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="[UNK]", pad_token="[PAD]")


def template(pair):
    def change(backend):
        specials = [(name, backend.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
        backend.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", pair, specials)

    return change


def without_digits(backend):
    digits = pre_tokenizers.Split(Regex("[0-9]"), "removed")
    backend.pre_tokenizer = pre_tokenizers.Sequence([digits, backend.pre_tokenizer])


def byte_level(backend):
    """RoBERTa's kind as it is published: a word behind a blank is not the word alone."""
    backend.model, backend.normalizer = models.BPE(), normalizers.NFC()
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    backend.train_from_iterator(["who built the castle"] * 9, trainer)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (template("[CLS] $B [SEP] $A [SEP]"), r"question, word 0 \('who'\).* nor after the word before"),
        (without_digits, r"passage, word 3 \('1912'\), with the subtokens \[\]: they do not cover '1912'"),
        (byte_level, r"question, word 1 \('built'\), .*\['bu', 'ilt'\]: behind a blank .* has \['Ġbuilt'\]"),
    ],
)
def test_the_first_word_that_a_broken_tokenizer_reads_wrong_is_named(tokenizer, change, match):
    check_alignment(tokenizer, [PAIR], "checkpoint c")
    known = ("e0", ["who"], ["old"])
    with pytest.raises(
        InputError, match=rf"^checkpoint c: its tokenizer \(\w+\) goes wrong at example e[01], {match}.*Take "
    ):
        check_alignment(broken(change), [known, PAIR], "checkpoint c")


def test_a_word_that_loses_some_of_its_digits_is_named():
    with pytest.raises(InputError, match=r"passage, word 1 \('7x9q'\), .*they do not cover '79'"):
        check_alignment(broken(without_digits), [("e", ["who"], ["the", "7x9q"])], "c")


class Miscounting:
    """A tokenizer that gives the subtokens of the real one to other words, where there are as many as that."""

    def __init__(self, tokenizer, **owners):
        self.tokenizer, self.owners = tokenizer, owners
        self.unk_token_id, self.convert_ids_to_tokens = tokenizer.unk_token_id, tokenizer.convert_ids_to_tokens

    def __call__(self, *texts, **options):
        batch = self.tokenizer(*texts, **options)
        if options.get("is_split_into_words"):
            for name, given in self.owners.items():
                setattr(batch, name, lambda i, given=given: given)
        return batch


@pytest.mark.parametrize(
    ("owners", "match"),
    [
        # [CLS] who [SEP] caf ##re ##x king [SEP]
        ({"word_ids": [None, 0, None, 0, 1, 0, 1, None]}, r"passage, word 0 \('cafrex'\), .* one is subtoken 5 of 8"),
        ({"word_ids": [None, 0, None, 0, 0, 0, 2, None]}, r"passage, word 2 \(beyond the last\), .*\['king'\]"),
        ({"word_ids": [None, 0, None, 0, 0, 1, 1, None]}, r"passage, word 0 \('cafrex'\), .* do not cover 'x'"),
        (
            {
                "word_ids": [None, 0, None, 0, None, 0, 1, None],
                "sequence_ids": [None, 0, None, 1, None, 1, 1, None],
            },
            r"passage, word 0 \('cafrex'\), .* one is subtoken 5 of 8",
        ),
        ({"sequence_ids": [None, 1, None, 0, 0, 0, 0, None]}, r"question, word 0 \('who'\)"),
    ],
)
def test_subtokens_that_are_given_to_a_wrong_word_are_named(tokenizer, owners, match):
    pair = ("e", ["who"], ["cafrex", "king"])
    assert tokenizer.tokenize("cafrex") == ["caf", "##re", "##x"]
    with pytest.raises(InputError, match=match):
        check_alignment(Miscounting(tokenizer, **owners), [pair], "c")


@pytest.mark.parametrize(
    "word", [ZERO_WIDTH, "\u00ad", "🎉", "½", "Zürich", "東京", "e\u0301a", "İstanbul", "ﬁn", "don't", "…"]
)
def test_words_that_vanish_are_unknown_or_are_written_anew_are_no_error(tokenizer, word):
    check_alignment(tokenizer, [("e", ["who", word], [word, "king", word, "Castle"])], "c")


def test_the_paragraph_may_come_first_and_words_are_counted_as_ever(tokenizer):
    question, paragraph = "who built it".split(), "the old castle stands".split()
    [encoding] = encode(tokenizer, [question], [paragraph], Layout("paragraph_first"))
    plain = tokenizer("the old castle stands", "who built it")
    assert encoding.input_ids.tolist() == plain["input_ids"]
    assert encoding.token_type_ids.tolist() == plain["token_type_ids"]
    assert encoding.word_of.tolist() == [NO_WORD, 3, 4, 5, 6, NO_WORD, 0, 1, 2, NO_WORD]
    assert encoding.places().tolist() == [6, 7, 8, 1, 2, 3, 4]
    assert (encoding.first_words, encoding.words) == (3, 7)


@pytest.mark.parametrize("order", ["question_first", "paragraph_first"])
def test_an_empty_question_makes_a_single_text_wherever_it_stands(tokenizer, order):
    layout = Layout(order)
    found = encode(tokenizer, [["who"], [], ["where"], []], [["king"], ["the", "king"], ["old"], ["castle"]], layout)
    plain = tokenizer("the king")
    assert found[1].input_ids.tolist() == plain["input_ids"]
    assert found[1].token_type_ids.tolist() == [0] * 4
    assert found[1].word_of.tolist() == [NO_WORD, 0, 1, NO_WORD]
    assert (found[1].first_words, found[1].words) == (0, 2)
    assert [len(encoding) for encoding in found] == [5, 4, 5, 3]


def test_bare_input_is_one_text_behind_the_other(tokenizer):
    question, paragraph = ["who", "built"], ["the", "king"]
    for layout, wanted, words in (
        (Layout("question_first", "none"), "who built the king", [0, 1, 2, 3]),
        (Layout("paragraph_first", "none"), "the king who built", [2, 3, 0, 1]),
    ):
        [encoding] = encode(tokenizer, [question], [paragraph], layout)
        assert encoding.input_ids.tolist() == tokenizer(wanted, add_special_tokens=False)["input_ids"]
        assert encoding.token_type_ids is None
        assert encoding.word_of.tolist() == words


def test_an_encoder_keeps_its_template_and_says_what_it_reads(tokenizer):
    layout = layout_of(tokenizer, causal=False)
    assert layout == Layout("question_first", "template")
    assert described(tokenizer, layout, "sentence") == "[CLS] question [SEP] sentence [SEP]"
    assert described(tokenizer, layout, "text") == "[CLS] text [SEP]"
    assert layout_of(tokenizer, False, special_tokens=False) == Layout("question_first", "none")
    assert layout_of(tokenizer, False, "paragraph_first") == Layout("paragraph_first", "template")


def test_a_decoder_whose_tokenizer_loses_newlines_keeps_its_template(tokenizer):
    assert newline(tokenizer) == []
    assert layout_of(tokenizer, causal=True) == Layout("paragraph_first", "template")


def test_an_encoder_without_a_separator_reads_a_newline():
    backend = Tokenizer(models.BPE())
    byte_level(backend)
    bare = PreTrainedTokenizerFast(tokenizer_object=backend)
    layout = layout_of(bare, causal=False)
    assert layout == Layout("question_first", "newline")
    assert described(bare, layout, "paragraph") == "question \\n paragraph"
    assert described(bare, layout, "text") == "text"
