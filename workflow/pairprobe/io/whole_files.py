"""A whole file in memory, plain or gzip, however much a small gzip file would become."""

import contextlib
import gzip
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from isal import igzip, isal_zlib

from pairprobe.errors import InputError
from pairprobe.io import encodings

# How many times as large as its gzip file a content may be: real text is 3 to 10 times as large, and pretty-printed JSON 30
# at most; a file made to fill the memory is 200 to 1000 times as large. Files below ``SMALL`` bytes may be anything.
MAX_RATIO, SMALL = 50, 64 << 20


def read(path: str | Path) -> bytes:
    """Return a file's content, decompressed where the name ends in ``.gz``.

    Raises InputError where it is missing, no regular file or no whole gzip file, and where it is more than ``MAX_RATIO``
    times as large as its gzip file; of that no more is taken into memory.
    """
    path = _regular(path)
    with reading(path):
        if path.suffix != ".gz":
            return path.read_bytes()
        size = os.path.getsize(path)
        limit = max(SMALL, MAX_RATIO * size)
        with igzip.open(path, "rb") as file:
            content: bytes = file.read(limit + 1)
    if len(content) > limit:
        raise InputError(
            f"{path}: {size:,} bytes that become more than {limit:,}; wanted at most {MAX_RATIO} times as "
            "many. If that is meant, decompress it first and name the decompressed file."
        )
    return content


def read_head(path: str | Path, size: int) -> bytes:
    """Return the first ``size`` bytes of what ``read`` returns, or all; no more is read. Raises InputError as ``read``."""
    path = _regular(path)
    with reading(path), (igzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
        content: bytes = file.read(size)
    return content


def _regular(path: str | Path) -> Path:
    path = Path(path)
    if path.exists() and not path.is_file():
        raise InputError(f"{path}: not a regular file. Write its content to one, and name that.")
    return path


@contextlib.contextmanager
def reading(path: Path, place: Callable[[], str] = str) -> Iterator[None]:
    """Raise InputError where a file that a block reads is missing, no whole gzip or no text. place: where it is by then."""
    try:
        if path.suffix == ".gz" and not path.stat().st_size:
            raise EOFError("it is empty")
        yield
    except FileNotFoundError:
        start = "" if path.is_absolute() else f"; it counts from {Path.cwd()}"
        raise InputError(f"{path}: there is no such file. Check the path{start}.") from None
    # isal's stub declares its exception class as an instance of Exception.
    except (EOFError, gzip.BadGzipFile, isal_zlib.error) as error:  # type: ignore[misc]
        raise InputError(f"{path}{place()}: not a whole gzip file ({error}). Fetch or write it again.") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}{place()}: {encodings.misfit(error)}") from None
