"""Copy or download a checkpoint and verify it."""

from pairprobe.checkpoints import fetch
from pairprobe.progress import job

with job(snakemake.log[0]):
    fetch(snakemake.params.source, snakemake.output[0])
