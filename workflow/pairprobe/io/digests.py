"""Digests of files and folders."""

import hashlib
from collections.abc import Iterable
from pathlib import Path


def file_digest(path: str | Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def folder_digest(folder: str | Path) -> str:
    """Return one SHA-256 over the names and bytes of every file below a folder, whatever their order on disk."""
    return digest_of(folder_digests(folder))


def folder_digests(folder: str | Path) -> dict[str, str]:
    """Return the SHA-256 of every file below a folder, ``{name: digest}``, a name being a path in the folder."""
    return {path.relative_to(folder).as_posix(): file_digest(path) for path in files_of_folder(folder)}


def digest_of(digests: dict[str, str]) -> str:
    """Return the digest of a folder from those of its files."""
    total = hashlib.sha256()
    for name in sorted(digests, key=Path):
        total.update(f"{name}\0{digests[name]}\n".encode())
    return total.hexdigest()


def joined(parts: Iterable[bytes]) -> bytes:
    """Join parts for a digest, each after its length: no two lists have the same bytes, whatever stands in their parts."""
    return b"".join(len(part).to_bytes(8, "big") + part for part in parts)


def files_of_folder(folder: str | Path) -> list[Path]:
    """List the files below a folder, in order; hidden ones are a workflow's own marks, and none of the content."""
    found = (path for path in Path(folder).rglob("*") if path.is_file())
    return sorted(path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts))
