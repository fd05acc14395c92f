"""pairprobe: what fine-tuning did to a language model, layer by layer, by a pairwise probe.

The library behind the workflow; it knows nothing of Snakemake. ``README.md`` beside this file has a map of its packages.
"""
