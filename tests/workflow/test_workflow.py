"""The workflow run whole on a small corpus with a tiny encoder, then asked what it would run again, and why."""

import gzip
import json
import shutil
from pathlib import Path

import numpy as np
import project as projects
import pytest
import yaml

from pairprobe.activations.store import Activations
from pairprobe.controls.cka_rsa import REPRESENTATION_FIELDS
from pairprobe.controls.control_task import SELECTIVITY_FIELDS
from pairprobe.io.tsv import read_tsv

pytestmark = pytest.mark.slow

# A module's tests share one run of the workflow; --dist loadfile (pyproject.toml) keeps them in one process.
PAGES = projects.PAGES[:26]
CONFIG = "config/tiny.yaml"


def snakemake(project: Path, *arguments: str, cores: int = 2):
    return projects.snakemake(project, CONFIG, *arguments, cores=cores)


def planned(project: Path, *arguments: str) -> dict[str, int]:
    return projects.planned(project, CONFIG, *arguments)


@pytest.fixture(scope="module")
def tiny_encoder(tmp_path_factory):
    return projects.tiny_encoder(tmp_path_factory.mktemp("encoder"))


def copy_project(folder: Path, encoder: Path, shards: int = 1) -> Path:
    """Copy the project with a few of the pages, and write a configuration for them."""
    projects.copy_project(folder, PAGES)
    config = projects.tiny_config(encoder)
    config["activations"] |= {"shards": shards}
    (folder / "config" / "tiny.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
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
        return yaml.safe_dump(projects.with_changes(yaml.safe_load(text), **changes), sort_keys=False)

    return change


# Of the grids, grid and specific.
PANELS = {"draw_grid": 2, "draw_panel": 10, "draw_differences": 1, "build_explorer": 1}
EVIDENCE = {"weigh_evidence": 1, "tabulate_claims": 1}
AFTER_RANKING = {"summarise_percentages": 1, "tabulate_percentages": 1, **EVIDENCE, **PANELS}
BOUNDARY = {"train_span_heads": 2, "rank_boundaries": 2}
# Of both views of two checkpoints.
MEASURING = {"measure_similarities": 4, "rank_pairs": 8}
# The spans of pairs hang on which words count.
OTHER_WORDS = {"measure_similarities": 2, "rank_pairs": 8}
# The lines of boundary's two panels.
BASELINE_LINES = {"draw_grid": 2, "draw_panel": 2}
BASELINES = {"score_baselines": 1, "tabulate_nq_evaluation": 1}
EVALUATION_FIGURES = {"draw_training": 1, "draw_precision_recall": 1}
AFTER_PREDICTING = {
    "score_predictions": 2, "tabulate_nq_evaluation": 1, "tabulate_question_answering": 1, "draw_precision_recall": 1,
}  # fmt: skip
ANSWERING = {"predict_answers": 2, **AFTER_PREDICTING}
AFTER_TRAINING = {**ANSWERING, **EVALUATION_FIGURES}
AFTER_EXTRACTING = {
    "extract_activations": 6, "summarise_activations": 1, **MEASURING, **BOUNDARY, **AFTER_RANKING,
}  # fmt: skip
TRAINING = {"build_features": 1, "finetune_checkpoint": 1, "train_answer_heads": 1}
AFTER_FETCHING = {**TRAINING, **AFTER_EXTRACTING, **AFTER_TRAINING}
AFTER_READING = {
    "partition_examples": 1, "collect_gold": 1, "score_baselines": 1, "build_probing_set": 5, "tabulate_probing_sets": 1,
    **AFTER_FETCHING,
}  # fmt: skip
ANOTHER_SEED = {"label": "Again", "source": "finetune", "start": "pretrained", "seed": 14}
ONE_MORE_CHECKPOINT = {
    "finetune_checkpoint": 1, "extract_activations": 3, "summarise_activations": 1, "measure_similarities": 2,
    "rank_pairs": 4, "train_span_heads": 1, "rank_boundaries": 1, **AFTER_RANKING,
    **AFTER_TRAINING, "predict_answers": 1, "score_predictions": 1,
}  # fmt: skip
FINETUNED_ALONE = {
    "extract_activations": 3, "summarise_activations": 1, "measure_similarities": 2, "rank_pairs": 4,
    "train_span_heads": 1, "rank_boundaries": 1,
    **AFTER_RANKING,
}  # fmt: skip
ONE_READER = {**AFTER_TRAINING, "predict_answers": 1, "score_predictions": 1}
SEVERAL_SEEDS = {"source": "finetune", "start": "pretrained", "seeds": [14, 15]}
TWIN = {"label": "Random", "source": "random", "start": "pretrained", "seed": 1}
ONE_TWIN = {
    "initialise_checkpoint": 1, "train_answer_heads": 1,
    **{rule: number for rule, number in ONE_MORE_CHECKPOINT.items() if rule != "finetune_checkpoint"},
}  # fmt: skip
CONTROL_TASK = {"train_control_heads": 2, "rank_control_boundaries": 2, "summarise_selectivity": 1}
REPRESENTATIONS = {"compare_representations": 1, "summarise_representations": 1, "draw_representations": 1}
OF_LAYERS = {
    "compare_weights", "summarise_weights", "draw_weight_distance", "compare_layers", "summarise_layer_cka",
    "draw_layer_cka", "draw_overview",
}  # fmt: skip
JUDGED = {"weigh_controls": 1, "draw_controls": 1}
# Whether the model uses what the probe sees: run by tests of their own.
WHY = {
    "answer_interventions", "weigh_interventions", "tabulate_functional", "draw_functional", "train_early_exits",
    "answer_early_exits", "weigh_right_and_wrong", "tabulate_right_and_wrong", "draw_right_and_wrong", "take_step",
    "weigh_trajectories", "score_trajectories", "draw_trajectories", "score_classifier", "weigh_control_trainings",
    "tabulate_control_trainings", "draw_control_trainings",
}  # fmt: skip
# What runs only where the configuration asks for it.
ASKED_FOR = {"adapt_checkpoint", "initialise_checkpoint", *CONTROL_TASK, *REPRESENTATIONS, *OF_LAYERS, *WHY}
CITED = {"collect_references": 1}


def test_everything_is_there_after_a_run(project):
    results = project / "results" / "tiny"
    for name in (
        "examples/probe.jsonl.gz", "probing_sets/boundary.jsonl", "checkpoints/finetuned/model.safetensors",
        "activations/pretrained/paragraph/probe-1of1.h5", "rankings/finetuned/coreference.tsv", "percentages.tsv",
        "figures/grid.svg", "figures/grid.pdf", "figures/grid.png", "figures/specific.svg", "figures/boundary_end.png",
        "tables/question_answering.md", "tables/nq_evaluation.md", "tables/nq_evaluation.tsv", "tables/probing_sets.tsv",
        "figures/training_loss.svg", "figures/precision_recall.pdf", "evaluation/gold.jsonl.gz",
        "evaluation/finetuned/predictions.json", "training/pretrained.tsv", "logs/rank_pairs/pretrained.synonyms.log",
        "tables/intervals.tsv", "tables/differences.tsv", "tables/claims.tsv", "tables/claims.md", "tables/claims.tex",
        "tables/nq_evaluation.tex", "tables/baselines.tsv", "references.bib",
        "figures/differences.svg", "benchmarks/draw_grid/grid.tsv", "parts/mini_nq/counts.tsv", "tables/examples.tsv",
        "report/explorer.html",
    ):  # fmt: skip
        assert (results / name).stat().st_size > 0 or name.endswith(".log"), name
    assert not list(results.rglob(".partial-*")), "temporary files stayed behind"
    assert not (results / "finetuning" / "finetuned").exists(), "the working folder of the training stayed behind"


def test_a_second_run_has_nothing_to_do(project):
    assert planned(project) == {}


def test_a_checkout_that_was_moved_has_nothing_to_do(project, tmp_path):
    moved = shutil.copytree(project, tmp_path / "moved")
    assert planned(moved) == {}


def test_the_provenance_accounts_for_every_file(project):
    results = project / "results" / "tiny"
    found = json.loads((results / "provenance.json").read_bytes())
    beside = ("logs", "benchmarks", "provenance", "provenance.json")
    there = {path.relative_to(results) for path in results.rglob("*") if path.is_file()}
    wanted = {f"results/tiny/{path}" for path in there if path.parts[0] not in beside and not path.name.startswith(".")}
    assert found["files"].keys() == wanted
    assert (found["aside"], found["unaccounted"], found["changed_since"]) == ([], [], [])
    assert {name.split("/")[0] for name in found["jobs"]} == {path.stem for path in (project / "scripts").glob("*.py")} - {
        "download_questions", "record_provenance", "read_pair_file", *ASKED_FOR,
        "describe_space", "rank_control", "summarise_controls", "tabulate_controls", "weigh_controls", "draw_controls",
    }  # fmt: skip
    assert all(len(codes) == (5 if rule == "build_probing_set" else 1) for rule, codes in found["code"].items())
    assert found["environments"][0]["torch"]
    # Nothing of this machine but where the configuration itself points to.
    said = (results / "provenance.json").read_text()
    assert str(project) not in said
    assert not [path for path in (results / "provenance").rglob("*.json") if str(project) in path.read_text()]


def test_a_whole_run_holds(project):
    assert projects.pairprobe(project, "verify", "results/tiny")[0] == 0


def test_a_damaged_figure_is_found_and_made_again_as_it_was(project):
    name = "results/tiny/figures/coreference_cosine.pdf"
    before = (project / name).read_bytes()
    (project / name).write_bytes(before[:-2] + b"\x00\n")
    status, said = projects.pairprobe(project, "verify", "results/tiny", "--rebuild")
    assert status == 1
    assert f"problem: {name}: found sha256" in said
    (command,) = [line for line in said.splitlines() if line.startswith("run: ")]
    assert command == f"run: snakemake --cores all --configfile {CONFIG} -- {name} all"
    projects.completed(project, CONFIG, "--", name, "all")
    assert (project / name).read_bytes() == before
    assert projects.pairprobe(project, "verify", "results/tiny")[0] == 0


def test_an_emptied_set_of_pairs_is_no_empty_set(project):
    name = "results/tiny/probing_sets/coreference.jsonl"
    before = (project / name).read_bytes()
    (project / name).write_bytes(b"")
    run = snakemake(project)
    assert run.returncode == 1
    assert f"error: {name}: found 0 bytes, wanted {len(before):,}, as the job build_probing_set/coreference" in run.stderr
    (project / name).unlink()
    projects.completed(project, CONFIG, "--", name, "all")
    assert (project / name).read_bytes() == before
    assert projects.pairprobe(project, "verify", "results/tiny")[0] == 0


def test_a_number_is_explained_by_its_pairs(project):
    number = "--task coreference --measure cosine --checkpoint finetuned --layer 2 --json".split()
    status, said = projects.pairprobe(project, "explain", "results/tiny", *number)
    found = json.loads(said)
    assert status == 0
    assert found["count"] == sum(pair["count"] for pair in found["of_pairs"])
    last = [one["file"].removeprefix("results/tiny/") for one in found["files"][-2:]]
    assert last == ["checkpoints/finetuned", "data/mini_nq.jsonl.gz"]


def test_a_deleted_figure_is_drawn_alone(project):
    figure = "results/tiny/figures/coreference_cosine.pdf"
    (project / figure).unlink()
    assert planned(project, "--", figure) == {"draw_panel": 1}
    assert snakemake(project, "--", figure).returncode == 0
    assert planned(project) == {}


# What is changed, how, and the jobs that run again for it; each dry run takes two seconds, so most are slow tests.
CHANGES = [
    ("workflow/pairprobe/rankings/pair_ranking.py", lambda text: "# a comment\n" + text, {}),
    ("workflow/pairprobe/rankings/pair_ranking.py", lambda text: text.replace('"""The pairwise', '"""A pairwise'), {}),
    ("scripts/rank_pairs.py", lambda text: text, {}),
    ("workflow/pairprobe/figures/grid.py", with_code, PANELS),
    ("workflow/pairprobe/figures/style.py", with_code, {**PANELS, **EVALUATION_FIGURES}),
    ("workflow/pairprobe/evidence/estimation.py", with_code, {**BASELINES, **EVIDENCE, **PANELS}),
    ("workflow/pairprobe/explorer/packing.py", with_code, {"build_explorer": 1}),
    ("workflow/pairprobe/explorer/page.css", lambda text: text + "p {}\n", {"build_explorer": 1}),
    ("workflow/pairprobe/explorer/page.js", lambda text: text, {}),
    ("workflow/pairprobe/evaluation/answering.py", with_code, ANSWERING),
    ("workflow/pairprobe/evaluation/nq_metric.py", with_code, {**AFTER_PREDICTING, **BASELINES, **BASELINE_LINES}),
    ("workflow/pairprobe/finetuning/features.py", with_code, {**TRAINING, **FINETUNED_ALONE, **AFTER_TRAINING}),
    (
        "workflow/pairprobe/rankings/similarity.py",
        with_code,
        {**MEASURING, **BASELINES, "rank_boundaries": 2, **AFTER_RANKING},
    ),
    (
        "workflow/pairprobe/probing_sets/tasks/synonyms.py",
        with_code,
        {
            "build_probing_set": 1, "tabulate_probing_sets": 1, "measure_similarities": 2, "rank_pairs": 8,
            **AFTER_RANKING,
        },
    ),
    (
        "workflow/pairprobe/rankings/boundary_heads.py",
        with_code,
        {**MEASURING, **BASELINES, **BOUNDARY, **AFTER_RANKING},
    ),
    ("workflow/pairprobe/data/readers.py", with_code, {"read_questions": 1, **AFTER_READING}),
    (
        "workflow/pairprobe/io/downloads.py",
        with_code,
        {"fetch_checkpoint": 1, "collect_references": 1, **AFTER_FETCHING},
    ),
    ("config/tiny.yaml", config_with(data__on_bad_input="skip"), {"read_questions": 1, **AFTER_READING}),
    ("config/tiny.yaml", config_with(figures__title="A title"), {"draw_grid": 2}),
    ("config/tiny.yaml", config_with(evidence={"margin": 3}), {**EVIDENCE, **PANELS}),
    ("config/tiny.yaml", config_with(figures__checkpoints=["pretrained"]), {**PANELS, **EVALUATION_FIGURES}),
    ("config/tiny.yaml", config_with(figures__comparisons={"before": ["pretrained"]}), {"draw_grid": 1}),
    (
        "config/tiny.yaml",
        config_with(figures__comparisons={"a": ["finetuned"], "b": ["finetuned", "pretrained"]}),
        {"draw_grid": 2},
    ),
    ("config/tiny.yaml", config_with(checkpoints__again=ANOTHER_SEED), ONE_MORE_CHECKPOINT),
    ("config/tiny.yaml", config_with(checkpoints__finetuned=ANOTHER_SEED), ONE_MORE_CHECKPOINT),
    (
        "config/tiny.yaml",
        config_with(checkpoints__again=SEVERAL_SEEDS),
        {
            **ONE_MORE_CHECKPOINT, "finetune_checkpoint": 2, "extract_activations": 6, **MEASURING,
            "train_span_heads": 2, "rank_boundaries": 2, "predict_answers": 2, "score_predictions": 2,
        },
    ),
    (
        "config/tiny.yaml",
        config_with(finetuning__epochs=2),
        {"finetune_checkpoint": 1, "train_answer_heads": 1, **FINETUNED_ALONE, **AFTER_TRAINING},
    ),
    ("config/tiny.yaml", config_with(finetuning__head_learning_rate=0.1), {"train_answer_heads": 1, **ONE_READER}),
    ("config/tiny.yaml", config_with(checkpoints__drawn=TWIN), ONE_TWIN),
    ("config/tiny.yaml", config_with(controls=["control_task"]), {**CONTROL_TASK, **JUDGED, **CITED}),
    ("config/tiny.yaml", config_with(controls=["representations"]), {**REPRESENTATIONS, **CITED}),
    ("config/tiny.yaml", config_with(words__punctuation=True), {**OTHER_WORDS, **AFTER_RANKING}),
    ("config/tiny.yaml", config_with(words={"punctuation": True}), {**OTHER_WORDS, **AFTER_RANKING}),
    (
        "config/tiny.yaml",
        config_with(boundary={"l2": 0.5}),
        {"measure_similarities": 2, **BASELINES, **BOUNDARY, **AFTER_RANKING},
    ),
    # Sentences wait for the heads then, which is another set of inputs; what is on disk stays there.
    (
        "config/tiny.yaml",
        config_with(activations__keep="similarities"),
        {
            "extract_activations": 2, "summarise_activations": 1, "measure_similarities": 2, "rank_boundaries": 2,
            **AFTER_RANKING,
        },
    ),
    (
        "config/tiny.yaml",
        config_with(evaluation__max_answer_words=12),
        ANSWERING,
    ),
    (
        "config/tiny.yaml",
        config_with(tasks=["synonyms", "abbreviation"]),
        {
            "tabulate_probing_sets": 1, "summarise_activations": 1, "measure_similarities": 2, "rank_pairs": 4,
            "summarise_percentages": 1, "tabulate_percentages": 1, **BASELINES, **EVIDENCE, **PANELS, "draw_panel": 4,
        },
    ),
]  # fmt: skip
CHANGED = [
    "comment", "docstring", "touched script", "grid.py", "style.py", "estimation.py", "packing.py", "page.css",
    "touched page.js", "answering.py", "nq_metric.py", "features.py", "similarity.py", "synonyms.py",
    "boundary_heads.py", "readers.py", "downloads.py", "on_bad_input", "title", "margin", "figures.checkpoints",
    "a comparison", "two comparisons", "one more checkpoint", "another seed", "several seeds", "epochs",
    "head_learning_rate", "random twin", "control_task", "representations", "punctuation", "words", "l2",
    "similarities", "evaluation", "tasks",
]  # fmt: skip
QUICK = "comment grid.py answering.py similarity.py synonyms.py title punctuation l2".split()


@pytest.mark.parametrize(
    ("name", "change", "jobs"),
    [
        pytest.param(*case, id=what, marks=() if what in QUICK else pytest.mark.slow)
        for what, case in zip(CHANGED, CHANGES, strict=True)
    ],
)
def test_a_change_runs_again_what_stands_on_it_and_nothing_else(project, edited, name, change, jobs):
    edited(name, change)
    assert planned(project) == jobs


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            config_with(activations__precison="float32"),
            "activations.precison: there is no such key. Did you mean precision?",
        ),
        (
            config_with(figures__checkpoints=["nobody"]),
            "tiny.yaml: figures.checkpoints: found 'nobody'. Allowed: pretrained,",
        ),
    ],
    ids=["schema", "checks"],
)
def test_a_bad_configuration_gives_one_clear_error(project, edited, change, said):
    """What there is to find is in tests/unit/configuration."""
    edited("config/tiny.yaml", change)
    run = snakemake(project, "-n")
    output = run.stdout + run.stderr
    assert run.returncode != 0
    assert said in output, output
    assert "Traceback" not in output


def test_a_comparison_is_drawn_of_its_checkpoints_alone(project, edited):
    edited(CONFIG, config_with(figures__comparisons={"before": ["pretrained"]}))
    figures = project / "results" / "tiny" / "figures"
    grid = (figures / "grid.svg").read_bytes()
    run = snakemake(project, "--", "figures")
    assert run.returncode == 0, run.stdout + run.stderr
    drawn = (figures / "before.svg").read_text()
    assert "Pre-trained" in drawn
    assert "Fine-tuned" not in drawn
    assert (figures / "grid.svg").read_bytes() == grid
    assert b"Fine-tuned" in grid
    assert planned(project) == {}


def test_another_seed_of_a_training_gives_other_weights(project, edited):
    edited(CONFIG, config_with(checkpoints__again=ANOTHER_SEED))
    run = snakemake(project, "--", "results/tiny/checkpoints/again")
    assert run.returncode == 0, run.stdout + run.stderr
    weights = [project / "results" / "tiny" / "checkpoints" / name / "model.safetensors" for name in ("finetuned", "again")]
    first, second = (path.read_bytes() for path in weights)
    assert len(first) == len(second)
    assert first != second


def test_the_controls_run_and_leave_all_else_as_it_was(project, edited):
    results = project / "results" / "tiny"
    before = {path: path.read_bytes() for path in (results / "rankings").rglob("*.tsv")}
    asked = ["control_task", "representations", "layer_cka", "weight_distance"]
    edited(CONFIG, config_with(controls=asked, figures__overview=True))
    run = snakemake(project)
    assert run.returncode == 0, run.stdout + run.stderr
    assert {path: path.read_bytes() for path in before} == before
    percentages = {
        tuple(row[key] for key in ("checkpoint", "measure", "layer")): row["percentage"] for row in boundary(results)
    }
    rows = read_tsv(str(results / "tables" / "selectivity.tsv"), SELECTIVITY_FIELDS)
    assert {(row["checkpoint"], row["measure"], row["layer"]): row["percentage"] for row in rows} == percentages
    rows = read_tsv(str(results / "tables" / "representations.tsv"), REPRESENTATION_FIELDS)
    assert [(row["before"], row["after"], row["layer"]) for row in rows] == [("pretrained", "finetuned", i) for i in "012"]
    assert all(0 < float(row["cka_low"]) <= float(row["cka"]) <= float(row["cka_high"]) <= 1 for row in rows)
    by_pair = {
        (row["layer_before"], row["layer_after"]): row for row in read_tsv(str(results / "tables" / "layer_cka.tsv"))
    }
    for row in rows:
        for value in ("cka", "cka_low", "cka_high", "cka_debiased"):
            assert by_pair[row["layer"], row["layer"]][value] == row[value]
    moved = read_tsv(str(results / "tables" / "weight_distance.tsv"))
    assert [(row["before"], row["after"], row["layer"]) for row in moved] == [("pretrained", "finetuned", i) for i in "012"]
    assert all(0 < float(row[value]) < 1 for row in moved for value in ("relative", "spectral"))
    for figure in ("representations", "layer_cka", "weight_distance", "overview"):
        assert (results / "figures" / f"{figure}.png").stat().st_size
    assert planned(project) == {}
    assert projects.pairprobe(project, "verify", "results/tiny")[0] == 0


def boundary(results: Path) -> list[dict]:
    return [row for row in read_tsv(str(results / "percentages.tsv")) if row["task"] == "boundary"]


def test_a_twin_is_drawn_and_gets_heads_to_answer_with(project, edited):
    edited(CONFIG, config_with(checkpoints__drawn=TWIN))
    run = snakemake(project, "--", "results/tiny/answer_heads/drawn.safetensors")
    assert run.returncode == 0, run.stdout + run.stderr
    folders = [project / "results" / "tiny" / "checkpoints" / name for name in ("pretrained", "drawn")]
    assert (folders[0] / "tokenizer.json").read_bytes() == (folders[1] / "tokenizer.json").read_bytes()
    assert (folders[0] / "model.safetensors").read_bytes() != (folders[1] / "model.safetensors").read_bytes()


# Files at hand.

TABLE = "results/files/tables/examples.tsv"


@pytest.fixture
def files(project):
    """Two files of Natural Questions, the pages half and half, a configuration for some of them, and no results."""
    with gzip.open(project / "results" / "tiny" / "data" / "mini_nq.jsonl.gz", "rt") as lines:
        rows = [json.loads(line) for line in lines]
    titles = sorted({row["document_title"] for row in rows})
    for name, chosen in (("one", titles[:13]), ("two", titles[13:])):
        write_rows(project / f"{name}.jsonl", [row for row in rows if row["document_title"] in chosen])
    path = project / "config" / "files.yaml"
    config = yaml.safe_load((project / "config" / "tiny.yaml").read_text())

    def configure(*names: str, **data) -> None:
        data = {"source": "natural_questions", "files": [*names], **data}
        path.write_text(yaml.safe_dump(config | {"run": "files", "data": data}, sort_keys=False))

    yield configure
    shutil.rmtree(project / "results" / "files", ignore_errors=True)


def write_rows(path: Path, rows: list[dict]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def counts(project: Path, run: str) -> dict[tuple[str, ...], int]:
    lines = (project / "results" / run / "tables" / "examples.tsv").read_text().splitlines()[1:]
    return {tuple(row[:2]): int(row[2]) for row in (line.split("\t") for line in lines)}


def of_files(run, project: Path, *arguments: str):
    return run(project, "config/files.yaml", *arguments, "--", TABLE)


def test_a_file_that_is_added_is_read_alone(project, files):
    files("one.jsonl")
    of_files(projects.completed, project)
    part = (project / "results" / "files" / "parts" / "one" / "index.jsonl.gz").stat()
    files("one.jsonl", "two.jsonl")
    assert of_files(projects.planned, project) == {"read_questions": 1, "partition_examples": 1}
    assert "parts/two/index" in of_files(projects.completed, project, "-n")
    of_files(projects.completed, project)
    assert (project / "results" / "files" / "parts" / "one" / "index.jsonl.gz").stat().st_mtime_ns == part.st_mtime_ns
    assert counts(project, "files") == counts(project, "tiny")
    assert of_files(projects.planned, project) == {}


def test_of_examples_that_are_added_only_the_new_ones_go_through_the_checkpoint(project, files):
    store = "results/files/activations/pretrained/paragraph/probe-1of1.h5"
    log = project / "results" / "files" / "logs" / "extract_activations" / "pretrained.paragraph.probe-1of1.log"
    rows = [json.loads(line) for name in ("one", "two") for line in (project / f"{name}.jsonl").open()]
    files("grown.jsonl")

    def extracted(some: list[dict]) -> dict[str, np.ndarray]:
        write_rows(project / "grown.jsonl", some)
        projects.completed(project, "config/files.yaml", "--", store)
        with Activations([str(project / store)]) as activations:
            return {name: np.concatenate(activations[name], axis=1) for name in activations.names()}

    before = extracted(rows[::2])
    after = extracted(rows)
    new = after.keys() - before.keys()
    assert new
    assert before
    assert f"{len(new)} examples were computed" in log.read_text()
    assert f"{len(before)} examples were reused" in log.read_text()
    assert all(np.array_equal(after[name], before[name], equal_nan=True) for name in before)
    (project / store).unlink()
    afresh = extracted(rows)
    assert list(afresh) == list(after)
    assert all(np.allclose(afresh[name], after[name], atol=1e-5, equal_nan=True) for name in after)


def test_files_of_the_same_name_are_two(project, files):
    write_rows(project / "more" / "one.jsonl", [])
    files("one.jsonl", "more/one.jsonl")
    assert of_files(projects.planned, project) == {"read_questions": 2, "partition_examples": 1}


def test_a_bad_line_stops_the_run_or_is_left_out_and_counted(project, files):
    write_rows(project / "bad.jsonl", [{"example_id": 1, "question_text": "who"}])
    files("one.jsonl", "bad.jsonl")
    run = of_files(projects.snakemake, project, "--keep-going")
    said = run.stdout + run.stderr
    assert run.returncode != 0
    assert "bad.jsonl, line 1" in said
    assert "data.on_bad_input: skip leaves such questions out" in said
    assert not (project / TABLE).exists()
    files("one.jsonl", "bad.jsonl", on_bad_input="skip")
    of_files(projects.completed, project)
    found = counts(project, "files")
    assert found["left out", "bad input, skipped"] == 1
    assert found["probe", "examples"] > 0


def test_a_measure_that_a_task_does_not_have_is_refused(project):
    run = snakemake(project, "-n", "--", "results/tiny/figures/coreference_start.svg")
    assert run.returncode != 0
    assert "cosine and euclidean" in run.stdout + run.stderr


def test_a_sixth_task_that_finds_no_pair_needs_no_forward_pass_and_stops_nothing(project, edited):
    # Where the test of the controls ran before, the citations are those of a run with controls.
    assert snakemake(project, "--", "results/tiny/references.bib").returncode == 0
    module = project / "workflow" / "pairprobe" / "probing_sets" / "tasks" / "nothing.py"
    module.write_text('VIEW = "paragraph"\n\n\ndef find(example, wordnet=None):\n    return "nothing to find"\n')
    try:
        tasks = yaml.safe_load((project / "config" / "tiny.yaml").read_text())["tasks"]
        edited("config/tiny.yaml", config_with(tasks=[*tasks, "nothing"]))
        assert planned(project) == {
            "build_probing_set": 1, "tabulate_probing_sets": 1, "measure_similarities": 2, "rank_pairs": 10,
            **AFTER_RANKING, "draw_panel": 12,
        }  # fmt: skip
        run = snakemake(project, "--", "results/tiny/figures/nothing_cosine.svg", "results/tiny/tables/probing_sets.md")
        assert run.returncode == 0, run.stdout + run.stderr
    finally:
        module.unlink()
    results = project / "results" / "tiny"
    assert "dropped: nothing to find" in (results / "tables" / "probing_sets.md").read_text()
    assert "\tnothing\t" not in (results / "percentages.tsv").read_text()


def test_the_report_shows_figures_tables_and_explorer_and_no_label_is_markup(project, edited):
    bad = "</b><img src=x onerror='window.ran = 1'> {x}"
    edited("config/tiny.yaml", config_with(figures={"labels": {"coreference": bad}, "title": bad}))
    run = snakemake(project, "--report", "report.html")
    assert run.returncode == 0, run.stdout + run.stderr
    if not (chromium := shutil.which("chromium")):
        pytest.skip("no Chromium on the path; on Debian: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        page = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"]).new_page()
        page.set_default_timeout(60000)
        page.goto(f"file://{project}/report.html")

        def opened(category, entry):
            """Show an entry of the report, and return the page that it shows."""
            page.evaluate("app.setView({navbarMode: 'menu'})")
            page.get_by_text(category, exact=True).click()
            page.locator("tr", has_text=entry).locator("a").first.click()
            return page.frame_locator("iframe")

        page.get_by_text("Figures", exact=True).click()
        entries = page.locator("tbody tr").all_inner_texts()
        assert f"{bad}, cosine" in [entry.replace("\u200b", "").strip() for entry in entries]
        table = opened("Tables", "percentages").locator("tbody tr")
        table.first.wait_for()
        assert table.count() == 20
        explorer = opened("Explorer", "explorer")
        explorer.locator(".chart .main-svg").first.wait_for()
        explorer.locator("#grid details summary").first.click()
        explorer.locator("td button").first.click()
        explorer.locator(".item").first.wait_for()
        assert page.evaluate("window.ran") is None


def test_the_same_percentages_on_one_core_in_other_shards_and_batches(project, tiny_encoder, tmp_path):
    other = copy_project(tmp_path, tiny_encoder, shards=2)
    path = other / "config" / "tiny.yaml"
    change = config_with(tasks=["answer_type", "boundary"], activations={"batch_size": 1, "shards": 2})
    config = yaml.safe_load(change(path.read_text()))
    del config["checkpoints"]["finetuned"]
    path.write_text(yaml.safe_dump(config, sort_keys=False))
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
