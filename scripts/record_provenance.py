"""Put the records of all jobs together, with the configuration, the data and the checkpoints."""

from pathlib import Path

from pairprobe.io.files import write_json
from pairprobe.provenance.jobs import job
from pairprobe.provenance.run_record import collect

with job(snakemake):
    content = collect(
        str(Path(snakemake.output[0]).parent),
        snakemake.params.config,
        snakemake.params.configfiles,
        snakemake.params.data,
        snakemake.params.published,
        snakemake.input,
        snakemake.params.snakefile,
    )
    write_json(snakemake.output[0], content)
