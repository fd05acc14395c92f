"""Draw the loss of each training by its steps."""

from pairprobe.figures.style import Appearance, save
from pairprobe.figures.training_loss import training_figure
from pairprobe.provenance.jobs import job

with job(snakemake):
    params = snakemake.params
    appearance = Appearance(**params.appearance)
    histories = dict(zip(params.checkpoints, snakemake.input, strict=True))
    save(training_figure(appearance.grouped(params.compared, histories), appearance), snakemake.output)
