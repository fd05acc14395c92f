"""Make a checkpoint of its base and an adapter."""

from pairprobe.checkpoints.adaptation import adapt
from pairprobe.provenance.jobs import job

with job(snakemake):
    adapt(snakemake.params.source, snakemake.input.base, snakemake.output[0])
