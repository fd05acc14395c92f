"""Typeset a table for reading in LaTeX."""

from pathlib import Path

from pairprobe.io.files import write_text
from pairprobe.provenance.jobs import job
from pairprobe.tables.layout import latex

with job(snakemake):
    write_text(snakemake.output[0], latex(Path(snakemake.input[0]).read_text(encoding="utf-8"), snakemake.wildcards.table))
