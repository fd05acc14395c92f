"""Put the records of all jobs together, with the configuration, the data and the checkpoints."""

from pathlib import Path

from pairprobe.files import write_json
from pairprobe.jobs import job
from pairprobe.ledger import collect

with job(snakemake):
    content = collect(
        str(Path(snakemake.output[0]).parent),
        snakemake.params.config,
        snakemake.params.configfiles,
        snakemake.params.data,
        snakemake.params.published,
        snakemake.input,
    )
    write_json(snakemake.output[0], content)
