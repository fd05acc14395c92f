import json
import shutil
from dataclasses import asdict
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from families import BRACKETS, FAMILIES, LONGEST, SEGMENTS, SHAPE, make, unigram, word_piece
from safetensors.torch import load_file, save_file
from tokenizers import Regex, pre_tokenizers
from transformers import AutoModel, AutoTokenizer

from pairprobe.activations import extraction, store
from pairprobe.checkpoints import fetching, inspection, loading, padding
from pairprobe.checkpoints.tokenization import encode
from pairprobe.data.examples import Example
from pairprobe.data.pages import Marked, Page, read_pages, row_of
from pairprobe.errors import InputError
from pairprobe.evaluation import answering
from pairprobe.evaluation.predictions import read_predictions
from pairprobe.finetuning import features, joint_model, training
from pairprobe.io import files

ZERO_WIDTH = "\u200b"
BYTES = ("roberta", "modernbert")
KINDS = ["Café", "the", "½", ",", "日本", "🎉", "naïveté", "1912", "Zqxj7", "½日🎉é", "don't", "U.S.", ZERO_WIDTH, "."]
EXAMPLES = [
    Example("kinds", "page", "Who saw the élan of 日本 ?".split(), KINDS, None, [(0, len(KINDS))]),
    Example("short", "page", ["who"], ["king"], None, [(0, 1)]),
    *(
        Example(f"long{n}", "page", "where is it".split(), ["Castle", "1,000", "built"] * n, None, [(0, 3 * n)])
        for n in (2, 5, 11, 20, 31, 3, 7)
    ),
]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Make each family's checkpoint once."""
    made = {}

    def folder(family):
        if family not in made:
            made[family] = make(family, tmp_path_factory.mktemp(family))
        return made[family]

    return folder


@pytest.fixture(scope="module", params=FAMILIES)
def family(request):
    return request.param


@pytest.fixture(scope="module")
def folder(family, folders):
    return folders(family)


def write_examples(path, examples=EXAMPLES):
    files.write_json_lines(path, map(asdict, examples))
    return str(path)


def extract(folder, out, examples=EXAMPLES, **options):
    path = write_examples(out.with_suffix(".jsonl"), examples)
    extraction.extract(str(folder), path, "paragraph", str(out), extraction.Settings(threads=1, **options))
    return str(out)


def read(path):
    """``{example_id: (layers+1, words, hidden)}``, the question's words first."""
    with store.Activations([path]) as stored:
        return {name: np.concatenate(stored[name], axis=1) for name in stored.names()}


def by_hand(family, folder):
    """One example at a time: each word's ids by themselves, the special tokens put around them, the model alone."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder, attn_implementation="eager").eval()
    cls, sep = tokenizer.cls_token_id, tokenizer.sep_token_id
    between = [sep, sep] if family in ("roberta", "mpnet") else [sep]

    def pieces(word):
        return tokenizer((" " if family in BYTES else "") + word, add_special_tokens=False)["input_ids"]

    def vectors(example):
        question, paragraph = ([pieces(word) for word in words] for words in (example.question, example.paragraph))
        head, tail = [cls, *chain(*question), *between[:1]], [*between[1:], *chain(*paragraph), sep]
        ids = torch.tensor([head + tail])
        segments = {"token_type_ids": torch.tensor([[0] * len(head) + [1] * len(tail)])} if family in SEGMENTS else {}
        with torch.no_grad():
            layers = torch.stack(model(input_ids=ids, output_hidden_states=True, **segments).hidden_states)[:, 0]
        found, at = [], 1
        for words, skipped in ((question, len(between)), (paragraph, 0)):
            for word in words:
                own = layers[:, at : at + len(word)]
                found.append(own.mean(1) if word else torch.full(own.mean(1).shape, float("nan")))
                at += len(word)
            at += skipped
        return torch.stack(found, 1).numpy()

    return vectors


@pytest.fixture(scope="module")
def extracted(folder, tmp_path_factory):
    return extract(folder, tmp_path_factory.mktemp("extracted") / "a.h5", batch_size=8)


@pytest.mark.slow
def test_vectors_equal_those_made_by_hand(family, folder, extracted):
    found, vectors = read(extracted), by_hand(family, folder)
    assert list(found) == [example.example_id for example in EXAMPLES]
    for example in EXAMPLES:
        wanted = vectors(example)
        assert wanted.shape == (3, len(example.question) + len(example.paragraph), 32)
        np.testing.assert_allclose(found[example.example_id], wanted, rtol=0, atol=1e-4, err_msg=example.example_id)
        assert np.nanstd(wanted, axis=1).min() > 0


@pytest.mark.slow
def test_vectors_do_not_depend_on_what_is_in_the_batch(folder, extracted, tmp_path):
    alone, together = read(extract(folder, tmp_path / "a.h5", batch_size=1)), read(extracted)
    for name, vectors in together.items():
        np.testing.assert_allclose(alone[name], vectors, rtol=0, atol=1e-4, err_msg=name)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_padding_does_not_show(folder, precision):
    assert padding.padding_shows(loading.load_encoder(folder, precision)) is False


@pytest.mark.slow
def test_a_model_whose_numbers_padding_changes_gets_none(tmp_path, caplog):
    torch.manual_seed(0)
    model = transformers.ConvBertModel(transformers.ConvBertConfig(vocab_size=600, initializer_range=0.2, **SHAPE))
    folder = saved(model, tmp_path / "c")
    with caplog.at_level("INFO"):
        found = [read(extract(folder, tmp_path / f"{size}.h5", batch_size=size)) for size in (1, 8)]
    assert "padding changes the numbers of ConvBertModel; a batch holds one length only" in caplog.text
    for name in found[0]:
        np.testing.assert_allclose(found[0][name], found[1][name], rtol=0, atol=1e-4, err_msg=name)


@pytest.mark.slow
def test_bfloat16_comes_near_float32(extracted, folder, tmp_path):
    found, wanted = (read(path)["kinds"] for path in (extract(folder, tmp_path / "a.h5", precision="bfloat16"), extracted))
    known = ~np.isnan(wanted[0, :, 0])
    a, b = found[:, known], wanted[:, known]
    cosine = (a * b).sum(-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)
    assert cosine.min() > 0.99


def test_a_word_that_vanishes_has_no_vector_and_is_counted(family, extracted):
    vanishes = family in ("bert", "distilbert", "electra", "mpnet")
    missing = np.isnan(read(extracted)["kinds"]).all(axis=(0, 2))
    assert missing.tolist() == [False] * 19 + [vanishes, False]
    assert store.summary(extracted)["words_without_vector"] == vanishes


def test_words_that_are_not_known_have_vectors_and_look_alike_inside_one_family(family, folder):
    tokenizer = loading.load_tokenizer(folder)
    [encoding] = encode(tokenizer, [["日本"]], [["☃", "the", "☃"]])
    words = [encoding.input_ids[encoding.word_of == word].tolist() for word in range(4)]
    assert words[1] == words[3] != words[2]
    assert (tokenizer.unk_token_id in words[1]) == (family not in BYTES)


@pytest.mark.slow
@pytest.mark.parametrize("asked", [64, 512, 600])
def test_an_example_at_the_model_s_limit_is_kept_and_one_over_it_is_left_out(family, folder, tmp_path, asked):
    limit = min(asked, LONGEST[family])
    room = limit - 1 - (4 if family in ("roberta", "mpnet") else 3)
    lengths = {"over": room + 1, "at": room, "under": room - 1}
    examples = [Example(name, "page", ["the"], ["the"] * n, None, [(0, n)]) for name, n in lengths.items()]
    out = extract(folder, tmp_path / "a.h5", examples, max_length=asked)
    assert list(store.summary(out).values()) == [2, room + room - 1 + 2, 0, ["over"]]
    assert all(np.isfinite(vectors).all() for vectors in read(out).values())


def test_the_limit_is_what_the_positions_hold(family, folder):
    assert loading.longest(loading.load_encoder(folder)) == LONGEST[family]


def test_segments_are_given_where_the_model_has_them_and_nowhere_else(family, folder):
    tokenizer = loading.load_tokenizer(folder)
    [encoding] = encode(tokenizer, [["the"]], [["the", "the"]])
    wanted = [0, 0, 0, 1, 1, 1] if family in SEGMENTS else None
    assert (None if encoding.token_type_ids is None else encoding.token_type_ids.tolist()) == wanted


def test_the_encoder_has_the_weights_that_stand_below_the_pretraining_head(folder):
    saved, found = load_file(folder / "model.safetensors"), loading.load_encoder(folder).state_dict()
    prefixes = {key.split(".")[0] + "." for key in saved if "embeddings." in key}
    assert len(prefixes) == 1
    below = {key.removeprefix(min(prefixes)): tensor for key, tensor in saved.items() if key.startswith(min(prefixes))}
    assert below.keys() >= {key for key in found if "pooler" not in key}
    assert all(torch.equal(found[key], tensor) for key, tensor in below.items() if key in found)


def test_the_checkpoint_is_verified_and_fetched(folder, tmp_path):
    fetching.fetch({"source": "path", "path": str(folder)}, str(tmp_path / "target"))
    ids = [encode(loading.load_tokenizer(f), [["the"]], [KINDS])[0].input_ids for f in (folder, tmp_path / "target")]
    np.testing.assert_array_equal(*ids)


@pytest.fixture(scope="module")
def documents(tmp_path_factory):
    """Six pages of one to six times 16 words, answered by their words 13 and 14."""
    pages = []
    for i in range(6):
        words = (f"the old castle stands on 日本 hill {i} . it was built by king Henry . " * (1 + i)).strip()
        whole, found = ((0, 16 * (1 + i), True),), (Marked((0, 16), ((13, 15),)),)
        pages.append(Page(f"d{i}", "page", "who built the castle ?".split(), words, False, whole, found))
    path = tmp_path_factory.mktemp("documents") / "probe.jsonl"
    files.write_json_lines(path, map(row_of, pages))
    return str(path)


def windows_of(folder, documents, path, max_length=64):
    settings = features.Settings(max_length, 40, 0.5, 1)
    features.build(documents, loading.load_tokenizer(folder), str(path), (0, 1), settings)
    return [str(path)]


SETTINGS = training.Settings(
    epochs=1, batch_size=8, learning_rate=0.001, warmup=0.1, weight_decay=0.01, save_steps=100, threads=1, seed=1
)


def answers(folder, documents, path, heads=None, max_length=64):
    """What a checkpoint answers, with its own head or random ones."""
    if heads is None:
        heads = f"{path}.safetensors"
        given = training.Training(str(folder), [], SETTINGS, f"{path}.work")
        training.train_answer_heads(given, heads, f"{path}.tsv")
    asked = {page.example_id for page in read_pages(documents)}
    settings = answering.Settings(max_length=max_length, stride=40, threads=1)
    answering.predict(str(folder), heads or None, answering.Request(documents, asked, str(path), settings))
    return read_predictions([str(path)])


@pytest.mark.slow
@pytest.mark.parametrize("family", ["roberta", "albert", "modernbert"], scope="function")
def test_a_fine_tuned_checkpoint_reads_words_as_the_one_it_started_from(family, folders, documents, tmp_path):
    tuned, history, work = (str(tmp_path / name) for name in ("tuned", "history.tsv", "work"))
    built = windows_of(folders(family), documents, tmp_path / "f.arrow")
    training.finetune(training.Training(str(folders(family)), built, SETTINGS, work), tuned, history)
    ids = [encode(loading.load_tokenizer(f), [["the"]], [KINDS])[0].input_ids for f in (tuned, folders(family))]
    np.testing.assert_array_equal(*ids)
    assert len(answers(tuned, documents, tmp_path / "p.jsonl", heads="")) == 6
    assert list(read(extract(tuned, tmp_path / "a.h5"))) == [example.example_id for example in EXAMPLES]


def test_windows_longer_than_the_positions_are_refused(folders, documents, tmp_path):
    wanted = r"checkpoint .*: windows of {} subtokens .* positions for 512\. Set {}\.max_length to 512 or less"
    with pytest.raises(InputError, match=wanted.format(513, "evaluation")):
        answers(folders("roberta"), documents, tmp_path / "p.jsonl", max_length=513)
    words = " ".join(["king"] * 600)
    long = Page("long", "page", ["who"], words, False, ((0, 600, True),), (Marked((0, 600), ((3, 4),)),))
    files.write_json_lines(tmp_path / "long.jsonl", [row_of(long)])
    built = windows_of(folders("roberta"), str(tmp_path / "long.jsonl"), tmp_path / "f.arrow", max_length=513)
    out, history, work = (str(tmp_path / name) for name in ("out", "history.tsv", "work"))
    with pytest.raises(InputError, match=wanted.format(513, "finetuning")):
        training.finetune(training.Training(str(folders("roberta")), built, SETTINGS, work), out, history)


def saved(model, folder):
    """A checkpoint of another architecture with BERT's tokenizer."""
    model.save_pretrained(folder)
    transformers.BertTokenizer(vocab=word_piece(BRACKETS)).save_pretrained(folder)
    return str(folder)


def test_an_architecture_without_question_answering_has_vectors_and_a_head_made_for_it(tmp_path):
    config = transformers.BertGenerationConfig(vocab_size=600, **{"hidden_size": 32, "num_hidden_layers": 2})
    config.num_attention_heads, config.intermediate_size, config.pad_token_id = 2, 64, 0
    folder = saved(transformers.BertGenerationEncoder(config), tmp_path / "c")
    assert store.summary(extract(folder, tmp_path / "a.h5"))["examples"] == len(EXAMPLES)
    model, own = joint_model.initial(folder, 1)
    assert not own
    assert {"qa_outputs.weight", "qa_outputs.bias"} < model.head_state().keys()


def test_an_encoder_with_a_decoder_is_refused(tmp_path):
    config = transformers.T5Config(vocab_size=600, d_model=32, d_kv=16, d_ff=64, num_layers=2, num_heads=2)
    folder = saved(transformers.T5Model(config), tmp_path / "c")
    with pytest.raises(InputError, match=r"checkpoint .*: t5 is an encoder with a decoder.*Wanted: an encoder alone"):
        extract(folder, tmp_path / "a.h5")


def test_an_architecture_that_transformers_does_not_know_is_refused(folders, tmp_path):
    folder = Path(shutil.copytree(folders("bert"), tmp_path / "c"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "nosuchmodel"}))
    with pytest.raises(InputError, match=r"checkpoint .*nosuchmodel"):
        inspection.verify(folder)


@pytest.mark.parametrize("load", [loading.load_encoder, lambda folder: joint_model.initial(folder, 1)])
def test_a_checkpoint_that_lacks_a_layer_below_its_head_is_refused(folders, tmp_path, load):
    folder = Path(shutil.copytree(folders("electra"), tmp_path / "c"))
    weights = load_file(folder / "model.safetensors")
    kept = {key: tensor for key, tensor in weights.items() if "layer.1." not in key}
    save_file(kept, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(InputError, match=r"the weights lack .*encoder\.layer\.1\..* \(16 in all\)"):
        load(folder)


def test_hidden_states_that_are_not_one_a_layer_are_refused(folders, tmp_path, monkeypatch):
    def one_less(self, *args, forward=transformers.BertModel.forward, **options):
        output = forward(self, *args, **options)
        output.hidden_states = output.hidden_states and output.hidden_states[:-1]
        return output

    monkeypatch.setattr(transformers.BertModel, "forward", one_less)
    with pytest.raises(InputError, match=r"BertModel gives 2 hidden states of the shapes .*, wanted 3 of"):
        extract(folders("bert"), tmp_path / "a.h5")


def respoil(folder, target, change):
    """A copy of a checkpoint whose tokenizer.json is changed."""
    target = Path(shutil.copytree(folder, target))
    content = json.loads((target / "tokenizer.json").read_text(encoding="utf-8"))
    change(content)
    (target / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    return target


def test_a_byte_level_tokenizer_that_splits_by_rules_of_its_own_reads_words_behind_blanks(folders, tmp_path):
    """Llama 3's kind, as EuroBERT has it: digits in threes, then bytes."""
    rule = pre_tokenizers.Split(Regex(r" ?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+|\s"), "isolated")
    parts = pre_tokenizers.Sequence([rule, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])

    def change(content):
        content["pre_tokenizer"] = json.loads(parts.__getstate__())

    tokenizer = loading.load_tokenizer(respoil(folders("modernbert"), tmp_path / "c", change))
    text = tokenizer.backend_tokenizer
    text.normalizer = None
    wanted = text.encode("x the king 20260 🎉", add_special_tokens=False).tokens[1:]
    tokenizer = loading.load_tokenizer(tmp_path / "c")
    [encoding] = encode(tokenizer, [["the"]], [["the", "king", "20260", "🎉"]])
    found = tokenizer.convert_ids_to_tokens(encoding.input_ids[encoding.word_of > 0].tolist())
    assert found == wanted
    assert "Ġthe" in found


def test_a_tokenizer_that_has_blanks_for_letters_reads_words_behind_blanks(folders, tmp_path):
    """Gemma's kind, as mmBERT has it: a blank is written as a letter, and no word begins with one by itself."""

    def change(content):
        vocabulary = json.loads(json.dumps(content["model"]["vocab"]).replace("\\u0120", "\\u2581"))
        merges = json.loads(json.dumps(content["model"]["merges"]).replace("\\u0120", "\\u2581"))
        content["model"].update(vocab=vocabulary, merges=merges)
        content["normalizer"] = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
        split = {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False}
        content.update(pre_tokenizer=split, decoder=None)

    tokenizer = loading.load_tokenizer(respoil(folders("modernbert"), tmp_path / "c", change))
    [encoding] = encode(tokenizer, [["the"]], [["the", "king", "of"]])
    pieces = [tokenizer.convert_ids_to_tokens(encoding.input_ids[encoding.word_of == word].tolist()) for word in range(4)]
    assert pieces[0] == pieces[1] == ["▁the"]
    assert pieces[3] == ["▁of"]
    assert "".join(pieces[2]) == "▁king"


@pytest.mark.slow
def test_a_tokenizer_that_fills_up_on_the_left_gives_the_same_answers(folders, documents, tmp_path):
    folder = Path(shutil.copytree(folders("bert"), tmp_path / "c"))
    config = json.loads((folder / "tokenizer_config.json").read_text())
    left = {**config, "padding_side": "left", "truncation_side": "left"}
    (folder / "tokenizer_config.json").write_text(json.dumps(left))
    found = [answers(f, documents, tmp_path / f"{i}.jsonl") for i, f in enumerate((folder, folders("bert")))]
    assert found[0] == found[1]


def test_a_tokenizer_without_padding_token_gets_the_one_of_the_config(folders, documents, tmp_path):
    folder = Path(shutil.copytree(folders("modernbert"), tmp_path / "c"))
    config = json.loads((folder / "tokenizer_config.json").read_text())
    assert config.pop("pad_token") == "[PAD]"
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    assert AutoTokenizer.from_pretrained(folder).pad_token is None
    assert loading.load_tokenizer(folder).pad_token == "[PAD]"
    found = [answers(f, documents, tmp_path / f"{i}.jsonl") for i, f in enumerate((folder, folders("modernbert")))]
    assert found[0] == found[1]


@pytest.mark.slow
def test_xlnet_whose_special_tokens_come_last_and_whose_padding_comes_first_reads_as_by_hand(tmp_path):
    specials = ["<unk>", "<s>", "</s>", "<cls>", "<sep>", "<pad>", "<mask>", "<eod>", "<eop>"]
    tokenizer = transformers.XLNetTokenizer(vocab=unigram(specials, "<unk>", False))
    shape = {"d_model": 32, "n_layer": 2, "n_head": 2, "d_inner": 64, "pad_token_id": 5, "initializer_range": 0.2}
    torch.manual_seed(0)
    model = transformers.XLNetLMHeadModel(transformers.XLNetConfig(vocab_size=len(tokenizer), **shape))
    model.save_pretrained(tmp_path / "c")
    tokenizer.save_pretrained(tmp_path / "c")
    assert AutoTokenizer.from_pretrained(tmp_path / "c").padding_side == "left"
    fetching.fetch({"source": "path", "path": str(tmp_path / "c")}, str(tmp_path / "target"))
    found = read(extract(tmp_path / "target", tmp_path / "a.h5", storage="float32", batch_size=8))
    alone = read(extract(tmp_path / "target", tmp_path / "b.h5", storage="float32", batch_size=1))
    for example in EXAMPLES:
        question, paragraph = (
            [tokenizer(word, add_special_tokens=False)["input_ids"] for word in words]
            for words in (example.question, example.paragraph)
        )
        asked, read_on = (list(chain(*words)) for words in (question, paragraph))
        ids = torch.tensor([[*asked, 4, *read_on, 4, 3]])
        segments = torch.tensor([[0] * (len(asked) + 1) + [1] * (len(read_on) + 1) + [2]])
        with torch.no_grad():
            states = model.eval().transformer(ids, token_type_ids=segments, output_hidden_states=True).hidden_states
        layers, at = torch.stack(states)[:, 0], 0
        for word, own in enumerate([*question, *paragraph]):
            at += word == len(question)
            if own:
                wanted = layers[:, at : at + len(own)].mean(1).numpy()
                np.testing.assert_allclose(found[example.example_id][:, word], wanted, rtol=0, atol=1e-4)
            at += len(own)
        np.testing.assert_allclose(alone[example.example_id], found[example.example_id], rtol=0, atol=1e-4)


@pytest.mark.parametrize("kind", ["T5", "Bart"])
def test_encoders_with_decoders_are_refused_when_they_are_fetched(tmp_path, kind):
    own = {
        "T5": {"d_kv": 16, "d_ff": 64, "num_layers": 2, "num_heads": 2},
        "Bart": {"encoder_layers": 1, "decoder_layers": 1},
    }
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2} if kind == "Bart" else {}
    config = getattr(transformers, f"{kind}Config")(vocab_size=600, d_model=32, **own[kind], **heads)
    folder = saved(getattr(transformers, f"{kind}Model")(config), tmp_path / "c")
    with pytest.raises(InputError, match=rf"checkpoint .*: {kind.lower()} is an encoder with a decoder.*Wanted: "):
        inspection.verify(folder)
