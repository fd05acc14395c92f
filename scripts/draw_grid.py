"""Draw the paper's Figure 1."""

from pairprobe.figures.grid import Panel, draw_grid
from pairprobe.provenance.jobs import job

with job(snakemake, kind="percentage_figure"):
    draw_grid(
        snakemake.input.percentages,
        [tuple(Panel(**panel) for panel in column) for column in snakemake.params.columns],
        snakemake.params.title,
        snakemake.output,
        snakemake.input.intervals,
    )
