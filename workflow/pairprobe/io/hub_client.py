"""The HTTP client by which ``huggingface_hub`` asks here: it trusts a hub, or a mirror of it, no further than it must.

What it refuses, ``huggingface_hub`` would use as it comes: digests and commits that are paths, to which it writes; lists of
files that go on at another host, to which it would send the token, or for ever; addresses without encryption behind ones
with it; bodies that are longer than was announced, or never end.
"""

import contextlib
import itertools
import os
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import httpx2
from huggingface_hub import constants, set_client_factory
from huggingface_hub.utils._http import default_client_factory

# Where a token of HF_TOKEN belongs, besides the mirror that HF_ENDPOINT names.
HUB = "https://huggingface.co"
# Bytes of an answer that is no file, and of all of them: a page of a list has 1,000 files, and some 300 kB.
MAX_ANSWER, MAX_ANSWERS = 8 << 20, 32 << 20
# Requests for one file, or for the list of a repository's files and those that are wanted; a file takes two if none breaks.
MAX_REQUESTS = 500
# A body that brings fewer than so many bytes in so many seconds is given up.
SLOWEST, WINDOW = 64 << 10, 60.0
# Seconds that a busy hub may ask to wait. Its own limits are for five minutes.
MAX_WAIT = 600


class RefusedError(Exception):
    """An answer of the hub that is not used."""


@contextlib.contextmanager
def guarded(revision: str) -> Iterator[None]:
    """Let ``huggingface_hub`` ask by this client, for files of one revision (a commit)."""
    # What it would ask and tell besides: which libraries and programs are here. Its other way to fetch (Xet) goes by no
    # client of ours, so it is for the hub itself.
    constants.HF_HUB_DISABLE_TELEMETRY = True
    if constants.ENDPOINT != HUB:
        constants.HF_HUB_DISABLE_XET = True
    guard = _Guard(revision)
    set_client_factory(guard.client)
    try:
        yield
    finally:
        set_client_factory(default_client_factory)


class _Guard:
    def __init__(self, revision: str):
        self.revision = revision
        # Bytes of each file, by its address, as announced.
        self.sizes: dict[str, int] = {}
        self.requests = itertools.count(1)
        self.received, self.waited, self.answered = 0, 0.0, 0

    def client(self) -> httpx2.Client:
        client = default_client_factory()
        hooks = client.event_hooks
        client.event_hooks = {"request": [*hooks["request"], self.check_request], "response": [self.check_response]}
        return client

    def check_request(self, request: httpx2.Request) -> None:
        """Send the token to the hub alone, encrypted where the hub is, and wait for no answer for ever."""
        hub, url = httpx2.URL(constants.ENDPOINT), request.url
        if next(self.requests) > MAX_REQUESTS:
            raise RefusedError(f"it is not done after {MAX_REQUESTS} answers")
        if hub.scheme == "https" and url.scheme != "https":
            raise RefusedError(f"it leads from https to {url.scheme}://{url.host}")
        if url.origin not in _origins():
            request.headers.pop("Authorization", None)
        request.headers["Accept-Encoding"] = "identity"  # or a small body could become any size
        timeouts = request.extensions.get("timeout", {})
        request.extensions["timeout"] = {
            kind: timeouts.get(kind) or constants.HF_HUB_DOWNLOAD_TIMEOUT for kind in ("connect", "read", "write", "pool")
        }
        # Redirects hand it on.
        size = request.extensions.setdefault("size", self.sizes.get(str(url)))
        if request.method == "GET" and size is not None:
            _check_room(size)

    def check_response(self, response: httpx2.Response) -> None:
        """Refuse what is no answer of a hub."""
        request, headers = response.request, response.headers
        commit = headers.get("X-Repo-Commit", self.revision)
        if commit != self.revision:
            raise RefusedError(f"it answers for the commit {_shown(commit)}, wanted {self.revision}")
        # Files of the cache are named by it.
        digest = (headers.get("X-Linked-ETag") or headers.get("ETag") or "none").lstrip("W/").strip('"')
        if request.method == "HEAD" and not re.fullmatch(r"[\w-][\w.+=-]{0,150}", digest, re.ASCII):
            raise RefusedError(f"the digest that it names is {_shown(digest)}, wanted 40 or 64 hexadecimal digits")
        if headers.get("Content-Encoding", "identity") != "identity":
            raise RefusedError("its answer is compressed, which was not asked for")
        follows = response.links.get("next", {}).get("url")
        if follows and request.url.join(follows).origin not in (request.url.origin, *_origins()):
            raise RefusedError(f"its list of files goes on at another host, {request.url.join(follows).host}")
        for name in ("Retry-After", "RateLimit"):
            if any(int(seconds) > MAX_WAIT for seconds in re.findall(r"(?:^|\bt\s*=\s*)(\d+)", headers.get(name, ""))):
                del headers[name]  # the library then waits as long as it does by itself
        if request.method == "HEAD":
            self._learn_size(response)
        else:
            self._limit(response)

    def _learn_size(self, response: httpx2.Response) -> None:
        headers, url = response.headers, response.request.url
        size = headers.get("X-Linked-Size") or (None if response.is_redirect else headers.get("Content-Length"))
        if size and size.isdecimal():
            for address in (url, url.join(headers.get("Location", ""))):
                self.sizes[str(address)] = int(size)

    def _limit(self, response: httpx2.Response) -> None:
        limit, length = response.request.extensions["size"], response.headers.get("Content-Length", "")
        if limit is None and "/resolve" in response.request.url.path and length.isdecimal():
            limit = int(length)
        response.stream = _Body(cast(httpx2.SyncByteStream, response.stream), limit, self)

    def count(self, received: int, waited: float) -> None:
        """Count bytes that came after so many seconds."""
        self.received, self.waited = self.received + received, self.waited + waited
        if self.waited > WINDOW:
            if self.received < SLOWEST:
                raise RefusedError(f"{self.received:,} bytes in {self.waited:.0f} seconds came")
            self.received, self.waited, self.answered = 0, 0.0, 0


class _Body(httpx2.SyncByteStream):
    def __init__(self, stream: httpx2.SyncByteStream, limit: int | None, guard: _Guard):
        """Take a body of at most so many bytes; limit: of a file, and None for an answer that is none."""
        self.stream, self.guard, self.is_file = stream, guard, limit is not None
        self.limit = MAX_ANSWER if limit is None else limit

    def __iter__(self) -> Iterator[bytes]:
        received, asked = 0, time.monotonic()
        for chunk in self.stream:
            received += len(chunk)
            if received > self.limit:
                raise RefusedError(f"its answer is longer than {self.limit:,} bytes")
            self.guard.answered += 0 if self.is_file else len(chunk)
            if self.guard.answered > MAX_ANSWERS:
                raise RefusedError(f"its list of files is longer than {MAX_ANSWERS:,} bytes")
            self.guard.count(len(chunk), time.monotonic() - asked)
            yield chunk
            asked = time.monotonic()

    def close(self) -> None:
        self.stream.close()


def _origins() -> tuple[httpx2.Origin, httpx2.Origin]:
    """Return where the token may go."""
    return httpx2.URL(constants.ENDPOINT).origin, httpx2.URL(HUB).origin


def _check_room(size: int) -> None:
    folder = Path(constants.HF_HUB_CACHE)
    free = shutil.disk_usage(next(path for path in (folder, *folder.parents) if path.exists())).free
    if size > free:
        raise OSError(28, f"{size / 1e9:,.1f} GB are needed and {free / 1e9:,.1f} GB free", os.fspath(folder))


def _shown(found: str) -> str:
    return repr(found if len(found) < 80 else f"{found[:80]}...")
