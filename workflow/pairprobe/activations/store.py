"""The HDF5 store of activations: one file a shard, word vectors of every layer, written in place and read by example.

    activations     (layers+1, words, hidden), float16 or float32; NaN where a word has no subtoken
    offsets         (examples+1,): the words of example i are rows [offsets[i], offsets[i+1])
    question_words  (examples,): how many of them are the question's; they come first
    example_id      (examples,)
    content         (examples,): a fingerprint of the words that were encoded
    crc32           (layers+1, examples): the checksum of each example's rows, by which damage is seen when they are read
    left_out        (n,): examples longer than max_length
    left_out_content (n,): a fingerprint of their words
    without_vector  (): how many words have no subtoken

Attributes: checkpoint (digest of the folder), view, precision, max_length; special_tokens, last_layer, order, final_norm
(see ``extraction.Settings``; without the last layer, ``layers+1`` is ``layers``), causal and newline (see
``tokenization.Layout``), each only where it is not what an encoder does by default; reads, the input in words; has_norm,
whether the model has a norm behind its last layer; and those of every shard (see ``shards``).
"""

import contextlib
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import h5py
import numpy as np

from pairprobe.activations import shards
from pairprobe.errors import InputError

# Each number of float16 in float32. To look them up takes half the time of ``astype``.
_IN_FLOAT32 = np.arange(2**16, dtype=np.uint16).view(np.float16).astype(np.float32)


@dataclass(slots=True)
class Index:
    """The index of a store to be written: each example's name, the fingerprint of its words, and how many there are.

    Those that are too long have their names and fingerprints in left_out.
    """

    example_id: list[str] = field(default_factory=list)
    content: list[str] = field(default_factory=list)
    words: list[int] = field(default_factory=list)
    question_words: list[int] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    left_out_content: list[str] = field(default_factory=list)

    def add(self, example_id: str, content: str, question_words: int, passage_words: int) -> None:
        """Add an example."""
        self.example_id.append(example_id)
        self.content.append(content)
        self.question_words.append(question_words)
        self.words.append(question_words + passage_words)


class Shard(shards.ShardFile):
    """One file of a store, read by the place of an example in it."""

    KIND, VERSION, DATA, ROWS = "activations", 2, ("activations",), 1
    NUMBERS = ("offsets", "question_words", "crc32", "without_vector")
    TEXTS = ("example_id", "content", "left_out", "left_out_content")

    def read(self, entry: int, layer: int | slice = slice(None)) -> np.ndarray:
        """Return an example's rows of one layer, (words, hidden), or of all, as they are in the file.

        Raises InputError where they are not those that were written.
        """
        offsets, crc32 = self.numbers["offsets"], self.numbers["crc32"]
        with shards.reading(self.path, self.KIND):
            vectors: np.ndarray = self.data[layer, offsets[entry] : offsets[entry + 1]]
        layers = range(len(crc32))[layer]
        rows = zip(layers, vectors, strict=True) if isinstance(layers, range) else [(layers, vectors)]
        for number, row in rows:
            found, wanted = shards.checksum(row), crc32[number, entry]
            if found != wanted:
                raise InputError(
                    f"{self.path}, example {self.texts['example_id'][entry]}, layer {number}: damaged on disk: found the "
                    f"checksum {found:08x}, wanted {wanted:08x}. Delete the file, and it is made again."
                )
        return vectors

    def vectors(self, entry: int, layer: int | slice = slice(None)) -> tuple[np.ndarray, np.ndarray]:
        """Return the vectors of an example's question and passage, in float32, whatever the type in the file."""
        vectors = in_float32(self.read(entry, layer))
        asked = self.numbers["question_words"][entry]
        return vectors[..., :asked, :], vectors[..., asked:, :]


def in_float32(vectors: np.ndarray) -> np.ndarray:
    """Return float16 in float32, and float32 as it is."""
    return _IN_FLOAT32.take(vectors.view(np.uint16)) if vectors.dtype == np.float16 else vectors


class Writer:
    """Writes vectors to their places in a store. Several threads may write at once, each its own examples."""

    def __init__(self, dataset: h5py.Dataset, offsets: np.ndarray):
        self._dataset, self._offsets = dataset, offsets
        self.dtype, self.layers = dataset.dtype, dataset.shape[0]
        self.crc32 = np.zeros((dataset.shape[0], len(offsets) - 1), np.uint32)
        self.without_vector = np.zeros(len(offsets) - 1, np.int64)

    def write(self, layer: int, example: int, vectors: np.ndarray) -> None:
        """Write one layer of an example, by its place in the index: (words, hidden), of the type of the store."""
        vectors = np.ascontiguousarray(vectors)
        self.crc32[layer, example] = shards.checksum(vectors)
        self.without_vector[example] = np.isnan(vectors[:, 0]).sum()
        # What h5py's indexing does besides takes as long as the writing: one call at a time, whatever the threads.
        place = self._dataset.id.get_space()
        place.select_hyperslab((layer, int(self._offsets[example]), 0), (1, *vectors.shape))
        self._dataset.id.write(h5py.h5s.create_simple((1, *vectors.shape)), place, vectors)

    def reuse(self, example: int, vectors: np.ndarray) -> None:
        """Write all layers of an example, (layers+1, words, hidden), as another store had them."""
        for layer, of_layer in enumerate(vectors):
            self.write(layer, example, of_layer)


@contextlib.contextmanager
def create(
    path: str | Path, layers: int, hidden: int, dtype: str, index: Index, attributes: Mapping[str, Any]
) -> Iterator[Writer]:
    """Create a store of known size; yields what writes its activations. layers: the embeddings (layer 0) included.

    The layout is contiguous, so that every example is written once, straight to its place, in any order. Raises OSError
    where the disk has no room, before anything is computed if that can be seen by then.
    """
    offsets = np.concatenate([[0], np.cumsum(index.words)]).astype(np.int64)
    shape = (layers, int(offsets[-1]), hidden)
    advice = "with activations.keep: similarities the activations are deleted as soon as they are measured"
    if np.dtype(dtype) != np.float16:
        advice = f"activations.storage: float16 takes half, and {advice}"
    with shards.new_file(path, math.prod(shape) * np.dtype(dtype).itemsize, advice) as file:
        writer = Writer(file.create_dataset("activations", shape, dtype=dtype), offsets)
        yield writer
        numbers = {
            "offsets": offsets,
            "question_words": np.array(index.question_words, np.int64),
            "crc32": writer.crc32,
            "without_vector": writer.without_vector.sum(),
        }
        texts = {name: getattr(index, name) for name in Shard.TEXTS}
        shards.write_index(file, Shard, numbers, texts, attributes)


class WordVectors(Protocol):
    """The vectors of words under one checkpoint, by example, as ``Activations`` has them."""

    left_out: set[str]

    @property
    def layers(self) -> int:
        """How many layers there are, the embeddings included."""

    @property
    def shape(self) -> tuple[int, int]:
        """How many layers there are, and how wide they are."""

    def names(self) -> list[str]:
        """List the examples that have vectors."""

    def __contains__(self, example_id: str) -> bool:
        """Whether an example has vectors."""

    def __getitem__(self, example_id: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the vectors of an example's question, (layers, words, hidden), and of its passage, likewise; float32."""

    def layer(self, example_id: str, layer: int) -> tuple[np.ndarray, np.ndarray]:
        """Return those of one layer: question (words, hidden), passage likewise."""


class Activations(shards.Shards[Shard]):
    """The shards of one checkpoint and view, read by example; a context manager."""

    SHARD = Shard

    @staticmethod
    def sizes_of(shard: Shard) -> dict[str, int]:
        """Layers and width are the same in all shards."""
        return {"layers": shard.data.shape[0], "hidden": shard.data.shape[2]}

    @staticmethod
    def keys(shard: Shard) -> Iterable[str]:
        """Examples are found by their names."""
        return shard.texts["example_id"]

    @property
    def shape(self) -> tuple[int, int]:
        """How many layers there are, the embeddings included, and how wide they are."""
        return self.layers, self.sizes.get("hidden", 0)

    def names(self) -> list[str]:
        """List the examples that have activations."""
        return list(self.places)

    def __contains__(self, example_id: str) -> bool:
        """Whether an example has activations."""
        return example_id in self.places

    def __getitem__(self, example_id: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the vectors of an example: those of its question, (layers+1, words, hidden), and of its passage, likewise.

        float32, whatever the type in the file. Raises InputError where they were damaged on disk.
        """
        shard, entry = self.places[example_id]
        return shard.vectors(entry)

    def layer(self, example_id: str, layer: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the vectors of one layer: question (words, hidden), passage likewise; float32. Raises as ``[]`` does."""
        shard, entry = self.places[example_id]
        return shard.vectors(entry, layer)


def summary(path: str) -> dict[str, int | list[str]]:
    """Return what a shard holds: examples, words, words_without_vector, and the examples left out."""
    with contextlib.closing(Shard(path)) as shard:
        return {
            "examples": len(shard),
            "words": int(shard.numbers["offsets"][-1]),
            "words_without_vector": int(shard.numbers["without_vector"]),
            "left_out": sorted(shard.left_out),
        }


def model_input(path: str) -> dict[str, str]:
    """Return what the model read: causal ("yes" or "no"), order, and reads, as ``tokenization.described`` has it.

    And final_norm, as in ``extraction.Settings``, or "none" where the model has no such norm.
    """
    with contextlib.closing(Shard(path)) as shard:
        read = shard.attributes
    return {
        "causal": "yes" if read.get("causal") else "no",
        "order": read.get("order", "question_first"),
        "reads": read.get("reads", ""),
        "final_norm": read.get("final_norm", "as_given") if read.get("has_norm") else "none",
    }
