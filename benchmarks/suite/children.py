"""Processes that the suite starts: what they find on their path, and the memory that they have held."""

import os
from pathlib import Path

BENCHMARKS = Path(__file__).parents[1]


def environment() -> dict[str, str]:
    """Return this process's variables, with the folder of the benchmarks on Python's path."""
    path = [str(BENCHMARKS), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path)}


def peak() -> int:
    """Return the most memory that this process has held, in bytes.

    Not ``ru_maxrss``, which begins with that of the process that started this one.
    """
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("/proc/self/status: no line VmHWM. Peak memory is told on Linux only.")
