"""Train a checkpoint with its heads, to answer questions or otherwise."""

import msgspec

from pairprobe.finetuning.training import Settings, Training, finetune
from pairprobe.provenance.jobs import job

with job(snakemake):
    training = Training(
        snakemake.input.start,
        list(snakemake.input.get("features", [])),
        msgspec.convert({**snakemake.params.settings, "seed": snakemake.params.seed}, Settings),
        snakemake.params.work,
        processes=max(1, snakemake.resources.gpu),
        cores=snakemake.threads,
        code=snakemake.params.code,
        table=snakemake.input.get("table"),
        keep_steps=snakemake.params.keep_steps or (),
    )
    finetune(training, snakemake.output.checkpoint, snakemake.output.history, *snakemake.output.kept)
