"""Put how far the weights of all checkpoints moved into one table, with the recipes' intervals over seeds."""

from pairprobe.controls.weight_table import DISTANCE_FIELDS, WEIGHT_FIELDS, summarise
from pairprobe.io.tsv import read_tsv, write_tsv
from pairprobe.provenance.jobs import job

with job(snakemake):
    rows = [row for path in snakemake.input for row in read_tsv(path, DISTANCE_FIELDS)]
    table = summarise(rows, snakemake.params.recipes, snakemake.params.confidence)
    write_tsv(snakemake.output[0], WEIGHT_FIELDS, table)
