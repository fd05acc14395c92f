"""Put the counts of all probing sets and of the partitions into one table for reading."""

from pairprobe.io.files import write_text
from pairprobe.io.tsv import read_tsv, write_tsv
from pairprobe.provenance.jobs import job
from pairprobe.tables.layout import count_told, markdown, paragraph

with job(snakemake):
    rows = [tuple(row.values()) for path in snakemake.input for row in read_tsv(path)]
    fields = ("set", "what", "number")
    write_tsv(snakemake.output.tsv, fields, rows)
    labels = snakemake.params.labels
    named = [(labels.get(name, name), what, count_told(float(number))) for name, what, number in rows]
    caption = (
        "Pages and questions of each partition; for each probing set how many examples were looked at, how many pairs were "
    )
    caption += "found, and why the other examples have none. Pairs of the partition probe and of files alone are measured."
    write_text(snakemake.output.md, f"{paragraph(caption)}\n" + markdown(fields, named, numbers=["number"]))
