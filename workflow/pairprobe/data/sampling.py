"""Random draws by hash: the same on every machine, in any order, and whatever else is in the data.

A key such as (seed, example_id) is hashed with BLAKE2b; its parts are joined by NUL bytes. All draws of the workflow that
must not change when data is added go through this module.
"""

import hashlib
from collections.abc import Iterable

# What a page is drawn for, by its title.
PARTITIONS = ("finetune", "head", "probe")


def hash_bytes(*key: object, size: int = 8) -> bytes:
    """Return ``size`` pseudo-random bytes for a key: the smallest or largest of several makes a draw among them."""
    return hashlib.blake2b("\0".join(map(str, key)).encode(), digest_size=size).digest()


def hash_integer(*key: object) -> int:
    """Return a pseudo-random integer of 64 bits for a key."""
    return int.from_bytes(hash_bytes(*key))


def hash_unit(*key: object) -> float:
    """Return a pseudo-random number in [0, 1) for a key: it is below ``share`` for that share of the keys."""
    return hash_integer(*key) / 2**64


def subsample(example_ids: Iterable[str], at_most: int | None, seed: int) -> set[str]:
    """Draw at most so many examples, without replacement; None: all of them."""
    return set(sorted(example_ids, key=lambda example_id: hash_bytes(seed, example_id))[:at_most])


def in_shard(example_id: str, shard: int, shards: int) -> bool:
    """Whether an example is in shard number ``shard`` (from 0) of ``shards``."""
    return hash_integer(example_id) % shards == shard
