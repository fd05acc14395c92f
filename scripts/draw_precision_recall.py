"""Draw precision and recall of long and short answers at every threshold."""

from pairprobe.figures.precision_recall import draw_precision_recall
from pairprobe.provenance.jobs import job

with job(snakemake):
    names = snakemake.params.checkpoints
    curves = dict(zip(names, snakemake.input.curves, strict=True))
    scores = dict(zip(names, snakemake.input.scores, strict=True))
    draw_precision_recall(curves, scores, outputs=snakemake.output, **snakemake.params.appearance)
