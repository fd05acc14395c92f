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
from pairprobe.provenance import job_records, machine

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
    ("log", "record"),
    [
        ("results/a/logs/rank_pairs/x.y.log", "results/a/provenance/rank_pairs/x.y.json"),
        ("results/a/logs/rank_pairs.log", "results/a/provenance/rank_pairs.json"),
        ("results/a/logs/rank_pairs/deep/x.parquet.log", "results/a/provenance/rank_pairs/deep/x.parquet.json"),
        ("results/logs/logs/rank_pairs/logs.log", "results/logs/provenance/rank_pairs/logs.json"),
        ("/data/logs/results/a/logs/rank_pairs/x.log", "/data/logs/results/a/provenance/rank_pairs/x.json"),
        ("elsewhere/x.log", None),
        ("x.log", None),
    ],
)
def test_a_record_lies_as_the_log_of_its_job(log, record):
    assert job_records.path_of(log, "rank_pairs") == (None if record is None else Path(record))


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
    assert [path.name for path in Path(RUN, "provenance").rglob("*")] == ["rank_pairs"]


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
    with pytest.raises(InputError, match=r"rank_pairs/a\.json: not JSON"):
        job_records.read(RUN, "rank_pairs/a")
