"""Whether a folder of results is what its jobs wrote: every file against ``provenance.json``, numbers against rankings."""

import shutil
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import h5py

from pairprobe.errors import InputError
from pairprobe.io.digests import file_digest
from pairprobe.io.progress import Progress
from pairprobe.io.tsv import read_tsv
from pairprobe.provenance import job_records
from pairprobe.provenance.code import code_of, has_module
from pairprobe.provenance.run_record import NAME, OWN, Ledger, unaccounted
from pairprobe.rankings import percentages

MB = 10**6


@dataclass(frozen=True)
class Problem:
    """One thing that does not hold: which file, what was found and wanted, what to do.

    rebuild: the file or folder, as the ledger calls it, that a job has to make again, where that would help.
    """

    path: str
    found: str
    wanted: str
    advice: str
    rebuild: str | None = None

    def __str__(self) -> str:
        """Say it in one line."""
        return f"{self.path}: found {self.found}, wanted {self.wanted}. {self.advice}"


@dataclass
class Verdict:
    """What a verification found: problems, notes on what the results do not depend on, and what was looked at."""

    ledger: Ledger
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    checked: list[str] = field(default_factory=list)

    def to_rebuild(self) -> list[str]:
        """List what jobs have to make again, each file or folder once."""
        return sorted({problem.rebuild for problem in self.problems if problem.rebuild})


def verify(folder: str | Path) -> Verdict:
    """Check a folder of results. Raises InputError where it has no ledger that can be read."""
    ledger = Ledger.read(folder)
    verdict = Verdict(ledger)
    damaged = list(_damaged_files(ledger))
    verdict.problems += damaged
    verdict.checked.append(f"{len(_own_files(ledger))} files of {len(ledger.content['jobs'])} jobs, byte by byte")
    for check in (_ledger_itself, _strangers, _records, _changed_inputs):
        verdict.problems += check(ledger)
    # What follows from what is asked of whole files only: a damaged one is named already.
    broken = {problem.rebuild for problem in damaged}
    for check in (_percentages, _stores):
        problems, what = check(ledger, broken)
        verdict.problems += problems
        verdict.checked += what
    verdict.notes += [*_inputs(ledger), *_code(ledger)]
    return verdict


def rebuild(verdict: Verdict) -> Iterator[Path]:
    """Delete what is damaged, so that the workflow makes it again; yields each file or folder that was deleted."""
    for name in verdict.to_rebuild():
        path = verdict.ledger.locate(name)
        if path.is_dir():
            shutil.rmtree(path)
            yield path
        elif path.exists():
            path.unlink()
            yield path


def _own_files(ledger: Ledger) -> dict[str, dict]:
    """Return the files that jobs have made in the run's folder: all but downloads, which runs share."""
    prefix = f"{ledger.content['folder']}/"
    return {name: entry for name, entry in ledger.content["files"].items() if name.startswith(prefix)}


def _damaged_files(ledger: Ledger) -> Iterator[Problem]:
    files = _own_files(ledger)
    sizes = {name: path.stat().st_size for name in files if (path := ledger.locate(name)).is_file()}
    # One of another length needs no reading.
    whole = [name for name, size in sizes.items() if size == files[name]["bytes"]]
    digests = dict(zip(whole, _digests([ledger.locate(name) for name in whole]), strict=True))
    for name, entry in files.items():
        output, rule = _output_of(ledger, name), ledger.content["jobs"][entry["job"]]["rule"]
        path, advice = str(ledger.locate(name)), f"{rule} makes it again (--rebuild)."
        if name not in sizes:
            yield Problem(path, "no such file", f"{entry['bytes']:,} bytes", advice, output)
        elif name not in digests:
            yield Problem(path, f"{sizes[name]:,} bytes", f"{entry['bytes']:,}", advice, output)
        elif digests[name] != entry["sha256"]:
            yield Problem(path, f"sha256 {_short(digests[name])}", _short(entry["sha256"]), advice, output)


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


def _output_of(ledger: Ledger, name: str) -> str:
    """Return the output of a job that holds a file: the file itself, or a folder that was made as one."""
    outputs = ledger.content["jobs"][ledger.content["files"][name]["job"]]["outputs"]
    return next(output for output in outputs if name == output or name.startswith(f"{output}/"))


def _ledger_itself(ledger: Ledger) -> Iterator[Problem]:
    """Compare the ledger with the record of the job that wrote it."""
    path, name = ledger.folder / NAME, f"{ledger.content['folder']}/{NAME}"
    record = job_records.path_in(ledger.folder, OWN)
    if not record.is_file():
        yield Problem(str(record), "no such file", f"the record of {NAME}", "Both are written again with --rebuild.", name)
        return
    wanted, found = job_records.read(ledger.folder, OWN)["outputs"][0]["sha256"], file_digest(path)
    if found != wanted:
        yield Problem(str(path), f"sha256 {_short(found)}", _short(wanted), "Written again with --rebuild.", name)


def _strangers(ledger: Ledger) -> Iterator[Problem]:
    for name in unaccounted(ledger.folder, ledger.content["folder"], ledger.content["files"]):
        yield Problem(
            str(ledger.locate(name)), "a file that no job has made", "none", "Move it away, or let the workflow make it."
        )


def _records(ledger: Ledger) -> Iterator[Problem]:
    """Compare the records with the ledger, which was made of them."""
    jobs, left = ledger.content["jobs"], set(job_records.jobs_of(ledger.folder)) - {OWN}
    for job in sorted(jobs.keys() | left):
        path = job_records.path_in(ledger.folder, job)
        if job in jobs and job in left and file_digest(path) == jobs[job]["record"]:
            continue
        wanted = f"the record of the job {job}"
        try:
            record = job_records.read(ledger.folder, job) if job in left else None
        except InputError:
            record = None
        if job in jobs and (record is None or record["started"] == jobs[job]["started"]):
            found = "another content" if job in left else "no such file"
            again = ledger.command(jobs[job]["outputs"][0], force=True)
            yield Problem(str(path), found, wanted, f"A new one comes with new results: {again}")
        elif record and any(ledger.locate(one["path"]).exists() for one in record["outputs"]):
            found = "that of a run after provenance.json was written"
            again = ledger.command(f"{ledger.content['folder']}/{NAME}", force=True)
            yield Problem(str(path), found, "what that has", f"Write it again: {again}")


def _changed_inputs(ledger: Ledger) -> Iterator[Problem]:
    for one in ledger.content["changed_since"]:
        job = ledger.content["jobs"][one["job"]]
        yield Problem(
            str(ledger.locate(job["outputs"][0])),
            f"made from an older {one['input']}",
            "the one that is there",
            f"Make it again: {ledger.command(job['outputs'][0], force=True)}",
        )


def _percentages(ledger: Ledger, broken: set[str | None]) -> tuple[list[Problem], list[str]]:
    """Sum the rankings up again and compare."""
    problems, checked = [], []
    for job in ledger.content["jobs"].values():
        if job["rule"] != "summarise_percentages" or broken & {*job["inputs"], *job["outputs"]}:
            continue
        path = ledger.locate(job["outputs"][0])
        named = [
            (*names, str(ledger.locate(ranked)))
            for names, ranked in zip(job["params"]["rankings"], job["inputs"], strict=True)
        ]
        try:
            wanted = [tuple(map(str, row)) for row in percentages.percentages(named)]
            found = [tuple(row.values()) for row in read_tsv(str(path), percentages.PERCENTAGE_FIELDS)]
        except InputError as error:
            problems.append(Problem(str(path), str(error), "rankings that can be read", "Look at it.", job["outputs"][0]))
            continue
        for line, (one, other) in enumerate(zip(found, wanted, strict=False), 2):
            if one != other:
                said = (" ".join(one), " ".join(other))
                problems.append(Problem(f"{path}, line {line}", *said, "Made again with --rebuild.", job["outputs"][0]))
        if len(found) != len(wanted):
            said = (f"{len(found)} lines", f"{len(wanted)}, by the rankings")
            problems.append(Problem(str(path), *said, "Made again with --rebuild.", job["outputs"][0]))
        checked.append(f"{len(wanted)} percentages, summed up again from {len(named)} rankings")
    return problems, checked


def _stores(ledger: Ledger, broken: set[str | None]) -> tuple[list[Problem], list[str]]:
    """Compare the digest that each store of activations has of its checkpoint with the checkpoint."""
    problems, checked = [], 0
    for job in ledger.content["jobs"].values():
        if job["rule"] not in ("extract_activations", "measure_similarities") or broken & {*job["inputs"], *job["outputs"]}:
            continue
        checkpoint = next(name for name in job["inputs"] if name in ledger.content["folders"])
        path, wanted = ledger.locate(job["outputs"][0]), ledger.content["folders"][checkpoint]["sha256"]
        with h5py.File(path, "r") as file:
            found = file.attrs["checkpoint"]
        checked += 1
        if found != wanted:
            said = (f"activations of the checkpoint {found}", f"of {wanted}, {checkpoint}")
            problems.append(Problem(str(path), *said, "Made again with --rebuild.", job["outputs"][0]))
    return problems, [f"{checked} stores of activations against their checkpoints"] if checked else []


def _inputs(ledger: Ledger) -> Iterator[str]:
    """Note the files outside the run's folder that are others now, or not here."""
    missing, own = [], _own_files(ledger)
    shared = {name: entry for name, entry in ledger.content["files"].items() if name not in own}
    for name, entry in {**ledger.content["inputs"], **shared}.items():
        path = ledger.locate(name)
        if not path.exists():
            missing.append(name)
        elif job_records.made(path)["sha256"] != entry["sha256"]:
            yield f"{name}: an input; it is no longer the file that these results were made from."
    if missing:
        yield f"{_listed(missing)}: not here, so not compared."


def _code(ledger: Ledger) -> Iterator[str]:
    """Note the rules whose code is another here."""
    for rule, codes in ledger.content["code"].items():
        others = sorted({module for code in codes for module in other_modules(rule, code)})
        if others:
            yield f"{rule}: the code here is not the code that made these results ({_listed(others)})."


def other_modules(rule: str, code: dict[str, str]) -> list[str]:
    """List the modules of a rule's code that are not what they were: changed, new, or gone."""
    try:
        here = code_of(rule, *filter(has_module, code))
    except FileNotFoundError:  # no such script: the library alone is here, or the rule has another name now
        return [f"scripts/{rule}"]
    return [name for name in sorted(here.keys() | code.keys()) if here.get(name) != code.get(name)]


def _listed(names: Iterable[str], at_most: int = 3) -> str:
    names = list(names)
    more = f" and {len(names) - at_most} more" if len(names) > at_most else ""
    return ", ".join(names[:at_most]) + more
