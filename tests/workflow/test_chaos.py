"""A run that is hurt in every way comes out as one that is not; and what looks for differences finds them."""

import random
import shutil

import chaos
import project as projects
import pytest
import yaml
from chaos import after_starts, while_saving, within

TARGETS = ("--", "results/tiny/figures/answer_type_cosine.svg")
CONFIG = "config/tiny.yaml"
TRAINING = ("finetune_checkpoint",)
# Those within the training come first: it goes on after each.
PLAN = [
    ("SIGKILL of Snakemake", within(TRAINING, 1)),
    ("SIGKILL of all", while_saving),
    ("full disk", after_starts(1, 0.5)),
    ("SIGINT to all (Ctrl-C)", after_starts(1, 0.1)),
]
# What is made again; what comes before it stays.
AGAIN = [f"{kind}/finetuned" for kind in ("checkpoints", "activations", "similarities", "rankings")]
AGAIN += ["training", "percentages.tsv", "figures"]


@pytest.mark.slow
def test_whatever_strikes_a_run_the_next_one_completes_it_and_repeats_no_finished_job(tmp_path):
    config = projects.tiny_config(projects.tiny_encoder(tmp_path / "encoder")) | {"tasks": ["answer_type"]}
    config["finetuning"] |= {"epochs": 2, "save_steps": 5}
    project = tmp_path / "project"
    project.mkdir()
    with chaos.small_disk(project, 1 << 30) as mounted:
        projects.copy_project(project, projects.PAGES[:8])
        (project / CONFIG).write_text(yaml.safe_dump(config, sort_keys=False))
        results = chaos.undisturbed(project, CONFIG, tmp_path, TARGETS)
        reference = shutil.copytree(results, tmp_path / "reference")
        for name in AGAIN:
            shutil.rmtree(results / name) if (results / name).is_dir() else (results / name).unlink()
        run = chaos.Chaos(project, CONFIG, reference, tmp_path, TARGETS, dice=random.Random(0))
        plan = [fault for fault in PLAN if mounted or fault[0] != "full disk"]
        run.hurt(iter(plan))
    assert run.struck == len(plan)


@pytest.fixture
def folders(tmp_path):
    for folder in ("reference", "results"):
        for name in ("tables/a.tsv", "logs/a.log", "benchmarks/a.tsv", "provenance.json"):
            (tmp_path / folder / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / folder / name).write_text("1")
    return tmp_path / "reference", tmp_path / "results"


def test_what_only_tells_of_a_run_may_differ(folders):
    for name in ("logs/a.log", "benchmarks/a.tsv", "provenance.json"):
        (folders[1] / name).write_text("2")
    assert chaos.differences(*folders) == []


def test_files_that_differ_are_missing_or_are_left_are_told(folders):
    (folders[1] / "tables" / "a.tsv").write_text("2")
    (folders[1] / "logs" / "a.log").unlink()
    (folders[1] / "provenance.json").unlink()
    (folders[1] / "tables" / ".7-host.a.tsv").write_text("1")
    (folders[1] / "tables" / ".scratch-x").mkdir()
    assert chaos.differences(*folders) == [
        "logs/a.log is missing",
        "provenance.json is missing",
        "tables/.7-host.a.tsv is left",
        "tables/.scratch-x is left",
        "tables/a.tsv differs",
    ]
