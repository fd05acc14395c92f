"""Find a task's pair in each example that has one, and count why the others have none."""

from pairprobe import wordnet
from pairprobe.examples import read_examples
from pairprobe.jobs import job
from pairprobe.probing_sets import build
from pairprobe.tables import write_tsv

with job(snakemake):
    words = wordnet.load(snakemake.input.wordnet) if snakemake.input.get("wordnet") else None
    rows = build(snakemake.wildcards.task, read_examples(snakemake.input.examples), snakemake.output.pairs, words)
    write_tsv(snakemake.output.counts, ("task", "what", "number"), rows)
