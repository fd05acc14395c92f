"""Download one file of a published data set and verify it."""

from pairprobe.progress import job
from pairprobe.sources import fetch

with job(snakemake.log[0]):
    fetch(snakemake.params.origin, snakemake.wildcards.remote, snakemake.output[0])
