"""Draw weights at random for the architecture of a checkpoint."""

from pairprobe.checkpoints.fetching import initialise
from pairprobe.provenance.jobs import job

with job(snakemake):
    initialise(snakemake.input[0], snakemake.output[0], snakemake.params.seed)
