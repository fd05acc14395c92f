"""Put the scores on Natural Questions of all checkpoints into one table, beside the paper's."""

from pairprobe.io.files import write_text
from pairprobe.io.tsv import read_tsv, write_tsv
from pairprobe.provenance.jobs import job
from pairprobe.tables.nq_scores import paper_table

with job(snakemake):
    rows = [row for path in snakemake.input for row in read_tsv(path)]
    write_tsv(snakemake.output.tsv, tuple(rows[0]), [tuple(row.values()) for row in rows])
    write_text(snakemake.output.md, paper_table(rows, snakemake.params.labels))
