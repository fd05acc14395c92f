"""The record of a run, ``provenance.json``: the records of all its jobs, with configuration, data and checkpoints.

Paths in it are relative to the folder that the workflow was run in. Two runs with the same results differ in times alone.
"""

import shlex
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path, PurePath
from typing import Annotated, Any, NotRequired, TypedDict, cast

import msgspec

from pairprobe.errors import InputError
from pairprobe.io import digests, typed_json
from pairprobe.io import files as files_io
from pairprobe.provenance import job_records

VERSION = 1
NAME = "provenance.json"
# Written beside it where somebody asks for it.
RO_CRATE = "ro-crate-metadata.json"
# A run record is refused beyond this size, before memory is taken; each of a run's files takes some 300 bytes of it.
MAX_BYTES = 1 << 30
# What it has of a job as the job's own record has it. Records of older versions have no kind.
_OF_JOB = ("rule", "kind", "wildcards", "params", "threads", "precision", "started", "seconds")
# What lies in a run's folder and is no result: how the jobs went, and the saved states of trainings.
_NO_RESULTS = ("logs", "benchmarks", job_records.FOLDER, "finetuning", NAME, RO_CRATE)


def collect(
    folder: str,
    config: dict,
    configfiles: list[str],
    data: dict,
    published: dict | None,
    results: Iterable[str],
    snakefile: str | None = None,
) -> dict:
    """Put the records of a run's jobs together, all but that of the job that writes the run record itself.

    folder: ``results/{run}``. config: the whole checked configuration; configfiles: the files that it came from. data:
    ``{file of data: partitions that its pages may go to}``; published: what these were downloaded from, or None.
    results: the files that were asked for; files that these do not depend on are listed under ``aside``. snakefile: the
    one that was run. What killed jobs have left half-written in the folder is removed.
    """
    files_io.remove_leftovers(folder, deep=True)
    read = {job: job_records.read(folder, job) for job in job_records.jobs_of(folder)}
    records = _current({job: record for job, record in read.items() if not writes_run_record(record, folder)})
    files, folders, temporary = _outputs(records)
    makers = {path: entry["job"] for path, entry in {**files, **folders, **temporary}.items()}
    outside = sorted({path for record in records.values() for path in _inputs_of(record)} - makers.keys())
    inputs = {path: _content(job_records.fingerprint(path)) for path in outside if Path(path).exists()}
    wanted = [makers[path] for path in results if path in makers]
    needed = set(_reachable(wanted, lambda job: [makers[path] for path in _inputs_of(records[job]) if path in makers]))
    return {
        "version": VERSION,
        "run": config["run"],
        "folder": folder,
        "configuration": config,
        "configuration_files": configfiles,
        "snakefile": snakefile,
        "seeds": dict(_seeds(config)),
        "data": _data(config["data"], data, published, {**inputs, **files}),
        "checkpoints": _checkpoints(config["checkpoints"], folder, folders),
        **_jobs(records, folder),
        "files": files,
        "folders": folders,
        "temporary": temporary,
        "inputs": inputs,
        "aside": sorted(path for path, job in makers.items() if job not in needed and path not in temporary),
        "unaccounted": files_without_job(folder, folder, files),
        "changed_since": list(_changed_since(records)),
    }


def writes_run_record(job_record: dict, folder: str) -> bool:
    """Say whether a job's record is that of the job that wrote the run record of this folder (``results/{run}``)."""
    return any(output["path"] == f"{folder}/{NAME}" for output in job_record["outputs"])


def files_without_job(folder: str | Path, named: str, files: Iterable[str]) -> list[str]:
    """List the files in a run's folder that are not among ``files``, those of its jobs; named: its path in these."""
    known = {Path(path) for path in files}
    found = (path.relative_to(folder) for path in Path(folder).rglob("*") if path.is_file())
    return sorted(
        (Path(named) / path).as_posix()
        for path in found
        if path.parts[0] not in _NO_RESULTS
        and not any(part.startswith(".") for part in path.parts)
        and Path(named) / path not in known
    )


def _current(records: dict[str, dict]) -> dict[str, dict]:
    """Drop outputs that a later job has written again or that are gone and not needed, and records that have none left.

    A file that was deleted after its last use is needed where an output that exists was made from it, directly or not.
    """
    by_time = sorted(records.items(), key=lambda item: item[1]["started"])
    makers = {one["path"]: job for job, record in by_time for one in record["outputs"]}
    exist = [path for path in makers if Path(path).exists()]
    needed = set(_reachable(exist, lambda path: makers.keys() & _inputs_of(records[makers[path]])))
    outputs = {
        job: [one for one in record["outputs"] if makers[one["path"]] == job and one["path"] in needed]
        for job, record in records.items()
    }
    return {job: {**record, "outputs": outputs[job]} for job, record in records.items() if outputs[job]}


def _inputs_of(job_record: dict) -> list[str]:
    return [one["path"] for one in job_record["inputs"]]


def _content(one: dict) -> dict:
    return {"bytes": one["bytes"], "sha256": one["sha256"]}


def _outputs(records: dict[str, dict]) -> tuple[dict, dict, dict]:
    """Return the files that jobs made, also those in folders; the folders; and both that are gone.

    Each is ``{path: {bytes, sha256, job}}``.
    """
    files: dict[str, dict] = {}
    folders: dict[str, dict] = {}
    temporary: dict[str, dict] = {}
    for job, record in records.items():
        for one in record["outputs"]:
            entry, inside = {**_content(one), "job": job}, one.get("files")
            if not Path(one["path"]).exists():
                temporary[one["path"]] = entry
                continue
            (files if inside is None else folders)[one["path"]] = entry
            for name, content in (inside or {}).items():
                files[f"{one['path']}/{name}"] = {**content, "job": job}
    return files, folders, temporary


def _reachable(start: Iterable[str], following: Callable[[str], Iterable[str]]) -> Iterator[str]:
    """Yield what is reached from ``start``, which is included, by the steps ``following``: each once, the nearest first."""
    waiting, seen = deque(start), set()
    while waiting:
        one = waiting.popleft()
        if one not in seen:
            seen.add(one)
            yield one
            waiting += following(one)


def _jobs(records: dict[str, dict], folder: str) -> dict:
    """Return the jobs, and, each once, what many of them have in common: machines, environments, and the code of a rule.

    Jobs share an environment unless they have two versions of one package; each has loaded only some of its packages.
    """
    machines: list[dict] = []
    environments: list[dict] = []
    codes: dict[str, list[dict]] = {}
    jobs = {}
    for job, record in records.items():
        code = record["code"]
        jobs[job] = {
            **{key: record[key] for key in _OF_JOB if key in record},
            "record": digests.file_digest(job_records.path_in(folder, job)),
            "inputs": _inputs_of(record),
            "outputs": [one["path"] for one in record["outputs"]],
            "code": None if code is None else _index(code, codes.setdefault(record["rule"], [])),
            "machine": _index(record["machine"], machines),
            "environment": _index_of_environment(record["packages"], environments),
        }
    environments = [dict(sorted(one.items(), key=lambda item: item[0].lower())) for one in environments]
    return {"jobs": jobs, "code": codes, "machines": machines, "environments": environments}


def _index(one: dict, among: list[dict]) -> int:
    if one not in among:
        among.append(one)
    return among.index(one)


def _index_of_environment(packages: dict[str, str], environments: list[dict[str, str]]) -> int:
    for i, environment in enumerate(environments):
        if all(environment.get(name, version) == version for name, version in packages.items()):
            environment.update(packages)
            return i
    environments.append(dict(packages))
    return len(environments) - 1


def _seeds(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every seed of a configuration with its full key ("checkpoints.again.seed")."""
    for key, part in value.items():
        if key in ("seed", "seeds"):
            yield f"{prefix}{key}", part
        elif isinstance(part, dict):
            yield from _seeds(part, f"{prefix}{key}.")


def _data(config: dict, data: dict, published: dict | None, contents: dict[str, dict]) -> dict:
    files = {
        path: {"partitions": partitions, **_content(contents[path])}
        for path, partitions in data.items()
        if path in contents
    }
    return {"source": config["source"], "published": published, "files": files}


def _checkpoints(config: dict[str, dict], folder: str, folders: dict[str, dict]) -> dict:
    """Return each checkpoint's source as it is configured, the version of its package, its folder and its digest."""
    found = {}
    for name, source in config.items():
        path = f"{folder}/checkpoints/{name}"
        found[name] = {**source, "folder": path, "sha256": folders.get(path, {}).get("sha256")}
        if source["source"] == "package":
            try:
                found[name]["package_version"] = metadata.version(source["package"])
            except metadata.PackageNotFoundError:  # the module belongs to no package of its name
                found[name]["package_version"] = None
    return found


def _changed_since(records: dict[str, dict]) -> Iterator[dict]:
    """Yield the inputs that have changed since a job read them: ``{job, input}``.

    These are inputs that exist and have another size, or that a job of the run has made with another content since. Times
    say nothing: a copy has new ones, and a job that is run again may give the same file. They are compared where a record
    of an older version has no digest of an input.
    """
    written = {one["path"]: one for record in records.values() for one in record["outputs"]}
    sizes: dict[str, int | None] = {}
    for job, record in records.items():
        for one in record["inputs"]:
            path, made = one["path"], written.get(one["path"])
            if path not in sizes:
                sizes[path] = job_records.describe(path)["bytes"] if Path(path).exists() else None
            if sizes[path] is None:
                continue
            if made is None:
                remade = False
            elif "sha256" in one:
                remade = one["sha256"] != made["sha256"]
            else:
                remade = made["mtime_ns"] > one["mtime_ns"]
            if remade or sizes[path] != one["bytes"]:
                yield {"job": job, "input": path}


class _Entry(job_records.Content):
    job: str


class _DataFile(job_records.Content):
    partitions: list[str]


class _Data(TypedDict):
    source: str
    published: dict[str, str] | None
    files: dict[str, _DataFile]


class _Job(TypedDict):
    rule: str
    kind: NotRequired[str | None]
    wildcards: dict[str, str]
    params: dict[str, Any]
    threads: job_records.Count
    precision: str | None
    started: job_records.Time
    seconds: float
    record: str
    inputs: list[str]
    outputs: Annotated[list[str], msgspec.Meta(min_length=1)]
    code: job_records.Count | None
    machine: job_records.Count
    environment: job_records.Count


class _Changed(TypedDict):
    job: str
    input: str


class _Versioned(TypedDict):
    version: int


class _RunRecord(TypedDict):
    """What ``collect`` returns; docs/reference/files.md says what the fields are. Older records lack some."""

    version: int
    run: str
    folder: Annotated[str, msgspec.Meta(min_length=1)]
    configuration: dict[str, Any]
    configuration_files: list[str]
    snakefile: NotRequired[str | None]
    seeds: dict[str, Any]
    data: _Data
    checkpoints: dict[str, dict[str, Any]]
    jobs: dict[str, _Job]
    code: dict[str, list[dict[str, str]]]
    machines: list[job_records.Machine]
    environments: list[dict[str, str]]
    files: dict[str, _Entry]
    folders: dict[str, _Entry]
    temporary: NotRequired[dict[str, _Entry]]
    inputs: dict[str, job_records.Content]
    aside: list[str]
    unaccounted: list[str]
    changed_since: list[_Changed]


def _contradictions(content: dict) -> Iterator[str]:
    """Yield what a run record names and does not have, with its key: jobs of files, codes and machines of jobs."""
    jobs = content["jobs"]
    for place in ("files", "folders", "temporary"):
        for path, entry in content.get(place, {}).items():
            outputs = jobs[entry["job"]]["outputs"] if entry["job"] in jobs else []
            if not any(path == output or path.startswith(f"{output}/") for output in outputs):
                yield f"key {place}.{path}: no output of its job, {entry['job']}."
    for name, job in jobs.items():
        for key, among in (
            ("code", content["code"].get(job["rule"], [])),
            ("machine", content["machines"]),
            ("environment", content["environments"]),
        ):
            if job[key] is not None and job[key] >= len(among):
                yield f"key jobs.{name}.{key}: found {job[key]}, and there are {len(among)}."
    yield from (
        f"key changed_since: there is no job {one['job']}." for one in content["changed_since"] if one["job"] not in jobs
    )
    for name, source in content["checkpoints"].items():
        if not isinstance(source.get("folder"), str) or not isinstance(source.get("source"), str):
            yield f"key checkpoints.{name}: folder or source is missing or no string."


@dataclass(frozen=True)
class RunRecord:
    """The record of a run, read from the run's folder, which may have been moved since."""

    folder: Path
    content: dict

    @classmethod
    def read(cls, folder: str | Path) -> "RunRecord":
        """Read the record in a run's folder. Raises InputError where there is none, another version's, or no such thing."""
        path = Path(folder) / NAME
        try:
            versioned = typed_json.read(path, _Versioned, MAX_BYTES)
        except FileNotFoundError:
            raise InputError(f"{path}: there is no such file. Run: snakemake --cores all, which writes it last.") from None
        again = "Delete it and run snakemake, which writes it again."
        if not isinstance(versioned, InputError) and versioned["version"] != VERSION:
            raise InputError(f"{path}: version {versioned['version']}, wanted {VERSION}. {again}")
        found = typed_json.read(path, _RunRecord, MAX_BYTES)
        if isinstance(found, InputError):
            raise InputError(f"{found} {again}")
        content = cast(dict, found)
        for fault in _contradictions(content):
            raise InputError(f"{path}, {fault} {again}")
        return cls(Path(folder), content)

    def entry(self, path: str) -> dict | None:
        """Return size and digest of a file or folder by the record, and its job where a job has made it; or None."""
        places = ("files", "folders", "temporary", "inputs")  # older records have no temporary files
        return next((found for place in places if (found := self.content.get(place, {}).get(path))), None)

    def inputs_of(self, path: str) -> list[str]:
        """Return what the job that made a file has read; nothing for a file that no job has made."""
        job = (self.entry(path) or {}).get("job")
        return self.content["jobs"][job]["inputs"] if job else []

    def ancestors_of(self, path: str) -> Iterator[str]:
        """Yield what a file was made from, directly or not, nearest first; what checkpoints were made from is left out."""
        checkpoints = self.checkpoint_folders()
        return _reachable(self.inputs_of(path), lambda one: [] if one in checkpoints else self.inputs_of(one))

    def checkpoint_folders(self) -> set[str]:
        """Return the folders of the run's checkpoints, and of others that jobs have made, which may be gone."""
        jobs = self.content["jobs"].values()
        others = {path for job in jobs if job.get("kind") == job_records.CHECKPOINT for path in job["outputs"]}
        return others | {source["folder"] for source in self.content["checkpoints"].values()}

    def folder_digest(self, path: str) -> str:
        """Return the digest of a folder that a job has made, also of one that is gone; "none" where there was none."""
        made = {**self.content.get("temporary", {}), **self.content["folders"]}
        return made[path]["sha256"] if path in made else "none"

    def jobs_without_kind(self) -> list[str]:
        """List the jobs whose records are of an older version, which had no ``kind``."""
        return [name for name, job in self.content["jobs"].items() if "kind" not in job]

    def own_file(self, path: str) -> Path:
        """Return where a file of the run's folder lies now. Raises InputError where it is no regular file in that folder.

        A link that leads out of the folder is none, and neither is a pipe or a device, which has no end.
        """
        found = self.own_path(path)
        if found is None or not found.is_file() or not found.resolve().is_relative_to(self.folder.resolve()):
            raise InputError(f"{self.locate(path)}: no regular file in {self.folder}. Look at it, and delete it.")
        return found

    def own_path(self, path: str) -> Path | None:
        """Return where a file or folder of the run's folder lies now, or would lie; None for any other path."""
        inside, folder = PurePath(path), PurePath(self.content["folder"])
        if not inside.is_relative_to(folder) or inside == folder or ".." in inside.relative_to(folder).parts:
            return None
        found = self.folder / inside.relative_to(folder)
        return found if found.parent.resolve().is_relative_to(self.folder.resolve()) else None

    @property
    def root(self) -> Path:
        """The folder that the workflow was run in; for a run that was moved away from it, the current folder."""
        depth = len(Path(self.content["folder"]).parts)
        full = self.folder.resolve()
        return full.parents[depth - 1] if full.parts[-depth:] == Path(self.content["folder"]).parts else Path()

    def locate(self, path: str) -> Path:
        """Return where a file lies now whose path in the record is ``path``."""
        inside = Path(path)
        if inside.is_relative_to(self.content["folder"]):
            return self.folder / inside.relative_to(self.content["folder"])
        return self.root / inside

    def name_of(self, path: str | Path) -> str:
        """Return the path in the record of a file or folder that lies at ``path`` now."""
        full, root = Path(path).resolve(), self.root.resolve()
        if full.is_relative_to(self.folder.resolve()):
            return (Path(self.content["folder"]) / full.relative_to(self.folder.resolve())).as_posix()
        return full.relative_to(root).as_posix() if full.is_relative_to(root) else str(full)

    def command(self, *targets: str, force: bool = False) -> str:
        """Return the command that makes these files again, with the Snakefile and the configuration that the run needs."""
        snakefile, files = self.content.get("snakefile"), self.content["configuration_files"]
        given = [] if snakefile in (None, "Snakefile", "workflow/Snakefile") else ["--snakefile", _no_option(snakefile)]
        given += [] if files in ([], ["config/config.yaml"]) else ["--configfile", *map(_no_option, files)]
        return shlex.join(["snakemake", "--cores", "all", *given, *(["--force"] if force else []), "--", *targets])


def _no_option(path: str) -> str:
    return f"./{path}" if path.startswith("-") else path
