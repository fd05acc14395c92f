"""Lay out for reading what is lost by interventions."""

from pairprobe.io.files import write_text
from pairprobe.provenance.jobs import job
from pairprobe.tables.functional import functional_table

with job(snakemake):
    params = snakemake.params
    text = functional_table(snakemake.input[0], params.labels, params.evidence, params.seeds, params.recipes)
    write_text(snakemake.output[0], text)
