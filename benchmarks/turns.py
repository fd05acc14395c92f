"""Ways to do the same, measured in turn, on the same examples.

A machine is quick in one minute and slow in the next. So each round runs every way once, another one first each time, and a
ratio is that of two measurements of one round. What is printed is the median over the rounds, the least and the most.
"""

import argparse
import dataclasses
import logging
import random
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from pairprobe.data import bundled_pages, examples, natural_questions
from pairprobe.data.examples import Example
from pairprobe.errors import InputError
from pairprobe.io import files

PAGES = Path(__file__).parents[1] / "workflow" / "resources" / "pages"


def options(description: str, **numbers: int | bool) -> argparse.Namespace:
    """Parse the options that all benchmarks have: a file of data, and numbers with their defaults; False makes a flag."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nq", type=Path, metavar="FILE", help="Natural Questions in place of the bundled pages")
    for name, default in numbers.items():
        if default is False:
            parser.add_argument(f"--{name}", action="store_true")
            continue
        parser.add_argument(f"--{name}", type=int, default=default, metavar="N", help=f"{default} by default")
    logging.getLogger("pairprobe").setLevel(logging.ERROR)
    return parser.parse_args()


def read_examples(path: Path | None, folder: Path) -> list[Example]:
    """Return the examples of a file of Natural Questions, by default the bundled pages, in an order that mixes pages."""
    if path is None:
        path = folder / "pages.jsonl.gz"
        files.write_json_lines(path, bundled_pages.render(PAGES.glob("*.yaml")))
    documents = (document for _, document in natural_questions.read(path) if not isinstance(document, InputError))
    found = [example for example in map(examples.example_of, documents) if isinstance(example, Example)]
    random.Random(13).shuffle(found)
    return found


def write_examples(path: Path, found: Iterable[Example]) -> Path:
    """Write a file of examples, as a run has them; returns its path."""
    files.write_json_lines(path, map(dataclasses.asdict, found))
    return path


def seconds(way: Callable[..., object], *arguments: object) -> float:
    """Run something, and return how many seconds it took."""
    started = time.perf_counter()
    way(*arguments)
    return time.perf_counter() - started


def processor_seconds(way: Callable[..., object], *arguments: object) -> float:
    """Run something, and return how many seconds of the processors it took: of all threads, without waiting."""
    started = time.process_time()
    way(*arguments)
    return time.process_time() - started


def in_turn(measurements: dict[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Take each measurement once a round, another one first each time; returns what they gave, round by round."""
    found: dict[str, list[float]] = {name: [] for name in measurements}
    names = list(measurements)
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            found[name].append(measurements[name]())
    return found


def ratios(numerators: Iterable[float], denominators: Iterable[float]) -> list[float]:
    """Return the ratios of measurements of the same rounds."""
    return [a / b for a, b in zip(numerators, denominators, strict=True)]


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Write the median, the least and the most of the rounds: ``0.83 (0.81 to 0.84)``."""
    middle, low, high = (f"{value:,.{digits}f}" for value in (statistics.median(values), min(values), max(values)))
    return f"{middle} ({low} to {high})"
