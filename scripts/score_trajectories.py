"""Score each step of a training."""

from pairprobe.data.pages import read_titles
from pairprobe.evaluation import trajectory_scores
from pairprobe.evaluation.page_scores import Questions
from pairprobe.evaluation.predictions import read_predictions
from pairprobe.evidence.trajectories import Series
from pairprobe.finetuning import step_list
from pairprobe.provenance.jobs import job

with job(snakemake):
    read, params = snakemake.input, snakemake.params
    questions = Questions(read.gold, read_titles(read.documents), params.has_long_answers, params.refuses)
    shards: dict[str, list[str]] = {}
    for name, path in zip(params.answering, read.predictions, strict=True):
        shards.setdefault(name, []).append(path)
    trajectory_scores.weigh(
        Series.of(params.trajectories, map(step_list.read, read.kept), params.recipes, params.seeds),
        {name: questions.scores(read_predictions(paths), paths[0]) for name, paths in shards.items()},
        params.confidence,
        snakemake.output[0],
    )
