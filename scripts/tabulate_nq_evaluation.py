"""Put the scores on Natural Questions of all checkpoints into one table, beside the paper's."""

from pairprobe.files import write_text
from pairprobe.jobs import job
from pairprobe.nq_evaluation import paper_table
from pairprobe.tables import read_tsv, write_tsv

with job(snakemake):
    rows = [row for path in snakemake.input for row in read_tsv(path)]
    write_tsv(snakemake.output.tsv, tuple(rows[0]), [tuple(row.values()) for row in rows])
    write_text(snakemake.output.md, paper_table(rows, snakemake.params.labels))
