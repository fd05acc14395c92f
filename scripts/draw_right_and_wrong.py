"""Draw pairs of questions that are answered right beside those of questions that are answered wrong."""

from pairprobe.figures.grid import Panel
from pairprobe.figures.right_and_wrong import right_and_wrong_figure
from pairprobe.figures.style import save
from pairprobe.provenance.jobs import job

with job(snakemake):
    columns = [tuple(Panel(**panel) for panel in column) for column in snakemake.params.columns]
    save(right_and_wrong_figure(snakemake.input[0], columns, snakemake.params.level), snakemake.output)
