"""Control trainings in the workflow: each objective trains a checkpoint that is probed, and answers, as any other is."""

import project as projects
import pytest
import yaml

from pairprobe.io.tsv import read_tsv

pytestmark = pytest.mark.slow
OBJECTIVES = ("shuffled_answers", "masked_language_model", "sequence_classification")
TARGETS = ("figures/control_trainings.svg", "tables/control_trainings.md", "tables/question_answering.tsv")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = projects.copy_project(tmp_path_factory.mktemp("project"), projects.PAGES[:20])
    texts = [f"{i}\t{'a fine castle' if i % 2 else 'a bad road'} {i}\t{i % 2}" for i in range(60)]
    (folder / "texts.tsv").write_text("\n".join(["idx\ttext\tlabel", *texts]) + "\n")
    trained = {name: {"source": "finetune", "start": "base", "objective": name} for name in OBJECTIVES}
    trained["masked_language_model"]["method"] = "lora"
    trained["sequence_classification"]["table"] = str(folder / "texts.tsv")
    config = projects.tiny_config(projects.tiny_encoder(folder / "encoder"))
    base = config["checkpoints"]["pretrained"]
    config["checkpoints"] = {"base": base, "answering": {"source": "finetune", "start": "base"}, **trained}
    config |= {"tasks": ["coreference", "answer_type"]}
    (folder / "config" / "controls.yaml").write_text(yaml.safe_dump(config))
    classified = "evaluation/sequence_classification/classification.tsv"
    targets = [f"results/tiny/{name}" for name in (*TARGETS, classified)]
    projects.completed(folder, "config/controls.yaml", "--", *targets)
    assert projects.planned(folder, "config/controls.yaml", "--", *targets) == {}
    return folder / "results" / "tiny"


def test_each_control_stands_beside_the_training_to_answer_with_a_verdict(project):
    rows = read_tsv(project / "tables" / "control_trainings.tsv")
    assert {(row["before"], row["after"]) for row in rows} == {("base", "answering")}
    assert {row["control"] for row in rows} == {*OBJECTIVES}
    # Two tasks by two measures, on auc and specific; the layers, and the lower and the upper ones.
    layers = len({row["layer"] for row in rows})
    assert len(rows) == 3 * 2 * 2 * 2 * layers
    assert all(bool(row["verdict"]) == (not row["layer"].isdigit()) for row in rows)
    assert (project / "tables" / "control_trainings.md").read_text().count("# Answering beside") == 3


def test_all_answer_and_those_that_were_trained_otherwise_by_heads_of_their_own(project):
    heads = {row["checkpoint"]: row["head"] for row in read_tsv(project / "tables" / "question_answering.tsv")}
    frozen, own = "trained, encoder frozen", "trained with the encoder"
    assert heads == dict(zip(("base", "answering", *OBJECTIVES), (frozen, own, own, frozen, frozen), strict=True))
    for name in OBJECTIVES[1:]:
        assert len(read_tsv(project / "training" / f"{name}.tsv")) > 1
        assert len(read_tsv(project / "training" / f"{name}.heads.tsv")) > 1


def test_the_classifier_is_scored_on_what_it_was_not_trained_on(project):
    [row] = read_tsv(project / "evaluation" / "sequence_classification" / "classification.tsv")
    assert int(row["trained"]) + int(row["held_out"]) == 60
    assert int(row["held_out"]) > 0
