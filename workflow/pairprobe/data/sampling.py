"""Drawing by hash: the same examples on every machine, whatever else is in the data."""

import hashlib
from collections.abc import Iterable


def chosen(example_ids: Iterable[str], at_most: int | None, seed: int) -> set[str]:
    """Choose at most so many examples, by a hash of seed and example_id: the same whatever else there is."""
    order = sorted(example_ids, key=lambda name: hashlib.blake2b(f"{seed}\0{name}".encode(), digest_size=8).digest())
    return set(order[:at_most])


def shard_of(example_id: str, shards: int) -> int:
    """Return which of so many shards an example is in, from 0: by a hash of its name, whatever else there is."""
    return int.from_bytes(hashlib.blake2b(example_id.encode(), digest_size=8).digest()) % shards
