"""Verification: a run that is whole holds; damage of every kind is found and named, and can be made again."""

import copy
import json
import os
import platform
import random
import shutil
from pathlib import Path

import pytest
import results
from results import FIGURES, RUN, flip, ranking_of

from pairprobe.__main__ import main
from pairprobe.io import digests, files
from pairprobe.io.tsv import read_tsv, write_tsv
from pairprobe.provenance import code, job_records, verification
from pairprobe.provenance.verification import verify

pytestmark = pytest.mark.usefixtures("run")

KINDS = [
    f"{RUN}/examples/probe.jsonl.gz",
    f"{RUN}/probing_sets/coreference.jsonl",
    f"{RUN}/probing_sets/coreference.counts.tsv",
    f"{RUN}/checkpoints/before/config.json",
    f"{RUN}/checkpoints/after/model.safetensors",
    results.store_of("after"),
    ranking_of("before"),
    f"{RUN}/percentages.tsv",
    f"{RUN}/training/after.tsv",
    *FIGURES,
]
RUN_RECORD = f"{RUN}/provenance.json"


def problems(folder=RUN) -> list[str]:
    return [str(problem) for problem in verify(folder).problems]


def output_of(path: str) -> str:
    """Return what a job has to make again: of a checkpoint its folder."""
    return str(Path(path).parent) if "/checkpoints/" in path else path


def test_a_whole_run_holds(capsys):
    assert main(["verify", RUN]) == 0
    said = capsys.readouterr().out
    assert said.endswith(f"{RUN}: everything is as recorded\n")
    assert "8 percentages, computed again from 2 rankings" in said
    assert "2 stores of activations" in said
    assert "problem" not in said
    assert "note" not in said


@pytest.mark.parametrize("path", KINDS, ids=lambda path: path.removeprefix(f"{RUN}/"))
def test_a_flipped_bit_is_found_and_its_file_named(path):
    flip(path)
    (problem,) = verify(RUN).problems
    assert problem.path == path
    assert problem.rebuild == output_of(path)
    assert digests.file_digest(path)[:12] in str(problem)


def test_a_run_record_that_was_changed_by_hand_is_found():
    with results.edited(RUN_RECORD) as content:
        content["seeds"]["seed"] = 14
    (problem,) = verify(RUN).problems
    assert (problem.path, problem.rebuild) == (RUN_RECORD, RUN_RECORD)


def test_a_run_record_that_is_no_json_does_not_hold(capsys):
    flip(RUN_RECORD)
    assert main(["verify", RUN]) == 1
    assert f"error: {RUN_RECORD}: not a JSON" in capsys.readouterr().err


@pytest.mark.parametrize("path", KINDS, ids=lambda path: path.removeprefix(f"{RUN}/"))
def test_a_file_that_was_cut_off_or_is_gone_is_found(path):
    size = Path(path).stat().st_size
    Path(path).write_bytes(Path(path).read_bytes()[:-1])
    assert [text.split(". ")[0] for text in problems()] == [f"{path}: found {size - 1:,} bytes, wanted {size:,}"]
    Path(path).unlink()
    assert [text.split(". ")[0] for text in problems()] == [f"{path}: found no such file, wanted {size:,} bytes"]


def test_a_file_that_no_job_has_made_is_found_and_not_deleted():
    extra = Path(RUN, "checkpoints", "before", "pytorch_model.bin")
    extra.touch()
    verdict = verify(RUN)
    assert [problem.path for problem in verdict.problems] == [str(extra)]
    assert verdict.to_rebuild() == []


def test_marks_of_the_workflow_logs_and_half_written_files_are_no_strangers():
    for name in ("benchmarks/a.tsv", "logs/a.log", ".12-host.percentages.tsv", "finetuning/after/state"):
        Path(RUN, name).parent.mkdir(parents=True, exist_ok=True)
        Path(RUN, name).touch()
    assert problems() == []


RECORD = f"{RUN}/provenance/rank_pairs/after.coreference.json"


def test_a_lost_record_is_found():
    Path(RECORD).unlink()
    (said,) = problems()
    assert said.startswith(f"{RECORD}: found no such file, wanted the record of the job rank_pairs/after.coreference")
    assert said.endswith(f"snakemake --cores all --configfile config/small.yaml --force -- {ranking_of('after')}")


@pytest.mark.parametrize("at", [0, 40, -3], ids=["no JSON", "a name", "a value"])
def test_a_damaged_record_is_found(at):
    flip(RECORD, at)
    (said,) = problems()
    assert said.startswith(f"{RECORD}: found another content")


def test_the_lost_record_of_the_run_record_itself_is_found():
    Path(RUN, "provenance", "record_provenance.json").unlink()
    (problem,) = verify(RUN).problems
    assert problem.rebuild == RUN_RECORD


def test_a_job_that_ran_after_the_run_record_was_written_is_found():
    results.rank_pairs("after")
    results.fetch_checkpoint("another")
    said = problems()
    paths = [f"{RUN}/provenance/fetch_checkpoint/another.json", RECORD]
    found = "found that of a run after provenance.json was written"
    assert [text for text in said if found in text and text.startswith(tuple(paths))] == said[-2:]
    # Nothing else would write it where the files are the same: Snakemake compares their content.
    assert all(text.endswith(f"--configfile config/small.yaml --force -- {RUN_RECORD}") for text in said[-2:])


def test_results_that_are_older_than_what_they_were_made_from_are_found(monkeypatch):
    monkeypatch.setattr(results, "PAIRS", results.PAIRS[::-1])
    results.build_probing_set()
    results.record_provenance()
    assert [text.split(",")[0] for text in problems()] == [
        f"{ranking_of(name)}: found made from an older {RUN}/probing_sets/coreference.jsonl" for name in ("after", "before")
    ]


def test_a_percentage_that_does_not_follow_from_its_ranking_is_found_though_its_digest_is_right():
    path = f"{RUN}/percentages.tsv"
    rows = read_tsv(path)
    rows[2]["count"] = "0"
    with results.job("summarise_percentages", None, [*map(ranking_of, results.CHECKPOINTS)], [path], rankings=rankings()):
        write_tsv(path, tuple(rows[0]), [tuple(row.values()) for row in rows])
    results.draw_panel()
    results.record_provenance()
    (problem,) = verify(RUN).problems
    assert problem.path == f"{path}, line 4"
    assert problem.found.split()[:4] == list(rows[2].values())[:4]


def rankings():
    return [(checkpoint, "coreference") for checkpoint in results.CHECKPOINTS]


def test_activations_of_another_checkpoint_are_found():
    import h5py

    path = results.store_of("after")
    inputs = [f"{RUN}/checkpoints/after", f"{RUN}/examples/probe.jsonl.gz"]
    with results.job("extract_activations", "after", inputs, [path]), h5py.File(path, "r+") as file:
        file.attrs["checkpoint"] = "0" * 64
    results.rank_pairs("after")
    results.summarise_percentages()
    results.draw_panel()
    results.record_provenance()
    (problem,) = verify(RUN).problems
    assert problem.path == path
    assert "activations of the checkpoint 0000" in problem.found


def test_another_input_or_code_is_a_note_and_no_problem(monkeypatch):
    flip("data/questions.jsonl")
    read = code._read

    def changed(file, library):
        return read(file, library)._replace(**{"digest": "0"} if file.stem == "percentages" else {})

    monkeypatch.setattr(code, "_read", changed)
    verdict = verify(RUN)
    assert verdict.problems == []
    assert verdict.notes[0].startswith("data/questions.jsonl: this input has changed")
    others = {note.split(":")[0] for note in verdict.notes[1:]}
    assert {"rank_pairs", "summarise_percentages"} <= others
    assert "partition_examples" not in others
    assert all(note.endswith("(rankings.percentages).") for note in verdict.notes[1:])


def test_a_run_without_kinds_is_compared_file_by_file_and_says_so(capsys):
    for job in job_records.jobs_of(RUN):
        with results.edited(job_records.path_in(RUN, job)) as record:
            del record["kind"]
    results.record_provenance()
    assert main(["verify", RUN]) == 0
    said = capsys.readouterr().out
    assert "and 7 more: recorded by an older version of pairprobe, without the kind of result" in said
    assert "percentages" not in said.split("compared: ")[1]
    flip(ranking_of("after"))
    assert main(["verify", RUN]) == 1


def test_a_module_that_has_gone_or_come_is_another_code(tmp_path, monkeypatch):
    here = code.code_of("rank_pairs")
    assert verification.other_modules(here) == []
    assert verification.other_modules({**here, "gone": "1"}) == ["gone"]
    assert verification.other_modules({k: v for k, v in here.items() if k != "errors"}) == ["errors"]
    assert verification.other_modules({"scripts/no_such_rule": "0"}) == ["scripts/no_such_rule"]


def test_a_moved_run_holds_and_says_what_it_was_not_compared_with(tmp_path, monkeypatch):
    shutil.move(RUN, tmp_path / "kept")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    verdict = verify("../kept")
    assert verdict.problems == []
    assert verdict.notes == ["data/questions.jsonl: not here, so not compared."]


def test_rebuild_deletes_what_is_damaged_and_says_how_to_make_it_again(capsys):
    damaged = [ranking_of("before"), f"{RUN}/checkpoints/after/config.json"]
    for path in damaged:
        flip(path)
    Path(FIGURES[0]).unlink()
    Path(RUN, "stranger").touch()
    assert main(["verify", RUN, "--rebuild"]) == 1
    said = capsys.readouterr().out
    assert f"deleted: {ranking_of('before')}\n" in said
    assert f"deleted: {RUN}/checkpoints/after\n" in said
    targets = f"{RUN}/checkpoints/after {FIGURES[0]} {ranking_of('before')} all"
    assert f"\nrun: snakemake --cores all --configfile config/small.yaml -- {targets}\n" in said
    assert not Path(ranking_of("before")).exists()
    assert not Path(RUN, "checkpoints", "after").exists()
    assert Path(ranking_of("after")).exists()
    assert Path(RUN, "stranger").exists()


def test_without_rebuild_nothing_is_deleted(capsys):
    flip(ranking_of("before"))
    assert main(["verify", RUN]) == 1
    assert Path(ranking_of("before")).exists()
    assert "\nwith --rebuild, then: snakemake" in capsys.readouterr().out


def test_a_folder_without_a_run_record_does_not_hold(capsys):
    Path(RUN_RECORD).unlink()
    assert main(["verify", RUN]) == 1
    assert capsys.readouterr().err.startswith(f"error: {RUN_RECORD}: there is no such file")


@pytest.mark.parametrize("arguments", [["verify", "nowhere"], ["verify"], ["certify", RUN], []])
def test_wrong_usage_exits_with_2(arguments):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2


# Results of somebody else.


@pytest.fixture
def victim(tmp_path):
    """A file and a folder beside the project that nothing may touch."""
    folder = tmp_path.parent / f"{tmp_path.name}-outside"
    (folder / "deep").mkdir(parents=True)
    (folder / "file").write_text("mine")
    return folder


def renamed(old: str, new: str) -> None:
    """Give an output another path in the run record."""
    with results.edited(RUN_RECORD) as content:
        entry = content["files"].pop(old)
        content["files"][new] = {**entry, "sha256": "0" * 64}
        outputs = content["jobs"][entry["job"]]["outputs"]
        outputs[outputs.index(old)] = new


@pytest.mark.parametrize("place", ["{run}/../../../{name}/file", "{path}/file", "../{name}/file", "{path}", "{run}/.."])
def test_rebuild_deletes_nothing_outside_the_folder_whatever_the_record_says(victim, place, capsys):
    renamed(ranking_of("after"), place.format(run=RUN, name=victim.name, path=victim))
    assert main(["verify", RUN, "--rebuild"]) == 1
    assert (victim / "file").read_text() == "mine"
    assert (victim / "deep").is_dir()
    assert Path(ranking_of("after")).exists()
    assert str(victim) not in [line for line in capsys.readouterr().out.splitlines() if line.startswith("deleted")]


@pytest.mark.parametrize("what", ["file", "deep"])
def test_links_out_of_the_folder_are_not_followed(victim, what, capsys):
    link = Path(ranking_of("after")) if what == "file" else Path(RUN, "rankings", "after")
    shutil.rmtree(link) if link.is_dir() else link.unlink()
    link.symlink_to(victim / what if what == "file" else victim)
    (victim / "coreference.tsv").write_text("mine too")
    assert main(["verify", RUN, "--rebuild"]) == 1
    assert f"{ranking_of('after')}: found a link out of the folder, or no regular file" in capsys.readouterr().out
    assert (victim / "file").read_text() == "mine"
    assert (victim / "coreference.tsv").read_text() == "mine too"


@pytest.mark.parametrize("device", ["/dev/zero", "pipe"])
def test_what_has_no_end_is_not_read(device, capsys):
    for path in (ranking_of("after"), "data/questions.jsonl", f"{RUN}/percentages.tsv", RECORD):
        Path(path).unlink()
        Path(path).symlink_to(device) if device != "pipe" else os.mkfifo(path)
    assert main(["verify", RUN]) == 1
    assert "data/questions.jsonl: not here, so not compared" in capsys.readouterr().out
    assert main(["explain", ranking_of("after")]) in (1, 2)
    assert main(["explain", RUN, "--task", "a", "--measure", "b", "--checkpoint", "c", "--layer", "1"]) == 2
    Path(RUN_RECORD).unlink()
    Path(RUN_RECORD).symlink_to(device) if device != "pipe" else os.mkfifo(RUN_RECORD)
    assert main(["verify", RUN]) == 1


def test_control_characters_of_a_record_do_not_reach_the_terminal(capsys):
    with results.edited(RUN_RECORD) as content:
        content["changed_since"] = [{"job": "draw_panel/coreference_cosine", "input": "\x1b[2J\x1b]0;gone\x07"}]
        content["jobs"]["draw_panel/coreference_cosine"]["params"] = {"\x1b[8m": "\x9b2J", "panel": {"task": "\x1b"}}
        content["machines"][0]["system"] = "\x1b[31m"
        content["jobs"]["draw_panel/coreference_cosine"].pop("kind")
    main(["verify", RUN])
    main(["explain", FIGURES[0]])
    main(["explain", FIGURES[0], "--json"])
    said = "".join(capsys.readouterr())
    assert "\\u001b[2J" in said
    assert not {"\x1b", "\x07", "\x9b"} & set(said)


SHAPES = [None, [], {}, "x", "../..", 0, -1, 10**30, 1.5, True, [[]], {"a": {"b": []}}, ["x"], "\x1b", {"files": 3}]


def damage(dice: random.Random, value, depth: int = 0):
    """Put something else in the place of one part of a JSON value."""
    if isinstance(value, dict | list) and value and (depth == 0 or dice.random() < 0.85):
        keys = list(value) if isinstance(value, dict) else range(len(value))
        key = dice.choice(keys)
        if isinstance(value, dict) and dice.random() < 0.15:
            part = value.pop(key)
            if dice.random() < 0.5:
                value[f"{key}x"] = part
        else:
            value[key] = damage(dice, value[key], depth + 1)
        return value
    return copy.deepcopy(dice.choice(SHAPES))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_json_of_any_other_shape_is_a_problem_or_one_line(seed, capsys):
    """Neither the run record nor a record of a job nor a table leads to anything but an exit status and text."""
    dice = random.Random(seed)
    victims = [RUN_RECORD, RUN_RECORD, RECORD, f"{RUN}/provenance/record_provenance.json"]
    good = {path: Path(path).read_bytes() for path in victims}
    number = ["--task", "coreference", "--measure", "cosine", "--checkpoint", "after", "--layer", "1", "--all"]
    for _ in range(12):
        path = dice.choice(victims)
        Path(path).write_text(json.dumps(damage(dice, json.loads(good[path]))))
        for arguments in (
            ["verify", RUN],
            ["explain", FIGURES[0]],
            ["explain", ranking_of("after")],
            ["explain", RUN, *number],
        ):
            assert main(arguments) in (0, 1, 2)
        said = capsys.readouterr()
        assert all(line.startswith("error: ") for line in said.err.splitlines())
        Path(path).write_bytes(good[path])


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\xff\xfe",
        b"\0" * 100,
        b"[" * 10**6,
        b'{"a":' * 10**5,
        b"[]",
        b"{}",
        b'{"version": 1, "version": 1}',
        b"9" * 5000,
    ],
    ids=lambda text: repr(text[:12]),
)
@pytest.mark.parametrize("path", [RUN_RECORD, RECORD])
def test_a_record_that_is_none_is_one_line(path, text, capsys):
    Path(path).write_bytes(text)
    assert main(["verify", RUN]) == 1
    assert main(["explain", FIGURES[0]]) in (0, 2)
    assert "Traceback" not in "".join(capsys.readouterr())


def test_a_record_of_any_size_takes_no_memory(capsys):
    with open(RUN_RECORD, "r+b") as file:
        file.truncate(2 << 30)
    assert main(["verify", RUN]) == 1
    assert "wanted at most 1,073,741,824" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "\0" * 300, "a\tb\n", "\xff", "example_id\n" * 3])
def test_tables_of_another_shape_are_problems(text, capsys):
    for path in (ranking_of("after"), f"{RUN}/percentages.tsv"):
        Path(path).write_text(text, encoding="latin-1")
        results.fingerprints(path)
    assert main(["verify", RUN]) == 1
    assert main(["explain", FIGURES[0]]) in (1, 2)
    assert "Traceback" not in "".join(capsys.readouterr())


# What belongs to nothing.


def test_what_killed_jobs_and_others_have_left_is_named(capsys):
    left = Path(RUN, "rankings", "after", ".partial-abc")
    left.mkdir()
    (left / ".lock").write_text(platform.node())
    (left / "coreference.tsv").write_text("half")
    Path(RUN, ".12-host.percentages.tsv").touch()
    Path(RUN, "finetuning", "after").mkdir(parents=True)
    assert main(["verify", RUN]) == 0
    said = capsys.readouterr().out
    assert f"note: {left}: half-written by jobs that were killed." in said
    assert f"note: {RUN}/.12-host.percentages.tsv: no job has made it." in said
    assert f"note: {RUN}/finetuning/after: a training that has not ended." in said
    main(["verify", RUN, "--rebuild"])
    assert not left.exists()


def test_what_a_job_at_work_writes_is_no_leftover(capsys):
    with files.atomic_write(Path(RUN, "rankings", "after", "other.tsv")) as temporary:
        temporary.touch()
        assert main(["verify", RUN]) == 0
    assert "note" not in capsys.readouterr().out


def test_a_copy_of_a_project_holds_and_so_does_what_is_made_again_in_it(tmp_path, monkeypatch):
    shutil.copytree(tmp_path / "results", tmp_path / "copy" / "results", copy_function=shutil.copyfile)
    shutil.copytree(tmp_path / "data", tmp_path / "copy" / "data", copy_function=shutil.copyfile)
    monkeypatch.chdir(tmp_path / "copy")
    assert problems() == []
    # Times of a copy are in any order, so some jobs run again, and make the same.
    results.build_probing_set()
    results.rank_pairs("before")
    results.summarise_percentages()
    results.record_provenance()
    assert problems() == []
