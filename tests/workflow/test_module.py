"""The workflow as a module of another one, from a path or a git repository: other names of rules, a prefix for results."""

import functools
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from project import PAGES, copy_project, tiny_config, tiny_encoder

ANSWER = {"text": "Bruno Mars", "answer_start": 0}
QUESTION = {"id": "1", "question": "who sang it", "answers": [ANSWER]}
SQUAD = {"data": [{"title": "A song", "paragraphs": [{"context": "Bruno Mars sang it .", "qas": [QUESTION]}]}]}
MODULE = """
configfile: "config/own.yaml"

module pairprobe:
    snakefile: {snakefile}
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


def use(other: Path, snakefile: Path | str, folder: str) -> None:
    """Write the other workflow's Snakefile. snakefile: the module's, a path or an expression such as gitfile(...)."""
    snakefile = f'"{snakefile}"' if isinstance(snakefile, Path) else snakefile
    prefix = f'prefix: "{folder}"' if folder else ""
    (other / "Snakefile").write_text(MODULE.format(snakefile=snakefile, prefix=prefix, folder=folder))


def git(folder: Path, *arguments: str) -> None:
    command = ["git", "-c", "user.name=A", "-c", "user.email=a@b.c", *arguments]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


@pytest.fixture
def repository(project, tmp_path_factory):
    """A git repository whose tag v1 has the project, and whose branch has lost it."""
    folder = shutil.copytree(
        project, tmp_path_factory.mktemp("git") / "repository", ignore=shutil.ignore_patterns("results")
    )
    git(folder, "init", "-q")
    git(folder, "add", "--all")
    git(folder, "commit", "-q", "-m", "all")
    git(folder, "tag", "v1")
    git(folder, "rm", "-q", "-r", "workflow")
    git(folder, "commit", "-q", "-m", "nothing")
    return folder


def snakemake(folder: Path, *arguments: str, code: int = 0) -> str:
    command = [sys.executable, "-m", "snakemake", "--cores", "1", *arguments]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment["XDG_CACHE_HOME"] = str(folder / "cache")
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == code, run.stdout + run.stderr
    return run.stdout + run.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("snakefile", "folder", "target"),
    [("workflow/Snakefile", "deep/er/", "pp_all"), ("workflow/Snakefile", "", "pp_all"), ("Snakefile", "", "own")],
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
    assert {path.name for path in other.iterdir()} - before == {"deep", "cache", ".snakemake"}
    assert {path.name for path in (other / "deep/er").iterdir()} == {"results"}
    assert (other / "deep/er/results/tiny/provenance/read_questions/own.json").is_file()
    moved = shutil.copytree(project, tmp_path_factory.mktemp("moved") / "project")
    use(other, moved / "workflow" / "Snakefile", "deep/er/")
    assert "Nothing to be done" in snakemake(other, "-n", "--", target)


@pytest.mark.slow
def test_every_job_is_planned_from_a_git_repository(repository, other):
    use(other, f'gitfile("{repository}", path="workflow/Snakefile", tag="v1")', "probe/")
    said = snakemake(other, "-n", "--quiet", "rules", "--", "pp_all")
    assert re.search(r"^pp_finetune_checkpoint +1$", said, re.MULTILINE)


@pytest.mark.slow
def test_every_job_is_planned_from_a_hosted_repository(repository, other, monkeypatch):
    # Git takes the repository for the host's.
    settings = {"KEY_0": f"url.file://{repository}.insteadOf", "VALUE_0": "https://github.com/some/one", "COUNT": "1"}
    for name, value in settings.items():
        monkeypatch.setenv(f"GIT_CONFIG_{name}", value)
    use(other, 'github("some/one", path="workflow/Snakefile", tag="v1")', "probe/")
    said = snakemake(other, "-n", "--quiet", "rules", "--", "pp_all")
    assert re.search(r"^pp_finetune_checkpoint +1$", said, re.MULTILINE)


@pytest.mark.slow
def test_a_url_of_a_single_file_is_refused_in_one_line(project, other):
    handler = functools.partial(SimpleHTTPRequestHandler, directory=project)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        use(other, f'"http://127.0.0.1:{server.server_port}/workflow/Snakefile"', "probe/")
        said = snakemake(other, "-n", "--", "pp_all", code=1)
        server.shutdown()
    assert "/workflow: of a URL only a single file is fetched" in said
    assert "by a path, or in a git repository by gitfile(...), github(...) or gitlab(...)" in said
    assert "Traceback" not in said
    assert "AttributeError" not in said


@pytest.mark.slow
def test_a_module_of_a_git_repository_has_the_percentages_of_the_plain_run(tmp_path_factory, tmp_path):
    project = copy_project(tmp_path_factory.mktemp("plain"), PAGES[:8])
    config = tiny_config(tiny_encoder(tmp_path_factory.mktemp("encoder")))
    config["checkpoints"]["finetuned"] = {"label": "Random", "source": "random", "start": "pretrained"}
    config["tasks"] = ["answer_type"]
    for section in ("finetuning", "evaluation"):
        del config[section]
    for folder in (project, tmp_path):
        (folder / "config").mkdir(exist_ok=True)
        (folder / "config/own.yaml").write_text(yaml.safe_dump(config))
    plain = "results/tiny/percentages.tsv"
    snakemake(project, "--configfile", "config/own.yaml", "--", plain)
    git(project, "init", "-q")
    git(project, "add", "Snakefile", "envs", "scripts", "workflow")
    git(project, "commit", "-q", "-m", "all")
    git(project, "tag", "v1")
    use(tmp_path, f'gitfile("{project}", path="workflow/Snakefile", tag="v1")', "probe/")
    snakemake(tmp_path, "--", "own")
    assert (tmp_path / "own.tsv").read_text() == (project / plain).read_text()
    assert (project / plain).read_text().count("\n") == 1 + 2 * 2 * 3  # checkpoints, measures, layers
