"""What made a result: each job that ends well leaves a record, ``provenance/{rule}/{job}.json`` beside its log.

A record says what the job read and wrote, with digests of what it wrote, by which code and parameters, when, on what
machine and with which versions. ``ledger`` puts the records of a run together. Nothing here changes a result: see
``provenance.code_of``.
"""

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from pairprobe.errors import InputError
from pairprobe.io import files
from pairprobe.io.digests import digest_of, file_digest, files_of_folder, folder_digests
from pairprobe.provenance import machine

VERSION = 1
FOLDER = "provenance"


def path_of(log: str | Path, rule: str) -> Path | None:
    """Return where the record of a job lies: as its log, in the folder ``provenance`` instead of ``logs``.

    None for a log that lies in no such folder: a job outside a run leaves no record.
    """
    parts = Path(log).parts
    for i, part in enumerate(parts[:-1]):
        # A run, a checkpoint or a file of data may be called "logs" too; the rule's name comes next in one place only.
        if part == "logs" and parts[i + 1] in (rule, f"{rule}.log"):
            return Path(*parts[:i], FOLDER, *parts[i + 1 :]).with_suffix(".json")
    return None


@contextlib.contextmanager
def kept(task) -> Iterator[None]:
    """Write the record of a job when the block ends well; where it does not, none is left, not even one from before.

    task: what a workflow gives to a script, with ``rule``, ``wildcards``, ``input``, ``output``, ``params``, ``log`` and
    ``threads``.
    """
    path = path_of(task.log[0], getattr(task, "rule", ""))
    if path is None:
        yield
        return
    path.unlink(missing_ok=True)
    started, clock = datetime.now(UTC), time.monotonic()
    # Before the job: these are what it reads, whatever comes of them later.
    inputs = [seen(name) for name in task.input]
    yield
    seconds = time.monotonic() - clock
    files.write_json(path, _record(task, inputs, started, seconds))


def _record(task, inputs: list[dict], started: datetime, seconds: float) -> dict:
    params = _portable(dict(task.params.items()))
    return {
        "version": VERSION,
        "rule": task.rule,
        "wildcards": dict(task.wildcards.items()),
        "inputs": inputs,
        "outputs": [made(name) for name in task.output],
        "code": params.pop("code", None),
        "params": params,
        "threads": task.threads,
        "precision": _precision(params),
        "started": started.isoformat(timespec="milliseconds"),
        "seconds": round(seconds, 3),
        "machine": machine.hardware(),
        "packages": machine.versions(),
    }


def seen(path: str | Path) -> dict:
    """Return ``{path, bytes, mtime_ns}``, which tell a file from a later one of its name; a folder's: of all that it holds.

    mtime_ns: when it was last changed, in nanoseconds; a folder's: the latest of its files.
    """
    path = Path(path)
    stats = [file.stat() for file in (files_of_folder(path) if path.is_dir() else [path])]
    return {
        "path": _portable(path),
        "bytes": sum(stat.st_size for stat in stats),
        "mtime_ns": max((stat.st_mtime_ns for stat in stats), default=0),
    }


def made(path: str | Path) -> dict:
    """Return what ``seen`` does and ``sha256``; for a folder also ``files``: ``{name: {bytes, sha256}}``."""
    path = Path(path)
    if not path.is_dir():
        return {**seen(path), "sha256": file_digest(path)}
    digests = folder_digests(path)
    return {
        **seen(path),
        "sha256": digest_of(digests),
        "files": {name: {"bytes": (path / name).stat().st_size, "sha256": digest} for name, digest in digests.items()},
    }


def _portable(value: Any) -> Any:
    """Return what JSON holds of a value; paths below the folder that the workflow runs in begin there."""
    if isinstance(value, str | os.PathLike):
        return os.fspath(value).removeprefix(f"{os.getcwd()}/")
    if isinstance(value, dict):
        return {str(key): _portable(part) for key, part in value.items()}
    if isinstance(value, list | tuple | set):
        return [_portable(part) for part in value]
    return value


def _precision(params: dict) -> str | None:
    """Return the precision that a job computed in, where its parameters name one: what "auto" came to on this machine."""
    asked = params.get("precision") or params.get("settings", {}).get("precision")
    torch = sys.modules.get("torch")
    if asked is None or torch is None:
        return asked
    from pairprobe.checkpoints.devices import resolve_precision

    return resolve_precision(asked, "cuda" if torch.cuda.is_available() else "cpu")


def path_in(folder: str | Path, job: str) -> Path:
    """Return where a job's record lies in a run's folder; a job is called after it ("rank_pairs/finetuned.synonyms")."""
    return Path(folder) / FOLDER / f"{job}.json"


def jobs_of(folder: str | Path) -> list[str]:
    """Name the jobs that have left a record, in order."""
    root = Path(folder) / FOLDER
    paths = (path.relative_to(root) for path in root.rglob("*.json") if not path.name.startswith("."))
    return sorted(path.with_suffix("").as_posix() for path in paths)


def read(folder: str | Path, job: str) -> dict:
    """Read the record of a job. Raises InputError where it is no JSON."""
    path = path_in(folder, job)
    try:
        return orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError as error:
        raise InputError(f"{path}: not JSON ({error}). Delete it and what its job made, and both are made again.") from None
