"""Count, layer by layer, the unmatching pairs that each matching pair outranks."""

from pairprobe.examples import read_examples
from pairprobe.jobs import job
from pairprobe.probing_sets import read
from pairprobe.ranking import rank_pairs
from pairprobe.store import Activations

with job(snakemake), Activations(snakemake.input.activations) as activations:
    rank_pairs(
        read(snakemake.input.pairs),
        read_examples(snakemake.input.examples),
        activations,
        snakemake.output[0],
        snakemake.params.punctuation,
    )
