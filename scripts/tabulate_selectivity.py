"""Put the percentages with real labels and with the control's side by side."""

from pairprobe.controls.selectivity import SELECTIVITY_FIELDS, selectivity
from pairprobe.io.tsv import write_tsv
from pairprobe.provenance.jobs import job

with job(snakemake):
    rankings = zip(snakemake.params.checkpoints, snakemake.input.rankings, snakemake.input.controls, strict=True)
    write_tsv(snakemake.output[0], SELECTIVITY_FIELDS, selectivity(rankings))
