"""The smallest store that keeps the percentages: how far each type moves them, and what a filter would save."""

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np

from pairprobe.activations.store import Activations
from pairprobe.data.examples import Example
from pairprobe.probing_sets.pairs import read_probing_set
from pairprobe.rankings import pair_ranking
from pairprobe.rankings.percentages import percentage
from pairprobe.tables.layout import markdown
from suite import corpus, encoders, tasks
from suite.settings import Settings

EXAMPLES, QUICK = 1000, 60
# Of so many examples the vectors are compressed: enough for a rate.
COMPRESSED = 60
# Words of a layer that are compressed together.
CHUNK = 128

Round = Callable[[np.ndarray], np.ndarray]


def with_fraction(bits: int) -> Round:
    """Return what rounds to float16 with so few bits of fraction (of its ten), the nearest, ties to even."""

    def rounded(vectors: np.ndarray) -> np.ndarray:
        given = vectors.astype(np.float16).view(np.uint16).astype(np.uint32)
        drop = 10 - bits
        half = (1 << drop >> 1) - 1 + (given >> drop & 1) if drop else 0
        return (given + half >> drop << drop).astype(np.uint16).view(np.float16)

    return rounded


def in_bytes(vectors: np.ndarray) -> np.ndarray:
    """Round each number to one of 255 steps, of the size that the vector's largest number asks for."""
    step = np.abs(vectors).max(-1, keepdims=True) / 127
    return np.round(vectors / step) * step


TYPES: dict[str, Round] = {
    "float16": with_fraction(10),
    "float16, 8 bits of fraction": with_fraction(8),
    "float16, 7 bits of fraction": with_fraction(7),
    "a byte, scaled by vector": in_bytes,
}


def filters() -> dict[str, dict]:
    """Return the filters of HDF5 that are here, by name: those of h5py, and of hdf5plugin where it is installed."""
    found: dict[str, dict] = {
        "none": {},
        "shuffle, gzip 1": {"shuffle": True, "compression": "gzip", "compression_opts": 1},
        "shuffle, lzf": {"shuffle": True, "compression": "lzf"},
    }
    try:
        import hdf5plugin
    except ImportError:
        return found
    found["bitshuffle, lz4"] = dict(hdf5plugin.Bitshuffle(cname="lz4"))
    found["bitshuffle, zstd 1"] = dict(hdf5plugin.Bitshuffle(cname="zstd", clevel=1))
    return found


def measure(settings: Settings) -> dict:
    """Rank the pair tasks with vectors of each type, and compress some of the vectors by each filter."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        examples = corpus.read(settings, folder)[: settings.size(EXAMPLES, QUICK)]
        file, stored = corpus.write(folder / "examples.jsonl.gz", examples), folder / "float32.h5"
        encoders.Loaded(encoders.minilm(folder), "float32").extract(file, stored, storage="float32")
        sets = {task: list(read_probing_set(str(p))) for task, p in tasks.build_sets(file, folder).items()}
        by_id = {example.example_id: example for example in examples}
        with Activations([str(stored)]) as activations:
            exact = percentages(sets, by_id, activations, np.asarray)
            moved = {}
            for name, rounded in TYPES.items():
                found = percentages(sets, by_id, activations, rounded)
                apart = [abs(found[key] - exact[key]) for key in exact]
                moved[name] = {"most": max(apart), "mean": sum(apart) / len(apart)}
            some = [np.concatenate(activations[name], axis=1) for name in activations.names()[:COMPRESSED]]
        compressed = list(_compressed(np.concatenate(some, axis=1), folder / "tried.h5"))
    return {"pairs": {task: len(pairs) for task, pairs in sets.items()}, "moved": moved, "compressed": compressed}


def percentages(
    sets: dict[str, list[dict]], examples: dict[str, Example], activations: Activations, rounded: Round
) -> dict[tuple[str, str, int], float]:
    """Return ``{(task, measure, layer): percentage}``, of the vectors as they are rounded."""
    found: dict[tuple[str, str, int], list[tuple]] = {}
    for task, pairs in sets.items():
        for pair in pairs:
            name = pair["example_id"]
            if name in activations:
                vectors = (rounded(each).astype(np.float32) for each in activations[name])
                for measure, layer, *counts in pair_ranking.rank_pair(pair, examples[name].paragraph, *vectors) or ():
                    found.setdefault((task, measure, layer), []).append(counts)
    return {key: percentage(np.array(counts))[0] for key, counts in found.items()}


def _compressed(vectors: np.ndarray, path: Path) -> Iterator[dict]:
    """vectors: (layers, words, hidden), float32. Yields bytes a number, and megabytes of numbers a second."""
    shapes = {"float32": np.asarray, **{name: TYPES[name] for name in list(TYPES)[:2]}}
    for kind, rounded in shapes.items():
        numbers = rounded(vectors)
        for name, options in filters().items():
            chunks = (1, min(CHUNK, numbers.shape[1]), numbers.shape[2]) if options else None
            begun = time.perf_counter()
            with h5py.File(path, "w") as file:
                file.create_dataset("activations", data=numbers, chunks=chunks, **options)
            written = time.perf_counter()
            with h5py.File(path, "r") as file:
                size, found = file["activations"].id.get_storage_size(), file["activations"][:]
            read = time.perf_counter()
            assert np.array_equal(found, numbers, equal_nan=True)
            rates = (numbers.nbytes / seconds / 1e6 for seconds in (written - begun, read - written))
            yield dict(
                zip(("type", "filter", "bytes", "write", "read"), (kind, name, size / numbers.size, *rates), strict=True)
            )


def tell(found: dict) -> list[str]:
    """Return what was found, in Markdown."""
    moved = [(name, f"{each['most']:.3f}", f"{each['mean']:.4f}") for name, each in found["moved"].items()]
    rows = [
        (each["type"], each["filter"], f"{each['bytes']:.2f}", f"{each['write']:,.0f}", f"{each['read']:,.0f}")
        for each in found["compressed"]
    ]
    fields, columns = (
        ("type", "moved at most", "on average"),
        ("type", "filter", "bytes a number", "write MB/s", "read MB/s"),
    )
    pairs = ", ".join(f"{number} {task}" for task, number in found["pairs"].items())
    return [
        f"How far the percentages of all pair tasks, measures and layers move from float32's, in points ({pairs}):",
        "",
        *markdown(fields, moved, fields[1:]).splitlines(),
        "",
        "And what filters make of the same vectors (rates are those of the numbers, once each, in the page cache):",
        "",
        *markdown(columns, rows, columns[2:]).splitlines(),
    ]
