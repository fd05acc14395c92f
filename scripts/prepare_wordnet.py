"""Lay WordNet out as nltk wants it."""

from pairprobe.probing_sets.wordnet import install
from pairprobe.provenance.jobs import job

with job(snakemake):
    install(snakemake.params.source, snakemake.output[0])
