"""Links and special files in a checkpoint's folder, before anything of it is read."""

import os
import shutil
from pathlib import Path

import pytest
from families import tiny_bert

from pairprobe.checkpoints import fetching
from pairprobe.errors import InputError


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return Path(tiny_bert(tmp_path_factory.mktemp("tiny")))


@pytest.fixture
def folder(tiny, tmp_path):
    return Path(shutil.copytree(tiny, tmp_path / "given"))


def fetch(folder, target):
    fetching.fetch({"source": "path", "path": str(folder)}, str(target))


def link(file, target):
    file.unlink(missing_ok=True)
    file.symlink_to(target)


def content(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.name != "SHA256SUMS"}


@pytest.mark.parametrize("name", ["merges.txt", "config.json", "model.safetensors"])
@pytest.mark.parametrize("target", ["/etc/passwd", "../secret"])
def test_a_link_out_of_the_folder_is_refused(folder, tmp_path, name, target):
    (tmp_path / "secret").write_text("secret")
    link(folder / name, target)
    with pytest.raises(InputError, match=rf"given: {name} leads out of the folder, to .*{target.strip('.')}"):
        fetch(folder, tmp_path / "out" / "target")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_link_over_other_links_is_followed_to_its_end(folder, tmp_path):
    link(folder / "one", "/etc/passwd")
    link(folder / "merges.txt", "one")
    with pytest.raises(InputError, match=r"merges\.txt leads out of the folder, to /etc/passwd\."):
        fetch(folder, tmp_path / "target")


@pytest.mark.parametrize("target", ["nowhere", "merges.txt", "/dev/zero", "."])
def test_a_link_to_no_regular_file_is_refused_at_once(folder, tmp_path, target):
    link(folder / "merges.txt", target)
    with pytest.raises(InputError, match=rf"merges\.txt: found no (regular )?file \(a link to {target}\)"):
        fetch(folder, tmp_path / "target")


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "vocab.txt"])
def test_a_pipe_is_refused_at_once(folder, tmp_path, name):
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)
    with pytest.raises(InputError, match=rf"{name}: found no regular file"):
        fetch(folder, tmp_path / "target")


@pytest.mark.slow
@pytest.mark.parametrize("shared", [False, True])
def test_a_folder_of_the_hub_s_cache_is_a_checkpoint(tiny, tmp_path, shared):
    """The cache's own layout: every file is a link to its content, which repositories may share."""
    repository = tmp_path / "hub" / "models--some--model"
    snapshot = repository / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    for number, file in enumerate(sorted(tiny.iterdir())):
        digest = f"{number:064x}"
        blob, common = repository / "blobs" / digest, tmp_path / "hub" / "blobs" / digest[:2] / digest
        kept = common if shared else blob
        for place in (blob, kept):
            place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, kept)
        if shared:
            link(blob, os.path.relpath(common, blob.parent))
        link(snapshot / file.name, os.path.relpath(blob, snapshot))
    fetch(snapshot, tmp_path / "target")
    assert content(tmp_path / "target").items() <= content(tiny).items()
    assert not any(file.is_symlink() for file in (tmp_path / "target").iterdir())


def test_a_link_within_the_folder_and_one_to_the_folder_are_followed(folder, tmp_path):
    (folder / "model.safetensors").rename(folder / "weights")
    link(folder / "model.safetensors", "weights")
    link(tmp_path / "given by a link", folder)
    fetch(tmp_path / "given by a link", tmp_path / "target")
    assert (tmp_path / "target" / "model.safetensors").read_bytes() == (folder / "weights").read_bytes()
