"""Read one file's questions and pages, and assign them to the three partitions by page title."""

from pathlib import Path

from pairprobe.data.partitions import COUNT_FIELDS, Part, write_partitions
from pairprobe.data.readers import read
from pairprobe.io.progress import track
from pairprobe.io.tsv import write_tsv
from pairprobe.provenance.jobs import job

with job(snakemake):
    part = Part.of(Path(snakemake.output.index).parent, snakemake.params.pages)
    rows = write_partitions(
        track(read(snakemake.params.source, snakemake.input[0]), None, "reading", "questions"),
        part,
        snakemake.params.seed,
        snakemake.params.shares,
        snakemake.params.sample,
        snakemake.params.on_bad_input,
    )
    write_tsv(part.counts, COUNT_FIELDS, rows)
