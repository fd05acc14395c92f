"""Count examples and words, and list the examples that were too long."""

from pairprobe.io.tsv import write_tsv
from pairprobe.provenance.jobs import job
from pairprobe.rankings.similarity_store import summary

with job(snakemake):
    rows, left_out = [], []
    for path in snakemake.input:
        shard = path.removesuffix(".h5").split("/")[-3:]
        examples, words, without_vector, long = summary(path)
        rows.append((*shard, examples, words, without_vector, len(long)))
        left_out += [(*shard, example_id) for example_id in long]
    names = ("checkpoint", "view", "shard")
    write_tsv(snakemake.output.table, (*names, "examples", "words", "words_without_vector", "left_out"), rows)
    write_tsv(snakemake.output.left_out, (*names, "example_id"), left_out)
