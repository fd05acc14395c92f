"""RO-Crates: what RO-Crate 1.1 and Process Run Crate 0.5 require is there, and it is true of the run."""

import json
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import unquote

import pytest
import results
from results import FIGURES, RUN, ranking_of

from pairprobe.__main__ import main
from pairprobe.io.digests import file_digest
from pairprobe.provenance import job_records
from pairprobe.provenance.verification import verify

pytestmark = pytest.mark.usefixtures("run")

CRATE = Path(RUN, "ro-crate-metadata.json")
# Those of the terms of its two contexts that a crate may use; a term of neither would be lost to who reads JSON-LD.
CONTEXT = ["https://w3id.org/ro/crate/1.1/context", "https://w3id.org/ro/terms/workflow-run/context"]
TERMS = {
    "about", "conformsTo", "contentSize", "datePublished", "description", "encodingFormat", "endTime", "hasPart",
    "instrument", "license", "mentions", "name", "object", "result", "sha256", "softwareRequirements",
    "softwareVersion", "startTime", "value", "version",
}  # fmt: skip
TYPES = {"CreateAction", "CreativeWork", "Dataset", "File", "PropertyValue", "SoftwareApplication"}


def crate(folder=RUN) -> dict[str, dict]:
    """Write a run's crate; return its entities by their ids."""
    assert main(["ro-crate", str(folder)]) == 0
    content = json.loads(Path(folder, CRATE.name).read_bytes())
    assert content.keys() == {"@context", "@graph"}
    assert content["@context"] == CONTEXT
    entities = {entity["@id"]: entity for entity in content["@graph"]}
    assert len(entities) == len(content["@graph"])
    return entities


def references(value) -> Iterator[str]:
    """Yield the ids that an entity refers to."""
    for part in value if isinstance(value, list) else [value]:
        if isinstance(part, dict):
            assert part.keys() == {"@id"}
            yield part["@id"]


def named(entities: dict[str, dict], kind: str) -> dict[str, dict]:
    return {entity["name"]: entity for entity in entities.values() if entity["@type"] == kind}


def test_a_crate_has_what_the_specification_and_the_profile_require():
    entities = crate()
    descriptor, root, action = (entities[name] for name in ("ro-crate-metadata.json", "./", "#run"))
    assert descriptor["@type"] == "CreativeWork"
    assert descriptor["about"] == {"@id": "./"}
    assert descriptor["conformsTo"] == {"@id": "https://w3id.org/ro/crate/1.1"}
    assert root["@type"] == "Dataset"
    assert all(root[key] for key in ("name", "description", "license"))
    assert datetime.fromisoformat(root["datePublished"])
    profile = entities[root["conformsTo"]["@id"]]
    assert (profile["@id"], profile["version"]) == ("https://w3id.org/ro/wfrun/process/0.5", "0.5")
    assert action["@type"] == "CreateAction"
    assert root["mentions"] == {"@id": "#run"}
    tool = entities[action["instrument"]["@id"]]
    assert (tool["@type"], tool["name"]) == ("SoftwareApplication", "pairprobe")


def test_every_reference_leads_to_an_entity_and_every_entity_is_referred_to():
    entities = crate()
    found = {one for entity in entities.values() for value in entity.values() for one in references(value)}
    outside = {"https://w3id.org/ro/crate/1.1"}
    assert found - outside == entities.keys() - {"ro-crate-metadata.json"}


def test_a_crate_uses_no_term_that_its_contexts_do_not_have():
    entities = crate().values()
    assert {key for entity in entities for key in entity} <= TERMS | {"@id", "@type"}
    assert {entity["@type"] for entity in entities} <= TYPES


def test_the_parts_are_the_files_of_the_run_as_they_lie_there():
    entities = crate()
    files = named(entities, "File")
    made = [path for path in Path(RUN).rglob("*") if path.is_file() and not path.name.startswith(".")]
    wanted = {path.relative_to(RUN).as_posix() for path in made if path != CRATE}
    assert files.keys() == {path for path in wanted if not path.startswith(("logs/", "provenance/"))}
    for name, entity in files.items():
        path = Path(RUN, unquote(entity["@id"]))
        assert path == Path(RUN, name)
        assert (entity["contentSize"], entity["sha256"]) == (str(path.stat().st_size), file_digest(path))
    parts = sorted(entity["@id"] for entity in files.values())
    assert sorted(references(entities["./"]["hasPart"])) == sorted(references(entities["#run"]["result"])) == parts
    assert files["percentages.tsv"]["encodingFormat"] == "text/tab-separated-values"


def test_what_was_read_from_outside_is_an_object_of_the_run_with_its_digest_and_no_part():
    entities = crate()
    (entity,) = (one for one in entities.values() if one["@type"] == "CreativeWork" and "sha256" in one)
    assert entity["name"] == "data/questions.jsonl"
    assert entity["sha256"] == file_digest("data/questions.jsonl")
    assert entity["@id"] in references(entities["#run"]["object"])
    assert entity["@id"] not in references(entities["./"]["hasPart"])


def test_the_configuration_is_there_value_by_value():
    entities = crate()
    values = {name: entity["value"] for name, entity in named(entities, "PropertyValue").items()}
    assert values["checkpoints.after.seed"] == 14
    assert values["checkpoints.before.repository"] == "someone/bert"
    assert values["data.files"] == '["data/questions.jsonl"]'
    assert values["published"] == "null"
    assert {entity["@id"] for entity in named(entities, "PropertyValue").values()} < {
        *references(entities["#run"]["object"])
    }


def test_the_run_lasts_from_its_first_job_to_the_end_of_its_last():
    action = crate()["#run"]
    records = [job_records.read(RUN, job) for job in job_records.jobs_of(RUN) if job != "record_provenance"]
    begun = [datetime.fromisoformat(record["started"]) for record in records]
    ended = [start + timedelta(seconds=record["seconds"]) for start, record in zip(begun, records, strict=True)]
    assert datetime.fromisoformat(action["startTime"]) == min(begun)
    assert abs(datetime.fromisoformat(action["endTime"]) - max(ended)) < timedelta(milliseconds=1)
    assert action["description"] == "Command: snakemake --cores all --configfile config/small.yaml -- all"


def test_versions_are_those_that_were_recorded():
    environment = {"pairprobe": "9.9", "numpy": "1.0", "python": "3.11.0"}
    with results.edited(f"{RUN}/provenance.json") as content:
        content["environments"] = [environment, {"numpy": "2.0"}]
    tools = [entity for entity in crate().values() if entity["@type"] == "SoftwareApplication"]
    found = {(entity["name"], entity["softwareVersion"]) for entity in tools}
    assert found == {("pairprobe", "9.9"), ("numpy", "1.0"), ("numpy", "2.0"), ("python", "3.11.0")}
    with results.edited(f"{RUN}/provenance.json") as content:
        content["environments"] = [{}]
    assert "softwareVersion" not in crate()["#pairprobe"]


def test_a_run_with_its_crate_beside_it_holds_also_when_it_is_recorded_again():
    crate()
    assert verify(RUN).problems == []
    results.record_provenance()
    assert json.loads(Path(RUN, "provenance.json").read_bytes())["unaccounted"] == []
    assert verify(RUN).problems == []


def test_the_same_record_gives_the_same_bytes_wherever_the_run_lies(tmp_path):
    crate()
    first = CRATE.read_bytes()
    shutil.move(RUN, tmp_path / "kept")
    crate(tmp_path / "kept")
    assert (tmp_path / "kept" / CRATE.name).read_bytes() == first


def test_what_the_configuration_does_not_lead_to_any_more_is_no_part():
    with results.job("draw_grid", None, [f"{RUN}/percentages.tsv"], [f"{RUN}/figures/old.svg"]):
        Path(RUN, "figures", "old.svg").write_text("old")
    results.record_provenance()
    files = named(crate(), "File")
    assert "figures/old.svg" not in files
    assert "figures/coreference_cosine.svg" in files


def test_names_are_written_as_addresses(monkeypatch):
    odd = f"{RUN}/figures/50 % #1.svg"
    monkeypatch.setattr(results, "FIGURES", [odd])
    results.draw_panel()
    monkeypatch.setattr(results, "collect", lambda: results.run_record.collect(RUN, results.CONFIG, [], {}, None, [odd]))
    results.record_provenance()
    assert named(crate(), "File")["figures/50 % #1.svg"]["@id"] == "figures/50%20%25%20%231.svg"


@pytest.mark.parametrize("path", [FIGURES[0], ranking_of("after")])
def test_a_file_that_is_gone_or_of_another_size_is_named_and_nothing_is_written(path, capsys):
    size = Path(path).stat().st_size
    with open(path, "ab") as file:
        file.write(b"more")
    assert main(["ro-crate", RUN]) == 2
    error = capsys.readouterr().err
    assert error == f"error: {path}: found {size + 4:,} bytes, wanted {size:,} bytes. See: pairprobe verify {RUN}\n"
    Path(path).unlink()
    assert main(["ro-crate", RUN]) == 2
    assert f"{path}: found no such file, wanted {size:,} bytes." in capsys.readouterr().err
    assert not CRATE.exists()


def test_a_record_that_names_a_file_outside_the_folder_is_refused(capsys):
    name = f"{RUN}/../../data/questions.jsonl"
    with results.edited(f"{RUN}/provenance.json") as content:
        entry = content["files"][FIGURES[0]]
        content["files"][name] = {**entry, "bytes": Path("data/questions.jsonl").stat().st_size}
        content["jobs"][entry["job"]]["outputs"].append(name)
    assert main(["ro-crate", RUN]) == 2
    assert "found no such file" in capsys.readouterr().err


def test_a_link_out_of_the_folder_is_no_file_of_the_run(tmp_path, capsys):
    figure = Path(FIGURES[0])
    outside = tmp_path / "outside.svg"
    outside.write_bytes(b"x" * figure.stat().st_size)
    figure.unlink()
    figure.symlink_to(outside)
    assert main(["ro-crate", RUN]) == 2
    assert f"{figure}: no regular file in {RUN}" in capsys.readouterr().err


@pytest.mark.parametrize(
    "change",
    [
        lambda content: next(iter(content["jobs"].values())).update(seconds=1e300),
        lambda content: next(iter(content["jobs"].values())).update(started="2024-13-45T99:99:99.000+00:00"),
    ],
)
def test_what_no_workflow_writes_is_refused(change, capsys):
    with results.edited(f"{RUN}/provenance.json") as content:
        change(content)
    assert main(["ro-crate", RUN]) == 2
    assert "provenance.json" in capsys.readouterr().err
    assert not CRATE.exists()


def test_a_number_that_json_cannot_hold_is_refused(capsys):
    record = Path(RUN, "provenance.json")
    content = json.loads(record.read_bytes())
    content["configuration"]["run_seed"] = 10**30
    record.write_text(json.dumps(content), encoding="utf-8")
    assert main(["ro-crate", RUN]) == 2
    assert "provenance.json" in capsys.readouterr().err


def test_keys_with_a_dot_have_an_address_each():
    with results.edited(f"{RUN}/provenance.json") as content:
        content["configuration"]["figures"] = {"labels": {"a.b": "one", "a": {"b": "two"}}}
    entities = crate()
    assert {entities[f"#configuration/figures/labels/{name}"]["value"] for name in ("a.b", "a/b")} == {"one", "two"}


@pytest.mark.parametrize("output", [RUN, f"{RUN}/provenance.json"])
def test_a_folder_and_the_run_record_are_no_place_for_it(output, capsys):
    before = sorted(Path(RUN).rglob("*")), Path(RUN, "provenance.json").read_bytes()
    assert main(["ro-crate", RUN, "--output", output]) == 2
    assert f"--output: found {output}, wanted a file of its own" in capsys.readouterr().err
    assert before == (sorted(Path(RUN).rglob("*")), Path(RUN, "provenance.json").read_bytes())


def test_it_can_be_written_elsewhere(tmp_path, capsys):
    path = tmp_path / "archive" / "crate.json"
    assert main(["ro-crate", RUN, "--output", str(path)]) == 0
    assert capsys.readouterr().out == f"written: {path}\n"
    assert json.loads(path.read_bytes())["@context"] == CONTEXT
    assert not CRATE.exists()


def test_a_folder_without_a_run_record_is_refused(capsys):
    Path(RUN, "provenance.json").unlink()
    assert main(["ro-crate", RUN]) == 2
    assert "there is no such file. Run: snakemake" in capsys.readouterr().err


def test_a_record_without_jobs_is_refused(capsys):
    with results.edited(f"{RUN}/provenance.json") as content:
        content |= {key: {} for key in ("jobs", "files", "folders", "temporary")}
    assert main(["ro-crate", RUN]) == 2
    assert "found no jobs" in capsys.readouterr().err
