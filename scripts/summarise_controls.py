"""Put the percentages of all controls beside those of the measurement itself."""

from pairprobe.controls.variants import FIELDS, summarise
from pairprobe.io.tsv import write_tsv
from pairprobe.provenance.jobs import job

with job(snakemake):
    named = [(*names, path) for names, path in zip(snakemake.params.rankings, snakemake.input, strict=True)]
    write_tsv(snakemake.output[0], FIELDS, summarise(named))
