"""Lay the percentages out for reading, a line for each task, measure and checkpoint."""

from pairprobe.io.files import write_text
from pairprobe.provenance.jobs import job
from pairprobe.tables.by_layer import percentages_by_layer

with job(snakemake):
    write_text(
        snakemake.output[0], percentages_by_layer(snakemake.input[0], snakemake.params.value, snakemake.params.labels)
    )
