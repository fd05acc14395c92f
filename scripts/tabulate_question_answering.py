"""Put exact match and F1 of all checkpoints into one table."""

import pandas as pd

from pairprobe.io.files import write_text
from pairprobe.io.tsv import read_tsv, write_tsv
from pairprobe.provenance.jobs import job
from pairprobe.tables.question_answering import answers_table

with job(snakemake):
    scores = pd.DataFrame([row for path in snakemake.input for row in read_tsv(path)])
    write_tsv(snakemake.output.tsv, scores.columns, scores.to_numpy())
    params = snakemake.params
    write_text(snakemake.output.md, answers_table(scores, params.labels, params.seeds, params.recipes))
