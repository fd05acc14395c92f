"""Weigh what is lost by each intervention: scores, paired differences, intervals."""

from pairprobe.data.pages import read_titles
from pairprobe.evaluation.page_scores import Questions
from pairprobe.interventions.weighing import Unit, weigh
from pairprobe.provenance.jobs import job

with job(snakemake):
    params = snakemake.params
    answers: dict[str, list[str]] = {}
    for checkpoint, path in zip(params.checkpoints, snakemake.input.answers, strict=True):
        answers.setdefault(checkpoint, []).append(path)
    titles = read_titles(snakemake.input.documents)
    questions = Questions(snakemake.input.gold, titles, params.long_answers, params.refuses)
    weigh(snakemake.output[0], [Unit(*unit) for unit in params.units], answers, questions, params.confidence)
