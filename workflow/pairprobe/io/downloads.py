"""Files from the Hugging Face hub at a pinned commit, verified, and complete or not there at all.

``huggingface_hub`` fetches: it keeps the cache that programs share, locks it, and goes on where a connection broke. Added
here is what it does not do: to compare the content with its digest, to ask again where the hub is busy when a file is to be
sent, and to give one clear message for an error.
"""

import contextlib
import functools
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal, TypeVar

from pairprobe.errors import InputError, one_line
from pairprobe.io import files
from pairprobe.io.logins import without_logins
from pairprobe.io.progress import log

# Attempts at one file, and the seconds between the first two; each wait is twice the last. Without a connection one attempt
# is enough: the library itself has then asked six times in 23 seconds.
ATTEMPTS, FIRST_WAIT = 4, 2.0

Kind = Literal["dataset", "model"]
Given = TypeVar("Given")


def from_hub(repository: str, file: str, revision: str, path: str | os.PathLike, kind: Kind = "dataset") -> None:
    """Fetch one file of a Hugging Face repository, through the cache that all Hugging Face programs share.

    repository: "owner/name"; file: its path in the repository; revision: a commit; path: where it shall be, as a hard
    link into the cache where possible, else as a copy. HF_HOME, HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE and the proxies mean
    what they always mean. Raises InputError where the hub does not give the file, or not with the digest that it names, or
    where it cannot be written; then nothing is at ``path``.
    """
    cached = _fetch_verified(repository, file, revision, kind)
    with _naming_disk_errors(path), files.atomic_write(path) as temporary:
        _link_or_copy(cached, temporary)


def snapshot(
    repository: str, revision: str, patterns: Sequence[str], target: str | os.PathLike, kind: Kind = "model"
) -> None:
    """Fetch the files at the top of a Hugging Face repository that match, as ``from_hub`` does, into a folder of their own.

    patterns: as in "*.safetensors"; nothing is taken from folders of the repository. target: the folder, made anew.
    Raises InputError as ``from_hub`` does, and where nothing matches; then nothing is at ``target``.
    """
    from huggingface_hub import snapshot_download

    what = f"{repository} at revision {revision}"
    fetch = functools.partial(snapshot_download, repository, repo_type=kind, revision=revision)
    # A pattern matches below folders too, where other formats' files lie ("onnx/...").
    folder = Path(_ask_hub(what, revision, lambda: fetch(allow_patterns=list(patterns), ignore_patterns=["*/*"])))
    names = sorted({file.name for pattern in patterns for file in folder.glob(pattern)})
    _check_names(names, what)
    if not listed(repository, revision, kind):
        # Offline, the library then takes the files that the cache has for all that the repository has.
        log.warning("%s: its list of files is not known; taken is what the cache holds: %s", what, ", ".join(names))
    if not names:
        raise InputError(f"{what}: the repository holds none of {', '.join(patterns)}. Check the name and the revision.")
    with _naming_disk_errors(target), files.atomic_write(target) as temporary:
        temporary.mkdir()
        for name in names:
            _link_or_copy(_fetch_verified(repository, name, revision, kind), temporary / name)


def _check_names(names: Sequence[str], what: str) -> None:
    """Raise InputError for names that are no plain ones, or of which some disks would make one."""
    for name in names:
        if not re.fullmatch(r"[\w.+ -]+", name):
            raise InputError(f"{what}: the hub names a file {name!r}. Wanted: letters, digits, and the signs . + - _")
    if twins := [name for name in names if sum(name.lower() == other.lower() for other in names) > 1]:
        raise InputError(f"{what}: the hub has {' and '.join(twins)}, names that some disks take for one.")


@contextlib.contextmanager
def _naming_disk_errors(path: str | os.PathLike) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{path}: it cannot be written: {error.strerror or error}"
            f"{f' ({error.filename})' if error.filename else ''}. Make room, or choose a folder that can be written."
        ) from error


def _link_or_copy(cached: Path, target: Path) -> None:
    """Put the cache's file at ``target``: never as a symbolic link, which would die with the cache."""
    try:
        os.link(cached, target)
    except OSError:  # another disk, or a cache that is not ours
        target.unlink(missing_ok=True)
        shutil.copyfile(cached, target)


def listed(repository: str, revision: str, kind: Kind = "model") -> list[str]:
    """Return the paths of the files of a repository, of which ``snapshot`` fetched some; none where they are not known."""
    from huggingface_hub import get_cached_repo_tree
    from huggingface_hub.errors import CachedRepoTreeNotFoundError

    try:
        return [file.path for file in get_cached_repo_tree(repository, repo_type=kind, revision=revision)]
    except CachedRepoTreeNotFoundError:
        return []


# Verification.


def _fetch_verified(repository: str, file: str, revision: str, kind: Kind) -> Path:
    """Return the file in the cache, verified; fetched where it is not there, and once more where it is damaged."""
    from huggingface_hub import hf_hub_download

    what = f"{repository} at revision {revision}, {file}"
    fetch = functools.partial(hf_hub_download, repository, file, repo_type=kind, revision=revision)
    pointer = Path(_ask_hub(what, revision, fetch))
    if damage := _damage(pointer):
        log.warning("%s: %s. It is fetched once more", what, damage)
        try:
            pointer = Path(_ask_hub(what, revision, functools.partial(fetch, force_download=True)))
        except InputError as error:
            raise InputError(f"{what}: {damage}. {error}") from error
        if damage := _damage(pointer):
            raise InputError(
                f"{what}: {damage}. It was fetched anew and is wrong still. "
                "Check HF_ENDPOINT and the proxies, or try later."
            )
    return pointer.resolve()


def _damage(pointer: Path) -> str | None:
    """Say how a file of the cache differs from its digest; None where it does not, or where no digest is known.

    The cache names a content by its SHA-256 or, where it is small, git's SHA-1, and each file is a symbolic link to one.
    """
    # One step only: what the content itself may link to is shared between repositories and has another kind of name.
    wanted = os.path.basename(os.readlink(pointer)) if pointer.is_symlink() else ""
    if not re.fullmatch("[0-9a-f]{40}|[0-9a-f]{64}", wanted):
        log.warning("%s: the cache does not name its digest, so it was not verified", pointer)
        return None
    with open(pointer, "rb") as content:
        start = hashlib.sha256() if len(wanted) == 64 else hashlib.sha1(usedforsecurity=False)
        if len(wanted) == 40:
            start.update(b"blob %d\0" % os.fstat(content.fileno()).st_size)
        found = hashlib.file_digest(content, lambda: start).hexdigest()
    return None if found == wanted else f"found digest {found}, wanted {wanted}"


# Requests.


def _ask_hub(what: str, revision: str, request: Callable[[], Given]) -> Given:
    """Return ``request()``, repeated where it may help; raise InputError with what the hub said and what to do."""
    from huggingface_hub.utils import logging
    from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_exponential

    from pairprobe.io.hub_client import guarded

    def tell(state: RetryCallState) -> None:
        error = state.outcome and state.outcome.exception()
        if error:
            log.warning("%s: attempt %d of %d failed: %s", what, state.attempt_number, ATTEMPTS, _one_line(error))

    # The library tells of its own attempts in our log, where they lose their logins, and not on the terminal besides.
    logging.enable_propagation()
    logging.get_logger("huggingface_hub").handlers.clear()
    try:
        with guarded(revision):
            return Retrying(
                retry=retry_if_exception(_may_pass),
                wait=wait_exponential(FIRST_WAIT),
                stop=stop_after_attempt(ATTEMPTS),
                before_sleep=tell,
                reraise=True,
            )(request)
    except Exception as error:  # the hub's, the network's and the disk's errors have no common class
        said, advice = _failure(error)
        raise InputError(f"{what}: the hub did not give it: {said}. {advice}.") from error
    finally:
        logging.disable_propagation()


def _one_line(error: BaseException) -> str:
    """Return what an error says, on one line that can be read; a hub's own words may be any."""
    said = without_logins(one_line(error, 10_000))  # before it is cut: half a login is not recognized
    return said if len(said) <= 500 else f"{said[:500]} ..."


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _status(error: BaseException) -> int | None:
    """Return the status of the hub's answer, or None where it did not answer."""
    from huggingface_hub.errors import HfHubHTTPError

    return next((cause.response.status_code for cause in _causes(error) if isinstance(cause, HfHubHTTPError)), None)


def _is_busy(status: int) -> bool:
    return status in (408, 425, 429) or status >= 500


def _may_pass(error: BaseException) -> bool:
    """Whether the failure is one that the library does not itself repeat and another attempt may mend."""
    import httpx2

    status = _status(error)
    return isinstance(error, httpx2.NetworkError | httpx2.RemoteProtocolError) if status is None else _is_busy(status)


def _failure(error: Exception) -> tuple[str, str]:
    """Return what went wrong and what to do."""
    from huggingface_hub import constants, errors

    from pairprobe.io.hub_client import RefusedError

    causes, status = list(_causes(error)), _status(error)
    if any(isinstance(cause, errors.OfflineModeIsEnabled) for cause in causes):
        said = f"HF_HUB_OFFLINE is set, and the cache {constants.HF_HUB_CACHE} does not hold it"
        return said, "Unset HF_HUB_OFFLINE where there is a network, or set HF_HOME to a cache that was filled elsewhere"
    if isinstance(error, RefusedError):
        return _one_line(error), "Check HF_ENDPOINT and the proxies: no hub answers like that"
    if isinstance(error, KeyError | TypeError | AttributeError | json.JSONDecodeError | RecursionError):
        said = f"its answer is not one of a hub ({type(error).__name__}: {_one_line(error)})"
        return said, "Check HF_ENDPOINT and the proxies"
    if status in (401, 403):
        advice = "Check the name and, for a gated or private repository, that HF_TOKEN belongs to an account with access"
    elif status is not None and not _is_busy(status):
        advice = "Check the name and the revision"
    elif isinstance(error, OSError) and error.errno and not isinstance(error, ConnectionError):
        advice = f"Make room in {constants.HF_HUB_CACHE}, or set HF_HOME to a folder that can be written"
    else:
        advice = "Check the name, the revision and the network (HF_ENDPOINT, HTTPS_PROXY)"
    # The library wraps its reason into "check your connection", whatever it was.
    wrapped = len(causes) > 1 and isinstance(error, errors.LocalEntryNotFoundError | ValueError)
    return _one_line(causes[1] if wrapped else error), advice
