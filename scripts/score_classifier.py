"""Score a classifier on the texts of its table that were held out."""

from pairprobe.evaluation.classification import Settings, score
from pairprobe.provenance.jobs import job

with job(snakemake):
    params = snakemake.params
    settings = Settings(params.max_length, params.batch_size, params.precision, snakemake.threads)
    score(snakemake.input.checkpoint, snakemake.input.table, snakemake.output[0], settings)
