"""Weigh what training to answer questions does against control trainings."""

from pairprobe.evidence.control_trainings import Compared, weigh
from pairprobe.evidence.weighing import Pages, Settings
from pairprobe.probing_sets.pairs import titles_by_task
from pairprobe.provenance.jobs import job

with job(snakemake):
    read, params = snakemake.input, snakemake.params
    weigh(
        [(*names, path) for names, path in zip(params.rankings, read.rankings, strict=True)],
        Pages(titles_by_task(params.tasks, read.sets, read.examples), params.recipes),
        [Compared(*names) for names in params.compared],
        Settings(**params.settings),
        snakemake.output[0],
    )
