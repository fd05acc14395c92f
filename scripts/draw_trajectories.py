"""Draw the difference from the first step by layer and step."""

from pairprobe.figures.style import save
from pairprobe.figures.trajectories import trajectories_figure
from pairprobe.provenance.jobs import job

with job(snakemake):
    read, params = snakemake.input, snakemake.params
    figure = trajectories_figure(
        read.table, read.scores or None, params.measures, params.names, params.value, params.labels
    )
    save(figure, snakemake.output)
