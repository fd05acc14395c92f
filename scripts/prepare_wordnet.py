"""Lay WordNet out as nltk wants it."""

from pairprobe.jobs import job
from pairprobe.wordnet import install

with job(snakemake):
    install(snakemake.params.source, snakemake.output[0])
