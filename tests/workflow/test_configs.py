"""Two of the configurations that download, run whole, unchanged, against a stand-in hub."""

import gzip
import json
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import hub as hubs
import project as projects
import pytest
from hub_server import Hub
from project import PAGES, ROOT, completed, copy_project, planned

from pairprobe.data.partitions import in_sample, partition_of
from pairprobe.io.tsv import read_tsv

pytestmark = pytest.mark.slow
TASKS = ("synonyms", "abbreviation", "coreference", "answer_type", "boundary")

NQ_PAGES = PAGES[:28]
SEED, SHARES, SAMPLE = 13, {"finetune": 0, "head": 0.3, "probe": 0.7}, 0.2
# Starting a job takes longer than its work here: two at a time.
SIDE_BY_SIDE = (
    "--set-threads",
    *(f"{rule}=1" for rule in ("extract_activations", "predict_answers", "train_answer_heads", "train_span_heads")),
)
# And few of them: a second file, which Snakemake puts on top of the first.
ONE_OF_EACH = "config/one_of_each.yaml"


@dataclass
class Whole:
    """A configuration that was run whole."""

    name: str
    project: Path
    environment: dict[str, str]
    hub: Hub
    targets: tuple[str, ...]

    @property
    def config(self) -> str:
        return f"config/{self.name}.yaml"

    @property
    def results(self) -> Path:
        return self.project / "results" / self.name

    def rows(self, table: str) -> list[dict[str, str]]:
        return list(read_tsv(self.results / table))

    def statuses(self, *endings: str) -> list[int]:
        """Return how requests for the content of files went, in order."""
        return [status for how, path, status in self.hub.asked if how == "GET" and path.endswith(endings)]


def run_whole(name: str, folder: Path, data: dict, cut: str, busy: str, *targets: str) -> Whole:
    """Run a configuration as it is; the hub breaks off one file in the middle, and is busy when first asked for another."""
    hub = Hub(hubs.models() | data, [cut], [busy])
    whole = Whole(name, copy_project(folder, PAGES[:1]), hub.environment(folder / "home"), hub, ("--", *targets))
    assert (whole.project / whole.config).read_bytes() == (ROOT / whole.config).read_bytes()
    (whole.project / ONE_OF_EACH).write_text("budget: {minutes: 1000, gigabytes: 100}")
    configs = f"{whole.config} {ONE_OF_EACH}"
    with hub.running():
        completed(whole.project, configs, *SIDE_BY_SIDE, *whole.targets, environment=whole.environment)
    return whole


@pytest.fixture(scope="module")
def squad(tmp_path_factory):
    data = hubs.squad(PAGES)
    (file,) = next(iter(data.values()))
    return run_whole("squad", tmp_path_factory.mktemp("squad"), data, file, "config.json", "all")


@pytest.fixture(scope="module")
def nq_dev(tmp_path_factory):
    data = hubs.natural_questions(NQ_PAGES)
    file = sorted(next(iter(data.values())))[3]
    # From the activations on it is as the other one, which has no long answers.
    return run_whole("nq-dev", tmp_path_factory.mktemp("nq"), data, "model.safetensors", file, "evaluation", "probing_sets")


@pytest.fixture(params=["squad", "nq-dev"])
def whole(request):
    return request.getfixturevalue(request.param.replace("-", "_"))


def test_every_figure_is_there(squad):
    figures = {path.name for path in (squad.results / "figures").iterdir()}
    assert {f"grid.{kind}" for kind in ("svg", "pdf", "png")} <= figures
    more = {"differences", "specific"}
    assert {name.split(".")[0] for name in figures if not name.startswith((*TASKS, "grid"))} == more
    assert len(figures) == 3 * (1 + 10 + len(more))
    assert "<svg" in (squad.results / "figures" / "grid.svg").read_text()


def test_nothing_half_written_is_left(whole):
    assert not list(whole.project.rglob("*.partial*"))


def test_every_task_of_both_checkpoints_has_percentages_in_every_layer(squad):
    """Both are compared on the same pairs, and no task is without any on these pages."""
    found = {(row["checkpoint"], row["task"], row["measure"], row["layer"]): row for row in squad.rows("percentages.tsv")}
    measures = {task: ("start", "end") if task == "boundary" else ("cosine", "euclidean") for task in TASKS}
    wanted = {
        (checkpoint, task, measure, str(layer))
        for checkpoint in ("pretrained", "finetuned")
        for task in TASKS
        for measure in measures[task]
        for layer in range(3)
    }
    assert found.keys() == wanted
    for (_, task, measure, layer), row in found.items():
        assert 0 <= float(row["percentage"]) <= 100
        assert 0 < int(row["pairs"]) == int(found["pretrained", task, measure, layer]["pairs"])
        if task != "boundary":
            lines = (squad.results / "probing_sets" / f"{task}.jsonl").read_text().splitlines()
            assert int(row["pairs"]) == len(lines)
    assert found["pretrained", "answer_type", "cosine", "2"] != found["finetuned", "answer_type", "cosine", "2"]


def test_the_answers_table_knows_which_checkpoint_has_a_trained_head(whole):
    heads = {row["checkpoint"]: row["head"] for row in whole.rows("tables/question_answering.tsv")}
    assert heads == {"pretrained": "random, seed 13", "finetuned": "its own"}


def test_only_the_files_that_are_needed_were_asked_for(whole):
    names = {path.rsplit("/", 1)[-1] for _, path, _ in whole.hub.asked if "/resolve/" in path}
    assert {name for name in names if not name.endswith(".parquet")} == {
        "config.json", "model.safetensors", "tokenizer_config.json", "vocab.txt",
    }  # fmt: skip
    assert not [path for _, path, _ in whole.hub.asked if "onnx" in path]
    assert not list(whole.results.glob("checkpoints/*/pytorch_model.bin"))


def test_what_was_downloaded_is_what_the_hub_has(whole):
    downloads = [path for path in (whole.project / "downloads").rglob("*") if path.is_file()]
    contents = {path: content for files in whole.hub.repositories.values() for path, content in files.items()}
    published = {path: content for path, content in contents.items() if path.endswith(".parquet")}
    assert len(downloads) == len(published) == (1 if whole.name == "squad" else 7)
    for path, content in published.items():
        (found,) = [file for file in downloads if file.as_posix().endswith(path)]
        assert found.read_bytes() == content


def test_a_second_run_has_nothing_to_do(whole):
    asked = len(whole.hub.asked)
    configs = f"{whole.config} {ONE_OF_EACH}"
    assert planned(whole.project, configs, *whole.targets, environment=whole.environment) == {}
    assert len(whole.hub.asked) == asked


def test_a_number_is_explained_down_to_what_was_downloaded_and_a_run_is_verified(squad):
    number = "--task answer_type --measure cosine --checkpoint finetuned --layer 2 --json".split()
    status, said = projects.pairprobe(squad.project, "explain", f"results/{squad.name}", *number)
    assert status == 0, said
    found = json.loads(said)
    assert found["count"] == sum(pair["count"] for pair in found["of_pairs"])
    origins = {each["origin"] for each in found["files"] if each["file"].startswith("downloads/")}
    assert len(origins) == 1
    assert origins <= {f"{name} at {commit}" for _, name, commit in squad.hub.repositories}
    status, said = projects.pairprobe(squad.project, "verify", f"results/{squad.name}")
    assert status == 0, said


# What the tables must say.


def counts_of(whole: Whole) -> dict[tuple[str, str], int]:
    return {(row["partition"], row["what"]): int(row["number"]) for row in whole.rows("tables/examples.tsv")}


def test_the_counts_of_squad_are_the_pages_own(squad):
    wanted, pages = Counter(), {"head": set(), "probe": set()}
    for i, (row, *_) in enumerate(hubs.short_answers(PAGES)):
        if not in_sample(hubs.squad_id(row), SEED, SAMPLE):
            wanted["left out", "not in the sample"] += 1
            continue
        partition = partition_of(row["document_title"].replace(" ", "_"), SEED, SHARES)
        pages[partition].add(row["document_title"])
        wanted[partition, "questions"] += 1
        wanted[partition, "examples"] += 1
        wanted[partition, "with a short answer"] += 1
        wanted[partition, "with several annotations"] += i % 2
    wanted.update({(name, "pages"): len(titles) for name, titles in pages.items()})
    assert min(wanted[name, "with a short answer"] for name in ("head", "probe")) > 20
    assert {key: number for key, number in counts_of(squad).items() if number} == wanted


def test_the_counts_of_natural_questions_are_the_pages_own(nq_dev):
    wanted, pages = Counter(), {"head": set(), "probe": set()}
    for row, annotators, table in hubs.annotated(NQ_PAGES):
        (said,) = row["annotations"]
        partition = partition_of(row["document_title"], SEED, SHARES)
        pages[partition].add(row["document_title"])
        wanted[partition, "questions"] += 1
        if said["long_answer"]["start_token"] < 0 and not table:
            wanted["left out", "the page does not answer the question"] += 1
        elif len(annotators) > 1 and sum(annotators) < 2:
            wanted["left out", "one annotator alone found an answer"] += 1
        elif table:
            wanted["left out", "the long answer is no paragraph but <Table>"] += 1
        else:
            wanted[partition, "examples"] += 1
            wanted[partition, "with a short answer"] += bool(said["short_answers"])
            wanted[partition, "with yes or no"] += said["yes_no_answer"] != "NONE"
            wanted[partition, "with several annotations"] += len(annotators) > 1
    wanted.update({(name, "pages"): len(titles) for name, titles in pages.items()})
    assert len([key for key in wanted if key[0] == "left out"]) == 3
    assert counts_of(nq_dev)["probe", "with several annotations"] > 3
    assert {key: number for key, number in counts_of(nq_dev).items() if number} == {k: n for k, n in wanted.items() if n}


def test_the_examples_of_natural_questions_are_the_pages_paragraphs(nq_dev):
    rendered = {str(row["example_id"]): row for row, *_ in hubs.annotated(NQ_PAGES)}
    with gzip.open(nq_dev.results / "examples" / "probe.jsonl.gz", "rt") as lines:
        examples = [json.loads(line) for line in lines]
    assert examples
    for example in examples:
        row = rendered[example["example_id"]]
        words = row["document_text"].split(" ")
        place = row["annotations"][0]["long_answer"]
        assert example["paragraph"] == words[place["start_token"] + 1 : place["end_token"] - 1]
        assert example["question"] == row["question_text"].split()
        for short in row["annotations"][0]["short_answers"]:
            assert example["paragraph"][slice(*example["answer"])] == words[short["start_token"] : short["end_token"]]


@pytest.mark.parametrize(("name", "at_most"), [("squad", 1000), ("nq_dev", 100)])
def test_the_questions_of_the_probe_are_asked(name, at_most, request):
    whole = request.getfixturevalue(name)
    with gzip.open(whole.results / "evaluation" / "gold.jsonl.gz", "rt") as lines:
        gold = [json.loads(line) for line in lines]
    assert len(gold) == min(counts_of(whole)["probe", "questions"], at_most)
    asked = {int(row["examples"]) for row in whole.rows("tables/question_answering.tsv")}
    assert asked == {sum(bool(row["answers"]) for row in gold)}


def test_the_official_script_gives_the_scores_of_the_table(nq_dev):
    from absl import flags
    from natural_questions import eval_utils, nq_eval

    folder = nq_dev.results / "evaluation"
    flags.FLAGS.mark_as_parsed()
    gold = eval_utils.read_annotation_from_one_split(str(folder / "gold.jsonl.gz"))
    for row in nq_dev.rows("tables/nq_evaluation.tsv"):
        # Of several annotators the official script wants two; where there is one, its threshold is set to one.
        found = eval_utils.read_prediction_json(folder / row["checkpoint"] / "predictions.json")
        assert found.keys() == gold.keys()
        several = {key for key, annotations in gold.items() if len(annotations) > 1}
        stats = {"long": [], "short": []}
        for several_only, threshold in ((True, 2), (False, 1)):
            flags.FLAGS.long_non_null_threshold = flags.FLAGS.short_non_null_threshold = threshold
            keys = several if several_only else gold.keys() - several
            judged = nq_eval.score_answers({k: gold[k] for k in keys}, {k: found[k] for k in keys})
            for name, some in zip(("long", "short"), judged, strict=True):
                stats[name] += some
        chosen = sorted(stats[row["answer"]], key=lambda one: one[-1], reverse=True)
        (f1, precision, recall, _), _ = nq_eval.compute_pr_curves(chosen, targets=[0.5])
        theirs = tuple(f"{100 * value:.4f}" for value in (precision, recall, f1))
        assert (row["precision"], row["recall"], row["f1"]) == theirs


# A hub that fails.


def test_a_broken_download_went_on_and_a_busy_hub_was_asked_again(squad, nq_dev):
    for whole in (squad, nq_dev):
        assert whole.hub.cut == whole.hub.busy == []
    assert squad.statuses("/config.json") == [503, 200, 200]
    # The broken file came again; each of the others once.
    assert len(squad.statuses(*_storage(squad))) == 1 + 2 + 1
    assert sorted(nq_dev.statuses(*_storage(nq_dev))) == [200] * (7 + 2 + 1) + [503]


def _storage(whole: Whole) -> tuple[str, ...]:
    return tuple({path for _, path, _ in whole.hub.asked if path.startswith("/storage/")})


def test_without_results_and_the_hub_the_downloads_and_the_cache_are_enough(squad):
    """The last of this configuration's tests: its results go."""
    before = (squad.results / "examples" / "probe.jsonl.gz").read_bytes()
    weights = (squad.results / "checkpoints" / "finetuned" / "model.safetensors").read_bytes()
    shutil.rmtree(squad.results)
    environment = squad.environment | {"HF_HUB_OFFLINE": "1"}
    targets = ("--", "results/squad/examples/probe.jsonl.gz", "checkpoints")
    wanted = {"read_questions": 1, "partition_examples": 1, "fetch_checkpoint": 2}
    assert planned(squad.project, f"{squad.config} {ONE_OF_EACH}", *targets, environment=environment) == wanted
    completed(squad.project, f"{squad.config} {ONE_OF_EACH}", *targets, environment=environment)
    assert (squad.results / "examples" / "probe.jsonl.gz").read_bytes() == before
    assert (squad.results / "checkpoints" / "finetuned" / "model.safetensors").read_bytes() == weights
    shutil.rmtree(squad.project / "downloads")
    completed(squad.project, f"{squad.config} {ONE_OF_EACH}", "--", "downloads", environment=environment)
    assert len(list((squad.project / "downloads").rglob("*.parquet"))) == 1
