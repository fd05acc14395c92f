"""Count, layer by layer, the unmatching pairs that each matching pair outranks."""

from pairprobe.data.examples import read_examples
from pairprobe.probing_sets.pairs import read_probing_set
from pairprobe.provenance.jobs import job
from pairprobe.rankings.pair_ranking import rank_pairs
from pairprobe.rankings.stored_similarities import opened

with job(snakemake, kind="ranking"), opened(snakemake.input.activations, snakemake.wildcards.task) as (activations, rank):
    rank_pairs(
        read_probing_set(snakemake.input.pairs),
        read_examples(snakemake.input.examples),
        activations,
        snakemake.output[0],
        snakemake.params.punctuation,
        rank,
    )
