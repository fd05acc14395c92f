"""Explanations: what made a file, and the pairs and files behind a number."""

import json
from pathlib import Path

import pytest
import results
from results import FIGURES, RUN, flip, ranking_of

from pairprobe.__main__ import main
from pairprobe.io import digests, files
from pairprobe.io.tsv import read_tsv
from pairprobe.provenance import terminal
from pairprobe.provenance.explanation import explain_file, explain_number, run_of
from pairprobe.provenance.run_record import RunRecord

pytestmark = pytest.mark.usefixtures("run", "_wide_terminal")

NUMBER = ["--task", "coreference", "--measure", "cosine", "--checkpoint", "after", "--layer", "1"]


@pytest.fixture
def _wide_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")


def explained(path, depth=None) -> dict:
    return explain_file(RunRecord.read(RUN), path, depth)


def names(parts) -> dict:
    """Return the inputs of a file, each with its own: ``{name: {name: ...}}``."""
    return {part["file"].removeprefix(f"{RUN}/"): names(part["stands_on"]) for part in parts}


@pytest.mark.slow
def test_a_figure_says_what_made_it():
    found = explained(FIGURES[1])
    assert (found["rule"], found["wildcards"]) == ("draw_panel", {"task": "coreference", "measure": "cosine"})
    assert found["sha256"] == found["found"] == digests.file_digest(FIGURES[1])
    assert "scripts/draw_panel" in found["code"]
    assert found["packages"]["numpy"]
    assert found["machine"]["cores"] >= 1
    assert found["command"] == f"snakemake --cores all --configfile config/small.yaml --force -- {FIGURES[1]}"


def test_a_figure_is_followed_back_to_data_and_checkpoints_each_part_once():
    data = {"examples/probe.jsonl.gz": {"data/questions.jsonl": {}}}
    after = {
        "probing_sets/coreference.jsonl": data,
        "examples/probe.jsonl.gz": {},
        "activations/after/paragraph/probe-1of1.h5": {"checkpoints/after": {}, "examples/probe.jsonl.gz": {}},
    }
    before = {
        "probing_sets/coreference.jsonl": data,
        "examples/probe.jsonl.gz": {},
        "activations/before/paragraph/probe-1of1.h5": {"checkpoints/before": {}, "examples/probe.jsonl.gz": {}},
    }
    after["probing_sets/coreference.jsonl"] = {}
    after["activations/after/paragraph/probe-1of1.h5"]["checkpoints/after"] = {"checkpoints/before": {}}
    wanted = {"rankings/before/coreference.tsv": before, "rankings/after/coreference.tsv": after}
    assert names(explained(FIGURES[0])["stands_on"]) == {"percentages.tsv": wanted}


def test_it_goes_back_as_far_as_it_is_asked_to():
    assert names(explained(FIGURES[0], 0)["stands_on"]) == {}
    assert names(explained(FIGURES[0], 1)["stands_on"]) == {"percentages.tsv": {}}
    two = {"rankings/before/coreference.tsv": {}, "rankings/after/coreference.tsv": {}}
    assert names(explained(FIGURES[0], 2)["stands_on"]) == {"percentages.tsv": two}


def test_a_checkpoint_and_a_file_in_it_say_where_it_came_from(capsys):
    folder = f"{RUN}/checkpoints/before"
    assert explained(folder)["sha256"] == digests.folder_digest(folder)
    found = explained(f"{folder}/config.json")
    assert found["params"]["source"]["revision"] == "a" * 40
    assert found["command"].endswith(f"--force -- {folder}")
    main(["explain", results.store_of("before")])
    assert f"hub someone/bert at {'a' * 40}" in capsys.readouterr().out


def test_a_twin_says_what_it_is_built_like(capsys):
    with results.edited(f"{RUN}/provenance.json") as content:
        content["checkpoints"]["after"]["source"] = "random"
    main(["explain", results.store_of("after")])
    assert "drawn at random, built like before" in capsys.readouterr().out


def test_the_lines_of_percentages_behind_a_panel_and_a_ranking():
    rows = read_tsv(f"{RUN}/percentages.tsv")
    assert explained(FIGURES[0])["percentages"] == [row for row in rows if row["measure"] == "cosine"]
    assert explained(ranking_of("after"))["percentages"] == [row for row in rows if row["checkpoint"] == "after"]
    assert explained(f"{RUN}/examples/probe.jsonl.gz")["percentages"] == []


def test_a_file_that_has_changed_is_told_and_exits_with_1(capsys):
    flip(FIGURES[0])
    assert main(["explain", FIGURES[0]]) == 1
    assert "it has changed" in capsys.readouterr().out


def test_a_file_reads_well(capsys):
    assert main(["explain", FIGURES[0]]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"{FIGURES[0]}\n  sha256 ")
    assert "\n    │   ├── probing_sets/coreference.jsonl  build_probing_set, " in said
    assert "── see above: probing_sets/coreference.jsonl, examples/probe.jsonl.gz\n" in said
    assert str(Path.cwd()) not in said
    assert [line for line in said.splitlines() if line != line.rstrip()] == []


def test_many_files_of_a_folder_are_told_together(capsys):
    for i in range(5):
        Path("data", f"{i}.yaml").touch()
    with results.job("render_mini_nq", None, [f"data/{i}.yaml" for i in range(5)], [f"{RUN}/data/mini_nq.jsonl.gz"]):
        Path(RUN, "data").mkdir()
        Path(RUN, "data", "mini_nq.jsonl.gz").touch()
    results.record_provenance()
    main(["explain", f"{RUN}/data/mini_nq.jsonl.gz"])
    assert capsys.readouterr().out.splitlines()[-1] == "└── data/  input, 5 files"


@pytest.mark.parametrize("width", ["20", "400"])
def test_paths_and_commands_are_never_broken_and_text_in_a_pipe_has_no_colours(capsys, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", width)
    main(["explain", FIGURES[0]])
    main(["explain", RUN, *NUMBER, "--all"])
    said = capsys.readouterr().out
    assert f"  snakemake --cores all --configfile config/small.yaml --force -- {FIGURES[0]}\n" in said
    assert said.count(f"  {ranking_of('after').removeprefix(RUN + '/')} ") == 1
    assert "\x1b" not in said


def test_brackets_in_a_question_are_no_markup(capsys):
    path = f"{RUN}/examples/probe.jsonl.gz"
    questions = [{**one, "question": ["[bold]", *one["question"]]} for one in results.QUESTIONS]
    files.write_json_lines(path, questions)
    main(["explain", RUN, *NUMBER, "--all"])
    assert capsys.readouterr().out.count("([bold] where did ") == len(questions)


def test_a_run_without_kinds_says_that_its_percentages_are_not_listed(capsys):
    with results.edited(f"{RUN}/provenance.json") as content:
        for job in content["jobs"].values():
            del job["kind"]
    assert main(["explain", FIGURES[0]]) == 0
    assert "percentages\n  not listed: an older version of pairprobe recorded this run" in capsys.readouterr().out
    assert explained(FIGURES[0])["percentages"] == []
    assert main(["explain", RUN, *NUMBER]) == 0


def test_json_has_the_same(capsys):
    main(["explain", FIGURES[0], "--json"])
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(explained(FIGURES[0])))


# A number.


def number(**changed) -> dict:
    asked = {"task": "coreference", "measure": "cosine", "checkpoint": "after", "layer": 1, **changed}
    return explain_number(RunRecord.read(RUN), **asked)


def test_every_number_is_that_of_the_table_and_of_its_pairs():
    rows = read_tsv(f"{RUN}/percentages.tsv")
    assert len(rows) == 2 * 2 * 2
    for row in rows:
        asked = {key: row[key] for key in ("task", "measure", "checkpoint")}
        found = number(**asked, layer=int(row["layer"]))
        assert found["computed"] == {key: row[key] for key in ("percentage", "auc")}
        assert found["agrees"]
        for key in ("count", "para_len", "unmatching"):
            assert found[key] == sum(pair[key] for pair in found["of_pairs"]) == int(row[key])
        assert f"{100 * found['count'] / found['para_len']:.4f}" == row["percentage"]


def test_pairs_come_weakest_first_with_their_words():
    pairs = number()["of_pairs"]
    shares = [pair["count"] / pair["para_len"] for pair in pairs]
    assert shares == sorted(shares)
    by_name = {pair["example_id"]: pair for pair in pairs}
    assert {key: by_name["1"][key] for key in ("question", "anchor", "match")} == {
        "question": "where did Berta live", "anchor": "Berta", "match": "she",
    }  # fmt: skip


def test_the_files_behind_a_number_are_named_with_digests():
    files = {one["file"]: one["sha256"] for one in number()["files"]}
    assert list(files) == [
        ranking_of("after"),
        f"{RUN}/probing_sets/coreference.jsonl",
        f"{RUN}/examples/probe.jsonl.gz",
        results.store_of("after"),
        f"{RUN}/checkpoints/after",
        "data/questions.jsonl",
    ]
    assert files[ranking_of("after")] == digests.file_digest(ranking_of("after"))


def test_a_number_from_activations_that_were_not_kept_is_followed_to_checkpoint_and_data(capsys):
    before = number()["files"]
    Path(results.store_of("after")).unlink()
    results.record_provenance()
    after = number()["files"]
    assert [one["file"] for one in after] == [one["file"] for one in before]
    assert [one["sha256"] for one in after] == [one["sha256"] for one in before]
    assert next(one["origin"] for one in after if one["file"] == results.store_of("after")) == "deleted after its last use"
    assert main(["verify", RUN]) == 0
    assert "1 stores of activations" in capsys.readouterr().out


def test_a_number_reads_well(capsys):
    assert main(["explain", RUN, *NUMBER, "--pairs", "2"]) == 0
    said = capsys.readouterr().out.splitlines()
    found = number()
    assert said[0] == "coreference, cosine, after, layer 1"
    formula = f"100 * {found['count']} / {found['para_len']} = {found['computed']['percentage']}"
    assert said[1].endswith(formula)
    assert said[-4] == "2 of 3 pairs, lowest percentage first"
    assert "Clara -> she" in "".join(said) or "Anna -> she" in "".join(said)
    main(["explain", RUN, *NUMBER, "--all"])
    assert "\n3 pairs, lowest percentage first" in capsys.readouterr().out


def test_a_number_of_a_ranking_that_has_changed_is_told_and_exits_with_1(capsys):
    rows = read_tsv(ranking_of("after"))
    path = Path(ranking_of("after"))
    path.write_text(path.read_text().replace(f"\t{rows[1]['count']}\t0\t", f"\t{int(rows[1]['count']) + 1}\t0\t"))
    assert main(["explain", RUN, *NUMBER]) == 1
    assert "or the ranking has changed since" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"task": "synonyms"}, "task: found 'synonyms'. Allowed here: coreference."),
        ({"measure": "start"}, "measure: found 'start'. Allowed here: cosine, euclidean."),
        ({"checkpoint": "nobody"}, "checkpoint: found 'nobody'. Allowed here: before, after."),
        ({"layer": 12}, "layer: found '12'. Allowed here: 0, 1."),
    ],
)
def test_a_number_that_the_run_does_not_have_is_refused_with_those_that_it_has(changed, said, capsys):
    asked = {"task": "coreference", "measure": "cosine", "checkpoint": "after", "layer": 1, **changed}
    arguments = [word for key, value in asked.items() for word in (f"--{key}", str(value))]
    assert main(["explain", RUN, *arguments]) == 2
    assert capsys.readouterr().err == f"error: {said}\n"


def test_a_whole_run_without_a_number_is_wrong_usage(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["explain", RUN, "--task", "coreference"])
    assert stopped.value.code == 2
    assert "--measure, --checkpoint, --layer" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("path", "said"),
    [("data/questions.jsonl", "in no folder"), (f"{RUN}/logs/draw_panel/coreference_cosine.log", "no job")],
)
def test_a_file_that_no_job_has_made_is_refused(path, said, capsys):
    assert main(["explain", path]) == 2
    assert said in capsys.readouterr().err


def test_the_run_of_a_file_is_found_from_within_it(monkeypatch):
    monkeypatch.chdir(Path(RUN, "figures"))
    assert run_of("coreference_cosine.svg").resolve() == Path("..").resolve()


def test_what_data_say_does_nothing_to_a_terminal():
    said = terminal.text(["\x1b[31mred", "\x1b]0;title\x07"])
    assert "\x1b" not in said
    assert "\x07" not in said
    assert "\\u001b[31mred" in said
