"""Find the mean and the dominant directions of each layer's word vectors."""

from pairprobe.activations.store import Activations
from pairprobe.controls import anisotropy
from pairprobe.provenance.jobs import job

with job(snakemake), Activations(snakemake.input) as activations:
    anisotropy.write(snakemake.output[0], anisotropy.layer_statistics(activations, snakemake.params.directions))
