"""How a configuration scales: simulated on 1 to 64 workers, and measured on 1 and 2 cores of this machine.

    .venv/bin/python benchmarks/scaling.py CONFIG ...       simulated: time, speed-up, idle share, critical path
    .venv/bin/python benchmarks/scaling.py --figure FILE.svg CONFIG ...    the same as a figure, too
    .venv/bin/python benchmarks/scaling.py --measure        the demo on 1 and 2 cores; nothing else should run
    .venv/bin/python benchmarks/scaling.py --measured       the table of what was measured, again
    .venv/bin/python benchmarks/scaling.py --write ...      what is printed into docs/scaling.md, too

Jobs and what they wait for are those of a dry run. How long each takes was measured, by Snakemake's benchmarks in a run, or
follows from the rates of ``plan.py`` where the configuration downloads what is counted there.
"""

import argparse
import dataclasses
import itertools
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

import plan
from pairprobe.errors import InputError
from pairprobe.io.tsv import read_tsv
from pairprobe.tables.layout import markdown
from scaling_figure import draw, parts_of
from schedule import Job, Workers, bound, critical_path, idle_share, linked, makespan, simulate

ROOT = plan.ROOT
DEMO, KEPT, PAGE = ROOT / "config/config.yaml", ROOT / "benchmarks/scaling.json", ROOT / "docs/scaling.md"
NUMBERS = tuple(2**n for n in range(7))
# No fewer than any job asks for: a dry run scales threads down to the cores that it is given.
MANY_CORES = 1024

# The rules that do each stage's work in plan.py. "Probing sets and ranking" has rates of its own for each; what no rule
# is named for has none and takes no longer than it takes to start.
STAGES = {
    "read_questions": "read and partition",
    "build_features": "features",
    "finetune_checkpoint": "fine-tuning",
    "train_answer_heads": "heads on the frozen encoder",
    "predict_answers": "predictions",
    "extract_activations": "activations",
}
# Rules that share one line to the hub, whose rate plan.py assumes.
DOWNLOADS = ("download_questions", "fetch_checkpoint")
# Seconds until a job is at work, and Snakemake's own around it. The demo's shortest jobs: 6.9 s with a model (its import,
# loading it), 1.0 s, the median, without.
START_WITH_MODEL, START = 7.0, 1.0


# Jobs.


def snakemake(config: str | Path, log: Path, *arguments: str, project: Path = ROOT, cpus: set[int] | None = None) -> None:
    """Run Snakemake on a configuration, which keeps its jobs in ``log``; cpus: the only ones that it may use.

    Raises InputError with what Snakemake says where it fails.
    """
    command = [sys.executable, "-m", "snakemake", "--configfile", str(Path(config).resolve()), "--quiet", "all"]
    # The plugin, and the project's own library.
    path = os.pathsep.join([str(Path(__file__).parent), str(project / "workflow")])
    done = subprocess.run(
        [*command, "--nocolor", "--logger", "jobs", "--logger-jobs-path", str(log), *arguments],
        cwd=project,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        preexec_fn=(lambda: os.sched_setaffinity(0, cpus)) if cpus else None,
    )
    if done.returncode:
        raise InputError(f"{config}: Snakemake failed.\n{done.stdout}{done.stderr}".rstrip())


def read_log(log: Path) -> tuple[list[Job], dict[str, dict[str, float]]]:
    """Read the jobs of a run and, by their names, when they started and finished, where it was not a dry one."""
    jobs, inputs, outputs, times = {}, {}, {}, {}
    for line in log.read_text(encoding="utf-8").splitlines():
        event = json.loads(line)
        key = event.pop("job")
        if "rule" in event:
            inputs[key], outputs[key] = event.pop("input"), event.pop("output")
            jobs[key] = Job(**{**event, "wildcards": ".".join(event["wildcards"].values())})
        else:
            times.setdefault(key, {}).update(event)
    return linked(jobs, inputs, outputs), {jobs[key].name: found for key, found in times.items()}


def dry_run(config: str | Path, project: Path = ROOT) -> list[Job]:
    """Return all jobs of a configuration, as Snakemake plans them where nothing is there yet."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "jobs.jsonl"
        snakemake(config, log, "--dry-run", "--forceall", "--cores", str(MANY_CORES), project=project)
        return read_log(log)[0]


# How long they take.


def with_benchmarks(jobs: Sequence[Job], folder: Path) -> list[Job]:
    """Return jobs with the seconds of Snakemake's benchmark tables; ``folder`` is where it ran."""
    found = []
    for job in jobs:
        if job.benchmark and not (folder / job.benchmark).is_file():
            raise InputError(
                f"{folder / job.benchmark}: missing, so that it is not known how long this job takes. Run it first."
            )
        seconds = float(read_tsv(folder / job.benchmark)[0]["s"]) if job.benchmark else 0.0
        found.append(dataclasses.replace(job, seconds=seconds))
    return found


def seconds_of_rules(work: plan.Work, machine: plan.Machine) -> dict[str, float]:
    """Return how long all jobs of a rule take together, each on as many cores as it has threads, or on one GPU."""
    # With one core in all, what needs no model is in seconds of a core.
    stages = plan.seconds(work, dataclasses.replace(machine, cores=1))
    found = {rule: stages.get(stage, 0.0) for rule, stage in STAGES.items()}
    return found | {
        "download_questions": work.size / plan.DOWNLOADED,
        "fetch_checkpoint": work.fetched * plan.CHECKPOINT / plan.DOWNLOADED,
        "build_probing_set": work.examples / plan.BUILT,
        "rank_pairs": work.checkpoints * work.examples * plan.PAIRS / plan.RANKED,
        "train_span_heads": work.checkpoints * work.sentence_words / plan.LEARNT,
    }


def with_rates(jobs: Sequence[Job], work: plan.Work, machine: plan.Machine) -> list[Job]:
    """Return jobs with the seconds that follow from a machine's rates: a rule's, shared evenly by its jobs, and a start.

    Downloads come one after the other: together they are no faster than their line.
    """
    together = seconds_of_rules(work, machine)
    number = {rule: sum(job.rule == rule for job in jobs) for rule in together}
    found, before = [], ()
    for i, job in enumerate(jobs):
        seconds = together[job.rule] / number[job.rule] if job.rule in together else 0.0
        start = (START_WITH_MODEL if job.gpu else START) if job.benchmark else 0.0
        needs = job.needs
        if job.rule in DOWNLOADS:
            # It starts while another has the line.
            start, needs, before = 0.0, (*needs, *before), (i,)
        found.append(dataclasses.replace(job, seconds=seconds + start, needs=needs))
    return found


# Simulated.


@dataclass(frozen=True)
class Series:
    """Jobs with their seconds, on more and more workers.

    name and unit: what it is, and what there are more and more of; origin: of the seconds; measured: the wall times of
    whole runs, by their number of cores.
    """

    name: str
    unit: str
    origin: str
    jobs: list[Job]
    workers: Callable[[int], Workers]
    measured: dict[int, float] = dataclasses.field(default_factory=dict)

    def time(self, number: int, look_ahead: bool = True) -> float:
        """Return the seconds that so many workers take."""
        return makespan(simulate(self.jobs, self.workers(number), look_ahead))


@dataclass(frozen=True)
class Point:
    """So many workers: the seconds that they take, the seconds that no schedule can stay below, and their idle share."""

    number: int
    seconds: float
    bound: float
    idle: float


def points(series: Series, numbers: Sequence[int] = NUMBERS) -> list[Point]:
    """Simulate a series on each of these numbers of workers."""
    found = []
    for number in numbers:
        workers, seconds = series.workers(number), series.time(number)
        found.append(Point(number, seconds, bound(series.jobs, workers), idle_share(series.jobs, workers, seconds)))
    return found


def series_of(path: str, kept: dict | None = None) -> list[list[Series]]:
    """Return what is simulated of a configuration: for the least of a page that may be read and, if it differs, the most.

    kept: what ``measure`` has returned; its times go before those of benchmark tables.
    """
    try:
        config = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        counted = config["data"]["source"] in plan.PREPARED and "files" not in config["data"]
    except (OSError, yaml.YAMLError, TypeError, KeyError):
        counted = True  # plan.py says what is wrong with it
    if not counted:
        if kept and kept["config"] == config:
            jobs, origin = typical(kept), "times measured"
            walls = {cores: each["wall"] for cores, each in fastest(kept).items()}
        else:
            jobs, origin, walls = with_benchmarks(dry_run(path), ROOT), "times measured", {}
        return [[Series(config["run"], "cores of one machine", origin, jobs, lambda number: Workers(1, number), walls)]]
    config = plan.read_config(path)
    jobs, (cpu, gpu) = dry_run(path), plan.MACHINES[:2]
    works = [plan.work_of(config, end) for end in (0, 1)]
    return [
        [
            Series(
                f"{config['run']} on CPUs",
                f"workers of {cpu.name}",
                f"rates {cpu.origin}",
                with_rates(jobs, work, cpu),
                lambda number: Workers(number, cpu.cores),
            ),
            Series(
                f"{config['run']} on GPUs",
                f"workers of {gpu.name} and {gpu.cores} cores",
                f"rates {gpu.origin}, not measured",
                with_rates(jobs, work, gpu),
                lambda number: Workers(number, gpu.cores, gpus=True),
            ),
        ]
        for work in (works if works[0] != works[1] else works[:1])
    ]


def in_words(seconds: float) -> str:
    """Write a time; seconds for as long as they say more than minutes."""
    return f"{seconds:.0f} s" if seconds < 600 else plan.duration(seconds)


def simulated(ends: Sequence[tuple[Series, list[Point]]]) -> list[str]:
    """Return the table of a series, in Markdown, and what limits it.

    ends: the series and its points, for the least work and, if it differs, for the most.
    """
    alone = [found[0].seconds for _, found in ends]

    def cell(value: Callable[[Point, float], str], n: int) -> str:
        values = [value(found[n], base) for (_, found), base in zip(ends, alone, strict=True)]
        return plan.between(values[0], values[-1])

    fields = (ends[0][0].unit.split()[0], "time", "speed-up", "at most", "idle")
    values = (
        lambda point, base: in_words(point.seconds),
        lambda point, base: f"{base / point.seconds:.2f}",
        lambda point, base: f"{base / point.bound:.2f}",
        lambda point, base: plan.percent(point.idle),
    )
    rows = [(point.number, *(cell(value, n) for value in values)) for n, point in enumerate(ends[0][1])]
    said = []
    for series, found in ends:
        parts = parts_of(critical_path(series.jobs), 0.01)
        length = sum(parts.values())
        said.append(
            f"critical path {in_words(length)}, so at most {found[0].seconds / length:.2f} times as fast: "
            + ", ".join(f"{rule} {in_words(seconds)}" for rule, seconds in parts.items())
        )
    slower = max(
        series.time(point.number, look_ahead=False) / point.seconds - 1 for series, found in ends for point in found
    )
    series = ends[0][0]
    return [
        f"**{series.name}, {series.unit}** ({series.origin}; {len(series.jobs):,} jobs)",
        "",
        *markdown(fields, rows, fields).splitlines(),
        "",
        *(f"- {words[0].upper()}{words[1:]}." for words in said),
        f"- First come, first served, without looking ahead: at most {plan.percent(slower)} slower.",
    ]


# Measured.


def copy_project(folder: Path) -> Path:
    """Copy what the workflow consists of into a folder without results."""
    shutil.copy(ROOT / "Snakefile", folder)
    for name in ("config", "envs", "profiles", "scripts", "workflow"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def run(config: str | Path, cores: int, pin: bool) -> dict:
    """Run a configuration whole in a copy of the project and return its times, in seconds, and its jobs.

    pin: let it use no more of this machine's cores than it is given.
    """
    cpus = set(sorted(os.sched_getaffinity(0))[:cores]) if pin else None
    with tempfile.TemporaryDirectory() as folder:
        project, log = copy_project(Path(folder)), Path(folder) / "jobs.jsonl"
        load, used, began, clock = os.getloadavg()[0], processor_time(), time.time(), time.perf_counter()
        snakemake(config, log, "--cores", str(cores), project=project, cpus=cpus)
        wall, used = time.perf_counter() - clock, processor_time() - used
        jobs, times = read_log(log)
        jobs = with_benchmarks(jobs, project)
        rows = [
            dataclasses.asdict(job)
            | {"processor": processor_seconds(project / job.benchmark) if job.benchmark else 0.0}
            | {event: moment - began for event, moment in times[job.name].items()}
            for job in jobs
        ]
    return {"cores": cores, "pinned": pin, "load": load, "wall": wall, "processor": used, "jobs": rows}


def processor_time() -> float:
    """Return the seconds of processor time that ended processes have used which this one started, and those they did."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def processor_seconds(path: Path) -> float | None:
    """Return the processor time in a benchmark table, of its last look at the job; None where the job was too short."""
    found = read_tsv(path)[0]["cpu_time"]
    return None if found == "NA" else float(found)


def jobs_of_run(run: dict) -> list[Job]:
    """Return the jobs of a run that was kept."""
    names = [field.name for field in dataclasses.fields(Job)]
    return [Job(**{name: row[name] for name in names if name != "needs"}, needs=tuple(row["needs"])) for row in run["jobs"]]


def processor() -> str:
    """Return the name of this machine's processor."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def measure(config: str, cores: Sequence[int], repeat: int, pin: bool) -> dict:
    """Run a configuration on each number of cores in turn, forth and back, so that neither comes first each time."""
    order = itertools.chain.from_iterable(cores if i % 2 == 0 else reversed(cores) for i in range(repeat))
    runs = []
    for number in order:
        runs.append(run(config, number, pin))
        print(f"--cores {number}: {runs[-1]['wall']:.1f} s", file=sys.stderr)
    return {
        "config": yaml.safe_load(Path(config).read_text(encoding="utf-8")),
        "machine": f"{processor()}, {plan.several(len(os.sched_getaffinity(0)), 'core')}",
        "runs": runs,
    }


def account(run: dict) -> dict[str, float]:
    """Return where a run's core-seconds went: jobs, Snakemake around them, its start and end, and cores without a job."""
    rows, cores = [row for row in run["jobs"] if row["benchmark"]], run["cores"]
    working = sum(row["threads"] * row["seconds"] for row in rows)
    held = sum(row["threads"] * (row["finished"] - row["started"]) for row in rows)
    first, last = min(row["started"] for row in rows), max(row["finished"] for row in rows)
    outside = cores * (run["wall"] - (last - first))
    return {
        "in jobs": working,
        "around jobs": held - working,
        "before the first and after the last": outside,
        "without a job": cores * run["wall"] - held - outside,
    }


def seconds_by_name(run: dict) -> dict[str, float]:
    """Return how long each job of a run took."""
    return {job.name: job.seconds for job in jobs_of_run(run)}


def fastest(kept: dict) -> dict[int, dict]:
    """Return the fastest run on each number of cores, the fewest cores first."""
    found: dict[int, dict] = {}
    for each in sorted(kept["runs"], key=lambda each: (each["cores"], each["wall"])):
        found.setdefault(each["cores"], each)
    return found


def typical(kept: dict) -> list[Job]:
    """Return the jobs with the threads that they ask for, and the seconds of each where no other slows it down.

    Those are of the run on the fewest cores; of a job of several threads, which there are scaled down, on the most.
    """
    runs = list(fastest(kept).values())
    alone = seconds_by_name(runs[0])
    return [job if job.threads > 1 else dataclasses.replace(job, seconds=alone[job.name]) for job in jobs_of_run(runs[-1])]


def measured(kept: dict) -> list[str]:
    """Return the table of measured runs, in Markdown: of each number of cores the fastest run, and the walls of all."""
    best = list(fastest(kept).values())
    few, times = best[0], [seconds_by_name(each) for each in best]
    several = sorted({job.name for each in best for job in jobs_of_run(each) if job.threads > 1})
    rows: dict[str, list[str]] = {}

    def add(name: str, value: str) -> None:
        rows.setdefault(name, []).append(value)

    def longer(spent: dict[str, float], names: set[str]) -> str:
        before = sum(times[0][name] for name in names)
        return f"{sum(spent[name] for name in names) / before:.2f} times" if before else "–"

    for each, spent in zip(best, times, strict=True):
        cores, wall, jobs = each["cores"], each["wall"], jobs_of_run(each)
        walls = sorted(other["wall"] for other in kept["runs"] if other["cores"] == cores)
        add("wall time", f"{wall:.1f} s" + (f" ({walls[0]:.1f} to {walls[-1]:.1f})" if len(walls) > 1 else ""))
        add("speed-up", f"{few['wall'] / wall:.2f}")
        add("all jobs, one after the other", f"{sum(spent.values()):.1f} s")
        add("critical path", f"{sum(job.seconds for job in critical_path(jobs)):.1f} s")
        add("simulated, with these times", f"{makespan(simulate(jobs, Workers(1, cores))):.1f} s")
        alone = [dataclasses.replace(job, seconds=times[0][job.name]) for job in jobs]
        add(f"simulated, with the times of {few['cores']}", f"{makespan(simulate(alone, Workers(1, cores))):.1f} s")
        for name, seconds in account(each).items():
            add(f"core-seconds {name}", f"{seconds:.1f} ({plan.percent(seconds / (cores * wall))})")
        add("jobs of one thread take", longer(spent, spent.keys() - set(several)))
        add("jobs of several threads take", longer(spent, set(several)))
        add("processor time", f"{each['processor']:.1f} s ({each['processor'] / wall:.2f} cores)")
        add("load before it", f"{each['load']:.1f}")
    fields = ("", *(f"`--cores {each['cores']}`" + ", pinned" * each["pinned"] for each in best))
    lines = markdown(fields, [(name, *row) for name, row in rows.items()], fields[1:]).splitlines()
    return [f"Measured on {kept['machine']}.", "", *lines, "", *threads_used(best, several)]


def threads_used(best: Sequence[dict], several: Sequence[str]) -> list[str]:
    """Return a table of jobs that ask for several threads: what they were given, and the processor time that they used."""
    found = [{f"{row['rule']} {row['wildcards']}".strip(): row for row in each["jobs"]} for each in best]
    fields = ["job"]
    for each in best:
        fields += [f"threads given of {each['cores']}", f"s on {each['cores']}", f"processor s on {each['cores']}"]
    rows = []
    for name in several:
        cells = ((rows[name]["threads"], rows[name]["seconds"], rows[name]["processor"]) for rows in found)
        rows.append((name, *("–" if cell is None else cell for cell in itertools.chain(*cells))))
    return markdown(fields, rows, fields[1:]).splitlines()


def written(text: str, name: str, lines: Sequence[str]) -> str:
    """Return a text with lines in place of what is between the marks of this name."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, rest = text.split(begin)
    _, after = rest.split(end)
    return "\n".join([before + begin, *lines, end]) + after


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("configs", nargs="*", metavar="CONFIG", help="simulate each")
    parser.add_argument("--figure", action="append", default=[], metavar="FILE", help="draw them, too (.svg, .pdf, .png)")
    parser.add_argument("--measure", action="store_true", help="run a configuration on each number of cores")
    parser.add_argument("--config", default=DEMO, help="what is measured; the demo without it")
    parser.add_argument("--cores", type=int, nargs="+", default=[1, 2], metavar="N")
    parser.add_argument("--repeat", type=int, default=2, metavar="N", help="how often each; the fastest run counts")
    parser.add_argument("--pin", action="store_true", help="let a run use no more CPUs than it is given cores")
    parser.add_argument("--measured", action="store_true", help="print the table of what was measured")
    parser.add_argument("--write", action="store_true", help="write what is printed into docs/scaling.md")
    parser.add_argument("--out", type=Path, default=KEPT, metavar="JSON", help="where measurements are kept")
    given = parser.parse_args()
    try:
        if given.measure:
            found = measure(given.config, sorted(set(given.cores)), given.repeat, given.pin)
            given.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        kept = json.loads(given.out.read_text(encoding="utf-8")) if given.out.is_file() else None
        said, drawn = {}, []
        if given.measure or given.measured:
            if kept is None:
                raise InputError(f"{given.out}: there is no such file. Measure first: scaling.py --measure.")
            said["measured"] = measured(kept)
        for path in given.configs:
            for ends in zip(*series_of(path, kept), strict=True):
                with_points = [(series, points(series)) for series in ends]
                drawn.append(with_points[0])
                # One table behind the other, an empty line between.
                said["simulated"] = [*said.get("simulated", []), *[""] * ("simulated" in said), *simulated(with_points)]
        for name, lines in said.items():
            print(*lines, "", sep="\n")
            if given.write:
                PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), name, lines), encoding="utf-8")
        if given.figure:
            draw(drawn, given.figure, in_words)
    except InputError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
