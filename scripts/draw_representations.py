"""Draw how alike checkpoints represent the same words, by layer."""

from pairprobe.figures.cka_rsa import representations_figure
from pairprobe.figures.style import Appearance, save
from pairprobe.provenance.jobs import job

with job(snakemake):
    appearance = Appearance(**snakemake.params.appearance)
    save(representations_figure(snakemake.input[0], snakemake.params.compared, appearance), snakemake.output)
