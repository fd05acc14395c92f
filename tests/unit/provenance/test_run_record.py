"""The provenance of a run: what it has of files, jobs, data and checkpoints, and what it finds amiss."""

import json
import os
import platform
import shutil
from pathlib import Path

import pytest
import results
from results import FIGURES, RUN, ranking_of

from pairprobe.errors import InputError
from pairprobe.io import digests
from pairprobe.provenance import job_records, run_record
from pairprobe.provenance.run_record import RunRecord

SET = f"{RUN}/probing_sets/coreference.jsonl"


@pytest.fixture
def content(run):
    return json.loads((run / "provenance.json").read_bytes())


def test_every_file_of_a_run_is_there_with_its_digest_and_its_job(run, content):
    kept = ("logs", "provenance", "provenance.json")
    there = {path.relative_to(run.parents[1]).as_posix(): path for path in run.rglob("*") if path.is_file()}
    wanted = {
        name for name, path in there.items() if name.split("/")[2] not in kept and path.name != ".snakemake_timestamp"
    }
    assert content["files"].keys() == wanted
    for name, entry in content["files"].items():
        assert entry["bytes"] == there[name].stat().st_size
        assert entry["sha256"] == digests.file_digest(there[name])
        assert any(name == one or name.startswith(f"{one}/") for one in content["jobs"][entry["job"]]["outputs"])


def test_a_job_has_inputs_outputs_parameters_and_where_it_ran(content):
    job = content["jobs"]["rank_pairs/after.coreference"]
    assert job["inputs"] == [SET, f"{RUN}/examples/probe.jsonl.gz", results.store_of("after")]
    assert job["outputs"] == [ranking_of("after")]
    assert job["params"] == {"punctuation": False}
    assert content["code"]["rank_pairs"][job["code"]]["rankings.pair_ranking"]
    assert content["machines"][job["machine"]]["cores"] >= 1
    assert content["environments"][job["environment"]]["h5py"]


def test_jobs_of_one_machine_and_environment_share_them_and_their_code(content):
    assert (len(content["machines"]), len(content["environments"])) == (1, 1)
    assert {rule: len(codes) for rule, codes in content["code"].items()} == dict.fromkeys(content["code"], 1)


def test_another_version_of_a_package_is_another_environment(run):
    with results.edited(job_records.path_in(RUN, "draw_panel/coreference_cosine")) as record:
        record["packages"]["numpy"] = "1.0"
    found = results.collect()
    assert len(found["environments"]) == 2
    assert found["environments"][found["jobs"]["draw_panel/coreference_cosine"]["environment"]]["numpy"] == "1.0"


def test_configuration_seeds_data_and_checkpoints(content):
    assert content["configuration"] == results.CONFIG
    assert content["configuration_files"] == ["config/small.yaml"]
    assert content["seeds"] == {"seed": 13, "checkpoints.after.seed": 14}
    digest = digests.file_digest("data/questions.jsonl")
    size = Path("data/questions.jsonl").stat().st_size
    assert content["data"]["files"] == {"data/questions.jsonl": {"bytes": size, "partitions": ["probe"], "sha256": digest}}
    before = content["checkpoints"]["before"]
    assert (before["repository"], before["revision"]) == ("someone/bert", "a" * 40)
    assert before["sha256"] == digests.folder_digest(f"{RUN}/checkpoints/before")


def test_files_that_no_rule_has_made_are_inputs_with_their_digests(content):
    digest = digests.file_digest("data/questions.jsonl")
    assert {name: entry["sha256"] for name, entry in content["inputs"].items()} == {"data/questions.jsonl": digest}


def test_nothing_in_it_says_where_the_project_lies(small_run, content):
    assert str(small_run) not in json.dumps(content)


def test_two_runs_differ_in_times_only(content, tmp_path_factory, monkeypatch):
    monkeypatch.chdir(tmp_path_factory.mktemp("again"))
    results.make()
    again = json.loads(Path(RUN, "provenance.json").read_bytes())
    for one in (content, again):
        # HDF5 writes down when a file was made.
        for job in one["jobs"].values():
            del job["started"], job["seconds"], job["record"]
    stores = [results.store_of(name) for name in results.CHECKPOINTS]
    assert {name for name in content["files"] if content["files"][name] != again["files"][name]} <= set(stores)
    assert {**content, "files": None} == {**again, "files": None}


def test_a_clean_run_has_nothing_amiss(content):
    # Each was made for something that was asked for, but the losses and counts, which come with what was.
    assert (content["aside"], content["unaccounted"], content["changed_since"]) == ([], [], [])


def test_what_the_results_do_not_stand_on_is_aside(run):
    results.fetch_checkpoint("former")
    found = results.collect()
    folder = f"{RUN}/checkpoints/former"
    assert found["aside"] == [folder, f"{folder}/config.json", f"{folder}/model.safetensors"]


def test_a_file_without_a_record_is_unaccounted(run):
    (run / "tables").mkdir()
    (run / "tables" / "mine.tsv").touch()
    job_records.path_in(RUN, "summarise_percentages").unlink()
    assert results.collect()["unaccounted"] == [f"{RUN}/percentages.tsv", f"{RUN}/tables/mine.tsv"]


def test_a_record_whose_results_are_gone_does_not_count(run):
    for path in FIGURES[1:]:
        Path(path).unlink()
    assert results.collect()["jobs"]["draw_panel/coreference_cosine"]["outputs"] == FIGURES[:1]
    Path(FIGURES[0]).unlink()
    assert "draw_panel/coreference_cosine" not in results.collect()["jobs"]


def test_a_file_that_was_deleted_after_its_last_use_is_temporary_and_its_job_still_counts(run):
    store = results.store_of("after")
    digest, size = digests.file_digest(store), Path(store).stat().st_size
    Path(store).unlink()
    found = results.collect()
    assert found["temporary"] == {store: {"bytes": size, "sha256": digest, "job": "extract_activations/after"}}
    assert found["jobs"]["extract_activations/after"]["outputs"] == [store]
    assert store not in found["files"]
    assert (found["aside"], found["unaccounted"], found["changed_since"]) == ([], [], [])


def test_an_input_that_was_made_with_another_content_since_is_flagged(run, monkeypatch):
    os.utime(SET)
    assert results.collect()["changed_since"] == []
    results.build_probing_set()
    assert results.collect()["changed_since"] == [], "the same content, made again"
    monkeypatch.setattr(results, "PAIRS", results.PAIRS[::-1])
    results.build_probing_set()
    wanted = [{"job": f"rank_pairs/{name}.coreference", "input": SET} for name in ("after", "before")]
    assert results.collect()["changed_since"] == wanted


def test_times_say_nothing_of_inputs(run):
    """A copy of a project has new times, in the order that its files were copied in, or whole seconds."""
    for path in sorted(run.rglob("*"), reverse=True):
        os.utime(path, (0, 0) if "probing" in str(path) else None)
    results.rank_pairs("after")
    results.build_probing_set()
    assert results.collect()["changed_since"] == []


def test_records_without_digests_of_inputs_are_compared_by_their_times(run):
    for name in ("after", "before"):
        with results.edited(job_records.path_in(RUN, f"rank_pairs/{name}.coreference")) as record:
            for one in record["inputs"]:
                del one["sha256"]
    results.build_probing_set()
    wanted = [{"job": f"rank_pairs/{name}.coreference", "input": SET} for name in ("after", "before")]
    assert results.collect()["changed_since"] == wanted


def test_collecting_removes_what_killed_jobs_have_left(run):
    (run / "rankings" / ".partial-left").mkdir()
    (run / "rankings" / ".partial-left" / ".lock").write_text(platform.node())
    results.collect()
    assert not list(run.rglob(".partial-*"))


def test_an_input_of_another_size_is_flagged(run):
    with open("data/questions.jsonl", "a") as file:
        file.write("\n")
    assert results.collect()["changed_since"] == [{"job": "partition_examples", "input": "data/questions.jsonl"}]


def test_a_run_that_was_moved_is_read_where_it_is(run, tmp_path, monkeypatch):
    moved = shutil.copytree(run, tmp_path / "elsewhere" / "kept")
    monkeypatch.chdir(tmp_path / "elsewhere")
    found = RunRecord.read("kept")
    assert found.locate(SET).read_bytes() == (moved / "probing_sets" / "coreference.jsonl").read_bytes()
    assert found.name_of(moved / "percentages.tsv") == f"{RUN}/percentages.tsv"


def test_paths_outside_the_run_count_from_the_project_wherever_one_asks_from(run, tmp_path, monkeypatch):
    monkeypatch.chdir(run / "figures")
    assert RunRecord.read("..").locate("data/questions.jsonl") == tmp_path / "data" / "questions.jsonl"


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (["config/config.yaml"], "snakemake --cores all -- a"),
        (["config/a.yaml"], "snakemake --cores all --configfile config/a.yaml -- a"),
        (["a b.yaml"], "snakemake --cores all --configfile 'a b.yaml' -- a"),
        (["--config"], "snakemake --cores all --configfile ./--config -- a"),
    ],
)
def test_the_command_names_the_configuration_unless_it_is_the_default(files, said):
    assert RunRecord(Path(), {"configuration_files": files}).command("a") == said


@pytest.mark.parametrize("snakefile", ["Snakefile", "workflow/Snakefile", "../pairprobe/Snakefile", "mine.smk"])
def test_the_command_names_the_snakefile_unless_snakemake_looks_for_it(snakefile):
    given = "" if snakefile in ("Snakefile", "workflow/Snakefile") else f"--snakefile {snakefile} "
    said = RunRecord(Path(), {"configuration_files": [], "snakefile": snakefile}).command("a")
    assert said == f"snakemake --cores all {given}-- a"


@pytest.mark.parametrize(
    ("text", "said"),
    [(None, "there is no such file"), ("{", "not a whole JSON object"), ('{"version": 0}', "version 0, wanted 1")],
)
def test_a_run_record_that_cannot_be_read_is_named(tmp_path, text, said):
    if text is not None:
        (tmp_path / run_record.NAME).write_text(text)
    with pytest.raises(InputError, match=rf"provenance\.json: {said}"):
        RunRecord.read(tmp_path)
