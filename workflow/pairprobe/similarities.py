"""What streaming keeps of a forward pass in place of activations: what ranking and explorer read, a hundredth of the size.

Of a pair that is how similar its anchor is to the match and to every word of question and paragraph; of a boundary, the
start and end logits of every word of the sentence. One file a shard:

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
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import h5py
import numpy as np

from pairprobe import ranking, store
from pairprobe.errors import InputError
from pairprobe.progress import log
from pairprobe.ranking import Measured
from pairprobe.store import Activations

VERSION = 1
_TEXTS = ("task", "example_id", "content", "left_out", "left_out_content")
_NUMBERS = ("offsets", "question_words", "crc32", "without_vector")


class Pairs:
    """Keeps similarities of pairs.

    sets: ``{task: rows of its probing set}``; storage: the type that vectors are rounded to, as in a store of them, so that
    the numbers are the same.
    """

    dtype = "float32"

    def __init__(self, sets: dict[str, Iterable[dict]], storage: str):
        # settings: what else the numbers stand on.
        self.storage, self.settings = storage, [storage]
        self.entries: dict[str, list[tuple[str, dict]]] = {}
        for task, pairs in sets.items():
            for pair in pairs:
                self.entries.setdefault(pair["example_id"], []).append((task, pair))

    def rows(self, question_words: int, words: int) -> tuple[int, int]:
        """Return how many rows an entry has, and how many of its words are the question's."""
        return 1 + words, question_words

    def values(self, layer: int, pair: dict, question: np.ndarray, paragraph: np.ndarray) -> np.ndarray:
        """Return an entry's rows of one layer, (1 + words, 2). question, paragraph: their vectors, (words, hidden)."""
        measured = ranking.measure_pair(pair, question[None], paragraph[None])
        if measured is None:
            return np.full((1 + len(question) + len(paragraph), 2), np.nan)
        both = [measured.matching[..., None], measured.question, measured.paragraph]
        return np.concatenate(both, axis=-1)[:, 0].T

    def content(self, example_id: str, words: tuple[list[str], list[str]]) -> str | None:
        """Return the digest of an example's words and entries; None where nothing of it is kept."""
        if example_id not in self.entries:
            return None
        entries = [json.dumps(entry, sort_keys=True) for entry in self.entries[example_id]]
        return store.content_of([*words, entries, self.settings])

    def former(self, paths: Iterable[str], stands_on: str) -> "Kept":
        """Open what former files hold of the same."""
        return Kept(paths, stands_on)

    def create(self, path, layers: int, hidden: int, index: store.Index, attributes: dict):
        """Return what makes the file, as ``store.create`` does; the vectors themselves (hidden) take no room in it."""
        return create(path, layers, self, index, attributes)


class Writer:
    """Takes the vectors of a layer and an example, as ``store.Writer`` does, and writes what is kept of them."""

    def __init__(self, dataset: h5py.Dataset, keep: Pairs, index: store.Index, offsets: np.ndarray):
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
def create(path, layers: int, keep: Pairs, index: store.Index, attributes: dict) -> Iterator[Writer]:
    """Create a file of known size; yields what writes it. Raises OSError where the disk has no room."""
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
        self.path = path
        with store.whole_or_input_error(self.path):
            self._file = h5py.File(self.path, "r")
            self.attributes = dict(self._file.attrs.items())
            self.values = self._file["values"]
            self.offsets, self.question_words, self.crc32, self.without_vector = (self._file[name][:] for name in _NUMBERS)
            self.task, self.example_id, self.content, self.left_out, self.left_out_content = (
                self._file[name].asstr()[:].tolist() for name in _TEXTS
            )
            index = store.digest_of_index(self._file, _NUMBERS, _TEXTS)
        if (self.attributes.get("version"), self.attributes.get("index")) != (VERSION, index):
            self.close()
            raise InputError(
                f"{self.path}: of another version, or its index was damaged on disk. Delete it, and it is made again."
            )

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
        self._file.close()


class Kept:
    """What former files hold of the examples that are wanted now, by their digests; a context manager."""

    def __init__(self, paths: Iterable[str], stands_on: str):
        self._stack = contextlib.ExitStack()
        self._places: dict[str, tuple[Shard, list[int]]] = {}
        self.left_out: set[str] = set()
        for path in paths:
            try:
                shard = Shard(path)
            except InputError as error:
                log.info("nothing is taken over: %s", error)
                continue
            self._stack.callback(shard.close)
            if shard.attributes.get("stands_on") == stands_on:
                of_shard: dict[str, tuple[Shard, list[int]]] = {}
                for i, content in enumerate(shard.content):
                    of_shard.setdefault(content, (shard, []))[1].append(i)
                self._places |= of_shard
                self.left_out.update(shard.left_out_content)

    def __contains__(self, content: str) -> bool:
        """Whether an example was encoded, or found to be too long."""
        return content in self._places or content in self.left_out

    def read(self, content: str) -> tuple[list[np.ndarray], int] | None:
        """Return what ``Writer.take_over`` takes of an example; None where there is nothing, or it was damaged."""
        if content not in self._places:
            return None
        shard, entries = self._places[content]
        try:
            return [shard.read(entry) for entry in entries], int(shard.without_vector[entries[0]])
        except InputError as error:
            log.warning("encoded again: %s", error)
            return None

    def __enter__(self) -> "Kept":
        """Begin."""
        return self

    def __exit__(self, *exception) -> None:
        """Close the files."""
        self._stack.close()


class Similarities:
    """The shards of one checkpoint and view; a context manager. ``of`` gives what stands in place of Activations."""

    def __init__(self, paths: Iterable[str]):
        self._stack = contextlib.ExitStack()
        self.places: dict[tuple[str, str], tuple[Shard, int]] = {}
        self.left_out: set[str] = set()
        self.layers = 0
        try:
            for path in paths:
                shard = Shard(path)
                self._stack.callback(shard.close)
                self.layers = shard.values.shape[1]
                self.left_out.update(shard.left_out)
                for i, key in enumerate(zip(shard.task, shard.example_id, strict=True)):
                    if key in self.places:
                        raise InputError(f"{path}: example_id {key[1]} stands in another shard already.")
                    self.places[key] = (shard, i)
        except BaseException:
            self._stack.close()
            raise

    def of(self, task: str) -> "OfTask":
        """Return what is kept of a task's pairs."""
        return OfTask(self, task)

    def __enter__(self) -> "Similarities":
        """Begin."""
        return self

    def __exit__(self, *exception) -> None:
        """Close the files."""
        self._stack.close()


@dataclass(frozen=True, slots=True)
class OfTask:
    """What is kept of one task's pairs, by example."""

    kept: Similarities
    task: str

    @property
    def left_out(self) -> set[str]:
        """The examples that were too long."""
        return self.kept.left_out

    def __contains__(self, example_id: str) -> bool:
        """Whether an example has an entry."""
        return (self.task, example_id) in self.kept.places

    def __getitem__(self, example_id: str) -> tuple[Measured]:
        """Return what ``ranking.rank_measured`` takes of an example's pair, as the one argument that it is."""
        shard, entry = self.kept.places[self.task, example_id]
        block = shard.read(entry).transpose(2, 1, 0)
        asked = 1 + shard.question_words[entry]
        return (Measured(block[..., 0], block[..., 1:asked], block[..., asked:]),)

    def logits(self, example_id: str) -> np.ndarray:
        """Return a boundary's logits: (2, layers, words), NaN where a word has no vector."""
        shard, entry = self.kept.places[self.task, example_id]
        return shard.read(entry).transpose(2, 1, 0)


@contextlib.contextmanager
def opened(paths: Iterable[str], task: str) -> Iterator[tuple]:
    """Open what a run has of a checkpoint and view, activations or not; yields that, and what ranks a pair of the task."""
    with either(paths) as found:
        yield (found, ranking.rank_pair) if isinstance(found, Activations) else (found.of(task), ranking.rank_measured)


def either(paths: Iterable[str]) -> "Activations | Similarities":
    """Return a context manager of what files hold, whichever it is."""
    paths = list(paths)
    return Similarities(paths) if paths and is_kept(paths[0]) else Activations(paths)


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
