"""How far weights moved: worked by hand, and against the modules of transformers' models and torch's norms."""

import shutil

import numpy as np
import peft
import pytest
import torch
import transformers
from decoders import make as make_decoder
from families import FAMILIES, make, tiny_bert
from safetensors.torch import load_file, save_file
from scipy import stats

from pairprobe.checkpoints.adaptation import adapt
from pairprobe.checkpoints.layer_tensors import layers_of
from pairprobe.controls.weight_distance import distances
from pairprobe.controls.weight_table import DISTANCE_FIELDS, WEIGHT_FIELDS, summarise
from pairprobe.errors import InputError

pytestmark = pytest.mark.usefixtures("one_thread")


def moved(folder, target, seed=1, only=""):
    """Copy a checkpoint with noise in its weights, those whose name has ``only`` in it."""
    shutil.copytree(folder, target)
    (target / "checksums.sha256").unlink(missing_ok=True)
    dice = torch.Generator().manual_seed(seed)
    tensors = load_file(target / "model.safetensors")
    for name, tensor in tensors.items():
        if only in name and tensor.is_floating_point():
            tensors[name] = tensor + 0.1 * torch.randn(tensor.shape, generator=dice).to(tensor.dtype)
    save_file(tensors, target / "model.safetensors", {"format": "pt"})
    return target


def by_modules(before, after, stack, final=None):
    """The same by the modules of two encoders; stack: the list of their layers, final: the norm behind the last."""
    load = transformers.AutoModel.from_pretrained
    ours, theirs = (load(folder, dtype=torch.float32).double() for folder in (before, after))
    layers = [list(encoder.get_submodule(stack)) for encoder in (ours, theirs)]
    rest = []
    for encoder, its in zip((ours, theirs), layers, strict=True):
        inside = {id(p) for layer in its for p in layer.parameters()}
        outside = {n: p for n, p in encoder.named_parameters() if id(p) not in inside and "pooler" not in n}
        last = [outside.pop(n) for n in list(outside) if final and n.startswith(final)]
        rest.append([list(outside.values()), *[list(layer.parameters()) for layer in its]])
        rest[-1][-1] += last
    found = []
    for one, other in zip(*rest, strict=True):
        flat = [torch.cat([p.flatten() for p in part]) for part in (one, other)]
        relative = torch.linalg.norm(flat[1] - flat[0]) / torch.linalg.norm(flat[0])
        matrices = [(p.flatten(1), q.flatten(1)) for p, q in zip(one, other, strict=True) if p.ndim > 1]
        ratios = [torch.linalg.matrix_norm(q - p, 2) / torch.linalg.matrix_norm(p, 2) for p, q in matrices]
        found.append((relative.item(), torch.stack(ratios).mean().item()))
    return found


@pytest.mark.parametrize(
    ("family", "stack", "final"),
    [
        ("bert", "encoder.layer", None),
        ("distilbert", "transformer.layer", None),
        ("mpnet", "encoder.layer", None),
        ("deberta", "encoder.layer", None),
        ("modernbert", "layers", "final_norm"),
        ("llama", "layers", "norm"),
        ("gpt2", "h", "ln_f"),
    ],
)
def test_each_layer_s_distances_are_those_of_its_module(tmp_path, family, stack, final):
    before = (make if family in FAMILIES else make_decoder)(family, tmp_path / "before")
    after = moved(before, tmp_path / "after")
    rows, _ = distances(str(before), str(after))
    wanted = by_modules(before, after, stack, final)
    assert [layer for layer, *_ in rows] == list(range(len(wanted)))
    assert np.array([row[2:] for row in rows]) == pytest.approx(np.array(wanted), rel=1e-9)


def test_a_worked_example(tmp_path):
    """One matrix becomes diag(1, 2) from diag(3, 4), and all other weights of its layer are zero."""
    before = tiny_bert(tmp_path / "before", hidden_size=2, intermediate_size=2, num_attention_heads=1)
    tensors = load_file(f"{before}/model.safetensors")
    name = "encoder.layer.1.output.dense.weight"
    for key in tensors:
        if key.startswith("encoder.layer.1."):
            tensors[key] = torch.zeros_like(tensors[key])
    tensors[name] = torch.diag(torch.tensor([3.0, 4.0]))
    save_file(tensors, f"{before}/model.safetensors", {"format": "pt"})
    after = shutil.copytree(before, tmp_path / "after")
    tensors[name] = torch.diag(torch.tensor([1.0, 2.0]))
    save_file(tensors, after / "model.safetensors", {"format": "pt"})
    (first, unmoved, last), _ = distances(before, str(after))
    assert (first[2:], unmoved[2:]) == ((0, 0), (0, 0))
    # sqrt(2² + 2²) / sqrt(3² + 4²), and 2 / 4 of the one matrix that is not zero.
    assert last[2:] == pytest.approx((8**0.5 / 5, 0.5))


def test_a_checkpoint_is_at_no_distance_from_itself_whatever_its_heads(tmp_path):
    before = make("bert", tmp_path / "before")
    after = moved(before, tmp_path / "after", only="cls.")
    moved(before, tmp_path / "pooled", only="pooler")
    for other in (before, after, tmp_path / "pooled"):
        assert [row[2:] for row in distances(str(before), str(other))[0]] == [(0, 0)] * 3


def test_an_encoder_alone_is_compared_with_one_below_a_head(tmp_path):
    before = tiny_bert(tmp_path / "before")
    torch.manual_seed(0)
    answering = transformers.BertForQuestionAnswering(transformers.AutoConfig.from_pretrained(before))
    answering.bert.load_state_dict(transformers.BertModel.from_pretrained(before).state_dict(), strict=False)
    answering.save_pretrained(tmp_path / "after")
    assert [row[2:] for row in distances(before, str(tmp_path / "after"))[0]] == [(0, 0)] * 3
    answering.bert.encoder.layer[0].output.dense.bias.data += 1
    answering.save_pretrained(tmp_path / "moved")
    assert [row[2] > 0 for row in distances(before, str(tmp_path / "moved"))[0]] == [False, True, False]


def test_layers_that_share_weights_are_at_the_same_distance(tmp_path):
    before = make("albert", tmp_path / "before")
    after = moved(before, tmp_path / "after", only="albert_layer_groups")
    (embeddings, first, second), _ = distances(str(before), str(after))
    assert embeddings[2:] == (0, 0)
    assert first[1:] == second[1:]
    assert first[2] > 0


def test_weights_in_several_files_and_in_bfloat16_are_read(tmp_path):
    before = make_decoder("llama", tmp_path / "before")
    after = moved(before, tmp_path / "after")
    for folder in ("before", "after"):
        model = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / folder, dtype=torch.bfloat16)
        model.save_pretrained(tmp_path / f"{folder}-small", max_shard_size="30KB")
    assert len(list((tmp_path / "after-small").glob("*.safetensors"))) > 1
    found, _ = distances(f"{before}-small", f"{after}-small")
    wanted = by_modules(f"{before}-small", f"{after}-small", "layers", "norm")
    assert np.array([row[2:] for row in found]) == pytest.approx(np.array(wanted), rel=1e-9)


def test_an_adapter_beside_the_weights_is_as_far_as_merged(tmp_path):
    base = make("bert", tmp_path / "base")
    config = peft.LoraConfig(r=2, target_modules=["query", "value"], init_lora_weights=False)
    torch.manual_seed(1)
    peft.get_peft_model(transformers.AutoModel.from_pretrained(base), config).save_pretrained(tmp_path / "adapter")
    for merge in (True, False):
        adapt({"path": str(tmp_path / "adapter"), "merge": merge}, str(base), str(tmp_path / f"merged-{merge}"))
    merged, beside = (distances(str(base), str(tmp_path / f"merged-{merge}"))[0] for merge in (True, False))
    assert [row[2] > 0 for row in merged] == [False, True, True]
    assert np.array(beside) == pytest.approx(np.array(merged), rel=1e-6)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"num_hidden_layers": 3}, "only one has the tensor encoder.layer.2."),
        ({"hidden_size": 16}, "has the shapes"),
        ({"vocab_size": 30600}, "embeddings.word_embeddings.weight has the shapes (30522, 32) and (30600, 32)"),
    ],
)
def test_encoders_of_other_tensors_or_shapes_are_not_compared(tmp_path, caplog, changed, said):
    before, after = tiny_bert(tmp_path / "before"), tiny_bert(tmp_path / "after", **changed)
    found, why = distances(before, after)
    assert found == []
    assert said in why
    assert why in caplog.text


def test_a_stack_that_the_configuration_does_not_know_is_refused_by_name(tmp_path):
    config = transformers.BertConfig(num_hidden_layers=4)
    with pytest.raises(InputError, match=r"checkpoint here: found tensors of the layers encoder\.layer\.0 to 1, wanted 4"):
        layers_of(["encoder.layer.0.dense.weight", "encoder.layer.1.dense.weight"], config, "here")


# The table.


def row(after, layer, relative, spectral):
    return dict(zip(DISTANCE_FIELDS, ("start", after, str(layer), "10", str(relative), str(spectral), ""), strict=True))


def test_a_recipe_has_the_mean_of_its_seeds_and_student_s_interval():
    draws, seeds = [0.10, 0.16, 0.13], [f"tuned-seed{i}" for i in range(3)]
    rows = [row(seed, layer, draw, 2 * draw) for seed, draw in zip(seeds, draws, strict=True) for layer in (0, 1)]
    rows.append(row("other", 0, 0.5, 0.25))
    found = [dict(zip(WEIGHT_FIELDS, each, strict=True)) for each in summarise(rows, {"tuned": seeds}, 0.95)]
    assert [each["after"] for each in found] == [name for name in ("tuned", *seeds) for _ in (0, 1)] + ["other"]
    wanted = stats.t.interval(0.95, 2, np.mean(draws), stats.sem(draws))
    for mean in found[:2]:
        assert mean["seeds"] == 3
        assert [float(mean[value]) for value in ("relative", "spectral")] == pytest.approx([0.13, 0.26])
        assert [float(mean["relative_low"]), float(mean["relative_high"])] == pytest.approx(wanted, rel=1e-5)
    alone = found[-1]
    assert (alone["seeds"], alone["relative"], alone["relative_low"], alone["spectral_high"]) == (1, "0.5", "", "")


def test_what_is_not_compared_has_a_row_that_says_why_and_so_has_its_recipe():
    other = dict(zip(DISTANCE_FIELDS, ("start", "t1", "", "", "", "", "x has the shapes (2,) and (3,)"), strict=True))
    rows = [row("t0", 0, 0.1, 0.1), row("t0", 1, 0.1, 0.1), other]
    found = [dict(zip(WEIGHT_FIELDS, each, strict=True)) for each in summarise(rows, {"t": ["t0", "t1"]}, 0.95)]
    assert [(each["after"], each["layer"], each["relative"], each["not_compared"]) for each in found] == [
        ("t", "", "", other["not_compared"]),
        ("t0", "0", "0.1", ""),
        ("t0", "1", "0.1", ""),
        ("t1", "", "", other["not_compared"]),
    ]


def test_an_interval_of_distances_does_not_go_below_zero():
    rows = [row(f"t{i}", 0, draw, draw) for i, draw in enumerate((0.01, 0.5))]
    (recipe, *_) = summarise(rows, {"t": ["t0", "t1"]}, 0.95)
    assert dict(zip(WEIGHT_FIELDS, recipe, strict=True))["relative_low"] == "0"
