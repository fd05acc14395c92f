"""Train a checkpoint and its heads to answer questions."""

from pairprobe.finetuning.training import Settings, Training, finetune
from pairprobe.provenance.jobs import job

with job(snakemake):
    training = Training(
        snakemake.input.start,
        list(snakemake.input.features),
        Settings(**snakemake.params.settings, seed=snakemake.params.seed),
        snakemake.params.work,
        processes=max(1, snakemake.resources.gpu),
        cores=snakemake.threads,
        code=snakemake.params.code,
    )
    finetune(training, snakemake.output.checkpoint, snakemake.output.history)
