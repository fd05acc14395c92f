"""Score a checkpoint's answers: by Natural Questions' official metric, and by exact match and F1."""

from pairprobe import nq_evaluation, question_answering
from pairprobe.jobs import job
from pairprobe.predictions import head_of, read_predictions, write_predictions
from pairprobe.tables import write_tsv

with job(snakemake):
    gold, found = snakemake.input.gold, snakemake.output
    refuses = snakemake.params.source == "squad_v2"
    write_predictions(read_predictions(snakemake.input.predictions), found.predictions, found.answers, refuses)
    who = (snakemake.wildcards.checkpoint, head_of(snakemake.input.get("heads")))
    scores = nq_evaluation.scores(gold, found.predictions, snakemake.params.seed)
    write_tsv(found.scores, ("checkpoint", "head", *nq_evaluation.SCORE_FIELDS), [(*who, *row) for row in scores])
    write_tsv(found.curve, nq_evaluation.CURVE_FIELDS, nq_evaluation.curve_rows(gold, found.predictions))
    examples, match, overlap = question_answering.scores(gold, found.answers, refuses)
    row = (*who, examples, f"{match:.2f}", f"{overlap:.2f}")
    write_tsv(found.question_answering, question_answering.SCORE_FIELDS, [row])
