"""Lay the verdicts on control trainings out for reading."""

from pairprobe.io.files import write_text
from pairprobe.provenance.jobs import job
from pairprobe.tables.control_trainings import control_trainings_table

with job(snakemake):
    params = snakemake.params
    text = control_trainings_table(snakemake.input[0], params.labels, params.evidence, params.seeds, params.recipes)
    write_text(snakemake.output[0], text)
