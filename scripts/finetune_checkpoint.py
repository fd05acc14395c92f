"""Fine-tune a checkpoint on question answering."""

from pairprobe.finetuning import finetune
from pairprobe.progress import job

with job(snakemake.log[0]):
    finetune(
        snakemake.input.start,
        snakemake.input.documents,
        snakemake.output[0],
        snakemake.params.work,
        snakemake.params.settings,
        snakemake.params.seed,
    )
