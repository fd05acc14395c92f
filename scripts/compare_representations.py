"""Compare how two checkpoints represent the same words, layer by layer."""

from pairprobe.examples import read_examples
from pairprobe.jobs import job
from pairprobe.representations import REPRESENTATION_FIELDS, compare
from pairprobe.store import Activations
from pairprobe.tables import write_tsv

with (
    job(snakemake),
    Activations(snakemake.input.before) as before,
    Activations(snakemake.input.after) as after,
):
    rows = compare(
        read_examples(snakemake.input.examples),
        before,
        after,
        snakemake.params.seed,
        snakemake.params.resamples,
        snakemake.params.confidence,
    )
    names = (snakemake.wildcards.before, snakemake.wildcards.after)
    write_tsv(snakemake.output[0], REPRESENTATION_FIELDS, [(*names, *row) for row in rows])
