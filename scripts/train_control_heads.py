"""Train the same heads on labels that can only be learned by heart."""

from pairprobe.examples import read_examples
from pairprobe.jobs import job
from pairprobe.selectivity import control_gold
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
        labels=control_gold(snakemake.params.seed),
    )
