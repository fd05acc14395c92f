"""Let each layer of a checkpoint answer one shard of the questions from their whole pages."""

from pairprobe.evaluation.answering import Request, Settings
from pairprobe.evaluation.predictions import asked
from pairprobe.interventions.early_exit import answer
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
    answer(snakemake.input.checkpoint, snakemake.input.heads, request)
