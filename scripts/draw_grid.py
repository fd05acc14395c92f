"""Draw the paper's Figure 1."""

from pairprobe.figures.grid import Panel, grid_figure
from pairprobe.figures.style import save
from pairprobe.provenance.jobs import job

with job(snakemake, kind="percentage_figure"):
    columns = [tuple(Panel(**panel) for panel in column) for column in snakemake.params.columns]
    read = snakemake.input
    figure = grid_figure(read.percentages, columns, snakemake.params.title, read.intervals, read.baselines or None)
    save(figure, snakemake.output)
