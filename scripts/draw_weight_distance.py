"""Draw how far the weights of each layer moved."""

from pairprobe.figures.style import Appearance, save
from pairprobe.figures.weight_distance import weight_distance_figure
from pairprobe.provenance.jobs import job

with job(snakemake):
    appearance = Appearance(**snakemake.params.appearance)
    save(weight_distance_figure(snakemake.input[0], snakemake.params.compared, appearance), snakemake.output)
