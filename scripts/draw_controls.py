"""Draw how the difference of two checkpoints moves over all ways to measure."""

from pairprobe.figures.controls import draw_variants
from pairprobe.provenance.jobs import job

with job(snakemake):
    draw_variants(
        snakemake.input[0],
        tuple(snakemake.params.pair),
        snakemake.params.tasks,
        snakemake.params.labels,
        snakemake.output,
    )
