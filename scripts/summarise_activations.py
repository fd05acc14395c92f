"""Count examples and words, say what was read, and list the examples that were too long."""

import json
from pathlib import Path

from pairprobe.io.tsv import write_tsv
from pairprobe.provenance.jobs import job

READ = ("causal", "order", "reads", "final_norm")

with job(snakemake):
    rows, left_out = [], []
    for path in map(Path, snakemake.input):
        checkpoint, view = path.parts[-3:-1]
        shard, counts = path.stem, json.loads(path.read_text(encoding="utf-8"))
        long = counts["left_out"]
        numbers = (counts[name] for name in ("examples", "words", "words_without_vector"))
        rows.append((checkpoint, view, shard, *numbers, len(long), *(counts[name] for name in READ)))
        left_out += [(checkpoint, view, shard, example_id) for example_id in long]
    names = ("checkpoint", "view", "shard")
    write_tsv(snakemake.output.table, (*names, "examples", "words", "words_without_vector", "left_out", *READ), rows)
    write_tsv(snakemake.output.left_out, (*names, "example_id"), left_out)
