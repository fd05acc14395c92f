"""Put percentages, pairs, ranks and word scores into one page."""

import re

from pairprobe.data.same_texts import questions_of
from pairprobe.evaluation.squad_metric import by_question
from pairprobe.explorer.building import Checkpoint, Settings, build
from pairprobe.provenance.jobs import job

with job(snakemake):
    read, params = snakemake.input, snakemake.params
    names, tasks = params.checkpoints, params.tasks

    def by_checkpoint(paths):
        """Return each checkpoint's paths, of paths that name one checkpoint after the other."""
        return [list(paths[i :: len(names)]) for i in range(len(names))]

    def of_task(paths):
        """Return the shards of each task."""
        return {
            task: [path for path in paths if re.search(rf"/{shards}-\d+of\d+\.h5$", path)] for task, shards in tasks.items()
        }

    parts = zip(names, *map(by_checkpoint, (read.rankings, read.similarities)), strict=True)
    checkpoints = [
        Checkpoint(name, dict(zip(tasks, rankings, strict=True)), of_task(similarities))
        for name, rankings, similarities in parts
    ]
    sets = dict(zip(tasks, read.sets, strict=True))
    settings = Settings(**params.settings)
    answers = {}
    if params.answering:
        question_of = questions_of(read.examples, read.asked)
    for name, path in zip(params.answering, read.answers, strict=True):
        scores = by_question(read.gold, path, params.refuses)
        answers[name] = {example: scores[question] for example, question in question_of.items() if question in scores}
    tables = read.claims, read.intervals
    build(snakemake.output[0], read.percentages, read.examples, sets, checkpoints, settings, *tables, answers)
