"""Collect the gold of the questions that are asked."""

from pairprobe.files import write_json_lines
from pairprobe.jobs import job
from pairprobe.predictions import gold_rows

with job(snakemake):
    rows = gold_rows(snakemake.input[0], snakemake.params.at_most, snakemake.params.seed)
    write_json_lines(snakemake.output[0], rows)
