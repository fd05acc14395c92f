"""Download one file of a published data set and verify it."""

from pairprobe.io.downloads import from_hub
from pairprobe.provenance.jobs import job

with job(snakemake):
    origin = snakemake.params.origin
    from_hub(origin["repository"], snakemake.wildcards.remote, origin["revision"], snakemake.output[0], kind="dataset")
