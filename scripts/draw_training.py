"""Draw the loss of each training by its steps."""

from pairprobe.evaluation_figures import draw_training
from pairprobe.progress import job

with job(snakemake.log[0]):
    histories = dict(zip(snakemake.params.checkpoints, snakemake.input, strict=True))
    draw_training(histories, outputs=snakemake.output, **snakemake.params.appearance)
