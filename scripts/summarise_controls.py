"""Put the percentages of all controls beside those of the measurement itself."""

from pairprobe.controls import FIELDS, summarise
from pairprobe.jobs import job
from pairprobe.tables import write_tsv

with job(snakemake):
    named = [(*names, path) for names, path in zip(snakemake.params.rankings, snakemake.input, strict=True)]
    write_tsv(snakemake.output[0], FIELDS, summarise(named))
