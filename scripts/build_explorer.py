"""Put percentages, pairs, ranks and the shades of words into one page."""

from pairprobe.explorer.building import Checkpoint, Settings, build
from pairprobe.provenance.jobs import job

with job(snakemake):
    read, params = snakemake.input, snakemake.params
    names, tasks = params.checkpoints, params.tasks

    def of(paths):
        """Deal paths that name one checkpoint after the other to these."""
        return [list(paths[i :: len(names)]) for i in range(len(names))]

    parts = zip(names, of(read.rankings), of(read.paragraph), of(read.sentence), of(read.heads), strict=True)
    checkpoints = [
        Checkpoint(name, dict(zip(tasks, rankings, strict=True)), paragraph, sentence, *heads)
        for name, rankings, paragraph, sentence, heads in parts
    ]
    sets = dict(zip(tasks, read.sets, strict=True))
    settings = Settings(**params.settings)
    build(snakemake.output[0], read.percentages, read.examples, sets, checkpoints, settings, read.get("claims"))
