"""Draw one task and measure."""

from pairprobe.figures.grid import Panel, panel_figure
from pairprobe.figures.style import save
from pairprobe.provenance.jobs import job

with job(snakemake, kind="percentage_figure"):
    panel = Panel(**snakemake.params.panel)
    save(panel_figure(snakemake.input.percentages, panel, snakemake.input.intervals), snakemake.output)
