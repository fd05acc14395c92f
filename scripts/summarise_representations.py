"""Put the comparisons of all pairs of checkpoints into one table."""

from pairprobe.controls.cka_rsa import REPRESENTATION_FIELDS
from pairprobe.io.tsv import read_tsv, write_tsv
from pairprobe.provenance.jobs import job

with job(snakemake):
    rows = [tuple(row.values()) for path in snakemake.input for row in read_tsv(path, REPRESENTATION_FIELDS)]
    write_tsv(snakemake.output[0], REPRESENTATION_FIELDS, rows)
