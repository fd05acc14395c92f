"""Files of the hub, against a local server that answers as the hub does."""

import hashlib
import os
import random
import re
import resource
import subprocess
import sys
import time
import types

import pytest
from hub_server import Hub, digest_of

from pairprobe.errors import InputError
from pairprobe.io import downloads

CONTENT = random.Random(0).randbytes(3_000_000)
HALF = 1_500_000
OTHER = random.Random(1).randbytes(len(CONTENT))
SHA256 = hashlib.sha256(CONTENT).hexdigest()
SMALL = b"a small file, of which git's own digest is named\n"
REVISION = "0123456789abcdef0123456789abcdef01234567"
LARGE = "data/large.parquet"
FILES = {LARGE: CONTENT, "small.json": SMALL, "config.json": b"{}", "sub/config.json": b"[]"}


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """The hub as the library sees it, with an empty cache; what the environment says is read when it is imported."""
    from huggingface_hub import close_session, constants

    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    # Hardly any waits, neither ours nor the library's.
    monkeypatch.setattr(downloads, "FIRST_WAIT", 0.001)
    quick = types.SimpleNamespace(sleep=lambda seconds: None, time=time.time)
    for module in ("utils._http", "file_download"):
        monkeypatch.setattr(f"huggingface_hub.{module}.time", quick)
    close_session()  # proxies are read once in a process
    with Hub({(kind, "some/data", REVISION): dict(FILES) for kind in ("datasets", "models")}).running() as server:
        point_at(server.url, monkeypatch)
        yield server
    close_session()


def point_at(url, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", url)
    monkeypatch.setattr(
        "huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}"
    )


def offline(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "folder" / "file"


def fetch(path, file=LARGE):
    downloads.from_hub("some/data", file, REVISION, path)


def left(path):
    return sorted(entry.name for entry in path.parent.iterdir()) if path.parent.exists() else []


def fetched(path):
    """Whether the right file is there, and nothing beside it."""
    return path.read_bytes() == CONTENT and left(path) == [path.name]


def blob(tmp_path, digest=SHA256):
    return tmp_path / "cache" / "datasets--some--data" / "blobs" / digest


def spoil(tmp_path, content=OTHER):
    target = blob(tmp_path)
    target.unlink()  # others may have links to the right content
    target.write_bytes(content)


# The cache.


@pytest.mark.usefixtures("hub")
def test_a_file_is_a_hard_link_into_the_cache(path, tmp_path):
    fetch(path)
    assert fetched(path)
    assert path.samefile(blob(tmp_path))
    assert not path.is_symlink()


@pytest.mark.usefixtures("hub")
def test_a_small_file_goes_by_git_s_digest(path, tmp_path):
    fetch(path, "small.json")
    assert path.read_bytes() == SMALL
    assert path.samefile(blob(tmp_path, digest_of("small.json", SMALL)))


@pytest.mark.usefixtures("hub")
def test_a_file_is_copied_where_no_link_can_be(path, tmp_path, monkeypatch):
    def refuse(*args):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    fetch(path)
    assert fetched(path)
    assert not path.samefile(blob(tmp_path))


def test_a_file_in_the_cache_is_not_asked_for_again(hub, path):
    fetch(path)
    asked = len(hub.asked)
    fetch(path)
    assert fetched(path)
    assert len(hub.asked) == asked


@pytest.mark.usefixtures("hub")
def test_a_second_link_leaves_the_time_of_the_first(path, tmp_path):
    fetch(path)
    os.utime(blob(tmp_path), (1e9, 1e9))  # it is the first link's too: a newer one would have all read again
    fetch(tmp_path / "second.parquet")
    assert path.stat().st_mtime == 1e9


@pytest.mark.usefixtures("hub")
def test_a_filled_cache_is_enough_offline(path, monkeypatch):
    fetch(path.with_name("first"))
    path.with_name("first").unlink()
    offline(monkeypatch)
    point_at("http://127.0.0.1:9", monkeypatch)
    fetch(path)
    assert fetched(path)


def test_an_empty_cache_offline_is_said_at_once(hub, path, monkeypatch):
    offline(monkeypatch)
    wanted = rf"some/data at revision {REVISION}, data/large\.parquet: .*HF_HUB_OFFLINE is set, and the cache .*cache does"
    with pytest.raises(InputError, match=wanted):
        fetch(path)
    assert hub.asked == []
    assert left(path) == []


# Faults of the network and the hub.


def test_a_broken_download_is_resumed(hub, path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", HALF // 10)  # what a cut costs at most
    hub.cut = [LARGE]
    fetch(path)
    assert fetched(path)
    assert hub.sent == [HALF, HALF]


@pytest.mark.slow
@pytest.mark.parametrize("code", [408, 429, 500, 503])
def test_a_busy_hub_is_asked_again(hub, path, code):
    hub.busy, hub.busy_status = [LARGE] * 2, code
    fetch(path)
    assert fetched(path)


def test_each_attempt_is_logged(hub, path, caplog):
    hub.busy = [LARGE] * 2
    fetch(path)
    assert re.findall(r"large\.parquet: attempt (\d) of 4 failed: .*503", caplog.text) == ["1", "2"]


def test_a_hub_that_stays_busy_is_given_up(hub, path):
    hub.busy = [LARGE] * 9
    with pytest.raises(InputError, match=r"did not give it: .*503.*HF_ENDPOINT, HTTPS_PROXY"):
        fetch(path)
    assert len(hub.busy) == 9 - downloads.ATTEMPTS
    assert left(path) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "advice"), [(401, "HF_TOKEN"), (403, "HF_TOKEN"), (404, r"Check the name and the revision\.$")]
)
def test_a_refusal_is_final(hub, path, code, advice):
    hub.refusal = code
    with pytest.raises(InputError, match=rf"the hub did not give it: .*{code} .*{advice}"):
        fetch(path)
    assert len(hub.asked) == 1
    assert left(path) == []


@pytest.mark.usefixtures("hub")
def test_a_file_that_the_repository_lacks_is_named(path):
    with pytest.raises(InputError, match=r"no\.json: the hub did not give it: 404 .*Check the name and the revision\.$"):
        fetch(path, "no.json")


@pytest.mark.usefixtures("hub")
def test_a_hub_that_is_not_there_is_said(path, monkeypatch):
    point_at("http://127.0.0.1:9", monkeypatch)
    with pytest.raises(InputError, match=r"did not give it: .*refused.*HF_ENDPOINT, HTTPS_PROXY"):
        fetch(path)
    assert left(path) == []


def test_the_environment_s_proxy_is_asked(hub, path, monkeypatch):
    point_at("http://hub.invalid", monkeypatch)
    monkeypatch.setenv("http_proxy", hub.url)
    hub.storage = "http://storage.invalid/storage"
    fetch(path)
    assert fetched(path)
    assert {place.split("/")[2] for _, place, _ in hub.asked} == {"hub.invalid", "storage.invalid"}


# Damaged content.


@pytest.mark.slow
@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize("content", [OTHER, CONTENT[:-1], b""])
def test_a_damaged_file_in_the_cache_is_fetched_once_more(path, tmp_path, caplog, content):
    fetch(path)
    spoil(tmp_path, content)
    fetch(path)
    assert fetched(path)
    assert f"found digest {hashlib.sha256(content).hexdigest()}, wanted {SHA256}" in caplog.text
    fetch(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == CONTENT


@pytest.mark.usefixtures("hub")
def test_a_damaged_file_in_the_cache_is_said_offline(path, tmp_path, monkeypatch):
    fetch(path.with_name("first"))
    path.with_name("first").unlink()
    spoil(tmp_path)
    offline(monkeypatch)
    with pytest.raises(InputError, match=rf"found digest .*, wanted {SHA256}\. .*HF_HUB_OFFLINE is set"):
        fetch(path)
    assert left(path) == []


def test_wrong_bytes_from_the_hub_are_fetched_once_more(hub, path):
    hub.spoiled = {LARGE: [OTHER, CONTENT]}
    fetch(path)
    assert fetched(path)


@pytest.mark.parametrize(("name", "wrong"), [(LARGE, OTHER), ("small.json", SMALL.upper())])
def test_wrong_bytes_from_the_hub_again_are_an_error(hub, path, name, wrong):
    hub.spoiled = {name: [wrong]}
    found, wanted = digest_of(name, wrong), digest_of(name, FILES[name])
    for _ in range(2):  # nor does the cache's copy pass when it is asked for another time
        with pytest.raises(InputError, match=rf"{name}: found digest {found}, wanted {wanted}.*wrong still"):
            fetch(path, name)
        assert left(path) == []


def test_a_cache_that_names_no_digest_is_said(hub, path, tmp_path, monkeypatch, caplog):
    fetch(path)
    pointer = next((tmp_path / "cache").rglob("large.parquet"))
    pointer.unlink()
    pointer.write_bytes(CONTENT)  # as on a disk without symbolic links
    fetch(path)
    assert fetched(path)
    assert "the cache does not name its digest, so it was not verified" in caplog.text


# Disks.


@pytest.mark.usefixtures("hub")
def test_a_cache_that_cannot_be_written_is_said(path, tmp_path):
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(InputError, match=r"the hub did not give it: .*set HF_HOME to a folder that can be written"):
        fetch(path)
    assert left(path) == []


@pytest.fixture
def small_disk():
    """Let no file grow over a megabyte, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.usefixtures("hub", "small_disk")
def test_a_full_disk_of_the_cache_is_said(path, tmp_path):
    with pytest.raises(InputError, match=r"File too large.*Make room in .*cache, or set HF_HOME"):
        fetch(path)
    assert not [found for found in (tmp_path / "cache").rglob("*") if found.is_file() and found.stat().st_size > 1000]


@pytest.mark.usefixtures("hub")
def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(InputError, match=r"taken/file: it cannot be written"):
        fetch(tmp_path / "taken" / "file")


# The environment, in a process of its own.

FETCH = """
import sys
from pairprobe.io import downloads
assert not {"torch", "huggingface_hub", "tenacity"} & set(sys.modules)
downloads.from_hub("some/data", "data/large.parquet", sys.argv[1], sys.argv[2])
assert "hf_xet" not in sys.modules
"""


@pytest.mark.parametrize("disabled", ["0", "1"])
def test_the_hub_s_variables_mean_what_they_always_mean(path, tmp_path, disabled):
    with Hub({("datasets", "some/data", REVISION): FILES}).running() as hub:
        environment = hub.environment(tmp_path / "home", HF_TOKEN="a-token", HF_HUB_DISABLE_XET=disabled)
        command = [sys.executable, "-c", FETCH, REVISION, str(path)]
        done = subprocess.run(command, env=environment, check=True, timeout=60, capture_output=True, text=True)
    assert fetched(path)
    assert path.samefile(tmp_path / "home" / "hub" / "datasets--some--data" / "blobs" / SHA256)
    assert hub.tokens == {"Bearer a-token"}
    assert "%" not in done.stderr  # bars are for terminals


# Snapshots.


def test_a_snapshot_takes_what_matches_at_the_top(hub, tmp_path):
    target = tmp_path / "target"
    downloads.snapshot("some/data", REVISION, ["*.json"], target)
    assert {entry.name: entry.read_bytes() for entry in target.iterdir()} == {"small.json": SMALL, "config.json": b"{}"}
    assert not any(entry.is_symlink() for entry in target.iterdir())
    assert not [place for _, place, _ in hub.asked if "sub" in place or "large" in place]


def test_a_snapshot_s_damaged_file_is_fetched_once_more(hub, tmp_path):
    hub.spoiled = {"config.json": [b"[]", b"{}"]}
    downloads.snapshot("some/data", REVISION, ["*.json"], tmp_path / "target")
    assert (tmp_path / "target" / "config.json").read_bytes() == b"{}"


def test_a_snapshot_with_a_file_that_stays_wrong_is_none(hub, tmp_path):
    hub.spoiled = {"small.json": [SMALL.upper()]}
    with pytest.raises(InputError, match=r"small\.json: found digest"):
        downloads.snapshot("some/data", REVISION, ["*.json"], tmp_path / "folder" / "target")
    assert left(tmp_path / "folder" / "target") == []


@pytest.mark.usefixtures("hub")
def test_a_snapshot_comes_from_a_filled_cache_offline(tmp_path, monkeypatch):
    downloads.snapshot("some/data", REVISION, ["*.json"], tmp_path / "first")
    offline(monkeypatch)
    downloads.snapshot("some/data", REVISION, ["*.json"], tmp_path / "second")
    assert sorted(entry.name for entry in (tmp_path / "second").iterdir()) == ["config.json", "small.json"]


@pytest.mark.usefixtures("hub")
def test_a_snapshot_that_the_cache_holds_in_part_is_refused_offline(tmp_path, monkeypatch):
    downloads.snapshot("some/data", REVISION, ["config.json"], tmp_path / "first")
    offline(monkeypatch)
    with pytest.raises(InputError, match=r"HF_HUB_OFFLINE is set, and the cache .* does not hold it\. Unset"):
        downloads.snapshot("some/data", REVISION, ["*.json"], tmp_path / "second")
    assert not (tmp_path / "second").exists()


@pytest.mark.usefixtures("hub")
def test_a_snapshot_of_which_no_list_is_known_is_said(tmp_path, monkeypatch, caplog):
    downloads.from_hub("some/data", "config.json", REVISION, tmp_path / "one", kind="model")
    offline(monkeypatch)
    downloads.snapshot("some/data", REVISION, ["*.json"], tmp_path / "target")
    assert [entry.name for entry in (tmp_path / "target").iterdir()] == ["config.json"]
    assert "its list of files is not known; taken is what the cache holds: config.json" in caplog.text


@pytest.mark.usefixtures("hub")
def test_a_snapshot_of_nothing_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"the repository holds none of \*\.safetensors"):
        downloads.snapshot("some/data", REVISION, ["*.safetensors"], tmp_path / "target")
    assert not (tmp_path / "target").exists()
