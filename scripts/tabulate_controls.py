"""Lay the controls out for reading, under each ranking its own."""

from pairprobe.io.files import write_text
from pairprobe.provenance.jobs import job
from pairprobe.tables.controls import by_layer

with job(snakemake):
    write_text(snakemake.output[0], by_layer(snakemake.input[0], snakemake.params.labels))
