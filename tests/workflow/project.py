"""A private copy of the project, and Snakemake run in it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "workflow" / "resources" / "pages").glob("*.yaml"))
# Rules that only collect.
TARGETS = "all total activations checkpoints downloads evaluation figures probing_sets rankings tables".split()


def copy_project(folder: Path, pages: list[Path]) -> Path:
    """Copy what the workflow consists of, with these of its pages."""
    for name in ("Snakefile", "config", "envs", "profiles", "scripts", "workflow"):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__", "pages"))
        else:
            shutil.copy(source, folder / name)
    (folder / "workflow" / "resources" / "pages").mkdir(parents=True)
    for page in pages:
        shutil.copy(page, folder / "workflow" / "resources" / "pages")
    return folder


def snakemake(
    project: Path, config: str, *arguments: str, cores: int = 2, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "snakemake", "--cores", str(cores), "--configfile", config, *arguments]
    # The copy's own library, not the installed one.
    environment = {**(environment or os.environ), "PYTHONPATH": str(project / "workflow")}
    return subprocess.run(command, cwd=project, capture_output=True, text=True, env=environment, check=False)


def completed(project: Path, config: str, *arguments: str, **settings) -> str:
    """Run Snakemake, and return what it says; it must succeed."""
    run = snakemake(project, config, *arguments, **settings)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout + run.stderr


def planned(project: Path, config: str, *arguments: str, **settings) -> dict[str, int]:
    """Return how many jobs of each rule a dry run plans, without those that only collect."""
    output = completed(project, config, "-n", *arguments, **settings)
    if "Nothing to be done" in output:
        return {}
    jobs = {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", output, re.MULTILINE)}
    assert jobs, output
    return {name: count for name, count in jobs.items() if name not in TARGETS}
