"""Download one file of a published data set and verify it."""

from pairprobe.jobs import job
from pairprobe.sources import fetch

with job(snakemake):
    fetch(snakemake.params.origin, snakemake.wildcards.remote, snakemake.output[0])
