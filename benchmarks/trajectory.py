"""What a trajectory costs: the jobs for the steps that trainings keep, beside all other jobs of the same run.

    .venv/bin/python benchmarks/trajectory.py results/why       a run with finetuning.keep_steps that has come to its end
    .venv/bin/python benchmarks/trajectory.py --training 64     what keeping eight points adds to a training of so many

--training is a number of steps. A run's own benchmarks/ say how long each job took, so both are of the same machine and
hour. Jobs that ran side by side waited for each other: processor seconds are told, too. Nothing else should run.
"""

import argparse
import re
import tempfile
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import extraction
import training
import turns
from pairprobe.errors import InputError
from pairprobe.finetuning import trainer
from pairprobe.io.tsv import read_tsv
from pairprobe.tables.layout import markdown

# The end of a kept step's name in that of a job, and the rules of trajectories.
KEPT = re.compile(r"-(?:step|point)\d+(?:\.|$)")
RULES = ("take_step", "weigh_trajectories", "score_trajectories", "draw_trajectories")
POINTS, BATCH, LENGTH = 8, 8, 128


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, nargs="?", help="the folder of a run, results/RUN")
    parser.add_argument("--training", type=int, default=0, metavar="STEPS", help="steps of a training of MiniLM")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="of the training, 5 by default")
    options = parser.parse_args()
    for line in report(options.results) if options.results else ():
        print(line)
    if options.training:
        print(keeping(options.training, options.rounds))


def times(results: Path) -> dict[bool, dict[str, Counter]]:
    """Return ``jobs``, and the seconds ``s`` and ``cpu_time``, by rule: of trajectories' jobs (True), of the others."""
    found = {of: {name: Counter() for name in ("jobs", "s", "cpu_time")} for of in (True, False)}
    for path in sorted((results / "benchmarks").rglob("*.tsv")):
        rule = path.relative_to(results / "benchmarks").parts[0].removesuffix(".tsv")
        counts = found[rule in RULES or bool(KEPT.search(path.stem))]
        for row in read_tsv(path):
            counts["jobs"][rule] += 1
            for name in ("s", "cpu_time"):
                counts[name][rule] += float(row[name])
    return found


def report(results: Path) -> Iterator[str]:
    """Yield the ratio of the whole run to what it is without its trajectories, and a table of the rules that these need."""
    found = times(results)
    if not found[True]["jobs"]:
        raise InputError(f"{results}: no step was kept in this run. Set finetuning.keep_steps and run it.")
    own, others = ({name: counts.total() for name, counts in found[of].items()} for of in (True, False))
    trainings = [path for path in (results / "trajectories").iterdir() if path.is_dir()]
    ratio = {name: 1 + own[name] / others[name] for name in ("s", "cpu_time")}
    yield (
        f"{results}: {len(trainings)} trainings that keep steps. With their trajectories the run takes "
        f"{ratio['cpu_time']:.2f} times the processor seconds, and its jobs {ratio['s']:.2f} times the seconds, that they "
        "take without.\n"
    )
    header = ("rule", "jobs for steps", "their processor seconds", "other jobs", "theirs")
    cells = [
        (rule, *(f"{found[of][name][rule]:.0f}" for of in (True, False) for name in ("jobs", "cpu_time")))
        for rule in found[True]["jobs"]
    ]
    yield markdown(header, cells, header[1:])


def keeping(steps: int, rounds: int) -> str:
    """Say how long a training takes that keeps eight points, beside the same that keeps none."""
    with tempfile.TemporaryDirectory() as folder:
        encoder = extraction.minilm(Path(folder))
        windows = training.write_windows(None, encoder, Path(folder), LENGTH, steps * BATCH)
        work = training.Work(encoder, windows, steps, BATCH, epochs=1)
        ways = {name: partial(turns.seconds, train, work, keep) for name, keep in (("with", POINTS), ("without", ()))}
        taken = turns.in_turn(ways, rounds)
    ratio = turns.spread(turns.ratios(taken["with"], taken["without"]))
    return f"A training of {steps} steps that keeps {POINTS} points takes {ratio} times as long, {rounds} rounds."


def train(work: training.Work, keep: int | tuple[int, ...]) -> None:
    """Train from the first step to the last."""
    with tempfile.TemporaryDirectory() as folder:
        settings = training.settings_of(work)
        trainer.train(trainer.Training(str(work.encoder), [str(work.windows)], settings, folder, keep_steps=keep))


if __name__ == "__main__":
    main()
