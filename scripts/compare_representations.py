"""Compare how two checkpoints represent the same words, layer by layer."""

from pairprobe.activations.store import Activations
from pairprobe.controls.cka_rsa import REPRESENTATION_FIELDS, Resampling, compare
from pairprobe.data.examples import read_examples
from pairprobe.io.tsv import write_tsv
from pairprobe.provenance.jobs import job

with (
    job(snakemake),
    Activations(snakemake.input.before) as before,
    Activations(snakemake.input.after) as after,
):
    params = snakemake.params
    resampling = Resampling(params.seed, params.resamples, params.confidence)
    rows = compare(read_examples(snakemake.input.examples), before, after, resampling)
    names = (snakemake.wildcards.before, snakemake.wildcards.after)
    write_tsv(snakemake.output[0], REPRESENTATION_FIELDS, [(*names, *row) for row in rows])
