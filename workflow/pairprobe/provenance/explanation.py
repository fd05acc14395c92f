"""What made a file or a number of a run, by the run record: jobs, code, machines, inputs; and the pairs behind a number.

Everything is returned as plain dictionaries, for ``--json``; ``terminal`` prints them for reading.
"""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import TypedDict

import msgspec

from pairprobe.data import examples
from pairprobe.errors import InputError
from pairprobe.io import digests, typed_json
from pairprobe.io.tsv import read_tsv
from pairprobe.probing_sets.pairs import BoundaryRow, PairRow, id_of, read_probing_set
from pairprobe.probing_sets.registry import BOUNDARY_MEASURES, PAIR_MEASURES
from pairprobe.provenance import job_records
from pairprobe.provenance.run_record import NAME, RunRecord
from pairprobe.rankings import percentages


def run_of(path: str | Path) -> Path:
    """Return the folder of the run that a file or folder lies in. Raises InputError where there is none."""
    path = Path(path)
    for folder in (path, *path.parents, *path.absolute().parents):
        if (folder / NAME).is_file():
            return folder
    raise InputError(f"{path}: it is in no folder of results with a {NAME}. Wanted: results/RUN/FILE of a finished run.")


# A file.


def explain_file(run: RunRecord, path: str | Path, depth: int | None = None) -> dict:
    """Return what made a file, or a folder that is a job's output.

    depth: how many jobs back its inputs are followed; None: to the data and the checkpoints. Raises InputError where no job
    has made it.
    """
    name = run.name_of(path)
    entry = run.entry(name)
    if entry is None or "job" not in entry:
        raise InputError(
            f"{path}: no job has made it, by {run.folder / NAME}. Wanted: a file that the workflow made in this run."
        )
    job = run.content["jobs"][entry["job"]]
    # Not of a pipe or a device, which has no end.
    now = run.locate(name)
    return {
        "file": name,
        "sha256": entry["sha256"],
        "found": job_records.fingerprint(now)["sha256"] if now.is_file() or now.is_dir() else None,
        "job": entry["job"],
        **{key: job[key] for key in ("rule", "wildcards", "params", "threads", "precision", "started", "seconds")},
        "machine": run.content["machines"][job["machine"]],
        "packages": _packages(run, entry["job"]),
        "code": None if job["code"] is None else run.content["code"][job["rule"]][job["code"]],
        "command": run.command(name if name in job["outputs"] else job["outputs"][0], force=True),
        "stands_on": [] if depth == 0 else list(_inputs_of(run, job, depth, set(), set())),
        "percentages": _percentages_behind(run, job),
    }


def _packages(run: RunRecord, job: str) -> dict[str, str]:
    """Return the packages that a job had loaded; where its record is gone, those of its environment."""
    if job_records.path_in(run.folder, job).is_file():
        return job_records.read(run.folder, job)["packages"]
    return run.content["environments"][run.content["jobs"][job]["environment"]]


def _inputs_of(run: RunRecord, job: dict, depth: int | None, told: set[str], followed: set[str]) -> Iterator[dict]:
    """Yield the inputs of a job, each with the inputs that it was made from.

    The inputs of a job are given once; a file that has been given before has ``told: true``.
    """
    for name in job["inputs"]:
        part = _summary(run, name)
        follow = part["job"] is not None and part["job"] not in followed and depth != 1
        part |= {"told": name in told and not follow, "stands_on": []}
        told.add(name)
        if follow:
            followed.add(part["job"])
            maker, deeper = run.content["jobs"][part["job"]], None if depth is None else depth - 1
            part["stands_on"] = list(_inputs_of(run, maker, deeper, told, followed))
        yield part


def _summary(run: RunRecord, name: str) -> dict:
    """Return ``{file, sha256, job, rule, seconds, origin}`` of a file; see ``_origin``."""
    entry = run.entry(name) or {}
    job = run.content["jobs"].get(entry.get("job"), {})
    return {
        "file": name,
        "sha256": entry.get("sha256"),
        "job": entry.get("job"),
        "rule": job.get("rule"),
        "seconds": job.get("seconds"),
        "origin": _origin(run, name),
    }


def _origin(run: RunRecord, name: str) -> str | None:
    """Return where a checkpoint or a file of data came from, with its version or revision; None for most other files."""
    for source in run.content["checkpoints"].values():
        if source["folder"] == name:
            said = {
                "hub": "hub {repository} at {revision}",
                "package": "package {package} {package_version}",
                "path": "folder {path}",
                "finetune": "trained from {start}",
                "random": "drawn at random, built like {start}",
            }.get(source["source"], "{source}")
            return said.format_map(defaultdict(lambda: "unknown", source))
    if name in run.content.get("temporary", {}):
        return "deleted after its last use"
    if name in run.content["data"]["files"] and (published := run.content["data"]["published"]):
        return " at ".join(published.values())
    return None


class _Panel(TypedDict):
    task: str
    measure: str
    compared: list[str]
    recipes: dict[str, list[str]]


def _percentages_behind(run: RunRecord, job: dict) -> list[dict]:
    """Return the lines of percentages.tsv that a figure draws, or that were computed from a ranking."""
    if job.get("kind") == job_records.PERCENTAGE_FIGURE:
        params = job["params"]
        panels = [panel for column in params.get("columns") or [[params.get("panel")]] for panel in column]
        try:
            drawn = msgspec.convert(panels, list[_Panel])
        except msgspec.ValidationError as error:
            raise InputError(f"{run.folder / NAME}, {job['rule']}{typed_json.fault(error, _Panel, 'panel')}") from None
        wanted = {
            (name, panel["task"], panel["measure"])
            for panel in drawn
            for unit in panel["compared"]
            for name in panel["recipes"].get(unit, [unit])
        }
    elif job.get("kind") == job_records.RANKING:
        task, checkpoint = job["wildcards"].get("task", "boundary"), job["wildcards"].get("checkpoint")
        measures = (*PAIR_MEASURES, *BOUNDARY_MEASURES)
        wanted = {(checkpoint, task, measure) for measure in measures}
    else:
        return []
    return [row for row in _percentages(run) if (row["checkpoint"], row["task"], row["measure"]) in wanted]


def _percentages(run: RunRecord) -> list[dict]:
    name = f"{run.content['folder']}/percentages.tsv"
    return read_tsv(run.own_file(name), percentages.PERCENTAGE_FIELDS) if run.locate(name).exists() else []


# A number.


def explain_number(run: RunRecord, task: str, measure: str, checkpoint: str, layer: int) -> dict:
    """Return a percentage of a run, computed again from its ranking, with the files and the pairs that it comes from.

    Pairs are sorted by the share of unmatching pairs that they outrank, the smallest first. Raises InputError where the run
    has no such number.
    """
    asked = {"task": task, "measure": measure, "checkpoint": checkpoint, "layer": str(layer)}
    written = _line_of(_percentages(run), asked)
    name = f"{run.content['folder']}/rankings/{checkpoint}/{task}.tsv"
    path = run.own_file(name)
    ranking = percentages.read_ranking(path)
    if measure not in ranking.measures or layer not in ranking.layers:
        raise InputError(f"{path}: it has no {measure} of layer {layer}, and percentages.tsv has. See pairprobe verify.")
    counts = ranking[measure, layer]
    count, ties, para_len, unmatching = (int(total) for total in counts.sum(0))
    value, auc = percentages.percentage(counts)
    found = {"percentage": f"{value:.4f}", "auc": f"{auc:.4f}"}
    entry = run.entry(name)
    return {
        **asked,
        "layer": layer,
        "pairs": len(counts),
        "count": count,
        "ties": ties,
        "para_len": para_len,
        "unmatching": unmatching,
        "computed": found,
        "written": {key: written[key] for key in found},
        "agrees": all(written[key] == found[key] for key in found)
        and entry is not None
        and digests.file_digest(path) == entry["sha256"],
        "files": [_summary(run, one) for one in _files_behind(run, name)],
        "of_pairs": _pairs(run, asked, dict(zip(ranking.example_ids.tolist(), counts.tolist(), strict=True))),
    }


def _line_of(rows: list[dict], asked: dict[str, str]) -> dict:
    """Return the line of percentages.tsv that is asked for. Raises InputError, with what there is, where there is none."""
    if not rows:
        raise InputError("percentages.tsv is not there, or empty. Run the workflow, or see pairprobe verify.")
    for key, value in asked.items():
        allowed = list(dict.fromkeys(row[key] for row in rows))
        rows = [row for row in rows if row[key] == value]
        if not rows:
            raise InputError(f"{key}: found {value!r}. Allowed here: {', '.join(allowed)}.")
    return rows[0]


def _files_behind(run: RunRecord, name: str) -> list[str]:
    """List a ranking, the inputs of its job, the checkpoint of the activations, and the data of its examples."""
    ancestors, checkpoints = list(run.ancestors_of(name)), run.checkpoint_folders()
    partitions = {_partition_of(run, name)}
    # The heads of the task boundary are trained on the partition "head".
    partitions |= {"head"} if any("/span_heads/" in one for one in ancestors) else set()
    data = [path for path, file in run.content["data"]["files"].items() if partitions & set(file["partitions"])]
    behind = [name, *run.inputs_of(name), *(one for one in ancestors if one in checkpoints), *data]
    return list(dict.fromkeys(behind))


def _partition_of(run: RunRecord, name: str) -> str:
    """Return whose examples a ranking is of: those of the partition probe, or of a task with a file of pairs."""
    folder = f"{run.content['folder']}/examples/"
    return next((Path(one).name.split(".")[0] for one in run.inputs_of(name) if one.startswith(folder)), "probe")


def _pairs(run: RunRecord, asked: dict[str, str], counts: dict[str, list[int]]) -> list[dict]:
    """Return each pair of a number with its words and counts (``{example_id: counts}``), the lowest percentage first."""
    folder = run.content["folder"]
    partition = _partition_of(run, f"{folder}/rankings/{asked['checkpoint']}/{asked['task']}.tsv")
    sets, probe = (
        run.own_file(f"{folder}/{name}")
        for name in (f"probing_sets/{asked['task']}.jsonl", f"examples/{partition}.jsonl.gz")
    )
    pairs = {id_of(pair): pair for pair in read_probing_set(str(sets))}
    read = {one.example_id: one for one in examples.read_examples(str(probe))}
    if missing := counts.keys() - {name for name, pair in pairs.items() if pair["example_id"] in read}:
        raise InputError(
            f"{sets}: the ranking has the example {min(missing)}; this or {probe} has not. See pairprobe verify."
        )
    ranked = [
        {
            "example_id": example_id,
            "percentage": round(100 * count / max(para_len, 1), 1),
            "count": count,
            "ties": ties,
            "para_len": para_len,
            "unmatching": unmatching,
            **_words(pairs[example_id], read[pairs[example_id]["example_id"]], asked["measure"]),
        }
        for example_id, (count, ties, para_len, unmatching) in counts.items()
    ]
    return sorted(ranked, key=lambda pair: (pair["percentage"], pair["example_id"]))


def _words(pair: PairRow | BoundaryRow, example: examples.Example, measure: str) -> dict[str, str]:
    """Return the words of a pair: its question, anchor and match; of a boundary the sentence and the answer's end."""
    question = " ".join(example.question)
    if "sentence" in pair:
        start, end = pair["answer"]
        anchor = " ".join(example.paragraph[slice(*pair["sentence"])])
        return {
            "question": question,
            "anchor": anchor,
            "match": example.paragraph[start if measure == "start" else end - 1],
        }
    side = example.question if pair["anchor"]["side"] == "question" else example.paragraph
    anchor, match = (
        " ".join(words[i] for i in part["words"])
        for words, part in ((side, pair["anchor"]), (example.paragraph, pair["match"]))
    )
    return {"question": question, "anchor": anchor, "match": match}
