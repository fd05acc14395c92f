"""Let a checkpoint answer one shard of the questions with layers of the checkpoint that it was made of."""

from pairprobe.evaluation.answering import Request, Settings
from pairprobe.evaluation.predictions import asked
from pairprobe.interventions.grafting import Pair, answer
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
    answer(
        Pair(snakemake.input.checkpoint, snakemake.input.get("heads"), snakemake.input.before),
        snakemake.params.functional,
        request,
    )
