"""Find a task's pair in each example that has one, and count why the others have none."""

from pairprobe.data.examples import read_examples
from pairprobe.io.tsv import write_tsv
from pairprobe.probing_sets import wordnet
from pairprobe.probing_sets.building import build
from pairprobe.provenance.jobs import job

with job(snakemake):
    words = wordnet.load(snakemake.input.wordnet) if snakemake.input.get("wordnet") else None
    task, examples = snakemake.wildcards.task, read_examples(snakemake.input.examples)
    rows = build(task, examples, snakemake.output.pairs, words, snakemake.params.finder)
    write_tsv(snakemake.output.counts, ("task", "what", "number"), rows)
