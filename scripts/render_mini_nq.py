"""Render the bundled pages to the simplified format of Natural Questions."""

from pathlib import Path

from pairprobe.data.bundled_pages import render
from pairprobe.io.files import write_json_lines
from pairprobe.provenance.jobs import job

with job(snakemake):
    write_json_lines(snakemake.output[0], render(Path(snakemake.params.pages).glob("*.yaml")))
