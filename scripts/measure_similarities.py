"""Run one shard of the examples through a checkpoint and keep only how similar the words of pairs are, or the logits."""

from pairprobe.activations import extract
from pairprobe.jobs import job
from pairprobe.kept_logits import keep
from pairprobe.probing_sets import read

with job(snakemake):
    shard = int(snakemake.wildcards.part) - 1, int(snakemake.wildcards.parts)
    sets = dict(zip(snakemake.params.tasks, map(read, snakemake.input.sets), strict=True))
    extract(
        snakemake.input.checkpoint,
        snakemake.input.examples,
        snakemake.wildcards.view,
        snakemake.output[0],
        shard=shard,
        batch_size=snakemake.params.batch_size,
        precision=snakemake.params.precision,
        max_length=snakemake.params.max_length,
        threads=snakemake.threads,
        code=snakemake.params.code,
        keep=keep(sets, snakemake.params.storage, snakemake.input.get("heads"), shard),
    )
