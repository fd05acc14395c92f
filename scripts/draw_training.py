"""Draw the loss of each training by its steps."""

from pairprobe.figures.training_loss import draw_training
from pairprobe.provenance.jobs import job

with job(snakemake):
    histories = dict(zip(snakemake.params.checkpoints, snakemake.input, strict=True))
    draw_training(histories, outputs=snakemake.output, **snakemake.params.appearance)
