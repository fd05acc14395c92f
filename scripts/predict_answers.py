"""Let a checkpoint answer one shard of the questions from their whole pages."""

from pairprobe.evaluation.answering import Settings, predict
from pairprobe.evaluation.predictions import asked
from pairprobe.provenance.jobs import job

with job(snakemake):
    part, parts = int(snakemake.wildcards.part), int(snakemake.wildcards.parts)
    predict(
        snakemake.input.checkpoint,
        snakemake.input.get("heads"),
        snakemake.input.documents,
        asked(snakemake.input.gold, part - 1, parts),
        snakemake.output[0],
        Settings(**snakemake.params.settings, threads=snakemake.threads),
        code=snakemake.params.code,
    )
