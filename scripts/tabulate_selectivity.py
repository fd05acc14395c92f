"""Put the percentages with real labels and with the control's side by side."""

from pairprobe.jobs import job
from pairprobe.selectivity import SELECTIVITY_FIELDS, selectivity
from pairprobe.tables import write_tsv

with job(snakemake):
    rankings = zip(snakemake.params.checkpoints, snakemake.input.rankings, snakemake.input.controls, strict=True)
    write_tsv(snakemake.output[0], SELECTIVITY_FIELDS, selectivity(rankings))
