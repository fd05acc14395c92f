"""LoRA: what trains and what does not, what is left, and that a killed training goes on to the same bits."""

import random
import shutil
import signal
from pathlib import Path

import peft
import pytest
import torch
import transformers
from safetensors.torch import load_file
from trainings import (
    SETTINGS,
    Forking,
    apart,
    begins_at,
    built,
    made,
    page,
    run,
    same,
    steps,
    stopped,
    training_of,
    weights,
)
from transformers import GPT2Config, GPT2Model

from pairprobe.checkpoints import adaptation, adapters, inspection, padding
from pairprobe.errors import InputError
from pairprobe.finetuning import cpu_passes, joint_model, training
from pairprobe.finetuning.lora import Lora

LORA = Lora(rank=4, alpha=8, dropout=0.1)
RATE = 0.01


@pytest.fixture(scope="module")
def tuned_by_lora(tiny, features, tmp_path_factory):
    """An uninterrupted run."""
    return run(tiny, features, tmp_path_factory.mktemp("lora") / "result", lora=LORA, learning_rate=RATE)


def initial(folder, lora=LORA, seed=7):
    return joint_model.initial(folder, seed, lora=lora)[0]


# --- What trains ----------------------------------------------------------------------------------------------------


def test_matrices_and_heads_train_and_no_weight_of_the_encoder(tiny):
    model = initial(tiny)
    trained = {name.removeprefix("model.") for name, one in model.named_parameters() if one.requires_grad}
    linear = [f"bert.encoder.layer.{i}.{name}" for i in range(2) for name in BERT_LINEAR]
    assert trained == {
        *(f"{name}.lora_{x}.default.weight" for name in linear for x in "AB"),
        *(f"{head}.{part}" for head in ("qa_outputs", "answer_type") for part in ("weight", "bias")),
    }
    assert {f"model.{name}" for name in trained} == set(model.trained_state())
    assert model.train().encoder.encoder.layer[0].attention.output.dropout.training


BERT_LINEAR = [
    *(f"attention.self.{name}" for name in ("query", "key", "value")),
    "attention.output.dense",
    "intermediate.dense",
    "output.dense",
]


def test_a_new_adapter_changes_nothing_and_heads_are_drawn_as_without(tiny):
    plain, _ = joint_model.initial(tiny, 7)
    adapted = initial(tiny)
    ids, mask = padding.sample(plain.encoder)
    with torch.inference_mode():
        found, wanted = (model.eval()(input_ids=ids, attention_mask=mask) for model in (adapted, plain))
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_targets_are_chosen_by_the_ends_of_their_names(tiny):
    model = initial(tiny, Lora(2, 4, targets=("self.query", "intermediate.dense")))
    names = {name.split(".lora_")[0] for name in model.trained_state() if ".lora_" in name}
    wanted = ("attention.self.query", "intermediate.dense")
    assert names == {f"model.bert.encoder.layer.{i}.{one}" for i in range(2) for one in wanted}
    said = (
        r"targets: found 'uery', and checkpoint .* has no linear layer of that name\. Allowed: dense, key, query, value\."
    )
    with pytest.raises(InputError, match=said):
        initial(tiny, Lora(2, 4, targets=("query", "uery")))


def test_the_decoders_matrices_that_lie_the_other_way_round_train_too(tmp_path):
    GPT2Model(GPT2Config(n_embd=32, n_layer=2, n_head=2, vocab_size=200, n_positions=64, pad_token_id=0)).save_pretrained(
        tmp_path
    )
    names = {name.split(".lora_")[0].rpartition(".")[2] for name in initial(tmp_path).trained_state() if ".lora_" in name}
    assert names == {"c_attn", "c_proj", "c_fc"}


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_passes_on_a_cpu_give_the_gradients_of_pytorch(tiny, precision):
    model = initial(tiny, Lora(4, 8)).train()
    for name, one in model.named_parameters():
        if ".lora_B" in name:
            one.data += 0.1 * torch.randn_like(one)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    ids, mask = padding.sample(model.encoder)
    place = torch.tensor([3, 2])
    batch = {"input_ids": ids, "attention_mask": mask, "start": place, "end": place + 1, "answer_type": place}
    model(**batch)["loss"].backward()
    wanted = {name: one.grad for name, one in model.named_parameters() if one.grad is not None}
    model.zero_grad()
    with cpu_passes.Passes(model, precision, 2) as passes:
        assert not passes.autocast
        passes(batch)
        assert len({one.data_ptr() for copy in passes.copies for one in copy.parameters()}) == len(
            {one.data_ptr() for one in passes.copies[0].parameters()}
        )
    found = {name: one.grad for name, one in model.named_parameters() if one.grad is not None}
    assert found.keys() == wanted.keys() == {name for name, one in model.named_parameters() if one.requires_grad}
    one, other = (torch.cat([part[name].flatten() for name in sorted(part)]) for part in (found, wanted))
    assert torch.linalg.norm(one - other) < (1e-5 if precision == "float32" else 0.1) * torch.linalg.norm(other)


@pytest.mark.slow
def test_a_rate_that_is_too_high_is_named_by_its_key(tiny, features, tmp_path):
    with pytest.raises(InputError, match=r"Set finetuning\.lora\.learning_rate lower"):
        run(tiny, features, tmp_path / "a", lora=LORA, learning_rate=1e30)


# --- What is left ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_result_is_a_plain_checkpoint_with_the_adapter_beside(tuned_by_lora, tiny):
    inspection.verify(tuned_by_lora)
    assert {file.name for file in (tuned_by_lora / adapters.MERGED).iterdir()} == {adapters.CONFIG, adapters.WEIGHTS}
    before, after = weights(Path(tiny)), weights(tuned_by_lora)
    changed = {
        key.removeprefix("bert.")
        for key in after
        if key.startswith("bert.") and not torch.equal(after[key], before[key[5:]])
    }
    assert changed == {f"encoder.layer.{i}.{name}.weight" for i in range(2) for name in BERT_LINEAR}
    assert joint_model.load(tuned_by_lora).has_answer_types


def logits_of(model, size=32):
    ids = (torch.arange(2 * size).view(2, size) * 77) % 30000
    with torch.inference_mode():
        return model.eval()(input_ids=ids)


def test_peft_loads_what_was_trained_and_answers_the_same(tuned_by_lora, tiny):
    base = transformers.AutoModelForQuestionAnswering.from_pretrained(tiny)
    by_peft = logits_of(peft.PeftModel.from_pretrained(base, tuned_by_lora / adapters.MERGED))
    ours = logits_of(joint_model.load(tuned_by_lora))
    assert torch.allclose(by_peft.start_logits, ours["start"], atol=1e-5)
    assert torch.allclose(by_peft.end_logits, ours["end"], atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("merge", [True, False])
def test_the_adapter_on_its_base_is_what_was_trained_heads_and_all(tuned_by_lora, tiny, tmp_path, merge):
    source = {"source": "adapter", "path": str(tuned_by_lora / adapters.MERGED), "merge": merge}
    adaptation.adapt(source, tiny, str(tmp_path / "a"))
    found, wanted = (logits_of(joint_model.load(folder)) for folder in (tmp_path / "a", tuned_by_lora))
    assert found.keys() == wanted.keys() == {"start", "end", "answer_type"}
    assert all(torch.allclose(found[name], wanted[name], atol=1e-5) for name in wanted)
    training.train_answer_heads(
        training_of(str(tmp_path / "a"), [], tmp_path / "h"), str(tmp_path / "h"), f"{tmp_path}/h.tsv"
    )
    assert "its own" in str(training.OWN)


def test_an_adapter_that_is_not_merged_is_frozen_only(tuned_by_lora, tiny, features, tmp_path):
    source = {"source": "adapter", "path": str(tuned_by_lora / adapters.MERGED), "merge": False}
    adaptation.adapt(source, tiny, str(tmp_path / "a"))
    with pytest.raises(InputError, match="it has an adapter that is not merged"):
        run(str(tmp_path / "a"), features, tmp_path / "b")
    assert joint_model.initial(tmp_path / "a", 7, frozen=True)[0].trained_state().keys() == {
        f"model.{head}.{part}" for head in ("qa_outputs", "answer_type") for part in ("weight", "bias")
    }


# --- Killed and started again ---------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_same_seed_gives_the_same_weights_to_the_bit_and_another_others(tuned_by_lora, tiny, features, tmp_path):
    settings = {"lora": LORA, "learning_rate": RATE}
    assert same(run(tiny, features, tmp_path / "a", **settings, save_steps=1000), tuned_by_lora)
    assert apart(run(tiny, features, tmp_path / "b", **settings, seed=8), tuned_by_lora) > 1e-4


@pytest.fixture(scope="module")
def one_core(tmp_path_factory):
    forking = Forking(tmp_path_factory.mktemp("one_core") / "errors.txt", cores=1)
    yield forking
    forking.close()


@pytest.mark.slow
@pytest.mark.parametrize("place", ["step", pytest.param("torch.save", marks=pytest.mark.slow)])
def test_a_run_that_is_killed_goes_on_to_the_same_weights(one_core, tuned_by_lora, tiny, features, tmp_path, place):
    dice, last, out = random.Random(f"lora {place}"), steps(features), tmp_path / "a"
    number = dice.randint(SETTINGS["save_steps"] + 1, last)
    given = training_of(tiny, features, out, lora=LORA, learning_rate=RATE)
    one_core.start(out, given, "finetune", place, number)
    assert one_core.end() == -signal.SIGKILL, one_core.errors.read_text()
    [saved, *_] = Path(given.work).glob("checkpoint-*")
    # Nothing of the encoder's own weights, nor their moments.
    kept = load_file(saved / "model.safetensors")
    assert all(".lora_" in key or not key.startswith("model.bert") for key in kept)
    assert (saved / "optimizer.pt").stat().st_size < 500_000
    assert same(run(tiny, features, out, lora=LORA, learning_rate=RATE), tuned_by_lora)


@pytest.mark.slow
def test_processes_that_share_a_training_train_the_same_matrices(one_core, tmp_path):
    start = made(tmp_path / "start", dropout=0.0)
    features = built(start, [page(3 * i) for i in range(24)], tmp_path)
    settings = {"lora": Lora(4, 8), "learning_rate": RATE, "batch_size": 8}
    whole = run(start, features, tmp_path / "whole", device_batch_size=None, **settings)
    one_core.start(tmp_path / "shared", training_of(start, features, tmp_path / "shared", processes=2, **settings))
    assert one_core.end() == 0, one_core.errors.read_text()
    assert apart(tmp_path / "shared", whole) < 1e-4


@pytest.mark.slow
def test_other_settings_of_lora_start_afresh_and_so_does_full_training(tiny, features, tmp_path):
    out, saves = tmp_path / "a", SETTINGS["save_steps"]
    settings = (LORA, None, Lora(4, 16, 0.1), Lora(4, 8, 0.1, ("query",)))
    first, *others = (training_of(tiny, features, out, lora=lora) for lora in settings)
    stopped(first, out, saves + 1)
    saved = shutil.copytree(first.work, tmp_path / "saved")
    assert [begins_at(one, saved, out) for one in (first, *others)] == [saves + 1, 1, 1, 1]
