"""Draw the loss of each training by its steps."""

from pairprobe.evaluation_figures import draw_training
from pairprobe.jobs import job

with job(snakemake):
    histories = dict(zip(snakemake.params.checkpoints, snakemake.input, strict=True))
    draw_training(histories, outputs=snakemake.output, **snakemake.params.appearance)
