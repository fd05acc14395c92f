"""Hurt a run of the workflow at random moments, let it go on each time, and compare with a run that nobody disturbed.

    python tests/workflow/chaos.py [--config FILE | --tiny] [--kills 30] [--seed 0] [-- ARGUMENTS OF SNAKEMAKE]

Each fault is followed by the same command, as a user would type it, with --unlock before it where Snakemake was killed.
What must hold, or the program ends with 1 and keeps its folder:

- no job whose end Snakemake had told is run again;
- a run that nothing has struck succeeds;
- no process outlives Snakemake for long, and none the job that it belongs to;
- every file comes out as in the undisturbed run, byte for byte, and no other file is there. (Logs, benchmarks and
  provenance are dated: they must be there, and provenance must tell of these files. A job that went on with smaller batches
  for want of memory has rounded otherwise: then what differs is counted, and allowed.)
"""

import argparse
import contextlib
import itertools
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import project as projects
import psutil
import yaml

# What tells of a run and may differ between two, by its name in the folder of results.
TOLD = ("logs", "benchmarks", "provenance", "provenance.json")
TRAINING = ("finetune_checkpoint", "train_answer_heads")
# Seconds within which a job must end after Snakemake was killed: jobs.py lets a long step of a library go on for 30.
GRACE = 45
# Seconds within which Snakemake must end after anything else; it waits for the jobs that it has begun.
PATIENCE = 1800


class BrokenError(Exception):
    """A promise that was not kept."""


class MissedError(Exception):
    """There was nothing left to strike."""


@dataclass
class Job:
    rule: str
    output: str
    began: float
    ended: float | None = None


class Run:
    """Snakemake at work in a copy of the project, and what it has said."""

    def __init__(
        self,
        project: Path,
        config: str,
        log: Path,
        arguments: tuple[str, ...] = (),
        cores: int = 2,
        done: frozenset[tuple[str, str]] = frozenset(),
    ):
        self.project, self.log, self.done = project, log, done
        self.jobs: dict[str, Job] = {}
        self.saved = set(self.saving(project))
        self.began = time.monotonic()
        with open(log, "wb") as sink:
            call = projects.invocation(project, config, *arguments, cores=cores)
            self.process = subprocess.Popen(**call, stdout=sink, stderr=subprocess.STDOUT, start_new_session=True)
        self._said, self._rule, self._output = open(log, encoding="utf-8", errors="replace"), "", ""  # noqa: SIM115
        self._rest = ""

    @staticmethod
    def saving(project: Path) -> list[Path]:
        """List the resumable checkpoints whose last file is not there yet."""
        return [
            saved
            for saved in project.glob("results/*/finetuning/*/checkpoint-*")
            if not (saved / "trainer_state.json").exists()
        ]

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began

    def has_ended(self) -> bool:
        """Read what was said since, and tell whether Snakemake has ended."""
        ended = self.process.poll() is not None
        *lines, self._rest = (self._rest + self._said.read()).split("\n")
        for line in lines:
            self._read(line)
        return ended

    def _read(self, line: str) -> None:
        # Jobs write to the same place and may leave a line open, so these are searched and not matched.
        if found := re.search(r"(?<!Error in )(?:local)?rule (\w+):$", line):
            self._rule, self._output = found[1], ""
        elif found := re.search(r"Finished jobid: (\d+) \(Rule: ", line):
            self.jobs[found[1]].ended = self.seconds
        elif line.startswith("Error in rule"):
            self._rule = ""
        elif self._rule and (found := re.fullmatch(r"    output: (.+)", line)):
            self._output = found[1]
        elif self._rule and (found := re.fullmatch(r"    jobid: (\d+)", line)):
            self.jobs[found[1]] = Job(self._rule, self._output, self.seconds)
            self._rule = ""

    def finished(self) -> set[tuple[str, str]]:
        return {(job.rule, job.output) for job in self.jobs.values() if job.ended is not None and job.output}

    def unfinished(self) -> list[Job]:
        return [job for job in self.jobs.values() if job.ended is None]

    def scripts(self) -> list[tuple[psutil.Process, str]]:
        """List the processes that run the jobs' scripts, each with its rule."""
        found = []
        with contextlib.suppress(psutil.NoSuchProcess):
            for process in psutil.Process(self.process.pid).children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):
                    command = process.cmdline()
                    if named := command and re.fullmatch(r".*/\.snakemake/scripts/\w+\.(\w+)\.py", command[-1]):
                        found.append((process, named[1]))
        return found

    def wait(self, until: Callable[[], bool], limit: float = PATIENCE, every: float = 0.05) -> bool:
        """Wait until something is so, and return True; or False where Snakemake ends before."""
        deadline = time.monotonic() + limit
        while not self.has_ended():
            if until():
                return True
            if time.monotonic() > deadline:
                raise BrokenError(f"nothing has come of {limit:.0f} s of waiting; see {self.log}")
            time.sleep(every)
        return False

    def wait_for_end(self) -> None:
        self.wait(lambda: False)


def alive(project: Path) -> list[psutil.Process]:
    """List the processes that work in the copy, whoever their parent is."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()).is_relative_to(project):
                found.append(process)
    return found


def tree(process: psutil.Process) -> list[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        return [process, *process.children(recursive=True)]
    return []


def send(number: int, processes: list[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def has_gone(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    return True


# The faults. Each strikes a run and returns when that is over: on which job, where it strikes one.


def chosen(run: Run, dice: random.Random) -> tuple[psutil.Process, str]:
    """Choose a process that runs the script of a job."""
    if not (scripts := run.scripts()):
        raise MissedError
    return dice.choice(scripts)


def to_group(run: Run, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(run.process.pid, number)


def interrupt_all(run: Run, dice: random.Random) -> None:
    to_group(run, signal.SIGINT)
    run.wait_for_end()


def interrupt_snakemake(run: Run, dice: random.Random) -> None:
    run.process.send_signal(signal.SIGINT)
    run.wait_for_end()


def terminate_snakemake(run: Run, dice: random.Random) -> None:
    run.process.send_signal(signal.SIGTERM)
    run.wait_for_end()


def terminate_all(run: Run, dice: random.Random) -> None:
    to_group(run, signal.SIGTERM)
    run.wait_for_end()


def limit_time(run: Run, dice: random.Random) -> str:
    victim, rule = chosen(run, dice)
    send(signal.SIGTERM, tree(victim))
    deadline = time.monotonic() + dice.uniform(1, 5)
    run.wait(lambda: has_gone(victim) or time.monotonic() > deadline)
    send(signal.SIGKILL, tree(victim))
    run.wait_for_end()
    return rule


def kill_job(run: Run, dice: random.Random) -> str:
    victim, rule = chosen(run, dice)
    send(signal.SIGKILL, [victim])
    run.wait_for_end()
    return rule


def kill_snakemake(run: Run, dice: random.Random) -> None:
    run.process.kill()
    run.wait_for_end()


def kill_all(run: Run, dice: random.Random) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        send(signal.SIGKILL, tree(psutil.Process(run.process.pid)))
    run.wait_for_end()


def fill_disk(run: Run, dice: random.Random) -> None:
    with tempfile.NamedTemporaryFile(dir=run.project) as filler:
        with contextlib.suppress(OSError):
            while True:
                room = shutil.disk_usage(run.project).free
                os.posix_fallocate(filler.fileno(), os.fstat(filler.fileno()).st_size, max(room, 4096))
        run.wait_for_end()


def limit_memory(run: Run, dice: random.Random) -> str:
    victim, rule = chosen(run, dice)
    with contextlib.suppress(psutil.NoSuchProcess):
        resource.prlimit(victim.pid, resource.RLIMIT_AS, (victim.memory_info().vms,) * 2)
    run.wait(lambda: has_gone(victim))
    return rule


FAULTS = {
    "SIGINT to all (Ctrl-C)": interrupt_all,
    "SIGINT to Snakemake": interrupt_snakemake,
    "SIGTERM to Snakemake": terminate_snakemake,
    "SIGTERM to all": terminate_all,
    "time limit of a job": limit_time,
    "SIGKILL of a job": kill_job,
    "SIGKILL of Snakemake": kill_snakemake,
    "SIGKILL of all": kill_all,
    "full disk": fill_disk,
    "no memory for a job": limit_memory,
}
# Those that strike one job, so that there must be one.
OF_A_JOB = (limit_time, kill_job, limit_memory)


# The moments: whether it has come, asked of a run again and again.

Moment = Callable[[Run], bool]


def after(seconds: float) -> Moment:
    return lambda run: run.seconds >= seconds


def after_starts(count: int, seconds: float) -> Moment:
    """Some seconds after so many jobs have begun."""
    return lambda run: len(run.jobs) >= count and run.seconds >= list(run.jobs.values())[count - 1].began + seconds


def within(rules: tuple[str, ...], seconds: float) -> Moment:
    """When a job of these rules has run so long, or has ended sooner, or was done before."""

    def has_come(run: Run) -> bool:
        jobs = [job for job in run.jobs.values() if job.rule in rules]
        if not jobs:
            return bool(run.jobs) and any(rule in rules for rule, _ in run.done)
        return any(job.ended is not None or run.seconds >= job.began + seconds for job in jobs)

    return has_come


def while_saving(run: Run) -> bool:
    """While a training saves, or when one has ended."""
    return bool(set(run.saving(run.project)) - run.saved) or within(TRAINING, PATIENCE)(run)


def drawn(dice: random.Random, trains: bool, longest: float) -> Moment:
    """Draw a moment. trains: there is training left to be hurt, which takes so many seconds at most."""
    kinds = ["start", "jobs", "jobs", "jobs", *(["training", "training", "saving"] if trains else [])]
    match dice.choice(kinds):
        case "start":
            return after(dice.uniform(0, 5))
        case "jobs":
            return after_starts(dice.randint(1, 8), dice.expovariate(1 / 2))
        case "training":
            return within(TRAINING, dice.uniform(0, longest))
        case _:
            return while_saving


@dataclass
class Tally:
    struck: int = 0
    interrupted: int = 0
    lost: float = 0


@dataclass
class Chaos:
    """A copy of the project that is run and hurt, and what was seen."""

    project: Path
    config: str
    reference: Path
    folder: Path
    arguments: tuple[str, ...] = ()
    cores: int = 2
    dice: random.Random = field(default_factory=random.Random)
    say: Callable[[str], None] = print
    tallies: dict[str, Tally] = field(default_factory=dict)
    done: set[tuple[str, str]] = field(default_factory=set)
    runs: int = 0
    completed: int = 0
    slowest: float = 0
    locked: int = 0
    halved: bool = False
    _orphans: dict[psutil.Process, float] = field(default_factory=dict)

    @property
    def results(self) -> Path:
        return self.project / "results" / yaml.safe_load((self.project / self.config).read_text())["run"]

    @property
    def struck(self) -> int:
        return sum(tally.struck for tally in self.tallies.values())

    def hurt(self, faults: Iterator[tuple[str, Moment]]) -> None:
        """Strike with each of these faults at its moment; then let the workflow complete, and compare."""
        fault = None
        while True:
            fault = fault or next(faults, None)
            run, last = self._begin(), None
            while fault and self._wait(run, fault[1], FAULTS[fault[0]] in OF_A_JOB):
                with contextlib.suppress(MissedError):
                    last = self._strike(run, fault[0])
                    # Most end the run; the next fault is drawn when it is known what is left to do.
                    fault = None if run.has_ended() else next(faults, None)
            self._wait(run, lambda run: False)
            self._conclude(run, last)
            if run.process.returncode == 0:
                self._check_results()
                if not fault and not (fault := next(faults, None)):
                    return
                # There is more to come: all over again.
                shutil.rmtree(self.results)
                self.done.clear()
                self.halved = False

    def _begin(self) -> Run:
        if any((self.project / ".snakemake" / "locks").glob("*")):
            self.locked += 1
            projects.completed(self.project, self.config, "--unlock", cores=self.cores)
        self.runs += 1
        log = self.folder / "runs" / f"{self.runs}.log"
        log.parent.mkdir(exist_ok=True)
        return Run(self.project, self.config, log, self.arguments, self.cores, frozenset(self.done))

    def _wait(self, run: Run, moment: Moment, of_a_job: bool = False) -> bool:
        def has_come() -> bool:
            self._watch_orphans()
            return moment(run) and (not of_a_job or bool(run.scripts()))

        return run.wait(has_come, every=0.005 if moment is while_saving else 0.05)

    def _watch_orphans(self) -> None:
        """See that what a killed Snakemake has left ends in time, while the next one is at work already."""
        for process, since in list(self._orphans.items()):
            waited = time.monotonic() - since
            if has_gone(process):
                self.slowest = max(self.slowest, waited)
                del self._orphans[process]
            elif waited > GRACE:
                raise BrokenError(f"{process} goes on {waited:.0f} s after Snakemake, which started it, was killed")

    def _strike(self, run: Run, kind: str) -> tuple[str, float]:
        at, rules = run.seconds, sorted(job.rule for job in run.unfinished())
        struck = FAULTS[kind](run, self.dice)
        self.tallies.setdefault(kind, Tally()).struck += 1
        where = f"{kind}{f', {struck}' if struck else ''}"
        self.say(f"{self.struck:3}  {where:45} {at:6.1f} s after the start, in {', '.join(rules) or 'no job'}")
        return kind, at

    def _conclude(self, run: Run, struck: tuple[str, float] | None) -> None:
        """Check a run that has ended. struck: the fault that did it, and when."""
        ended = time.monotonic()
        run.has_ended()
        self.halved |= "out of memory with" in run.log.read_text(errors="replace")
        again = sorted({(job.rule, job.output) for job in run.jobs.values()} & self.done)
        if again:
            raise BrokenError(f"had been finished and was run again: {again}; see {run.log}")
        self.done |= run.finished()
        if run.process.returncode and not struck:
            raise BrokenError(f"the run failed, and nothing had struck it; see {run.log}")
        if struck:
            kind, at = struck
            # Snakemake waits for the other jobs where one is struck; the time of that one ends there.
            until = at if FAULTS[kind] in OF_A_JOB else run.seconds
            lost = [job for job in run.unfinished() if job.output]
            self.tallies[kind].interrupted += len(lost)
            self.tallies[kind].lost += sum(max(0, until - job.began) for job in lost)
            if FAULTS[kind] is kill_snakemake:
                # The next run begins at once, as a hasty user's does.
                self._orphans |= dict.fromkeys(alive(self.project), ended)
                return
        while left := alive(self.project):
            if time.monotonic() - ended > GRACE:
                raise BrokenError(f"{left} still there {GRACE} s after Snakemake has ended; see {run.log}")
            time.sleep(0.1)
        self.slowest = max(self.slowest, time.monotonic() - ended)

    def _check_results(self) -> None:
        self.completed += 1
        found = differences(self.reference, self.results)
        markers = [path for path in (self.project / ".snakemake" / "incomplete").rglob("*") if path.is_file()]
        if markers:
            found.append(f"Snakemake holds {len(markers)} files for incomplete")
        if planned := projects.planned(self.project, self.config, *self.arguments):
            found.append(f"a second run would run {planned}")
        if (self.results / "provenance.json").exists():
            status, said = projects.pairprobe(self.project, "verify", str(self.results))
            found += said.splitlines() if status else []
        if self.halved:
            rounded = [line for line in found if line.endswith(" differs")]
            found = [line for line in found if line not in rounded]
            self.say(f"     a batch was halved for want of memory: {len(rounded)} files differ")
        if found:
            raise BrokenError("the results differ from those of the undisturbed run:\n  " + "\n  ".join(found))
        self.say(f"     complete, and as undisturbed ({self.completed})")

    def table(self) -> str:
        lines = ["| fault | struck | jobs interrupted and repeated | seconds of work lost |", "| --- | --: | --: | --: |"]
        total = Tally(
            *(sum(getattr(tally, key) for tally in self.tallies.values()) for key in ("struck", "interrupted", "lost"))
        )
        for kind, tally in [*self.tallies.items(), ("all", total)]:
            lines.append(f"| {kind} | {tally.struck} | {tally.interrupted} | {tally.lost:.0f} |")
        return "\n".join(lines)


def differences(reference: Path, results: Path) -> list[str]:
    """Say in what the files of two folders of results differ; of what only tells of the run, their names alone."""
    wanted, found = ({path.relative_to(folder) for path in folder.rglob("*")} for folder in (reference, results))
    said = [f"{name} is missing" for name in sorted(wanted - found)]
    said += [f"{name} is left" for name in sorted(found - wanted)]
    for name in sorted(wanted & found):
        one, other = reference / name, results / name
        if name.parts[0] not in TOLD and not one.is_dir() and one.read_bytes() != other.read_bytes():
            said.append(f"{name} differs")
    return said


def in_rounds(kinds: list[str], dice: random.Random) -> Iterator[str]:
    """Yield all kinds, in one order and another, for ever."""
    while True:
        yield from dice.sample(kinds, len(kinds))


def drawn_faults(chaos: Chaos, kinds: list[str], kills: int) -> Iterator[tuple[str, Moment]]:
    """Draw kinds and moments; those of training while there is some to do."""
    tables = [path for rule in TRAINING for path in (chaos.reference / "benchmarks" / rule).glob("*.tsv")]
    longest = max(float(path.read_text().splitlines()[1].split()[0]) for path in tables) if tables else 0
    for kind in itertools.islice(in_rounds(kinds, chaos.dice), kills):
        trained = sum(rule in TRAINING for rule, _ in chaos.done)
        yield kind, drawn(chaos.dice, trained < len(tables), longest)


@contextlib.contextmanager
def small_disk(folder: Path, size: int) -> Iterator[bool]:
    """Give a folder a disk of its own, in memory, which can be filled; yields whether that could be done."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    mounted = os.geteuid() == 0 and not subprocess.run(command, check=False).returncode
    yield mounted
    # Where something was raised, it is left to be looked at.
    if mounted:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def prepared(project: Path, config: str | None) -> str:
    """Copy the project with a configuration, or with the tiny one; returns its place in the copy."""
    if config:
        projects.copy_project(project, projects.PAGES)
        name = f"config/{Path(config).name}"
        shutil.copy(projects.ROOT / config, project / name)
        return name
    projects.copy_project(project, projects.PAGES[:26])
    encoder = project.parent / "encoder"
    if not encoder.exists():
        projects.tiny_encoder(encoder)
    # Training that takes some seconds and saves often.
    settings = projects.tiny_config(encoder)
    settings["finetuning"] |= {"epochs": 8, "save_steps": 20}
    (project / "config" / "tiny.yaml").write_text(yaml.safe_dump(settings, sort_keys=False))
    return "config/tiny.yaml"


def undisturbed(project: Path, config: str, folder: Path, arguments: tuple[str, ...]) -> Path:
    """Run the workflow and return its results."""
    run = Run(project, config, folder / "undisturbed.log", arguments)
    run.wait_for_end()
    if run.process.returncode:
        raise BrokenError(f"the undisturbed run failed; see {run.log}")
    if run.unfinished():
        raise BrokenError(f"what Snakemake says was not understood: {run.unfinished()}; see {run.log}")
    return next((project / "results").glob("[!.]*/"))


def emptied(folder: Path) -> None:
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--config", default="config/config.yaml", help="the configuration to run")
    parser.add_argument("--tiny", action="store_true", help="run the demo with 26 pages and a tiny random encoder: minutes")
    parser.add_argument("--kills", type=int, default=30, help="how many faults strike")
    parser.add_argument("--seed", type=int, default=0, help="of their kinds and moments")
    parser.add_argument("--only", default="", help="faults whose names hold this: SIGKILL, memory, ...")
    parser.add_argument("--reference", type=Path, help="results/RUN of an undisturbed run; else one is made")
    parser.add_argument("--folder", type=Path, help="where to work; removed at the end if all is well")
    parser.add_argument("arguments", nargs="*", help="further arguments for Snakemake, after --")
    given = parser.parse_args()
    # In the background of a shell it is ignored, and what is started here would ignore it too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    folder = (given.folder or Path(tempfile.mkdtemp(prefix="chaos-"))).resolve()
    project = folder / "project"
    # What jobs leave in the folder for temporary files can be seen at the end.
    os.environ["TMPDIR"] = str(folder / "tmp")
    for path in (project, folder / "tmp"):
        path.mkdir(parents=True)
    wanted, arguments = None if given.tiny else given.config, tuple(given.arguments)
    began = time.monotonic()
    try:
        reference = given.reference and given.reference.resolve()
        if not reference:
            print("an undisturbed run first ...", flush=True)
            shutil.move(undisturbed(project, prepared(project, wanted), folder, arguments), folder / "reference")
            reference = folder / "reference"
            emptied(project)
            print(f"it took {time.monotonic() - began:.0f} s", flush=True)
        size = sum(path.stat().st_size for path in reference.rglob("*") if path.is_file())
        with small_disk(project, 3 * size + (512 << 20)) as mounted:
            kinds = [kind for kind, fault in FAULTS.items() if given.only in kind and (mounted or fault is not fill_disk)]
            if not mounted:
                print("full disk: left out; mounting a small one needs root", flush=True)
            chaos = Chaos(
                project,
                prepared(project, wanted),
                reference,
                folder,
                arguments,
                dice=random.Random(given.seed),
                say=lambda line: print(line, flush=True),
            )
            chaos.hurt(drawn_faults(chaos, kinds, given.kills))
    except BrokenError as error:
        send(signal.SIGKILL, alive(project))
        sys.exit(f"error: {error}\nEverything is kept in {folder} (umount {project} when it is a mount).")
    left = [path for path in (folder / "tmp").rglob("*") if path.is_file()]
    print(f"\n{chaos.table()}\n")
    minutes = (time.monotonic() - began) / 60
    print(f"{chaos.struck} faults in {chaos.runs} runs, {chaos.completed} of them to the end, in {minutes:.0f} min.")
    print("Finished jobs that were run again: 0. Files that differ, are missing or are left: 0. Processes that stayed: 0;")
    print(f"the last of a run ended {chaos.slowest:.1f} s after Snakemake. The folder was locked {chaos.locked} times.")
    print(f"Files left in the folder for temporary files: {len(left)}.")
    if not given.folder:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
