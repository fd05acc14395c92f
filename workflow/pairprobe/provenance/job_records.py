"""The record of one job: each job that ends without an error writes ``provenance/{rule}/{job}.json``, beside its log.

A record has what the job read and wrote, with digests of what it wrote, its code and parameters, the time, the machine
and the versions of packages. ``run_record`` puts the records of a run together. Nothing here changes a result, so an edit
of this module runs no job again: see ``code.WATCHING``.
"""

import contextlib
import os
import shlex
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired, Protocol, TypedDict, cast

import msgspec

from pairprobe.errors import InputError
from pairprobe.io import files, typed_json
from pairprobe.io.digests import digest_of, file_digest, files_of_folder, folder_digests
from pairprobe.provenance import machine

VERSION = 1
FOLDER = "provenance"
# What a job made, where a command asks for jobs of that kind. The workflow names it: ``job(snakemake, kind="ranking")``.
ACTIVATIONS, SIMILARITIES = "activations", "similarities"
RANKING, PERCENTAGES, PERCENTAGE_FIGURE = "ranking", "percentages", "percentage_figure"
# A checkpoint that is none of the configuration's.
CHECKPOINT = "checkpoint"
# A record is refused beyond this size, before memory is taken: the largest are those of checkpoints with many files.
MAX_BYTES = 64 << 20
KINDS = frozenset({ACTIVATIONS, SIMILARITIES, RANKING, PERCENTAGES, PERCENTAGE_FIGURE, CHECKPOINT})


Count = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]
Time = Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00$")]


class Content(TypedDict):
    """What a file is told by."""

    bytes: Count
    sha256: str


class Input(TypedDict):
    """A file that a job has read; sha256: where a job of the run has made it."""

    path: str
    bytes: Count
    mtime_ns: int
    sha256: NotRequired[str]


class Output(TypedDict):
    """A file that a job has written, or a folder with its files."""

    path: str
    bytes: Count
    mtime_ns: int
    sha256: str
    files: NotRequired[dict[str, Content]]


class Machine(TypedDict):
    """What ``machine.hardware`` returns."""

    processor: str | None
    cores: Count | None
    memory: Count | None
    gpus: list[str]
    system: str


class JobRecord(TypedDict):
    """The record of a job; docs/reference/files.md says what the fields are. Records of older versions have no kind."""

    version: Literal[1]
    rule: str
    kind: NotRequired[str | None]
    wildcards: dict[str, str]
    inputs: list[Input]
    outputs: list[Output]
    code: dict[str, str] | None
    params: dict[str, Any]
    threads: Count
    precision: str | None
    started: Time
    seconds: float
    machine: Machine
    packages: dict[str, str]


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


def folder_of_run(log: str | Path, outputs: Sequence[str | Path]) -> Path | None:
    """Return the folder of results that a job's log lies in, below ``logs``; None for no such log, and for no outputs.

    Of several folders named so (a run, a checkpoint or a file of data may be, too), it is the one beside the job's outputs.
    Rules have other names where a workflow is used as a module, so their names say nothing.
    """
    parts = Path(log).parts
    folders = [Path(*parts[:i]) for i, part in enumerate(parts[:-1]) if part == "logs"]
    beside = [folder for folder in folders if any(Path(output).is_relative_to(folder) for output in outputs)]
    if beside:
        return beside[-1]
    return folders[0] if folders and outputs else None


@contextlib.contextmanager
def recorded(task: Task, kind: str | None = None) -> Iterator[None]:
    """Write the record of a job when the block ends without an error; else leave none, not even one from before.

    kind: one of ``KINDS``, or None. Raises ValueError for any other kind, and InputError where an input is not as the job
    that made it has recorded: emptied, cut off, damaged, or changed by hand.
    """
    if kind is not None and kind not in KINDS:
        raise ValueError(f"kind: found {kind!r}. Allowed: {', '.join(sorted(KINDS))}.")
    folder = folder_of_run(task.log[0], list(getattr(task, "output", ())))
    if folder is None:
        yield
        return
    job = Path(task.log[0]).relative_to(folder / "logs").with_suffix("").as_posix()
    path = path_in(folder, job)
    started, clock = datetime.now(UTC), time.monotonic()
    # Before the job: another job may change its inputs later. And before its record goes: a job that is refused has no
    # new results, and Snakemake keeps the old ones.
    inputs = [_describe_input(folder, name) for name in task.input]
    path.unlink(missing_ok=True)
    yield
    seconds = time.monotonic() - clock
    files.write_json(path, _record(task, kind, inputs, started, seconds))
    for output in task.output:
        _write_maker(folder, output, job)


def _describe_input(folder: Path, name: str) -> dict:
    """Return what ``describe`` does and, where a job of the run has made the file, ``sha256`` as that has recorded it.

    Raises InputError where the file is not so. Large files (HDF5, gzip, Arrow, checkpoints) are compared by size alone:
    their readers compare checksums of their own.
    """
    found = describe(name)
    job = _maker(folder, name)
    if job is None or not path_in(folder, job).is_file():
        return found
    made = next((one for one in read(folder, job)["outputs"] if one["path"] == found["path"]), None)
    if made is None:
        return found
    differing = None
    if found["bytes"] != made["bytes"]:
        differing = f"found {found['bytes']:,} bytes, wanted {made['bytes']:,}"
    elif "files" not in made and Path(name).suffix not in (".h5", ".gz", ".arrow"):
        if (digest := file_digest(name)) != made["sha256"]:
            differing = f"found sha256 {digest[:16]}..., wanted {made['sha256'][:16]}..."
    if differing:
        raise InputError(
            f"{name}: {differing}, as the job {job} recorded when it made it. It was damaged or changed since. Delete it, "
            f"and name it, so that it is made again: the same command, with -- {shlex.quote(name)} all"
        )
    return {**found, "sha256": made["sha256"]}


def _path_of_maker(folder: Path, name: str) -> Path | None:
    if not Path(name).is_relative_to(folder):
        return None
    return Path(folder, FOLDER, ".outputs", f"{Path(name).relative_to(folder)}.job")


def _maker(folder: Path, name: str) -> str | None:
    """Return the job of the run that made a file, or None."""
    path = _path_of_maker(folder, name)
    try:
        return path.read_text(encoding="utf-8") or None if path else None
    except (FileNotFoundError, NotADirectoryError):
        return None


def _write_maker(folder: Path, name: str, job: str) -> None:
    # No more than a way to the record, so that a job need not read those of all jobs: nothing is lost with it.
    if path := _path_of_maker(folder, name):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(job, encoding="utf-8")


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
    """Read the record of a job. Raises InputError where it is none."""
    path = path_in(folder, job)
    record = typed_json.read(path, JobRecord, MAX_BYTES)
    if isinstance(record, InputError):
        raise InputError(f"{record} Delete it and the files that its job made; snakemake makes both again.")
    return cast(dict, record)
