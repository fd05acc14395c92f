"""Ways to do the same, measured in turn, and the ratios of what they took.

A machine is quick in one minute and slow in the next. So the ways are interleaved: each round runs every one of them once,
another one first each time, and a ratio is that of two measurements of one round. What is told is the median over the
rounds, the least and the most.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """The median, least and most of what the rounds gave."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Summarise the values of the rounds, at least one."""
        return cls(statistics.median(values), min(values), max(values))

    def written(self, digits: int = 2, unit: str = "") -> str:
        """Write it as ``0.83 (0.81 to 0.84)``."""
        middle, low, high = (f"{value:,.{digits}f}" for value in (self.median, self.least, self.most))
        return f"{middle}{unit} ({low} to {high})"


def ratio(numerators: Sequence[float], denominators: Sequence[float]) -> Spread:
    """Return the spread of the rounds' ratios, each of two measurements of the same round."""
    return Spread.of([a / b for a, b in zip(numerators, denominators, strict=True)])


def seconds(way: Callable[[], object]) -> float:
    """Run something, and return how many seconds it took."""
    started = time.perf_counter()
    way()
    return time.perf_counter() - started


def timed(way: Callable[[], object]) -> Callable[[], float]:
    """Return a measurement of something: its seconds."""
    return lambda: seconds(way)


def in_turn(measurements: dict[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Take each measurement once a round, another one first each time; returns what they gave, round by round."""
    found: dict[str, list[float]] = {name: [] for name in measurements}
    names = list(measurements)
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            found[name].append(measurements[name]())
    return found
