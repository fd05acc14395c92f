"""Lay the verdicts out for reading."""

from pairprobe.io.files import write_text
from pairprobe.provenance.jobs import job
from pairprobe.tables.claims import claims_markdown

with job(snakemake):
    write_text(
        snakemake.output[0],
        claims_markdown(snakemake.input[0], snakemake.params.labels, snakemake.params.evidence, snakemake.params.seeds),
    )
