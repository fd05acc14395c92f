"""The randomly initialised twin of a checkpoint: built like it, with weights that only the seed decides."""

import families
import pytest
import torch
import transformers
from safetensors.torch import load_file

from pairprobe.checkpoints import checksums, fetching, inspection, loading
from pairprobe.errors import InputError
from pairprobe.finetuning import joint_model

# What a saved model says of itself, not of its architecture.
SAYS = {"architectures", "dtype", "transformers_version", "_name_or_path"}


def twin(start, folder, seed):
    fetching.initialise(str(start), str(folder), seed)
    return folder


def bytes_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return families.make("bert", tmp_path_factory.mktemp("bert"))


@pytest.mark.parametrize("family", ["bert", "albert", "deberta", "modernbert"])
def test_the_architecture_and_the_tokenizer_are_those_of_the_checkpoint_and_the_weights_are_not(family, tmp_path):
    start = families.make(family, tmp_path / "start")
    made = twin(start, tmp_path / "made", 1)
    one, other = loading.load_encoder(start), loading.load_encoder(made)
    assert type(one) is type(other)
    configs = [{key: value for key, value in each.config.to_dict().items() if key not in SAYS} for each in (one, other)]
    assert configs[0] == configs[1]
    before, after = one.state_dict(), other.state_dict()
    assert {key: tensor.shape for key, tensor in before.items()} == {key: tensor.shape for key, tensor in after.items()}
    # Biases and norms begin at 0 and 1 in both; no matrix is the same.
    assert [key for key, tensor in before.items() if tensor.ndim > 1 and torch.equal(tensor, after[key])] == []
    for name in ("tokenizer.json", "tokenizer_config.json"):
        assert (made / name).read_bytes() == (start / name).read_bytes()
    inspection.verify(made)
    checksums.verify_checksums(made)


def test_weights_are_drawn_as_transformers_draws_them(bert, tmp_path):
    weights = load_file(twin(bert, tmp_path / "made", 1) / "model.safetensors")
    matrices = torch.cat([w.flatten() for key, w in weights.items() if w.ndim > 1 and "embedding" not in key])
    # families' initializer_range.
    assert matrices.std().item() == pytest.approx(0.2, rel=0.02)
    assert matrices.mean().item() == pytest.approx(0, abs=0.01)
    torch.manual_seed(1)
    wanted = transformers.BertModel(transformers.AutoConfig.from_pretrained(bert)).state_dict()
    assert all(torch.equal(weights[key], wanted[key]) for key in weights)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_other_weights(bert, tmp_path):
    one = bytes_of(twin(bert, tmp_path / "one", 1))
    torch.manual_seed(5)
    drawn = torch.rand(3)
    torch.manual_seed(5)
    assert bytes_of(twin(bert, tmp_path / "two", 1)) == one
    # Nor does it touch anyone else's dice.
    assert torch.equal(torch.rand(3), drawn)
    other = bytes_of(twin(bert, tmp_path / "three", 2))
    assert {name for name in one if one[name] != other[name]} == {"model.safetensors", "SHA256SUMS"}


def test_a_head_of_the_checkpoint_is_not_drawn(tmp_path):
    start = families.make("bert", tmp_path / "start")
    transformers.BertForQuestionAnswering.from_pretrained(start).save_pretrained(start)
    assert joint_model.initial(start, 1)[1]
    assert not joint_model.initial(twin(start, tmp_path / "made", 1), 1)[1]


def test_a_damaged_checkpoint_has_no_twin(bert, tmp_path):
    start = twin(bert, tmp_path / "start", 1)
    (start / "config.json").write_text((start / "config.json").read_text().replace("0.2", "0.3"))
    with pytest.raises(InputError, match=r"config\.json was damaged on disk"):
        twin(start, tmp_path / "made", 1)
    assert not (tmp_path / "made").exists()
