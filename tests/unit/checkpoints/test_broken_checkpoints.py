"""Checkpoints of ten families, one thing broken at a time: each is refused in one line, or used with exact numbers.

Each breakage is tried on one family, and, among the slow tests, on all that it applies to. It changes a folder, and comes
with what must be said of it: a regular expression, or how its numbers compare with those of the folder before.
"""

import functools
import json
import re
import shutil
import tempfile
from pathlib import Path

import families
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel

from pairprobe.checkpoints import fetching, loading
from pairprobe.errors import InputError

FAMILIES = [*families.FAMILIES, *families.MORE_FAMILIES]
WORD_PIECES = ("bert", "distilbert", "electra", "convbert")
BYTES = ("roberta", "modernbert")
# Whose layers all have the same weights, so that nobody can tell how many there were.
LAYERS = tuple(family for family in FAMILIES if family != "albert")
POSITIONS = ("bert", "roberta", "distilbert", "electra", "mpnet", "albert", "xlm-roberta", "convbert")

# What becomes of a checkpoint that is used.
SAME = "the hidden states are those of the unbroken one, bit by bit"
NEAR = "they are, but for the order in which sums are taken"
AS_TRANSFORMERS = "they are those that transformers computes"

QUESTION, PASSAGE = "who built the castle".split(), "the king built it in 1912 for Queen Mary".split()


# Changes to a folder.


def edit(folder, name, **changed):
    """Change keys of a file of JSON; None removes one."""
    content = json.loads((folder / name).read_text(encoding="utf-8"))
    content.update(changed)
    (folder / name).write_text(json.dumps({key: value for key, value in content.items() if value is not None}))


def config(**changed):
    return lambda folder: edit(folder, "config.json", **changed)


def null(name, key):
    def change(folder):
        content = json.loads((folder / name).read_text(encoding="utf-8"))
        (folder / name).write_text(json.dumps({**content, key: None}))

    return change


def write(name, content):
    return lambda folder: (folder / name).write_bytes(content)


def remove(*names):
    return lambda folder: [(folder / name).unlink(missing_ok=True) for name in names]


def sized(key, change):
    """Change a number of config.json, which DistilBERT calls otherwise."""

    def apply(folder):
        content = json.loads((folder / "config.json").read_text())
        there = (
            key
            if key in content
            else {"num_hidden_layers": "n_layers", "hidden_size": "dim", "num_attention_heads": "n_heads"}[key]
        )
        edit(folder, "config.json", **{there: change(content[there])})

    return apply


def tensors(change):
    """Save the weights again, as ``change`` gives them."""

    def apply(folder):
        weights = change(load_file(folder / "model.safetensors"))
        save_file(
            {key: tensor.contiguous() for key, tensor in weights.items()}, folder / "model.safetensors", {"format": "pt"}
        )

    return apply


def one_matrix(weights):
    """A matrix of the first layer's attention, by whatever name."""
    inside = [key for key, tensor in weights.items() if tensor.ndim == 2 and re.search(r"(attn|attention|q_lin)", key)]
    return min(inside)


def embeddings(weights):
    return next(
        key for key in weights if re.search(r"(word_embeddings|tok_embeddings)\.weight$", key) and "head" not in key
    )


def matrix(change):
    return tensors(lambda weights: {**weights, (key := one_matrix(weights)): change(weights[key].clone())})


def filled(value):
    def change(tensor):
        tensor[1, 2] = value
        return tensor

    return matrix(change)


def renamed(change):
    return tensors(lambda weights: {change(key): tensor for key, tensor in weights.items()})


def without(pattern):
    return tensors(lambda weights: {key: tensor for key, tensor in weights.items() if not re.search(pattern, key)})


def cast(dtype):
    return tensors(lambda weights: {key: tensor.to(dtype) for key, tensor in weights.items()})


def with_tensor(name, tensor):
    """Add a tensor beside the weights of the first layer's attention."""
    return tensors(lambda weights: {**weights, f"{one_matrix(weights).rsplit('.', 1)[0]}.{name}": tensor})


def wider_vocabulary(folder):
    """Fill up the embeddings, and the head's bias, to a multiple of 64, as for tensor cores."""

    def change(weights):
        rows = weights[embeddings(weights)].shape[0]
        more = -rows % 64
        fill = {
            key: torch.nn.functional.pad(t, (0, 0, 0, more) if t.ndim == 2 else (0, more)) for key, t in weights.items()
        }
        return {key: fill[key] if tensor.shape[0] == rows else tensor for key, tensor in weights.items()}

    tensors(change)(folder)
    edit(folder, "config.json", vocab_size=640)


def sharded(index=None, *, lost=None, whole=False):
    """Save the weights in two files; index: what to change in their index; lost: which file is not there."""

    def apply(folder):
        weights = load_file(folder / "model.safetensors")
        place = {key: f"model-0000{1 + i % 2}-of-00002.safetensors" for i, key in enumerate(sorted(weights))}
        for file in sorted(set(place.values()) - {lost}):
            save_file({key: weights[key] for key in weights if place[key] == file}, folder / file, {"format": "pt"})
        content = {"metadata": {}, "weight_map": place} if index is None else index(place)
        if content is not None:
            text = content if isinstance(content, str) else json.dumps(content)
            (folder / "model.safetensors.index.json").write_text(text)
        if not whole:
            (folder / "model.safetensors").unlink()

    return apply


def in_both_files(folder):
    key = one_matrix(weights := load_file(folder / "model.safetensors"))
    sharded()(folder)
    for file in folder.glob("model-*"):
        save_file({**load_file(file), key: weights[key]}, file, {"format": "pt"})


def moved(name):
    """Put everything one folder deeper."""

    def apply(folder):
        files = list(folder.iterdir())
        (folder / name).mkdir()
        for file in files:
            file.rename(folder / name / file.name)

    return apply


def in_place_of_weights(*names):
    def apply(folder):
        (folder / "model.safetensors").unlink()
        for name in names:
            (folder / name).write_bytes(b"GGUF or whatever")

    return apply


def beside(*names):
    return lambda folder: [(folder / name).write_bytes(b"raise SystemExit") for name in names]


def tokenizer(change):
    """Change what tokenizer.json says, in place."""

    def apply(folder):
        content = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
        change(content)
        (folder / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")

    return apply


def foreign_vocabulary(content):
    """Give the entries, but those of special tokens, the names of words of nowhere."""
    special = {token["content"] for token in content["added_tokens"]}
    vocabulary = content["model"]["vocab"]
    if isinstance(vocabulary, dict):
        content["model"]["vocab"] = {key if key in special else f"ж{i}": i for key, i in vocabulary.items()}
        if "merges" in content["model"]:
            content["model"]["merges"] = []
    else:
        content["model"]["vocab"] = [row if row[0] in special else [f"ж{i}", row[1]] for i, row in enumerate(vocabulary)]


def more_tokens(content):
    content["added_tokens"] += [
        {
            "id": 600 + i,
            "content": word,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": True,
            "special": False,
        }
        for i, word in enumerate(["castle", "king"])
    ]


def template(change):
    return tokenizer(lambda content: change(content["post_processor"]))


def no_separator(processor):
    processor["pair"] = [piece for piece in processor["pair"] if "Sequence" in piece]


def foreign_separator(processor):
    processor["special_tokens"]["[SEP]"]["ids"] = [50]


def separator_beyond(processor):
    processor["special_tokens"]["[SEP]"]["ids"] = [5000]


def normalizer(*steps):
    return tokenizer(lambda content: content.update(normalizer={"type": "Sequence", "normalizers": list(steps)}))


def longer(times):
    return {"type": "Replace", "pattern": {"String": "a"}, "content": "a" * times}


def merges_apart(content):
    """Write the vocabulary of BPE as RoBERTa has it; content: the lines of merges.txt, from the merges."""

    def apply(folder):
        model = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]
        (folder / "tokenizer.json").unlink()
        (folder / "vocab.json").write_text(json.dumps(model["vocab"]), encoding="utf-8")
        if (lines := content([" ".join(merge) for merge in model["merges"]])) is not None:
            (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *lines, ""]), encoding="utf-8")

    return apply


def in_place_of_tokenizer(name, content):
    return lambda folder: [remove("tokenizer.json", "tokenizer_config.json")(folder), write(name, content)(folder)]


def vocabulary_alone(end="\n", start=""):
    """Leave vocab.txt as the only file of the tokenizer."""

    def apply(folder):
        vocabulary = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
        for name in ("tokenizer.json", "tokenizer_config.json"):
            (folder / name).unlink()
        lines = [token + end for token in sorted(vocabulary, key=vocabulary.get)]
        (folder / "vocab.txt").write_bytes((start + "".join(lines)).encode())

    return apply


TRUNCATION = {"direction": "Left", "max_length": 5, "strategy": "LongestFirst", "stride": 0}
PADDING = {
    "strategy": {"Fixed": 64},
    "direction": "Left",
    "pad_to_multiple_of": None,
    "pad_id": 0,
    "pad_type_id": 0,
    "pad_token": "[PAD]",
}
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 440449768\n"
PAGE = b"<!doctype html><title>404</title>"
INDEX = "model.safetensors.index.json"

# name: (what is done, what must come of it, the families it applies to)
BREAKAGES = {
    # config.json
    "no config": (remove("config.json"), r"config\.json is missing"),
    "a config that is cut off": (write("config.json", b'{"model_type": "be'), r"config\.json is not JSON: "),
    "a config that is a pointer of Git LFS": (
        write("config.json", POINTER),
        r"config\.json is not JSON, but a pointer of Git LFS",
    ),
    "a config that is a page": (write("config.json", PAGE), r"config\.json is not JSON, but a web page"),
    "a config that is a list": (write("config.json", b"[1, 2]"), r"config\.json is JSON of another kind: found a list"),
    "a config that is nested without end": (write("config.json", b"[" * 10**5), r"config\.json is not JSON"),
    "a config of 20 megabytes": (write("config.json", b" " * 20_000_000), r"config\.json has 20,000,000 bytes"),
    "no model_type": (config(model_type=None), r"key model_type: found None"),
    "an unknown model_type": (
        config(model_type="nosuchmodel"),
        r"key model_type: found 'nosuchmodel', which transformers \d\S* does not know\. Take",
    ),
    "another model_type": (config(model_type="squeezebert"), r"the weights (lack|have)|cannot make", LAYERS),
    "code of its own": (config(model_type="evil", auto_map={"AutoModel": "evil.Evil"}), r"key auto_map: it asks for code"),
    "code of its own for what transformers has": (
        lambda folder: [
            config(auto_map={"AutoConfig": "evil.Evil", "AutoModel": "evil.Evil"})(folder),
            write("evil.py", b"raise SystemExit")(folder),
        ],
        SAME,
    ),
    "auto_map of null": (null("config.json", "auto_map"), SAME),
    "quantised": (config(quantization_config={"quant_method": "gptq", "bits": 4}), r"key quantization_config: .*quantised"),
    "quantization_config of null": (null("config.json", "quantization_config"), SAME),
    "attention from the hub": (config(attn_implementation="evil/kernel"), r"key attn_implementation: found 'evil/kernel'"),
    "attention of another package": (config(_attn_implementation="flash_attention_2"), r"key _attn_implementation: found"),
    "experts from the hub": (config(experts_implementation="evil/kernel"), r"key experts_implementation: found"),
    "a backbone": (config(backbone="some/model", use_pretrained_backbone=True), r"key backbone: it names another model"),
    "a backbone inside": (config(text_config={"backbone": "some/model"}), r"key backbone: it names another model"),
    "weights of another name": (config(transformers_weights="adapter_model.bin"), r"key transformers_weights"),
    "a layer too few": (
        sized("num_hidden_layers", lambda n: n - 1),
        r"the weights have \S+ \(\d+ such tensors\).*\(1 layers\)|num_hidden_layers",
        LAYERS,
    ),
    "a layer too many": (sized("num_hidden_layers", lambda n: n + 1), r"the weights lack \S+|num_hidden_layers", LAYERS),
    "2,000 layers": (
        sized("num_hidden_layers", lambda _: 2000),
        r"config\.json describes an encoder of many times|num_hidden_layers",
        LAYERS,
    ),
    "a million layers": (sized("num_hidden_layers", lambda _: 10**6), r"key \w*layers: found 1,000,000, and no encoder"),
    "vectors of another width": (sized("hidden_size", lambda n: 2 * n), r"the weights \S+ have the shape|cannot make"),
    "vectors of absurd width": (
        sized("hidden_size", lambda _: 10**12),
        r"key \w+: found 1,000,000,000,000, and no encoder",
    ),
    "ten million words": (config(vocab_size=10**7), r"the weights \S+ have the shape"),
    "embeddings for eight words more": (
        config(vocab_size=608),
        r"the weights \S+ have the shape \(600, \d+\), wanted \(608",
    ),
    "fewer positions": (config(max_position_embeddings=64), r"the weights \S+ have the shape", POSITIONS),
    "a padding id that is no id": (config(pad_token_id=99999), r"[Pp]adding|key pad_token_id"),
    "a padding id of -1": (config(pad_token_id=-1), r"[Pp]adding|key pad_token_id: found -1, .* or remove the key"),
    "heads that do not divide": (sized("num_attention_heads", lambda _: 3), r"config\.json|cannot make"),
    "an activation that is none": (
        config(hidden_act="no", activation="no", hidden_activation="no"),
        r"config\.json|cannot make",
    ),
    "texts in chunks": (config(chunk_size_feed_forward=4), r"key chunk_size_feed_forward: it fails on each text"),
    "a number that is none": (
        config(layer_norm_eps=float("nan"), norm_eps=float("nan")),
        r"the hidden states of layer 0 are not finite",
        tuple(family for family in FAMILIES if family != "distilbert"),  # which has it fixed
    ),
    "labels that are none": (config(id2label={"a": "b"}), r"config\.json"),
    "an encoder with a decoder": (config(is_encoder_decoder=True), r"is an encoder with a decoder"),
    "a number that is text": (sized("hidden_size", str), r"config\.json|cannot make"),
    "a decoder": (config(is_decoder=True), r"key is_decoder: it makes a decoder"),
    "a billion labels": (config(num_labels=10**9), r"key num_labels: found 1,000,000,000"),
    "a vocabulary by other names": (config(n_words=64139, num_tokens=64139, n_vocab=64139), SAME),
    "labels named like keys": (
        config(label2id={"backbone": 1, "is_decoder": 2}, id2label={"1": "backbone", "2": "is_decoder"}),
        SAME,
    ),
    "labels that are a list": (config(id2label=["yes", "no"]), r"key id2label: found \['yes', 'no'\]"),
    "labels that are words": (
        config(id2label={"B-PER": 0}),
        r"key id2label: found {'B-PER': 0}.*remove id2label, label2id",
    ),
    "a number of labels that is text": (config(num_labels="3"), r"config\.json, key num_labels: found '3'"),
    "no number of labels": (null("config.json", "num_labels"), r"config\.json, key num_labels: found None"),
    "large numbers of no size": (config(num_steps=10**9, n_examples=10**12), SAME),
    "a billion heads inside": (config(text_config={"num_heads": 10**9}), r"key num_heads: found 1,000,000,000"),
    "no architectures": (config(architectures=None), SAME),
    "weights said to be of half precision": (config(dtype="float16", torch_dtype="float16"), SAME),
    "tuples in place of names": (config(return_dict=False), SAME),
    "attentions given": (config(output_attentions=True, output_hidden_states=True), NEAR),
    "much dropout": (config(hidden_dropout_prob=0.9, dropout=0.9, attention_probs_dropout_prob=0.9), SAME),
    # Weights.
    "no weights": (remove("model.safetensors"), r"it has no weights"),
    "pickled weights": (in_place_of_weights("pytorch_model.bin"), r"its weights are pickled only \(pytorch_model\.bin\)"),
    "weights of TensorFlow and Flax": (
        in_place_of_weights("tf_model.h5", "flax_model.msgpack"),
        r"in another format \(TensorFlow: tf_model\.h5; Flax: flax_model\.msgpack\)",
    ),
    "weights in GGUF": (in_place_of_weights("model-Q4.gguf"), r"in another format \(GGUF: model-Q4\.gguf\)"),
    "weights in ONNX": (in_place_of_weights("model.onnx"), r"in another format \(ONNX: model\.onnx\)"),
    "weights that are a pointer of Git LFS": (
        write("model.safetensors", POINTER),
        r"model\.safetensors is no whole .* Git LFS",
    ),
    "weights that are a page": (
        write("model.safetensors", PAGE),
        r"model\.safetensors is no whole safetensors file, but a web page",
    ),
    "weights that are empty": (write("model.safetensors", b""), r"model\.safetensors is no whole safetensors file"),
    "an absurd header": (write("model.safetensors", b"\xff" * 16), r"model\.safetensors is no whole safetensors file"),
    "weights under another file's name": (
        lambda folder: (folder / "model.safetensors").rename(folder / "pytorch_model.safetensors"),
        r"it has pytorch_model\.safetensors, and no model\.safetensors",
    ),
    "NaN": (filled(float("nan")), r"tensor \S+: found NaN or infinite"),
    "an infinite weight": (filled(float("inf")), r"tensor \S+: found NaN or infinite"),
    "a matrix of zeros": (matrix(torch.zeros_like), r"tensor \S+: found nothing but zeros"),
    "whole numbers": (matrix(lambda tensor: (tensor * 100).to(torch.int8)), r"tensor \S+: found weights of the type I8"),
    "weights in eight bits": (cast(torch.float8_e4m3fn), r"tensor \S+: found weights of the type F8_E4M3"),
    "a matrix less": (
        tensors(lambda weights: {k: t for k, t in weights.items() if k != one_matrix(weights)}),
        r"the weights lack \S+",
    ),
    "a tensor twice": (
        tensors(lambda weights: {**weights, (key := one_matrix(weights)).split(".", 1)[1]: weights[key] + 1}),
        r"tensor \S+: the encoder has it twice, also as \S+ in model\.safetensors",
        ("bert", "roberta", "electra", "distilbert"),
    ),
    "a tensor in two files": (
        in_both_files,
        r"model-00002\S+ tensor (\S+): the encoder has it twice, also as \1 in model-00001",
    ),
    "a head's tensor twice": (
        tensors(lambda weights: {**weights, "a.b": torch.ones(2), "bert.a.b": torch.ones(2)}),
        SAME,
        ("bert",),
    ),
    "a pooler of zeros": (
        tensors(lambda weights: {key: t * 0 if "pooler" in key else t for key, t in weights.items()}),
        SAME,
        ("bert", "albert"),
    ),
    "an infinite bias of a head that is not used": (
        tensors(lambda weights: {**weights, "cls.predictions.bias": torch.full((600,), -torch.inf)}),
        SAME,
    ),
    "a head for answers that is not finite": (
        tensors(lambda weights: {**weights, "qa_outputs.bias": torch.full((2,), torch.nan)}),
        r"tensor qa_outputs\.bias: found NaN or infinite",
        tuple(family for family in FAMILIES if family != "modernbert"),
    ),
    "a head for answers of another name that is not finite": (
        tensors(lambda weights: {**weights, "classifier.bias": torch.full((2,), torch.nan)}),
        r"tensor classifier\.bias: found NaN or infinite",
        ("modernbert",),
    ),
    "no embeddings": (
        tensors(lambda weights: {k: t for k, t in weights.items() if k != embeddings(weights)}),
        r"lack \S*embeddings",
    ),
    "a matrix of another shape": (matrix(lambda tensor: tensor[:-1]), r"the weights \S+ have the shape"),
    "weights of a wrapper": (
        renamed(lambda key: f"model.wrapped.{key}"),
        r"the weights lack .*, and have model\.wrapped\.\S+",
    ),
    "weights of DataParallel": (renamed(lambda key: f"module.{key}"), SAME),
    "some weights of DataParallel": (
        renamed(lambda key: key if "embed" in key else f"module.{key}"),
        r"the weights lack .*, and have module\.\S+",
    ),
    "an adapter alone": (
        lambda folder: [
            in_place_of_weights("adapter_model.safetensors")(folder),
            write("adapter_config.json", b"{}")(folder),
        ],
        r"it holds an adapter \(adapter_config\.json\).*source: adapter for it, and base: NAME",
    ),
    "an adapter beside": (write("adapter_model.safetensors", b""), r"it holds an adapter \(adapter_model\.safetensors\)"),
    "an adapter inside": (
        with_tensor("lora_A.default.weight", torch.ones(4, 32)),
        r"the weights have \S+lora_A\.default\.weight",
    ),
    "positions of another kind": (
        with_tensor("distance_embedding.weight", torch.ones(9, 16)),
        r"have \S+distance_embedding\.weight",
    ),
    "a buffer of old": (with_tensor("position_ids", torch.arange(512)[None]), SAME),
    "a head of one's own": (tensors(lambda weights: {**weights, "my_head.weight": torch.ones(3, 32)}), SAME),
    "no head": (without(r"^(cls|lm_head|vocab_|discriminator|predictions|sop_|decoder|head|generator)"), SAME),
    "half precision": (cast(torch.float16), AS_TRANSFORMERS),
    "bfloat16": (cast(torch.bfloat16), AS_TRANSFORMERS),
    "double precision": (cast(torch.float64), SAME),
    "names of old": (
        renamed(
            lambda key: re.sub(r"LayerNorm\.weight$", "LayerNorm.gamma", re.sub(r"LayerNorm\.bias$", "LayerNorm.beta", key))
        ),
        SAME,
        ("bert", "electra", "albert", "deberta", "convbert"),
    ),
    "embeddings filled up": (wider_vocabulary, SAME),
    "two files and an index": (sharded(), SAME),
    "two files without index": (
        sharded(lambda place: None),
        r"it has model-00001.*, model-00002.*, and no model\.safetensors\.index",
    ),
    "a file of two that is lost": (
        sharded(lost="model-00002-of-00002.safetensors"),
        r"index\.json names model-00002\S+, which is not",
    ),
    "an index that is a page": (sharded(lambda place: PAGE.decode()), r"index\.json is not JSON, but a web page"),
    "an index that is a pointer of Git LFS": (
        sharded(lambda place: POINTER.decode()),
        r"index\.json is not JSON, but a pointer",
    ),
    "an index of nothing": (sharded(lambda place: {"metadata": {}}), r"index\.json is no index of weights"),
    "an index that is a list": (sharded(lambda place: [1]), r"index\.json is JSON of another kind"),
    "an index with lists": (sharded(lambda place: {"metadata": {}, "weight_map": {"a": ["b"]}}), r"index\.json names"),
    "an index that leads elsewhere": (
        sharded(lambda place: {"metadata": {}, "weight_map": {"a": "../../x.safetensors"}}),
        r"index\.json names '\.\./\.\./x\.safetensors'",
    ),
    "a whole file beside an index of lost ones": (
        sharded(lambda place: {"weight_map": {"a": "b.safetensors"}}, whole=True),
        SAME,
    ),
    "what a training leaves": (
        beside("optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json", "training_args.bin"),
        SAME,
    ),
    "a folder of a training": (moved("checkpoint-500"), r"There is one in checkpoint-500: is that the folder\?"),
    "a folder of sentence-transformers": (moved("0_Transformer"), r"There is one in 0_Transformer"),
    # Tokenizer.
    "no tokenizer": (remove("tokenizer.json", "tokenizer_config.json"), r"it has no tokenizer"),
    "a tokenizer that is cut off": (
        lambda folder: write("tokenizer.json", (folder / "tokenizer.json").read_bytes()[:500])(folder),
        r"tokenizer\.json is not JSON",
    ),
    "a tokenizer that is a page": (write("tokenizer.json", PAGE), r"tokenizer\.json is not JSON, but a web page"),
    "a tokenizer of nothing": (write("tokenizer.json", b"{}"), r"tokenizer"),
    "settings of a tokenizer that are no JSON": (
        write("tokenizer_config.json", b"{"),
        r"tokenizer_config\.json is not JSON",
    ),
    "special tokens that are a page": (
        write("special_tokens_map.json", PAGE),
        r"special_tokens_map\.json is not JSON, but a web",
    ),
    "special tokens that are a list": (
        write("special_tokens_map.json", b"[1]"),
        r"special_tokens_map\.json is JSON of another kind",
    ),
    "a tokenizer of another class": (
        lambda folder: edit(folder, "tokenizer_config.json", tokenizer_class="RobertaTokenizer"),
        r"its tokenizer",
        ("bert", "electra", "albert", "deberta"),
    ),
    "a class that nobody knows": (lambda folder: edit(folder, "tokenizer_config.json", tokenizer_class="Nonsense"), SAME),
    "settings of a tokenizer that read a file": (
        lambda folder: edit(folder, "tokenizer_config.json", vocab="/etc/passwd"),
        r"tokenizer_config\.json, key vocab: ",
    ),
    "a tokenizer's auto_map of null": (null("tokenizer_config.json", "auto_map"), SAME),
    "tokens without embeddings": (tokenizer(more_tokens), r"its tokenizer gives '(castle|king)' the id 60[01], .* for 600"),
    "an empty vocabulary": (
        tokenizer(lambda content: content["model"].update(vocab=type(content["model"]["vocab"])())),
        r"its tokenizer",
    ),
    "words of nowhere": (tokenizer(foreign_vocabulary), r"its tokenizer"),
    "half a vocabulary": (
        tokenizer(lambda content: content["model"].update(vocab=dict(list(content["model"]["vocab"].items())[:250]))),
        r"its tokenizer (has 250 entries|\(\w+, 250 entries\) knows no plain English)",
        WORD_PIECES,
    ),
    "texts of one subtoken": (
        lambda folder: edit(folder, "tokenizer_config.json", model_max_length=1),
        r"key model_max_length: found 1,",
    ),
    "texts of any length": (lambda folder: edit(folder, "tokenizer_config.json", model_max_length=10**30), SAME),
    "texts that are cut": (tokenizer(lambda content: content.update(truncation=TRUNCATION)), SAME),
    "texts that are filled up": (tokenizer(lambda content: content.update(padding=PADDING)), SAME, WORD_PIECES),
    "dropout": (tokenizer(lambda content: content["model"].update(dropout=0.9)), SAME, BYTES),
    "a normalizer that doubles forty times": (
        normalizer(*[longer(2)] * 40),
        r"tokenizer\.json, key normalizer: it can make a text",
    ),
    "a normalizer that writes megabytes": (
        normalizer(longer(10**6)),
        r"tokenizer\.json, key normalizer: it can make a text",
    ),
    "a normalizer of many short replacements": (
        tokenizer(
            lambda content: content.update(
                normalizer={
                    "type": "Sequence",
                    "normalizers": [
                        *({"type": "Replace", "pattern": {"String": sign}, "content": "..."} for sign in "¼½¾…‰™№"),
                        *([content["normalizer"]] if content["normalizer"] else []),
                    ],
                }
            )
        ),
        SAME,
    ),
    "no template": (
        tokenizer(lambda content: content.update(post_processor=None)),
        r"puts no special token between question and paragraph",
        ("modernbert",),
    ),
    "a template without separator": (
        template(no_separator),
        r"puts no special token between question and paragraph",
        ("modernbert",),
    ),
    "a template with another separator": (template(foreign_separator), r"writes '\[SEP\]' as the id 50", ("modernbert",)),
    "a template beyond the embeddings": (template(separator_beyond), r"gives '\[SEP\]' the id 5000", ("modernbert",)),
    "another padding": (
        config(pad_token_id=3),
        r"key pad_token_id: found 3, and its tokenizer pads",
        ("roberta", "xlm-roberta"),
    ),
    "capitals unknown": (
        lambda folder: edit(folder, "tokenizer_config.json", do_lower_case=False),
        r"knows no plain English: .*do_lower_case",
        ("bert", "distilbert", "electra"),
    ),
    "no unknown token": (
        null("tokenizer_config.json", "unk_token"),
        r"its tokenizer fails at letters .*unk_token",
        ("bert",),
    ),
    "texts of a length that is text": (
        lambda folder: edit(folder, "tokenizer_config.json", model_max_length="512"),
        r"tokenizer_config\.json, key model_max_length: found '512'",
    ),
    "an added token of another id": (
        write("added_tokens.json", b'{"[MASK]": 77}'),
        r"added_tokens\.json gives '\[MASK\]' the id 77, and its tokenizer gives it \d+\.",
        ("bert", "modernbert", "deberta"),
    ),
    "an added token whose id is text": (
        write("added_tokens.json", b'{"[ENT]": "600"}'),
        r"added_tokens\.json, key \[ENT\]: found '600', wanted an id",
    ),
    "an added token without its text": (
        lambda folder: edit(folder, "tokenizer_config.json", added_tokens_decoder={"4": {"special": True}}),
        SAME,
    ),
    "merges apart": (merges_apart(lambda merges: merges), SAME, ("roberta",)),
    "no merges": (merges_apart(lambda merges: None), r"merges\.txt is missing beside vocab\.json", ("roberta",)),
    "merges of nothing": (
        merges_apart(lambda merges: []),
        r"the merges of its tokenizer do not make the entries of its vocabulary \('(\w)\w+' is read as Ġ \1( \w)+\)",
        ("roberta",),
    ),
    "merges that are cut off": (
        merges_apart(lambda merges: merges[: len(merges) // 2]),
        r"the merges of its tokenizer do not make",
        ("roberta",),
    ),
    "merges in the middle of a line": (
        merges_apart(lambda merges: [merges[0], "t"]),
        r"cannot be loaded from merges\.txt, vocab\.json: .*Fetch them again",
        ("roberta",),
    ),
    "merges that are empty": (
        lambda folder: [merges_apart(lambda merges: [])(folder), write("merges.txt", b"")(folder)],
        r"merges\.txt is no part of a tokenizer, but empty",
        ("roberta",),
    ),
    "merges that are a pointer of Git LFS": (
        lambda folder: [merges_apart(lambda merges: [])(folder), write("merges.txt", POINTER)(folder)],
        r"merges\.txt is no part of a tokenizer, but a pointer of Git LFS",
        ("roberta",),
    ),
    "a vocabulary that is a page": (
        in_place_of_tokenizer("vocab.txt", PAGE),
        r"vocab\.txt is no part of a tokenizer, but a web page",
        WORD_PIECES,
    ),
    "a vocabulary that is a message": (
        in_place_of_tokenizer("vocab.txt", b"Entry not found"),
        r"cannot be loaded from vocab\.txt: .*Fetch them again",
        WORD_PIECES,
    ),
    "a vocabulary of sentencepiece that is a pointer of Git LFS": (
        in_place_of_tokenizer("spm.model", POINTER),
        r"spm\.model is no part of a tokenizer, but a pointer of Git LFS",
        ("deberta",),
    ),
    "a vocabulary of sentencepiece that is damaged": (
        in_place_of_tokenizer("spiece.model", b"\x0a\x0e\x00garbage"),
        r"loaded from spiece\.model: spiece\.model is no whole sentencepiece model\. Fetch it again\.$",
        ("albert",),
    ),
    "vocab.txt alone": (vocabulary_alone(), SAME, ("bert",)),
    "vocab.txt of Windows": (vocabulary_alone("\r\n"), SAME, ("bert",)),
    "vocab.txt with a byte order mark": (
        vocabulary_alone(start="\ufeff"),
        r"its tokenizer gives '\[PAD\]' the id 600",
        ("bert",),
    ),
}


pytestmark = pytest.mark.usefixtures("one_thread")


@functools.cache
def unbroken(family: str) -> tuple[Path, tuple[torch.Tensor, ...]]:
    """A checkpoint, and its hidden states."""
    folder = families.make(family, Path(tempfile.mkdtemp()))
    return folder, states(folder)


def states(folder, load=loading.load_encoder) -> tuple[torch.Tensor, ...]:
    tokenizer = loading.load_tokenizer(folder)
    inputs = tokenizer(QUESTION, PASSAGE, is_split_into_words=True, return_tensors="pt")
    with torch.inference_mode():
        return load(folder)(**inputs, output_hidden_states=True).hidden_states


def by_transformers(folder):
    return AutoModel.from_pretrained(folder, dtype=torch.float32).eval()


def check(family, breakage, tmp_path):
    change, wanted = BREAKAGES[breakage][:2]
    whole, before = unbroken(family)
    folder = Path(shutil.copytree(whole, tmp_path / "broken"))
    change(folder)
    (tmp_path / "out").mkdir()
    source, target = {"source": "path", "path": str(folder)}, str(tmp_path / "out" / "target")
    if wanted not in (SAME, NEAR, AS_TRANSFORMERS):
        with pytest.raises(InputError, match=wanted) as caught:
            fetching.fetch(source, target)
        said = str(caught.value)
        assert said.startswith(f"checkpoint {folder}: ")
        assert "\n" not in said
        assert len(said) < 1000
        assert list((tmp_path / "out").iterdir()) == []
        return
    fetching.fetch(source, target)
    found = states(tmp_path / "out" / "target")
    if wanted == AS_TRANSFORMERS:
        before = states(folder, by_transformers)
    for layer, other in zip(found, before, strict=True):
        torch.testing.assert_close(layer, other, rtol=0, atol=1e-5 if wanted == NEAR else 0)


def families_of(breakage) -> tuple[str, ...]:
    return (*BREAKAGES[breakage], FAMILIES)[2]


# Each on one family, and each family in its turn.
QUICK = {name: (able := families_of(name))[i % len(able)] for i, name in enumerate(BREAKAGES)}


@pytest.mark.slow
@pytest.mark.parametrize("breakage", BREAKAGES)
def test_a_broken_checkpoint_is_refused_in_one_line_or_used_with_exact_numbers(breakage, tmp_path):
    check(QUICK[breakage], breakage, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("breakage", BREAKAGES)
@pytest.mark.parametrize("family", FAMILIES)
def test_so_is_one_of_every_family(family, breakage, tmp_path):
    if family in families_of(breakage) and QUICK[breakage] != family:
        check(family, breakage, tmp_path)
