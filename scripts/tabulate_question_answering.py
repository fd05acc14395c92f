"""Put exact match and F1 of all checkpoints into one table."""

from pairprobe.io.files import write_text
from pairprobe.io.tsv import read_tsv, write_tsv
from pairprobe.provenance.jobs import job
from pairprobe.tables.layout import label_of, markdown, paragraph, seeds_told

with job(snakemake):
    rows = [row for path in snakemake.input for row in read_tsv(path)]
    fields = tuple(rows[0])
    write_tsv(snakemake.output.tsv, fields, [tuple(row.values()) for row in rows])
    named = [(label_of(row["checkpoint"], snakemake.params.labels), *list(row.values())[1:]) for row in rows]
    caption = "Exact match and F1 in percent, over the questions (examples) of the partition probe, which trained nothing. "
    caption += (
        "Head: what answers, heads trained with the encoder, or while it is frozen, or a checkpoint's own; heads drawn "
    )
    caption += "at random where there are no pages to train on. "
    caption += seeds_told(snakemake.params.seeds, snakemake.params.labels)
    write_text(snakemake.output.md, f"{paragraph(caption)}\n" + markdown(fields, named, numbers=fields[2:]))
