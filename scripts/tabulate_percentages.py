"""Lay the percentages out for reading, a line for each checkpoint, task and measure."""

from pairprobe.io.files import write_text
from pairprobe.provenance.jobs import job
from pairprobe.tables.by_layer import percentages_by_layer

with job(snakemake):
    params = snakemake.params
    table = percentages_by_layer(
        snakemake.input.percentages,
        params.value,
        params.labels,
        params.seeds,
        params.recipes,
        snakemake.input.activations,
    )
    write_text(snakemake.output[0], table)
