"""Run one shard of the examples through a checkpoint and keep each layer's word vectors."""

from pairprobe.activations.extraction import extract
from pairprobe.provenance.jobs import job

with job(snakemake, kind="activations"):
    extract(
        snakemake.input.checkpoint,
        snakemake.input.examples,
        snakemake.wildcards.view,
        snakemake.output[0],
        shard=(int(snakemake.wildcards.part) - 1, int(snakemake.wildcards.parts)),
        batch_size=snakemake.params.batch_size,
        precision=snakemake.params.precision,
        storage=snakemake.params.storage,
        max_length=snakemake.params.max_length,
        threads=snakemake.threads,
        code=snakemake.params.code,
    )
