"""Score what needs no model: the candidate with the question's words, always the same one, and boundaries by looks."""

from itertools import chain

from pairprobe.data.examples import read_examples
from pairprobe.evaluation.baselines import FIELDS, boundary_rows, long_answer_rows
from pairprobe.io.tsv import write_tsv
from pairprobe.probing_sets.pairs import read_probing_set
from pairprobe.provenance.jobs import job

with job(snakemake):
    given, seed = snakemake.input, snakemake.params.seed
    rows = []
    if given.gold:
        rows.append(long_answer_rows(given.gold, given.documents, given.training or None, seed))
    if given.boundaries:
        examples = (list(read_examples(path)) for path in given.examples)
        rows.append(boundary_rows(*examples, list(read_probing_set(given.boundaries)), seed, snakemake.params.boundary))
    write_tsv(snakemake.output[0], FIELDS, chain(*rows))
