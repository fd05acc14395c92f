"""Compute how far the weights of each layer moved from one checkpoint to another."""

from pairprobe.controls.weight_distance import distances
from pairprobe.controls.weight_table import DISTANCE_FIELDS
from pairprobe.io.tsv import write_tsv
from pairprobe.provenance.jobs import job

with job(snakemake):
    names = (snakemake.wildcards.before, snakemake.wildcards.after)
    found, not_compared = distances(snakemake.input.before, snakemake.input.after)
    rows = [
        (*names, layer, parameters, f"{relative:.9g}", f"{spectral:.9g}", "")
        for layer, parameters, relative, spectral in found
    ]
    write_tsv(snakemake.output[0], DISTANCE_FIELDS, rows or [(*names, "", "", "", "", not_compared)])
