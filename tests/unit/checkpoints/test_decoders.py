"""Models whose words see only those before them."""

import json
import shutil
from dataclasses import asdict

import families
import numpy as np
import pytest
import torch
import transformers
from decoders import DECODERS, END, make
from families import SHAPE

from pairprobe.activations import extraction, store
from pairprobe.checkpoints import fetching, final_norm, inspection, loading, padding
from pairprobe.checkpoints.tokenization import NO_WORD, described, encode, has_separator, layout_of, newline
from pairprobe.data.examples import Example
from pairprobe.io import files

GROUPED = {"num_key_value_heads": 1}
GEMMA = {**GROUPED, "head_dim": 16}
CAUSAL = {
    "GPT2": {},
    "Llama": GROUPED,
    "Qwen2": GROUPED,
    "Qwen3": GEMMA,
    "Gemma": GEMMA,
    "Gemma2": GEMMA,
    "Gemma3Text": GEMMA,
    "Mistral": GROUPED,
    "Mixtral": {**GROUPED, "num_local_experts": 4},
    "GPTNeoX": {},
    "Mamba": {},
}
BIDIRECTIONAL = {
    "Bert": {},
    "Roberta": {},
    "FNet": {},
    "Longformer": {"attention_window": 4},
    "XLNet": {"d_model": 32, "n_layer": 2, "n_head": 2, "d_inner": 64},
    "Gemma3Text": {**GEMMA, "use_bidirectional_attention": True},
}


def random_model(family, own, size=600):
    torch.manual_seed(0)
    config = getattr(transformers, f"{family}Config")
    ids = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 1}
    return getattr(transformers, f"{family}Model")(config(vocab_size=size, **ids, **{**SHAPE, **own})).eval()


@pytest.mark.parametrize(("family", "own"), CAUSAL.items())
def test_decoders_are_causal(family, own):
    assert loading.is_causal(random_model(family, own))


@pytest.mark.parametrize(("family", "own"), BIDIRECTIONAL.items())
def test_encoders_are_not(family, own):
    assert not loading.is_causal(random_model(family, own))


@pytest.mark.parametrize(("family", "causal"), [("GPT2", True), ("Bert", False)])
def test_a_bfloat16_model_with_a_tiny_vocabulary_and_few_positions_is_known_as_well(family, causal):
    model = random_model(family, {"max_position_embeddings": 4, "hidden_dropout_prob": 0.0}, size=8)
    assert loading.is_causal(model.to(torch.bfloat16)) is causal


def test_dropout_would_hide_it():
    with pytest.raises(ValueError, match="evaluation mode"):
        loading.is_causal(random_model("GPT2", {}).train())


KINDS = ["Café", "the", "½", ",", "日本", "🎉", "naïveté", "1912", "Zqxj7", "don't", "U.S.", "!", "."]
EXAMPLES = [
    Example("kinds", "page", "Who saw the élan of 日本 ?".split(), KINDS, None, [(0, len(KINDS))]),
    Example("short", "page", ["who"], ["king"], None, [(0, 1)]),
    *(
        Example(f"long{n}", "page", "where is it".split(), ["Castle", "1,000", "built"] * n, None, [(0, 3 * n)])
        for n in (2, 5, 11, 3)
    ),
]


@pytest.fixture(scope="module", params=DECODERS)
def family(request):
    return request.param


@pytest.fixture(scope="module")
def folder(family, tmp_path_factory):
    return make(family, tmp_path_factory.mktemp(family))


def extract(folder, out, examples=EXAMPLES, **options):
    path = out.with_suffix(".jsonl")
    files.write_json_lines(path, map(asdict, examples))
    settings = extraction.Settings(threads=1, storage="float32", **options)
    extraction.extract(str(folder), str(path), "paragraph", str(out), settings)
    return str(out)


def read(path):
    """``{example_id: (layers+1, words, hidden)}``, the question's words first."""
    with store.Activations([path]) as stored:
        return {name: np.concatenate(stored[name], axis=1) for name in stored.names()}


def by_hand(family, folder, example, order):
    """One example alone: each word's ids behind another word of running text, its special tokens by their names."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder, attn_implementation="eager").eval()
    first = [tokenizer.convert_tokens_to_ids(DECODERS[family][4])] if DECODERS[family][4] else []
    newline = tokenizer.convert_tokens_to_ids("\n" if "\n" in tokenizer.get_vocab() else "Ċ")
    before = tokenizer("the", add_special_tokens=False)["input_ids"]

    def pieces(word):
        ids = tokenizer(f"the {word}", add_special_tokens=False)["input_ids"]
        assert ids[: len(before)] == before
        return ids[len(before) :]

    sides = {"question": [pieces(word) for word in example.question], "paragraph": [pieces(w) for w in example.paragraph]}
    places, ids = {}, list(first)
    for name in sorted(sides, reverse=order == "question_first"):
        ids += [newline] if len(ids) > len(first) else []
        for number, word in enumerate(sides[name]):
            places[name, number] = slice(len(ids), len(ids) + len(word))
            ids += word
    with torch.no_grad():
        layers = torch.stack(model(torch.tensor([ids]), output_hidden_states=True).hidden_states)[:, 0]
    words = [(name, number) for name in ("question", "paragraph") for number in range(len(sides[name]))]
    return torch.stack([layers[:, places[word]].mean(1) for word in words], 1).numpy()


@pytest.mark.slow
@pytest.mark.parametrize("order", ["paragraph_first", "question_first"])
def test_vectors_equal_those_made_by_hand(family, folder, tmp_path, order):
    found = read(extract(folder, tmp_path / "a.h5", order=None if order == "paragraph_first" else order))
    assert list(found) == [example.example_id for example in EXAMPLES]
    for example in EXAMPLES:
        wanted = by_hand(family, folder, example, order)
        assert wanted.shape == (3, len(example.question) + len(example.paragraph), 32)
        np.testing.assert_allclose(found[example.example_id], wanted, rtol=0, atol=1e-4, err_msg=example.example_id)
        assert wanted[1:].std(axis=1).min() > 0


@pytest.mark.slow
def test_batch_padding_and_order_of_examples_do_not_show(folder, tmp_path):
    alone = read(extract(folder, tmp_path / "a.h5", batch_size=1))
    together = read(extract(folder, tmp_path / "b.h5", EXAMPLES[::-1], batch_size=8))
    for name, vectors in alone.items():
        np.testing.assert_allclose(together[name], vectors, rtol=0, atol=1e-4, err_msg=name)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_padding_shows_in_no_family(folder, precision):
    assert padding.padding_shows(loading.load_encoder(folder, precision)) is False


@pytest.mark.slow
def test_what_a_decoder_reads_is_said(family, folder, tmp_path):
    said = store.model_input(extract(folder, tmp_path / "a.h5"))
    first = DECODERS[family][4]
    wanted = {
        "causal": "yes",
        "order": "paragraph_first",
        "reads": " ".join(filter(None, [first, "paragraph \\n question"])),
        "final_norm": "as_given",
    }
    assert said == wanted
    said = store.model_input(extract(folder, tmp_path / "b.h5", order="question_first", special_tokens=False))
    assert list(said.values()) == ["yes", "question_first", "question paragraph", "as_given"]


def test_a_decoder_is_verified_and_fetched(folder, tmp_path):
    fetching.fetch({"source": "path", "path": str(folder)}, str(tmp_path / "target"))
    assert loading.is_causal(loading.load_encoder(tmp_path / "target"))


def test_a_single_text_stands_behind_the_first_token(family, folder):
    tokenizer, words = loading.load_tokenizer(folder), "the King built it .".split()
    layout = layout_of(tokenizer, True)
    pair, alone = encode(tokenizer, [["who"], []], [words, words], layout)
    first = [tokenizer.convert_tokens_to_ids(DECODERS[family][4])] if DECODERS[family][4] else []
    text = pair.input_ids[pair.word_of >= 1].tolist()
    assert alone.input_ids.tolist() == [*first, *text]
    assert alone.word_of.tolist() == [NO_WORD] * len(first) + (pair.word_of[pair.word_of >= 1] - 1).tolist()
    assert (alone.first_words, alone.words) == (0, 5)


def states_and_norm(folder, ids):
    """A model's hidden states, what its last layer gave, and the norm behind that, by the names that transformers has."""
    model = transformers.AutoModel.from_pretrained(folder, attn_implementation="eager").eval()
    stack, norm = {"GPT2Model": ("h", "ln_f"), "GPTNeoXModel": ("layers", "final_layer_norm")}.get(
        type(model).__name__, ("layers", "norm")
    )
    raw = []
    getattr(model, stack)[-1].register_forward_hook(
        lambda *call: raw.append(call[-1][0] if isinstance(call[-1], tuple) else call[-1])
    )
    with torch.no_grad():
        states = model(torch.tensor([ids]), output_hidden_states=True).hidden_states
    return [layer[0] for layer in states], raw[0].reshape(states[-1].shape)[0], getattr(model, norm)


@pytest.mark.slow
@pytest.mark.parametrize("pooling", ["mean", "last"])
def test_the_final_norm_is_left_out_or_put_on_every_layer(folder, tmp_path, monkeypatch, pooling):
    monkeypatch.setitem(extraction.POOLING, "paragraph", pooling)
    tokenizer = loading.load_tokenizer(folder)
    kinds = EXAMPLES[0]
    [encoding] = encode(tokenizer, [kinds.question], [kinds.paragraph], layout_of(tokenizer, True))
    states, raw, norm = states_and_norm(folder, encoding.input_ids.tolist())
    with torch.no_grad():
        wanted = {
            "as_given": states,
            "raw": [*states[:-1], raw],
            "normed": [*(norm(layer) for layer in states[:-1]), states[-1]],
        }
    assert (raw - states[-1]).abs().max() > 0.1
    for name, layers in wanted.items():
        found = read(path := extract(folder, tmp_path / f"{name}.h5", final_norm=name))["kinds"]
        for word in range(encoding.words):
            own = torch.stack(layers)[:, encoding.word_of == word]
            vector = own.mean(1) if pooling == "mean" else own[:, -1]
            np.testing.assert_allclose(found[:, word], vector, rtol=1e-4, atol=1e-4, err_msg=f"{name}, word {word}")
        assert store.model_input(path)["final_norm"] == name
        with store.Activations([path]) as stored:
            assert stored.attributes.get("final_norm", "as_given") == name


@pytest.mark.slow
def test_a_model_without_a_final_norm_is_the_same_whatever_is_asked(tmp_path):
    folder = families.tiny_bert(tmp_path / "bert")
    found = {
        name: read(extract(folder, tmp_path / f"{name}.h5", final_norm=name)) for name in ("as_given", "raw", "normed")
    }
    for name in ("raw", "normed"):
        assert all(np.array_equal(vectors, found["as_given"][each]) for each, vectors in found[name].items())
        assert store.model_input(str(tmp_path / f"{name}.h5"))["final_norm"] == "none"


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("family", [*families.FAMILIES, "opt", "xlm-roberta-xl"], scope="function")
def test_among_encoders_modernbert_alone_has_a_final_norm(family, precision, tmp_path):
    if family in families.FAMILIES:
        model = loading.load_encoder(families.make(family, tmp_path), precision)
        wanted = {"modernbert": "final_norm"}.get(family)
    else:
        kind, own = {"opt": ("OPT", {"word_embed_proj_dim": 32, "ffn_dim": 64}), "xlm-roberta-xl": ("XLMRobertaXL", {})}[
            family
        ]
        model = random_model(kind, own).to(getattr(torch, precision))
        wanted = {"opt": "decoder.final_layer_norm", "xlm-roberta-xl": "encoder.LayerNorm"}[family]
    assert final_norm.find(model) == wanted
    assert (final_norm.take_out(model) is None) == (wanted is None)


@pytest.mark.slow
def test_bfloat16_comes_near_float32(folder, tmp_path):
    found, wanted = (read(extract(folder, tmp_path / f"{p}.h5", precision=p)) for p in ("bfloat16", "float32"))
    for name in wanted:
        a, b = found[name], wanted[name]
        cosine = (a * b).sum(-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)
        assert cosine.min() > 0.99, name


def test_gpt2_whose_first_entry_is_a_word_pads_with_no_word_and_reads_the_same_once_saved(tmp_path):
    folder = make("gpt2", tmp_path / "c")
    content = json.loads((folder / "tokenizer.json").read_text())
    # As published: "!" first, " !" an entry of its own, the end of text last.
    entries = [entry for entry in content["model"]["vocab"] if entry not in ("!", END)]
    last = entries.pop()
    entries = ["!", *entries, "Ġ!", END]
    merges = [merge for merge in content["model"]["merges"] if "".join(merge) != last]
    content["model"] |= {"vocab": {entry: i for i, entry in enumerate(entries)}, "merges": [*merges, ["Ġ", "!"]]}
    content["added_tokens"][0]["id"] = len(entries) - 1
    (folder / "tokenizer.json").write_text(json.dumps(content))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "bos_token_id": 599, "eos_token_id": 599}))
    inspection.verify(folder)
    tokenizer = loading.load_tokenizer(folder)
    assert (tokenizer.pad_token, tokenizer.tokenize("the !")[-1]) == (END, "Ġ!")
    tokenizer.save_pretrained(folder)
    assert loading.load_tokenizer(folder).tokenize("the !")[-1] == "Ġ!"


def edited(folder, name, **changes):
    """Change a file of JSON in place; None takes a key out."""
    content = {**json.loads((folder / name).read_text()), **changes}
    (folder / name).write_text(json.dumps({key: value for key, value in content.items() if value is not None}))


ODD = {
    "a tokenizer that adds no first token": ("llama", {"add_bos_token": False}, "<s> paragraph \\n question"),
    "a tokenizer that adds a last token": ("llama", {"add_eos_token": True}, "<s> paragraph \\n question"),
    "a tokenizer that fills up on the left": ("mistral", {"padding_side": "left"}, "<s> paragraph \\n question"),
    "a chat template": ("qwen2", {"chat_template": "{{ messages }}"}, "paragraph \\n question"),
    "one token to begin and to end": (
        "llama3",
        {"bos_token": "<|end_of_text|>"},
        "<|end_of_text|> paragraph \\n question",
    ),
    "no special token": ("llama3", {"bos_token": None, "eos_token": None}, "paragraph \\n question"),
}


@pytest.mark.parametrize(("odd", "family"), [(odd, ODD[odd][0]) for odd in ODD], scope="function")
def test_odd_tokenizers_read_the_same_words(odd, family, tmp_path):
    plain, folder = make(family, tmp_path / "plain"), make(family, tmp_path / "odd")
    edited(folder, "tokenizer_config.json", **ODD[odd][1])
    if odd == "no special token":
        edited(folder, "tokenizer.json", added_tokens=[], post_processor=None)
    inspection.verify(folder)
    tokenizer, usual = loading.load_tokenizer(folder), loading.load_tokenizer(plain)
    layout = layout_of(tokenizer, loading.is_causal(loading.load_encoder(folder)))
    assert described(tokenizer, layout, "paragraph") == ODD[odd][2]
    [found], [wanted] = (encode(each, [["who", "!"]], [KINDS], layout) for each in (tokenizer, usual))
    np.testing.assert_array_equal(found.input_ids[found.word_of >= 0], wanted.input_ids[wanted.word_of >= 0])


@pytest.mark.slow
def test_embeddings_that_are_tied_and_have_rows_to_spare_change_nothing(tmp_path):
    folder = make("gemma", tmp_path / "c", vocab_size=1000, tie_word_embeddings=True)
    fetching.fetch({"source": "path", "path": str(folder)}, str(tmp_path / "target"))
    found = read(extract(tmp_path / "target", tmp_path / "a.h5"))
    for example in EXAMPLES:
        wanted = by_hand("gemma", folder, example, "paragraph_first")
        np.testing.assert_allclose(found[example.example_id], wanted, rtol=0, atol=1e-4, err_msg=example.example_id)


@pytest.mark.slow
def test_layers_in_shards_and_in_bfloat16_are_those_of_one_file(folder, tmp_path):
    whole = transformers.AutoModel.from_pretrained(folder, dtype=torch.bfloat16)
    for name, options in {"one": {}, "several": {"max_shard_size": "20KB"}}.items():
        shutil.copytree(folder, tmp_path / name, ignore=shutil.ignore_patterns("*.safetensors"))
        whole.save_pretrained(tmp_path / name, **options)
    assert len(list((tmp_path / "several").glob("*.safetensors"))) > 2
    one, several = (read(extract(tmp_path / name, tmp_path / f"{name}.h5")) for name in ("one", "several"))
    assert all(np.array_equal(one[name], several[name]) for name in one)


def test_a_tokenizer_reads_the_same_once_it_was_saved(folder, tmp_path):
    tokenizer = loading.load_tokenizer(folder)
    shutil.copytree(folder, tmp_path / "again")
    tokenizer.save_pretrained(tmp_path / "again")
    again = loading.load_tokenizer(tmp_path / "again")
    layout = layout_of(tokenizer, True)
    assert layout_of(again, True) == layout
    [found], [wanted] = (encode(each, [["who", "!"]], [KINDS], layout) for each in (again, tokenizer))
    np.testing.assert_array_equal(found.input_ids, wanted.input_ids)
    np.testing.assert_array_equal(found.word_of, wanted.word_of)


def test_an_example_at_the_positions_of_gpt2_is_kept_and_one_over_them_is_left_out(tmp_path):
    folder = make("gpt2", tmp_path / "c", max_position_embeddings=64)
    # One token to begin with, a newline, and the question's word.
    examples = [Example(str(n), "page", ["the"], ["the"] * n, None, [(0, n)]) for n in (60, 61, 62)]
    out = extract(folder, tmp_path / "a.h5", examples)
    assert (list(read(out)), store.summary(out)["left_out"]) == (["60", "61"], ["62"])


def test_a_newline_that_is_a_byte_is_read(tmp_path):
    folder = make("llama", tmp_path / "c")
    content = json.loads((folder / "tokenizer.json").read_text())
    vocabulary = content["model"]["vocab"]
    vocabulary["unheard"] = vocabulary.pop("\n")
    (folder / "tokenizer.json").write_text(json.dumps(content))
    tokenizer = loading.load_tokenizer(folder)
    [encoding] = encode(tokenizer, [["who"]], [["the"]], layout_of(tokenizer, True))
    assert tokenizer.convert_ids_to_tokens(encoding.input_ids.tolist())[:3] == ["<s>", "▁the", "<0x0A>"]


def changed(folder, change):
    """Load a checkpoint's tokenizer, once what ``tokenizer.json`` holds was changed."""
    content = json.loads((folder / "tokenizer.json").read_text())
    change(content)
    (folder / "tokenizer.json").write_text(json.dumps(content))
    return loading.load_tokenizer(folder)


def test_a_newline_that_running_text_merges_into_a_word_is_read_alone(tmp_path):
    def merge(content):
        content["model"]["vocab"]["e\n"] = len(content["model"]["vocab"])
        content["model"]["merges"].insert(0, ["e", "\n"])

    tokenizer = changed(make("llama", tmp_path / "c"), merge)
    assert "e\n" in tokenizer.tokenize("the\nthe")
    assert tokenizer.convert_ids_to_tokens(newline(tokenizer)) == ["\n"]
    layout = layout_of(tokenizer, True)
    [encoding] = encode(tokenizer, [["who"]], [["the"]], layout)
    assert tokenizer.convert_ids_to_tokens(encoding.input_ids.tolist())[:3] == ["<s>", "▁the", "\n"]
    assert described(tokenizer, layout, "paragraph") == "<s> paragraph \\n question"


def test_where_newlines_are_lost_another_beginning_stands_between_two_texts_and_the_log_says_so(tmp_path, caplog):
    def lose(content):
        lost = {"type": "Replace", "pattern": {"String": "\n"}, "content": " "}
        content["normalizer"] = {"type": "Sequence", "normalizers": [lost, *filter(None, [content["normalizer"]])]}

    tokenizer = changed(make("llama3", tmp_path / "c"), lose)
    assert newline(tokenizer) == []
    layout = layout_of(tokenizer, True)
    begin = "<|begin_of_text|>"
    assert described(tokenizer, layout, "paragraph") == f"{begin} paragraph {begin} question"
    assert "loses newlines and has no separator: between two texts stands its beginning-of-sequence token" in caplog.text


def test_a_second_beginning_between_two_texts_is_no_separator(tmp_path):
    tokenizer = loading.load_tokenizer(make("llama3", tmp_path / "c"))
    begin = "<|begin_of_text|>"
    assert tokenizer(["the"], ["the"], is_split_into_words=True).tokens() == [begin, "Ġthe", begin, "Ġthe"]
    assert not has_separator(tokenizer)
    assert layout_of(tokenizer, causal=False).separators == "newline"
