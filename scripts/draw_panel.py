"""Draw one task and measure."""

from pairprobe.figures.grid import Panel, draw_panel
from pairprobe.provenance.jobs import job

with job(snakemake, kind="percentage_figure"):
    panel = Panel(**snakemake.params.panel)
    draw_panel(snakemake.input.percentages, panel, snakemake.output, snakemake.input.intervals)
