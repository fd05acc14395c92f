"""Files from elsewhere, resumed, verified, whole or not at all: from the Hugging Face hub, a web server or a folder."""

import base64
import binascii
import contextlib
import fcntl
import functools
import hashlib
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

import orjson

from pairprobe.errors import InputError
from pairprobe.io import files
from pairprobe.io.progress import Progress, log

# Failures in a row, with no byte more than before, until we give up. Each wait is twice the last: 2, 4, ... seconds.
# The hub's own library asks six times already (23 seconds) before one of our attempts counts as failed.
ATTEMPTS, HUB_ATTEMPTS = 6, 4
FIRST_WAIT, LONGEST_WAIT = 2.0, 120.0
TIMEOUT = (20, 60)  # seconds to connect, and between two bytes
CHUNK, MB = 1 << 20, 10**6

Given = TypeVar("Given")


def from_hub(repository: str, file: str, revision: str, path: str | os.PathLike, kind: str = "dataset") -> None:
    """Fetch one file of a Hugging Face repository, through the cache that all Hugging Face programs share.

    repository: "owner/name"; file: its path in the repository; revision: a commit; path: where it shall be, as a hard
    link into the cache where possible, else as a copy; kind: "dataset" or "model". HF_HOME, HF_ENDPOINT, HF_TOKEN,
    HF_HUB_OFFLINE and the proxies mean what they always mean. Raises InputError where the hub does not give the file, or
    not with the digest that it names, or where it cannot be written; then nothing is at ``path``.
    """
    blob = _from_cache(repository, file, revision, kind)
    with _disk_errors_named(path), files.atomic_write(path) as temporary:
        _link_or_copy(blob, temporary)


def snapshot(
    repository: str, revision: str, patterns: list[str] | tuple[str, ...], target: str | os.PathLike, kind: str = "model"
) -> None:
    """Fetch the files at the top of a Hugging Face repository that match, as ``from_hub`` does, into a folder of their own.

    patterns: as in "*.safetensors"; nothing is taken from folders of the repository. target: the folder, made anew.
    Raises InputError as ``from_hub`` does, and where nothing matches; then nothing is at ``target``.
    """
    from huggingface_hub import snapshot_download

    what = f"{repository} at revision {revision}"
    # A pattern matches below folders too, where other formats' files lie ("onnx/...").
    wanted = {"allow_patterns": list(patterns), "ignore_patterns": ["*/*"]}
    folder = Path(_ask_hub(what, lambda: snapshot_download(repository, repo_type=kind, revision=revision, **wanted)))
    names = sorted({file.name for pattern in patterns for file in folder.glob(pattern)})
    if not _is_listed(repository, revision, kind):
        # The hub's library then takes a folder in which another program left a file or two for the whole.
        log.warning("%s: its list of files is not known; taken is what the cache holds: %s", what, ", ".join(names))
    if not names:
        raise InputError(f"{what}: the repository holds none of {', '.join(patterns)}. Check the name and the revision.")
    with _disk_errors_named(target), files.atomic_write(target) as temporary:
        temporary.mkdir()
        for name in names:
            _link_or_copy(_from_cache(repository, name, revision, kind), temporary / name)


def from_url(url: str, path: str | os.PathLike, sha256: str | None = None) -> None:
    """Fetch a file by its address: http(s), with redirects and the environment's proxies, or file:, or a path.

    sha256: hexadecimal; without it the digest that the server names counts, if it names one. The bytes so far stand in
    ``.NAME.partial`` beside ``path`` and outlive a kill; the next call goes on from there if the server still has the same
    file. Bytes are kept as the server stores them: nothing is unpacked. Raises InputError where there is no such file, or
    not with its length and digest, or where it cannot be written; then nothing is at ``path``.
    """
    path = Path(path)
    with _disk_errors_named(path):
        local = _local_path(url)
        if local is not None:
            _copy(local, path, sha256)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            with _Partial(path, url) as partial:
                _fetch(url, partial, sha256)
                with files.atomic_write(path) as temporary:
                    partial.become(temporary)


@contextlib.contextmanager
def _disk_errors_named(path: str | os.PathLike) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{path}: it cannot be written: {error.strerror or error}"
            f"{f' ({error.filename})' if error.filename else ''}. Make room, or choose a folder that can be written."
        ) from error


def _link_or_copy(blob: Path, target: Path) -> None:
    """Put the cache's file at ``target``: never as a symbolic link, which would die with the cache."""
    try:
        os.link(blob, target)
    except OSError:  # another disk, or a cache that is not ours
        target.unlink(missing_ok=True)
        shutil.copyfile(blob, target)


# Attempts.


class _PassingError(Exception):
    """A failure that another attempt may mend; ``seconds``: for how long the server asks us to wait."""

    def __init__(self, reason: str, seconds: float = 0.0):
        super().__init__(reason)
        self.seconds = seconds


class _Patience:
    """Counts failures in a row; one after more bytes than ever is the first again: a long file deserves more attempts."""

    def __init__(self, what: str, attempts: int, reached: Callable[[], int]):
        self.what, self.attempts, self.reached = what, attempts, reached
        self.failures, self.most = 0, reached()

    def count(self, _state) -> None:
        self.failures = 1 if self.reached() > self.most else self.failures + 1
        self.most = max(self.most, self.reached())

    def wait(self, state) -> float:
        asked = getattr(state.outcome.exception(), "seconds", 0.0)
        return min(max(FIRST_WAIT * 2 ** (self.failures - 1), asked), LONGEST_WAIT)

    def stop(self, _state) -> bool:
        return self.failures >= self.attempts

    def tell(self, state) -> None:
        reason = _one_line(state.outcome.exception())
        wait = state.next_action.sleep
        log.warning(
            "%s: attempt %d of %d failed: %s; the next in %.3g s", self.what, self.failures, self.attempts, reason, wait
        )


def _persist(
    what: str,
    once: Callable[[], Given],
    passes: Callable[[BaseException], bool],
    attempts: int,
    reached: Callable[[], int] = lambda: 0,
) -> Given:
    """Return ``once()``; where it fails in a way that ``passes``, wait and do it again; ``reached``: bytes so far."""
    from tenacity import Retrying, retry_if_exception

    patience = _Patience(what, attempts, reached)
    retrying = Retrying(
        retry=retry_if_exception(passes),
        after=patience.count,
        wait=patience.wait,
        stop=patience.stop,
        before_sleep=patience.tell,
        reraise=True,
    )
    return retrying(once)


def _one_line(error: BaseException) -> str:
    # urllib3's errors carry their cause behind their text, and would show both.
    said = error.args[0] if len(error.args) > 1 and isinstance(error.args[0], str) else str(error)
    return " ".join(said.split()).rstrip(".") or type(error).__name__


# The hub.


def _from_cache(repository: str, file: str, revision: str, kind: str) -> Path:
    """Return the cache's file, fetched where it is not there yet, its digest verified."""
    from huggingface_hub import hf_hub_download

    what = f"{repository} at revision {revision}, {file}"
    fetch = functools.partial(hf_hub_download, repository, file, repo_type=kind, revision=revision)
    spoiled = ""
    for _ in range(2):
        try:
            pointer = Path(_ask_hub(what, fetch))
        except InputError as error:
            raise InputError(f"{spoiled}{error}") from error
        wanted = _digest_in_cache(pointer)
        if wanted is None:
            log.warning("%s: the cache does not name its digest, so it was not verified", what)
            return pointer.resolve()
        found = _blob_digest(pointer, wanted)
        if found == wanted:
            return pointer.resolve()
        spoiled = f"{what}: found digest {found}, wanted {wanted}. "
        log.warning("%sRemoved from the cache, to be fetched once more", spoiled)
        _remove_from_cache(pointer)
    raise InputError(f"{spoiled}It was fetched anew and is wrong still. Check HF_ENDPOINT and the proxies, or try later.")


def _is_listed(repository: str, revision: str, kind: str) -> bool:
    """Return whether the cache knows which files the repository has at that revision."""
    from huggingface_hub import get_cached_repo_tree
    from huggingface_hub.errors import CachedRepoTreeNotFoundError

    try:
        return bool(get_cached_repo_tree(repository, repo_type=kind, revision=revision))
    except CachedRepoTreeNotFoundError:
        return False


def _digest_in_cache(pointer: Path) -> str | None:
    """Return the digest by which the cache names the content, or None where it cannot (no symbolic links)."""
    if not pointer.is_symlink():
        return None
    # One step only: what the blob itself may link to is shared between repositories and has another kind of name.
    name = os.path.basename(os.readlink(pointer))
    return name if re.fullmatch("[0-9a-f]{40}|[0-9a-f]{64}", name) else None


def _blob_digest(blob: Path, wanted: str) -> str:
    """Return the SHA-256 of a large file, or git's SHA-1 of a small one, as the length of ``wanted`` tells."""
    with open(blob, "rb") as content:
        if len(wanted) == 64:
            return hashlib.file_digest(content, "sha256").hexdigest()
        size = os.fstat(content.fileno()).st_size
        return hashlib.file_digest(content, lambda: hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)).hexdigest()


def _remove_from_cache(pointer: Path) -> None:
    blob = pointer.parent / os.readlink(pointer)
    with _disk_errors_named(blob):
        for file in (pointer.resolve(), blob, pointer):
            file.unlink(missing_ok=True)


def _ask_hub(what: str, once: Callable[[], Given]) -> Given:
    """Return ``once()``, another time where the failure passes; raise InputError with what the hub said and what to do."""
    with _hub_manners():
        try:
            return _persist(what, once, _hub_failure_passes, HUB_ATTEMPTS)
        except Exception as error:  # the hub's, the network's and the disk's errors have no common class
            said, advice = _hub_failure(error)
            raise InputError(f"{what}: the hub did not give it: {said}. {advice}.") from error


@contextlib.contextmanager
def _hub_manners() -> Iterator[None]:
    """Let the hub's library draw bars only where someone looks, and tell of its own attempts in our log."""
    from huggingface_hub.utils import disable_progress_bars, logging

    logging.enable_propagation()
    try:
        with contextlib.nullcontext() if sys.stderr.isatty() else disable_progress_bars():
            yield
    finally:
        logging.disable_propagation()


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _hub_failure_passes(error: BaseException) -> bool:
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    passing = (httpx2.TimeoutException, httpx2.NetworkError, httpx2.RemoteProtocolError, httpx2.ProxyError)
    for link in _causes(error):
        if isinstance(link, OfflineModeIsEnabled) or "CERTIFICATE_VERIFY_FAILED" in str(link):
            return False
        if isinstance(link, HfHubHTTPError):
            return _status_passes(link.response.status_code)
        if isinstance(link, (*passing, ConnectionError, TimeoutError)) or "Consistency check failed" in str(link):
            return True
    return False


def _hub_failure(error: Exception) -> tuple[str, str]:
    """Return what went wrong and what to do."""
    from huggingface_hub import constants, errors

    chain = list(_causes(error))
    if any(isinstance(link, errors.OfflineModeIsEnabled) for link in chain):
        said = f"HF_HUB_OFFLINE is set, and the cache {constants.HF_HUB_CACHE} does not hold it"
        return said, "Unset HF_HUB_OFFLINE where there is a network, or set HF_HOME to a cache that was filled elsewhere"
    # The library wraps its reason into "check your connection", whatever it was.
    reason = chain[1] if isinstance(error, errors.LocalEntryNotFoundError) and len(chain) > 1 else error
    status = next((link.response.status_code for link in chain if isinstance(link, errors.HfHubHTTPError)), None)
    if status in (401, 403):
        advice = "Check the name and, for a gated or private repository, that HF_TOKEN belongs to an account with access"
    elif status is not None and not _status_passes(status):
        advice = "Check the name and the revision"
    elif isinstance(error, OSError) and error.errno and not isinstance(error, ConnectionError):
        advice = f"Make room in {constants.HF_HUB_CACHE}, or set HF_HOME to a folder that can be written"
    else:
        advice = "Check the name, the revision and the network (HF_ENDPOINT, HTTPS_PROXY)"
    return _one_line(reason), advice


# A web server.


def _local_path(url: str) -> Path | None:
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise InputError(f"{url}: it is no address: {error}. Check it in the configuration.") from None
    if parts.scheme in ("http", "https"):
        return None
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    if "://" in url:
        raise InputError(f"{url}: an address that begins with http:, https: or file:, or a path, is wanted.")
    return Path(url)


def _copy(source: Path, path: Path, sha256: str | None) -> None:
    if not source.is_file():
        raise InputError(f"{source}: there is no such file. Check the path in the configuration.")
    with files.atomic_write(path) as temporary:
        shutil.copyfile(source, temporary)
        if sha256 and (found := _digest(temporary, "sha256")) != sha256.lower():
            raise InputError(f"{source}: found SHA-256 {found}, wanted {sha256}. Fetch that file again.")


def _digest(path: Path, algorithm: str) -> str:
    with open(path, "rb") as content:
        return hashlib.file_digest(content, algorithm).hexdigest()


class _Partial:
    """The bytes so far of a file that is being fetched, and notes of what they are the beginning of.

    Notes: the address, the server's validator (ETag or date), the length and the digests, all of the whole file.
    """

    def __init__(self, path: Path, url: str):
        self.path = path.with_name(f".{path.name}.partial")
        self.notes_path = path.with_name(f".{path.name}.partial.json")
        self.refused: str | None = None  # the digest of the last content that was wrong
        self.sink = open(self.path, "ab", buffering=0)  # noqa: SIM115 (closed by __exit__)
        self._lock()
        self.size = os.fstat(self.sink.fileno()).st_size
        self.notes = self._read_notes()
        if self.notes.get("url") != url or not self.notes.get("validator"):
            self.begin({})

    def _lock(self) -> None:
        ours = True
        try:
            fcntl.flock(self.sink, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever held it may have been done, and given these bytes their name, since we opened them.
            ours = os.path.samestat(os.fstat(self.sink.fileno()), os.stat(self.path))
        except (BlockingIOError, FileNotFoundError):
            ours = False
        except OSError:  # a disk without locks
            pass
        if not ours:
            self.sink.close()
            raise InputError(f"{self.path}: another process is fetching it. Wait for that, or stop it.")

    def _read_notes(self) -> dict[str, Any]:
        try:
            notes = orjson.loads(self.notes_path.read_bytes())
        except (FileNotFoundError, ValueError):
            return {}
        return notes if isinstance(notes, dict) else {}

    def begin(self, notes: dict[str, Any]) -> None:
        """Start from zero. The old bytes go before the new notes come, so that notes never stand over others' bytes."""
        self.sink.truncate(0)
        self.size, self.notes = 0, notes
        files.write_text(self.notes_path, orjson.dumps(notes).decode())

    def write(self, chunk: bytes) -> None:
        rest = memoryview(chunk)
        while rest:  # an unbuffered file may take a part only
            taken = self.sink.write(rest)
            self.size += taken
            rest = rest[taken:]

    @property
    def is_complete(self) -> bool:
        return self.size > 0 and self.size == self.notes.get("length")

    def become(self, path: Path) -> None:
        """Give the bytes their name."""
        os.replace(self.path, path)
        self.size = 0

    def __enter__(self) -> "_Partial":
        return self

    def __exit__(self, *exception) -> None:
        if not self.size:  # nothing to go on from
            self.path.unlink(missing_ok=True)
            self.notes_path.unlink(missing_ok=True)
        self.sink.close()


def _fetch(url: str, partial: _Partial, sha256: str | None) -> None:
    """Fill ``partial`` with the whole, verified content."""
    import requests

    if partial.size:
        log.info("%s: resumed from %.1f MB", url, partial.size / MB)
    with requests.Session() as session:

        def once() -> None:
            if not partial.is_complete:
                _receive(session, url, partial, sha256)
            _verify(url, partial, sha256)

        try:
            _persist(url, once, _web_failure_passes, ATTEMPTS, lambda: partial.size)
        except (_PassingError, requests.RequestException, _urllib3_error()) as error:
            kept = f" The {partial.size / MB:.1f} MB so far are kept; a new run goes on from there." if partial.size else ""
            raise InputError(
                f"{url}: it could not be fetched: {_one_line(error)}. Check the address and the network "
                f"(HTTPS_PROXY for a proxy), or try later.{kept}"
            ) from error


def _urllib3_error() -> type[Exception]:
    from urllib3.exceptions import HTTPError

    return HTTPError


def _web_failure_passes(error: BaseException) -> bool:
    from requests.exceptions import ChunkedEncodingError, ConnectionError, Timeout

    passing = isinstance(error, _PassingError | ConnectionError | Timeout | ChunkedEncodingError | _urllib3_error())
    return passing and "CERTIFICATE_VERIFY_FAILED" not in str(error)


def _status_passes(status: int) -> bool:
    return status in (408, 425, 429) or status >= 500


def _ask(session, url: str, partial: _Partial):
    """Ask for the content, or for the rest of it if it is the same still. Returns the response, its body unread."""
    headers = {"Accept-Encoding": "identity"}
    if partial.size:
        headers |= {"Range": f"bytes={partial.size}-", "If-Range": partial.notes["validator"]}
    response = session.get(url, headers=headers, stream=True, timeout=TIMEOUT)
    stored = response.headers.get("x-goog-stored-content-encoding", "identity")
    if stored not in ("identity", response.headers.get("Content-Encoding")):
        # Google's store unpacks a packed file for whoever does not take it packed; its digest is the packed one's.
        response.close()
        response = session.get(url, headers=headers | {"Accept-Encoding": stored}, stream=True, timeout=TIMEOUT)
    return response


def _receive(session, url: str, partial: _Partial, sha256: str | None) -> None:
    """Write the content, or the rest of it, into ``partial``."""
    with _ask(session, url, partial) as response:
        _check_status(url, response, partial)
        if response.status_code == 206:
            _check_continues(response, partial)
        else:
            _begin(url, response, partial, sha256)
        start, length = partial.size, partial.notes["length"]
        with Progress(None if length is None else (length - start) // MB, url, unit="MB") as progress:
            # Not iter_content, which would unpack; read1, since what came before a cut shall be on disk.
            while chunk := response.raw.read1(CHUNK, decode_content=False):
                partial.write(chunk)
                progress.update((partial.size - start) // MB - progress.done)
    if length is not None and partial.size != length:
        found = partial.size
        if found > length:
            partial.begin({})
        raise _PassingError(f"found {found} bytes, wanted {length}")


def _check_status(url: str, response, partial: _Partial) -> None:
    status = response.status_code
    said = f"{status} {response.reason or ''}".strip()
    if status == 200 or (status == 206 and partial.size):
        return
    if status == 416 and partial.size:
        partial.begin({})
        raise _PassingError(f"{said}: what was there is not its beginning, so from zero")
    if _status_passes(status):
        asked = response.headers.get("Retry-After", "")
        raise _PassingError(said, float(asked) if asked.isdecimal() else 0.0)
    raise InputError(
        f"{url}: the server says {said}. Check the address"
        f"{' and whether it wants a login (.netrc)' if status in (401, 403) else ''}."
    )


def _check_continues(response, partial: _Partial) -> None:
    """Check that the part which comes is the rest of what is there."""
    part = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
    total = part and part[2] != "*" and int(part[2])
    length = partial.notes["length"] or total or None
    validator = _validator(response.headers)
    if (
        not part
        or int(part[1]) != partial.size
        or (total and total != length)
        or (validator and validator != partial.notes["validator"])
    ):
        partial.begin({})
        raise _PassingError("the server went on with another file or place, so from zero")
    partial.notes["length"] = length


def _begin(url: str, response, partial: _Partial, sha256: str | None) -> None:
    if partial.size:
        log.info("%s: the server sends the whole again, so from zero", url)
    length = response.headers.get("Content-Length", "")
    notes = {
        "url": url,
        "validator": _validator(response.headers),
        "length": int(length) if length.isdecimal() else None,
        "digests": _digests(response.headers),
    }
    if not sha256 and not notes["digests"]:
        if response.headers.get("Content-Type", "").startswith("text/html") and not partial.path.stem.endswith(
            (".html", ".htm")
        ):
            raise InputError(f"{url}: found a web page, perhaps of a login or a portal, wanted a file. Check the address.")
        if notes["length"] is None and response.headers.get("Transfer-Encoding") != "chunked":
            raise InputError(
                f"{url}: the server names neither length nor digest, so a cut would not show. Give the file's SHA-256."
            )
    partial.begin(notes)


def _validator(headers) -> str | None:
    """Return what says that a file is the same still, byte for byte: a strong ETag, or else its date."""
    tag = headers.get("ETag")
    return tag if tag and not tag.startswith("W/") else headers.get("Last-Modified")


def _digests(headers) -> dict[str, str]:
    """Return ``{"md5" or "sha256": hexadecimal}`` of the whole file, as far as a server names them."""
    named = ",".join(headers.get(name, "") for name in ("x-goog-hash", "Digest", "Repr-Digest"))
    found = {}
    for part in f"{named},md5={headers.get('Content-MD5', '')}".split(","):
        algorithm, _, encoded = part.strip().partition("=")
        algorithm = algorithm.lower().replace("-", "")
        with contextlib.suppress(binascii.Error):
            digest = base64.b64decode(encoded.strip(":"), validate=True)
            if {"md5": 16, "sha256": 32}.get(algorithm) == len(digest):
                found[algorithm] = digest.hex()
    return found


def _verify(url: str, partial: _Partial, sha256: str | None) -> None:
    """Check the digest; where it is wrong, start from zero, but not for the same wrong content a second time."""
    wanted = {"sha256": sha256.lower()} if sha256 else partial.notes["digests"]
    algorithm = max(wanted, default=None)  # sha256 rather than md5
    if algorithm is None:
        log.info("%s: the server names no digest: only its length was verified", url)
        return
    found = _digest(partial.path, algorithm)
    if found == wanted[algorithm]:
        return
    said = f"found {algorithm} {found}, wanted {wanted[algorithm]}"
    again, partial.refused = partial.refused == found, found
    partial.begin({})
    if again:
        raise InputError(f"{url}: {said}, twice. The file there is another one: check the address and the digest.")
    raise _PassingError(f"{said}, so from zero")
