"""Draw how alike checkpoints represent the same words, by layer."""

from pairprobe.jobs import job
from pairprobe.representation_figures import draw_representations

with job(snakemake):
    draw_representations(
        snakemake.input[0], snakemake.params.checkpoints, outputs=snakemake.output, **snakemake.params.appearance
    )
