"""The record that a job leaves: what is in it, and that only a job that ended well leaves one."""

import getpass
import hashlib
import json
import platform
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import results
from results import RUN, job

from pairprobe.errors import InputError
from pairprobe.provenance import job_records, machine, verification

RECORD = f"{RUN}/provenance/rank_pairs/a.json"
SET, RANKING = f"{RUN}/probing_sets/a.jsonl", f"{RUN}/rankings/a.tsv"


@pytest.fixture(autouse=True)
def _project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAYON_NUM_THREADS", "1")
    Path(SET).parent.mkdir(parents=True)
    Path(SET).write_text("pairs\n")
    Path(RANKING).parent.mkdir(parents=True)


def rank(content: str = "counts\n", inputs=(SET,), outputs=(RANKING,), **named) -> dict:
    """Run a job that writes its output, and return its record."""
    with job("rank_pairs", "a", inputs, outputs, wildcards={"task": "a"}, **{"punctuation": False, **named}):
        Path(RANKING).write_text(content)
    return json.loads(Path(RECORD).read_bytes())


@pytest.mark.parametrize(
    ("log", "output", "folder"),
    [
        ("results/a/logs/rank_pairs/x.y.log", "results/a/rankings/x", "results/a"),
        ("results/a/logs/rank_pairs.log", "results/a/provenance.json", "results/a"),
        ("results/logs/logs/rank_pairs/logs.log", "results/logs/rankings/logs/x", "results/logs"),
        ("results/a/logs/read/logs/x.log", "results/a/parts/logs/x", "results/a"),
        ("/data/logs/results/a/logs/rank_pairs/x.log", "/data/logs/results/a/rankings/x", "/data/logs/results/a"),
        ("results/a/logs/download/x.log", "downloads/x", "results/a"),
        ("elsewhere/x.log", "results/a/x", None),
        ("x.log", "results/a/x", None),
    ],
)
def test_a_record_lies_as_the_log_of_its_job_whatever_the_rule_is_called(log, output, folder):
    assert job_records.folder_of_run(log, [output]) == (None if folder is None else Path(folder))


def test_a_record_names_what_was_read_and_written_with_digests_of_what_was_written():
    found = rank()
    stat = Path(SET).stat()
    assert found["inputs"] == [{"path": SET, "bytes": 6, "mtime_ns": stat.st_mtime_ns}]
    (output,) = found["outputs"]
    assert output.pop("mtime_ns") == Path(RANKING).stat().st_mtime_ns
    assert output == {"path": RANKING, "bytes": 7, "sha256": hashlib.sha256(b"counts\n").hexdigest()}


def test_a_record_has_rule_wildcards_parameters_and_code_and_times():
    before = time.time()
    found = rank(columns=[("a", {"b": 1})])
    assert (found["rule"], found["wildcards"], found["threads"]) == ("rank_pairs", {"task": "a"}, 1)
    assert found["params"] == {"punctuation": False, "columns": [["a", {"b": 1}]]}
    assert {"scripts/rank_pairs", "rankings.pair_ranking"} <= found["code"].keys()
    assert 0 <= found["seconds"] < time.time() - before + 1
    assert found["started"].endswith("+00:00")


def test_a_record_has_the_kind_of_what_was_made_or_none():
    assert rank()["kind"] == "ranking"
    with job("prepare_wordnet", None, [], [f"{RUN}/a"]):
        Path(RUN, "a").touch()
    assert job_records.read(RUN, "prepare_wordnet")["kind"] is None


def test_an_unknown_kind_is_refused():
    task = results.task("rank_pairs", "a", [], [])
    with (
        pytest.raises(ValueError, match=r"kind: found 'rankings'\. Allowed: activations, "),
        job_records.recorded(task, "rankings"),
    ):
        pass


def test_a_record_has_the_versions_of_what_is_loaded_and_no_others():
    packages = rank()["packages"]
    assert packages["python"] == platform.python_version()
    assert packages["numpy"] == np.__version__
    assert packages["orjson"] == metadata.version("orjson")
    assert "json" not in packages
    assert "wn" not in packages


def test_a_package_whose_module_has_another_name_has_a_version_too():
    import yaml

    assert machine.versions()["yaml"] == yaml.__version__


def test_a_record_has_the_machine_and_nothing_that_names_it():
    found = rank()
    assert found["machine"].keys() == {"processor", "cores", "memory", "gpus", "system"}
    assert found["machine"]["processor"]
    assert found["machine"]["cores"] >= 1
    text = Path(RECORD).read_text()
    assert platform.node() not in text.split('"')
    assert getpass.getuser() not in text.split('"')


def test_paths_below_the_project_begin_there_and_others_stay(tmp_path):
    found = rank(inputs=[tmp_path / SET], path=str(tmp_path / "models" / "a"), other="/data/b")
    assert found["inputs"][0]["path"] == SET
    assert (found["params"]["path"], found["params"]["other"]) == ("models/a", "/data/b")
    assert str(tmp_path) not in Path(RECORD).read_text()


def test_inputs_are_recorded_as_they_were_when_the_job_began():
    with job("rank_pairs", "a", [SET], [RANKING]):
        Path(SET).write_text("other pairs\n")
        Path(RANKING).write_text("counts")
    assert json.loads(Path(RECORD).read_bytes())["inputs"][0]["bytes"] == 6


def test_a_folder_is_recorded_with_each_of_its_files_but_hidden_ones():
    with job("rank_pairs", "a", [], [f"{RUN}/checkpoint"]):
        Path(RUN, "checkpoint", "sub").mkdir(parents=True)
        Path(RUN, "checkpoint", "a").write_text("a")
        Path(RUN, "checkpoint", "sub", "b").write_text("bb")
        Path(RUN, "checkpoint", ".timestamp").write_text("now")
    (output,) = json.loads(Path(RECORD).read_bytes())["outputs"]
    assert {name: content["bytes"] for name, content in output["files"].items()} == {"a": 1, "sub/b": 2}
    assert output["bytes"] == 3
    assert output["files"]["a"]["sha256"] == hashlib.sha256(b"a").hexdigest()
    # The same folder as the input of another job.
    assert job_records.describe(output["path"])["bytes"] == 3


@pytest.mark.parametrize("trouble", [InputError("cut off"), OSError(28, "full"), ZeroDivisionError(), SystemExit(143)])
def test_a_job_that_ends_badly_leaves_no_record_not_even_an_old_one(trouble):
    rank()

    def run():
        with job("rank_pairs", "a", [SET], [RANKING]):
            assert not Path(RECORD).exists(), "a job at work has no record"
            Path(RANKING).write_text("half")
            raise trouble

    with pytest.raises((SystemExit, ZeroDivisionError)):
        run()
    assert list(Path(RUN, "provenance").rglob("*.json")) == []


def test_an_output_that_was_not_written_leaves_no_record():
    with pytest.raises(SystemExit), job("rank_pairs", "a", [SET], [RANKING]):
        pass
    assert not Path(RECORD).exists()


def test_a_job_outside_a_run_leaves_no_record(tmp_path):
    task = results.task("rank_pairs", "a", [], [])
    task.log = [str(tmp_path / "a.log")]
    with job_records.recorded(task):
        pass
    assert list(tmp_path.rglob("*.json")) == []


@pytest.mark.parametrize("params", [{"precision": "auto"}, {"settings": {"precision": "auto"}}])
def test_auto_is_recorded_as_the_precision_that_it_came_to(params):
    import torch

    from pairprobe.checkpoints.devices import resolve_precision

    assert rank(**params)["precision"] == resolve_precision("auto", "cuda" if torch.cuda.is_available() else "cpu")
    assert rank()["precision"] is None


def test_keeping_records_loads_no_heavy_package():
    code = (
        "import sys; from pairprobe.provenance import jobs; print(*sorted({'torch', 'h5py', 'yaml'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "\n"


def test_a_record_that_is_no_json_is_named():
    rank()
    Path(RECORD).write_text("{")
    with pytest.raises(InputError, match=r"rank_pairs/a\.json: not a whole JSON object"):
        job_records.read(RUN, "rank_pairs/a")


# Inputs are as they were recorded.

READER = f"{RUN}/tables/a.tsv"


def read_ranking() -> None:
    with job("tabulate_percentages", "a", [RANKING, SET], [READER]):
        Path(READER).parent.mkdir(exist_ok=True)
        Path(READER).write_text("table\n")


def test_an_input_that_a_job_of_the_run_has_made_is_recorded_with_its_digest():
    rank()
    read_ranking()
    ranking, pairs = job_records.read(RUN, "tabulate_percentages/a")["inputs"]
    assert ranking["sha256"] == hashlib.sha256(b"counts\n").hexdigest()
    assert "sha256" not in pairs


@pytest.mark.parametrize(
    "damaged", [b"", b"one line\n", b"one line\nanother \n", bytes(20), b"one line\n" + bytes(11)], ids=len
)
def test_an_input_that_was_emptied_cut_at_a_line_end_or_filled_with_zeros_is_refused(damaged):
    rank("one line\nanother one")
    read_ranking()
    record = job_records.read(RUN, "tabulate_percentages/a")
    Path(RANKING).write_bytes(damaged)
    with pytest.raises(SystemExit, match=rf"^error: {RANKING}: found .*, as the job rank_pairs/a recorded .* Delete it"):
        read_ranking()
    assert job_records.read(RUN, "tabulate_percentages/a") == record, "its results are the old ones, and so is its record"
    rank("one line\nanother one")
    read_ranking()


@pytest.mark.parametrize("name", ["a.arrow", "a.jsonl.gz", "a.h5"])
def test_a_file_whose_reader_compares_checksums_is_not_read_twice(name, monkeypatch):
    made = f"{RUN}/features/{name}"
    Path(made).parent.mkdir()
    with job("rank_pairs", "a", [SET], [made]):
        Path(made).write_text("large")
    monkeypatch.setattr(job_records, "file_digest", lambda path: pytest.fail(f"{path} was read"))
    with job_records.recorded(results.task("tabulate_percentages", "a", [made], [])):
        pass


def test_an_input_of_which_nothing_is_recorded_is_read():
    rank()
    Path(RANKING).write_text("other")
    Path(RECORD).unlink()  # as after a job that was killed when it had written its output
    read_ranking()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version":1}', "\0" * 50, "[" * 100_000, '"\xff"', '{"a":' * 5000])
def test_a_record_of_another_shape_is_named(text):
    rank()
    Path(RECORD).write_text(text)
    with pytest.raises(InputError, match=r"^results/small/provenance/rank_pairs/a\.json.* Delete it and the files"):
        job_records.read(RUN, "rank_pairs/a")


def test_a_job_of_a_rule_with_another_name_leaves_its_record_where_its_log_is():
    task = results.task("rank_pairs", "a", [SET], [RANKING])
    task.rule = "theirs_ranked"
    with job_records.recorded(task):
        Path(RANKING).write_text("counts")
    assert job_records.read(RUN, "rank_pairs/a")["rule"] == "theirs_ranked"
    assert verification.other_modules(job_records.read(RUN, "rank_pairs/a")["code"]) == []
