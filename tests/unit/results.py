"""A small run made by hand: its jobs one after the other, without Snakemake and without a model."""

import contextlib
import json
from pathlib import Path
from types import SimpleNamespace

import h5py
import measured
import numpy as np
from samples import write_store

from pairprobe.data.examples import read_examples
from pairprobe.io import files
from pairprobe.io.digests import file_digest, folder_digest
from pairprobe.io.tsv import write_tsv
from pairprobe.probing_sets.pairs import read_probing_set
from pairprobe.provenance import jobs, run_record
from pairprobe.provenance.code import code_of
from pairprobe.rankings import percentages

RUN = "results/small"
CHECKPOINTS = ("before", "after")
QUESTIONS = [
    {
        "example_id": str(i),
        "title": f"Page {i}",
        "question": f"where did {name} live".split(),
        "paragraph": f"{name} was a painter . In {1900 + i} she moved to Rome and stayed .".split(),
        "answer": [10, 11],
        "sentences": [[0, 5], [5, 14]],
    }
    for i, name in enumerate(("Anna", "Berta", "Clara"))
]
PAIRS = [
    {"example_id": str(i), "anchor": {"side": "paragraph", "words": [0]}, "match": {"words": [7]}}
    for i in range(len(QUESTIONS))
]
CONFIG = {
    "run": "small",
    "seed": 13,
    "data": {"source": "examples", "files": ["data/questions.jsonl"]},
    "checkpoints": {
        "before": {"source": "hub", "repository": "someone/bert", "revision": "a" * 40},
        "after": {"source": "finetune", "start": "before", "seed": 14},
    },
}


# As the scripts of these rules have it.
KINDS = {
    "extract_activations": "activations",
    "rank_pairs": "ranking",
    "summarise_percentages": "percentages",
    "draw_panel": "percentage_figure",
}


class Named(list):
    """What a workflow gives to a script: a list, and names for what is in it."""

    def __init__(self, *values, **named):
        super().__init__([*values, *named.values()])
        self.__dict__ |= {"named": named, **named}

    def items(self):
        return self.named.items()


def task(rule, name, inputs, outputs, wildcards=None, **params):
    return SimpleNamespace(
        rule=rule,
        wildcards=Named(**(wildcards or {})),
        input=Named(*inputs),
        output=Named(*outputs),
        params=Named(code=code_of(rule), **params),
        log=[f"{RUN}/logs/{rule}/{name}.log" if name else f"{RUN}/logs/{rule}.log"],
        threads=1,
    )


def job(rule, *arguments, **named):
    return jobs.job(task(rule, *arguments, **named), kind=KINDS.get(rule))


def make() -> None:
    """Make the whole run, in the folder that is the current one."""
    files.write_json_lines("data/questions.jsonl", QUESTIONS)
    with job("partition_examples", None, ["data/questions.jsonl"], [f"{RUN}/examples/probe.jsonl.gz"]):
        files.write_json_lines(f"{RUN}/examples/probe.jsonl.gz", QUESTIONS)
    fetch_checkpoint("before")
    finetune_checkpoint()
    build_probing_set()
    for checkpoint in CHECKPOINTS:
        extract_activations(checkpoint)
        rank_pairs(checkpoint)
    summarise_percentages()
    draw_panel()
    record_provenance()


def fetch_checkpoint(name: str) -> None:
    folder = f"{RUN}/checkpoints/{name}"
    with job(
        "fetch_checkpoint", name, [], [folder], wildcards={"checkpoint": name}, source=CONFIG["checkpoints"].get(name)
    ):
        _write_checkpoint(folder, name)
    # What Snakemake leaves in a folder when the job has ended.
    Path(folder, ".snakemake_timestamp").touch()


def finetune_checkpoint() -> None:
    folder, history = f"{RUN}/checkpoints/after", f"{RUN}/training/after.tsv"
    settings = {"precision": "float32", "epochs": 1}
    named = {"wildcards": {"checkpoint": "after"}, "settings": settings, "seed": 14}
    with job("finetune_checkpoint", "after", [f"{RUN}/checkpoints/before"], [folder, history], **named):
        _write_checkpoint(folder, "after")
        write_tsv(history, ("step", "loss"), [(1, 0.5)])
    Path(folder, ".snakemake_timestamp").touch()


def _write_checkpoint(folder: str, name: str) -> None:
    Path(folder).mkdir(parents=True, exist_ok=True)
    Path(folder, "config.json").write_text('{"layers": 1}')
    Path(folder, "model.safetensors").write_bytes(name.encode() * 100)


def build_probing_set() -> None:
    made = [f"{RUN}/probing_sets/coreference.jsonl", f"{RUN}/probing_sets/coreference.counts.tsv"]
    with job(
        "build_probing_set", "coreference", [f"{RUN}/examples/probe.jsonl.gz"], made, wildcards={"task": "coreference"}
    ):
        files.write_json_lines(made[0], PAIRS)
        write_tsv(made[1], ("task", "what", "number"), [("coreference", "pairs found", len(PAIRS))])


def store_of(checkpoint: str) -> str:
    return f"{RUN}/activations/{checkpoint}/paragraph/probe-1of1.h5"


def extract_activations(checkpoint: str) -> None:
    path, folder = store_of(checkpoint), f"{RUN}/checkpoints/{checkpoint}"
    named = {"wildcards": {"checkpoint": checkpoint}, "precision": "float32"}
    with job("extract_activations", checkpoint, [folder, f"{RUN}/examples/probe.jsonl.gz"], [path], **named):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        dice = np.random.default_rng(CHECKPOINTS.index(checkpoint))
        lengths = [(example["example_id"], len(example["question"]), len(example["paragraph"])) for example in QUESTIONS]
        write_store(
            path,
            {
                name: (dice.normal(size=(2, asked, 4)).astype("f"), dice.normal(size=(2, read, 4)).astype("f"))
                for name, asked, read in lengths
            },
        )
        with h5py.File(path, "r+") as file:
            file.attrs["checkpoint"] = folder_digest(folder)


def ranking_of(checkpoint: str) -> str:
    return f"{RUN}/rankings/{checkpoint}/coreference.tsv"


def rank_pairs(checkpoint: str) -> None:
    pairs, examples = f"{RUN}/probing_sets/coreference.jsonl", f"{RUN}/examples/probe.jsonl.gz"
    named = {"wildcards": {"checkpoint": checkpoint, "task": "coreference"}, "punctuation": False}
    inputs = [pairs, examples, store_of(checkpoint)]
    with job("rank_pairs", f"{checkpoint}.coreference", inputs, [ranking_of(checkpoint)], **named):
        measured.rank_pairs(
            read_probing_set(pairs), read_examples(examples), [store_of(checkpoint)], ranking_of(checkpoint)
        )


def summarise_percentages() -> None:
    named = [(checkpoint, "coreference") for checkpoint in CHECKPOINTS]
    paths = [ranking_of(checkpoint) for checkpoint in CHECKPOINTS]
    with job("summarise_percentages", None, paths, [f"{RUN}/percentages.tsv"], rankings=named):
        rows = percentages.percentages((*names, path) for names, path in zip(named, paths, strict=True))
        write_tsv(f"{RUN}/percentages.tsv", percentages.PERCENTAGE_FIELDS, rows)


FIGURES = [f"{RUN}/figures/coreference_cosine.{kind}" for kind in ("svg", "pdf", "png")]


def draw_panel() -> None:
    panel = {"task": "coreference", "measure": "cosine", "compared": [CHECKPOINTS[0], "recipe"]}
    panel |= {"recipes": {"recipe": list(CHECKPOINTS[1:])}}
    wildcards = {"task": "coreference", "measure": "cosine"}
    with job("draw_panel", "coreference_cosine", [f"{RUN}/percentages.tsv"], FIGURES, wildcards=wildcards, panel=panel):
        for path in FIGURES:
            files.write_text(path, f"a drawing, {path[-3:]}")


def collect() -> dict:
    data = {"data/questions.jsonl": ["probe"]}
    return run_record.collect(RUN, CONFIG, ["config/small.yaml"], data, None, [FIGURES[0]])


def record_provenance() -> None:
    path = f"{RUN}/{run_record.NAME}"
    with job("record_provenance", None, FIGURES[:1], [path], config=CONFIG):
        files.write_json(path, collect())


@contextlib.contextmanager
def edited(path: str):
    """Change a JSON file."""
    content = json.loads(Path(path).read_bytes())
    yield content
    files.write_json(path, content)


def flip(path, at: int = -2) -> None:
    """Change one bit of a file."""
    content = bytearray(Path(path).read_bytes())
    content[at] ^= 1
    Path(path).write_bytes(content)


def fingerprints(path: str) -> None:
    """Put the size and digest that a file has now in the run record, as who makes a record by hand would."""
    with edited(f"{RUN}/{run_record.NAME}") as content:
        content["files"][path] |= {"bytes": Path(path).stat().st_size, "sha256": file_digest(path)}
