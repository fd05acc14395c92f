"""Lay the verdicts out for reading."""

from pairprobe.claim_tables import claims_markdown
from pairprobe.files import write_text
from pairprobe.jobs import job

with job(snakemake):
    write_text(snakemake.output[0], claims_markdown(snakemake.input[0], snakemake.params.labels))
