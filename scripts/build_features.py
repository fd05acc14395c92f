"""Cut the pages into windows for a checkpoint's tokenizer."""

from pairprobe.checkpoints.loading import load_tokenizer
from pairprobe.finetuning.features import build
from pairprobe.provenance.jobs import job

with job(snakemake):
    build(
        snakemake.input.documents,
        load_tokenizer(snakemake.input.checkpoint),
        snakemake.output[0],
        (int(snakemake.wildcards.part) - 1, int(snakemake.wildcards.parts)),
        snakemake.params.max_length,
        snakemake.params.stride,
        snakemake.params.unanswered,
        snakemake.params.seed,
        name=f"checkpoint {snakemake.input.checkpoint}",
    )
