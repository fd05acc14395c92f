"""Put CKA between all pairs of layers of all checkpoints into one table, with the recipes' means and intervals."""

from pairprobe.controls.layer_cka import LAYER_CKA_FIELDS, LayerCka, summarise
from pairprobe.io.tsv import write_tsv
from pairprobe.provenance.jobs import job

with job(snakemake):
    params = snakemake.params
    found = {tuple(pair): LayerCka.read(path) for pair, path in zip(params.pairs, snakemake.input, strict=True)}
    write_tsv(snakemake.output[0], LAYER_CKA_FIELDS, summarise(found, params.recipes, params.confidence))
