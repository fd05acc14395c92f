"""Draw CKA between all pairs of layers as matrices."""

from pairprobe.figures.layer_cka import layer_cka_figure
from pairprobe.figures.style import Appearance, save
from pairprobe.provenance.jobs import job

with job(snakemake):
    appearance = Appearance(**snakemake.params.appearance)
    save(layer_cka_figure(snakemake.input[0], snakemake.params.compared, appearance), snakemake.output)
