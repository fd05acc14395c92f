"""What a newcomer stands on: pins, environments, the README's commands."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

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
    direct = pins(PROJECT["dependencies"] + PROJECT["optional-dependencies"]["dev"])
    constraints = pins((ROOT / "constraints.txt").read_text().splitlines())
    assert direct == {name: constraints[name] for name in direct}


def test_the_library_says_that_it_has_types():
    """Without the marker a type checker takes nothing that an installed package declares."""
    data = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    assert "py.typed" in data["pairprobe"]
    assert (ROOT / "workflow" / "pairprobe" / "py.typed").is_file()


def test_every_rule_that_runs_has_a_log_a_benchmark_a_conda_environment_and_its_code():
    """A rule, its script, its log and its benchmark have one name."""
    for path in RULES:
        for name, body in re.findall(r"^rule (\w+):\n(.*?)(?=^rule |\Z)", path.read_text(), re.MULTILINE | re.DOTALL):
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
    assert len((ROOT / "workflow" / "common.smk").read_text().splitlines()) <= 200


def test_only_the_rooms_of_torch_import_it():
    allowed = {"activations", "checkpoints", "evaluation", "finetuning"}
    importers = {
        path.parent.name
        for path in (ROOT / "workflow" / "pairprobe").rglob("*.py")
        if re.search(r"^\s*(import|from) torch\b", path.read_text(), re.MULTILINE)
    }
    assert importers <= allowed


def test_the_library_knows_nothing_of_snakemake():
    for path in (ROOT / "workflow" / "pairprobe").rglob("*.py"):
        assert not re.search(r"^\s*(import|from) snakemake\b|snakemake\.", path.read_text(), re.MULTILINE), path
