"""Count, layer by layer, the unmatching pairs that each matching pair outranks."""

from pairprobe.examples import read_examples
from pairprobe.jobs import job
from pairprobe.probing_sets import read
from pairprobe.ranking import rank_pairs
from pairprobe.similarities import opened

with job(snakemake), opened(snakemake.input.activations, snakemake.wildcards.task) as (activations, rank):
    rank_pairs(
        read(snakemake.input.pairs),
        read_examples(snakemake.input.examples),
        activations,
        snakemake.output[0],
        snakemake.params.punctuation,
        rank,
    )
