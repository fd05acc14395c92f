"""Collect the gold of the questions that are asked."""

from pairprobe.evaluation.predictions import gold_rows
from pairprobe.io.files import write_json_lines
from pairprobe.provenance.jobs import job

with job(snakemake):
    rows = gold_rows(snakemake.input[0], snakemake.params.at_most, snakemake.params.seed)
    write_json_lines(snakemake.output[0], rows)
