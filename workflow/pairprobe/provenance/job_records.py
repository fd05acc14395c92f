"""The record of one job: each job that ends without an error writes ``provenance/{rule}/{job}.json``, beside its log.

A record has what the job read and wrote, with digests of what it wrote, its code and parameters, the time, the machine
and the versions of packages. ``run_record`` puts the records of a run together. Nothing here changes a result, so an edit
of this module runs no job again: see ``code.WATCHING``.
"""

import contextlib
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import orjson

from pairprobe.errors import InputError
from pairprobe.io import files
from pairprobe.io.digests import digest_of, file_digest, files_of_folder, folder_digests
from pairprobe.provenance import machine

VERSION = 1
FOLDER = "provenance"
# What a job made, where a command asks for jobs of that kind. The workflow names it: ``job(snakemake, kind="ranking")``.
ACTIVATIONS, SIMILARITIES = "activations", "similarities"
RANKING, PERCENTAGES, PERCENTAGE_FIGURE = "ranking", "percentages", "percentage_figure"
KINDS = frozenset({ACTIVATIONS, SIMILARITIES, RANKING, PERCENTAGES, PERCENTAGE_FIGURE})


class Named(Protocol):
    """Values that have names."""

    def items(self) -> Iterable[tuple[str, Any]]:
        """Return names and values."""


class Task(Protocol):
    """What a workflow gives to a script. ``log``: the log file first."""

    rule: str
    wildcards: Named
    input: Iterable[str]
    output: Iterable[str]
    params: Named
    log: Sequence[str]
    threads: int


def path_of(log: str | Path, rule: str) -> Path | None:
    """Return where the record of a job lies: the path of its log, with ``provenance`` instead of ``logs``.

    None for a log outside such a folder: that job belongs to no run, and leaves no record.
    """
    parts = Path(log).parts
    for i, part in enumerate(parts[:-1]):
        # A run, a checkpoint or a file of data may be called "logs" too; the rule's name comes next in one place only.
        if part == "logs" and parts[i + 1] in (rule, f"{rule}.log"):
            return Path(*parts[:i], FOLDER, *parts[i + 1 :]).with_suffix(".json")
    return None


@contextlib.contextmanager
def recorded(task: Task, kind: str | None = None) -> Iterator[None]:
    """Write the record of a job when the block ends without an error; else leave none, not even one from before.

    kind: one of ``KINDS``, or None. Raises ValueError for any other kind.
    """
    if kind is not None and kind not in KINDS:
        raise ValueError(f"kind: found {kind!r}. Allowed: {', '.join(sorted(KINDS))}.")
    path = path_of(task.log[0], getattr(task, "rule", ""))
    if path is None:
        yield
        return
    path.unlink(missing_ok=True)
    started, clock = datetime.now(UTC), time.monotonic()
    # Before the job: another job may change its inputs later.
    inputs = [describe(name) for name in task.input]
    yield
    seconds = time.monotonic() - clock
    files.write_json(path, _record(task, kind, inputs, started, seconds))


def _record(task: Task, kind: str | None, inputs: list[dict], started: datetime, seconds: float) -> dict:
    params = _portable(dict(task.params.items()))
    return {
        "version": VERSION,
        "rule": task.rule,
        "kind": kind,
        "wildcards": dict(task.wildcards.items()),
        "inputs": inputs,
        "outputs": [fingerprint(name) for name in task.output],
        "code": params.pop("code", None),
        "params": params,
        "threads": task.threads,
        "precision": _precision(params),
        "started": started.isoformat(timespec="milliseconds"),
        "seconds": round(seconds, 3),
        "machine": machine.hardware(),
        "packages": machine.versions(),
    }


def describe(path: str | Path) -> dict:
    """Return ``{path, bytes, mtime_ns}``, which tell a file from a later one of its name; a folder's: of all its files.

    mtime_ns: when it was last changed, in nanoseconds since 1970; a folder's: the latest of its files.
    """
    path = Path(path)
    stats = [file.stat() for file in (files_of_folder(path) if path.is_dir() else [path])]
    return {
        "path": _portable(path),
        "bytes": sum(stat.st_size for stat in stats),
        "mtime_ns": max((stat.st_mtime_ns for stat in stats), default=0),
    }


def fingerprint(path: str | Path) -> dict:
    """Return what ``describe`` does and ``sha256``; for a folder also ``files``: ``{name: {bytes, sha256}}``."""
    path = Path(path)
    if not path.is_dir():
        return {**describe(path), "sha256": file_digest(path)}
    digests = folder_digests(path)
    return {
        **describe(path),
        "sha256": digest_of(digests),
        "files": {name: {"bytes": (path / name).stat().st_size, "sha256": digest} for name, digest in digests.items()},
    }


def _portable(value: Any) -> Any:
    """Return a value as JSON can hold it; a path below the current folder is made relative to it."""
    if isinstance(value, str | os.PathLike):
        return os.fspath(value).removeprefix(f"{os.getcwd()}/")
    if isinstance(value, dict):
        return {str(key): _portable(part) for key, part in value.items()}
    if isinstance(value, list | tuple | set):
        return [_portable(part) for part in value]
    return value


def _precision(params: dict) -> str | None:
    """Return the precision that a job computed in, where its parameters name one; for "auto" the one that was chosen."""
    asked = params.get("precision") or params.get("settings", {}).get("precision")
    torch = sys.modules.get("torch")
    if asked is None or torch is None:
        return asked
    from pairprobe.checkpoints.devices import resolve_precision

    return resolve_precision(asked, "cuda" if torch.cuda.is_available() else "cpu")


def path_in(folder: str | Path, job: str) -> Path:
    """Return where a job's record lies in a run's folder; the job is named after it ("{rule}/finetuned.synonyms")."""
    return Path(folder) / FOLDER / f"{job}.json"


def jobs_of(folder: str | Path) -> list[str]:
    """List the names of the jobs that have a record, sorted."""
    root = Path(folder) / FOLDER
    paths = (path.relative_to(root) for path in root.rglob("*.json") if not path.name.startswith("."))
    return sorted(path.with_suffix("").as_posix() for path in paths)


def read(folder: str | Path, job: str) -> dict:
    """Read the record of a job. Raises InputError where it is not JSON."""
    path = path_in(folder, job)
    try:
        return orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError as error:
        raise InputError(
            f"{path}: not JSON ({error}). Delete it and the files that its job made; snakemake makes both again."
        ) from None
