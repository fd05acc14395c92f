"""Count, layer by layer, the words of each sentence whose logit is below that of the control task's gold position."""

from pairprobe.activations.store import Activations
from pairprobe.controls.control_task import control_gold
from pairprobe.data.examples import read_examples
from pairprobe.io.tsv import write_tsv
from pairprobe.probing_sets.pairs import read_probing_set
from pairprobe.provenance.jobs import job
from pairprobe.rankings import boundary_heads
from pairprobe.rankings.pair_ranking import rank_logits
from pairprobe.rankings.percentages import RANKING_FIELDS

with job(snakemake), Activations(snakemake.input.activations) as activations:
    boundaries = list(read_probing_set(snakemake.input.boundaries))
    heads = boundary_heads.read(snakemake.input.heads)
    names = [row["example_id"] for row in boundaries if row["example_id"] in activations]
    logits = boundary_heads.gold_logits(
        read_examples(snakemake.input.examples),
        {name: heads.logits(activations[name][1]) for name in names},
        boundaries,
        snakemake.params.seed,
        snakemake.params.at_most,
        labels=control_gold(snakemake.params.seed),
        left_out=activations.left_out,
    )
    write_tsv(snakemake.output[0], RANKING_FIELDS, rank_logits(logits))
