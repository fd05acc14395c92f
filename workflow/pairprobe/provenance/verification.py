"""Check a folder of results: every file against the digest that its job recorded, and percentages against rankings."""

import re
import shutil
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import TypedDict

import msgspec

from pairprobe.activations import shards
from pairprobe.errors import InputError
from pairprobe.io import files, typed_json
from pairprobe.io.digests import file_digest
from pairprobe.io.progress import Progress
from pairprobe.io.tsv import read_tsv
from pairprobe.provenance import job_records
from pairprobe.provenance.code import SCRIPTS, code_of, has_part, module_digest
from pairprobe.provenance.run_record import NAME, RunRecord, files_without_job, writes_run_record
from pairprobe.rankings import percentages

MB = 10**6


@dataclass(frozen=True)
class Problem:
    """One thing that does not hold: which file, what was found and wanted, what to do.

    rebuild: the file or folder, by its path in the run record, that a job has to make again, where that would help.
    """

    path: str
    found: str
    wanted: str
    advice: str
    rebuild: str | None = None

    def __str__(self) -> str:
        """Return all of it as one line."""
        return f"{self.path}: found {self.found}, wanted {self.wanted}. {self.advice}"


@dataclass
class Verdict:
    """The result of a verification: problems; notes, which do not make the results wrong; and what was compared."""

    run: RunRecord
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    checked: list[str] = field(default_factory=list)

    def to_rebuild(self) -> list[str]:
        """List the files and folders that jobs have to make again, each once."""
        return sorted({problem.rebuild for problem in self.problems if problem.rebuild})


def verify(folder: str | Path) -> Verdict:
    """Check a run's folder of results. Raises InputError where it has no run record that can be read."""
    run = RunRecord.read(folder)
    verdict = Verdict(run)
    damaged = list(_damaged_files(run))
    verdict.problems += damaged
    verdict.checked.append(f"{len(_own_files(run))} files of {len(run.content['jobs'])} jobs, byte by byte")
    for check in (_files_without_job, _records, _changed_inputs):
        verdict.problems += check(run)
    # A damaged file is a problem already: what depends on it need not be a second one.
    broken = {problem.rebuild for problem in damaged}
    for compare in (_percentages, _stores):
        problems, compared = compare(run, broken)
        verdict.problems += problems
        verdict.checked += compared
    verdict.notes += [*_jobs_without_kind(run), *_inputs(run), *_code(run), *_unfinished(run)]
    return verdict


def rebuild(verdict: Verdict) -> Iterator[Path]:
    """Delete what is damaged, and what killed jobs have left half-written; yield each file or folder that was deleted.

    Nothing outside the run's folder is deleted, wherever its record or a link in it leads. Raises InputError where the
    workflow would make files again in another place: in a copy.
    """
    folder, made = verdict.run.folder, Path(verdict.run.content["folder"])
    if folder.resolve() != made.resolve():
        raise InputError(
            f"{folder}: nothing was deleted. What is damaged is made again in {made} of the working directory, which is "
            f"{Path.cwd()}. Change to the folder that {made} is in."
        )
    files.remove_leftovers(verdict.run.folder, deep=True)
    for name in verdict.to_rebuild():
        path = verdict.run.own_path(name)
        if path is None:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
            yield path
        elif path.exists() or path.is_symlink():
            path.unlink()
            yield path


def _own_files(run: RunRecord) -> dict[str, dict]:
    """Return the files that jobs have made in the run's folder: all but downloads, which runs share."""
    prefix = f"{run.content['folder']}/"
    return {name: entry for name, entry in run.content["files"].items() if name.startswith(prefix)}


def _damaged_files(run: RunRecord) -> Iterator[Problem]:
    own = _own_files(run)
    sizes, strange = {}, {}
    for name in own:
        if (path := run.locate(name)).exists() or path.is_symlink():
            try:
                sizes[name] = run.own_file(name).stat().st_size
            except InputError as error:
                strange[name] = error
    # A file of another size has changed: no need to read it.
    same_size = [name for name, size in sizes.items() if size == own[name]["bytes"]]
    digests = dict(zip(same_size, _digests([run.locate(name) for name in same_size]), strict=True))
    for name, entry in own.items():
        output, rule = _output_of(run, name), run.content["jobs"][entry["job"]]["rule"]
        place, advice = str(run.locate(name)), f"{rule} makes it again (--rebuild)."
        if name in strange:
            yield Problem(place, "a link out of the folder, or no regular file", "a file", advice, output)
        elif name not in sizes:
            yield Problem(place, "no such file", f"{entry['bytes']:,} bytes", advice, output)
        elif name not in digests:
            yield Problem(place, f"{sizes[name]:,} bytes", f"{entry['bytes']:,}", advice, output)
        elif digests[name] != entry["sha256"]:
            yield Problem(place, f"sha256 {_short(digests[name])}", _short(entry["sha256"]), advice, output)


def _digests(paths: list[Path]) -> Iterator[str]:
    """Yield the digest of each file, several at a time, showing progress."""
    sizes = [path.stat().st_size for path in paths]
    with ThreadPoolExecutor() as pool, Progress(sum(sizes) // MB, "reading", "MB") as progress:
        done = 0
        for digest, size in zip(pool.map(file_digest, paths), sizes, strict=True):
            done += size
            progress.update(done // MB - progress.done)
            yield digest


def _short(digest: str) -> str:
    return f"{digest[:16]}..."


def _output_of(run: RunRecord, name: str) -> str:
    """Return the output of a job that a file is or lies in."""
    outputs = run.content["jobs"][run.content["files"][name]["job"]]["outputs"]
    return next(output for output in outputs if name == output or name.startswith(f"{output}/"))


def _records(run: RunRecord) -> Iterator[Problem]:
    """Compare the records of jobs with the run record, and the run record with the record of the job that wrote it."""
    folder, jobs = run.content["folder"], run.content["jobs"]
    path, name = run.folder / NAME, f"{folder}/{NAME}"
    # Of the run record, by the one job that cannot be in it.
    digest = None
    for job in sorted(jobs.keys() | set(job_records.jobs_of(run.folder))):
        record_path = job_records.path_in(run.folder, job)
        if job in jobs and record_path.is_file() and file_digest(record_path) == jobs[job]["record"]:
            continue
        try:
            record = job_records.read(run.folder, job) if record_path.is_file() else None
        except InputError:
            record = None
        if record and writes_run_record(record, folder):
            digest = record["outputs"][0]["sha256"]
        elif job in jobs and (record is None or record["started"] == jobs[job]["started"]):
            found = "another content" if record_path.is_file() else "no such file"
            advice = f"A new one comes with new results: {run.command(jobs[job]['outputs'][0], force=True)}"
            yield Problem(str(record_path), found, f"the record of the job {job}", advice)
        elif record and any(run.locate(one["path"]).exists() for one in record["outputs"]):
            found = "that of a run after provenance.json was written"
            yield Problem(str(record_path), found, "what that has", f"Write it again: {run.command(name, force=True)}")
    if digest is None:
        found, wanted = "no record of the job that wrote it", f"one in {run.folder / job_records.FOLDER}"
        yield Problem(str(path), found, wanted, "Both are written again with --rebuild.", name)
    elif (found := file_digest(path)) != digest:
        yield Problem(str(path), f"sha256 {_short(found)}", _short(digest), "Written again with --rebuild.", name)


def _files_without_job(run: RunRecord) -> Iterator[Problem]:
    advice = "Move it away, or let the workflow make it."
    for name in files_without_job(run.folder, run.content["folder"], run.content["files"]):
        yield Problem(str(run.locate(name)), "a file that no job has made", "none", advice)


def _changed_inputs(run: RunRecord) -> Iterator[Problem]:
    for one in run.content["changed_since"]:
        job = run.content["jobs"][one["job"]]
        yield Problem(
            str(run.locate(job["outputs"][0])),
            f"made from an older {one['input']}",
            "the one that is there",
            f"Make it again: {run.command(job['outputs'][0], force=True)}",
        )


def _percentages(run: RunRecord, broken: set[str | None]) -> tuple[list[Problem], list[str]]:
    """Compute the percentages again from the rankings, and compare."""
    problems, compared = [], []
    for job in _unbroken_jobs(run, broken, job_records.PERCENTAGES):
        name, path = job["outputs"][0], run.locate(job["outputs"][0])
        try:
            path = run.own_file(name)
            named = _params(run, job, _OfPercentages)["rankings"]
            if len(named) != len(job["inputs"]):
                raise InputError(
                    f"{run.folder / NAME}: {len(named)} rankings are named, and {len(job['inputs'])} were read."
                )
            rankings = [(*names, str(run.own_file(ranking))) for names, ranking in zip(named, job["inputs"], strict=True)]
            wanted = [tuple(map(str, row)) for row in percentages.percentages(rankings)]
            found = [tuple(row.values()) for row in read_tsv(str(path), percentages.PERCENTAGE_FIELDS)]
        except InputError as error:
            problems.append(Problem(str(path), str(error), "rankings that can be read", "Look at it.", name))
            continue
        for line, (one, other) in enumerate(zip_longest(found, wanted, fillvalue=("no line",)), 2):
            if one != other:
                problem = (f"{path}, line {line}", " ".join(one), " ".join(other))
                problems.append(Problem(*problem, "Made again with --rebuild.", name))
        compared.append(f"{len(wanted)} percentages, computed again from {len(rankings)} rankings")
    return problems, compared


class _OfPercentages(TypedDict):
    rankings: list[tuple[str, str]]


def _params(run: RunRecord, job: dict, kind: type[_OfPercentages]) -> _OfPercentages:
    """Return parameters of a job as they are declared. Raises InputError where they are something else."""
    try:
        return msgspec.convert(job["params"], kind)
    except msgspec.ValidationError as error:
        raise InputError(f"{run.folder / NAME}, {job['rule']}{typed_json.fault(error, kind, 'params')}") from None


def _stores(run: RunRecord, broken: set[str | None]) -> tuple[list[Problem], list[str]]:
    """Compare the checkpoint's digest in each file of activations or similarities with the digest of the checkpoint."""
    problems, compared, checkpoints = [], 0, run.checkpoint_folders()
    for job in _unbroken_jobs(run, broken, job_records.ACTIVATIONS, job_records.SIMILARITIES):
        for name in (name for name in job["outputs"] if name.endswith(".h5") and name in run.content["files"]):
            checkpoint = next((one for one in run.ancestors_of(name) if one in checkpoints), "no checkpoint")
            wanted = run.folder_digest(checkpoint)
            path = run.locate(name)
            try:
                with shards.open_file(run.own_file(name)) as file:
                    found = file.attrs["checkpoint"]
            except (OSError, KeyError, InputError) as error:
                problems.append(Problem(str(path), f"no store ({error})", "one", "Made again with --rebuild.", name))
                continue
            compared += 1
            if found != wanted:
                differing = (f"activations of the checkpoint {found}", f"of {wanted}, {checkpoint}")
                problems.append(Problem(str(path), *differing, "Made again with --rebuild.", name))
    return problems, [f"{compared} stores of activations against their checkpoints"] if compared else []


def _unbroken_jobs(run: RunRecord, broken: set[str | None], *kinds: str) -> Iterator[dict]:
    """Yield the jobs of these kinds that neither read nor wrote a damaged file."""
    for job in run.content["jobs"].values():
        if job.get("kind") in kinds and not broken & {*job["inputs"], *job["outputs"]}:
            yield job


def _jobs_without_kind(run: RunRecord) -> Iterator[str]:
    if jobs := run.jobs_without_kind():
        yield (
            f"{_listed(jobs)}: recorded by an older version of pairprobe, without the kind of result that a job makes. "
            "The files were compared; the numbers were not computed again. A new run of the workflow records the kinds."
        )


def _inputs(run: RunRecord) -> Iterator[str]:
    """Note the files outside the run's folder that have changed, or are not here."""
    missing, own = [], _own_files(run)
    shared = {name: entry for name, entry in run.content["files"].items() if name not in own}
    for name, entry in {**run.content["inputs"], **shared}.items():
        path = run.locate(name)
        # Pipes and devices have no end; and a record from elsewhere may name any folder of this machine.
        if not path.is_file():
            missing.append(name)
        elif path.stat().st_size != entry["bytes"] or job_records.fingerprint(path)["sha256"] != entry["sha256"]:
            yield f"{name}: this input has changed since these results were made from it."
    if missing:
        yield f"{_listed(missing)}: not here, so not compared."


def _code(run: RunRecord) -> Iterator[str]:
    """Note the rules whose code here is not the code that made the results."""
    if not SCRIPTS.is_dir():
        yield "the workflow's scripts are not here: of the code that made these results, the library alone was compared."
    for rule, codes in run.content["code"].items():
        others = sorted({module for code in codes for module in other_modules(code)})
        if others:
            yield f"{rule}: the code here is not the code that made these results ({_listed(others)})."


def _unfinished(run: RunRecord) -> Iterator[str]:
    """Note what jobs have left that were killed, and hidden files that nothing of the workflow makes."""
    left = list(map(str, files.leftovers(run.folder, deep=True)))
    if left:
        yield f"{_listed(left)}: half-written by jobs that were killed. The next run deletes it, and so does --rebuild."
    states = [str(path) for path in (run.folder / "finetuning").glob("*") if path.is_dir()]
    if states:
        yield f"{_listed(states)}: a training that has not ended. If it shall not go on, delete it."
    known = (".snakemake", ".outputs", files.TEMPORARY)
    hidden = [str(path) for path in run.folder.rglob(".*") if not path.name.startswith(known)]
    if strangers := [path for path in hidden if files.TEMPORARY not in path]:
        yield f"{_listed(strangers)}: no job has made it. Look at it, and delete it."


def other_modules(code: dict[str, str]) -> list[str]:
    """List the modules of a job's code that have changed, come or gone since."""
    # A rule has another name where the workflow is used as a module; its script has its own.
    script = next((name for name in code if re.fullmatch(r"scripts/\w+", name)), "scripts/")
    try:
        here = code_of(script.removeprefix("scripts/"), *(name for name in code if _is_part(name)))
    except (OSError, InputError):  # no such script
        if SCRIPTS.is_dir():
            return [script]
        modules = {name: digest for name, digest in sorted(code.items()) if "/" not in name}
        return [name for name, digest in modules.items() if not _is_part(name) or module_digest(name) != digest]
    return [name for name in sorted(here.keys() | code.keys()) if here.get(name) != code.get(name)]


def _is_part(name: str) -> bool:
    """Say whether a part of recorded code is here; a record from elsewhere may name any file of this machine."""
    return re.fullmatch(r"\w+([./]\w[\w-]*)*", name) is not None and has_part(name)


def _listed(names: Iterable[str], at_most: int = 3) -> str:
    names = list(names)
    more = f" and {len(names) - at_most} more" if len(names) > at_most else ""
    return ", ".join(names[:at_most]) + more
