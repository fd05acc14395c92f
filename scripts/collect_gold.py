"""Collect the gold of the questions that are asked."""

from pairprobe.files import write_json_lines
from pairprobe.predictions import gold_rows
from pairprobe.progress import job

with job(snakemake.log[0]):
    rows = gold_rows(snakemake.input[0], snakemake.params.at_most, snakemake.params.seed)
    write_json_lines(snakemake.output[0], rows)
