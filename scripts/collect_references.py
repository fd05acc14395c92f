"""Collect the BibTeX entries of what the run used."""

from pairprobe.io.files import write_text
from pairprobe.provenance.jobs import job
from pairprobe.tables.bibliography import bibtex, used

with job(snakemake):
    keys = used(folders=snakemake.input.checkpoints, **snakemake.params.used)
    write_text(snakemake.output[0], bibtex(snakemake.params.entries, keys))
