"""How time and memory grow with the data: each step at 1, 2, 4 and 8 times the examples, each in a process of its own."""

import json
import math
import subprocess
import sys
import tempfile
from pathlib import Path

from pairprobe.errors import InputError
from pairprobe.tables.layout import markdown
from suite import corpus
from suite.children import environment
from suite.settings import Settings
from suite.timing import Spread, ratio

EXAMPLES, QUICK = 100, 25
TIMES, QUICK_TIMES = (1, 2, 4, 8), (1, 4)
ROUNDS = 2  # each is a process; sizes come in turn
# In this order: the later ones read what the earlier ones have made. The sentences are for the heads, and are not measured.
PREPARING = "sentences"
STEPS = ("extraction", "building", "ranking", PREPARING, "heads")
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
LABELS = {"extraction": "Extraction", "building": "Building sets", "ranking": "Ranking", "heads": "Training heads"}


def run(step: str, folder: Path) -> dict:
    """Do a step in a process of its own; returns seconds and bytes, see ``process.py``."""
    command = [sys.executable, "-m", "suite.process", step, str(folder)]
    # Jobs that are no extraction have one thread, and Snakemake tells the libraries so.
    threads = {} if step in ("extraction", PREPARING) else dict.fromkeys(THREADS, "1")
    done = subprocess.run(command, env=environment() | threads, capture_output=True, text=True)
    if done.returncode:
        raise InputError(f"{step}: it failed.\n{done.stderr.strip()[-800:]}")
    return json.loads(done.stdout.splitlines()[-1])


def measure(settings: Settings) -> dict:
    """Measure each step with each number of examples."""
    base, times = settings.size(EXAMPLES, QUICK), QUICK_TIMES if settings.quick else TIMES
    found: dict[str, dict[str, list[dict]]] = {step: {str(n): [] for n in times} for step in LABELS}
    with tempfile.TemporaryDirectory() as temporary:
        examples = corpus.read(settings, Path(temporary))
        folders = {n: Path(temporary) / str(n) for n in times}
        for n, folder in folders.items():
            folder.mkdir()
            corpus.write(folder / "examples.jsonl.gz", list(corpus.repeated(examples, n * base)))
        for number in range(settings.size(ROUNDS, 1)):
            for step in STEPS:
                for n, folder in folders.items():
                    if step != PREPARING:
                        found[step][str(n)].append(run(step, folder))
                    elif number == 0:
                        run(step, folder)
    return {"base": base, "steps": found}


def seconds(found: dict, step: str, times: str) -> Spread:
    """Return the seconds of a step with so many times the data."""
    return Spread.of([each["seconds"] for each in found["steps"][step][times]])


def peak(found: dict, step: str, times: str) -> float:
    """Return the peak memory of a step's process with so many times the data, in MiB: the most of all rounds."""
    return max(each["peak"] for each in found["steps"][step][times]) / 2**20


def exponent(found: dict, step: str) -> float:
    """Return p where time grows as data to the power of p, from the least data to the most: 1 is in proportion."""
    times = list(found["steps"][step])
    first, last = (seconds(found, step, n).median for n in (times[0], times[-1]))
    return math.log(last / first) / math.log(int(times[-1]) / int(times[0]))


def tell(found: dict) -> list[str]:
    """Return what was found, in Markdown."""
    times = list(found["steps"]["extraction"])
    rows = []
    for step, of_step in found["steps"].items():
        label = LABELS[step]
        rows.append((f"{label}, seconds", *(f"{seconds(found, step, n).median:.2f}" for n in times), _growth(found, step)))
        first, last = ([each["peak"] for each in of_step[n]] for n in (times[0], times[-1]))
        grown = ratio([max(last)], [max(first)]).median
        rows.append((f"{label}, MiB at most", *(f"{peak(found, step, n):,.0f}" for n in times), f"{grown:.2f} times"))
    examples = [f"{found['base'] * int(n):,}" for n in times]
    fields = ("examples", *examples, f"from {examples[0]} to {examples[-1]}")
    return [
        "Seconds of the work alone; memory of the whole process, with what it has imported. Time grows as the data to the "
        "power that is given: below 1 where something is done once, as WordNet's index is read.",
        "",
        *markdown(fields, rows, fields[1:]).splitlines(),
    ]


def _growth(found: dict, step: str) -> str:
    return f"power {exponent(found, step):.2f}"
