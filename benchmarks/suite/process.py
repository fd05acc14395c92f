"""One step of the work in a process of its own, which prints its seconds and its memory as JSON; see ``growth.py``.

    python -m suite.process STEP FOLDER

The folder holds ``examples.jsonl.gz``, and what the steps before have made: ``paragraph.h5``, ``sentence.h5``, the sets.
Only extraction and training import torch here, as in the workflow's jobs.
"""

import itertools
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from pairprobe.activations.store import Activations
from pairprobe.data.examples import read_examples
from suite import tasks
from suite.children import peak

WARM = 10  # examples


def extraction(folder: Path, view: str = "paragraph") -> Callable[[], object]:
    """Return the extraction with the demo's encoder, loaded already."""
    from pairprobe.checkpoints import devices
    from suite import encoders

    loaded = encoders.Loaded(encoders.minilm(folder), devices.resolve_precision("auto", "cpu"))
    store = folder / f"{view}.h5"
    return lambda: loaded.extract(folder / "examples.jsonl.gz", store, view=view, storage="float16")


def building(folder: Path) -> Callable[[], object]:
    """Return the building of all pair tasks' sets; WordNet is there already."""
    from pairprobe.probing_sets import wordnet

    root = str(folder / "wordnet")
    wordnet.install("package", root)
    wordnet.load(root)
    return lambda: tasks.build_sets(folder / "examples.jsonl.gz", folder)


def ranking(folder: Path) -> Callable[[], object]:
    """Return the ranking of all pair tasks."""
    sets = {task: folder / f"{task}.jsonl" for task in tasks.pair_tasks()}
    return lambda: tasks.rank_all(folder / "examples.jsonl.gz", sets, folder / "paragraph.h5", folder)


def heads(folder: Path) -> Callable[[], object]:
    """Return the training of boundary heads in every layer."""
    from pairprobe.rankings import boundary_heads

    def train(number: int | None = None) -> None:
        with Activations([str(folder / "sentence.h5")]) as activations:
            examples = itertools.islice(read_examples(str(folder / "examples.jsonl.gz")), number)
            boundary_heads.train(examples, activations, str(folder / "heads.npz"), seed=13)

    train(WARM)  # what a first training imports is no part of the work
    return train


STEPS = {
    "extraction": extraction,
    "sentences": lambda folder: extraction(folder, "sentence"),
    "building": building,
    "ranking": ranking,
    "heads": heads,
}


def main(step: str, folder: str) -> None:
    """Do one step."""
    work = STEPS[step](Path(folder))
    started = time.perf_counter()
    work()
    print(json.dumps({"seconds": time.perf_counter() - started, "peak": peak()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
