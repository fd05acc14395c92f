"""The workflow started from its own folder and from any other, with names that a shell would take apart."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from project import PAGES, copy_project

SNAKEFILES = ("Snakefile", "workflow/Snakefile")
EXAMPLES = "results/demo/examples/probe.jsonl.gz"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = copy_project(tmp_path_factory.mktemp('Zoë\'s own & my "project" $HOME'), PAGES[:3])
    (folder / ".venv").symlink_to(sys.prefix)
    return folder


@pytest.fixture
def elsewhere(tmp_path):
    folder = tmp_path / "else where"
    folder.mkdir()
    return folder


def start(folder: Path, *arguments: str | Path, python: str | Path = sys.executable) -> subprocess.CompletedProcess:
    """Run Snakemake in a folder, without a word of where the library lies."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [python, "-m", "snakemake", "--cores", "1", *map(str, arguments)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def planned(run: subprocess.CompletedProcess) -> int:
    assert run.returncode == 0, run.stdout + run.stderr
    return int(re.search(r"^total +(\d+)$", run.stdout + run.stderr, re.MULTILINE)[1])


@pytest.mark.slow
def test_every_way_to_start_plans_the_same_jobs_by_the_same_profile(project, elsewhere):
    jobs = planned(start(project, "-n"))
    assert jobs > 50
    config = project / "config" / "config.yaml"
    for snakefile in SNAKEFILES:
        run = start(elsewhere, "-n", "-s", project / snakefile, "--configfile", config)
        assert planned(run) == jobs
        assert re.search("specific profile .*profiles/default", run.stderr)
    run = start(elsewhere, "-n", "-s", project / "Snakefile", "--configfile", config, "--workflow-profile", "none")
    assert planned(run) == jobs


@pytest.mark.slow
def test_jobs_run_elsewhere_by_a_python_with_such_a_path_and_another_way_to_start_has_nothing_to_do(project, elsewhere):
    (elsewhere / "mine.yaml").write_text((project / "config" / "config.yaml").read_text())
    said = []
    for snakefile in SNAKEFILES:
        arguments = ("-s", project / snakefile, "--directory", "there", "--configfile", "mine.yaml", "--", EXAMPLES)
        run = start(elsewhere, *arguments, python=project / ".venv" / "bin" / "python")
        assert run.returncode == 0, run.stdout + run.stderr
        said.append(run.stdout + run.stderr)
    assert (elsewhere / "there" / EXAMPLES).stat().st_size
    assert {path.name for path in elsewhere.iterdir()} == {"mine.yaml", "there"}
    assert "Nothing to be done" not in said[0]
    assert "Nothing to be done" in said[1]
    # The results alone were moved, and the checkout alone.
    (elsewhere / "there").rename(elsewhere / "moved")
    checkout = shutil.copytree(project, elsewhere / "checkout")
    for snakefile in (project / "Snakefile", checkout / "Snakefile"):
        arguments = ("-n", "-s", snakefile, "--directory", "moved", "--configfile", "mine.yaml", "--", EXAMPLES)
        run = start(elsewhere, *arguments)
        assert "Nothing to be done" in run.stdout + run.stderr, run.stdout + run.stderr


@pytest.mark.slow
@pytest.mark.parametrize("snakefile", SNAKEFILES)
def test_a_folder_without_a_configuration_gives_an_error_that_says_what_to_do(project, elsewhere, snakefile):
    run = start(elsewhere, "-n", "-s", project / snakefile)
    assert run.returncode == 1
    said = (
        f"config/config.yaml: there is no such file in {elsewhere}. Name a configuration with --configfile; the demo's is "
    )
    assert f"{said}{project / 'config' / 'config.yaml'}." in run.stdout + run.stderr
    assert "Traceback" not in run.stdout + run.stderr


@pytest.mark.slow
def test_a_folder_s_own_configuration_is_taken_and_its_paths_count_from_there(project, elsewhere):
    (elsewhere / "config").mkdir()
    config = "{run: mine, data: {source: squad, files: [a.json]}, checkpoints: {one: {source: path, path: x}}}"
    (elsewhere / "config" / "config.yaml").write_text(config)
    run = start(elsewhere, "-n", "-s", project / "Snakefile")
    assert run.returncode == 1
    said = f"data.files: a.json: there is no such file. Check the path; it counts from {elsewhere}."
    assert said in run.stdout + run.stderr


@pytest.mark.slow
def test_braces_in_the_path_of_the_project_give_an_error_that_says_what_to_do(project, tmp_path):
    (tmp_path / "a{b}").symlink_to(project)
    run = start(tmp_path, "-n", "-s", "a{b}/Snakefile", "--configfile", project / "config" / "config.yaml")
    assert run.returncode == 1
    assert "a{b}/workflow: Snakemake takes braces in a path for wildcards." in run.stdout + run.stderr
    assert "Traceback" not in run.stdout + run.stderr


@pytest.mark.slow
def test_the_executor_slurm_without_a_cluster_ends_with_one_line_and_does_not_wait(project, tmp_path, monkeypatch):
    for found in filter(None, map(shutil.which, ("bash", "which"))):
        (tmp_path / Path(found).name).symlink_to(found)
    monkeypatch.setenv("PATH", str(tmp_path))
    run = start(project, "--profile", "profiles/slurm", "--", "results/demo/data/mini_nq.jsonl.gz")
    assert run.returncode == 1
    assert "The executor slurm needs sbatch, which is not here. " in run.stdout + run.stderr
    assert "Traceback" not in run.stdout + run.stderr


@pytest.mark.slow
def test_what_a_command_line_says_is_read_as_in_a_file_and_is_named_beside_it(project):
    run = start(project, "-n", "--config", "evidence={margin: -3}")
    assert run.returncode == 1
    said = (
        "config/config.yaml and --config cannot be used:\n  evidence.margin: -3 is less than or equal to the minimum of 0."
    )
    assert said in run.stdout + run.stderr


MODULE = """
configfile: "config/config.yaml"

module pairprobe:
    snakefile: {!r}
    config: config

use rule * from pairprobe as pp_*
"""


@pytest.mark.slow
def test_the_rules_of_a_module_have_other_names_and_their_jobs_leave_records(project, elsewhere):
    (elsewhere / "config").mkdir()
    (elsewhere / "config" / "config.yaml").write_text((project / "config" / "config.yaml").read_text())
    (elsewhere / "mine.smk").write_text(MODULE.format(f"{project}/workflow/Snakefile"))
    run = start(elsewhere, "-s", "mine.smk", "--", "results/demo/data/mini_nq.jsonl.gz")
    assert run.returncode == 0, run.stdout + run.stderr
    record = elsewhere / "results" / "demo" / "provenance" / "render_mini_nq.json"
    assert json.loads(record.read_bytes())["rule"] == "pp_render_mini_nq"
