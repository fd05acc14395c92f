"""Give a checkpoint that was not trained here to answer heads to answer with."""

from pairprobe.finetuning.training import Settings, Training, train_answer_heads
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
        new_heads=snakemake.params.new_heads,
    )
    train_answer_heads(training, snakemake.output.heads, snakemake.output.history)
