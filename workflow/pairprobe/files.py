"""Files written whole or not at all, and JSON lines whose errors name the line."""

import contextlib
import gzip
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

import orjson

from pairprobe.errors import InputError


@contextlib.contextmanager
def whole(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; when the block ends well, rename it to ``path``; else remove it.

    The temporary name keeps the suffixes, so that a writer which goes by them (gzip, matplotlib) is not misled. A
    folder may be made at it as well as a file.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".{os.getpid()}.{path.name}"
    _remove(temporary)
    try:
        yield temporary
        if path.is_dir():
            _remove(path)
        os.replace(temporary, path)
    finally:
        _remove(temporary)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write UTF-8 text, whole or not at all."""
    with whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextlib.contextmanager
def _text_sink(path: Path) -> Iterator[IO[bytes]]:
    # No name and no time in the gzip header: the same rows give the same bytes.
    with open(path, "wb") as raw:
        if path.suffix == ".gz":
            with gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=6, mtime=0) as sink:
                yield sink
        else:
            yield raw


@contextlib.contextmanager
def json_lines_writers(paths: dict[str, str]) -> Iterator[dict[str, Any]]:
    """Open several JSON-lines files at once; yields ``{key: write}``; all of them appear together, or none."""
    with contextlib.ExitStack() as stack:
        writers = {}
        for key, path in paths.items():
            sink = stack.enter_context(_text_sink(stack.enter_context(whole(path))))
            writers[key] = lambda row, sink=sink: sink.write(orjson.dumps(row) + b"\n")
        yield writers


def write_json_lines(path: str | os.PathLike, rows: Iterable[Any]) -> None:
    """Write one JSON object a line, UTF-8; gzip where the name ends in ``.gz``."""
    with json_lines_writers({"rows": os.fspath(path)}) as write:
        for row in rows:
            write["rows"](row)


def read_json_lines(path: str | os.PathLike) -> Iterator[tuple[str, dict]]:
    """Yield ``("FILE, line N", object)`` for each line of a JSON-lines file, plain or gzip, one line in memory at a time.

    Raises InputError for a file that is missing or cut off, and for a line that is no JSON object.
    """
    path = Path(path)
    number = 0
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else open(path, "rb") as lines:
            for number, line in enumerate(lines, 1):
                where = f"{path}, line {number}"
                try:
                    row = orjson.loads(line)
                except orjson.JSONDecodeError as error:
                    raise InputError(
                        f"{where}: not a whole JSON object ({error}; the line has {len(line)} bytes and ends in "
                        f"{line[-30:].decode(errors='replace')!r}). Was the file cut off? Fetch or write it again."
                    ) from None
                if not isinstance(row, dict):
                    raise InputError(f"{where}: a JSON object is wanted, found {type(row).__name__}.")
                yield where, row
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file. Check the path in the configuration.") from None
    except (EOFError, gzip.BadGzipFile) as error:
        raise InputError(
            f"{path}, after line {number}: not a whole gzip file ({error}). Fetch or write it again."
        ) from None


def scratch(beside: str | os.PathLike) -> tempfile.TemporaryDirectory:
    """Make a temporary folder on the same disk as ``beside``."""
    parent = Path(beside).parent
    parent.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryDirectory(dir=parent, prefix=".scratch-")
