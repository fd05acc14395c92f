"""Passes of a training on a CPU: losses and gradients beside those of the plain model."""

import copy
import logging
import threading

import pytest
import torch
from families import FAMILIES, make, tiny_bert
from torch import nn
from transformers import GPT2Config, GPT2ForQuestionAnswering

from pairprobe.checkpoints import loading
from pairprobe.finetuning import cpu_passes, joint_model

# Of these each behaves in a way of its own; the others are tried where there is time.
FEW = ("bert", "albert", "deberta")
EVERY = [family if family in FEW else pytest.param(family, marks=pytest.mark.slow) for family in FAMILIES]


def model(folder, dropout=None):
    """A model to be trained; dropout: of all its layers, where given."""
    found, _ = joint_model.initial(folder, 3)
    for module in found.modules():
        if dropout is not None and isinstance(module, nn.Dropout):
            module.p = dropout
        for name in ("dropout_prob", "attention_dropout", "dropout"):
            if dropout is not None and isinstance(getattr(module, name, None), float):
                setattr(module, name, dropout)
    return found.train()


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return tiny_bert(tmp_path_factory.mktemp("bert"))


def batch(model, lengths=(40, 33, 12, 40, 5)):
    """Windows of different lengths with their targets, padded."""
    config = model.model.config
    pad = loading.padding_id(config)
    ids = (torch.arange(len(lengths) * max(lengths)).view(len(lengths), -1) * 31) % (config.vocab_size - 1)
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    ids = ids.masked_fill(ids == pad, pad + 1).masked_fill(~mask, pad)
    start = torch.tensor([length // 3 for length in lengths])
    return {"input_ids": ids, "attention_mask": mask.long(), "start": start, "end": start + 1, "answer_type": start % 5}


def gradients(model):
    return {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}


def plain(model, inputs):
    """Loss and gradients by PyTorch alone, in float32, of a copy."""
    copied = copy.deepcopy(model)
    loss = copied(**inputs)["loss"]
    loss.backward()
    return loss.item(), gradients(copied)


def apart(found, wanted):
    """How far gradients are from others, as a share of the length of these."""
    assert found.keys() == wanted.keys()
    one, other = (torch.cat([part[name].flatten() for name in sorted(part)]) for part in (found, wanted))
    return float(torch.linalg.norm(one - other) / torch.linalg.norm(other))


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_loss_and_gradient_are_those_of_the_whole_batch(bert, threads):
    tuned = model(bert, dropout=0.0)
    inputs = batch(tuned)
    loss, wanted = plain(tuned, inputs)
    passes = cpu_passes.Passes(tuned, "float32", threads)
    assert float(passes(inputs)) == pytest.approx(loss, rel=1e-5)
    assert apart(gradients(tuned), wanted) < 1e-5
    # Two halves of a step add up to the same.
    tuned.zero_grad()
    for _ in range(2):
        passes(inputs, 0.5)
    assert apart(gradients(tuned), wanted) < 1e-5
    assert {parameter.dtype for parameter in tuned.parameters()} == {torch.float32}


@pytest.mark.parametrize("family", EVERY)
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_every_family_has_its_gradient(tmp_path, family, precision):
    make(family, tmp_path)
    tuned = model(tmp_path, dropout=0.0)
    inputs = batch(tuned)
    loss, wanted = plain(tuned, inputs)
    found = cpu_passes.Passes(tuned, precision, 2)(inputs)
    tolerance = 1e-4 if precision == "float32" else 0.1
    assert float(found) == pytest.approx(loss, rel=tolerance)
    assert apart(gradients(tuned), wanted) < tolerance


@pytest.mark.slow
@pytest.mark.parametrize("family", EVERY)
def test_threads_draw_random_numbers_of_their_own(tmp_path, family):
    make(family, tmp_path)
    tuned = model(tmp_path)
    passes = cpu_passes.Passes(tuned, "float32", 3)
    assert len(passes.copies) == 3
    assert len({bits(passes, tuned, batch(tuned, (32,) * 7)) for _ in range(3)}) == 1


def bits(passes, tuned, inputs):
    """Loss and gradient, from the same random state, as bytes."""
    torch.manual_seed(5)
    tuned.zero_grad()
    loss = passes(inputs)
    return b"".join(each.numpy().tobytes() for each in (loss, *gradients(tuned).values()))


class Noisy(nn.Linear):
    """Draws random numbers that are not cpu_dropout's."""

    def forward(self, rows):
        return nn.functional.dropout(super().forward(rows), 0.1, self.training)


def test_a_model_that_draws_other_random_numbers_has_one_part(bert):
    tuned = model(bert)
    dense = tuned.encoder.encoder.layer[0].output.dense
    tuned.encoder.encoder.layer[0].output.dense = noisy = Noisy(dense.in_features, dense.out_features)
    noisy.load_state_dict(dense.state_dict())
    passes = cpu_passes.Passes(tuned, "float32", 3)
    assert (len(passes.copies), passes.threads) == (1, 3)
    assert len({bits(passes, tuned, batch(tuned, (32,) * 7)) for _ in range(3)}) == 1


def test_a_model_that_draws_them_where_nothing_is_padded_has_one_part():
    config = GPT2Config(n_embd=32, n_layer=2, n_head=2, vocab_size=200, n_positions=64, pad_token_id=0)
    tuned = joint_model.JointModel(GPT2ForQuestionAnswering(config)).train()
    assert len(cpu_passes.Passes(tuned, "float32", 3).copies) == 1


@pytest.mark.parametrize("where", [0, 1, 2])
def test_a_part_that_fails_is_an_error_and_leaves_nothing_behind(bert, monkeypatch, where):
    tuned = model(bert, dropout=0.0)
    inputs = batch(tuned)
    _, wanted = plain(tuned, inputs)
    before = set(threading.enumerate())
    with cpu_passes.Passes(tuned, "float32", 3) as passes:
        bad = {**inputs, "input_ids": inputs["input_ids"].clone()}
        bad["input_ids"][where, 3] = tuned.model.config.vocab_size
        with pytest.raises(IndexError):
            passes(bad)
        assert gradients(tuned) == {}
        passes(inputs)
    assert apart(gradients(tuned), wanted) < 1e-5
    assert set(threading.enumerate()) <= before


def test_copies_share_the_memory_of_the_weights(bert):
    tuned = model(bert)
    places = {parameter.data_ptr() for parameter in tuned.parameters()}
    for precision, shared in (("float32", places), ("bfloat16", None)):
        passes = cpu_passes.Passes(tuned, precision, 3)
        found = [{parameter.data_ptr() for parameter in each.parameters()} for each in passes.copies]
        assert found[0] == found[1] == found[2]
        assert shared in (None, found[0])


def test_weights_that_an_optimizer_changes_are_those_of_the_next_pass(bert):
    for precision in ("float32", "bfloat16"):
        tuned = model(bert, dropout=0.0)
        inputs = batch(tuned)
        passes = cpu_passes.Passes(tuned, precision, 2)
        optimizer = torch.optim.AdamW(tuned.parameters(), lr=1e-2, fused=True)
        losses = []
        for _ in range(3):
            optimizer.zero_grad()
            losses.append(float(passes(inputs)))
            optimizer.step()
        assert losses[2] < losses[1] < losses[0]
        assert float(passes(inputs)) == pytest.approx(plain(tuned, inputs)[0], rel=0.02)


def test_the_same_random_state_gives_the_same_bits_and_dropout_differs_by_step(bert):
    tuned = model(bert)
    inputs = batch(tuned)
    passes = cpu_passes.Passes(tuned, "bfloat16", 3)
    found = []
    for _ in range(2):
        torch.manual_seed(5)
        tuned.zero_grad()
        losses = [float(passes(inputs)) for _ in range(2)]
        found.append((losses, gradients(tuned)))
    assert found[0][0] == found[1][0]
    assert len(set(found[0][0])) == 2
    assert all(torch.equal(found[0][1][name], found[1][1][name]) for name in found[0][1])


def test_many_small_gradients_of_one_embedding_add_up_in_bfloat16(bert):
    """A word that occurs a thousand times: in bfloat16 a sum stops growing where a summand is less than 1/256 of it."""
    tuned = model(bert, dropout=0.0)
    inputs = batch(tuned, lengths=(40,) * 60)
    inputs["input_ids"][:, 1:] = 7
    _, wanted = plain(tuned, inputs)
    cpu_passes.Passes(tuned, "bfloat16", 1)(inputs)
    name = next(name for name in wanted if name.endswith("word_embeddings.weight"))
    one, other = gradients(tuned)[name][7], wanted[name][7]
    assert torch.linalg.norm(one - other) < 0.1 * torch.linalg.norm(other)


def test_hidden_states_that_are_no_number_are_not_the_same(bert, monkeypatch, caplog):
    samples = iter([[torch.ones(3), torch.tensor([1.0, torch.nan])], [torch.ones(3), torch.ones(2)]])
    monkeypatch.setattr(cpu_passes.cpu_kernels, "sample", lambda model: next(samples))
    assert cpu_passes.Passes(model(bert), "float32", 1).autocast


def test_a_model_that_computes_otherwise_is_trained_as_pytorch_does(bert, monkeypatch, caplog):
    caplog.set_level(logging.INFO, "pairprobe")
    tuned = model(bert, dropout=0.0)
    inputs = batch(tuned)
    loss, wanted = plain(tuned, inputs)
    monkeypatch.setattr(cpu_passes.cpu_kernels, "TOLERANCE", dict.fromkeys(cpu_passes.cpu_kernels.TOLERANCE, -1.0))
    assert float(cpu_passes.Passes(tuned, "float32", 2)(inputs)) == pytest.approx(loss, rel=1e-5)
    assert apart(gradients(tuned), wanted) < 1e-5
    assert "as PyTorch does: hidden states differ (by" in caplog.text
