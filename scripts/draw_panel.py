"""Draw one task and measure."""

from pairprobe.figures import Panel, draw_panel
from pairprobe.progress import job

with job(snakemake.log[0]):
    draw_panel(snakemake.input[0], Panel(**snakemake.params.panel), snakemake.output)
