"""Draw how alike checkpoints represent the same words, by layer."""

from pairprobe.figures.cka_rsa import draw_representations
from pairprobe.provenance.jobs import job

with job(snakemake):
    draw_representations(
        snakemake.input[0], snakemake.params.checkpoints, outputs=snakemake.output, **snakemake.params.appearance
    )
