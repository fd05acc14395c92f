"""The cost of a configuration, laid out for a terminal or as Markdown, and the figure of how it scales."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import yaml
from rich import box
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from pairprobe.configuration.checks import resolve
from pairprobe.configuration.run import Run
from pairprobe.configuration.schema import SCHEMA, read_schema
from pairprobe.cost import rates
from pairprobe.cost.schedule import makespan, remaining
from pairprobe.cost.work import STAGES, Work
from pairprobe.errors import InputError

FIGURE_SUFFIXES = (".svg", ".pdf", ".png")
WORKERS = tuple(2**n for n in range(7))


def read_config(path: str | Path) -> Run:
    """Read and check a configuration; raises InputError where it cannot be used."""
    try:
        config = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: it cannot be read as YAML ({getattr(error, 'strerror', error)}).") from None
    if not isinstance(config, dict):
        raise InputError(f"{path}: found {config!r}, wanted keys with values.")
    return resolve(config, read_schema(SCHEMA), str(path))


def duration(seconds: float) -> str:
    """Write seconds in the unit that fits."""
    if seconds < 600:
        return f"{max(1, seconds):.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:,.0f} min"
    return f"{seconds / 3600:,.0f} h" if seconds >= 36000 else f"{seconds / 3600:.1f} h"


def seconds_of(work: Work, stage: str | None = None, workers: int = 1) -> float:
    """Return how long so many machines take for the jobs of one stage alone, or for the whole run."""
    jobs = [job if stage in (None, job.stage) else replace(job, seconds=0.0) for job in work.jobs]
    return makespan(jobs, workers * work.machine.cores, workers * work.machine.gpus)


def summary(work: Work) -> list[str]:
    """Say in words what a configuration asks for."""
    shapes = ", ".join(
        sorted({f"{shape.num_hidden_layers} layers of {shape.hidden_size}" for shape in work.shapes.values()})
    )
    trained = f"{work.trained:,.0f} to train on, " * bool(work.trained)
    kept, assumed = len(work.run.trajectories.kept), [*work.run.pair_files, *work.run.classifiers]
    return [
        f"{sum(work.questions.values()):,.0f} questions; to probe: {work.examples:,.0f} examples, {work.pairs:,.0f} pairs",
        *(["Files of pairs and tables: a pair or text of 240 characters is assumed"] * bool(assumed)),
        f"{len(work.named)} checkpoints{f' and {kept} steps that are kept' * bool(kept)} ({shapes}); "
        f"windows: {trained}{work.answered:,.0f} to answer {work.asked:,.0f} questions",
        *(["controls are not counted"] if work.run.controls else []),
    ]


def cost_table(works: Sequence[Work]) -> Table:
    """Return the table of every stage on every machine; stages overlap, so the whole run takes less than their sum."""
    table, memory, disk = Table("stage"), works[0].memory(), works[0].disk()
    for name in ("memory of a job", "disk", *(work.machine.name for work in works)):
        table.add_column(name, justify="right")
    for stage in (stage for stage in STAGES if stage in memory):
        sizes = decimal(int(memory[stage])), decimal(int(disk[stage]))
        table.add_row(stage, *sizes, *(duration(seconds_of(work, stage)) for work in works))
    sizes = decimal(int(max(memory.values()))), decimal(int(sum(disk.values())))
    table.add_row("whole run", *sizes, *(duration(seconds_of(work)) for work in works))
    return table


def scaling_table(works: Sequence[Work], figure: Path | None) -> Table:
    """Return the table of a run's time and speed-up on 1 to 64 machines, and draw it where a figure is asked for."""
    times = {work.machine.name: [seconds_of(work, workers=number) for number in WORKERS] for work in works}
    longest = {work.machine.name: max(remaining(work.jobs)) for work in works}
    faster = {name: [found[0] / seconds for seconds in found] for name, found in times.items()}
    table = Table("workers")
    for name in (column for work in works for column in (work.machine.name, "speed-up")):
        table.add_column(name, justify="right")
    for i, number in enumerate(WORKERS):
        table.add_row(str(number), *(cell for n in times for cell in (duration(times[n][i]), f"{faster[n][i]:.2f}")))
    table.add_row("critical path", *(cell for seconds in longest.values() for cell in (duration(seconds), "")))
    if figure:
        from pairprobe.figures.scaling import draw_scaling

        draw_scaling(WORKERS, faster, {name: times[name][0] / longest[name] for name in times}, str(figure))
    return table


def text(path: Path, reference: bool, workers: bool, markdown: bool, figure: Path | None) -> str:
    """Return what a configuration costs on this machine, or the reference machine, on one GPU and on eight.

    workers: its time on 1 to 64 workers in place of that; figure: the file that their speed-up is drawn to. Raises
    InputError where the configuration or the figure's suffix cannot be used.
    """
    if figure and figure.suffix not in FIGURE_SUFFIXES:
        raise InputError(f"--figure {figure}: found the suffix {figure.suffix!r}. Allowed: {', '.join(FIGURE_SUFFIXES)}.")
    run, console = read_config(path), Console(highlight=False, width=1000)
    machines = [rates.REFERENCE if reference or workers or figure else rates.this_machine(), rates.GPU, rates.GPUS]
    works = [Work(run, machine) for machine in machines]
    table = scaling_table(works[:2], figure) if workers or figure else cost_table(works)
    shown = works[:2] if workers or figure else works
    table.box = box.MARKDOWN if markdown else box.ROUNDED
    with console.capture() as captured:
        console.print(*summary(works[0]), table, *(f"- {w.machine.name}: {w.machine.origin}" for w in shown), sep="\n")
    return "\n".join(line.rstrip() for line in captured.get().strip().splitlines())
