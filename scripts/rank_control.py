"""Rank a task's pairs once more with one thing changed."""

from pairprobe import spaces, wordnet
from pairprobe.controls import rank_control
from pairprobe.examples import read_examples
from pairprobe.jobs import job
from pairprobe.probing_sets import read
from pairprobe.store import Activations

with job(snakemake), Activations(snakemake.input.activations) as activations:
    rank_control(
        snakemake.wildcards.variant,
        snakemake.wildcards.task,
        read(snakemake.input.pairs),
        read_examples(snakemake.input.examples),
        activations,
        snakemake.output[0],
        snakemake.params.seed,
        snakemake.params.punctuation,
        space=spaces.read(snakemake.input.space[0]) if snakemake.input.space else None,
        wordnet=wordnet.load(snakemake.input.wordnet[0]) if snakemake.input.wordnet else None,
    )
