"""Count, layer by layer, the words of each sentence whose logit is below that of the control's gold position."""

from pairprobe.examples import read_examples
from pairprobe.jobs import job
from pairprobe.probing_sets import read
from pairprobe.ranking import RANKING_FIELDS, rank_logits
from pairprobe.selectivity import control_gold
from pairprobe.span_heads import gold_logits
from pairprobe.store import Activations
from pairprobe.tables import write_tsv

with job(snakemake), Activations(snakemake.input.activations) as activations:
    logits = gold_logits(
        read_examples(snakemake.input.examples),
        activations,
        snakemake.input.heads,
        read(snakemake.input.boundaries),
        snakemake.params.seed,
        snakemake.params.at_most,
        labels=control_gold(snakemake.params.seed),
    )
    write_tsv(snakemake.output[0], RANKING_FIELDS, rank_logits(logits))
