"""The same run by the workflow, as a module of another workflow, and in a notebook: the same numbers, to the last digit."""

import json
import subprocess

import pytest
import yaml
from project import completed, copy_project, invocation, tiny_encoder

import pairprobe

ADJECTIVES = ["hot cold", "tall short", "early late", "old new", "rich poor", "open closed", "sweet bitter", "loud quiet"]
MODULE = """
configfile: "config/own.yaml"

module pairprobe:
    snakefile: "{snakefile}"
    config: config

use rule * from pairprobe as pp_*
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project with two files of pairs, of texts and of questions and passages, and two checkpoints."""
    folder = copy_project(tmp_path_factory.mktemp("project"), [])
    (folder / "data").mkdir()
    words = [pair.split() for pair in ADJECTIVES]
    texts = [{"text": f"The first is {a}, said Anna, and what is left is {b}.", "anchor": a, "match": b} for a, b in words]
    # Several pairs of one text, and groups.
    texts += [{"text": texts[0]["text"], "anchor": "Anna", "match": "left", "group": "Anna"}]
    texts += [{"text": texts[1]["text"], "anchor": "first", "match": "what is left", "group": "Anna"}]
    asked = [{"question": f"Who is {a}?", "text": f"Nobody is {b} here.", "anchor": a, "match": b} for a, b in words]
    for name, rows in {"opposites": texts, "asked": asked}.items():
        (folder / "data" / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    tiny_encoder(folder / "models" / "one")
    config = {
        "run": "own",
        "tasks": [{"name": name, "pairs": f"data/{name}.jsonl"} for name in ("opposites", "asked")],
        "checkpoints": {
            "one": {"source": "path", "path": "models/one"},
            "random": {"source": "random", "start": "one", "seeds": [1, 2]},
        },
    }
    (folder / "config" / "own.yaml").write_text(yaml.safe_dump(config))
    return folder


@pytest.fixture(scope="module")
def run(project):
    folder = "results/own"
    wanted = [
        f"{folder}/percentages.tsv",
        *(f"{folder}/tables/{name}.tsv" for name in ("intervals", "differences", "claims")),
    ]
    completed(project, "config/own.yaml", "--", *wanted)
    return pairprobe.open_run(project / folder)


@pytest.fixture(scope="module")
def ranked(project):
    """The same in a notebook: {checkpoint: rankings}."""
    files = {name: project / "data" / f"{name}.jsonl" for name in ("opposites", "asked")}
    one = pairprobe.load_encoder(project / "models" / "one")
    models = {"one": one, **{f"random-seed{seed}": one.random_twin(seed) for seed in (1, 2)}}
    return {name: pairprobe.rank(files, model) for name, model in models.items()}


@pytest.mark.slow
def test_the_percentages_are_the_same(run, ranked):
    rows = run.percentages()
    assert set(rows["checkpoint"]) == ranked.keys()
    for name, rankings in ranked.items():
        wanted = rows[rows["checkpoint"] == name].drop(columns="checkpoint").reset_index(drop=True)
        assert len(wanted) == 2 * 2 * 3
        assert rankings.percentages().drop(columns="checkpoint").equals(wanted)


@pytest.mark.slow
@pytest.mark.parametrize("of_the_run", [False, True])
def test_so_are_intervals_differences_and_claims(run, ranked, of_the_run):
    """Compared are the rankings that were made in the notebook, or the run's own."""
    rankings = {name: run.rankings(name) for name in ranked} if of_the_run else ranked
    random = [rankings[f"random-seed{seed}"] for seed in (1, 2)]
    found = pairprobe.compare(rankings["one"], random, names=("one", "random"))
    for table in ("differences", "claims"):
        wanted = getattr(run, table)()
        assert len(wanted)
        assert getattr(found, table)().equals(wanted)
    here, wanted = (
        {row[:4]: row for row in each.fillna("").itertuples(index=False)} for each in (found.intervals(), run.intervals())
    )
    units = {key for key in wanted if key[0] in ("one", "random")}
    assert len(units) == 2 * 2 * 2 * 3
    assert {key: here[key] for key in units} == {key: wanted[key] for key in units}


@pytest.mark.slow
@pytest.mark.parametrize(("task", "view"), [("opposites", "text"), ("asked", "paragraph")])
def test_the_activations_of_a_file_s_pairs_are_those_of_its_task(run, task, view):
    with run.activations("one", view, task) as activations:
        assert {pair["example_id"] for pair in run.pairs(task)} == {*activations.names()}


@pytest.mark.slow
def test_as_a_module_of_another_workflow_the_percentages_are_the_same(project, run, tmp_path):
    config = yaml.safe_load((project / "config" / "own.yaml").read_text())
    del config["checkpoints"]["random"]
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "own.yaml").write_text(yaml.safe_dump(config))
    for name in ("data", "models"):
        (tmp_path / name).symlink_to(project / name)
    (tmp_path / "Snakefile").write_text(MODULE.format(snakefile=project / "workflow" / "Snakefile"))
    call = invocation(project, "config/own.yaml", "--", "results/own/percentages.tsv")
    done = subprocess.run(**{**call, "cwd": tmp_path}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    wanted = run.percentages().query("checkpoint == 'one'").reset_index(drop=True)
    assert pairprobe.open_run(tmp_path / "results" / "own").percentages().equals(wanted)
