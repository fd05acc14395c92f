"""Sum the rankings up to the pairwise ranking percentages."""

from pairprobe.jobs import job
from pairprobe.ranking import PERCENTAGE_FIELDS, percentages
from pairprobe.tables import write_tsv

with job(snakemake):
    named = [(*names, path) for names, path in zip(snakemake.params.rankings, snakemake.input, strict=True)]
    write_tsv(snakemake.output[0], PERCENTAGE_FIELDS, percentages(named))
