"""Compare how two checkpoints represent the same words, each layer of the one with each of the other."""

from pairprobe.activations.store import Activations
from pairprobe.controls.cka_rsa import Resampling
from pairprobe.controls.layer_cka import compare_layers
from pairprobe.data.examples import read_examples
from pairprobe.provenance.jobs import job

with (
    job(snakemake),
    Activations(snakemake.input.before) as before,
    Activations(snakemake.input.after) as after,
):
    params = snakemake.params
    resampling = Resampling(params.seed, params.resamples, params.confidence)
    compare_layers(read_examples(snakemake.input.examples), before, after, resampling).write(snakemake.output[0])
