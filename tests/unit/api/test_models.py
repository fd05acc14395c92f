"""Models of one's own: what is copied, what is downloaded, and what is refused."""

import gc
import json
import shutil

import peft
import pytest
import torch
from families import tiny_bert
from safetensors.torch import load_file, save_file
from transformers import AutoModel

from pairprobe import compare, load_encoder, rank
from pairprobe.checkpoints import fetching
from pairprobe.checkpoints.checksums import write_checksums
from pairprobe.errors import InputError
from pairprobe.io import downloads
from pairprobe.probing_sets.text_pairs import TextPair

REVISION = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "tiny"
    tiny_bert(folder)
    return folder


@pytest.mark.slow
def test_a_folder_is_copied_and_verified_and_the_copy_goes_with_the_model(tiny):
    model = load_encoder(tiny)
    assert model.name == "tiny"
    assert load_encoder(str(tiny), name="mine").name == "mine"
    assert (model.folder / "model.safetensors").read_bytes() == (tiny / "model.safetensors").read_bytes()
    assert (model.folder / "SHA256SUMS").is_file()
    folder = model.folder
    del model
    gc.collect()
    assert not folder.exists()
    assert (tiny / "config.json").is_file()


@pytest.mark.slow
def test_a_checkpoint_of_a_run_is_used_where_it_is_and_damage_is_seen(tiny, tmp_path):
    fetching.fetch({"source": "path", "path": str(tiny)}, str(tmp_path / "pretrained"))
    assert load_encoder(tmp_path / "pretrained").folder == tmp_path / "pretrained"
    (tmp_path / "pretrained" / "config.json").write_text("{}")
    with pytest.raises(InputError, match=r"config.json was damaged on disk"):
        load_encoder(tmp_path / "pretrained")


@pytest.mark.slow
def test_a_random_twin_has_the_same_shape_and_weights_that_a_seed_gives(tiny):
    model = load_encoder(tiny)
    twins = [model.random_twin(seed) for seed in (1, 1, 2)]
    assert [twin.name for twin in twins] == ["tiny-random-seed1", "tiny-random-seed1", "tiny-random-seed2"]
    same, again, other = ((twin.folder / "model.safetensors").read_bytes() for twin in twins)
    assert same == again != other
    assert len(same) == len(other) == len((tiny / "model.safetensors").read_bytes())
    assert (twins[0].folder / "tokenizer.json").read_bytes() == (tiny / "tokenizer.json").read_bytes()


@pytest.mark.slow
def test_a_repository_is_downloaded_once_and_verified(tiny, tmp_path, monkeypatch):
    asked = []

    def snapshot(repository, revision, patterns, target):
        asked.append((repository, revision))
        shutil.copytree(tiny, target)

    monkeypatch.setattr(downloads, "snapshot", snapshot)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    model = load_encoder("some/encoder", revision=REVISION)
    assert model.name == "encoder"
    assert model.folder.is_relative_to(tmp_path / "cache" / "pairprobe")
    once = [("some/encoder", REVISION)] * 2  # the files beside the weights, and then these
    assert asked == once
    assert load_encoder("some/encoder", revision=REVISION).folder == model.folder
    assert asked == once
    (model.folder / "config.json").write_text("{}")
    with pytest.raises(InputError, match=r"config.json was damaged on disk"):
        load_encoder("some/encoder", revision=REVISION)


def test_a_folder_that_is_missing_is_told_with_the_one_beside_it_that_may_be_meant(tmp_path):
    (tmp_path / "before").mkdir()
    (tmp_path / "after").mkdir()
    with pytest.raises(InputError, match=r"befor: there is no such folder. Did you mean .*/before\?$"):
        load_encoder(tmp_path / "befor")
    with pytest.raises(InputError, match=r"else: there is no such folder. Name a folder that save_pretrained wrote\.$"):
        load_encoder(tmp_path / "else")


def test_a_name_without_a_revision_is_refused_with_the_way_to_pin_it():
    name = "google-bert/bert-base-uncased"
    with pytest.raises(InputError, match=rf"{name}: there is no such folder.*revision='...'.*40 digits.*{name}/commits"):
        load_encoder(name)


def test_a_file_is_told_with_its_format(tmp_path):
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    with pytest.raises(InputError, match=r"It is a file, and its weights are in another format \(GGUF: model\.gguf\)"):
        load_encoder(tmp_path / "model.gguf")


@pytest.mark.parametrize("revision", ["main", "v1.0", REVISION[:7], REVISION + "\n"])
def test_a_revision_that_is_no_commit_is_refused(revision):
    with pytest.raises(InputError, match=r"found the revision .*40 digits"):
        load_encoder("some/encoder", revision=revision)


@pytest.mark.parametrize("name", ["../encoder", "a/b/c", "some/..", "/tmp/encoder", ""])
def test_a_repository_that_is_none_is_refused(name):
    with pytest.raises(InputError, match=r"wanted OWNER/NAME"):
        load_encoder(name, revision=REVISION)


def test_a_folder_that_holds_no_encoder_is_refused_as_the_workflow_does(tiny, tmp_path):
    shutil.copytree(tiny, tmp_path / "broken")
    (tmp_path / "broken" / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"broken"):
        load_encoder(tmp_path / "broken")


def test_a_folder_with_checksums_is_trusted_no_more_than_another(tiny, tmp_path):
    """Anybody can write checksums."""
    shutil.copytree(tiny, tmp_path / "remote")
    config = json.loads((tiny / "config.json").read_text())
    (tmp_path / "remote" / "config.json").write_text(json.dumps({**config, "kernel_config": {"a": "b"}}))
    write_checksums(tmp_path / "remote")
    with pytest.raises(InputError, match=r"remote: config.json, key kernel_config"):
        load_encoder(tmp_path / "remote")
    shutil.copytree(tiny, tmp_path / "linked")
    shutil.copytree(tiny, tmp_path / "elsewhere")
    (tmp_path / "linked" / "tokenizer.json").unlink()
    (tmp_path / "linked" / "tokenizer.json").symlink_to(tmp_path / "elsewhere" / "tokenizer.json")
    write_checksums(tmp_path / "linked")
    with pytest.raises(InputError, match=r"linked: tokenizer.json leads out of the folder"):
        load_encoder(tmp_path / "linked")
    shutil.copytree(tiny, tmp_path / "broken")
    tensors = load_file(tiny / "model.safetensors")
    tensors["encoder.layer.0.output.dense.bias"][0] = float("nan")
    save_file(tensors, tmp_path / "broken" / "model.safetensors", {"format": "pt"})
    write_checksums(tmp_path / "broken")
    with pytest.raises(InputError, match=r"encoder.layer.0.output.dense.bias"):
        load_encoder(tmp_path / "broken")


@pytest.fixture
def lora(tiny, tmp_path):
    """An adapter whose tensors are drawn anew, and the encoder that has it merged by peft."""
    torch.manual_seed(5)
    tuned = peft.get_peft_model(AutoModel.from_pretrained(tiny), peft.LoraConfig(r=4, target_modules=["query", "value"]))
    for parameter in tuned.parameters():
        if parameter.requires_grad:
            parameter.data += 0.1 * torch.randn_like(parameter)
    tuned.save_pretrained(tmp_path / "lora")
    return tmp_path / "lora", tuned.merge_and_unload()


@pytest.mark.slow
def test_an_adapter_on_its_base_is_what_peft_merges_and_is_compared_with_it(tiny, lora, tmp_path, monkeypatch):
    folder, wanted = lora
    base = load_encoder(tiny)
    model = load_encoder(folder, base=base)
    assert model.name == "lora"
    state = load_file(model.folder / "model.safetensors")
    for key, tensor in wanted.state_dict().items():
        torch.testing.assert_close(state[key], tensor, atol=1e-6, rtol=0)
    pairs = [TextPair("The soup was hot and the bread was cold.", "hot", "cold")]
    assert set(compare(rank(pairs, base), rank(pairs, model)).differences()["after"]) == {"lora"}
    # The same adapter from the hub.
    monkeypatch.setattr(downloads, "snapshot", lambda _repository, _revision, _patterns, to: shutil.copytree(folder, to))
    again = load_encoder("some/lora-of-tiny", revision=REVISION, base=base)
    assert again.name == "lora-of-tiny"
    assert (again.folder / "model.safetensors").read_bytes() == (model.folder / "model.safetensors").read_bytes()
    # Its files go with it, its base's stay.
    gone = again.folder
    del again
    gc.collect()
    assert not gone.exists()
    assert base.folder.exists()


@pytest.mark.slow
def test_an_adapter_without_its_base_is_refused_in_the_words_of_a_notebook(tiny, lora, tmp_path, monkeypatch):
    folder, _ = lora
    alone = r"holds an adapter, .* load_encoder\('.*', \.\.\., base=load_encoder\(\.\.\.\)\)"
    with pytest.raises(InputError, match=alone) as error:
        load_encoder(folder)
    assert "source:" not in str(error.value)
    monkeypatch.setattr(downloads, "snapshot", lambda _repository, _revision, _patterns, to: shutil.copytree(folder, to))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(InputError, match=rf"some/lora {alone}"):
        load_encoder("some/lora", revision=REVISION)
    with pytest.raises(InputError, match=r"load_encoder: base: found '.*', wanted a model, as load_encoder returns it"):
        load_encoder(folder, base=str(tiny))
    with pytest.raises(InputError, match=r"adapter .*tiny: it is a whole model, not an adapter\. .*without base"):
        load_encoder(tiny, base=load_encoder(tiny))
    with pytest.raises(InputError, match=r"lora_A.weight has the shape .*16 wide"):
        load_encoder(folder, base=load_encoder(tiny_bert(tmp_path / "narrow", hidden_size=16)))
    peft.get_peft_model(AutoModel.from_pretrained(tiny), peft.LoraConfig(target_modules=["query"])).save_pretrained(
        tmp_path / "untrained"
    )
    with pytest.raises(InputError, match=r"changes no hidden state of checkpoint tiny\."):
        load_encoder(tmp_path / "untrained", base=load_encoder(tiny))


@pytest.mark.slow
@pytest.mark.parametrize("seed", ["x", -1, 1.0, True, None, 1 << 64])
def test_a_seed_that_a_configuration_would_not_take_is_refused(tiny, seed):
    with pytest.raises(InputError, match=rf"random_twin: seed: found {seed!r}, wanted a whole number from 0 to \d+\.$"):
        load_encoder(tiny).random_twin(seed)


@pytest.mark.parametrize("name", ["", " ", "a/b", "a\nb", "a ", 1])
def test_a_name_that_cannot_stand_in_tables_is_refused(tiny, name):
    with pytest.raises(InputError, match=r"load_encoder: name: found .*, wanted letters that can be printed, no slash"):
        load_encoder(tiny, name=name)


@pytest.mark.parametrize("given", [None, 7, ["tiny"], torch.nn.Sequential(torch.nn.Linear(2, 2))])
def test_what_is_no_path_is_refused(given):
    with pytest.raises(
        InputError, match=r"load_encoder: found .*, wanted the path of a folder, .* by save_pretrained"
    ) as error:
        load_encoder(given)
    assert "\n" not in str(error.value)
