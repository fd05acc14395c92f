"""Copy or download a checkpoint and verify it."""

from pairprobe.checkpoints import fetch
from pairprobe.jobs import job

with job(snakemake):
    fetch(snakemake.params.source, snakemake.output[0])
