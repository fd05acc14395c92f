"""Snakemake in a copy of the project, what it asked Slurm for, and whether two runs gave the same."""

import filecmp
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cluster
import yaml

sys.path.append(str(Path(__file__).parents[1] / "workflow"))

import project as projects

PROFILE = yaml.safe_load((projects.ROOT / "profiles" / "slurm" / "config.yaml").read_text())
GPU_RULES = {rule for rule, asked in PROFILE["set-resources"].items() if asked.get("gpu")}
# The cluster has no accounting, and nobody else asks it. Logs say what ran in a job.
THROUGH_SLURM = (
    "--profile", "profiles/slurm", "--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "5",
    "--slurm-keep-successful-logs",
)  # fmt: skip
# What tells of a run, not of its results.
NO_RESULTS = {"logs", "benchmarks", "provenance", "provenance.json"}


def copy_project(folder: Path, pages: list[Path] = projects.PAGES) -> Path:
    """Copy what the workflow consists of, with these of its pages; all by default."""
    folder.mkdir(parents=True)
    return projects.copy_project(folder, pages)


def start_snakemake(project: Path, *arguments: str) -> subprocess.Popen:
    """Start Snakemake in a copy of the project, with the copy's own library; what it says goes to snakemake.log."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("SNAKEMAKE_", "SLURM_"))}
    environment["PYTHONPATH"] = str(project / "workflow")
    with open(project / "snakemake.log", "ab") as said:
        command = [sys.executable, "-m", "snakemake", *arguments]
        return subprocess.Popen(command, cwd=project, env=environment, stdout=said, stderr=subprocess.STDOUT)


def snakemake(project: Path, *arguments: str) -> float:
    """Run Snakemake, which must succeed, and return the seconds it took."""
    start = time.monotonic()
    with start_snakemake(project, *arguments) as run:
        try:
            code = run.wait()
        finally:
            run.kill()  # where the wait was broken off; the cluster ends its jobs
    if code:
        raise FailedError(f"snakemake {' '.join(arguments)} failed:\n{log_of(project)[-6000:]}")
    return time.monotonic() - start


def log_of(project: Path) -> str:
    """Return what Snakemake has said in a project."""
    return (project / "snakemake.log").read_text(errors="replace")


def results_of(project: Path, config: str) -> Path:
    """Return the folder of a configuration's results."""
    return project / "results" / yaml.safe_load((project / config).read_text())["run"]


class FailedError(Exception):
    """Something is not as it must be."""


def compare(wanted: Path, found: Path) -> int:
    """Compare the results of two runs, byte for byte, and return how many files there are."""
    theirs, ours = (dict(files_of(folder)) for folder in (wanted, found))
    differences = [f"missing: {name}" for name in sorted(theirs.keys() - ours.keys())]
    differences += [f"not wanted: {name}" for name in sorted(ours.keys() - theirs.keys())]
    for name in sorted(theirs.keys() & ours.keys()):
        if not filecmp.cmp(theirs[name], ours[name], shallow=False):
            differences.append(f"other content: {name}")
    if differences:
        raise FailedError("\n".join([f"{found} differs from {wanted}:", *differences]))
    if not ours:
        raise FailedError(f"{found}: there are no results.")
    return len(ours)


def files_of(results: Path) -> Iterator[tuple[str, Path]]:
    """Yield every file of a run's results, by its path in them."""
    for path in results.rglob("*"):
        inside = path.relative_to(results)
        if path.is_file() and inside.parts[0] not in NO_RESULTS:
            yield str(inside), path


@dataclass(frozen=True)
class Job:
    """A job of Slurm: what was asked for, and what became of it."""

    number: int
    rules: Counter[str]
    partition: str
    cpus: int
    memory: str
    limit: str
    gpus: int
    state: str
    seconds: str


def submitted() -> list[Job]:
    """List all jobs of the cluster, in order."""
    jobs = []
    for line in cluster.asked("scontrol", "show", "job", "-o").splitlines():
        said = dict(re.findall(r"(\w+)=(\S*)", line))
        if "JobId" not in said:
            continue  # "No jobs in the system"
        log = Path(said["StdOut"])
        # The Snakemake in the job names each rule as it starts it.
        rules = Counter(re.findall(r"^rule (\w+):$", log.read_text() if log.exists() else "", re.MULTILINE))
        gpus = re.search(r"gpu:(\d+)", said.get("TresPerJob", ""))
        jobs.append(
            Job(
                int(said["JobId"]),
                rules or Counter([said.get("Comment", "").removeprefix("rule_")]),
                said["Partition"],
                int(said["NumCPUs"]),
                said["MinMemoryNode"],
                said["TimeLimit"],
                int(gpus[1]) if gpus else 0,
                said["JobState"],
                said["RunTime"],
            )
        )
    return sorted(jobs, key=lambda job: job.number)


def print_jobs(jobs: list[Job]) -> None:
    """Print a line for each job of Slurm."""
    print(f"{'job':>4} {'CPUs':>4} {'memory':>7} {'limit':>10} {'GPUs':>4} {'partition':9} {'state':10} {'took':8} rules")
    for job in jobs:
        rules = ", ".join(name if count == 1 else f"{count} {name}" for name, count in job.rules.items())
        print(
            f"{job.number:4} {job.cpus:4} {job.memory:>7} {job.limit:>10} {job.gpus:4} {job.partition:9} {job.state:10} "
            f"{job.seconds:8} {rules}"
        )
    steps = sum(sum(job.rules.values()) for job in jobs)
    print(
        f"{len(jobs)} jobs of Slurm for {steps} of the workflow, at most {max(job.cpus for job in jobs)} CPUs each",
        flush=True,
    )


def check_gpus(jobs: list[Job]) -> None:
    """Whether a GPU was asked for where one is used, and nowhere else."""
    for job in jobs:
        wanted = (1, "gpu") if job.rules.keys() <= GPU_RULES else (0, "cpu")
        if (job.gpus, job.partition) != wanted:
            raise FailedError(
                f"job {job.number}, {', '.join(job.rules)}: found {job.gpus} GPUs in {job.partition}, wanted {wanted}"
            )
