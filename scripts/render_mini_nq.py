"""Render the bundled pages to the simplified format of Natural Questions."""

from pairprobe.files import write_json_lines
from pairprobe.mini_nq import render
from pairprobe.progress import job

with job(snakemake.log[0]):
    write_json_lines(snakemake.output[0], render(snakemake.input))
