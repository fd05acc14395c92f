"""Make a checkpoint of a step that a training has kept."""

import msgspec

from pairprobe.finetuning.kept_steps import KeptStep, take
from pairprobe.finetuning.lora import Lora
from pairprobe.provenance.jobs import job

with job(snakemake, kind="checkpoint"):
    params = snakemake.params
    adapter = msgspec.convert(params.lora, Lora | None)
    take(KeptStep(snakemake.input.start, snakemake.input.kept, params.number, params.seed, adapter), snakemake.output[0])
