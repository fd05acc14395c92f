"""How long evidence takes, and how much memory: intervals, differences and verdicts of made-up rankings.

    .venv/bin/python benchmarks/evidence.py [--pairs 5000] [--seeds 5] [--layers 12]

Five tasks, a pair a page and a half, a checkpoint against a recipe. Reading the rankings is a part of it.
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from pairprobe.evidence import weighing
from pairprobe.rankings.percentages import RANKING_FIELDS

TASKS = ("synonyms", "abbreviation", "coreference", "answer_type", "boundary")
MEASURES = ("cosine", "euclidean")


def write_ranking(path: Path, dice: np.random.Generator, pairs: int, layers: int) -> str:
    """Write a ranking of so many pairs."""
    rows = pairs * len(MEASURES) * (layers + 1)
    length = np.repeat(dice.integers(40, 200, pairs), rows // pairs)
    spans, anchors = length - 1, np.full(rows, 8)
    columns = {
        "example_id": np.repeat([f"q{i}" for i in range(pairs)], rows // pairs),
        "measure": np.tile(np.repeat(MEASURES, layers + 1), pairs),
        "layer": np.tile(np.arange(layers + 1), pairs * len(MEASURES)),
        "count": dice.binomial(length - 2, 0.75),
        "ties": 0,
        "para_len": length,
        "unmatching": length - 2,
        "spans": spans,
        "span_count": dice.binomial(spans, 0.7),
        "null_count": dice.binomial(spans * (length - 2), 0.5),
        "null_words": spans * (length - 2),
        "anchors": anchors,
        "swapped_count": dice.binomial(anchors * (length - 2), 0.6),
    }
    pd.DataFrame(columns)[list(RANKING_FIELDS)].to_csv(path, sep="\t", index=False)
    return str(path)


def main() -> None:
    """Make rankings up, weigh them, and print time and memory."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=5000)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--layers", type=int, default=12)
    given = parser.parse_args()
    seeds = [f"after-seed{seed}" for seed in range(given.seeds)]
    titles = {f"q{i}": f"page {i * 2 // 3}" for i in range(given.pairs)}
    with tempfile.TemporaryDirectory() as folder:
        dice = np.random.default_rng(0)
        rankings = [
            (name, task, write_ranking(Path(folder) / f"{name}.{task}.tsv", dice, given.pairs, given.layers))
            for name in ("before", *seeds)
            for task in TASKS
        ]
        paths = {name: f"{folder}/{name}.tsv" for name in ("intervals", "differences", "claims")}
        before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
        weighing.weigh(rankings, weighing.Pages(dict.fromkeys(TASKS, titles), {"after": seeds}), weighing.Settings(), paths)
        seconds, after = time.process_time() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    memory = f"at most {after / 1024:.0f} MiB ({before / 1024:.0f} before)"
    print(f"{len(rankings)} rankings of {given.pairs} pairs: {seconds:.1f} s of one core, {memory}")


if __name__ == "__main__":
    main()
