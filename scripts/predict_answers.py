"""Let a checkpoint answer one shard of the questions from their whole pages."""

from pairprobe.evaluation.answering import predict
from pairprobe.evaluation.predictions import asked
from pairprobe.provenance.jobs import job

with job(snakemake):
    settings = snakemake.params.settings
    predict(
        snakemake.input.checkpoint,
        snakemake.input.get("heads"),
        snakemake.input.documents,
        snakemake.output[0],
        asked(snakemake.input.gold),
        shard=(int(snakemake.wildcards.part) - 1, int(snakemake.wildcards.parts)),
        max_length=settings["max_length"],
        stride=settings["stride"],
        max_words=settings["max_answer_words"],
        batch_size=settings["batch_size"],
        precision=settings["precision"],
        threads=snakemake.threads,
        code=snakemake.params.code,
    )
