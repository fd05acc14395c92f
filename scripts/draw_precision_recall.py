"""Draw precision and recall of long and short answers at every threshold."""

from pairprobe.figures.precision_recall import precision_recall_figure
from pairprobe.figures.style import Appearance, save
from pairprobe.provenance.jobs import job

with job(snakemake):
    names = snakemake.params.checkpoints
    curves = dict(zip(names, snakemake.input.curves, strict=True))
    scores = dict(zip(names, snakemake.input.scores, strict=True))
    save(precision_recall_figure(curves, scores, Appearance(**snakemake.params.appearance)), snakemake.output)
