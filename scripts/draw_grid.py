"""Draw the paper's Figure 1."""

from pairprobe.figures import Panel, draw_grid
from pairprobe.jobs import job

with job(snakemake):
    columns = [tuple(Panel(**panel) for panel in column) for column in snakemake.params.columns]
    draw_grid(snakemake.input[0], columns, snakemake.params.title, snakemake.output)
