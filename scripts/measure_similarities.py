"""Measure one shard of activations: how similar the words of pairs are, or the logits of the boundary heads."""

from pairprobe.data.examples import read_examples
from pairprobe.probing_sets.pairs import read_probing_set
from pairprobe.provenance.jobs import job
from pairprobe.rankings.measuring import measure_logits, measure_similarities

with job(snakemake, kind="similarities"):
    read, path, code = snakemake.input, snakemake.output[0], snakemake.params.code
    sets = dict(zip(snakemake.params.tasks, map(read_probing_set, read.sets), strict=True))
    if read.get("heads"):
        measure_logits(read.activations, sets, read.heads, path, code)
    else:
        examples = read_examples(read.examples)
        measure_similarities(read.activations, sets, examples, path, snakemake.params.punctuation, code)
