"""Shards of activations measured and ranked, as the workflow's jobs do one after the other."""

import contextlib
import tempfile
from pathlib import Path

from pairprobe.rankings import boundary_heads, measuring, pair_ranking
from pairprobe.rankings.similarity_store import Similarities


@contextlib.contextmanager
def similarities(stores, sets, examples, punctuation=False):
    """Measure the pairs of each shard; yields the similarities, open. sets: {task: rows}."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [f"{folder}/{i}.h5" for i in range(len(stores))]
        for store, path in zip(stores, paths, strict=True):
            measuring.measure_similarities(str(store), sets, examples, path, punctuation)
        with Similarities(paths) as found:
            yield found


def rank_pairs(pairs, examples, stores, path, punctuation=False):
    """Measure and rank a set of pairs."""
    pairs, examples = list(pairs), list(examples)
    with similarities(stores, {"task": pairs}, examples, punctuation) as found:
        pair_ranking.rank_pairs(pairs, examples, found.pairs("task"), str(path), punctuation)


def logits(activations, heads):
    """Return the logits of all sentences, {example_id: (2, layers, words)}. heads: the file of trained heads."""
    trained = boundary_heads.read(Path(heads))
    return {name: trained.logits(activations[name][1]) for name in activations.names()}
