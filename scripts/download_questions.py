"""Download one file of a published data set and verify it."""

from pairprobe.data.sources import fetch
from pairprobe.provenance.jobs import job

with job(snakemake):
    fetch(snakemake.params.origin, snakemake.wildcards.remote, snakemake.output[0])
