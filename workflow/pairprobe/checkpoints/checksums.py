"""Checksums of a checkpoint's files: written when it is made, compared before it is used."""

import functools
import re
from pathlib import Path

from pairprobe.errors import InputError
from pairprobe.io.digests import file_digest

# The file in a checkpoint's folder that has them, in the form of ``sha256sum``. Its first line, a comment there, says
# that they are ours: in a folder of one's own, a file of that name may be about anything.
CHECKSUMS, FIRST_LINE = "SHA256SUMS", "# Written by pairprobe when it made this folder."


def write_checksums(folder: str | Path) -> None:
    """Write the SHA-256 of each file into a checkpoint's folder, those in a folder of an adapter as well."""
    folder = Path(folder)
    files = [file for file in sorted(folder.glob("**/*")) if file.is_file() and file != folder / CHECKSUMS]
    digests = [f"{file_digest(file)}  {file.relative_to(folder)}" for file in files]
    (folder / CHECKSUMS).write_text("\n".join([FIRST_LINE, *digests, ""]), encoding="utf-8")


def verify_checksums(folder: str | Path) -> None:
    """Raise InputError where a file of a checkpoint is missing or differs from the checksum that ``write_checksums`` wrote.

    A folder that has no such checksums passes.
    """
    for name, wanted in _read(Path(folder) / CHECKSUMS).items():
        file = Path(folder) / name
        found = _digest_of(file, file.stat().st_mtime_ns) if file.is_file() else "no file"
        if found != wanted:
            raise InputError(
                f"checkpoint {folder}: {name} was damaged on disk, or changed: found the SHA-256 {found}, wanted "
                f"{wanted} (in {CHECKSUMS}). A folder of results (results/*/checkpoints) may be deleted: it is made "
                f"again. In any other, put the file back; or, if the change was meant, delete {CHECKSUMS}."
            )


def has_checksums(folder: str | Path) -> bool:
    """Say whether a folder has checksums that ``write_checksums`` wrote."""
    return bool(_read(Path(folder) / CHECKSUMS))


def _read(checksums: Path) -> dict[str, str]:
    """Return the checksums that are ours, ``{name: SHA-256}``."""
    if not checksums.is_file():
        return {}
    with open(checksums, encoding="utf-8", errors="replace") as lines:
        if lines.readline().rstrip("\n") != FIRST_LINE:
            return {}
        found = [re.fullmatch(r"([0-9a-f]{64})  ((?:[\w-]+/)?[^/\0]+)\n", line) for line in lines]
    if not found or None in found:
        raise InputError(
            f"{checksums}: not a whole list of checksums. A folder of results (results/*/checkpoints) may be deleted: it "
            "is made again. In any other, delete this file."
        )
    return {match[2]: match[1] for match in found if match}


# A job loads config, tokenizer and weights one after the other, and each of them verifies the folder.
@functools.lru_cache(maxsize=64)
def _digest_of(path: Path, _modified: int) -> str:
    return file_digest(path)
