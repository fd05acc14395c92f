"""Cut the pages into windows for a checkpoint's tokenizer."""

from pairprobe.checkpoints.loading import load_tokenizer
from pairprobe.finetuning.features import Settings, build
from pairprobe.provenance.jobs import job

with job(snakemake):
    params = snakemake.params
    build(
        snakemake.input.documents,
        load_tokenizer(snakemake.input.checkpoint),
        snakemake.output[0],
        (int(snakemake.wildcards.part) - 1, int(snakemake.wildcards.parts)),
        Settings(params.max_length, params.stride, params.unanswered, params.seed),
        name=f"checkpoint {snakemake.input.checkpoint}",
    )
