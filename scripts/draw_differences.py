"""Draw the difference of each checkpoint to the first."""

from pairprobe.figures.differences import draw_differences
from pairprobe.figures.grid import Panel
from pairprobe.provenance.jobs import job

with job(snakemake):
    columns = [tuple(Panel(**panel) for panel in column) for column in snakemake.params.columns]
    draw_differences(snakemake.input[0], columns, snakemake.params.margin, snakemake.output)
