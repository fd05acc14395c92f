"""The workflow as a module of another one: its rules have other names, and its results a prefix."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from project import PAGES, copy_project, tiny_config

ANSWER = {"text": "Bruno Mars", "answer_start": 0}
QUESTION = {"id": "1", "question": "who sang it", "answers": [ANSWER]}
SQUAD = {"data": [{"title": "A song", "paragraphs": [{"context": "Bruno Mars sang it .", "qas": [QUESTION]}]}]}
MODULE = """
configfile: "config/own.yaml"

module pairprobe:
    snakefile: "{snakefile}"
    config: config
    {prefix}

use rule * from pairprobe as pp_*

rule own:
    input: "{folder}results/tiny/percentages.tsv"
    output: "own.tsv"
    shell: "cp {{input}} {{output}}"
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return copy_project(tmp_path_factory.mktemp("project"), PAGES[:1])


@pytest.fixture
def other(project, tmp_path):
    """Another workflow; its configuration has paths that count from its own folder, and another name."""
    config = tiny_config(Path("models/tiny"))
    config["data"] = {"source": "squad", "files": ["data/own.json"]}
    for name in ("models/tiny/config.json", "data/own.json", "config/own.yaml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "models/tiny/config.json").write_text("{}")
    (tmp_path / "data/own.json").write_text(json.dumps(SQUAD))
    (tmp_path / "config/own.yaml").write_text(yaml.safe_dump(config))
    use(tmp_path, project / "workflow" / "Snakefile", "deep/er/")
    return tmp_path


def use(other: Path, snakefile: Path, folder: str) -> None:
    prefix = f'prefix: "{folder}"' if folder else ""
    (other / "Snakefile").write_text(MODULE.format(snakefile=snakefile, prefix=prefix, folder=folder))


def snakemake(folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "snakemake", "--cores", "1", *arguments]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout + run.stderr


@pytest.mark.parametrize(
    ("snakefile", "folder", "target"),
    [
        ("workflow/Snakefile", "deep/er/", "pp_all"),
        pytest.param("workflow/Snakefile", "", "pp_all", marks=pytest.mark.slow),
        pytest.param("Snakefile", "", "own", marks=pytest.mark.slow),
    ],
)
def test_every_job_is_planned(project, other, snakefile, folder, target):
    use(other, project / snakefile, folder)
    said = snakemake(other, "-n", "--quiet", "rules", "--", target)
    assert int(re.search(r"^total +(\d+)$", said, re.MULTILINE)[1]) > 20
    assert re.search(r"^pp_finetune_checkpoint +1$", said, re.MULTILINE)


@pytest.mark.slow
def test_what_jobs_make_is_below_the_prefix_and_stays_as_it_is_where_the_module_is_moved(project, other, tmp_path_factory):
    before = {path.name for path in other.iterdir()}
    target = "deep/er/results/tiny/examples/probe.jsonl.gz"
    snakemake(other, "--", target)
    assert {path.name for path in other.iterdir()} - before == {"deep", ".snakemake"}
    assert {path.name for path in (other / "deep/er").iterdir()} == {"results"}
    assert (other / "deep/er/results/tiny/provenance/read_questions/own.json").is_file()
    moved = shutil.copytree(project, tmp_path_factory.mktemp("moved") / "project")
    use(other, moved / "workflow" / "Snakefile", "deep/er/")
    assert "Nothing to be done" in snakemake(other, "-n", "--", target)
