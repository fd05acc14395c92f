"""Planning with nothing but Snakemake: what a job needs, its own environment has."""

import importlib.metadata
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from project import PAGES, copy_project


def distributions_of(name: str, found: dict[str, importlib.metadata.Distribution]) -> None:
    """Collect a distribution and all that it requires."""
    if (name := re.sub(r"[-_.]+", "-", name).lower()) not in found:
        found[name] = importlib.metadata.distribution(name)
        for requirement in map(Requirement, found[name].requires or ()):
            if not requirement.marker or requirement.marker.evaluate({"extra": ""}):
                distributions_of(requirement.name, found)


@pytest.fixture(scope="module")
def snakemake_alone(tmp_path_factory):
    """A folder of packages with Snakemake and what it requires, and nothing else."""
    folder, found = tmp_path_factory.mktemp("packages"), {}
    distributions_of("snakemake", found)
    assert {"orjson", "numpy", "pairprobe"}.isdisjoint(found)
    for distribution in found.values():
        for name in {path.parts[0] for path in distribution.files} - {"..", "__pycache__"}:
            if not (folder / name).exists():
                (folder / name).symlink_to(Path(distribution.locate_file(name)))
    return folder


@pytest.mark.parametrize("name", ["config", "controls"])
def test_a_dry_run_needs_nothing_but_snakemake(snakemake_alone, tmp_path, name):
    project = copy_project(tmp_path, PAGES[:1])
    command = [sys.executable, "-S", "-m", "snakemake", "-n", "--cores", "1", "--configfile", f"config/{name}.yaml"]
    environment = {**os.environ, "PYTHONPATH": str(snakemake_alone)}
    run = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert re.search(r"^total +\d\d+$", run.stdout, re.MULTILINE)
