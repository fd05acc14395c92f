"""Draw precision and recall of long and short answers at every threshold."""

from pairprobe.figures.precision_recall import precision_recall_figure
from pairprobe.figures.style import Appearance, save
from pairprobe.provenance.jobs import job

with job(snakemake):
    params = snakemake.params
    appearance = Appearance(**params.appearance)
    paths = zip(snakemake.input.curves, snakemake.input.scores, strict=True)
    files = dict(zip(params.checkpoints, paths, strict=True))
    save(precision_recall_figure(appearance.grouped(params.compared, files), appearance), snakemake.output)
