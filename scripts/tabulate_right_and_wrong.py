"""Lay what was found of right and wrong answers out for reading."""

from pairprobe.io.files import write_text
from pairprobe.provenance.jobs import job
from pairprobe.tables.right_and_wrong import right_and_wrong_table

with job(snakemake):
    params = snakemake.params
    text = right_and_wrong_table(snakemake.input[0], params.labels, params.confidence, params.seeds, params.recipes)
    write_text(snakemake.output[0], text)
