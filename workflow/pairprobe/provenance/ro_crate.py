"""A run described as an RO-Crate, for archives and programs that know nothing of pairprobe.

RO-Crate 1.1 (https://w3id.org/ro/crate/1.1) with the profile Process Run Crate 0.5: one action, the run, with what it read,
how it was set and what it made. All of it comes from the run record: the same record gives the same bytes.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

import orjson

from pairprobe.errors import InputError
from pairprobe.io.digests import file_digest
from pairprobe.provenance.run_record import NAME as RUN_RECORD
from pairprobe.provenance.run_record import RO_CRATE, RunRecord

SPECIFICATION = "https://w3id.org/ro/crate/1.1"
PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
# The second has sha256.
CONTEXT = [f"{SPECIFICATION}/context", "https://w3id.org/ro/terms/workflow-run/context"]
# Not by the module mimetypes, which knows what the system and the version of Python know.
FORMATS = {
    ".gz": "application/gzip",
    ".h5": "application/x-hdf5",
    ".html": "text/html",
    ".json": "application/json",
    ".md": "text/markdown",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".tsv": "text/tab-separated-values",
}
Entity = dict[str, Any]


def describe(run: RunRecord) -> Entity:
    """Return a run's crate as JSON-LD; its files are those that the present configuration leads to.

    Who ran it is not recorded, so that the action has no agent, and the licence says only that none is: whoever publishes
    it adds both. Raises InputError where a file is gone or has another size than recorded, where there are no jobs, and
    where the record has numbers or times that no run has.
    """
    try:
        crate = _describe(run)
        orjson.dumps(crate)
        return crate
    except InputError:
        raise
    except (ValueError, TypeError, OverflowError) as error:
        record = run.folder / RUN_RECORD
        raise InputError(
            f"{record}: found what no workflow writes ({error}). Get the run from where it was made."
        ) from None


def _describe(run: RunRecord) -> Entity:
    files, read = list(_files(run)), list(_inputs(run))
    settings, packages = list(_settings(run.content)), list(_packages(run.content))
    tool = {**_tool(run.content), "softwareRequirements": _references(packages)}
    action = {**_action(run), "instrument": {"@id": tool["@id"]}, "result": _references(files)}
    action["object"] = _references([*read, *settings])
    descriptor = {"@id": RO_CRATE, "@type": "CreativeWork", "about": {"@id": "./"}, "conformsTo": {"@id": SPECIFICATION}}
    root = {
        "@id": "./",
        "@type": "Dataset",
        "name": f"Results of the run {run.content['run']} of pairprobe",
        "description": "What fine-tuning did to a language model, layer by layer, by a pairwise probe. Which job made each "
        f"file, with its code, parameters and machine, is in {RUN_RECORD}.",
        # Required, and may be words.
        "license": "None is recorded. What the run read (data, checkpoints, WordNet) has licences of its own.",
        "datePublished": action["endTime"],
        "conformsTo": {"@id": PROFILE},
        "hasPart": _references(files),
        "mentions": {"@id": action["@id"]},
    }
    profile = {"@id": PROFILE, "@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"}
    graph = [descriptor, root, profile, action, tool, *packages, *read, *settings, *files]
    return {"@context": CONTEXT, "@graph": graph}


def _references(entities: Iterable[Entity]) -> list[Entity]:
    return [{"@id": entity["@id"]} for entity in entities]


def _action(run: RunRecord) -> Entity:
    """Return the run as an action, from the start of its first job to the end of its last."""
    jobs = [(datetime.fromisoformat(job["started"]), job["seconds"]) for job in run.content["jobs"].values()]
    if not jobs:
        raise InputError(f"{run.folder / RUN_RECORD}: found no jobs, wanted those of a run. Run: {run.command('all')}")
    end = max(started + timedelta(seconds=seconds) for started, seconds in jobs)
    return {
        "@id": "#run",
        "@type": "CreateAction",
        "name": f"The run {run.content['run']}",
        "description": f"Command: {run.command('all')}",
        "startTime": min(jobs)[0].isoformat(timespec="milliseconds"),
        "endTime": end.isoformat(timespec="milliseconds"),
    }


def _tool(content: dict) -> Entity:
    """Return pairprobe, with its version where it was installed as a package."""
    versions = sorted({found["pairprobe"] for found in content["environments"] if "pairprobe" in found})
    known = {"softwareVersion": ", ".join(versions)} if versions else {}
    return {"@id": "#pairprobe", "@type": "SoftwareApplication", "name": "pairprobe", **known}


def _packages(content: dict) -> Iterator[Entity]:
    for name, version in sorted({package for found in content["environments"] for package in found.items()}):
        if name != "pairprobe":
            named = {"@id": f"#package/{quote(f'{name}-{version}')}", "name": name, "softwareVersion": version}
            yield {**named, "@type": "SoftwareApplication"}


def _settings(content: dict) -> Iterator[Entity]:
    """Yield each value of the configuration under its full key; what is no string, number or truth value as JSON."""
    for path, value in _leaves({**content["configuration"], "published": content["data"]["published"]}):
        # A key may have a dot of its own.
        address = "/".join(quote(key, safe="") for key in path)
        shown = value if isinstance(value, str | int | float) else orjson.dumps(value).decode()
        yield {"@id": f"#configuration/{address}", "@type": "PropertyValue", "name": ".".join(path), "value": shown}


def _leaves(values: dict, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in values.items():
        if value and isinstance(value, dict):
            yield from _leaves(value, (*path, key))
        else:
            yield (*path, key), value


def _inputs(run: RunRecord) -> Iterator[Entity]:
    """Yield what the run has read from outside its folder, downloads among it: no part of the crate."""
    shared = {name: entry for name, entry in run.content["files"].items() if not _is_own(run, name)}
    for name, entry in sorted({**run.content["inputs"], **shared}.items()):
        yield {"@id": f"#input/{quote(name)}", "@type": "CreativeWork", "name": name, **_content(entry)}


def _files(run: RunRecord) -> Iterator[Entity]:
    aside, record = set(run.content["aside"]), run.folder / RUN_RECORD
    yield _file(RUN_RECORD, {"bytes": record.stat().st_size, "sha256": file_digest(record)})
    for name, entry in sorted(run.content["files"].items()):
        if not _is_own(run, name) or aside & {name, *map(str, PurePath(name).parents)}:
            continue
        path = run.own_path(name)
        found = f"{run.own_file(name).stat().st_size:,} bytes" if path and path.exists() else "no such file"
        if found != (wanted := f"{entry['bytes']:,} bytes"):
            raise InputError(f"{run.locate(name)}: found {found}, wanted {wanted}. See: pairprobe verify {run.folder}")
        yield _file(PurePath(name).relative_to(run.content["folder"]).as_posix(), entry)


def _is_own(run: RunRecord, name: str) -> bool:
    return PurePath(name).is_relative_to(run.content["folder"])


def _file(name: str, entry: dict) -> Entity:
    suffix = PurePath(name).suffix
    known = {"encodingFormat": FORMATS[suffix]} if suffix in FORMATS else {}
    return {"@id": quote(name), "@type": "File", "name": name, **known, **_content(entry)}


def _content(entry: dict) -> Entity:
    return {"contentSize": str(entry["bytes"]), "sha256": entry["sha256"]}
