"""Sum the rankings up to the pairwise ranking percentages."""

from pairprobe.io.tsv import write_tsv
from pairprobe.provenance.jobs import job
from pairprobe.rankings.percentages import PERCENTAGE_FIELDS, percentages

with job(snakemake, kind="percentages"):
    named = [(*names, path) for names, path in zip(snakemake.params.rankings, snakemake.input, strict=True)]
    write_tsv(snakemake.output[0], PERCENTAGE_FIELDS, percentages(named))
