"""The HDF5 store of similarities: one file a shard, as the shards of activations, read by task and example.

    similarities     (rows, layers+1, 2), float32: of a shard of the view paragraph or text, by the two measures; or
    logits           (rows, layers+1, 2), float64: of a shard of the view sentence, the start and end logits.
                     Both are NaN where a word has no vector
    offsets          (entries+1,): entry i is rows [offsets[i], offsets[i+1]). A pair's first row is that of its match, then
                     come the words, the question's before the paragraph's, and what else is counted of it, by layer and
                     measure (see ``similarity.Specificity``): four rows of spans, and one for each word of the anchor's
                     side, of the swapped anchor that begins there. A boundary's are the words of its sentence
    task, example_id (entries,): whose entry it is; the pair's id where its example has several
    words            (entries,): how many words there are
    question_words   (entries,): how many of them are the question's; of a boundary none
    content          (entries,): a fingerprint of the vectors and the pair that were measured
    crc32            (entries,): the checksum of the rows
    left_out         (n,): examples that have no activations, since they are too long

Attributes: checkpoint, view, precision and max_length, as the activations have them, and those of every shard (see
``shards``).
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import h5py
import numpy as np

from pairprobe.activations import shards
from pairprobe.errors import InputError
from pairprobe.rankings.similarity import Measured, Specificity

V = TypeVar("V")
TYPES: dict[str, np.dtype[Any]] = {"similarities": np.dtype("float32"), "logits": np.dtype("float64")}
# The rows of a pair's match and of its spans.
MATCH_ROWS, SPAN_ROWS = 1, 4


class Shard(shards.ShardFile):
    """One file, read by the place of an entry."""

    KIND, VERSION, DATA, ROWS = "similarities", 3, tuple(TYPES), 0
    NUMBERS = ("offsets", "words", "question_words", "crc32")
    TEXTS = ("task", "example_id", "content", "left_out")

    def read(self, entry: int) -> np.ndarray:
        """Return an entry's rows, (rows, layers, 2). Raises InputError where they are not those that were written."""
        offsets = self.numbers["offsets"]
        with shards.reading(self.path, self.KIND):
            rows: np.ndarray = self.data[offsets[entry] : offsets[entry + 1]]
        if shards.checksum(rows) != self.numbers["crc32"][entry]:
            raise InputError(
                f"{self.path}, example {self.texts['example_id'][entry]}, {self.texts['task'][entry]}: damaged on disk: the"
                " checksum is not that of what was written. Delete the file, and it is made again."
            )
        return rows


@dataclass(slots=True)
class Index:
    """What a shard will hold but for the numbers: of each entry its task, example and fingerprint, and how many rows.

    words: all of its words, question_words: those of the question; left_out: the examples that are too long.
    """

    task: list[str] = field(default_factory=list)
    example_id: list[str] = field(default_factory=list)
    content: list[str] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    words: list[int] = field(default_factory=list)
    question_words: list[int] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


class Writer:
    """Writes the entries of a shard one after the other."""

    def __init__(self, dataset: h5py.Dataset):
        self._dataset, self._row = dataset, 0
        self.crc32: list[int] = []

    def write(self, rows: np.ndarray) -> None:
        """Write the next entry: (rows, layers, 2)."""
        rows = np.ascontiguousarray(rows, self._dataset.dtype)
        self._dataset[self._row : self._row + len(rows)] = rows
        self._row += len(rows)
        self.crc32.append(shards.checksum(rows))


@contextlib.contextmanager
def create(path: str | Path, data: str, layers: int, index: Index, attributes: Mapping[str, Any]) -> Iterator[Writer]:
    """Create a shard of known size; yields what writes its entries. Raises OSError where the disk has no room.

    data: "similarities", or "logits".
    """
    offsets = np.concatenate([[0], np.cumsum(index.rows)]).astype(np.int64)
    shape = (int(offsets[-1]), layers, 2)
    with shards.new_file(path, int(np.prod(shape)) * TYPES[data].itemsize) as file:
        writer = Writer(file.create_dataset(data, shape, dtype=TYPES[data]))
        yield writer
        numbers: dict[str, np.ndarray] = {
            "offsets": offsets,
            "words": np.array(index.words, np.int64),
            "question_words": np.array(index.question_words, np.int64),
            "crc32": np.array(writer.crc32, np.uint32),
        }
        shards.write_index(file, Shard, numbers, {name: getattr(index, name) for name in Shard.TEXTS}, attributes)


class Similarities(shards.Shards[Shard]):
    """The shards of one checkpoint and view; a context manager. ``pairs`` and ``logits`` give the entries of a task."""

    SHARD = Shard

    @staticmethod
    def sizes_of(shard: Shard) -> dict[str, int]:
        """Layers are the same in all shards."""
        return {"layers": shard.data.shape[1]}

    @staticmethod
    def keys(shard: Shard) -> Iterable[tuple[str, str]]:
        """Entries are found by task and example."""
        return zip(shard.texts["task"], shard.texts["example_id"], strict=True)

    def pairs(self, task: str) -> "PairSimilarities":
        """Return the similarities of a task's pairs, by ``pairs.id_of``."""
        return PairSimilarities(self, task)

    def logits(self, task: str) -> "Logits":
        """Return the logits of a task's sentences, by example."""
        return Logits(self, task)


class _ByExample(Mapping[str, V]):
    """The entries of one task, by example. Raises InputError for one that was damaged on disk."""

    def __init__(self, similarities: Similarities, task: str):
        self.left_out = similarities.left_out
        self._places = {name: place for (of_task, name), place in similarities.places.items() if of_task == task}

    def __contains__(self, example_id: object) -> bool:
        """Whether an example has an entry."""
        return example_id in self._places

    def __iter__(self) -> Iterator[str]:
        """Yield the examples."""
        return iter(self._places)

    def __len__(self) -> int:
        """Count the examples."""
        return len(self._places)


class PairSimilarities(_ByExample[Measured]):
    """The similarities of one task's pairs."""

    def __getitem__(self, example_id: str) -> Measured:
        """Return those of an example's pair."""
        shard, entry = self._places[example_id]
        rows = shard.read(entry).transpose(2, 1, 0)
        asked, words = (shard.numbers[name][entry] for name in ("question_words", "words"))
        ends = np.cumsum([MATCH_ROWS, asked, words - asked, SPAN_ROWS])
        matching, question, paragraph, spans, swapped = np.split(rows, ends, axis=-1)
        return Measured(matching[..., 0], question, paragraph, Specificity(np.moveaxis(spans, -1, 0), swapped))


class Logits(_ByExample[np.ndarray]):
    """The logits of one task's sentences: (2, layers, words)."""

    def __getitem__(self, example_id: str) -> np.ndarray:
        """Return those of an example's sentence."""
        shard, entry = self._places[example_id]
        return shard.read(entry).transpose(2, 1, 0)
