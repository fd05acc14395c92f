"""Draw how the difference of two checkpoints depends on the way to measure."""

from pairprobe.figures.controls import controls_figure
from pairprobe.figures.style import save
from pairprobe.provenance.jobs import job

with job(snakemake):
    params = snakemake.params
    save(controls_figure(snakemake.input[0], tuple(params.pair), params.tasks, params.labels), snakemake.output)
