"""Draw the difference of each checkpoint to the first."""

from pairprobe.figures.differences import differences_figure
from pairprobe.figures.grid import Panel
from pairprobe.figures.style import save
from pairprobe.provenance.jobs import job

with job(snakemake):
    columns = [tuple(Panel(**panel) for panel in column) for column in snakemake.params.columns]
    save(differences_figure(snakemake.input[0], columns, snakemake.params.margin, snakemake.params.level), snakemake.output)
