"""Ask whether pairs rank higher where their question is answered right."""

from pairprobe.evaluation.squad_metric import by_question
from pairprobe.evidence.right_and_wrong import Pairs, comparisons, weigh
from pairprobe.provenance.jobs import job

with job(snakemake):
    read, params = snakemake.input, snakemake.params
    answering = dict.fromkeys(one for several in params.answering.values() for one in several)
    weigh(
        snakemake.output[0],
        comparisons(params.answering, params.before, params.recipes),
        dict(zip(map(tuple, params.rankings), read.rankings, strict=True)),
        Pairs.read(params.tasks, read.sets, read.examples, read.asked),
        {name: by_question(read.gold, path, params.refuses) for name, path in zip(answering, read.answers, strict=True)},
        params.confidence,
    )
