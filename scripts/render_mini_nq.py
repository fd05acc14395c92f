"""Render the bundled pages to the simplified format of Natural Questions."""

from pairprobe.files import write_json_lines
from pairprobe.jobs import job
from pairprobe.mini_nq import render

with job(snakemake):
    write_json_lines(snakemake.output[0], render(snakemake.input))
