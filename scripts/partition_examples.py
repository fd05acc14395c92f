"""Read questions and pages, and deal them to the three partitions by page title."""

from pairprobe.examples import PARTITIONS, write_partitions
from pairprobe.natural_questions import read_simplified
from pairprobe.progress import job, track
from pairprobe.tables import write_tsv

with job(snakemake.log[0]):
    rows = write_partitions(
        track(read_simplified(snakemake.input), None, "reading", "questions"),
        snakemake.params.seed,
        snakemake.params.shares,
        dict(zip(PARTITIONS, snakemake.output.examples, strict=True)),
        dict(zip(PARTITIONS, snakemake.output.documents, strict=True)),
    )
    write_tsv(snakemake.output.table, ("partition", "what", "number"), rows)
