"""Draw how well a checkpoint answers with layers of another one."""

from pairprobe.figures.functional import functional_figure
from pairprobe.figures.style import Appearance, save
from pairprobe.provenance.jobs import job

with job(snakemake):
    params = snakemake.params
    look = Appearance(**params.appearance)
    save(functional_figure(snakemake.input[0], params.compared, look, params.confidence), snakemake.output)
