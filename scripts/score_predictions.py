"""Score a checkpoint's answers: by Natural Questions' official metric, and by exact match and F1."""

from pairprobe.evaluation import nq_scores, squad_metric
from pairprobe.evaluation.predictions import read_predictions, write_predictions
from pairprobe.finetuning.answer_heads import head_of
from pairprobe.io.tsv import write_tsv
from pairprobe.provenance.jobs import job

with job(snakemake):
    gold, found = snakemake.input.gold, snakemake.output
    refuses = snakemake.params.refuses
    write_predictions(read_predictions(snakemake.input.predictions), found.predictions, found.answers, refuses)
    who = (snakemake.wildcards.checkpoint, head_of(snakemake.input.get("heads")))
    scores = nq_scores.scores(gold, found.predictions, snakemake.params.seed)
    write_tsv(found.scores, ("checkpoint", "head", *nq_scores.SCORE_FIELDS), [(*who, *row) for row in scores])
    write_tsv(found.curve, nq_scores.CURVE_FIELDS, nq_scores.curve_rows(gold, found.predictions))
    examples, match, overlap = squad_metric.scores(gold, found.answers, refuses)
    row = (*who, examples, f"{match:.2f}", f"{overlap:.2f}")
    write_tsv(found.question_answering, squad_metric.SCORE_FIELDS, [row])
