"""What a run of the suite is given, and what it says of itself: the machine, the library that is measured."""

import subprocess
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import pairprobe
from pairprobe.provenance import machine

PACKAGES = ("torch", "transformers", "tokenizers", "numpy", "h5py", "isal", "snakemake")


@dataclass(frozen=True)
class Settings:
    """rounds: of each part; quick: less data; nq: a file of Natural Questions in place of the bundled pages; neurox: the
    folder that NeuroX is installed in, where it is in none that Python looks into."""

    rounds: int = 5
    quick: bool = False
    nq: Path | None = None
    neurox: Path | None = None

    def size(self, whole: int, quick: int) -> int:
        """Return how much data a part takes."""
        return quick if self.quick else whole


def project() -> Path:
    """Return the folder of the project whose library is measured: this one, or the one that PYTHONPATH names."""
    return Path(pairprobe.__file__).resolve().parents[2]


LIBRARY = ("workflow", "scripts", "Snakefile")


def library() -> dict:
    """Name the library that is measured: the last commit that changed it, and whether it was changed since; None if not
    known."""

    def git(*arguments: str) -> str | None:
        done = subprocess.run(["git", "-C", str(project()), *arguments], capture_output=True, text=True)
        return done.stdout.strip() if done.returncode == 0 else None

    changed = git("status", "--porcelain", "--", *LIBRARY)
    return {
        "commit": git("log", "-1", "--format=%H", "--", *LIBRARY),
        "changed": None if changed is None else bool(changed),
    }


def here() -> dict:
    """Name the machine and the versions that count."""
    found = machine.hardware()
    versions = {"python": machine.platform.python_version(), **{name: metadata.version(name) for name in PACKAGES}}
    return {key: found[key] for key in ("processor", "cores", "memory")} | {"versions": versions}
