import logging
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from families import MODEL
from torch import nn
from transformers import BertConfig, BertModel

from pairprobe.checkpoints import cpu_kernels, loading, padding

pytestmark = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="wants a PyTorch with oneDNN")
has_bfloat16 = pytest.mark.skipif(
    not (torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()),
    reason="wants a processor that computes in bfloat16",
)
PRECISIONS = ["float32", pytest.param("bfloat16", marks=has_bfloat16)]


def small(**options):
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    return BertModel(BertConfig(vocab_size=500, **shape, **options)).eval().requires_grad_(False)


def states(model):
    """Hidden states of three texts of different lengths, without their padding."""
    ids = torch.arange(3 * 40).reshape(3, 40) % 400 + 5
    mask = torch.ones_like(ids)
    mask[1, 31:] = mask[2, 7:] = 0
    with torch.inference_mode():
        layers = model(input_ids=ids, attention_mask=mask, output_hidden_states=True).hidden_states
    return torch.stack([layer[mask > 0].double() for layer in layers])


def kinds(model):
    return {type(module) for module in model.modules()}


@pytest.mark.slow
@pytest.mark.parametrize("precision", PRECISIONS)
def test_hidden_states_are_those_of_the_plain_model(precision):
    plain, fast = (loading.load_encoder(MODEL, precision) for _ in range(2))
    cpu_kernels.speed_up(fast)
    assert cpu_kernels.PackedLinear in kinds(fast)
    assert nn.Linear not in kinds(fast)
    wanted, found = states(plain), states(fast)
    # From what float64 gives, since how far two roundings are from each other goes with the processor and the threads.
    exact = states(loading.load_encoder(MODEL, "float32").double())
    # In bfloat16 the plain model is itself apart from it, and no farther than this.
    tolerance = 1e-5 if precision == "float32" else 1.5 * (wanted - exact).abs().max()
    assert (found - exact).abs().max() <= tolerance
    assert not torch.equal(found, wanted)


@pytest.mark.parametrize(
    ("activation", "fused"), [("gelu", True), ("gelu_new", False), ("relu", False), ("gelu_python", False)]
)
def test_only_the_exact_gelu_is_computed_with_the_product(activation, fused):
    model = small(hidden_act=activation)
    wanted = states(model)
    cpu_kernels.speed_up(model)
    assert (nn.Identity in kinds(model)) is fused
    assert cpu_kernels.PackedLinear in kinds(model)
    torch.testing.assert_close(states(model), wanted, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("vocabulary", "pad"), [(601, 600), (601, None), (601, 0), (601, -1), (601, 300), (2, 0), (2, 1), (1, 0)]
)
def test_a_model_of_any_vocabulary_and_padding_runs_faster_and_its_padding_does_not_show(vocabulary, pad):
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    model = BertModel(BertConfig(vocab_size=vocabulary, pad_token_id=pad, max_position_embeddings=9, **shape)).eval()
    cpu_kernels.speed_up(model)
    assert cpu_kernels.PackedLinear in kinds(model)
    assert padding.padding_shows(model) is False


@pytest.mark.parametrize("said", [RuntimeError("could not create a primitive descriptor"), None])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_model_that_would_come_out_otherwise_is_left_as_it_was(monkeypatch, caplog, said, precision):
    def wrong(self, rows):
        if said:
            raise said
        return torch.ops.mkldnn._linear_pointwise(rows, self.weight, self.bias, "none", [], "") * 30

    model = small().to(getattr(torch, precision))
    wanted, attention, before = states(model), model.config._attn_implementation, kinds(model)
    monkeypatch.setattr(cpu_kernels.PackedLinear, "forward", wrong)
    caplog.set_level(logging.INFO, "pairprobe")
    cpu_kernels.speed_up(model)
    assert "BertModel is run without the fast kernels" in caplog.text
    assert kinds(model) == before
    assert model.config._attn_implementation == attention
    assert torch.equal(states(model), wanted)


def test_what_is_no_number_is_never_near_enough(monkeypatch):
    model, before = small(), kinds(small())
    samples = iter([[torch.ones(3), torch.ones(3)], [torch.ones(3), torch.full((3,), torch.nan)]])
    monkeypatch.setattr(cpu_kernels, "sample", lambda _: next(samples))
    cpu_kernels.speed_up(model)
    assert kinds(model) == before


def test_a_gpu_s_model_is_not_touched():
    model = small()
    before = kinds(model)
    cpu_kernels.speed_up(model, "cuda")
    assert kinds(model) == before


# Attention.


def by_formula(query, key, value, seen, scaling):
    """softmax(scaling * query key') value, in float64; seen: (examples, subtokens), bool."""
    query, key, value = (tensor.double().numpy() for tensor in (query, key, value))
    scores = scaling * np.einsum("ehqw,ehkw->ehqk", query, key)
    weights = np.exp(scores) * seen.numpy()[:, None, None]
    return np.einsum("ehqk,ehkw->eqhw", weights / weights.sum(-1, keepdims=True), value)


@pytest.fixture
def heads():
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(5, 3, 11, 8, generator=generator) for _ in range(3)]


def mask_of(seen, kind):
    mask = seen[:, None, None, :].expand(-1, 1, seen.shape[1], -1)
    return mask if kind == "bool" else torch.zeros(mask.shape).masked_fill(~mask, torch.finfo(torch.float32).min)


class Encoder(nn.Module):
    is_causal = False


@pytest.mark.parametrize("kind", ["bool", "added", None])
@pytest.mark.parametrize("scaling", [None, 0.5])
def test_attention_is_that_of_the_formula(heads, kind, scaling):
    seen = torch.ones(5, 11, dtype=torch.bool)
    if kind:
        seen[1, 4:] = seen[4, 10:] = False
    mask = mask_of(seen, kind) if kind else None
    found, weights = cpu_kernels.attention(Encoder(), *heads, mask, scaling=scaling)
    np.testing.assert_allclose(found, by_formula(*heads, seen, scaling or 8**-0.5), atol=1e-6)
    assert weights is None


def test_padding_that_sees_nothing_spoils_nothing(heads):
    seen = torch.ones(5, 11, 11, dtype=torch.bool)
    seen[0, 9] = False
    found, _ = cpu_kernels.attention(Encoder(), *heads, seen[:, None])
    assert torch.isfinite(found).all()


@pytest.mark.parametrize("special", [{"is_causal": True}, {"dropout": 0.1}, {"position_bias": torch.zeros(1, 3, 11, 11)}])
def test_what_is_no_plain_attention_goes_to_pytorch_s(monkeypatch, heads, special):
    monkeypatch.setattr(cpu_kernels, "sdpa_attention_forward", lambda *given, **options: options)
    assert special.items() <= cpu_kernels.attention(Encoder(), *heads, None, **special).items()


def test_grouped_queries_go_to_pytorch_s(monkeypatch, heads):
    query, key, value = heads
    monkeypatch.setattr(cpu_kernels, "sdpa_attention_forward", lambda *given, **options: "theirs")
    assert cpu_kernels.attention(Encoder(), query, key[:, :1], value[:, :1], None) == "theirs"


OF_MANY_SHAPES = """
import torch
from pairprobe.checkpoints import cpu_kernels

def resident():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmRSS"))  # KiB

rows = torch.randn(4, 500, 16).bfloat16()
with torch.inference_mode():
    torch.bmm(rows, rows.transpose(1, 2))
    before = resident()
    for n in range(100, 500):
        torch.bmm(rows[:, :n], rows[:, :n].transpose(1, 2))
print(resident() - before)
"""


@pytest.mark.slow
@has_bfloat16
def test_memory_does_not_grow_with_the_number_of_lengths():
    def grown(**environment):
        known = {"PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run(
            [sys.executable, "-c", OF_MANY_SHAPES], env=known | environment, capture_output=True, text=True, check=True
        )
        return int(done.stdout) / 1024

    # Whoever sets the sizes of these caches has what they set.
    assert grown() < 100 < grown(ONEDNN_PRIMITIVE_CACHE_CAPACITY="1024", LRU_CACHE_CAPACITY="1024")
