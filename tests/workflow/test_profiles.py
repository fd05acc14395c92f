"""The profiles: what they ask for, for which rules. tests/slurm submits with one of them for real."""

import re

import pytest
import yaml
from project import PAGES, ROOT, completed, copy_project

RULES = {
    name: body
    for path in (ROOT / "workflow" / "rules").glob("*.smk")
    for name, body in re.findall(r"^rule (\w+):\n(.*?)(?=^rule |^use |\Z)", path.read_text(), re.MULTILINE | re.DOTALL)
}
# Rules that are another one with other outputs.
RULES |= {
    name: RULES[other]
    for path in (ROOT / "workflow" / "rules").glob("*.smk")
    for other, name in re.findall(r"^use rule (\w+) as (\w+) with:", path.read_text(), re.MULTILINE)
}
# Rules without a script only collect.
RUNNING = {name for name, body in RULES.items() if "script:" in body}
GPU_RULES = {name for name, body in RULES.items() if "gpu=" in body}
# Of these every configuration that trains has some.
ALWAYS = {"finetune_checkpoint", "train_answer_heads", "predict_answers", "extract_activations"}
# Of a training that keeps steps: a checkpoint is made of each, and its answers are scored.
OF_STEPS = {"take_step", "score_trajectories"}
# On a cluster, where the activations that it reads have just been computed.
SHARES_A_GPU_JOB = {"measure_similarities"}


def profile(name: str) -> dict:
    return yaml.safe_load((ROOT / "profiles" / name / "config.yaml").read_text())


SLURM = profile("slurm")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy with config/objectives.yaml: config/why.yaml with all control trainings."""
    folder = copy_project(tmp_path_factory.mktemp("project"), PAGES[:1])
    config = yaml.safe_load((folder / "config" / "why.yaml").read_text(encoding="utf-8"))
    other = {"source": "finetune", "start": "pretrained", "keep_steps": None}
    config["checkpoints"] |= {
        "masked": {**other, "objective": "masked_language_model"},
        "classifier": {**other, "objective": "sequence_classification", "table": "table.tsv"},
    }
    (folder / "config" / "objectives.yaml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    (folder / "table.tsv").write_text("text\tlabel\na\tyes\nb\tno\n", encoding="utf-8")
    return folder


def resources(project, config: str, name: str) -> dict[str, list[dict[str, str]]]:
    """Return the resources of every planned job, by rule."""
    said = completed(project, f"config/{config}.yaml", "-n", "--profile", f"profiles/{name}")
    jobs: dict[str, list[dict[str, str]]] = {}
    for rule, body in re.findall(r"^ *rule (\w+):\n(.*?)(?=^ *\[|\Z)", said, re.MULTILINE | re.DOTALL):
        asked = re.search(r"^ +resources: (.*)$", body, re.MULTILINE)[1]
        jobs.setdefault(rule, []).append(dict(one.split("=", 1) for one in asked.split(", ")))
    return jobs


def test_rules_that_compute_with_a_model_use_a_gpu():
    assert {
        *ALWAYS, "train_early_exits", "answer_early_exits", "answer_interventions", "train_heads_on_trained",
        "score_classifier",
    } == GPU_RULES  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "config"), [("slurm", "objectives"), ("slurm", "paper"), ("gpu", "objectives"), ("gpu", "config")]
)
def test_a_gpu_is_asked_for_where_one_is_used_and_nowhere_else(project, name, config):
    jobs = resources(project, config, name)
    assert (GPU_RULES | OF_STEPS if config == "objectives" else ALWAYS) < jobs.keys() - {"all"} <= RUNNING
    for rule, asked in jobs.items():
        uses = rule in GPU_RULES or (name == "slurm" and rule in SHARES_A_GPU_JOB)
        assert {one.get("gpu", "0") for one in asked} == {"1" if uses else "0"}, rule
        if name == "slurm":
            assert {one["slurm_partition"] for one in asked} == {"gpu" if uses else "cpu"}, rule
            assert min(int(one["mem_mb"]) for one in asked) >= 3000, rule
            assert min(int(one["runtime"]) for one in asked) >= 5, rule


@pytest.mark.parametrize("key", ["set-resources", "groups"])
def test_the_slurm_profile_names_rules_that_run(key):
    assert SLURM[key].keys() <= RUNNING


def test_the_slurm_profile_has_a_time_for_all_that_computes_with_a_model_or_with_answers_of_many_steps():
    asked = {rule for rule, its in SLURM["set-resources"].items() if "runtime" in its}
    assert asked >= GPU_RULES | OF_STEPS


def test_every_rule_that_runs_is_in_a_group_but_the_trainings():
    assert RUNNING - SLURM["groups"].keys() == {
        "finetune_checkpoint", "train_answer_heads", "train_early_exits", "train_heads_on_trained",
    }  # fmt: skip
    assert SLURM["group-components"].keys() == set(SLURM["groups"].values())


def test_no_group_holds_a_gpu_for_a_rule_without_one():
    for group in SLURM["group-components"]:
        rules = {rule for rule, its in SLURM["groups"].items() if its == group}
        assert rules - SHARES_A_GPU_JOB <= GPU_RULES or not rules & GPU_RULES, group


def test_the_slurm_profile_goes_by_the_default_one():
    for key, value in profile("default").items():
        assert SLURM[key] == value


def test_no_rule_knows_of_a_cluster():
    for path in (ROOT / "workflow" / "Snakefile", *(ROOT / "workflow").rglob("*.smk")):
        assert not re.search(r"slurm|account|queue|mem_mb|runtime=|\bgroup:", path.read_text()), path
