"""What the configurations that download plan: every job, and nothing is asked of a network for it."""

import pytest
import yaml
from project import PAGES, completed, copy_project, planned, tiny_config


def jobs(files: int, activations: int, measured: int, **more: int) -> dict[str, int]:
    """Return the jobs of two checkpoints and five tasks.

    activations: how many files of them a checkpoint has; measured: those of them of the partition probe.
    """
    once = "partition_examples prepare_wordnet tabulate_probing_sets summarise_activations tabulate_percentages"
    return {
        "download_questions": files,
        "read_questions": files,
        "fetch_checkpoint": 2,
        "build_probing_set": 5,
        "extract_activations": 2 * activations,
        "measure_similarities": 2 * measured,
        "train_span_heads": 2,
        "rank_pairs": 8,
        "rank_boundaries": 2,
        "summarise_percentages": 1,
        "train_answer_heads": 2,
        "collect_gold": 1,
        "score_baselines": 1,
        "predict_answers": 2,
        "score_predictions": 2,
        "tabulate_question_answering": 1,
        "weigh_evidence": 1,
        "tabulate_claims": 1,
        "collect_references": 1,
        "draw_differences": 1,
        "draw_grid": 2,
        "draw_panel": 10,
        "build_explorer": 1,
        **dict.fromkeys(once.split(), 1),
        **more,
    }


PAPER = jobs(
    294,
    7,
    3,
    fetch_checkpoint=1,
    build_features=8,
    finetune_checkpoint=1,
    train_answer_heads=1,
    predict_answers=512,
    tabulate_nq_evaluation=1,
    draw_precision_recall=1,
    draw_training=1,
)


@pytest.fixture(scope="module")
def untouched(tmp_path_factory):
    return copy_project(tmp_path_factory.mktemp("untouched"), PAGES[:1])


@pytest.fixture
def no_network(monkeypatch):
    for name in ("HF_ENDPOINT", "http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        pytest.param("squad", jobs(1, 4, 3), marks=pytest.mark.slow),
        pytest.param(
            "nq-dev",
            jobs(7, 4, 3, predict_answers=8, tabulate_nq_evaluation=1, draw_precision_recall=1),
            marks=pytest.mark.slow,
        ),
        ("paper", PAPER),
        pytest.param("as_published", PAPER, marks=pytest.mark.slow),
    ],
)
def test_a_dry_run_plans_every_job_and_asks_nobody(untouched, name, wanted):
    assert planned(untouched, f"config/{name}.yaml") == wanted
    assert not (untouched / "downloads").exists()


def test_an_adapter_beside_the_weights_of_a_folder_is_among_what_a_checkpoint_is_made_from(untouched, tmp_path):
    for name in ("config.json", "unmerged_adapter/adapter_config.json", "unmerged_adapter/adapter_model.safetensors"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{}")
    (untouched / "config" / "own.yaml").write_text(yaml.safe_dump(tiny_config(tmp_path)))
    said = completed(untouched, "config/own.yaml", "--dry-run", "--", "results/tiny/checkpoints/pretrained")
    for name in ("config.json", "unmerged_adapter/adapter_config.json", "unmerged_adapter/adapter_model.safetensors"):
        assert str(tmp_path / name) in said


@pytest.mark.usefixtures("no_network")
def test_the_configuration_of_what_the_model_uses_plans_every_part_of_it(untouched):
    """Two recipes of three seeds, of one checkpoint; one of them keeps eight points of each training."""
    config = yaml.safe_load((untouched / "config" / "why.yaml").read_text(encoding="utf-8"))
    assert config["functional"] == ["graft", "reset", "early_exit", "right_and_wrong"]
    assert config["finetuning"]["keep_steps"] == 8
    assert config["checkpoints"]["shuffled"]["objective"] == "shuffled_answers"
    assert config["controls"] == ["representations", "layer_cka", "weight_distance"]
    assert config["figures"]["overview"] is True
    found = planned(untouched, "config/why.yaml")
    of_each = {"finetune_checkpoint", "compare_weights", "compare_layers"}
    once = {
        "draw_overview", "draw_layer_cka", "draw_weight_distance", "draw_representations", "draw_functional",
        "draw_right_and_wrong", "draw_trajectories", "draw_control_trainings",
    }  # fmt: skip
    assert {rule: found.get(rule) for rule in of_each} == dict.fromkeys(of_each, 6)
    assert {rule: found.get(rule) for rule in once} == dict.fromkeys(once, 1)
