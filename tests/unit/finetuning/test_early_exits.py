"""Heads on every layer of a frozen encoder, trained at once."""

import functools
import signal

import pytest
import torch
from decoders import make as make_decoder
from families import make, tiny_padded
from safetensors.torch import load_file
from torch import nn
from trainings import SEED, SETTINGS, Forking, built, made, run, same, steps, training_of
from transformers import AutoModel

from pairprobe.checkpoints import loading
from pairprobe.errors import InputError
from pairprobe.finetuning import early_exits, joint_model, trainer
from pairprobe.finetuning.features import Features

SLOW = pytest.mark.slow
HOW = "train_early_exits"


@pytest.fixture(scope="module")
def exits(tiny, features, tmp_path_factory):
    """An uninterrupted training."""
    return run(tiny, features, tmp_path_factory.mktemp("exits") / "result", how=HOW)


@pytest.fixture(scope="module")
def one_core(tmp_path_factory):
    """Trainings in processes of their own, on one core."""
    forking = Forking(tmp_path_factory.mktemp("one_core") / "errors.txt", cores=1)
    yield forking
    forking.close()


def order_of(features, settings):
    """The windows of each step: the trainer's own order."""
    windows = Features(features)
    sampler = trainer._LengthGroupedSampler(windows.lengths, settings["batch_size"], settings["seed"])
    for epoch in range(settings["epochs"]):
        sampler.set_epoch(epoch)
        rows = list(sampler)
        yield from (
            [windows[i] for i in rows[j : j + settings["batch_size"]]] for j in range(0, len(rows), settings["batch_size"])
        )


def trained_alone(folder, features, layer, settings, causal=False):
    """A head on one layer, trained by plain PyTorch, one window after the other, without padding."""
    encoder = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    weight = torch.empty(7, 32).normal_(0, 0.02, generator=torch.Generator().manual_seed(settings["seed"]))
    head = nn.Linear(32, 7)
    head.weight.data, head.bias.data = weight, torch.zeros(7)
    decays = [{"params": head.weight, "weight_decay": settings["weight_decay"]}, {"params": head.bias, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(decays, lr=settings["learning_rate"])
    batches = list(order_of(features, settings))
    warmup = round(len(batches) * settings["warmup"])
    for step, batch in enumerate(batches):
        rate = step / warmup if step < warmup else (len(batches) - step) / (len(batches) - warmup)
        for group in optimizer.param_groups:
            group["lr"] = settings["learning_rate"] * rate
        loss = 0.0
        for window in batch:
            ids = torch.tensor(window["input_ids"])[None].long()
            segments = (torch.arange(ids.shape[1]) >= window["begin"]).long()[None]
            with torch.no_grad():
                given = {} if causal else {"token_type_ids": segments}
                states = encoder(input_ids=ids, output_hidden_states=True, **given).hidden_states[layer][0]
            logits = head(states)
            read = logits[-1 if causal else 0]
            parts = [logits[:, 0], logits[:, 1], read[2:]]
            for values, name in zip(parts, ("start", "end", "answer_type"), strict=True):
                loss = loss + nn.functional.cross_entropy(values, torch.tensor(window[name])) / 3 / len(batch)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(head.parameters(), 1.0)
        optimizer.step()
    return head


@pytest.mark.slow
@pytest.mark.parametrize("family", ["bert", "gpt2"])
def test_each_layer_learns_what_a_head_on_that_layer_alone_learns(family, pages, tmp_path):
    make_it = make if family == "bert" else make_decoder
    folder = str(make_it(family, tmp_path / "start"))
    features = built(folder, pages[:6], tmp_path, max_length=48, stride=24)
    settings = {**SETTINGS, "learning_rate": 0.03}
    found = load_file(run(folder, features, tmp_path / "exits", how=HOW, device_batch_size=None))
    assert {key.split(".")[1] for key in found} == {"0", "1", "2"}
    for layer in range(3):
        head = trained_alone(folder, features, layer, settings, causal=family == "gpt2")
        start = torch.empty(7, 32).normal_(0, 0.02, generator=torch.Generator().manual_seed(SEED))
        assert (head.weight - start).abs().max() > 0.01
        assert torch.allclose(found[f"exits.{layer}.weight"], head.weight, atol=1e-5), layer
        # The bias of start and end moves nothing, and its gradient is rounding alone.
        assert torch.allclose(found[f"exits.{layer}.bias"][2:], head.bias[2:], atol=1e-5), layer


@pytest.mark.slow
def test_a_layer_with_huge_gradients_changes_no_other_layer_s_head(tiny, features, tmp_path, monkeypatch):
    """Clipped together, the gradients of all layers would shrink with that of the embeddings."""
    usual = run(tiny, features, tmp_path / "usual", how=HOW)
    forward = early_exits.EarlyExits.forward

    @functools.wraps(forward)
    def with_huge_embeddings(self, *args, **inputs):
        hook = self.exits[0].register_forward_pre_hook(lambda _, given: (1000 * given[0],))
        try:
            return forward(self, *args, **inputs)
        finally:
            hook.remove()

    monkeypatch.setattr(early_exits.EarlyExits, "forward", with_huge_embeddings)
    found, wanted = load_file(run(tiny, features, tmp_path / "huge", how=HOW)), load_file(usual)
    for key, value in wanted.items():
        assert torch.equal(found[key], value) == (not key.startswith("exits.0.")), key


@pytest.mark.slow
def test_in_bfloat16_heads_learn_nearly_the_same(tiny, features, exits, tmp_path):
    found, wanted = load_file(run(tiny, features, tmp_path / "a", how=HOW, precision="bfloat16")), load_file(exits)
    differences = [(found[key][2:] - wanted[key][2:]).abs().max().item() for key in wanted]
    assert 0 < max(differences) < 0.02


@pytest.mark.slow
def test_the_last_layer_learns_what_answer_heads_learn_where_both_begin_alike(tiny, features, heads, tmp_path, monkeypatch):
    """The two trainings differ by the first draw alone: in BERT both heads are linear."""
    drawn = joint_model.initial(tiny, SEED, frozen=True)[0].head_state()

    def draw(self, seed):
        with torch.no_grad():
            for head in self.exits:
                head.weight.copy_(torch.cat([drawn["qa_outputs.weight"], drawn["answer_type.weight"]]))
                head.bias.copy_(torch.cat([drawn["qa_outputs.bias"], drawn["answer_type.bias"]]))

    monkeypatch.setattr(early_exits.EarlyExits, "draw", draw)
    found, wanted = load_file(run(tiny, features, tmp_path / "exits", how=HOW)), load_file(heads)
    assert torch.allclose(found["exits.2.weight"][:2], wanted["qa_outputs.weight"], atol=1e-5)
    assert torch.allclose(found["exits.2.weight"][2:], wanted["answer_type.weight"], atol=1e-5)
    assert torch.allclose(found["exits.2.bias"][2:], wanted["answer_type.bias"], atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("place", ["step", pytest.param("torch.save", marks=SLOW)])
def test_a_training_that_is_killed_goes_on_to_the_same_weights(one_core, tiny, features, exits, tmp_path, place):
    out, number = tmp_path / "a", {"step": SETTINGS["save_steps"] + 1, "torch.save": 6}[place]
    assert number < steps(features)
    one_core.start(out, training_of(tiny, features, out, how=HOW), HOW, place, number)
    assert one_core.end() == -signal.SIGKILL, one_core.errors.read_text()
    assert not out.exists()
    assert [*(tmp_path / "a.work").glob("checkpoint-*")]
    assert same(run(tiny, features, out, how=HOW), exits)
    assert not (tmp_path / "a.work").exists()


@SLOW
def test_two_processes_share_a_training(steady, tmp_path, one_core):
    settings = {"how": HOW, "batch_size": 8}
    alone = run(*steady, tmp_path / "alone", **settings)
    one_core.start(tmp_path / "shared", training_of(*steady, tmp_path / "shared", processes=2, **settings), HOW)
    assert one_core.end() == 0, one_core.errors.read_text()
    found, wanted = load_file(tmp_path / "shared"), load_file(alone)
    assert max((found[key][..., 2:] - wanted[key][..., 2:]).abs().max() for key in wanted) < 1e-5


@pytest.mark.parametrize("family", ["bert", "ConvBert", "gpt2"])
def test_logits_are_those_of_linear_layers_on_each_window_alone(family, tmp_path):
    """ConvBERT's numbers would change with padding; a decoder's answer type is read from its last subtoken."""
    causal = family == "gpt2"
    if family == "ConvBert":
        folder = tiny_padded(tmp_path / "start", family)
    else:
        folder = str((make_decoder if causal else make)(family, tmp_path / "start"))
    model = early_exits.initial(folder, 3).eval()
    assert model.causal == causal
    for layer, head in enumerate(model.exits):
        torch.manual_seed(layer)
        head.reset_parameters()
    lengths = (9, 30, 17)
    ids = (torch.arange(90).view(3, -1) * 31) % 500 + 20
    mask = (torch.arange(30) < torch.tensor(lengths)[:, None]).long()
    with torch.inference_mode():
        padding = loading.padding_id(model.model.config)
        found = model(input_ids=ids.masked_fill(mask == 0, padding), attention_mask=mask)
        encoder = loading.load_encoder(folder)
        for i, length in enumerate(lengths):
            states = encoder(input_ids=ids[i : i + 1, :length], output_hidden_states=True).hidden_states
            for layer, (head, state) in enumerate(zip(model.exits, states, strict=True)):
                wanted = state[0] @ head.weight.T + head.bias
                assert torch.allclose(found["start"][i, layer, :length], wanted[:, 0], atol=1e-4)
                assert torch.allclose(found["end"][i, layer, :length], wanted[:, 1], atol=1e-4)
                assert (found["start"][i, layer, length:] == -1e9).all()
                assert torch.allclose(found["answer_type"][i, layer], wanted[-1 if causal else 0, 2:], atol=1e-4)


@pytest.mark.slow
def test_heads_that_a_checkpoint_has_are_no_start_for_early_exits(tuned, tiny):
    """Else the last layer's would begin with what was learned for it."""
    of_tuned, of_start = (early_exits.initial(str(folder), SEED) for folder in (tuned, tiny))
    for one, other in zip(of_tuned.exits, of_start.exits, strict=True):
        assert torch.equal(one.weight, other.weight)
        assert torch.equal(one.weight, of_tuned.exits[0].weight)


def test_damaged_heads_and_heads_of_another_checkpoint_are_refused(tiny, exits, tmp_path):
    assert torch.equal(early_exits.load(tiny, "float32", str(exits)).exits[1].weight, load_file(exits)["exits.1.weight"])
    whole = exits.read_bytes()
    (tmp_path / "damaged").write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(InputError, match="damaged on disk"):
        early_exits.load(tiny, "float32", str(tmp_path / "damaged"))
    other = made(tmp_path / "other", num_hidden_layers=1)
    with pytest.raises(InputError, match=r"exits\.2\.bias.*do not fit the checkpoint"):
        early_exits.load(other, "float32", str(exits))
    deeper = made(tmp_path / "deeper", num_hidden_layers=3)
    with pytest.raises(InputError, match=r"lacks the weights exits\.3\.bias"):
        early_exits.load(deeper, "float32", str(exits))
