"""Train heads on each layer of a checkpoint's frozen encoder."""

from pairprobe.finetuning.training import Settings, Training, train_early_exits
from pairprobe.provenance.jobs import job

with job(snakemake):
    training = Training(
        snakemake.input.checkpoint,
        list(snakemake.input.features),
        Settings(**snakemake.params.settings, seed=snakemake.params.seed),
        snakemake.params.work,
        processes=max(1, snakemake.resources.gpu),
        cores=snakemake.threads,
        code=snakemake.params.code,
    )
    train_early_exits(training, snakemake.output.heads, snakemake.output.history)
