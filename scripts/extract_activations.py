"""Run one shard of the examples through a checkpoint and store each layer's word vectors."""

from pairprobe.activations.extraction import Settings, extract
from pairprobe.activations.store import model_input, summary
from pairprobe.io.files import write_json
from pairprobe.provenance.jobs import job

with job(snakemake, kind="activations"):
    params, part = snakemake.params, snakemake.wildcards
    extract(
        snakemake.input.checkpoint,
        snakemake.input.examples,
        part.view,
        snakemake.output.activations,
        Settings(
            params.batch_size,
            params.precision,
            params.storage,
            params.max_length,
            snakemake.threads,
            params.special_tokens,
            params.last_layer,
            params.order,
            params.final_norm,
        ),
        shard=(int(part.part) - 1, int(part.parts)),
        code=params.code,
    )
    store = snakemake.output.activations
    write_json(snakemake.output.summary, summary(store) | model_input(store))
