"""Train a linear start/end head for each layer on frozen activations."""

from pairprobe.examples import read_examples
from pairprobe.jobs import job
from pairprobe.span_heads import train
from pairprobe.store import Activations

with job(snakemake), Activations(snakemake.input.activations) as activations:
    train(
        read_examples(snakemake.input.examples),
        activations,
        snakemake.output[0],
        snakemake.params.seed,
        snakemake.params.at_most,
        snakemake.params.l2,
    )
