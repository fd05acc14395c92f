"""Adapters of peft: their hidden states beside peft's own, merged and not merged, and what is refused."""

import json
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import peft
import pytest
import torch
import transformers
from decoders import make as make_decoder
from families import make, tiny_bert
from hub_server import Hub
from safetensors.torch import load_file, save_file

from pairprobe.checkpoints import adaptation, adapters, cpu_kernels, fetching, loading, padding
from pairprobe.errors import InputError
from pairprobe.finetuning import joint_model

BERT = ["query", "value", "dense"]
LORA = {"r": 4, "lora_alpha": 16}
# name: (peft's config, the class that the adapter was trained in)
KINDS = {
    "LoRA": (lambda: peft.LoraConfig(**LORA, target_modules=BERT), "AutoModel"),
    "LoRA, ranks and alphas of their own": (
        lambda: peft.LoraConfig(
            target_modules="bert.*(query|value)",
            rank_pattern={"bert.encoder.layer.0.attention.self.query": 2},
            alpha_pattern={r"bert.*layer\.1.*value": 64},
        ),
        "AutoModelForMaskedLM",
    ),
    "LoRA with biases": (
        lambda: peft.LoraConfig(**LORA, target_modules=["query"], bias="all", exclude_modules="(bert.)?pooler.*"),
        "AutoModel",
    ),
    "LoRA on embeddings": (lambda: peft.LoraConfig(**LORA, target_modules=["word_embeddings", "key"]), "AutoModel"),
    "LoRA and whole modules": (
        lambda: peft.LoraConfig(**LORA, target_modules=["query"], modules_to_save=["position_embeddings", "classifier"]),
        "AutoModelForSequenceClassification",
    ),
    "rsLoRA": (lambda: peft.LoraConfig(**LORA, target_modules=BERT[:2], use_rslora=True), "AutoModelForMaskedLM"),
    "DoRA": (lambda: peft.LoraConfig(**LORA, target_modules=BERT[:2], use_dora=True), "AutoModelForQuestionAnswering"),
    "IA3": (
        lambda: peft.IA3Config(target_modules=r".*(key|output\.dense)", feedforward_modules=r".*output\.dense"),
        "AutoModel",
    ),
    "LoHa": (lambda: peft.LoHaConfig(r=4, target_modules=BERT[:2]), "AutoModel"),
    "LoKr": (lambda: peft.LoKrConfig(r=4, target_modules=BERT[:2]), "AutoModelForMaskedLM"),
}


def trained(base, folder, config, auto="AutoModel", task=None):
    """Save an adapter whose tensors are all drawn anew, as peft does; returns the model that has it."""
    torch.manual_seed(5)
    config.task_type = task
    model = peft.get_peft_model(getattr(transformers, auto).from_pretrained(base), config).eval()
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data += 0.1 * torch.randn_like(parameter)
    model.save_pretrained(folder)
    return model.base_model.model


def states(model):
    """All hidden states of two texts, without those of padding."""
    ids, mask = padding.sample(model)
    with torch.inference_mode():
        found = model(input_ids=ids, attention_mask=mask, output_hidden_states=True).hidden_states
    return torch.stack([layer[mask > 0] for layer in found])


def distance(found, wanted):
    return float((found - wanted).abs().max() / wanted.abs().max())


def adapt(adapter, base, target, merge=True):
    adaptation.adapt({"source": "adapter", "path": str(adapter), "merge": merge}, str(base), str(target))
    return target


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return make("bert", tmp_path_factory.mktemp("base") / "bert")


@pytest.fixture
def adapter(base, tmp_path):
    trained(base, tmp_path / "adapter", peft.LoraConfig(**LORA, target_modules=["query"]))
    return tmp_path / "adapter"


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_hidden_states_are_those_of_peft_merged_or_not(base, tmp_path, kind):
    config, auto = KINDS[kind]
    wanted = states(trained(base, tmp_path / "adapter", config(), auto).base_model)
    assert distance(states(loading.load_encoder(base)), wanted) > 0.01
    merged = adapt(tmp_path / "adapter", base, tmp_path / "merged")
    beside = adapt(tmp_path / "adapter", base, tmp_path / "beside", merge=False)
    assert distance(states(loading.load_encoder(merged)), wanted) < 1e-5
    assert distance(states(loading.load_encoder(beside)), wanted) < 1e-6
    # Others need not know that there was an adapter.
    assert distance(states(transformers.AutoModel.from_pretrained(merged).eval()), wanted) < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("family", ["modernbert", "deberta", "albert", "distilbert"])
def test_other_families_have_adapters_too(tmp_path, family):
    base = make(family, tmp_path / "base")
    names = [
        name for name, one in transformers.AutoModel.from_pretrained(base).named_modules() if "Linear" in str(type(one))
    ]
    config = peft.LoraConfig(**LORA, target_modules=[name for name in names if "pool" not in name])
    wanted = states(trained(base, tmp_path / "adapter", config).base_model)
    for merge in (True, False):
        assert (
            distance(states(loading.load_encoder(adapt(tmp_path / "adapter", base, tmp_path / "a", merge))), wanted) < 1e-5
        )


@pytest.mark.slow
def test_a_decoder_s_adapter_of_another_layout_of_matrices(tmp_path):
    config = transformers.GPT2Config(n_embd=32, n_layer=2, n_head=2, vocab_size=30522, n_positions=64, pad_token_id=0)
    torch.manual_seed(0)
    transformers.GPT2LMHeadModel(config).save_pretrained(tmp_path / "base")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(Path(tiny_bert(tmp_path / "bert")) / name, tmp_path / "base")
    given = peft.LoraConfig(**LORA, target_modules=["c_attn", "c_proj"], fan_in_fan_out=True)
    wanted = states(trained(tmp_path / "base", tmp_path / "adapter", given, "AutoModelForCausalLM", "CAUSAL_LM").base_model)
    merged = adapt(tmp_path / "adapter", tmp_path / "base", tmp_path / "merged")
    assert distance(states(loading.load_encoder(merged)), wanted) < 1e-5


def test_the_merged_folder_differs_in_the_changed_tensors_alone_and_has_the_base_s_type(tmp_path, base):
    half = shutil.copytree(base, tmp_path / "half")
    before = {key: tensor.bfloat16() for key, tensor in load_file(base / "model.safetensors").items()}
    save_file(before, half / "model.safetensors", {"format": "pt"})
    trained(half, tmp_path / "adapter", peft.LoraConfig(**LORA, target_modules=["query"]))
    after = load_file(adapt(tmp_path / "adapter", half, tmp_path / "merged") / "model.safetensors")
    assert after.keys() == before.keys()
    assert {tensor.dtype for tensor in after.values()} == {torch.bfloat16}
    changed = {key for key in after if not torch.equal(after[key], before[key])}
    assert changed == {f"bert.encoder.layer.{i}.attention.self.query.weight" for i in range(2)}
    # Rounded once, from float32.
    tensors = load_file(tmp_path / "adapter" / adapters.WEIGHTS)
    update = [tensors[f"base_model.model.encoder.layer.1.attention.self.query.lora_{x}.weight"].float() for x in "BA"]
    key = "bert.encoder.layer.1.attention.self.query.weight"
    wanted = before[key].float() + 4 * update[0] @ update[1]
    assert torch.equal(after[key], wanted.bfloat16())


@pytest.mark.slow
def test_weights_in_several_files_stay_in_several(tmp_path, base, adapter):
    sharded = shutil.copytree(base, tmp_path / "sharded")
    (sharded / "model.safetensors").unlink()
    transformers.BertForPreTraining.from_pretrained(base).save_pretrained(sharded, max_shard_size="100KB")
    assert len(list(sharded.glob("*.safetensors"))) > 2
    merged = adapt(adapter, sharded, tmp_path / "merged")
    assert {file.name for file in merged.glob("model*")} == {file.name for file in sharded.glob("model*")}
    whole = adapt(adapter, base, tmp_path / "whole")
    assert torch.equal(states(loading.load_encoder(merged)), states(loading.load_encoder(whole)))


@pytest.mark.slow
@pytest.mark.parametrize("merge", [True, False])
def test_an_adapter_that_learned_to_answer_brings_its_head(tmp_path, base, merge):
    config = peft.LoraConfig(**LORA, target_modules=["query"])
    model = trained(base, tmp_path / "adapter", config, "AutoModelForQuestionAnswering", "QUESTION_ANS")
    adapted = adapt(tmp_path / "adapter", base, tmp_path / "adapted", merge)
    found = joint_model.load(adapted).eval()
    ids, mask = padding.sample(found.encoder)
    with torch.inference_mode():
        logits, wanted = found(input_ids=ids, attention_mask=mask), model(input_ids=ids, attention_mask=mask)
    assert torch.allclose(logits["start"][mask > 0], wanted.start_logits[mask > 0], atol=1e-5)
    with pytest.raises(InputError, match="no head that answers questions"):
        joint_model.load(base)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("kind", ["LoRA", "DoRA", "IA3", "LoKr"])
def test_the_fast_kernels_compute_an_adapter_beside_the_weights(tmp_path, base, kind, precision):
    trained(base, tmp_path / "adapter", KINDS[kind][0](), KINDS[kind][1])
    beside = adapt(tmp_path / "adapter", base, tmp_path / "beside", merge=False)
    wanted = states(loading.load_encoder(beside))
    model = loading.load_encoder(beside, precision)
    assert {parameter.dtype for parameter in model.parameters()} == {getattr(torch, precision)}
    cpu_kernels.speed_up(model)
    assert distance(states(model).float(), wanted) < cpu_kernels.TOLERANCE[getattr(torch, precision)]


def test_an_adapter_beside_the_weights_is_kept_where_the_folder_is_copied_and_is_guarded(tmp_path, base, adapter):
    beside = adapt(adapter, base, tmp_path / "beside", merge=False)
    fetching.fetch({"source": "path", "path": str(beside)}, str(tmp_path / "copy"))
    assert torch.equal(states(loading.load_encoder(tmp_path / "copy")), states(loading.load_encoder(beside)))
    tensors = tmp_path / "copy" / adapters.UNMERGED / adapters.WEIGHTS
    content = bytearray(tensors.read_bytes())
    content[-1] ^= 1
    tensors.write_bytes(content)
    with pytest.raises(InputError, match=r"unmerged_adapter/adapter_model\.safetensors was damaged on disk"):
        loading.load_encoder(tmp_path / "copy")
    with pytest.raises(InputError, match="it has an adapter that is not merged"):
        adapt(adapter, beside, tmp_path / "twice")


def test_an_adapter_of_an_adapter_adds_up(tmp_path, base, adapter):
    once = adapt(adapter, base, tmp_path / "once")
    trained(base, tmp_path / "second", peft.LoraConfig(**LORA, target_modules=["value"]))
    twice = adapt(tmp_path / "second", once, tmp_path / "twice")
    before, first, both = (load_file(folder / "model.safetensors") for folder in (base, once, twice))
    changed = {key.split(".")[-2] for key in before if not torch.equal(before[key], both[key])}
    assert changed == {"query", "value"}
    assert all(torch.equal(first[key], both[key]) for key in before if "value" not in key)


# What is refused.


def edit(adapter, **changed):
    config = json.loads((adapter / adapters.CONFIG).read_text())
    (adapter / adapters.CONFIG).write_text(json.dumps({**config, **changed}))


def rename(adapter, old, new, only=""):
    tensors = load_file(adapter / adapters.WEIGHTS)
    renamed = {key.replace(old, new) if only in key else key: tensor for key, tensor in tensors.items()}
    save_file(renamed, adapter / adapters.WEIGHTS, {"format": "pt"})


def change(adapter, function, *outer):
    """Change the tensors; outer: names, below each of which they shall then be."""
    tensors = load_file(adapter / adapters.WEIGHTS)
    changed = {
        key.replace("base_model.model.", ".".join(["base_model.model", *filter(None, [each]), ""])): function(key, tensor)
        for key, tensor in tensors.items()
        for each in outer or [""]
    }
    save_file({key: one.clone() for key, one in changed.items()}, adapter / adapters.WEIGHTS, {"format": "pt"})


def pickled(adapter):
    (adapter / adapters.WEIGHTS).unlink()
    (adapter / "adapter_model.bin").write_bytes(pickle.dumps(sys.exit))


def whole(adapter):
    (adapter / adapters.CONFIG).unlink()
    (adapter / "config.json").write_text("{}")


def below(adapter):
    (adapter / "checkpoint-500").mkdir()
    shutil.move(adapter / adapters.CONFIG, adapter / "checkpoint-500")


REFUSED = {
    "pickled": (pickled, r"its weights are pickled only \(adapter_model\.bin\), and pickles can run code"),
    "no weights": (lambda a: (a / adapters.WEIGHTS).unlink(), r"no weights; wanted adapter_model\.safetensors"),
    "a whole model": (whole, r"it is a whole model, not an adapter\. Write source: path, or hub, without base"),
    "no config": (lambda a: (a / adapters.CONFIG).unlink(), r"adapter_config\.json is missing\. Wanted: a folder"),
    "a folder above": (below, r"adapter_config\.json is missing.*There is one in checkpoint-500"),
    "no JSON": (lambda a: (a / adapters.CONFIG).write_text("{"), r"adapter_config\.json is not JSON"),
    "cut off": (lambda a: (a / adapters.WEIGHTS).write_bytes(b"12345678901"), r"is no whole safetensors file"),
    "virtual tokens": (lambda a: edit(a, peft_type="PREFIX_TUNING"), r"PREFIX_TUNING adds virtual tokens"),
    "another kind": (lambda a: edit(a, peft_type="VERA"), r"key peft_type: found 'VERA'\. Allowed: LORA, IA3"),
    "no kind": (lambda a: edit(a, peft_type=["LORA"]), r"key peft_type: found \['LORA'\]"),
    "PiSSA": (lambda a: edit(a, init_lora_weights="pissa"), r"init_lora_weights: 'pissa' has changed the base's weights"),
    "layers twice": (lambda a: edit(a, layer_replication=[[0, 2], [0, 2]]), r"key layer_replication: found .* not known"),
    "a key of the future": (lambda a: edit(a, use_more_math=True), r"key use_more_math: found True, which changes"),
    "other modules": (
        lambda a: rename(a, "encoder.layer", "blocks"),
        r"it changes blocks\.0.*no module of checkpoint .* has such a name",
    ),
    "another layer": (
        lambda a: rename(a, "layer.1", "layer.7"),
        r"changes encoder\.layer\.7\S+ \(1 of 2 modules\), which checkpoint",
    ),
    "half a pair": (
        lambda a: rename(a, "lora_B", "lora_C", "layer.1"),
        r"layer\.1\.attention\.self\.query\.lora_C\.weight has the shape \(32, 4\), wanted no such tensor",
    ),
    "another rank": (lambda a: edit(a, r=2), r"query\.lora_A\.weight has the shape \(4, 32\), wanted \(2, 32\)"),
    "a rank of millions": (lambda a: edit(a, r=10**9), r"key r: found 1000000000, wanted a whole number"),
    "a rank beyond its tensors": (lambda a: edit(a, r=10**6), r"has the rank 1000000, and no tensor of"),
    "a rank of text": (lambda a: edit(a, r="8"), r"key r: found '8', wanted a whole number"),
    "an alpha of text": (lambda a: edit(a, lora_alpha="x"), r"key lora_alpha: found 'x', wanted a number"),
    "an alpha that is no number": (lambda a: edit(a, lora_alpha=float("nan")), r"key lora_alpha: found nan"),
    "an alpha without bounds": (lambda a: edit(a, lora_alpha=1e300), r"key lora_alpha: found 1e\+300, wanted a number"),
    "a list of ranks": (lambda a: edit(a, rank_pattern=[1]), r"key rank_pattern: found \[1\], wanted \{names of modules"),
    "ranks of text": (lambda a: edit(a, rank_pattern="x"), r"key rank_pattern: found 'x', wanted \{names of modules"),
    "a pattern that never ends": (lambda a: edit(a, rank_pattern={"(a+)+": 2}), r"key rank_pattern: .*, and no groups"),
    "a pattern of many repeats": (lambda a: edit(a, alpha_pattern={".*a.*b.*c.*": 2}), r"key alpha_pattern: .* at most"),
    "a switch of text": (lambda a: edit(a, use_dora="no"), r"key use_dora: found 'no', wanted true or false"),
    "a rank of LoKr without bounds": (
        lambda a: (a / adapters.CONFIG).write_text(json.dumps({"peft_type": "LOKR", "r": 10**12})),
        r"key r: found 1000000000000, wanted a whole number from 1 to 1,000,000",
    ),
    "a name without end": (lambda a: rename(a, "encoder", "a" * 1000), r"no module has so long a name"),
    "of another architecture": (
        lambda a: rename(a, "model.encoder", "model.roberta.encoder"),
        r"are in roberta, as another architecture's are, and checkpoint .* is a bert\. Name the base",
    ),
    "of two encoders": (
        lambda a: change(a, lambda key, tensor: tensor, "query_encoder", "doc_encoder"),
        r"it changes two encoders \(doc_encoder\.encoder\.\S+ and query_encoder\.encoder\.\S+\)",
    ),
    "no numbers": (lambda a: change(a, lambda key, tensor: tensor / 0), r"found no finite floating-point numbers"),
    "untrained": (
        lambda a: change(a, lambda key, tensor: 0 * tensor if "lora_B" in key else tensor),
        r"it changes no hidden state of checkpoint .* Was it trained, and saved",
    ),
    "weights of another model": (
        lambda a: rename(a, "base_model.model.encoder.layer.1.attention.self.query.lora_A", "base_model.model.ln_f"),
        r"has no weights ln_f\.weight",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
@pytest.mark.parametrize("merge", [True, False])
def test_a_bad_adapter_is_refused_in_one_line_and_leaves_nothing(base, adapter, tmp_path, what, merge):
    spoil, said = REFUSED[what]
    spoil(adapter)
    with pytest.raises(InputError, match=said) as raised:
        adapt(adapter, base, tmp_path / "out" / "target", merge)
    assert "\n" not in str(raised.value)
    assert "adapter" in str(raised.value)
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("prefix", ["bert.", "model.", "0.auto_model.", "wrapped.bert."])
def test_modules_may_lie_in_a_class_of_one_s_own(base, adapter, tmp_path, prefix):
    wanted = load_file(adapt(adapter, base, tmp_path / "plain") / "model.safetensors")
    rename(adapter, "model.encoder", f"model.{prefix}encoder")
    found = load_file(adapt(adapter, base, tmp_path / "a") / "model.safetensors")
    assert all(torch.equal(found[key], wanted[key]) for key in wanted)


def test_an_adapter_of_another_architecture_with_the_same_modules_is_refused(base, tmp_path):
    make("roberta", tmp_path / "roberta")
    config = peft.LoraConfig(**LORA, target_modules=["query"])
    trained(tmp_path / "roberta", tmp_path / "a", config, "AutoModelForQuestionAnswering", "QUESTION_ANS")
    with pytest.raises(InputError, match="are in roberta, as another architecture's are"):
        adapt(tmp_path / "a", base, tmp_path / "target")


@pytest.mark.slow
def test_a_head_of_modernbert_is_kept_where_it_answers_questions_and_nowhere_else(tmp_path):
    base = make("modernbert", tmp_path / "base")
    config = peft.LoraConfig(**LORA, target_modules=["Wqkv"], modules_to_save=["head", "classifier"])
    model = trained(base, tmp_path / "a", config, "AutoModelForQuestionAnswering", "QUESTION_ANS")
    found = joint_model.load(adapt(tmp_path / "a", base, tmp_path / "adapted")).eval()
    ids, mask = padding.sample(found.encoder)
    with torch.inference_mode():
        logits, wanted = found(input_ids=ids, attention_mask=mask), model(input_ids=ids, attention_mask=mask)
    assert torch.allclose(logits["end"][mask > 0], wanted.end_logits[mask > 0], atol=1e-5)
    config = peft.LoraConfig(**LORA, target_modules=["Wqkv"])
    trained(base, tmp_path / "b", config, "AutoModelForSequenceClassification", "SEQ_CLS")
    with pytest.raises(InputError, match="no head that answers questions"):
        joint_model.load(adapt(tmp_path / "b", base, tmp_path / "classes"))


@pytest.mark.slow
def test_a_base_in_one_file_with_an_index_can_be_adapted(base, adapter, tmp_path):
    one = shutil.copytree(base, tmp_path / "one")
    name = "model-00001-of-00001.safetensors"
    (one / "model.safetensors").rename(one / name)
    index = {"metadata": {}, "weight_map": dict.fromkeys(load_file(one / name), name)}
    (one / "model.safetensors.index.json").write_text(json.dumps(index))
    wanted = states(loading.load_encoder(adapt(adapter, base, tmp_path / "plain")))
    assert torch.equal(states(loading.load_encoder(adapt(adapter, one, tmp_path / "adapted"))), wanted)


def test_biases_of_lora_without_one_to_be_added_to_are_computed_beside(tmp_path):
    base = make_decoder("llama", tmp_path / "base")
    config = peft.LoraConfig(**LORA, target_modules=["q_proj"], lora_bias=True)
    wanted = states(trained(base, tmp_path / "a", config, "AutoModelForCausalLM", "CAUSAL_LM").base_model)
    with pytest.raises(InputError, match=r"adapter \S+a: adapter_config\.json, key lora_bias: .* Set merge: false"):
        adapt(tmp_path / "a", base, tmp_path / "merged")
    beside = adapt(tmp_path / "a", base, tmp_path / "beside", merge=False)
    assert distance(states(loading.load_encoder(beside)), wanted) < 1e-5


@pytest.mark.slow
def test_an_adapter_of_a_head_alone_changes_no_hidden_state_and_one_with_a_module_of_the_encoder_does(tmp_path):
    base = make_decoder("llama", tmp_path / "base")
    for name, saved in (("head", None), ("norm", ["norm"])):
        config = peft.LoraConfig(**LORA, target_modules=["lm_head"], modules_to_save=saved)
        model = trained(base, tmp_path / name, config, "AutoModelForCausalLM", "CAUSAL_LM")
    for merge in (True, False):
        with pytest.raises(InputError, match=r"it changes lm_head alone, .* no hidden state of checkpoint"):
            adapt(tmp_path / "head", base, tmp_path / "target", merge)
        found = states(loading.load_encoder(adapt(tmp_path / "norm", base, tmp_path / f"adapted-{merge}", merge)))
        assert distance(found, states(model.base_model)) < 1e-5


def test_an_adapter_beside_the_weights_that_is_incomplete_or_a_link_is_refused(base, adapter, tmp_path):
    beside = adapt(adapter, base, tmp_path / "beside", merge=False)
    (beside / "SHA256SUMS").unlink()
    source = {"source": "path", "path": str(beside)}
    inside = beside / adapters.UNMERGED
    (inside / adapters.WEIGHTS).rename(tmp_path / "weights")
    with pytest.raises(InputError, match=r"unmerged_adapter: no weights; wanted adapter_model\.safetensors"):
        fetching.fetch(source, str(tmp_path / "copy"))
    (inside / adapters.WEIGHTS).symlink_to(tmp_path / "weights")
    with pytest.raises(InputError, match=r"adapter_model\.safetensors leads out of the folder"):
        fetching.fetch(source, str(tmp_path / "copy"))
    for file in inside.iterdir():
        file.unlink()
    with pytest.raises(InputError, match=r"unmerged_adapter: adapter_config\.json is missing"):
        fetching.fetch(source, str(tmp_path / "copy"))
    inside.rmdir()
    inside.symlink_to(adapter)
    with pytest.raises(InputError, match=r"unmerged_adapter is a link"):
        fetching.fetch(source, str(tmp_path / "copy"))


def test_a_base_of_another_size_is_refused_with_tensor_and_shapes(adapter, tmp_path):
    wide = tiny_bert(tmp_path / "wide", hidden_size=64)
    said = r"query\.lora_A\.weight has the shape \(4, 32\), wanted \(4, 64\), by the base \(bert, 64 wide\)"
    with pytest.raises(InputError, match=said):
        adapt(adapter, wide, tmp_path / "target")


def test_added_tokens_are_refused_with_the_shapes(base, tmp_path):
    config = peft.LoraConfig(**LORA, target_modules=["query"], modules_to_save=["word_embeddings"])
    trained(base, tmp_path / "adapter", config)
    change(tmp_path / "adapter", lambda key, tensor: tensor[:-1] if "embeddings" in key else tensor)
    with pytest.raises(
        InputError, match=r"word_embeddings\.weight has the shape \(599, 32\), and checkpoint .* \(600, 32\)"
    ):
        adapt(tmp_path / "adapter", base, tmp_path / "target")


def test_no_folder_and_no_model_of_the_config_s_is_asked_for(base, adapter, tmp_path):
    with pytest.raises(InputError, match=r"adapter .*nowhere: there is no such folder"):
        adapt(tmp_path / "nowhere", base, tmp_path / "target")
    edit(adapter, base_model_name_or_path="nobody/has-this", revision="0" * 40, auto_mapping={"base_model_class": "Evil"})
    edit(adapter, megatron_core="evil")
    assert adapt(adapter, base, tmp_path / "target").is_dir()


@pytest.mark.slow
def test_the_log_warns_of_another_base_than_the_adapter_s_config_names(base, adapter, tmp_path, caplog):
    edit(adapter, base_model_name_or_path="someone/Bert", auto_mapping=None)
    adapt(adapter, base, tmp_path / "same")
    assert "the base here" not in caplog.text
    library = {"base_model_class": "RobertaModel", "parent_library": "transformers.models.roberta.modeling_roberta"}
    edit(adapter, base_model_name_or_path="someone/other", auto_mapping=library)
    adapt(adapter, base, tmp_path / "other")
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert f"adapter {adapter}: adapter_config.json names someone/other; the base here is bert" in said
    assert f"adapter {adapter}: adapter_config.json says roberta; the base here is bert" in said


@pytest.mark.slow
@pytest.mark.parametrize("merge", [True, False])
def test_added_tokens_beside_the_adapter_are_refused_and_special_ones_a_warning(base, adapter, tmp_path, caplog, merge):
    tokenizer = transformers.AutoTokenizer.from_pretrained(base)
    tokenizer.save_pretrained(adapter)
    adapt(adapter, base, tmp_path / "same", merge)
    assert "its tokenizer adds" not in caplog.text
    tokenizer.add_special_tokens({"additional_special_tokens": ["[NEW]"]})
    tokenizer.save_pretrained(adapter)
    adapt(adapter, base, tmp_path / "special", merge)
    assert "its tokenizer adds [NEW]; the base's is used" in caplog.text
    tokenizer.add_tokens(["penicillin"])
    tokenizer.save_pretrained(adapter)
    with pytest.raises(InputError, match=r"its tokenizer has 1 tokens that the base's lacks \('penicillin', "):
        adapt(adapter, base, tmp_path / "added", merge)


def test_an_adapter_alone_as_a_checkpoint_is_named(adapter, tmp_path):
    with pytest.raises(
        InputError, match=r"it holds an adapter \(adapter_config\.json\).* source: adapter for it, and base"
    ):
        fetching.fetch({"source": "path", "path": str(adapter)}, str(tmp_path / "target"))


REVISION = "0123456789abcdef0123456789abcdef01234567"
ADAPT = """
import json, sys
from pairprobe.checkpoints import adaptation, fetching
from pairprobe.errors import InputError
source, base, out = json.loads(sys.argv[1]), sys.argv[2], sys.argv[3]
for name, merge in (("merged", True), ("beside", False)):
    adaptation.adapt({"source": "adapter", **source, "merge": merge}, base, f"{out}/{name}")
for other in ("some/model", "other/model"):
    try:
        adaptation.adapt({"source": "adapter", **source, "repository": other}, base, f"{out}/no")
    except InputError as error:
        print(error)
try:
    fetching.fetch({"source": "hub", **source}, f"{out}/no")
except InputError as error:
    print(error)
"""


@pytest.mark.slow
def test_an_adapter_of_the_hub_arrives_without_its_base(base, adapter, tmp_path):
    edit(adapter, base_model_name_or_path="nobody/has-this")
    files = {file.name: file.read_bytes() for file in adapter.iterdir()} | {"adapter_model.bin": b"", "evil.py": b""}
    model = {file.name: file.read_bytes() for file in base.iterdir()}
    source = {"repository": "some/adapter", "revision": REVISION}
    repositories = {("models", "some/adapter", REVISION): files, ("models", "some/model", REVISION): model}
    with Hub(repositories).running() as server:
        command = [sys.executable, "-c", ADAPT, json.dumps(source), str(base), str(tmp_path / "out")]
        environment = server.environment(tmp_path / "home")
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    asked = {place for _, place, _ in server.asked}
    assert not [place for place in asked if "nobody" in place or place.endswith((".bin", ".py"))]
    said = done.stdout.splitlines()
    assert "some/model at revision" in said[0]
    assert "it is a whole model, not an adapter" in said[0]
    assert "other/model at revision" in said[1]
    assert "it holds an adapter (adapter_config.json)" in said[2]
    kept = {file.name for file in (tmp_path / "out" / "beside" / adapters.UNMERGED).iterdir()}
    assert kept == {adapters.CONFIG, adapters.WEIGHTS}
    local = adapt(adapter, base, tmp_path / "local")
    assert torch.equal(states(loading.load_encoder(tmp_path / "out" / "merged")), states(loading.load_encoder(local)))
