"""Run one shard of the examples through a checkpoint and keep only how similar the words of pairs are, or the logits."""

from pairprobe.activations.extraction import extract
from pairprobe.probing_sets.pairs import read_probing_set
from pairprobe.provenance.jobs import job
from pairprobe.rankings.boundary_logits import keep

with job(snakemake, kind="similarities"):
    shard = int(snakemake.wildcards.part) - 1, int(snakemake.wildcards.parts)
    sets = dict(zip(snakemake.params.tasks, map(read_probing_set, snakemake.input.sets), strict=True))
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
