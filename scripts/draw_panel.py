"""Draw one task and measure."""

from pairprobe.figures import Panel, draw_panel
from pairprobe.jobs import job

with job(snakemake):
    draw_panel(snakemake.input[0], Panel(**snakemake.params.panel), snakemake.output)
