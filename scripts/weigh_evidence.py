"""Weigh what the rankings prove: intervals, differences, verdicts."""

from pairprobe.data.examples import read_examples
from pairprobe.evidence.weighing import Pages, Settings, weigh
from pairprobe.provenance.jobs import job

with job(snakemake):
    weigh(
        [(*names, path) for names, path in zip(snakemake.params.rankings, snakemake.input.rankings, strict=True)],
        Pages(
            {example.example_id: example.title for example in read_examples(snakemake.input.examples)},
            snakemake.params.recipes,
        ),
        Settings(**snakemake.params.settings),
        dict(snakemake.output.items()),
    )
