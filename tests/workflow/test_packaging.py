"""What a newcomer stands on: pins, environments, the README's commands."""

import itertools
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import pytest
import yaml
from project import copy_project

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
ENVIRONMENTS = sorted((ROOT / "envs").glob("*.yaml"))
RULES = sorted((ROOT / "workflow" / "rules").glob("*.smk"))


def pins(lines) -> dict[str, str]:
    return dict(line.strip().lower().replace("_", "-").split("==") for line in lines if "==" in line)


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda path: path.stem)
def test_conda_environments_have_the_pins_of_pyproject(path):
    wanted = pins(PROJECT["dependencies"])
    found = pins(next(part["pip"] for part in yaml.safe_load(path.read_text())["dependencies"] if isinstance(part, dict)))
    assert found
    assert found == {name: wanted[name] for name in found}


def test_the_constraints_agree_with_pyproject():
    direct = pins(itertools.chain(PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()))
    constraints = pins((ROOT / "constraints.txt").read_text().splitlines())
    assert direct == {name: constraints[name] for name in direct}


def test_the_library_says_that_it_has_types():
    """Without the marker a type checker takes nothing that an installed package declares."""
    data = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    assert "py.typed" in data["pairprobe"]
    assert (ROOT / "workflow" / "pairprobe" / "py.typed").is_file()


def installed(folder):
    """Copy the files of the library that a wheel has, and what links lead to in their place."""
    library = ROOT / "workflow" / "pairprobe"
    data = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    patterns = [f"{'/'.join(package.split('.')[1:]) or '.'}/{name}" for package, names in data.items() for name in names]
    for path in {path for pattern in ("**/*.py", *patterns) for path in library.glob(pattern)}:
        target = folder / "pairprobe" / path.relative_to(library)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    return folder


def test_the_wheel_holds_every_file_of_the_library_but_the_map(tmp_path):
    here, there = ROOT / "workflow" / "pairprobe", installed(tmp_path) / "pairprobe"
    found, wanted = (
        {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"}
        for folder in (there, here)
    )
    assert found == wanted - {"README.md"}
    assert (there / "configuration" / "config.schema.yaml").read_bytes() == (
        ROOT / "workflow" / "schemas" / "config.schema.yaml"
    ).read_bytes()


@pytest.mark.slow
def test_the_installed_library_needs_no_clone_beside_it(tmp_path):
    """Its commands run where nothing but the library is, and what verify compares there is said."""
    site, elsewhere = str(installed(tmp_path / "site")), tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.copy(ROOT / "config" / "config.yaml", elsewhere)

    def run(*command, path=site):
        settings = {"cwd": elsewhere, "env": {**os.environ, "PYTHONPATH": path}, "capture_output": True, "text": True}
        return subprocess.run([sys.executable, *command], **settings, check=False)

    assert run("-c", "import pairprobe; print(pairprobe.__file__)").stdout.startswith(str(tmp_path))
    clone = f"{ROOT / 'workflow'}:{ROOT / 'tests' / 'unit'}"
    assert run("-c", "import results; results.make()", path=clone).returncode == 0
    shutil.copy(ROOT / "docs" / "examples" / "antonyms.tsv", elsewhere)
    assert run("-m", "pairprobe", "check-pairs", "antonyms.tsv").returncode == 0
    assert "| whole run" in run("-m", "pairprobe", "cost", "config.yaml", "--markdown", "--reference").stdout
    verified = run("-m", "pairprobe", "verify", "results/small")
    assert verified.returncode == 0
    assert "note: the workflow's scripts are not here" in verified.stdout
    assert "not the code that made" not in verified.stdout
    explained = run("-m", "pairprobe", "explain", "results/small/percentages.tsv")
    assert explained.returncode == 0
    assert "code here   the same" in explained.stdout
    with open(Path(site) / "pairprobe" / "rankings" / "percentages.py", "a") as module:
        module.write("CHANGED = 1\n")
    changed = run("-m", "pairprobe", "verify", "results/small").stdout
    assert "summarise_percentages: the code here is not the code that made these results (rankings.percentages)" in changed


def test_the_image_gets_what_a_copy_of_the_workflow_has_and_what_installs_it():
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    with tempfile.TemporaryDirectory() as folder:
        copied = {path.name for path in copy_project(Path(folder), []).iterdir()}
    assert allowed == copied | {"pyproject.toml", "constraints.txt", PROJECT["readme"], *PROJECT["license-files"]}
    base, *_ = re.findall(r"^ARG BASE=python:(\S+?)-", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert base in ("3.11", "3.12", "3.13")


def test_every_rule_that_runs_has_a_log_a_benchmark_a_conda_environment_and_its_code():
    """A rule, its script, its log and its benchmark have one name."""
    for path in RULES:
        for name, body in re.findall(
            r"^rule (\w+):\n(.*?)(?=^(?:use )?rule |\Z)", path.read_text(), re.MULTILINE | re.DOTALL
        ):
            if "script:" in body:
                # What is downloaded is what its digest says, whatever code fetched it.
                code = ("code=",) if name != "download_questions" else ()
                for directive in ("log:", "benchmark:", "conda:", *code, "output:", '"""'):
                    assert directive in body, f"{path.name}: rule {name} has no {directive}"
                named = re.findall(r'(?:<logs>/|<benchmarks>/|scripts/|code_of\(\s*")(\w+)', body)
                assert set(named) == {name}, f"{path.name}: rule {name}: {named}"
                assert (ROOT / "scripts" / f"{name}.py").is_file()


def test_rules_that_draw_are_together_and_so_are_those_that_make_tables_for_reading():
    for path in RULES:
        for name in re.findall(r"^rule (\w+):", path.read_text(), re.MULTILINE):
            assert name.startswith("draw_") <= (path.stem == "figures"), f"{path.name}: {name}"
            assert name.startswith(("tabulate_", "typeset_")) <= (path.stem == "tables"), f"{path.name}: {name}"


def test_git_ignores_what_a_run_makes_also_where_it_is_a_link(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    shutil.copy(ROOT / ".gitignore", tmp_path)
    for name in ("results", ".venv", ".snakemake", "downloads", "data"):
        (tmp_path / name).symlink_to("elsewhere")
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    status = subprocess.run(["git", "status", "--porcelain"], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert status.stdout.split() == ["??", ".gitignore"]
    assert not (ROOT / "results" / ".gitkeep").exists(), "a link in its folder's place would count as its deletion"


def test_every_script_belongs_to_a_rule():
    names = {name for path in RULES for name in re.findall(r"^rule (\w+):", path.read_text(), re.MULTILINE)}
    assert {path.stem for path in (ROOT / "scripts").glob("*.py")} <= names


def test_the_root_snakefile_is_a_front_door_and_the_workflow_s_fits_a_screen():
    assert len((ROOT / "Snakefile").read_text().splitlines()) <= 5
    assert len((ROOT / "workflow" / "Snakefile").read_text().splitlines()) <= 60
    for name in ("common.smk", "inputs.smk"):
        assert len((ROOT / "workflow" / name).read_text().splitlines()) <= 200


def test_only_the_rooms_of_torch_import_it():
    allowed = {"activations", "checkpoints", "controls", "evaluation", "finetuning", "interventions"}
    library = ROOT / "workflow" / "pairprobe"
    importers = {
        path.relative_to(library).parts[0]
        for path in library.rglob("*.py")
        if re.search(r"^\s*(import|from) torch\b", path.read_text(), re.MULTILINE)
    }
    assert importers <= allowed


def test_the_library_knows_nothing_of_snakemake():
    for path in (ROOT / "workflow" / "pairprobe").rglob("*.py"):
        assert not re.search(r"^\s*(import|from) snakemake\b|snakemake\.", path.read_text(), re.MULTILINE), path
