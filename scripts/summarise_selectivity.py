"""Put the percentages of the real task and of the control task side by side."""

from pairprobe.controls.control_task import SELECTIVITY_FIELDS, selectivity
from pairprobe.io.tsv import write_tsv
from pairprobe.provenance.jobs import job

with job(snakemake):
    rankings = zip(snakemake.params.checkpoints, snakemake.input.rankings, snakemake.input.controls, strict=True)
    write_tsv(snakemake.output[0], SELECTIVITY_FIELDS, selectivity(rankings))
