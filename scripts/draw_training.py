"""Draw the loss of each training by its steps."""

from pairprobe.figures.style import Appearance, save
from pairprobe.figures.training_loss import training_figure
from pairprobe.provenance.jobs import job

with job(snakemake):
    histories = dict(zip(snakemake.params.checkpoints, snakemake.input, strict=True))
    save(training_figure(histories, Appearance(**snakemake.params.appearance)), snakemake.output)
