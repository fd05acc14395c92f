"""What made a file or a number of a run, read from its ledger: jobs, code, machines, inputs; and the pairs behind a number.

Everything is returned as plain dictionaries, for ``--json``; ``terminal`` lays them out for reading.
"""

from collections.abc import Iterator
from pathlib import Path

from pairprobe.data import examples
from pairprobe.errors import InputError
from pairprobe.io import digests
from pairprobe.io.tsv import read_tsv
from pairprobe.probing_sets.pairs import BOUNDARY_MEASURES, PAIR_MEASURES, read_probing_set
from pairprobe.provenance import job_records
from pairprobe.provenance.run_record import NAME, Ledger
from pairprobe.rankings import percentages


def run_of(path: str | Path) -> Path:
    """Return the folder of the run that a file or folder lies in. Raises InputError where it lies in none."""
    path = Path(path)
    for folder in (path, *path.parents, *path.absolute().parents):
        if (folder / NAME).is_file():
            return folder
    raise InputError(f"{path}: it lies in no folder of results with a {NAME}. Wanted: results/RUN/FILE of a finished run.")


# A file.


def explain_file(ledger: Ledger, path: str | Path, depth: int | None = None) -> dict:
    """Return what made a file, or a folder that was made as one.

    depth: how far back its inputs are followed; None: to the data and the checkpoints. Raises InputError where no job has
    made it.
    """
    name = ledger.name_of(path)
    entry = _entry(ledger, name)
    if entry is None or "job" not in entry:
        raise InputError(f"{path}: no job has made it, says {ledger.folder / NAME}. Is it one of the run's own files?")
    job = ledger.content["jobs"][entry["job"]]
    there = ledger.locate(name)
    return {
        "file": name,
        "sha256": entry["sha256"],
        "found": job_records.made(there)["sha256"] if there.exists() else None,
        "job": entry["job"],
        **{key: job[key] for key in ("rule", "wildcards", "params", "threads", "precision", "started", "seconds")},
        "machine": ledger.content["machines"][job["machine"]],
        "packages": _packages(ledger, entry["job"]),
        "code": None if job["code"] is None else ledger.content["code"][job["rule"]][job["code"]],
        "command": ledger.command(name if name in job["outputs"] else job["outputs"][0], force=True),
        "stands_on": [] if depth == 0 else list(_inputs_of(ledger, job, depth, set(), set())),
        "percentages": _percentages_behind(ledger, job),
    }


def _entry(ledger: Ledger, name: str) -> dict | None:
    """Return what the ledger has of a file or folder: its bytes and digest, and its job where a job has made it."""
    return next((found for key in ("files", "folders", "inputs") if (found := ledger.content[key].get(name))), None)


def _packages(ledger: Ledger, job: str) -> dict[str, str]:
    """Return the packages that a job had loaded; without its record, those of the environment that it shares."""
    if job_records.path_in(ledger.folder, job).is_file():
        return job_records.read(ledger.folder, job)["packages"]
    return ledger.content["environments"][ledger.content["jobs"][job]["environment"]]


def _inputs_of(ledger: Ledger, job: dict, depth: int | None, told: set[str], followed: set[str]) -> Iterator[dict]:
    """Yield the inputs of a job, each with its own; each file is told, and each job followed, once."""
    for name in job["inputs"]:
        part = brief(ledger, name)
        follow = part["job"] is not None and part["job"] not in followed and depth != 1
        part |= {"told": name in told and not follow, "stands_on": []}
        told.add(name)
        if follow:
            followed.add(part["job"])
            maker, deeper = ledger.content["jobs"][part["job"]], None if depth is None else depth - 1
            part["stands_on"] = list(_inputs_of(ledger, maker, deeper, told, followed))
        yield part


def brief(ledger: Ledger, name: str) -> dict:
    """Return what a file is in a few words: ``{file, sha256, job, rule, seconds, origin}``; origin: where it came from."""
    entry = _entry(ledger, name) or {}
    job = ledger.content["jobs"].get(entry.get("job"), {})
    return {
        "file": name,
        "sha256": entry.get("sha256"),
        "job": entry.get("job"),
        "rule": job.get("rule"),
        "seconds": job.get("seconds"),
        "origin": _origin(ledger, name),
    }


def _origin(ledger: Ledger, name: str) -> str | None:
    """Say where a checkpoint or a file of data came from, with its version or revision."""
    for source in ledger.content["checkpoints"].values():
        if source["folder"] == name:
            return {
                "hub": "hub {repository} at {revision}",
                "package": "package {package} {package_version}",
                "path": "folder {path}",
                "finetune": "trained from {start}",
                "random": "drawn at random, built like {start}",
            }[source["source"]].format(**source)
    if name in ledger.content["data"]["files"] and (published := ledger.content["data"]["published"]):
        return " at ".join(published.values())
    return None


def _percentages_behind(ledger: Ledger, job: dict) -> list[dict]:
    """Return the lines of percentages.tsv that a figure draws, or that a ranking is summed up to."""
    if job["rule"] == "draw_panel":
        wanted = _drawn([job["params"]["panel"]])
    elif job["rule"] == "draw_grid":
        wanted = _drawn([panel for column in job["params"]["columns"] for panel in column])
    elif job["rule"] in ("rank_pairs", "rank_boundaries"):
        task, checkpoint = job["wildcards"].get("task", "boundary"), job["wildcards"]["checkpoint"]
        measures = (*PAIR_MEASURES, *BOUNDARY_MEASURES)
        wanted = {(checkpoint, task, measure) for measure in measures}
    else:
        return []
    return [row for row in _percentages(ledger) if (row["checkpoint"], row["task"], row["measure"]) in wanted]


def _drawn(panels: list[dict]) -> set[tuple[str, str, str]]:
    return {(name, panel["task"], panel["measure"]) for panel in panels for name in panel["checkpoints"]}


def _percentages(ledger: Ledger) -> list[dict]:
    path = ledger.folder / "percentages.tsv"
    return read_tsv(str(path), percentages.PERCENTAGE_FIELDS) if path.is_file() else []


# A number.


def explain_number(ledger: Ledger, task: str, measure: str, checkpoint: str, layer: int) -> dict:
    """Return a percentage of a run, computed again from its ranking, with the files and the pairs that it stands on.

    Pairs come weakest first: those that outrank the smallest share of their words. Raises InputError where the run has no
    such number.
    """
    asked = {"task": task, "measure": measure, "checkpoint": checkpoint, "layer": str(layer)}
    written = _line_of(_percentages(ledger), asked)
    name = f"{ledger.content['folder']}/rankings/{checkpoint}/{task}.tsv"
    path = ledger.locate(name)
    ranking = percentages.read_ranking(path)
    counts = ranking[measure, layer]
    count, ties, para_len, unmatching = (int(total) for total in counts.sum(0))
    value, auc = percentages.percentage(counts)
    found = {"percentage": f"{value:.4f}", "auc": f"{auc:.4f}"}
    entry = _entry(ledger, name)
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
        "files": [brief(ledger, one) for one in _behind(ledger, name)],
        "of_pairs": _pairs(ledger, asked, dict(zip(ranking.example_ids.tolist(), counts.tolist(), strict=True))),
    }


def _line_of(rows: list[dict], asked: dict[str, str]) -> dict:
    """Return the line of percentages.tsv that is asked for; where there is none, say what there is."""
    for key, value in asked.items():
        allowed = list(dict.fromkeys(row[key] for row in rows))
        rows = [row for row in rows if row[key] == value]
        if not rows:
            raise InputError(f"{key}: found {value!r}. Allowed here: {', '.join(allowed) or 'nothing'}.")
    return rows[0]


def _behind(ledger: Ledger, name: str) -> list[str]:
    """List a ranking, what it was made of, the checkpoint that the activations are of, and the data of its examples."""
    jobs = ledger.content["jobs"]
    entry = _entry(ledger, name)
    inputs = jobs[entry["job"]]["inputs"] if entry else []
    makers = [jobs[found["job"]] for one in inputs if (found := _entry(ledger, one)) and "job" in found]
    checkpoints = [one for job in makers for one in job["inputs"] if one in ledger.content["folders"]]
    # Boundary's heads are trained on a partition of their own.
    partitions = {"probe", "head"} if any("/span_heads/" in one for one in inputs) else {"probe"}
    data = [path for path, file in ledger.content["data"]["files"].items() if partitions & set(file["partitions"])]
    return list(dict.fromkeys([name, *inputs, *(one for one in checkpoints if "/checkpoints/" in one), *data]))


def _pairs(ledger: Ledger, asked: dict[str, str], counts: dict[str, list[int]]) -> list[dict]:
    """Return each pair of a number with its words and counts (``{example_id: counts}``), weakest first."""
    folder = ledger.folder
    pairs = {pair["example_id"]: pair for pair in read_probing_set(str(folder / "probing_sets" / f"{asked['task']}.jsonl"))}
    read = {one.example_id: one for one in examples.read_examples(str(folder / "examples" / "probe.jsonl.gz"))}
    told = [
        {
            "example_id": example_id,
            "percentage": round(100 * count / para_len, 1),
            "count": count,
            "ties": ties,
            "para_len": para_len,
            "unmatching": unmatching,
            **_words(pairs[example_id], read[example_id], asked["measure"]),
        }
        for example_id, (count, ties, para_len, unmatching) in counts.items()
    ]
    return sorted(told, key=lambda pair: (pair["count"] / pair["para_len"], pair["example_id"]))


def _words(pair: dict, example: examples.Example, measure: str) -> dict[str, str]:
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
        [words[i] for i in part["words"]] for words, part in ((side, pair["anchor"]), (example.paragraph, pair["match"]))
    )
    return {"question": question, "anchor": " ".join(anchor), "match": " ".join(match)}
