"""Lay the controls out for reading, under each ranking its own."""

from pairprobe.control_tables import by_layer
from pairprobe.files import write_text
from pairprobe.jobs import job

with job(snakemake):
    write_text(snakemake.output[0], by_layer(snakemake.input[0], snakemake.params.labels))
