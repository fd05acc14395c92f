"""Lay the controls out for reading, under each ranking its own."""

from pairprobe.io.files import write_text
from pairprobe.provenance.jobs import job
from pairprobe.tables.by_layer import controls_by_layer

with job(snakemake):
    params = snakemake.params
    write_text(snakemake.output[0], controls_by_layer(snakemake.input[0], params.labels, params.seeds, params.recipes))
