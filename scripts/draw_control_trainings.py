"""Draw what each training does, layer by layer."""

from pairprobe.figures.control_trainings import control_trainings_figure
from pairprobe.figures.grid import Panel
from pairprobe.figures.style import save
from pairprobe.provenance.jobs import job

with job(snakemake):
    columns = [tuple(Panel(**panel) for panel in column) for column in snakemake.params.columns]
    save(control_trainings_figure(snakemake.input[0], columns, snakemake.params.level), snakemake.output)
