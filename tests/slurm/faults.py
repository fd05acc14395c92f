"""What goes wrong on a cluster, done on purpose to a tiny run: see ``FAULTS`` and ``kill_the_head_node``."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import cluster
import yaml
from trial import (
    THROUGH_SLURM,
    FailedError,
    compare,
    copy_project,
    log_of,
    print_jobs,
    projects,
    results_of,
    snakemake,
    start_snakemake,
    submitted,
)

from pairprobe.io.processes import PARENT

CONFIG = "config/tiny.yaml"
PAGES = 26
# Long enough for a job to be met at work; so slow a machine that a test takes longer is stuck.
EPOCHS, PATIENCE = 8, 1800


@dataclass(frozen=True)
class Script:
    """A script of the workflow at work: its process, and its job of Slurm."""

    process: int
    job: str
    environment: dict[str, str]
    project: Path


# The faults: what happens while a script of a rule runs.


def scancel_the_job(script: Script) -> None:
    """Somebody cancels the job."""
    cluster.run("scancel", script.job)


def kill_the_process(script: Script) -> None:
    """The kernel kills the process, as where memory is out."""
    os.kill(script.process, signal.SIGKILL)


def kill_what_started_it(script: Script) -> None:
    """The Snakemake inside the job dies, and the script with it: no two processes are ever at work on one file."""
    os.kill(int(script.environment[PARENT]), signal.SIGKILL)
    wait_until(lambda: not is_there(script.process), f"process {script.process} ends with what started it", 30)


def let_it_hang(script: Script) -> None:
    """The process hangs, after it has saved something, and the job runs into its time limit."""
    work = script.project / "results" / "tiny" / "finetuning" / "finetuned"
    wait_until(lambda: any(work.glob("checkpoint-*/trainer_state.json")), "the training saves something", 60)
    os.kill(script.process, signal.SIGSTOP)


def lose_the_node(script: Script) -> None:
    """The node goes down, and comes back."""
    node = cluster.asked("squeue", "-h", "-j", script.job, "-o", "%N")
    cluster.run("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
    wait_until(lambda: not is_there(script.process), f"process {script.process} ends with its node", 60)
    cluster.run("scontrol", "update", f"nodename={node}", "state=resume")


FAULTS: dict[str, Callable[[Script], None]] = {
    "read_questions": lose_the_node,
    "partition_examples": scancel_the_job,
    "train_answer_heads": kill_the_process,
    "finetune_checkpoint": let_it_hang,
    "predict_answers": kill_what_started_it,
}
# When this runs, Snakemake itself is killed.
LAST = "rank_pairs"


# The test.


def test(folder: Path) -> None:
    """Run a tiny configuration without Slurm, then through it with every fault; the results must be the same."""
    local, project = (tiny_project(folder, name) for name in ("local", "faults"))
    snakemake(local, "--cores", "2", "--configfile", CONFIG)
    limit_the_training(project)
    arguments = (*THROUGH_SLURM, "--configfile", CONFIG)
    before = {job.number for job in submitted()}
    with start_snakemake(project, *arguments) as run:
        try:
            cause_faults(run, project)
            kill_the_head_node(run, project)
        finally:
            run.kill()
    refused = start_snakemake(project, *arguments).wait()
    if not refused or "--unlock" not in log_of(project)[-3000:]:
        raise FailedError("A second Snakemake did not refuse the folder of one that was killed.")
    snakemake(project, "--unlock", "--configfile", CONFIG)
    seconds = snakemake(project, *arguments)
    print(f"the next run completes: {seconds:.0f} s")
    jobs = [job for job in submitted() if job.number not in before]
    print_jobs(jobs)
    check_states(jobs, project)
    print(f"{compare(results_of(local, CONFIG), results_of(project, CONFIG))} files of results are the same, byte for byte")


def cause_faults(run: subprocess.Popen, project: Path) -> None:
    """Do each fault once, when a script of its rule is first met."""
    todo, end = dict(FAULTS), time.monotonic() + PATIENCE
    while todo:
        if run.poll() is not None or time.monotonic() > end:
            raise FailedError(
                f"Snakemake ended, or is stuck, before these ran: {', '.join(todo)}\n{log_of(project)[-6000:]}"
            )
        for rule, script in scripts(project):
            if rule in todo:
                fault = todo.pop(rule)
                fault(script)
                print(f"{rule}: {fault.__doc__.splitlines()[0]}", flush=True)
        time.sleep(0.1)


def kill_the_head_node(run: subprocess.Popen, project: Path) -> None:
    """Snakemake is killed on the head node while jobs run: they live on, and are cancelled by the name of the run."""
    wait_until(lambda: LAST in dict(scripts(project)), f"{LAST} runs", PATIENCE)
    run.kill()
    run.wait()
    name = log_of(project).split("SLURM run ID: ")[-1].split()[0]
    if not cluster.asked("squeue", "-h", "--name", name):
        raise FailedError("No job outlived Snakemake.")
    cluster.run("scancel", "--name", name)
    wait_until(lambda: not cluster.asked("squeue", "-h") and not list(scripts(project)), "the cancelled jobs end", 60)
    print("Snakemake is killed on the head node, its jobs are cancelled", flush=True)


def check_states(jobs: list, project: Path) -> None:
    """Whether each fault was one to Slurm, and what it cut off was tried again, with more."""
    states = {job.state for job in jobs}
    if wanted := {"CANCELLED", "FAILED", "TIMEOUT", "COMPLETED"} - states:
        raise FailedError(f"No job is {', '.join(sorted(wanted))}.")
    limits = [(job.state, job.limit, job.memory) for job in jobs if "finetune_checkpoint" in job.rules]
    if limits != [("TIMEOUT", "00:01:00", "16000M"), ("COMPLETED", "00:02:00", "32000M")]:
        raise FailedError(f"finetune_checkpoint: found {limits}, wanted twice the time and memory after TIMEOUT.")
    log = project / "results" / "tiny" / "logs" / "finetune_checkpoint" / "finetuned.log"
    if "going on from" not in log.read_text():
        raise FailedError(f"{log}: the training did not go on where it was killed.")


# The tiny configuration.


def tiny_project(folder: Path, name: str) -> Path:
    """Copy the project with some of its pages, and a configuration with a tiny encoder that trains for a while."""
    project, encoder = copy_project(folder / name, projects.PAGES[:PAGES]), folder / "encoder"
    config = projects.tiny_config(encoder if encoder.exists() else projects.tiny_encoder(encoder))
    config["finetuning"] |= {"epochs": EPOCHS, "save_steps": 10}
    (project / CONFIG).write_text(yaml.safe_dump(config, sort_keys=False))
    return project


def limit_the_training(project: Path) -> None:
    """Give the training a minute, for each attempt."""
    path = project / "profiles" / "slurm" / "config.yaml"
    profile = yaml.safe_load(path.read_text())
    profile["set-resources"]["finetune_checkpoint"]["runtime"] = "1 * attempt"
    path.write_text(yaml.safe_dump(profile, sort_keys=False))


# Processes.


def scripts(project: Path) -> Iterator[tuple[str, Script]]:
    """Yield the rule and the process of each script that runs in a job of Slurm for a project."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            command = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
            found = [part for part in command if part.startswith(f"{project}/.snakemake/scripts/")]
            said = (folder / "environ").read_bytes().decode(errors="replace").split("\0")
            environment = dict(line.split("=", 1) for line in said if "=" in line)
            # The shell that starts it has no more than its name in the command.
            if found and command[-2:] == [found[0], ""] and PARENT in environment:
                rule = found[0].split(".")[-2]
                yield rule, Script(int(folder.name), environment["SLURM_JOB_ID"], environment, project)


def is_there(process: int) -> bool:
    """Whether a process has not ended."""
    with suppress(OSError):
        return (Path("/proc") / str(process) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def wait_until(holds: Callable[[], bool], what: str, seconds: float) -> None:
    """Wait for something that must come to hold."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise FailedError(f"Not in {seconds} s: {what}.")
        time.sleep(0.1)
