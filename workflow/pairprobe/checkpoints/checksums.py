"""Checksums of a checkpoint's files: written when it is made, compared before it is used."""

import functools
from pathlib import Path

from pairprobe.errors import InputError
from pairprobe.io.digests import file_digest

# The file in a checkpoint's folder that has them, in the form of ``sha256sum``.
CHECKSUMS = "SHA256SUMS"


def write_checksums(folder: str | Path) -> None:
    """Write the SHA-256 of each file into a checkpoint's folder."""
    folder = Path(folder)
    digests = [f"{file_digest(file)}  {file.name}\n" for file in sorted(folder.iterdir()) if file.name != CHECKSUMS]
    (folder / CHECKSUMS).write_text("".join(digests), encoding="utf-8")


def verify_checksums(folder: str | Path) -> None:
    """Raise InputError where a file of a checkpoint is missing or differs from its checksum.

    A folder that has no checksums passes.
    """
    checksums = Path(folder) / CHECKSUMS
    for line in checksums.read_text(encoding="utf-8").splitlines() if checksums.is_file() else ():
        wanted, name = line.split("  ", 1)
        file = Path(folder) / name
        found = _digest_of(file, file.stat().st_mtime_ns) if file.is_file() else "no file"
        if found != wanted:
            raise InputError(
                f"checkpoint {folder}: {name} was damaged on disk: found the SHA-256 {found}, wanted {wanted} (in "
                f"{CHECKSUMS}). Delete the folder, and it is made again."
            )


# A job loads config, tokenizer and weights one after the other, and each of them verifies the folder.
@functools.lru_cache(maxsize=64)
def _digest_of(path: Path, _modified: int) -> str:
    return file_digest(path)
