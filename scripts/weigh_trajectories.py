"""Compare each step of a training with the first."""

from pairprobe.evidence.trajectories import Series, weigh
from pairprobe.finetuning import step_list
from pairprobe.probing_sets.pairs import titles_by_task
from pairprobe.provenance.jobs import job

with job(snakemake):
    read, params = snakemake.input, snakemake.params
    weigh(
        Series.of(params.trajectories, map(step_list.read, read.kept), params.recipes, params.seeds),
        [(*names, path) for names, path in zip(params.rankings, read.rankings, strict=True)],
        titles_by_task(params.tasks, read.sets, read.examples),
        params.confidence,
        snakemake.output[0],
    )
