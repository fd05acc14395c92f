"""Train the boundary heads on the labels of the control task."""

from pairprobe.activations.store import Activations
from pairprobe.controls.control_task import control_gold
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
