"""Dropout of hidden states and of attention weights, beside what they are by definition."""

import pytest
import torch
from torch import nn

from pairprobe.finetuning import cpu_dropout

TYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
RATE = 0.1


class Module:
    is_causal = False


@pytest.fixture(params=TYPES)
def dtype(request):
    return TYPES[request.param]


@pytest.fixture(autouse=True)
def _seeded():
    with cpu_dropout.drawn_from(torch.Generator().manual_seed(7)):
        yield


def dropped_out(values, rate=RATE):
    return cpu_dropout.Dropout(rate).train()(values)


def test_as_many_are_dropped_as_the_rate_says_and_the_mean_stays(dtype):
    found = dropped_out(torch.ones(1000, 1001, dtype=dtype)).float()
    dropped = (found == 0).float()
    # Standard deviation 0.0003.
    assert dropped.mean() == pytest.approx(RATE, abs=0.0012)
    assert found[found > 0].unique().tolist() == [pytest.approx(1 / (1 - RATE), rel=0.004)]
    # No row and no column, and none of the four that share a random number, is unlike the others.
    for part in (dropped.mean(0), dropped.mean(1), dropped.flatten()[: 4 * 250_000].view(-1, 4).mean(0)):
        assert part.std() < 1.15 * (RATE * (1 - RATE) / (dropped.numel() / len(part))) ** 0.5 or len(part) == 4
        assert part.mean() == pytest.approx(RATE, abs=0.0012)
    assert dropped.flatten()[:-1] @ dropped.flatten()[1:] / dropped.numel() == pytest.approx(RATE**2, abs=0.0005)


def test_the_gradient_of_what_is_dropped_is_nothing(dtype):
    values = torch.randn(50, 60, dtype=dtype).requires_grad_()
    found = dropped_out(values)
    found.backward(torch.full_like(found, 2.0))
    assert torch.equal(values.grad == 0, found == 0)
    assert float(values.grad.max()) == pytest.approx(2 / (1 - RATE), rel=0.004)


@pytest.mark.parametrize(("rate", "training"), [(0.0, True), (0.5, False), (1.0, True), (0.99999, True)])
def test_without_a_rate_and_outside_of_training_it_is_pytorch_s(rate, training):
    values = torch.randn(4, 5)
    assert torch.equal(cpu_dropout.Dropout(rate).train(training)(values), nn.Dropout(rate).train(training)(values))


def test_a_thread_draws_the_same_again_from_the_same_seed():
    values = torch.randn(7, 9)
    first = dropped_out(values)
    assert not torch.equal(dropped_out(values), first)
    before = torch.get_rng_state()
    with cpu_dropout.drawn_from(torch.Generator().manual_seed(7)):
        assert torch.equal(dropped_out(values), first)
    assert torch.equal(torch.get_rng_state(), before)


# --- Attention ------------------------------------------------------------------------------------------------------


def parts(dtype, examples=5, heads=3, subtokens=40, width=40):
    """Query, key and value as transformers has them, and the mask of examples of different lengths."""
    torch.manual_seed(0)
    shape = examples, subtokens, heads, width
    rows = [torch.randn(shape).transpose(1, 2).to(dtype).requires_grad_() for _ in range(3)]
    mask = torch.arange(subtokens) < torch.tensor([subtokens, 7, 31, 1, subtokens])[:examples, None]
    return rows, mask


def hidden_keys(mask):
    return mask[:, None, None, :].expand(-1, 1, mask.shape[1], -1).clone()


def weighed(query, key, value, mask, factors):
    """Attention by its definition, in float64: softmax(QKᵀ/√width), times factors, times V; (examples, subtokens, ...)."""
    scores = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5
    weights = torch.softmax(scores.masked_fill(~mask, -torch.inf), -1)
    return ((weights * factors) @ value).transpose(1, 2)


@pytest.mark.parametrize("kind", ["none", "padding", "a window", "added"])
def test_attention_without_dropout_is_that_of_its_definition(dtype, kind, monkeypatch):
    monkeypatch.setattr(cpu_dropout, "CHUNK_BYTES", 2 * 3 * 40 * 40 * 4)  # chunks of two examples, or of four
    rows, lengths = parts(dtype)
    mask = torch.ones(5, 1, 40, 40, dtype=torch.bool) if kind == "none" else hidden_keys(lengths)
    if kind == "a window":
        mask &= (torch.arange(40) - torch.arange(40)[:, None]).abs() < 30
        mask[..., 0] = True
    given = {"none": None, "added": torch.zeros(mask.shape, dtype=dtype).masked_fill(~mask, torch.finfo(dtype).min)}
    found, _ = cpu_dropout.attention(Module, *rows, given.get(kind, mask))
    exact = [row.detach().double().requires_grad_() for row in rows]
    wanted = weighed(*exact, mask, 1.0)
    back = torch.randn(found.shape) * lengths[:, :, None, None]
    tolerance = 1e-5 if dtype == torch.float32 else 0.05
    assert (found - wanted)[lengths].abs().max() < tolerance
    gradients = torch.autograd.grad(found, rows, back.to(dtype))
    for one, other in zip(gradients, torch.autograd.grad(wanted, exact, back.double()), strict=True):
        assert (one - other).abs().max() < tolerance * other.abs().max()


def test_attention_with_dropout_drops_weights_and_has_the_gradient_of_what_it_did():
    rows, lengths = parts(torch.float32)
    # With an identity as values the context is the weights themselves.
    rows[2] = torch.eye(40).expand(5, 3, 40, 40).clone().requires_grad_()
    mask = hidden_keys(lengths)
    found, _ = cpu_dropout.attention(Module, *rows, mask, dropout=RATE)
    exact = [row.detach().double().requires_grad_() for row in rows]
    weights = weighed(*exact, mask, 1.0)
    factors = torch.where(found == 0, 0.0, 1 / (1 - RATE)).transpose(1, 2).double()
    seen = (weights > 0) & lengths[:, :, None, None]
    assert (found == 0)[seen].double().mean() == pytest.approx(RATE, abs=0.02)
    wanted = weighed(*exact, mask, factors)
    assert (found - wanted).abs().max() < 1e-4
    back = torch.randn(found.shape)
    gradients = torch.autograd.grad(found, rows, back)
    for one, other in zip(gradients, torch.autograd.grad(wanted, exact, back.double()), strict=True):
        assert (one - other).abs().max() < 1e-4 * other.abs().max()


@pytest.mark.parametrize("how", ["causal", "grouped keys", "a bias", "all dropped"])
def test_other_attention_is_left_to_pytorch(how, monkeypatch):
    rows, _ = parts(torch.float32)
    options = {"position_bias": torch.zeros(1)} if how == "a bias" else {"is_causal": how == "causal"}
    if how == "grouped keys":
        rows[1:] = [row[:, :1] for row in rows[1:]]
    asked = []
    monkeypatch.setattr(cpu_dropout, "sdpa_attention_forward", lambda *args, **kwargs: asked.append(kwargs))
    rate = 0.99999 if how == "all dropped" else RATE
    cpu_dropout.attention(Module, *rows, None, dropout=rate, **options)
    assert [kwargs["dropout"] for kwargs in asked] == [rate]
