"""Rank a task's pairs once more with one thing changed."""

from pairprobe.activations.store import Activations
from pairprobe.controls import anisotropy
from pairprobe.controls.variants import Control, rank_control
from pairprobe.data.examples import read_examples
from pairprobe.probing_sets import wordnet
from pairprobe.probing_sets.pairs import read_probing_set
from pairprobe.provenance.jobs import job

with job(snakemake), Activations(snakemake.input.activations) as activations:
    control = Control(
        snakemake.wildcards.variant,
        snakemake.wildcards.task,
        snakemake.params.seed,
        snakemake.params.punctuation,
        statistics=anisotropy.read(snakemake.input.space[0]) if snakemake.input.space else None,
        wordnet=wordnet.load(snakemake.input.wordnet[0]) if snakemake.input.wordnet else None,
    )
    pairs, examples = read_probing_set(snakemake.input.pairs), read_examples(snakemake.input.examples)
    rank_control(control, pairs, examples, activations, snakemake.output[0])
