"""Put percentages, pairs, ranks and word scores into one page."""

from pairprobe.explorer.building import Checkpoint, Settings, build
from pairprobe.provenance.jobs import job

with job(snakemake):
    read, params = snakemake.input, snakemake.params
    names, tasks = params.checkpoints, params.tasks

    def by_checkpoint(paths):
        """Return each checkpoint's paths, of paths that name one checkpoint after the other."""
        return [list(paths[i :: len(names)]) for i in range(len(names))]

    parts = zip(names, *map(by_checkpoint, (read.rankings, read.paragraph, read.sentence)), strict=True)
    checkpoints = [
        Checkpoint(name, dict(zip(tasks, rankings, strict=True)), paragraph, sentence)
        for name, rankings, paragraph, sentence in parts
    ]
    sets = dict(zip(tasks, read.sets, strict=True))
    settings = Settings(**params.settings)
    build(snakemake.output[0], read.percentages, read.examples, sets, checkpoints, settings, read.claims, read.intervals)
