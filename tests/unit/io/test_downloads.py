import base64
import gzip
import hashlib
import http.server
import json
import os
import random
import re
import resource
import signal
import subprocess
import sys
import threading
import time
import types

import pytest

from pairprobe.errors import InputError
from pairprobe.io import downloads

CONTENT = random.Random(0).randbytes(3_000_000)
HALF = 1_500_000
OTHER = random.Random(1).randbytes(len(CONTENT))
SHA256 = hashlib.sha256(CONTENT).hexdigest()
REVISION = "0123456789abcdef0123456789abcdef01234567"


class Handler(http.server.BaseHTTPRequestHandler):
    """Gives each request to the next of the server's answers, the last of them for ever."""

    def answer(self):
        if self.path.endswith("/api/agent-harnesses"):  # the hub's library asks this once in a process, for its own ends
            self.reply(404, [("Content-Length", "0")])
            return
        answers = self.server.answers
        self.server.asked.append((self.command, self.path, {key.lower(): value for key, value in self.headers.items()}))
        (answers.pop(0) if len(answers) > 1 else answers[0])(self)

    do_GET = do_HEAD = answer  # noqa: N815 (http.server's names)

    def log_message(self, *args):
        pass

    def reply(self, status, headers, body=b"", cut=None):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body[:cut])
            if body:
                self.server.sent.append(len(body[:cut]))


def file(content=CONTENT, etag='"one"', ranges=True, cut=None, length=True, headers=(), head_of_range=None):
    """Answer as a web server does for one file; with ``cut``, end the connection after so many bytes of the answer."""

    def answer(handler):
        asked = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
        same = handler.headers.get("If-Range") in (None, etag)
        start, status, named = 0, 200, [("ETag", etag)] if etag else []
        if asked and ranges and same:
            start, status = int(asked[1]), 206
            if start >= len(content):
                handler.reply(416, [("Content-Length", "0")])
                return
            named.append(("Content-Range", head_of_range or f"bytes {start}-{len(content) - 1}/{len(content)}"))
        body = content[start:]
        if length is not None:
            named.append(("Content-Length", str(len(body) if length is True else length)))
        handler.reply(status, [*named, *headers], body, cut)

    return answer


def status(code, *headers):
    return lambda handler: handler.reply(code, [("Content-Length", "0"), *headers])


def redirect(url):
    return status(302, ("Location", url))


def goog_hash(content):
    return ("x-goog-hash", f"md5={base64.b64encode(hashlib.md5(content).digest()).decode()}")


@pytest.fixture
def serve():
    servers = []

    def start(*answers):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.answers, server.asked, server.sent = list(answers), [], []
        server.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """No proxy that is not of the test, and hardly any waits."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setattr(downloads, "FIRST_WAIT", 0.001)
    monkeypatch.setattr(downloads, "LONGEST_WAIT", 0.01)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "folder" / "file.gz"


def ranges(server):
    return [headers.get("range") for _, _, headers in server.asked]


def left(path):
    return sorted(entry.name for entry in path.parent.iterdir()) if path.parent.exists() else []


def fetched(path):
    """Whether the right file is there, and nothing beside it."""
    return path.read_bytes() == CONTENT and left(path) == [path.name]


# A web server.


def test_a_file_is_fetched_as_it_is(serve, path):
    server = serve(file())
    downloads.from_url(f"{server.url}/file.gz", path, SHA256)
    assert fetched(path)
    assert server.asked[0][2]["accept-encoding"] == "identity"
    assert len(server.asked) == 1


def test_fetching_takes_the_place_of_what_was_there(serve, path):
    path.parent.mkdir()
    path.write_text("old")
    downloads.from_url(serve(file()).url, path)
    assert fetched(path)


def test_an_empty_file_is_a_file(serve, path):
    downloads.from_url(serve(file(b"")).url, path)
    assert path.read_bytes() == b""
    assert left(path) == [path.name]


def test_a_cut_connection_is_resumed_where_it_broke(serve, path, caplog):
    server = serve(file(cut=HALF), file())
    with caplog.at_level("INFO", "pairprobe"):
        downloads.from_url(server.url, path, SHA256)
    assert fetched(path)
    assert ranges(server) == [None, f"bytes={HALF}-"]
    assert server.asked[1][2]["if-range"] == '"one"'
    assert server.sent == [HALF, len(CONTENT) - HALF]
    assert re.search(r"attempt 1 of 6 failed: .*; the next in 0\.001 s", caplog.text)


def test_a_file_in_many_pieces_outlasts_the_number_of_attempts(serve, path):
    server = serve(file(cut=200_000))
    downloads.from_url(server.url, path, SHA256)
    assert fetched(path)
    assert len(server.asked) == 15 > downloads.ATTEMPTS


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
def test_without_a_strong_validator_a_cut_download_begins_again(serve, path, etag):
    server = serve(file(cut=HALF, etag=etag), file(etag=etag))
    with pytest.raises(InputError, match="it could not be fetched"):
        _once(server.url, path)
    downloads.from_url(server.url, path)
    assert fetched(path)
    assert ranges(server) == [None, None]


def _once(url, path, sha256=None):
    """Try a single time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(downloads, "ATTEMPTS", 1)
        downloads.from_url(url, path, sha256)


def test_the_date_is_a_validator_too(serve, path):
    date = "Mon, 23 Nov 2026 10:00:00 GMT"
    dated = {"etag": None, "headers": [("Last-Modified", date)]}

    def rest(handler):
        assert handler.headers["If-Range"] == date
        del handler.headers["If-Range"]
        file(**dated)(handler)

    server = serve(file(cut=HALF, **dated), rest)
    downloads.from_url(server.url, path)
    assert fetched(path)
    assert server.sent == [HALF, len(CONTENT) - HALF]


def test_what_was_kept_after_giving_up_is_said_and_gone_on_from(serve, path, caplog):
    server = serve(file(cut=HALF), status(503), status(503), file())
    with pytest.raises(InputError, match=r"could not be fetched.*The 1\.5 MB so far are kept"):
        _once(server.url, path)
    assert left(path) == [".file.gz.partial", ".file.gz.partial.json"]
    with caplog.at_level("INFO", "pairprobe"):
        downloads.from_url(server.url, path)
    assert fetched(path)
    assert "resumed from 1.5 MB" in caplog.text
    assert server.sent[-1] == len(CONTENT) - HALF


def test_a_killed_process_s_download_is_resumed(serve, path):
    ended = threading.Event()

    def stall(handler):
        handler.reply(200, [("ETag", '"one"'), ("Content-Length", str(len(CONTENT)))], CONTENT, HALF)
        handler.wfile.flush()
        ended.wait(20)

    server = serve(stall, file())
    code = "import sys; from pairprobe.io import downloads; downloads.from_url(sys.argv[1], sys.argv[2])"
    process = subprocess.Popen([sys.executable, "-c", code, server.url, str(path)], stderr=subprocess.DEVNULL)
    partial = path.with_name(".file.gz.partial")
    try:
        deadline = time.monotonic() + 20
        while not partial.exists() or partial.stat().st_size < HALF:
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.01)
        with pytest.raises(InputError, match="another process is fetching it"):
            downloads.from_url(server.url, path)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        ended.set()
    assert not path.exists()
    downloads.from_url(server.url, path)
    assert fetched(path)
    assert ranges(server) == [None, f"bytes={HALF}-"]
    assert server.sent[-1] == len(CONTENT) - HALF


def test_a_download_that_was_complete_when_killed_asks_for_nothing(serve, path):
    server = serve(file())
    path.parent.mkdir()
    path.with_name(".file.gz.partial").write_bytes(CONTENT)
    notes = {"url": server.url, "validator": '"one"', "length": len(CONTENT), "digests": {}}
    path.with_name(".file.gz.partial.json").write_text(json.dumps(notes))
    downloads.from_url(server.url, path, SHA256)
    assert fetched(path)
    assert server.asked == []


@pytest.mark.parametrize(
    "notes", [None, "{", "[]", '{"url": "http://other/", "validator": "\\"one\\"", "length": 9, "digests": {}}']
)
def test_bytes_of_unknown_origin_are_not_gone_on_from(serve, path, notes):
    server = serve(file())
    path.parent.mkdir()
    path.with_name(".file.gz.partial").write_bytes(OTHER[:HALF])
    if notes is not None:
        path.with_name(".file.gz.partial.json").write_text(notes)
    downloads.from_url(server.url, path)
    assert fetched(path)
    assert ranges(server) == [None]


def test_a_server_that_ignores_ranges_sends_all_again(serve, path):
    server = serve(file(cut=HALF, ranges=False), file(ranges=False))
    downloads.from_url(server.url, path)
    assert fetched(path)
    assert server.sent == [HALF, len(CONTENT)]


def test_a_server_that_ignores_ranges_and_always_breaks_off_is_given_up(serve, path):
    server = serve(file(cut=HALF, ranges=False))
    with pytest.raises(InputError, match="could not be fetched"):
        downloads.from_url(server.url, path)
    assert len(server.asked) == downloads.ATTEMPTS
    assert not path.exists()


def test_content_that_changed_between_the_halves_is_fetched_whole(serve, path):
    server = serve(file(OTHER, etag='"old"', cut=HALF), file())
    downloads.from_url(server.url, path)
    assert fetched(path)
    assert server.sent == [HALF, len(CONTENT)]


@pytest.mark.parametrize(
    "second",
    [
        {"etag": '"new"'},
        {"head_of_range": "bytes 7-2999999/3000000"},
        {"head_of_range": "bytes 1500000-2999998/2999999"},
        {"head_of_range": "nonsense"},
    ],
)
def test_a_rest_of_something_else_is_not_put_behind_what_is_there(serve, path, second):
    def rest(handler):
        del handler.headers["If-Range"]  # a server that does not know it
        file(**second)(handler)

    server = serve(file(OTHER, cut=HALF), rest, file())
    downloads.from_url(server.url, path)
    assert fetched(path)
    assert ranges(server) == [None, f"bytes={HALF}-", None]


def test_a_file_that_became_shorter_is_fetched_whole(serve, path):
    server = serve(file(OTHER, etag='"old"', cut=HALF), status(416), file())
    downloads.from_url(server.url, path)
    assert fetched(path)
    assert ranges(server) == [None, f"bytes={HALF}-", None]


@pytest.mark.parametrize("code", [408, 429, 500, 502, 503, 504])
def test_a_server_that_is_busy_is_asked_again(serve, path, code, caplog):
    server = serve(status(code), status(code), file())
    downloads.from_url(server.url, path)
    assert fetched(path)
    assert len(server.asked) == 3
    assert caplog.text.count(f"failed: {code}") == 2


def test_waits_double_and_the_server_s_wish_counts(serve, path, monkeypatch):
    waits = []
    monkeypatch.setattr(downloads, "FIRST_WAIT", 2)
    monkeypatch.setattr(downloads, "LONGEST_WAIT", 100)
    monkeypatch.setattr("tenacity.nap.time", types.SimpleNamespace(sleep=waits.append))
    server = serve(
        status(503), status(503), status(429, ("Retry-After", "30")), status(503, ("Retry-After", "999")), file()
    )
    downloads.from_url(server.url, path)
    assert waits == [2, 4, 30, 100]


def test_a_server_that_stays_busy_is_given_up(serve, path):
    server = serve(status(503))
    with pytest.raises(InputError, match=r"could not be fetched: 503 Service Unavailable\. Check"):
        downloads.from_url(server.url, path)
    assert len(server.asked) == downloads.ATTEMPTS
    assert left(path) == []


@pytest.mark.parametrize("code", [400, 401, 403, 404, 410, 204])
def test_a_refusal_is_final(serve, path, code):
    server = serve(status(code))
    with pytest.raises(InputError, match=f"the server says {code}"):
        downloads.from_url(server.url, path)
    assert len(server.asked) == 1
    assert left(path) == []


def test_a_server_that_is_not_there_is_named(path):
    with pytest.raises(InputError, match=r"http://127\.0\.0\.1:9/file\.gz: it could not be fetched: .*refused"):
        downloads.from_url("http://127.0.0.1:9/file.gz", path)
    assert left(path) == []


def test_a_server_that_falls_silent_is_asked_again(serve, path, monkeypatch):
    monkeypatch.setattr(downloads, "TIMEOUT", (5, 0.2))
    ended = threading.Event()

    def silent(handler):
        file(cut=HALF)(handler)
        ended.wait(10)

    server = serve(silent, file())
    downloads.from_url(server.url, path)
    ended.set()
    assert fetched(path)
    assert server.sent[-1] == len(CONTENT) - HALF


@pytest.mark.parametrize("address", ["same", "another port"])
def test_redirects_are_followed_with_the_range(serve, path, address):
    other = serve(file(cut=HALF), file())
    front = serve(redirect(f"{other.url}/signed"))
    if address == "same":
        front.answers[:] = [redirect("/there"), file(cut=HALF), redirect("/there"), file()]
        other = front
    downloads.from_url(f"{front.url}/file.gz", path)
    assert fetched(path)
    assert f"bytes={HALF}-" in ranges(other)
    assert other.sent[-1] == len(CONTENT) - HALF


def test_redirects_in_a_circle_end(serve, path):
    server = serve()
    server.answers = [redirect(f"{server.url}/again")]
    with pytest.raises(InputError, match="redirects"):
        downloads.from_url(server.url, path)
    assert left(path) == []


DIGESTS = {
    "one x-goog-hash": [("x-goog-hash", f"crc32c=AAAAAA==,{goog_hash(CONTENT)[1]}")],
    "two x-goog-hash": [("x-goog-hash", "crc32c=AAAAAA=="), goog_hash(CONTENT)],
    "Content-MD5": [("Content-MD5", base64.b64encode(hashlib.md5(CONTENT).digest()).decode())],
    "Digest": [("Digest", f"SHA-256={base64.b64encode(bytes.fromhex(SHA256)).decode()}")],
    "Repr-Digest": [("Repr-Digest", f"sha-256=:{base64.b64encode(bytes.fromhex(SHA256)).decode()}:")],
}


@pytest.mark.parametrize("headers", DIGESTS.values(), ids=DIGESTS)
def test_a_digest_that_the_server_names_is_checked(serve, path, headers):
    server = serve(file(OTHER, headers=headers), file(headers=headers))
    downloads.from_url(server.url, path)
    assert fetched(path)
    assert ranges(server) == [None, None]


def test_the_digest_is_that_of_the_whole_file_when_resumed(serve, path):
    # Of the rest, a server may name the rest's digest.
    headers = DIGESTS["Content-MD5"]
    server = serve(file(cut=HALF, headers=headers), file(headers=[("Content-MD5", base64.b64encode(bytes(16)).decode())]))
    downloads.from_url(server.url, path)
    assert fetched(path)


def test_wrong_bytes_of_the_right_length_are_fetched_again_from_zero(serve, path, caplog):
    server = serve(file(OTHER), file())
    downloads.from_url(server.url, path, SHA256.upper())
    assert fetched(path)
    assert server.sent == [len(CONTENT)] * 2
    assert f"found sha256 {hashlib.sha256(OTHER).hexdigest()}, wanted {SHA256}" in caplog.text


def test_the_same_wrong_bytes_twice_are_final(serve, path):
    server = serve(file(OTHER))
    with pytest.raises(InputError, match=f"found sha256 {hashlib.sha256(OTHER).hexdigest()}, wanted {SHA256}, twice"):
        downloads.from_url(server.url, path, SHA256)
    assert len(server.asked) == 2
    assert left(path) == []


def test_a_promise_of_more_bytes_than_come_is_not_believed(serve, path):
    server = serve(file(length=len(CONTENT) + 5))
    with pytest.raises(InputError, match="could not be fetched"):
        downloads.from_url(server.url, path)
    assert not path.exists()


def test_a_length_that_is_too_short_shows_in_the_digest(serve, path):
    server = serve(file(length=HALF), file())
    downloads.from_url(server.url, path, SHA256)
    assert fetched(path)


def test_without_length_a_digest_is_wanted(serve, path):
    server = serve(file(length=None))
    with pytest.raises(InputError, match=r"names neither length nor digest.*Give the file's SHA-256"):
        downloads.from_url(server.url, path)
    assert left(path) == []
    downloads.from_url(server.url, path, SHA256)
    assert fetched(path)


def chunked(content, cut=False):
    def answer(handler):
        handler.protocol_version = "HTTP/1.1"
        handler.close_connection = True
        parts = [content[i : i + 70_001] for i in range(0, len(content), 70_001)]
        body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
        handler.reply(200, [("Transfer-Encoding", "chunked"), ("ETag", '"one"')], body if cut else body + b"0\r\n\r\n")

    return answer


def test_a_body_in_chunks_is_whole_only_with_its_end(serve, path):
    server = serve(chunked(CONTENT[:HALF], cut=True), file())
    downloads.from_url(server.url, path)
    assert fetched(path)
    assert ranges(server) == [None, f"bytes={HALF}-"]
    downloads.from_url(serve(chunked(CONTENT)).url, path)
    assert fetched(path)


def test_packed_bytes_stay_packed(serve, path):
    packed = gzip.compress(b"text" * 1000)
    downloads.from_url(serve(file(packed, headers=[("Content-Encoding", "gzip"), goog_hash(packed)])).url, path)
    assert path.read_bytes() == packed


def test_google_s_store_is_asked_for_the_packed_bytes_that_it_stores(serve, path):
    packed = gzip.compress(b"text" * 1000)
    stored = [("x-goog-stored-content-encoding", "gzip"), goog_hash(packed)]

    def store(handler):
        takes = handler.headers["Accept-Encoding"] == "gzip"
        file(packed if takes else b"text" * 1000, headers=[*stored, *[("Content-Encoding", "gzip")][:takes]])(handler)

    downloads.from_url(serve(store).url, path)
    assert path.read_bytes() == packed


def test_a_login_page_is_not_taken_for_the_file(serve, path):
    page = file(b"<html>Sign in</html>", headers=[("Content-Type", "text/html; charset=utf-8")])
    with pytest.raises(InputError, match="found a web page"):
        downloads.from_url(serve(page).url, path)
    assert left(path) == []
    downloads.from_url(serve(page).url, path.with_name("page.html"))
    assert path.with_name("page.html").read_bytes() == b"<html>Sign in</html>"


def test_the_environment_s_proxy_is_asked(serve, path, monkeypatch):
    proxy = serve(file())
    monkeypatch.setenv("http_proxy", proxy.url)
    downloads.from_url("http://data.invalid/file.gz", path, SHA256)
    assert fetched(path)
    assert proxy.asked[0][1] == "http://data.invalid/file.gz"


@pytest.mark.parametrize("url", ["ftp://host/file", "s3://bucket/file", "http://", "http://[::1/file"])
def test_an_address_that_is_none_is_named(path, url):
    with pytest.raises(InputError, match=re.escape(url)):
        downloads.from_url(url, path)
    assert left(path) == []


@pytest.mark.parametrize("address", ["{}", "file://{}", "file://localhost{}"])
def test_a_folder_s_file_is_copied(tmp_path, path, address):
    (tmp_path / "a mirror").mkdir()
    source = tmp_path / "a mirror" / "file.gz"
    source.write_bytes(CONTENT)
    shown = str(source) if address == "{}" else str(source).replace(" ", "%20")
    downloads.from_url(address.format(shown), path, SHA256)
    assert fetched(path)
    assert not path.samefile(source)


def test_a_folder_s_file_is_verified(tmp_path, path):
    (tmp_path / "mirror").write_bytes(OTHER)
    with pytest.raises(InputError, match=f"mirror: found SHA-256 .*, wanted {SHA256}"):
        downloads.from_url(str(tmp_path / "mirror"), path, SHA256)
    assert left(path) == []
    with pytest.raises(InputError, match="nowhere: there is no such file"):
        downloads.from_url(str(tmp_path / "nowhere"), path)


@pytest.fixture
def small_disk():
    """Let no file grow over a megabyte, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.usefixtures("small_disk")
def test_a_full_disk_is_said(serve, path):
    server = serve(file())
    with pytest.raises(InputError, match=r"file\.gz: it cannot be written: .*Make room"):
        downloads.from_url(server.url, path)
    assert len(server.asked) == 1
    assert not path.exists()
    assert os.path.getsize(path.with_name(".file.gz.partial")) == 1_000_000


@pytest.fixture
def source(tmp_path):
    (tmp_path / "mirror").write_bytes(CONTENT)
    return tmp_path / "mirror"


def test_a_full_disk_is_said_where_a_folder_s_file_is_copied(source, small_disk, path):
    with pytest.raises(InputError, match=r"file\.gz: it cannot be written: .*Make room"):
        downloads.from_url(str(source), path)
    assert left(path) == []


def test_a_folder_that_cannot_be_made_is_said(serve, tmp_path):
    (tmp_path / "taken").write_text("a file")
    server = serve(file())
    with pytest.raises(InputError, match=r"taken/file\.gz: it cannot be written"):
        downloads.from_url(server.url, tmp_path / "taken" / "file.gz")
    assert server.asked == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_is_said(serve, path):
    path.parent.mkdir(mode=0o500)
    with pytest.raises(InputError, match=r"it cannot be written: Permission denied"):
        downloads.from_url(serve(file()).url, path)


# The hub.


def git_digest(content):
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


SMALL = b"a small file, of which git's own digest is named\n"


class Hub:
    """Answers for two datasets' and models' files at one commit as the hub does; ``spoiled`` are given in their place."""

    def __init__(self):
        self.files = {"data/large.parquet": CONTENT, "small.json": SMALL, "config.json": b"{}", "sub/config.json": b"[]"}
        self.spoiled, self.first = {}, []

    def __call__(self, handler):
        if self.first and handler.command == "GET":
            self.first.pop(0)(handler)
            return
        place = re.fullmatch(rf"(?:/datasets)?/some/data/resolve/{REVISION}/(.*)", handler.path.split("?")[0])
        commit = ("X-Repo-Commit", REVISION)
        if re.match(rf"/api/(models|datasets)/some/data/tree/{REVISION}", handler.path):
            tree = [
                {"type": "file", "path": name, "size": len(content), "oid": git_digest(content)}
                for name, content in self.files.items()
            ]
            body = json.dumps(tree).encode()
            handler.reply(200, [commit, ("Content-Length", str(len(body)))], body)
        elif place and place[1] in self.files:
            content = self.files[place[1]]
            etag = hashlib.sha256(content).hexdigest() if len(content) > 1000 else git_digest(content)
            given = self.spoiled.get(place[1], [content])
            file(given.pop(0) if len(given) > 1 else given[0], f'"{etag}"', headers=[commit])(handler)
        else:
            status(404, commit, ("X-Error-Code", "EntryNotFound" if place else "RepoNotFound"))(handler)


@pytest.fixture
def hub():
    return Hub()


@pytest.fixture
def server(serve, hub, tmp_path, monkeypatch):
    """The hub as the library sees it, with an empty cache; what the environment says is read when it is imported."""
    from huggingface_hub import constants

    server = serve(hub)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    point_at(server.url, monkeypatch)
    quick = types.SimpleNamespace(sleep=lambda seconds: None, time=time.time)
    for module in ("utils._http", "file_download"):
        monkeypatch.setattr(f"huggingface_hub.{module}.time", quick)
    return server


@pytest.fixture
def new_session():
    """Let the hub's library read the environment's proxies again, which it does once in a process."""
    from huggingface_hub import close_session

    close_session()
    yield
    close_session()


def point_at(url, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", url)
    monkeypatch.setattr(
        "huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}"
    )


def large(path, revision=REVISION):
    downloads.from_hub("some/data", "data/large.parquet", revision, path)


def blob(tmp_path, digest=SHA256):
    return tmp_path / "cache" / "datasets--some--data" / "blobs" / digest


def offline(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


@pytest.mark.usefixtures("new_session")
def test_the_hub_s_file_is_a_hard_link_into_the_cache(server, path, tmp_path):
    large(path)
    assert fetched(path)
    assert path.samefile(blob(tmp_path))
    assert not path.is_symlink()


def test_a_small_file_goes_by_git_s_digest(server, path, tmp_path):
    downloads.from_hub("some/data", "small.json", REVISION, path)
    assert path.read_bytes() == SMALL
    assert path.samefile(blob(tmp_path, git_digest(SMALL)))


def test_a_file_is_copied_where_no_link_can_be(server, path, tmp_path, monkeypatch):
    def refuse(*args):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(downloads.os, "link", refuse)
    large(path)
    assert fetched(path)
    assert not path.samefile(blob(tmp_path))


def test_a_file_in_the_cache_is_not_asked_for_again(server, path):
    large(path)
    asked = len(server.asked)
    large(path)
    assert fetched(path)
    assert len(server.asked) == asked


def test_a_second_link_leaves_the_time_of_the_first(server, path, tmp_path):
    large(path)
    os.utime(blob(tmp_path), (1e9, 1e9))  # it is the first link's too: a newer one would have all read again
    large(tmp_path / "second.parquet")
    assert path.stat().st_mtime == 1e9


def test_a_filled_cache_is_enough_offline(server, path, monkeypatch):
    large(path.with_name("first"))
    path.with_name("first").unlink()
    offline(monkeypatch)
    point_at("http://127.0.0.1:9", monkeypatch)
    large(path)
    assert fetched(path)


def test_an_empty_cache_offline_is_said_at_once(server, path, tmp_path, monkeypatch):
    offline(monkeypatch)
    wanted = rf"some/data at revision {REVISION}, data/large\.parquet: .*HF_HUB_OFFLINE is set, and the cache .*cache does"
    with pytest.raises(InputError, match=wanted):
        large(path)
    assert server.asked == []
    assert left(path) == []


def test_a_broken_download_from_the_hub_is_resumed(server, hub, path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", HALF // 10)  # what a cut costs at most
    hub.first = [file(etag=f'"{SHA256}"', cut=HALF)]
    large(path)
    assert fetched(path)
    assert f"bytes={HALF}-" in ranges(server)
    assert server.sent == [HALF, len(CONTENT) - HALF]


@pytest.mark.parametrize("code", [429, 500, 503])
def test_a_busy_hub_is_asked_again(server, hub, path, code):
    hub.first = [status(code)] * 2
    large(path)
    assert fetched(path)


def test_each_attempt_at_the_hub_is_logged(server, hub, path, caplog):
    hub.first = [status(503)] * 2
    large(path)
    assert re.findall(r"large\.parquet: attempt (\d) of 4 failed: .*503", caplog.text) == ["1", "2"]


@pytest.mark.parametrize(
    ("code", "advice"), [(401, "HF_TOKEN"), (403, "HF_TOKEN"), (404, r"Check the name and the revision\.$")]
)
def test_a_refusal_of_the_hub_is_final(server, path, code, advice):
    server.answers = [status(code)]
    with pytest.raises(InputError, match=rf"the hub did not give it: .*{code} .*{advice}"):
        large(path)
    assert len(server.asked) == 1
    assert left(path) == []


def test_a_file_that_the_repository_lacks_is_named(server, path):
    with pytest.raises(InputError, match=r"no\.json: the hub did not give it: 404 .*Check the name and the revision\.$"):
        downloads.from_hub("some/data", "no.json", REVISION, path)


def test_a_hub_that_is_not_there_is_said(server, path, monkeypatch):
    point_at("http://127.0.0.1:9", monkeypatch)
    with pytest.raises(InputError, match=r"did not give it: .*refused.*HF_ENDPOINT, HTTPS_PROXY"):
        large(path)
    assert left(path) == []


def spoil(tmp_path, content=OTHER):
    target = blob(tmp_path)
    target.unlink()  # others may have links to the right content
    target.write_bytes(content)


@pytest.mark.parametrize("content", [OTHER, CONTENT[:-1], b""])
def test_a_spoiled_file_in_the_cache_is_fetched_once_more(server, path, tmp_path, caplog, content):
    large(path)
    spoil(tmp_path, content)
    large(path)
    assert fetched(path)
    assert f"found digest {hashlib.sha256(content).hexdigest()}, wanted {SHA256}" in caplog.text


def test_a_spoiled_file_in_the_cache_is_said_offline(server, path, tmp_path, monkeypatch):
    large(path.with_name("first"))
    path.with_name("first").unlink()
    spoil(tmp_path)
    offline(monkeypatch)
    with pytest.raises(InputError, match=rf"found digest .*, wanted {SHA256}\. .*HF_HUB_OFFLINE is set"):
        large(path)
    assert left(path) == []


def test_wrong_bytes_from_the_hub_are_fetched_once_more(server, hub, path):
    hub.spoiled = {"data/large.parquet": [OTHER, OTHER, CONTENT]}  # head, first get, and so on
    large(path)
    assert fetched(path)


@pytest.mark.parametrize(
    ("name", "content", "wrong"), [("data/large.parquet", CONTENT, OTHER), ("small.json", SMALL, SMALL.upper())]
)
def test_wrong_bytes_from_the_hub_again_are_an_error(server, hub, path, name, content, wrong):
    hub.spoiled = {name: [wrong]}
    digest = (lambda some: hashlib.sha256(some).hexdigest()) if content is CONTENT else git_digest
    with pytest.raises(InputError, match=rf"{name}: found digest {digest(wrong)}, wanted {digest(content)}.*wrong still"):
        downloads.from_hub("some/data", name, REVISION, path)
    assert len([asked for asked in server.asked if asked[0] == "GET"]) == 2
    assert left(path) == []


def test_a_cache_that_cannot_be_written_is_said(server, path, tmp_path):
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(InputError, match=r"the hub did not give it: .*set HF_HOME to a folder that can be written"):
        large(path)
    assert left(path) == []


@pytest.mark.usefixtures("small_disk")
def test_a_full_disk_of_the_cache_is_said(server, path, tmp_path):
    with pytest.raises(InputError, match=r"File too large.*Make room in .*cache, or set HF_HOME"):
        large(path)
    assert not [found for found in (tmp_path / "cache").rglob("*") if found.is_file() and found.stat().st_size > 1000]


def test_a_folder_that_cannot_be_made_for_a_hub_s_file_is_said(server, tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(InputError, match=r"taken/file\.gz: it cannot be written"):
        large(tmp_path / "taken" / "file.gz")


@pytest.mark.usefixtures("new_session")
def test_the_hub_is_reached_through_the_environment_s_proxy(server, serve, hub, path, monkeypatch):
    point_at("http://hub.invalid", monkeypatch)
    seen = []

    def proxy(handler):
        seen.append(handler.path)
        handler.path = handler.path.removeprefix("http://hub.invalid")
        hub(handler)

    monkeypatch.setenv("http_proxy", serve(proxy).url)
    large(path)
    assert fetched(path)
    assert seen
    assert all(url.startswith("http://hub.invalid/datasets/some/data/") for url in seen)
    assert server.asked == []


FETCH = """
import sys
from pairprobe.io import downloads
assert not {"torch", "huggingface_hub", "requests", "tenacity"} & set(sys.modules)
downloads.from_hub("some/data", "data/large.parquet", sys.argv[1], sys.argv[2])
assert "hf_xet" not in sys.modules
"""


@pytest.mark.parametrize("disabled", ["0", "1"])
def test_the_hub_s_variables_mean_what_they_always_mean(serve, hub, path, tmp_path, disabled):
    server = serve(hub)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
    variables = {
        "HF_HOME": str(tmp_path / "home"),
        "HF_ENDPOINT": server.url,
        "HF_TOKEN": "a-token",
        "HF_HUB_DISABLE_XET": disabled,
    }
    command = [sys.executable, "-c", FETCH, REVISION, str(path)]
    subprocess.run(command, env=kept | variables, check=True, timeout=60, capture_output=True)
    assert fetched(path)
    assert path.samefile(tmp_path / "home" / "hub" / "datasets--some--data" / "blobs" / SHA256)
    assert {headers.get("authorization") for _, _, headers in server.asked} == {"Bearer a-token"}


def test_a_snapshot_takes_what_matches_at_the_top(server, tmp_path):
    target = tmp_path / "target"
    downloads.snapshot("some/data", REVISION, ["*.json"], target)
    assert {entry.name: entry.read_bytes() for entry in target.iterdir()} == {"small.json": SMALL, "config.json": b"{}"}
    assert not any(entry.is_symlink() for entry in target.iterdir())
    assert not [asked for asked in server.asked if "sub" in asked[1] or "large" in asked[1]]


def test_a_snapshot_s_spoiled_file_is_fetched_once_more(server, hub, tmp_path):
    hub.spoiled = {"config.json": [b"{}", b"[]", b"{}"]}  # head, get, then what is right
    downloads.snapshot("some/data", REVISION, ["*.json"], tmp_path / "target")
    assert (tmp_path / "target" / "config.json").read_bytes() == b"{}"


def test_a_snapshot_with_a_file_that_stays_wrong_is_none(server, hub, tmp_path):
    hub.spoiled = {"small.json": [SMALL.upper()]}
    with pytest.raises(InputError, match=r"small\.json: found digest"):
        downloads.snapshot("some/data", REVISION, ["*.json"], tmp_path / "folder" / "target")
    assert left(tmp_path / "folder" / "target") == []


def test_a_snapshot_comes_from_a_filled_cache_offline(server, tmp_path, monkeypatch):
    downloads.snapshot("some/data", REVISION, ["*.json"], tmp_path / "first")
    offline(monkeypatch)
    downloads.snapshot("some/data", REVISION, ["*.json"], tmp_path / "second")
    assert sorted(entry.name for entry in (tmp_path / "second").iterdir()) == ["config.json", "small.json"]


def test_a_snapshot_that_the_cache_holds_in_part_is_refused_offline(server, tmp_path, monkeypatch):
    downloads.snapshot("some/data", REVISION, ["config.json"], tmp_path / "first")
    offline(monkeypatch)
    with pytest.raises(InputError, match=r"HF_HUB_OFFLINE is set, and the cache .* does not hold it\. Unset"):
        downloads.snapshot("some/data", REVISION, ["*.json"], tmp_path / "second")
    assert not (tmp_path / "second").exists()


def test_a_snapshot_of_which_no_list_is_known_is_said(server, tmp_path, monkeypatch, caplog):
    downloads.from_hub("some/data", "config.json", REVISION, tmp_path / "one", kind="model")
    offline(monkeypatch)
    downloads.snapshot("some/data", REVISION, ["*.json"], tmp_path / "target")
    assert [entry.name for entry in (tmp_path / "target").iterdir()] == ["config.json"]
    assert "its list of files is not known; taken is what the cache holds: config.json" in caplog.text


def test_a_mirror_that_names_no_digest_is_said(server, path, caplog):
    server.answers = [file(SMALL, etag='"v1"', headers=[("X-Repo-Commit", REVISION)])]
    downloads.from_hub("some/data", "small.json", REVISION, path)
    assert path.read_bytes() == SMALL
    assert "the cache does not name its digest, so it was not verified" in caplog.text


def test_a_snapshot_of_nothing_is_refused(server, tmp_path):
    with pytest.raises(InputError, match=r"the repository holds none of \*\.safetensors"):
        downloads.snapshot("some/data", REVISION, ["*.safetensors"], tmp_path / "target")
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize("terminal", [True, False])
def test_the_hub_s_bars_are_for_terminals(server, path, monkeypatch, terminal):
    from huggingface_hub.utils import are_progress_bars_disabled, enable_progress_bars

    enable_progress_bars()  # transformers, where a test before this one has used it, switches them off for good
    seen = []
    monkeypatch.setattr(downloads.sys.stderr, "isatty", lambda: terminal, raising=False)
    downloads._ask_hub("something", lambda: seen.append(are_progress_bars_disabled()))
    assert seen == [not terminal]
