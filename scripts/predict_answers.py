"""Let a checkpoint answer one shard of the questions from their whole pages."""

from pairprobe.evaluation.answering import Request, Settings, predict
from pairprobe.evaluation.predictions import asked
from pairprobe.provenance.jobs import job

with job(snakemake):
    part, parts = int(snakemake.wildcards.part), int(snakemake.wildcards.parts)
    request = Request(
        snakemake.input.documents,
        asked(snakemake.input.gold, part - 1, parts),
        snakemake.output[0],
        Settings(**snakemake.params.settings, threads=snakemake.threads),
        snakemake.params.code,
    )
    predict(snakemake.input.checkpoint, snakemake.input.get("heads"), request)
