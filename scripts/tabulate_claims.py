"""Lay the verdicts out for reading, in Markdown and LaTeX."""

from pairprobe.claim_tables import claims_latex, claims_markdown
from pairprobe.files import write_text
from pairprobe.jobs import job

with job(snakemake):
    write_text(snakemake.output[0], claims_markdown(snakemake.input[0], snakemake.params.labels))
    write_text(snakemake.output[1], claims_latex(snakemake.input[0], snakemake.params.labels))
