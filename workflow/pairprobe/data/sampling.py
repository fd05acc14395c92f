"""Drawing by hash: the same examples on every machine, whatever else is in the data."""

import hashlib
from collections.abc import Iterable


def subsample(example_ids: Iterable[str], at_most: int | None, seed: int) -> set[str]:
    """Draw at most so many examples, by a hash of seed and example_id: the same whatever else there is."""
    order = sorted(example_ids, key=lambda name: hashlib.blake2b(f"{seed}\0{name}".encode(), digest_size=8).digest())
    return set(order[:at_most])


def in_shard(example_id: str, shard: int, shards: int) -> bool:
    """Whether an example is in shard number ``shard`` (from 0) of ``shards``: a hash of its name decides."""
    return int.from_bytes(hashlib.blake2b(example_id.encode(), digest_size=8).digest()) % shards == shard
