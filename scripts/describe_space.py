"""Find the mean and the dominant directions of each layer's word vectors."""

from pairprobe import spaces
from pairprobe.jobs import job
from pairprobe.store import Activations

with job(snakemake), Activations(snakemake.input) as activations:
    spaces.write(snakemake.output[0], spaces.space_of(activations, snakemake.params.directions))
