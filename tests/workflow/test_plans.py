"""What the configurations that download plan: every job, and nothing is asked of a network for it."""

import pytest
from project import PAGES, copy_project, planned


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
        ("squad", jobs(1, 4, 3)),
        ("nq-dev", jobs(7, 4, 3, predict_answers=8, tabulate_nq_evaluation=1, draw_precision_recall=1)),
        ("paper", PAPER),
        ("as_published", PAPER),
    ],
)
def test_a_dry_run_plans_every_job_and_asks_nobody(untouched, name, wanted):
    assert planned(untouched, f"config/{name}.yaml") == wanted
    assert not (untouched / "downloads").exists()
