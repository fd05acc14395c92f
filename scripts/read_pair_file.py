"""Read a task's file of pairs, as examples and a probing set."""

from dataclasses import asdict

from pairprobe.io.files import write_json_lines
from pairprobe.io.tsv import write_tsv
from pairprobe.probing_sets import pair_files
from pairprobe.provenance.jobs import job

with job(snakemake):
    examples, pairs = pair_files.load(snakemake.input[0])
    write_json_lines(snakemake.output.examples, map(asdict, examples))
    write_json_lines(snakemake.output.pairs, pairs)
    counts = {"texts": len(examples), "groups": len({one.title for one in examples}), "pairs found": len(pairs)}
    rows = [(snakemake.wildcards.task, what, number) for what, number in counts.items()]
    write_tsv(snakemake.output.counts, ("task", "what", "number"), rows)
