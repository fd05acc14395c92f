"""Count, layer by layer, the words of each sentence whose logit is below the gold position's."""

from pairprobe.data.examples import read_examples
from pairprobe.io.tsv import write_tsv
from pairprobe.probing_sets.pairs import read_probing_set
from pairprobe.provenance.jobs import job
from pairprobe.rankings.boundary_heads import gold_logits
from pairprobe.rankings.pair_ranking import rank_logits
from pairprobe.rankings.percentages import RANKING_FIELDS
from pairprobe.rankings.similarity_store import Similarities

with job(snakemake, kind="ranking"), Similarities(snakemake.input.logits) as similarities:
    logits = gold_logits(
        read_examples(snakemake.input.examples),
        similarities.logits("boundary"),
        read_probing_set(snakemake.input.boundaries),
        snakemake.params.seed,
        snakemake.params.at_most,
        left_out=similarities.left_out,
    )
    write_tsv(snakemake.output[0], RANKING_FIELDS, rank_logits(logits))
