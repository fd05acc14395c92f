"""Atomic writes of files and folders, and JSON lines whose errors name the line."""

import contextlib
import functools
import gzip
import io
import os
import platform
import re
import shutil
import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, TypeVar

import orjson
from isal import igzip, isal_zlib

from pairprobe.errors import InputError

# No page of Natural Questions comes near this; a file without line ends must not fill the memory.
MAX_LINE_BYTES = 128 << 20
# Seconds after which a temporary file is thought to be left from a process of another host that was killed.
_ABANDONED_SECONDS = 24 * 3600

Key = TypeVar("Key", bound=Hashable)


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; when the block ends well, rename it to ``path``; else remove it.

    The temporary name keeps the suffixes, so that a writer which goes by them (gzip, matplotlib) is not misled. A
    folder may be made at it as well as a file. What a killed process left of the same target is removed.
    """
    path = Path(path)
    with _temporary(path) as temporary:
        yield temporary
        if path.is_dir():
            _remove(path)
        os.replace(temporary, path)


@contextlib.contextmanager
def scratch(beside: str | os.PathLike) -> Iterator[Path]:
    """Make a temporary folder on the same disk as ``beside``; what a killed process left of it is removed too."""
    with _temporary(Path(f"{beside}.scratch")) as temporary:
        temporary.mkdir()
        yield temporary


@contextlib.contextmanager
def _temporary(path: Path) -> Iterator[Path]:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".{os.getpid()}-{_host()}.{path.name}"
    _remove(temporary)
    for left in _abandoned(path):
        _remove(left)
    try:
        yield temporary
    finally:
        _remove(temporary)


def _host() -> str:
    return re.sub(r"\W", "_", platform.node())


def _abandoned(path: Path) -> Iterator[Path]:
    """Yield the temporary files of a target whose process has ended; another host's, when they are old."""
    form = re.compile(rf"\.(\d+)-(\w*)\.{re.escape(path.name)}")
    for other in path.parent.iterdir():
        if found := form.fullmatch(other.name):
            process, host = int(found[1]), found[2]
            if not is_running(process) if host == _host() else time.time() - other.stat().st_mtime > _ABANDONED_SECONDS:
                yield other


def is_running(process: int) -> bool:
    """Whether the process of this host with the number ``process`` has not ended."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it is another user's
        return True
    # A zombie has ended, but has a number until its parent asks for its status; in some containers nobody ever does.
    try:
        return Path(f"/proc/{process}/stat").read_text(errors="replace").rpartition(")")[2].split()[0] != "Z"
    except OSError:  # not Linux
        return True


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


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
def _text_sink(path: Path) -> Iterator[IO[bytes] | igzip.IGzipFile]:
    # No name and no time in the gzip header: the same rows give the same bytes.
    with open(path, "wb") as raw:
        if path.suffix == ".gz":
            with igzip.IGzipFile(filename="", mode="wb", fileobj=raw, compresslevel=2, mtime=0) as sink:
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


def _write_row(sink: IO[bytes] | igzip.IGzipFile, row: Any) -> None:
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

    A line that is empty, is no UTF-8 or is longer than ``MAX_LINE_BYTES`` gives an InputError in its place. Raises
    InputError for a file that is missing or cut off.
    """
    path = Path(path)
    number = 0
    try:
        if path.suffix == ".gz" and not path.stat().st_size:
            raise EOFError("it is empty")
        # Python's own line reader over a large buffer: a call of the decompressor for every few hundred lines.
        with io.BufferedReader(igzip.open(path, "rb") if path.suffix == ".gz" else open(path, "rb"), 1 << 20) as lines:
            while line := lines.readline(MAX_LINE_BYTES):
                number += 1
                yield f"{path}, line {number}", _checked(path, number, line, lines)
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file. Check the path in the configuration.") from None
    # isal's stub declares its exception class as an instance of Exception.
    except (EOFError, gzip.BadGzipFile, isal_zlib.error) as error:  # type: ignore[misc]
        raise InputError(
            f"{path}, after line {number}: not a whole gzip file ({error}). Fetch or write it again."
        ) from None


def _checked(path: Path, number: int, line: bytes, lines: IO[bytes]) -> bytes | InputError:
    if len(line) == MAX_LINE_BYTES and not line.endswith(b"\n"):
        while (rest := lines.readline(1 << 20)) and not rest.endswith(b"\n"):
            pass
        return InputError(
            f"{path}, line {number}: longer than {MAX_LINE_BYTES >> 20} MiB. Wanted: JSON lines, one object a line."
        )
    if line.isspace():
        return InputError(f"{path}, line {number}: the line is empty. Remove it.")
    try:
        if not line.isascii():
            line.decode()
    except UnicodeDecodeError as error:
        return InputError(
            f"{path}, line {number}: not UTF-8 ({error.reason} at byte {error.start}). Write the file again as UTF-8."
        )
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
        orjson.loads(line.rstrip())
    except orjson.JSONDecodeError as error:
        return not line.strip() or "unexpected end" in str(error)
    return False
