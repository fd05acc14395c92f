"""Put the scores on Natural Questions of all checkpoints into one table, beside the paper's."""

import pandas as pd

from pairprobe.io.files import write_text
from pairprobe.io.tsv import read_tsv, write_tsv
from pairprobe.provenance.jobs import job
from pairprobe.tables.nq_scores import paper_table

with job(snakemake):
    scores = pd.DataFrame([row for path in snakemake.input.scores for row in read_tsv(path)])
    write_tsv(snakemake.output.tsv, scores.columns, scores.to_numpy())
    baselines, params = pd.DataFrame(read_tsv(snakemake.input.baselines)), snakemake.params
    write_text(snakemake.output.md, paper_table(scores, baselines, params.labels, params.seeds, params.recipes))
