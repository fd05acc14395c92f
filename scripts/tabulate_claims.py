"""Lay the verdicts out for reading."""

from pairprobe.io.files import write_text
from pairprobe.provenance.jobs import job
from pairprobe.tables.claims import claims_markdown

with job(snakemake):
    params = snakemake.params
    claims, intervals, activations = snakemake.input
    text = claims_markdown(claims, params.labels, params.evidence, params.seeds, intervals, params.recipes, activations)
    write_text(snakemake.output[0], text)
