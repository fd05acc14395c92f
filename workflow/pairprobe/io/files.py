"""Atomic writes of files and folders, and JSON lines whose errors name the line."""

import contextlib
import errno
import fcntl
import functools
import io
import math
import os
import platform
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, TypeVar

import orjson
from isal import igzip

from pairprobe.errors import InputError
from pairprobe.io import encodings, whole_files

# No page of Natural Questions comes near this; a file without line ends must not fill the memory.
MAX_LINE_BYTES = 128 << 20
# What a disk refuses to write for, and what to do then.
DISK_ERRORS = {
    errno.ENOSPC: "Make room; what is finished stays, and the next run goes on from there.",
    errno.EDQUOT: "Make room in your quota; what is finished stays, and the next run goes on from there.",
    errno.EFBIG: "Raise the limit of a file's size (ulimit -f), or use a file system for large files.",
    errno.EROFS: "Choose a folder that can be written.",
    errno.EACCES: "Choose a folder that can be written.",
    errno.ENAMETOOLONG: "Give shorter names: to the run, its checkpoints, its files.",
}
# A system's error number in the words of HDF5, of Rust and of Python.
_ERRNO = re.compile(r"(?:errno =|os error|\[Errno) (\d+)")
# Folders of files that are being written; in each a lock, and the old folder that a new one replaces.
TEMPORARY, _LOCK, _REPLACED = ".partial-", ".lock", ".replaced"
# Seconds after which one is thought to be left from a process that was killed, where locks do not tell.
_ABANDONED_SECONDS = 24 * 3600

Key = TypeVar("Key", bound=Hashable)


class EmptyLineError(InputError):
    """A line is empty, or blanks alone."""


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a path to write a file or folder to; when the block ends well, it is moved to ``path``; else it is removed.

    It has the name of ``path``, in a temporary folder beside it, so that a writer which goes by suffixes (gzip, matplotlib)
    is not misled. It is on the disk before it is moved: after a power loss ``path`` has the old content or the new one.
    Raises OSError that names ``path`` where the disk has no room or cannot be written.
    """
    path = Path(path)
    with _naming_target(path), _temporary_folder(path.parent) as folder:
        temporary = folder / path.name
        yield temporary
        flush(temporary)
        if path.is_dir():
            os.replace(path, folder / _REPLACED)
        os.replace(temporary, path)
        _flush(path.parent)


@contextlib.contextmanager
def scratch(beside: str | os.PathLike) -> Iterator[Path]:
    """Make a temporary folder on the same disk as ``beside``."""
    with _temporary_folder(Path(beside).parent) as folder:
        yield folder


@contextlib.contextmanager
def _temporary_folder(parent: Path) -> Iterator[Path]:
    """Make a folder in ``parent`` for as long as the block runs, and remove those there whose processes have ended."""
    parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(parent)
    with contextlib.ExitStack() as stack:
        folder = None
        while folder is None:
            folder = Path(tempfile.mkdtemp(prefix=TEMPORARY, dir=parent))
            # Removed last: NFS keeps a folder while a file in it is open.
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            # Another process may take the folder for one that was left, until it is locked.
            with contextlib.suppress(FileNotFoundError):
                lock = stack.enter_context(open(folder / _LOCK, "wb", buffering=0))
                with contextlib.suppress(OSError):  # the file system has no locks
                    fcntl.flock(lock, fcntl.LOCK_EX)
                    lock.write("\n".join(_own_host()).encode())
            if not (folder / _LOCK).exists():
                folder = None
        yield folder


def remove_leftovers(folder: str | os.PathLike, deep: bool = False) -> None:
    """Remove the temporary folders of processes that have ended; deep: also those in folders of the folder."""
    for left in leftovers(folder, deep):
        shutil.rmtree(left, ignore_errors=True)


def leftovers(folder: str | os.PathLike, deep: bool = False) -> Iterator[Path]:
    """Yield the temporary folders, in a folder, of processes that were killed.

    A process keeps its own locked, and the system releases the lock when the process ends. A free lock is believed where
    this host wrote it, in any container and before any boot: some file systems that hosts share have locks of each host
    alone. Where it was another host, or there are no locks, a folder is yielded a day after its last change.
    """
    for path in sorted(Path(folder).glob(f"**/{TEMPORARY}*" if deep else f"{TEMPORARY}*")):
        try:
            with open(path / _LOCK, "rb+") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _own_host() & set(lock.read().decode(errors="replace").split()) or _is_abandoned(path):
                    yield path
        except BlockingIOError:
            continue
        except OSError:
            if _is_abandoned(path):
                yield path


def _own_host() -> set[str]:
    """Return what tells this host: its boot, which its containers share, and its name, which another boot has too."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    return {boot.read_text(encoding="ascii").strip() if boot.exists() else "", platform.node()} - {""}


def _is_abandoned(folder: Path) -> bool:
    return time.time() - _last_change(folder) > _ABANDONED_SECONDS


def _last_change(path: Path) -> float:
    try:
        return max(part.stat().st_mtime for part in (path, *path.rglob("*")))
    except OSError:  # it is being removed
        return math.inf


def flush(path: Path) -> None:
    """Have the disk write a file, or a folder with all that is in it; what links lead to is left out."""
    if path.is_symlink():
        return
    for part in path.iterdir() if path.is_dir() else ():
        flush(part)
    _flush(path)


def _flush(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some file systems cannot do it with a folder
            raise
    finally:
        os.close(number)


@contextlib.contextmanager
def _naming_target(path: Path) -> Iterator[None]:
    """Raise what the disk refuses as an OSError about ``path``, whichever library has said it, and in which words."""
    try:
        yield
    except Exception as error:
        number = getattr(error, "errno", None) or int((_ERRNO.search(str(error)) or [0, 0])[1])
        # Absolute, as Python 3.12 makes temporary folders.
        own = os.path.abspath(path.parent / TEMPORARY)
        named = os.path.abspath(str(getattr(error, "filename", None) or own))
        if number in DISK_ERRORS and named.startswith(own):
            # Libraries say it in lines of their own; who names a file has something to say.
            said = error.strerror if isinstance(error, OSError) and error.filename else None
            raise OSError(number, said or os.strerror(number), str(path)) from error
        raise


def previous_shards(path: str | os.PathLike) -> list[str]:
    """List the files of earlier runs that may hold a part of what a shard, such as ``probe-3of8.h5``, will hold.

    They are the file at ``path`` itself, and the shards of other divisions beside it (``probe-1of4.h5``). The other shards
    of its own division are not listed: other jobs may be writing them.
    """
    path = Path(path)
    own = re.fullmatch(r"(.*?)\d+(of\d+)", path.stem)
    others: list[str] = []
    if own:
        same_kind = sorted(path.parent.glob(f"{own[1]}*of*{path.suffix}"))
        others = [str(other) for other in same_kind if not other.stem.endswith(own[2])]
    return [*others, str(path)] if path.exists() else others


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write UTF-8 text, atomically."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | os.PathLike, content: Any) -> None:
    """Write one JSON value, indented, keys in order, atomically; what JSON does not know, as a string."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
    with atomic_write(path) as temporary:
        temporary.write_bytes(orjson.dumps(content, option=options, default=str))


@contextlib.contextmanager
def _text_sink(path: Path) -> Iterator[IO[bytes] | io.BufferedWriter]:
    # No name and no time in the gzip header: the same rows give the same bytes.
    with open(path, "wb") as raw:
        if path.suffix == ".gz":
            packed = igzip.IGzipFile(filename="", mode="wb", fileobj=raw, compresslevel=2, mtime=0)
            # The bytes depend on the pieces that come in, and versions of Python collect small ones differently.
            with io.BufferedWriter(packed, 1 << 20) as sink:
                yield sink
        else:
            yield raw


@contextlib.contextmanager
def json_lines_writers(paths: Mapping[Key, str | os.PathLike]) -> Iterator[dict[Key, Callable[[Any], object]]]:
    """Open several JSON-lines files at once; yields ``{key: write}``; all of them appear together, or none."""
    with contextlib.ExitStack() as stack:
        writers: dict[Key, Callable[[Any], object]] = {}
        for key, path in paths.items():
            sink = stack.enter_context(_text_sink(stack.enter_context(atomic_write(path))))
            writers[key] = functools.partial(_write_row, sink)
        yield writers


def _write_row(sink: IO[bytes] | io.BufferedWriter, row: Any) -> None:
    sink.write(orjson.dumps(row) + b"\n")


def write_json_lines(path: str | os.PathLike, rows: Iterable[Any]) -> None:
    """Write one JSON object a line, UTF-8; gzip where the name ends in ``.gz``."""
    with json_lines_writers({"rows": path}) as write:
        for row in rows:
            write["rows"](row)


def concatenate(targets: Mapping[Path, Sequence[str | os.PathLike]]) -> None:
    """Write each target as its sources one after the other: ``{target: sources}``. Of gzip files the lines follow too."""
    with contextlib.ExitStack() as stack:
        for target, sources in targets.items():
            with open(stack.enter_context(atomic_write(target)), "wb") as sink:
                for source in sources:
                    with open(source, "rb") as file:
                        shutil.copyfileobj(file, sink, 1 << 20)


def read_lines(path: str | os.PathLike) -> Iterator[tuple[str, bytes | InputError]]:
    """Yield ``("FILE, line N", line)`` for each line of a file, plain or gzip, one in memory at a time.

    UTF-8; a byte order mark is left out, and UTF-16 and UTF-32 become UTF-8. A line that is empty, is no UTF-8 or is longer
    than ``MAX_LINE_BYTES`` gives an InputError in its place; empty lines at the end are left out. Raises InputError for a
    file that is missing or cut off.
    """
    path = Path(path)
    number = empty = 0
    # Python's own line reader over a large buffer: a call of the decompressor for every few hundred lines.
    opened = igzip.open if path.suffix == ".gz" else open
    with (
        whole_files.reading(path, lambda: f", after line {number}"),
        io.BufferedReader(opened(path, "rb"), 1 << 20) as file,
    ):
        encoding, lines = encodings.encoding_of(file.peek(4)), file
        if not encoding.startswith("utf-8"):
            lines = io.BufferedReader(encodings.AsUtf8(file, encoding), 1 << 20)
        while line := lines.readline(MAX_LINE_BYTES):
            number += 1
            if line.isspace() and len(line) < MAX_LINE_BYTES:
                empty += 1
                continue
            for i in range(number - empty, number):
                yield f"{path}, line {i}", _checked(path, i, b"", lines)
            empty = 0
            yield f"{path}, line {number}", _checked(path, number, line, lines)


def _checked(path: Path, number: int, line: bytes, lines: IO[bytes]) -> bytes | InputError:
    if len(line) == MAX_LINE_BYTES and not line.endswith(b"\n"):
        while (rest := lines.readline(1 << 20)) and not rest.endswith(b"\n"):
            pass
        return InputError(
            f"{path}, line {number}: longer than {MAX_LINE_BYTES >> 20} MiB. Wanted: JSON lines, one object a line."
        )
    line = line.removeprefix(encodings.BOM)
    if not line or line.isspace():
        return EmptyLineError(f"{path}, line {number}: the line is empty. Remove it.")
    try:
        if not line.isascii():
            line.decode()
    except UnicodeDecodeError as error:
        return InputError(f"{path}, line {number}: {encodings.misfit(error)}")
    return line


def read_json_lines(path: str | os.PathLike) -> Iterator[tuple[str, dict]]:
    """Yield ``("FILE, line N", object)`` for each line of a JSON-lines file, plain or gzip, one line in memory at a time.

    Raises InputError for a file that is missing or cut off, and for a line that is no JSON object.
    """
    for where, line in read_lines(path):
        if isinstance(line, InputError):
            raise line
        yield where, json_object(where, line)


def json_object(where: str, line: bytes) -> dict:
    """Return a line's JSON object; raise InputError where it is none."""
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        if not ends_early(line):
            raise InputError(f"{where}: not a JSON object ({error}). Write it as JSON.") from None
        raise InputError(
            f"{where}: not a whole JSON object ({error}; the line has {len(line)} bytes and ends in "
            f"{line[-30:].decode(errors='replace')!r}). Was the file cut off? Fetch or write it again."
        ) from None
    if not isinstance(row, dict):
        raise InputError(f"{where}: a JSON object is wanted, found {type(row).__name__}.")
    return row


def ends_early(line: bytes) -> bool:
    """Whether a text that is no JSON ends before its value does, as where a file was cut off."""
    try:
        orjson.loads(line.decode(errors="replace").rstrip())
    except orjson.JSONDecodeError as error:
        return not line.strip() or "unexpected end" in str(error)
    return False
