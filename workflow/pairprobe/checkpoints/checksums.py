"""Checksums of a checkpoint's files: written when it is fetched, checked before it is used."""

import functools
from pathlib import Path

from pairprobe.errors import InputError
from pairprobe.io.digests import file_digest

# What a checkpoint of the workflow has beside: the digests of its files.
SUMS = "SHA256SUMS"


def seal(folder: str | Path) -> None:
    """Write the SHA-256 of each file into a checkpoint's folder, in the form of ``sha256sum``, for ``check_seal``."""
    folder = Path(folder)
    digests = [f"{file_digest(file)}  {file.name}\n" for file in sorted(folder.iterdir()) if file.name != SUMS]
    (folder / SUMS).write_text("".join(digests), encoding="utf-8")


def check_seal(folder: str | Path) -> None:
    """Raise InputError where a file of a checkpoint is not as it was when the folder was sealed; a folder need not be."""
    sums = Path(folder) / SUMS
    for line in sums.read_text(encoding="utf-8").splitlines() if sums.is_file() else ():
        wanted, name = line.split("  ", 1)
        file = Path(folder) / name
        found = _digest_of(file, file.stat().st_mtime_ns) if file.is_file() else "no file"
        if found != wanted:
            raise InputError(
                f"checkpoint {folder}: {name} was damaged on disk: found the SHA-256 {found}, wanted {wanted} (in {SUMS}). "
                "Delete the folder, and it is made again."
            )


# A job loads a checkpoint's parts one after the other.
@functools.lru_cache(maxsize=64)
def _digest_of(path: Path, _modified: int) -> str:
    return file_digest(path)
