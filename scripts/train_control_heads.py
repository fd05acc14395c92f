"""Train the same heads on labels that can only be learned by heart."""

from pairprobe.activations.store import Activations
from pairprobe.controls.selectivity import control_gold
from pairprobe.data.examples import read_examples
from pairprobe.provenance.jobs import job
from pairprobe.rankings.boundary_heads import train

with job(snakemake), Activations(snakemake.input.activations) as activations:
    train(
        read_examples(snakemake.input.examples),
        activations,
        snakemake.output[0],
        snakemake.params.seed,
        snakemake.params.at_most,
        snakemake.params.l2,
        labels=control_gold(snakemake.params.seed),
    )
