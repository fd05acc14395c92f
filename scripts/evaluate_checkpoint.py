"""Let a checkpoint answer the questions of the partition probe; exact match and F1."""

from pairprobe.finetuning import EVALUATION_FIELDS, evaluate
from pairprobe.progress import job
from pairprobe.tables import write_tsv

with job(snakemake.log[0]):
    settings = snakemake.params.settings
    head, examples, match, overlap = evaluate(
        snakemake.input.checkpoint,
        snakemake.input.documents,
        snakemake.params.seed,
        settings["max_length"],
        settings["stride"],
        settings["max_answer_words"],
        precision=settings["precision"],
        threads=snakemake.threads,
        at_most=settings["examples"],
    )
    row = (snakemake.wildcards.checkpoint, head, examples, f"{match:.2f}", f"{overlap:.2f}")
    write_tsv(snakemake.output[0], EVALUATION_FIELDS, [row])
