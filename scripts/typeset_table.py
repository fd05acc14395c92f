"""Typeset a table for reading in LaTeX and in HTML."""

from pathlib import Path

from pairprobe.io.files import write_text
from pairprobe.provenance.jobs import job
from pairprobe.tables.latex import latex
from pairprobe.tables.layout import page

with job(snakemake):
    table, text = snakemake.wildcards.table, Path(snakemake.input[0]).read_text(encoding="utf-8")
    write_text(snakemake.output.tex, latex(text, table))
    write_text(snakemake.output.html, page(text, table.replace("_", " ")))
