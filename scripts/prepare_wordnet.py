"""Lay WordNet out as nltk wants it."""

from pairprobe.progress import job
from pairprobe.wordnet import install

with job(snakemake.log[0]):
    install(snakemake.params.source, snakemake.output[0])
