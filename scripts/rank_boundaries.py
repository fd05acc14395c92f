"""Count, layer by layer, the words of each sentence whose logit is below the gold position's."""

from pairprobe.examples import read_examples
from pairprobe.jobs import job
from pairprobe.probing_sets import read
from pairprobe.ranking import RANKING_FIELDS, rank_logits
from pairprobe.similarities import opened
from pairprobe.span_heads import gold_logits
from pairprobe.tables import write_tsv

with job(snakemake), opened(snakemake.input.activations, "boundary") as (activations, _):
    logits = gold_logits(
        read_examples(snakemake.input.examples),
        activations,
        snakemake.input.heads,
        read(snakemake.input.boundaries),
        snakemake.params.seed,
        snakemake.params.at_most,
    )
    write_tsv(snakemake.output[0], RANKING_FIELDS, rank_logits(logits))
