"""Dropout and attention of a training on a processor, against PyTorch's own."""

import pytest
import torch
from torch import nn

from pairprobe import dropout
from pairprobe.kernels import AT_ONCE


class _Module:
    is_causal = False


def parts(examples=5, heads=3, subtokens=7, width=4, dtype=torch.float64):
    torch.manual_seed(1)
    return [torch.randn(examples, heads, subtokens, width, dtype=dtype, requires_grad=True) for _ in range(3)]


def mask_of(examples=5, subtokens=7):
    mask = torch.ones(examples, 1, subtokens, subtokens, dtype=torch.bool)
    mask[1, ..., 2:] = False
    mask[3, ..., 1:] = False
    return mask


@pytest.mark.parametrize("mask", [None, mask_of()])
def test_attention_without_dropout_and_its_gradients_are_those_of_pytorch(mask):
    assert 5 % AT_ONCE, "the last examples should be fewer than are taken at once"
    ours, theirs = parts(), parts()
    found, _ = dropout.attention(_Module(), *ours, mask, scaling=0.3)
    wanted = nn.functional.scaled_dot_product_attention(*theirs, attn_mask=mask, scale=0.3).transpose(1, 2)
    assert torch.allclose(found, wanted, rtol=1e-12, atol=1e-12)
    weights = torch.randn_like(wanted)
    (found * weights).sum().backward()
    (wanted * weights).sum().backward()
    for one, other in zip(ours, theirs, strict=True):
        assert torch.allclose(one.grad, other.grad, rtol=1e-10, atol=1e-12)


def test_gradients_of_attention_with_dropout_are_those_of_its_numbers():
    def of(query, key, value):
        torch.manual_seed(5)  # the same bits each time
        return dropout.attention(_Module(), query, key, value, mask_of(subtokens=3), scaling=0.3, dropout=0.4)[0]

    assert torch.autograd.gradcheck(of, parts(subtokens=3, width=2), fast_mode=True)


def test_attention_with_dropout_is_that_of_its_formula():
    query, key, value = parts()
    torch.manual_seed(5)
    found, _ = dropout.attention(_Module(), query, key, value, mask_of(), scaling=0.3, dropout=0.4)
    torch.manual_seed(5)
    kept = dropout.drawn(torch.Size((15, 7, 7)), 0.4).view(5, 3, 7, 7) != 0
    scores = (query @ key.transpose(2, 3) * 0.3).masked_fill(~mask_of(), -torch.inf)
    weights = torch.where(kept, scores.softmax(-1), 0) / (round(0.6 * 2**15) / 2**15)
    assert torch.allclose(found, (weights @ value).transpose(1, 2), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_attention_in_other_types_is_near_that_in_float64(dtype):
    wanted, _ = dropout.attention(_Module(), *parts(), mask_of())
    found, _ = dropout.attention(_Module(), *[part.detach().to(dtype) for part in parts()], mask_of())
    assert found.dtype == dtype
    assert torch.allclose(found.double(), wanted, atol=4 * torch.finfo(dtype).eps)


def test_what_is_not_plain_attention_goes_to_pytorch():
    query, key, value = parts()
    module = _Module()
    module.is_causal = True
    found, _ = dropout.attention(module, query, key, value, None)
    wanted = nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True).transpose(1, 2)
    assert torch.allclose(found, wanted)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout_drops_its_share_and_keeps_the_mean(dtype, p):
    torch.manual_seed(3)
    layer, values = dropout.Dropout(p), torch.ones(401, 777, dtype=dtype, requires_grad=True)
    found = layer(values)
    dropped = (found == 0).double().mean().item()
    # Four standard deviations of a share.
    assert abs(dropped - p) < 4 * (p * (1 - p) / values.numel()) ** 0.5 + 2**-15
    assert torch.allclose(found[found != 0].double(), torch.tensor(1 / (1 - p)).double(), rtol=0.01)
    found.sum().backward()
    assert torch.equal(values.grad, found), "the gradient goes where the values went"


def test_dropout_does_nothing_in_evaluation_and_at_nought():
    values = torch.randn(3, 4)
    assert dropout.Dropout(0.5).eval()(values) is values
    assert dropout.Dropout(0.0)(values) is values


def test_all_can_be_dropped():
    assert not dropout.Dropout(1.0)(torch.ones(50, 50)).any()


def test_the_generator_decides_what_is_dropped():
    draws = []
    for _ in range(2):
        torch.manual_seed(8)
        draws.append([dropout.drawn(torch.Size((9, 5)), 0.3) for _ in range(2)])
    assert all(torch.equal(one, other) for one, other in zip(*draws, strict=True))
    assert not torch.equal(*draws[0])
