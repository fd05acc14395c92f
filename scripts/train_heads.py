"""Give a checkpoint that was not trained here heads to answer with."""

from pairprobe.finetuning.training import train_heads
from pairprobe.provenance.jobs import job

with job(snakemake):
    train_heads(
        snakemake.input.checkpoint,
        list(snakemake.input.features),
        snakemake.output.heads,
        snakemake.output.history,
        snakemake.params.work,
        snakemake.params.settings,
        snakemake.params.seed,
        processes=max(1, snakemake.resources.gpu),
        code=snakemake.params.code,
        cores=snakemake.threads,
    )
