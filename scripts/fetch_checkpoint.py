"""Copy or download a checkpoint and verify it."""

from pairprobe.checkpoints.fetching import fetch
from pairprobe.provenance.jobs import job

with job(snakemake):
    fetch(snakemake.params.source, snakemake.output[0])
