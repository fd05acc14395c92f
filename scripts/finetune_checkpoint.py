"""Train a checkpoint and its heads to answer questions."""

from pairprobe.finetuning.training import finetune
from pairprobe.provenance.jobs import job

with job(snakemake):
    finetune(
        snakemake.input.start,
        list(snakemake.input.features),
        snakemake.output.checkpoint,
        snakemake.output.history,
        snakemake.params.work,
        snakemake.params.settings,
        snakemake.params.seed,
        processes=max(1, snakemake.resources.gpu),
        code=snakemake.params.code,
        cores=snakemake.threads,
    )
