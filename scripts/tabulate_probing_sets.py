"""Put the counts of all probing sets and of the partitions into one table for reading."""

from pairprobe.io.files import write_text
from pairprobe.io.tsv import read_tsv, write_tsv
from pairprobe.provenance.jobs import job
from pairprobe.tables.layout import markdown

with job(snakemake):
    rows = [tuple(row.values()) for path in [snakemake.input.examples, *snakemake.input.counts] for row in read_tsv(path)]
    fields = ("set", "what", "number")
    write_tsv(snakemake.output.tsv, fields, rows)
    write_text(snakemake.output.md, markdown(fields, rows, numbers=["number"]))
