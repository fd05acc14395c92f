"""Files of the hub, against a local server that answers as the hub does."""

import contextlib
import gzip
import hashlib
import json
import os
import random
import re
import resource
import subprocess
import sys
import time
import types

import httpx2
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


def test_a_file_at_the_hub_s_other_address_may_be_larger_than_an_answer_that_is_no_file(hub, path, monkeypatch):
    monkeypatch.setattr("pairprobe.io.hub_client.MAX_ANSWER", 20)
    hub.moved = True
    fetch(path, "small.json")
    assert path.read_bytes() == SMALL
    assert ("GET", f"/api/resolve-cache/datasets/some/data/{REVISION}/small.json", 200) in hub.asked


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


# A hub, or a mirror of one, that means harm. Each answers what the library alone would use.


def answer(status=200, body=b"", **headers):
    """Answer every request like that: ``hostile`` of a hub. Underscores in the names of headers stand for hyphens."""

    def reply(handler, place):
        handler.reply(status, body, {name.replace("_", "-"): value for name, value in headers.items()})
        return True

    return reply


def only(method, ending, reply):
    """Answer so where an address ends so, and well elsewhere."""
    return lambda handler, place: handler.command == method and place.endswith(ending) and reply(handler, place)


GOOD = {"X_Repo_Commit": REVISION, "ETag": f'"{SHA256}"'}


@pytest.fixture
def refused(hub, path, tmp_path):
    """Check that a download is refused in one line, and that nothing is written but in the cache."""

    def check(hostile, match, file=LARGE):
        hub.hostile = hostile
        before = {found for found in tmp_path.rglob("*") if "cache" not in found.parts}
        with pytest.raises(InputError, match=match) as error:
            fetch(path, file)
        assert "\n" not in str(error.value)
        assert {found for found in tmp_path.rglob("*") if "cache" not in found.parts} - before <= {path.parent}
        assert left(path) == []
        assert not [found for found in (tmp_path / "cache").rglob("*") if found.is_file() and found.stat().st_size > 1000]

    return check


@pytest.mark.parametrize("name", ["ETag", "X_Linked_ETag"])
@pytest.mark.parametrize("digest", ['"/{}/escaped"', '"../../../escaped"', 'W/".."', "WW..", '"."', '"a/b"', "a" * 200])
def test_a_digest_that_is_a_path_is_not_written_to(refused, tmp_path, name, digest):
    hostile = answer(body=CONTENT, **GOOD | {name: digest.format(tmp_path)})
    refused(hostile, "the digest that it names is '.*', wanted 40 or 64 hexadecimal digits.*HF_ENDPOINT")


@pytest.mark.parametrize("commit", ["../../../../escaped", "/{}/escaped", "f" * 40, ""])
@pytest.mark.parametrize(("status", "code"), [(200, ""), (404, "EntryNotFound")])
def test_an_answer_for_another_commit_is_refused(refused, tmp_path, commit, status, code):
    """Where the file is said to be missing, the library makes an empty file by the commit's name."""
    headers = GOOD | {"X_Repo_Commit": commit.format(tmp_path), "X_Error_Code": code}
    refused(answer(status, CONTENT, **headers), f"it answers for the commit '.*', wanted {REVISION}")


def test_a_body_longer_than_announced_is_cut_off(refused):
    hostile = only("HEAD", LARGE, answer(body=CONTENT[:1000], **GOOD))
    refused(hostile, r"its answer is longer than 1,000 bytes\. Check HF_ENDPOINT")


def endless(pause=0.0, size=1 << 16):
    def reply(handler, place):
        handler.send_response(200)
        handler.end_headers()  # without a length: the end is where the connection ends
        with contextlib.suppress(OSError):
            while True:
                handler.wfile.write(bytes(size))
                time.sleep(pause)
        return True

    return reply


@pytest.mark.parametrize("announced", [2_000_000, None])
def test_a_body_without_an_end_is_cut_off(refused, announced):
    def head(handler, place):
        handler.send_response(200)
        for name, value in {**GOOD, **({"Content-Length": announced} if announced else {})}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        return True

    hostile = lambda handler, place: (endless() if handler.command == "GET" else head)(handler, place)  # noqa: E731
    refused(hostile, f"its answer is longer than {announced or 8 << 20:,} bytes")


def test_a_body_that_comes_byte_by_byte_is_given_up(refused, monkeypatch):
    monkeypatch.setattr("pairprobe.io.hub_client.WINDOW", 0.5)
    refused(only("GET", SHA256, endless(0.05, 1)), r"\d+ bytes in \d seconds came")


def test_a_body_that_breaks_off_for_ever_is_given_up(refused, hub, monkeypatch):
    monkeypatch.setattr("pairprobe.io.hub_client.MAX_REQUESTS", 20)

    def reply(handler, place):
        start = int(handler.headers.get("Range", "bytes=0-")[6:-1])
        headers = {"Content-Range": f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}"}
        handler.reply(206, CONTENT[start:], headers | {"Content-Length": str(len(CONTENT) - start)}, cut=1)
        handler.close_connection = True
        return True

    refused(only("GET", SHA256, reply), "it is not done after 20 answers")


def test_silence_is_given_up_whatever_is_asked(hub, tmp_path, monkeypatch):
    """The library would wait for a list of files for ever."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DOWNLOAD_TIMEOUT", 0.1)
    hub.hostile = lambda handler, place: "/tree/" in place and time.sleep(5) is None
    with pytest.raises(InputError, match=r"did not give it: .*timed out"):
        downloads.snapshot("some/data", REVISION, ["*.json"], tmp_path / "target")


@pytest.mark.filterwarnings("ignore:Not enough free disk space")
def test_a_file_for_which_the_disk_has_no_room_is_not_begun(refused, hub, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: types.SimpleNamespace(free=1 << 30))
    refused(only("HEAD", LARGE, answer(Content_Length=str(40 << 30), **GOOD)), r"42\.9 GB are needed.*Make room in")
    assert hub.sent == []


def test_a_compressed_answer_is_refused(refused):
    body = gzip.compress(bytes(10_000_000))
    refused(only("GET", SHA256, answer(body=body, Content_Encoding="gzip")), "its answer is compressed")


@pytest.mark.parametrize("seconds", ["999999999", "86400"])
def test_a_hub_that_asks_for_a_wait_of_days_is_not_waited_for(hub, path, monkeypatch, seconds):
    waits = []
    quick = types.SimpleNamespace(sleep=waits.append, time=time.time)
    monkeypatch.setattr("huggingface_hub.utils._http.time", quick)
    hub.hostile = only("GET", SHA256, answer(429, Retry_After=seconds, RateLimit=f'"api";r=0;t={seconds}'))
    with pytest.raises(InputError, match="429"):
        fetch(path)
    assert waits
    assert max(waits) < 60


# Where the token goes.


@pytest.fixture
def other(hub):
    """Another host, which answers everything with an empty list and records what it was asked."""
    with Hub({}).running() as server:
        server.url = server.url.replace("127.0.0.1", "localhost")
        server.seen = []

        def reply(handler, place):
            server.seen.append(handler.headers["Authorization"])
            handler.reply(200, b"[]")
            return True

        server.hostile = reply
        yield server


@pytest.fixture
def token(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")


def snapshot_error(tmp_path):
    with pytest.raises(InputError) as error:
        downloads.snapshot("some/data", REVISION, ["*.json"], tmp_path / "folder" / "target")
    assert left(tmp_path / "folder" / "target") == []
    return str(error.value)


def listing(*names, **headers):
    body = json.dumps([{"type": "file", "path": name, "size": 2, "oid": digest_of("a", b"{}")} for name in names]).encode()
    return lambda handler, place: "/tree/" in place and answer(body=body, **headers)(handler, place)


@pytest.mark.usefixtures("token")
def test_a_list_of_files_that_goes_on_at_another_host_is_not_followed(hub, other, tmp_path):
    hub.hostile = listing("config.json", Link=f'<{other.url}/api/next>; rel="next"')
    assert "its list of files goes on at another host, localhost" in snapshot_error(tmp_path)
    assert other.seen == []


@pytest.mark.usefixtures("token")
def test_a_redirect_to_another_host_takes_no_token_along(hub, other, tmp_path):
    hub.hostile = lambda handler, place: "/tree/" in place and answer(302, Location=f"{other.url}/list")(handler, place)
    snapshot_error(tmp_path)
    assert other.seen == [None]


@pytest.mark.usefixtures("token")
def test_a_file_that_lies_at_another_host_takes_no_token_along(hub, other, path):
    hub.hostile = only("HEAD", LARGE, answer(302, Location=f"{other.url}/file", X_Linked_Size="2", **GOOD))
    with pytest.raises(InputError):
        fetch(path)
    assert set(other.seen) == {None}


@pytest.mark.usefixtures("token")
def test_a_mirror_cannot_have_the_token_sent_elsewhere_by_the_other_way_to_fetch(hub, other, path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", False)
    headers = GOOD | {"X_Xet_Hash": "0" * 64, "X_Xet_Refresh_Route": f"{other.url}/refresh"}
    hub.hostile = only("HEAD", LARGE, answer(body=CONTENT, **headers))
    fetch(path)
    assert fetched(path)
    assert other.seen == []


def test_the_words_of_a_hub_are_one_line_that_a_terminal_can_show(hub, tmp_path):
    body = json.dumps({"error": "\x1b[2J\r\nlong " * 10_000}).encode()
    headers = {"Content_Type": "application/json"}
    hub.hostile = lambda handler, place: "/tree/" in place and answer(400, body, **headers)(handler, place)
    error = snapshot_error(tmp_path)
    assert "long" in error
    assert error.isprintable()
    assert len(error) < 1000


def test_a_list_of_files_without_an_end_is_given_up(hub, tmp_path, monkeypatch):
    monkeypatch.setattr("pairprobe.io.hub_client.MAX_REQUESTS", 20)
    hub.hostile = listing("config.json", Link=f'<{hub.url}/api/tree/more>; rel="next"')
    assert "it is not done after 20 answers" in snapshot_error(tmp_path)


def test_a_page_of_a_list_that_is_too_long_is_cut_off(hub, tmp_path, monkeypatch):
    monkeypatch.setattr("pairprobe.io.hub_client.MAX_ANSWER", 100_000)
    hub.hostile = listing(*(f"{number}.json" for number in range(5000)))
    assert "its answer is longer than 100,000 bytes" in snapshot_error(tmp_path)


def test_pages_of_a_list_that_are_too_long_together_are_given_up(hub, tmp_path, monkeypatch):
    monkeypatch.setattr("pairprobe.io.hub_client.MAX_ANSWERS", 100_000)
    hub.hostile = listing(*(f"{number}.json" for number in range(500)), Link=f'<{hub.url}/api/tree/more>; rel="next"')
    assert "its list of files is longer than 100,000 bytes" in snapshot_error(tmp_path)


@pytest.mark.parametrize("body", [b"<html>", b"{}", b"[3]", b'[{"path": "config.json"}]', b"[" * 100_000, b"null"])
def test_a_list_of_files_that_is_none_is_one_line(hub, tmp_path, body):
    hub.hostile = lambda handler, place: "/tree/" in place and answer(body=body)(handler, place)
    error = snapshot_error(tmp_path)
    assert re.search(r"its answer is not one of a hub|holds none of|not found", error), error
    assert "\n" not in error


@pytest.mark.parametrize(
    "name", ["..\\..\\escaped.json", "C:\\escaped.json", "a\0b.json", "a\nb.json", "\x1b[2J.json", "a\\b.json", "a:b.json"]
)
def test_a_file_whose_name_is_no_plain_one_is_refused(hub, tmp_path, name):
    hub.repositories["models", "some/data", REVISION] = {name: b"{}"}
    error = snapshot_error(tmp_path)
    assert re.search(r"names a file|Invalid filename|null|holds none of", error), error
    assert "\n" not in error
    assert not list(tmp_path.glob("*escaped*"))


@pytest.mark.parametrize("name", ["../escaped.json", "/tmp/escaped.json", "sub/../../escaped.json"])
def test_a_file_outside_the_repository_is_not_asked_for(hub, tmp_path, name):
    hub.repositories["models", "some/data", REVISION] = {name: b"{}", "config.json": b"{}"}
    downloads.snapshot("some/data", REVISION, ["*.json"], tmp_path / "target")
    assert [entry.name for entry in (tmp_path / "target").iterdir()] == ["config.json"]
    assert not [place for _, place, _ in hub.asked if "escaped" in place]


def test_two_names_that_some_disks_take_for_one_are_refused(hub, tmp_path):
    hub.repositories["models", "some/data", REVISION] = {"config.json": b"{}", "Config.json": b"[]"}
    assert "has Config.json and config.json, names that some disks take for one" in snapshot_error(tmp_path)


# Encryption, without a server that has it: the requests themselves.


@pytest.mark.parametrize("address", ["http://hub.example/file", "http://storage.example/file", "ftp://hub.example/file"])
def test_nothing_is_asked_without_encryption_where_the_hub_has_it(monkeypatch, address):
    from pairprobe.io import hub_client

    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "https://hub.example")
    with pytest.raises(hub_client.RefusedError, match="it leads from https to"):
        hub_client._Guard(REVISION).check_request(httpx2.Request("GET", address))


@pytest.mark.parametrize(
    ("address", "goes"),
    [
        ("https://hub.example/api", True),
        ("https://huggingface.co/api", True),
        ("https://hub.example:8443/api", False),
        ("https://hub.example.evil.example/api", False),
        ("https://storage.example/api", False),
    ],
)
def test_the_token_goes_to_the_hub_alone(monkeypatch, address, goes):
    from pairprobe.io import hub_client

    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "https://hub.example")
    request = httpx2.Request("GET", address, headers={"Authorization": "Bearer secret"})
    hub_client._Guard(REVISION).check_request(request)
    assert ("Authorization" in request.headers) == goes


def test_nothing_is_told_or_asked_besides(hub, path):
    agents = []
    hub.hostile = lambda handler, place: agents.append((place, handler.headers["User-Agent"])) is not None
    fetch(path)
    assert agents
    assert not [place for place, agent in agents if "torch" in agent or "agent/" in agent or "harness" in place]
