"""Draw one task and measure."""

from pairprobe.figures.grid import Panel, panel_figure
from pairprobe.figures.style import save
from pairprobe.provenance.jobs import job

with job(snakemake, kind="percentage_figure"):
    panel = Panel(**snakemake.params.panel)
    read = snakemake.input
    save(panel_figure(read.percentages, panel, read.intervals, read.baselines or None), snakemake.output)
