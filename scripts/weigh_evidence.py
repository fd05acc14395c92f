"""Weigh what the rankings prove: intervals, differences, verdicts."""

from pairprobe.evidence.weighing import Pages, Settings, weigh
from pairprobe.probing_sets.pairs import titles_by_task
from pairprobe.provenance.jobs import job

with job(snakemake):
    weigh(
        [(*names, path) for names, path in zip(snakemake.params.rankings, snakemake.input.rankings, strict=True)],
        Pages(
            titles_by_task(snakemake.params.tasks, snakemake.input.sets, snakemake.input.examples),
            snakemake.params.recipes,
        ),
        Settings(**snakemake.params.settings),
        dict(snakemake.output.items()),
    )
