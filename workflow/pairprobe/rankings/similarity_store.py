"""The files of what streaming keeps in place of activations (see ``similarities``): one a shard, read by entry.

    values           (rows, layers, 2), by the two measures: float32 similarities or float64 logits; NaN where a word has
                     no vector
    offsets          (entries+1,): entry i is rows [offsets[i], offsets[i+1]); a pair's first row is that of the match, the
                     others are words, the question's before the paragraph's; a boundary's are the words of its sentence
    task, example_id (entries,): whose entry it is
    question_words   (entries,): how many of the words are the question's; of a boundary none
    content          (entries,): a digest of the words that were encoded and of all that is kept of the example
    crc32            (entries,): the checksum of the rows
    without_vector   (entries,): how many words of the example have no vector
    left_out, left_out_content: as in ``store``

Attributes: those of ``store``, and examples, words, without_vector: how many were encoded.
"""

import contextlib
from collections.abc import Iterator

import h5py
import numpy as np

from pairprobe.activations import store
from pairprobe.errors import InputError

VERSION = 1
_TEXTS = ("task", "example_id", "content", "left_out", "left_out_content")
_NUMBERS = ("offsets", "question_words", "crc32", "without_vector")


class Writer:
    """Takes the vectors of a layer and an example, as ``store.Writer`` does, and writes what is kept of them."""

    def __init__(self, dataset: h5py.Dataset, keep, index: store.Index, offsets: np.ndarray):
        self._dataset, self._keep, self._index, self._offsets = dataset, keep, index, offsets
        self.dtype, self.layers = np.dtype(keep.storage), dataset.shape[1]
        self.crc32 = np.zeros(len(offsets) - 1, np.uint32)
        self.without_vector = np.zeros(len(offsets) - 1, np.int64)
        numbers = [len(keep.entries[name]) for name in index.example_id]
        self._first = np.concatenate([[0], np.cumsum(numbers)]).astype(int)
        # Of the examples whose last layer has not come yet.
        self._begun: dict[int, list[list[np.ndarray]]] = {}

    def write(self, layer: int, example: int, vectors: np.ndarray) -> None:
        """Take one layer of an example, by its place in the index: (words, hidden). Layers come from 0 up."""
        vectors, asked = store.in_float32(vectors), self._index.question_words[example]
        begun = self._begun.setdefault(example, [])
        del begun[layer:]  # a batch that did not fit into memory begins again
        entries = self._keep.entries[self._index.example_id[example]]
        begun.append([self._keep.values(layer, pair, vectors[:asked], vectors[asked:]) for _, pair in entries])
        if layer == self.layers - 1:
            blocks = [np.stack(layers, axis=1) for layers in zip(*self._begun.pop(example), strict=True)]
            self.take_over(example, (blocks, int(np.isnan(vectors[:, 0]).sum())))

    def take_over(self, example: int, kept: tuple[list[np.ndarray], int]) -> None:
        """Write all entries of an example, each (rows, layers, 2), and how many of its words have no vector."""
        blocks, without_vector = kept
        for entry, block in enumerate(blocks, self._first[example]):
            block = np.ascontiguousarray(block, self._dataset.dtype)
            self._dataset[self._offsets[entry] : self._offsets[entry + 1]] = block
            self.crc32[entry], self.without_vector[entry] = store.checksum(block), without_vector

    def count_without_vector(self) -> int:
        """Count the words without a vector of all examples, each example once."""
        return int(self.without_vector[self._first[:-1]].sum())


@contextlib.contextmanager
def create(path, layers: int, keep, index: store.Index, attributes: dict) -> Iterator[Writer]:
    """Create a file of known size; yields what writes it. Raises OSError where the disk has no room.

    keep: what is kept, such as ``similarities.Pairs``.
    """
    entries = [(i, task) for i, name in enumerate(index.example_id) for task, _ in keep.entries[name]]
    sizes = [keep.rows(index.question_words[i], index.words[i]) for i, _ in entries]
    offsets = np.concatenate([[0], np.cumsum([rows for rows, _ in sizes])]).astype(np.int64)
    texts = {
        "task": [task for _, task in entries],
        "example_id": [index.example_id[i] for i, _ in entries],
        "content": [index.content[i] for i, _ in entries],
        "left_out": index.left_out,
        "left_out_content": index.left_out_content,
    }
    store.check_room(path, int(offsets[-1]) * layers * 2 * np.dtype(keep.dtype).itemsize)
    with store.disk_full_as_os_error(path), h5py.File(path, "w", libver="latest") as file:
        dataset = file.create_dataset("values", (int(offsets[-1]), layers, 2), dtype=keep.dtype)
        file["offsets"], file["question_words"] = offsets, np.array([asked for _, asked in sizes], np.int64)
        for name in _TEXTS:
            file.create_dataset(name, data=np.array(texts[name], dtype=object), dtype=h5py.string_dtype())
        yield (writer := Writer(dataset, keep, index, offsets))
        file["crc32"], file["without_vector"] = writer.crc32, writer.without_vector
        counts = {"examples": len(index.example_id), "words": sum(index.words)}
        file.attrs.update({**attributes, **counts, "without_vector": writer.count_without_vector()})
        file.attrs.update({"version": VERSION, "index": store.digest_of_index(file, _NUMBERS, _TEXTS)})


class Shard:
    """One file, read by the place of an entry. Raises InputError for one that is missing, damaged or of another kind."""

    def __init__(self, path: str):
        self.path, self._file = path, None
        try:
            with store.whole_or_input_error(path):
                self._file = file = h5py.File(path, "r")
                self.attributes = dict(file.attrs.items())
                self.values = file["values"]
                self.offsets, self.question_words, self.crc32, self.without_vector = (file[name][:] for name in _NUMBERS)
                self.task, self.example_id, self.content, self.left_out, self.left_out_content = (
                    file[name].asstr()[:].tolist() for name in _TEXTS
                )
                index = store.digest_of_index(file, _NUMBERS, _TEXTS)
            if (self.attributes.get("version"), self.attributes.get("index")) != (VERSION, index):
                raise InputError(
                    f"{path}: of another version, or its index was damaged on disk. Delete it, and it is made again."
                )
        except InputError:
            self.close()
            raise

    @property
    def dtype(self) -> np.dtype:
        """The type of the values."""
        return self.values.dtype

    def of_example(self, entries: list[int]) -> tuple[list[np.ndarray], int]:
        """Return what ``Writer.take_over`` takes of an example's entries; raises as ``read`` does."""
        return [self.read(entry) for entry in entries], int(self.without_vector[entries[0]])

    def read(self, entry: int) -> np.ndarray:
        """Return an entry's rows, (rows, layers, 2). Raises InputError where they are not those that were written."""
        block = self.values[self.offsets[entry] : self.offsets[entry + 1]]
        if store.checksum(block) != self.crc32[entry]:
            raise InputError(
                f"{self.path}, example {self.example_id[entry]}, {self.task[entry]}: damaged on disk: the checksum is not "
                "that of what was written. Delete the file, and it is made again."
            )
        return block

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


def is_kept(path: str) -> bool:
    """Whether a file holds similarities or logits, not activations."""
    try:
        with h5py.File(path, "r") as file:
            return "values" in file
    except OSError:
        return False  # what is wrong with it, whoever reads it says


def summary(path: str) -> tuple[int, int, int, list[str]]:
    """Return what a shard holds: as ``store.summary`` does, of either kind."""
    if not is_kept(path):
        return store.summary(path)
    with contextlib.closing(Shard(path)) as shard:
        counts = (int(shard.attributes[name]) for name in ("examples", "words", "without_vector"))
        return (*counts, sorted(shard.left_out))
