"""Planning with nothing but Snakemake: what a job needs, its own environment has."""

import ast
import contextlib
import functools
import importlib.metadata
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from project import PAGES, ROOT, copy_project

from pairprobe.provenance import code


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def distributions_of(name: str, found: dict[str, importlib.metadata.Distribution]) -> None:
    """Collect a distribution and all that it requires."""
    if (name := normal(name)) not in found:
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


@pytest.mark.parametrize("name", ["config", pytest.param("controls", marks=pytest.mark.slow)])
def test_a_dry_run_needs_nothing_but_snakemake(snakemake_alone, tmp_path, name):
    project = copy_project(tmp_path, PAGES[:1])
    command = [sys.executable, "-S", "-m", "snakemake", "-n", "--cores", "1", "--configfile", f"config/{name}.yaml"]
    environment = {**os.environ, "PYTHONPATH": str(snakemake_alone)}
    run = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert re.search(r"^total +\d\d+$", run.stdout, re.MULTILINE)


@pytest.mark.slow
def test_a_run_without_the_packages_of_its_jobs_says_so_before_one_starts(snakemake_alone, tmp_path):
    project = copy_project(tmp_path, PAGES[:1])
    command = [sys.executable, "-S", "-m", "snakemake", "--cores", "1", "--", "results/demo/data/mini_nq.jsonl.gz"]
    environment = {**os.environ, "PYTHONPATH": str(snakemake_alone)}
    run = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    said = (
        r"Jobs need packages that are not installed for .*: isal, msgspec, .*, orjson, .*\. Install them \(pip install -e "
    )
    assert re.search(said, run.stderr), run.stdout + run.stderr
    assert "Traceback" not in run.stderr
    assert not (project / "results" / "demo" / "data").exists()


@functools.cache
def loaded_at_once(file: Path) -> tuple[set[str], set[Path]]:
    """Return the packages that a file imports before anything else, and the modules of the library."""
    packages, modules = set(), set()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for head, *rest in (name.split(".") for name in names):
            packages.add(head)
            modules |= set(code._files_of(rest, code.LIBRARY)) if head == "pairprobe" else set()
    return packages - sys.stdlib_module_names - {"pairprobe"}, modules


def packages_loaded(script: str) -> set[str]:
    found, seen, waiting = set(), set(), {code.SCRIPTS / f"{script}.py"}
    while waiting:
        seen.add(file := waiting.pop())
        packages, modules = loaded_at_once(file)
        found |= packages
        waiting |= modules - seen
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", ["analysis", "data", "torch"])
def test_an_environment_has_all_that_its_rules_scripts_load(name):
    parts = yaml.safe_load((ROOT / "envs" / f"{name}.yaml").read_text(encoding="utf-8"))["dependencies"]
    pins, found = next(part["pip"] for part in parts if isinstance(part, dict)), {}
    for pin in pins:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):  # then no script can load it
            distributions_of(pin.split("==")[0], found)
    rules = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "workflow" / "rules").glob("*.smk"))
    scripts = re.findall(rf'envs/{name}\.yaml"\n(?:(?!^rule ).*\n)*?.*"\.\./\.\./scripts/(\w+)\.py"', rules, re.MULTILINE)
    assert len(scripts) > 5
    packages = importlib.metadata.packages_distributions()
    for script in scripts:
        for module in packages_loaded(script):
            assert {normal(one) for one in packages[module]} & found.keys(), f"{script} loads {module}"
