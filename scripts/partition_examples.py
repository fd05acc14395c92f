"""Put the partitions of all files together, and count what is in them and what was left out."""

from pathlib import Path

from pairprobe.data.partitions import COUNT_FIELDS, Part, collect_partitions
from pairprobe.io.tsv import write_tsv
from pairprobe.provenance.jobs import job

with job(snakemake):
    pages = snakemake.params.pages
    parts = [Part.of(Path(index).parent, pages) for index in snakemake.input.index]
    collected = Part.of(Path(snakemake.output.table).parents[1], pages)
    write_tsv(snakemake.output.table, COUNT_FIELDS, collect_partitions(parts, collected))
