"""Steps that a training keeps, through the whole workflow: probed, scored, drawn, and gone."""

import project as projects
import pytest
import yaml

from pairprobe.io.tsv import read_tsv

pytestmark = pytest.mark.slow
RESULTS = "results/tiny"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = projects.copy_project(tmp_path_factory.mktemp("project"), projects.PAGES[:20])
    config = projects.tiny_config(projects.tiny_encoder(tmp_path_factory.mktemp("encoder")))
    published = {"again": {0: "pretrained", 9: "finetuned"}}
    config = projects.with_changes(
        config, tasks=["coreference"], activations__keep="similarities", finetuning__keep_steps=3,
        figures__trajectories=published,
    )  # fmt: skip
    (folder / "config" / "tiny.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    projects.completed(folder, "config/tiny.yaml")
    return folder


def rows(project, table):
    return read_tsv(project / RESULTS / "tables" / f"{table}.tsv")


def test_each_step_is_probed_and_the_last_differs_as_the_two_checkpoints_do(project):
    found = [row for row in rows(project, "trajectories") if row["trajectory"] == "finetuned"]
    assert list(dict.fromkeys(row["checkpoint"] for row in found)) == ["pretrained", "finetuned-point1", "finetuned"]
    assert len({row["step"] for row in found}) == 3
    last = {(row["measure"], row["layer"]): row["auc_difference"] for row in found if row["checkpoint"] == "finetuned"}
    wanted = [row for row in rows(project, "differences") if row["value"] == "auc"]
    assert last == {(row["measure"], row["layer"]): row["difference"] for row in wanted}


def test_published_checkpoints_are_a_trajectory_of_the_same_numbers(project):
    of_both = {}
    for name in ("finetuned", "again"):
        ends = [row for row in rows(project, "trajectories") if row["trajectory"] == name]
        ends = [row for row in ends if row["checkpoint"] in ("pretrained", "finetuned")]
        of_both[name] = [[row[key] for key in ("layer", "percentage", "auc", "auc_difference")] for row in ends]
    assert of_both["again"] == of_both["finetuned"]


def test_scores_are_those_of_the_tables_of_checkpoints(project):
    scores = {(row["checkpoint"], row["metric"]): row["value"] for row in rows(project, "trajectory_scores")}
    (wanted,) = [row for row in rows(project, "question_answering") if row["checkpoint"] == "finetuned"]
    assert f"{float(scores['finetuned', 'f1']):.2f}" == wanted["f1"]
    long = next(
        row for row in rows(project, "nq_evaluation") if (row["checkpoint"], row["answer"]) == ("finetuned", "long")
    )
    assert scores["finetuned", "long_f1"] == long["f1"]
    assert ("finetuned-point0", "exact_match") in scores


def test_kept_steps_are_in_no_other_table_and_their_checkpoints_are_gone(project):
    results = project / RESULTS
    assert {row["checkpoint"] for row in read_tsv(results / "percentages.tsv")} == {"pretrained", "finetuned"}
    assert {path.name for path in (results / "checkpoints").iterdir()} == {"pretrained", "finetuned"}
    assert not list((results / "activations").rglob("*.h5"))
    assert (results / "figures" / "trajectories.svg").stat().st_size > 0


def test_nothing_is_left_to_do_and_the_record_of_the_run_is_true(project):
    assert projects.planned(project, "config/tiny.yaml") == {}
    status, said = projects.pairprobe(project, "verify", RESULTS)
    assert status == 0, said


def test_a_step_beyond_the_last_is_said_in_one_line(project):
    text = (project / "config" / "tiny.yaml").read_text()
    (project / "config" / "beyond.yaml").write_text(text.replace("keep_steps: 3", "keep_steps: [5, 100000]"))
    run = projects.snakemake(project, "config/beyond.yaml", "--", f"{RESULTS}/tables/trajectories.tsv")
    assert run.returncode
    assert "keep_steps: found 100000, and the training has " in run.stdout + run.stderr
