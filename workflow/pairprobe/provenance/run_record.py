"""The provenance of a run, ``provenance.json``: the records of all its jobs put together, and what they stand on.

Paths in it count from the folder that the workflow was run in. Where only times differ, two ledgers are equal.
"""

import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import orjson

from pairprobe.errors import InputError
from pairprobe.io import digests
from pairprobe.provenance import job_records

VERSION = 1
NAME = "provenance.json"
# The job that writes it, which cannot be in it.
OWN = "record_provenance"
# What lies in a run's folder and is no result: it says how the jobs went, or is where a training goes on.
_BESIDE = ("logs", "benchmarks", job_records.FOLDER, "finetuning", NAME)


def collect(
    folder: str, config: dict, configfiles: list[str], data: dict, published: dict | None, results: Iterable[str]
) -> dict:
    """Put the records of a run together.

    folder: ``results/{run}``. config: the whole checked configuration; configfiles: the files that it came from. data:
    ``{file of data: partitions that its pages may go to}``; published: what these were downloaded from, where they were.
    results: the files that were asked for; what they do not stand on is listed under ``aside``.
    """
    kept = _latest({job: job_records.read(folder, job) for job in job_records.jobs_of(folder) if job != OWN})
    files, folders = _made(kept)
    makers = {path: entry["job"] for path, entry in {**files, **folders}.items()}
    outside = sorted({one["path"] for record in kept.values() for one in record["inputs"]} - makers.keys())
    inputs = {path: _content(job_records.made(path)) for path in outside if Path(path).exists()}
    needed = _stood_on(results, kept, makers)
    return {
        "version": VERSION,
        "run": config["run"],
        "folder": folder,
        "configuration": config,
        "configuration_files": [path.removeprefix(f"{Path.cwd()}/") for path in configfiles],
        "seeds": dict(_seeds(config)),
        "data": _data(config["data"], data, published, {**inputs, **files}),
        "checkpoints": _checkpoints(config["checkpoints"], folder, folders),
        **_shared(kept, folder),
        "files": files,
        "folders": folders,
        "inputs": inputs,
        "aside": sorted(path for path, job in makers.items() if job not in needed),
        "unaccounted": unaccounted(folder, folder, files),
        "changed_since": list(_changed_since(kept)),
    }


def unaccounted(folder: str | Path, named: str, files: Iterable[str]) -> list[str]:
    """List the files in a run's folder that are not among those of its ledger, which calls the folder ``named``."""
    known = {Path(path) for path in files}
    found = (path.relative_to(folder) for path in Path(folder).rglob("*") if path.is_file())
    return sorted(
        (Path(named) / path).as_posix()
        for path in found
        if path.parts[0] not in _BESIDE
        and not any(part.startswith(".") for part in path.parts)
        and Path(named) / path not in known
    )


def _latest(kept: dict[str, dict]) -> dict[str, dict]:
    """Keep the outputs that exist, each in the last record that has it, and the records that still have one."""
    owners: dict[str, str] = {}
    for job, record in sorted(kept.items(), key=lambda item: item[1]["started"]):
        owners.update({one["path"]: job for one in record["outputs"] if Path(one["path"]).exists()})
    mine = {job: [one for one in record["outputs"] if owners.get(one["path"]) == job] for job, record in kept.items()}
    return {job: {**record, "outputs": mine[job]} for job, record in kept.items() if mine[job]}


def _content(one: dict) -> dict:
    return {"bytes": one["bytes"], "sha256": one["sha256"]}


def _made(kept: dict[str, dict]) -> tuple[dict, dict]:
    """Return the files that jobs made, those inside folders among them, and the folders: each with its digest and job."""
    files, folders = {}, {}
    for job, record in kept.items():
        for one in record["outputs"]:
            inside = one.get("files")
            (files if inside is None else folders)[one["path"]] = {**_content(one), "job": job}
            for name, content in (inside or {}).items():
                files[f"{one['path']}/{name}"] = {**content, "job": job}
    return files, folders


def _stood_on(results: Iterable[str], kept: dict[str, dict], makers: dict[str, str]) -> set[str]:
    """Return the jobs that these files stand on, directly or not."""
    needed: set[str] = set()
    waiting = [makers[path] for path in results if path in makers]
    while waiting:
        job = waiting.pop()
        if job not in needed:
            needed.add(job)
            waiting += [makers[one["path"]] for one in kept[job]["inputs"] if one["path"] in makers]
    return needed


def _shared(kept: dict[str, dict], folder: str) -> dict:
    """Return the jobs, and what many of them have in common: machines, environments, and the code of a rule.

    Jobs whose packages do not contradict each other share an environment, whichever of them each has loaded.
    """
    machines: list[dict] = []
    environments: list[dict] = []
    codes: dict[str, list[dict]] = {}
    jobs = {}
    for job, record in kept.items():
        code = record["code"]
        jobs[job] = {
            **{key: record[key] for key in ("rule", "wildcards", "params", "threads", "precision", "started", "seconds")},
            "record": digests.file_digest(job_records.path_in(folder, job)),
            "inputs": [one["path"] for one in record["inputs"]],
            "outputs": [one["path"] for one in record["outputs"]],
            "code": None if code is None else _place(code, codes.setdefault(record["rule"], [])),
            "machine": _place(record["machine"], machines),
            "environment": _place_of_packages(record["packages"], environments),
        }
    environments = [dict(sorted(one.items(), key=lambda item: item[0].lower())) for one in environments]
    return {"jobs": jobs, "code": codes, "machines": machines, "environments": environments}


def _place(one: dict, among: list[dict]) -> int:
    if one not in among:
        among.append(one)
    return among.index(one)


def _place_of_packages(packages: dict[str, str], environments: list[dict[str, str]]) -> int:
    for i, environment in enumerate(environments):
        if all(environment.get(name, version) == version for name, version in packages.items()):
            environment.update(packages)
            return i
    environments.append(dict(packages))
    return len(environments) - 1


def _seeds(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every seed of a configuration with its place ("checkpoints.again.seed")."""
    for key, part in value.items():
        if key in ("seed", "seeds"):
            yield f"{place}{key}", part
        elif isinstance(part, dict):
            yield from _seeds(part, f"{place}{key}.")


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
            except metadata.PackageNotFoundError:  # the module is no package's, or not of its name
                found[name]["package_version"] = None
    return found


def _changed_since(kept: dict[str, dict]) -> Iterator[dict]:
    """Yield the inputs that are no longer what a job has read: ``{job, input}``.

    Those that a job has written later than that, and those of another size. Later times alone say nothing: the workflow
    touches what its jobs have written, and a user may do so (``--touch``).
    """
    written = {one["path"]: one["mtime_ns"] for record in kept.values() for one in record["outputs"]}
    sizes: dict[str, int] = {}
    for job, record in kept.items():
        for one in record["inputs"]:
            path = one["path"]
            if path not in sizes:
                sizes[path] = job_records.seen(path)["bytes"] if Path(path).exists() else one["bytes"]
            if sizes[path] != one["bytes"] or written.get(path, 0) > one["mtime_ns"]:
                yield {"job": job, "input": path}


@dataclass(frozen=True)
class Ledger:
    """The provenance of a run, read from its folder, which may have been moved since."""

    folder: Path
    content: dict

    @classmethod
    def read(cls, folder: str | Path) -> "Ledger":
        """Read the ledger of a run's folder. Raises InputError where there is none, or one of another version."""
        path = Path(folder) / NAME
        try:
            content = orjson.loads(path.read_bytes())
        except FileNotFoundError:
            raise InputError(f"{path}: there is no such file. Run: snakemake --cores all, which writes it last.") from None
        except orjson.JSONDecodeError as error:
            raise InputError(f"{path}: not JSON ({error}). Delete it and run snakemake, which writes it again.") from None
        if content.get("version") != VERSION:
            raise InputError(
                f"{path}: version {content.get('version')}, wanted {VERSION}. Run snakemake, which writes it again."
            )
        return cls(Path(folder), content)

    @property
    def root(self) -> Path:
        """The folder that the workflow was run in, as far as can be told: paths outside the run count from it."""
        depth = len(Path(self.content["folder"]).parts)
        whole = self.folder.resolve()
        return whole.parents[depth - 1] if whole.parts[-depth:] == Path(self.content["folder"]).parts else Path()

    def locate(self, path: str) -> Path:
        """Return where a file lies now, of which the ledger says ``path``."""
        inside = Path(path)
        if inside.is_relative_to(self.content["folder"]):
            return self.folder / inside.relative_to(self.content["folder"])
        return self.root / inside

    def name_of(self, path: str | Path) -> str:
        """Return what the ledger calls a file or folder that lies at ``path`` now."""
        whole = Path(path).resolve()
        if whole.is_relative_to(self.folder.resolve()):
            return (Path(self.content["folder"]) / whole.relative_to(self.folder.resolve())).as_posix()
        return (
            whole.relative_to(self.root.resolve()).as_posix() if whole.is_relative_to(self.root.resolve()) else str(whole)
        )

    def command(self, *targets: str, force: bool = False) -> str:
        """Return the command that makes these files again."""
        files = self.content["configuration_files"]
        configured = [] if files in ([], ["config/config.yaml"]) else ["--configfile", *files]
        return shlex.join(["snakemake", "--cores", "all", *configured, *(["--force"] if force else []), "--", *targets])
