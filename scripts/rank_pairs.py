"""Count, layer by layer, the unmatching pairs that each matching pair outranks."""

from pairprobe.data.examples import read_examples
from pairprobe.probing_sets.pairs import read_probing_set
from pairprobe.provenance.jobs import job
from pairprobe.rankings.pair_ranking import rank_pairs
from pairprobe.rankings.similarity_store import Similarities

with job(snakemake, kind="ranking"), Similarities(snakemake.input.similarities) as similarities:
    rank_pairs(
        read_probing_set(snakemake.input.pairs),
        read_examples(snakemake.input.examples),
        similarities.pairs(snakemake.wildcards.task),
        snakemake.output[0],
        snakemake.params.punctuation,
    )
