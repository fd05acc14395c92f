"""The HDF5 store of activations: one file a shard, word vectors of every layer, written in place and read by example.

    activations     (layers+1, words, hidden), float16 or float32; NaN where a word has no subtoken
    offsets         (examples+1,): the words of example i are rows [offsets[i], offsets[i+1])
    question_words  (examples,): how many of them are the question's; they come first
    example_id      (examples,)
    content         (examples,): a digest of the words that were encoded
    crc32           (layers+1, examples): the checksum of each example's rows, by which damage is seen when they are read
    left_out        (n,): examples longer than max_length
    left_out_content (n,): a digest of their words
    without_vector  (): how many words have no subtoken

Attributes: checkpoint (digest of the folder), view, precision, max_length, version; stands_on, a digest of all that the
vectors of an example stand on but its words; index, the checksum of all but the activations.
"""

import contextlib
import errno
import hashlib
import math
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np
from isal import isal_zlib

from pairprobe.errors import InputError
from pairprobe.io.progress import log

VERSION = 2
# What shards that belong together have in common.
COMMON = ("checkpoint", "view", "precision", "max_length", "version")
_NUMBERS = ("offsets", "question_words", "crc32", "without_vector")
_TEXTS = ("example_id", "content", "left_out", "left_out_content")


@dataclass(slots=True)
class Index:
    """What a store will hold but for the vectors: each example's name, the digest of its words, and how many there are.

    Those that are too long have their names and digests in left_out.
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


class Writer:
    """Writes vectors to their places in a store. Several threads may write at once, each its own examples."""

    def __init__(self, dataset: h5py.Dataset, offsets: np.ndarray):
        self._dataset, self._offsets = dataset, offsets
        self.dtype = dataset.dtype
        self.crc32 = np.zeros((dataset.shape[0], len(offsets) - 1), np.uint32)
        self.without_vector = np.zeros(len(offsets) - 1, np.int64)

    def write(self, layer: int, example: int, vectors: np.ndarray) -> None:
        """Write one layer of an example, by its place in the index: (words, hidden), of the type of the store."""
        vectors = np.ascontiguousarray(vectors)
        self.crc32[layer, example] = checksum(vectors)
        self.without_vector[example] = np.isnan(vectors[:, 0]).sum()
        # What h5py's indexing does besides takes as long as the writing: one call at a time, whatever the threads.
        place = self._dataset.id.get_space()
        place.select_hyperslab((layer, int(self._offsets[example]), 0), (1, *vectors.shape))
        self._dataset.id.write(h5py.h5s.create_simple((1, *vectors.shape)), place, vectors)

    def take_over(self, example: int, vectors: np.ndarray) -> None:
        """Write all layers of an example, (layers+1, words, hidden), as another store had them."""
        for layer, of_layer in enumerate(vectors):
            self.write(layer, example, of_layer)


@contextlib.contextmanager
def create(path, layers: int, hidden: int, dtype: str, index: Index, attributes: dict) -> Iterator[Writer]:
    """Create a store of known size; yields what writes its activations. layers: the embeddings (layer 0) included.

    The layout is contiguous, so that every example is written once, straight to its place, in any order. Raises OSError
    where the disk has no room, before anything is computed if that can be seen by then.
    """
    offsets = np.concatenate([[0], np.cumsum(index.words)]).astype(np.int64)
    shape = (layers, int(offsets[-1]), hidden)
    advice = "activations.keep: similarities takes a two-hundredth"
    if np.dtype(dtype) != np.float16:
        advice = f"activations.storage: float16 takes half, and {advice}"
    check_room(path, math.prod(shape) * np.dtype(dtype).itemsize, advice)
    with disk_full_as_os_error(path), h5py.File(path, "w", libver="latest") as file:
        writer = Writer(file.create_dataset("activations", shape, dtype=dtype), offsets)
        file["offsets"] = offsets
        file["question_words"] = np.array(index.question_words, np.int64)
        for name in _TEXTS:
            texts = np.array(getattr(index, name), dtype=object)
            file.create_dataset(name, data=texts, dtype=h5py.string_dtype())
        yield writer
        file["without_vector"] = writer.without_vector.sum()
        file["crc32"] = writer.crc32
        file.attrs.update({**attributes, "version": VERSION, "index": digest_of_index(file)})


def check_room(path, needed: int, advice: str = "make some room") -> None:
    """Raise OSError where the disk that a file is to be on has less room than so many bytes."""
    free = shutil.disk_usage(Path(path).parent).free
    if needed > free:
        wanted = f"{needed / 1e9:.1f} GB are needed and {free / 1e9:.1f} GB free; {advice}"
        raise OSError(errno.ENOSPC, f"no space left on the disk: {wanted}", str(path))


@contextlib.contextmanager
def disk_full_as_os_error(path) -> Iterator[None]:
    """Raise OSError where HDF5 finds a full disk as it closes the file, since h5py has none for that."""
    try:
        yield
    except RuntimeError as error:
        if "write" not in str(error) and "flush" not in str(error):
            raise
        raise OSError(errno.ENOSPC, f"could not be written: {error}", str(path)) from error


def checksum(vectors: np.ndarray) -> int:
    """Return the checksum of an array's bytes."""
    return isal_zlib.crc32(np.ascontiguousarray(vectors).data.cast("B") if vectors.size else b"")


def in_float32(vectors: np.ndarray) -> np.ndarray:
    """Return float16 in float32, exactly as ``astype`` does and several times as fast; float32 as it is."""
    if vectors.dtype != np.float16:
        return vectors
    if vectors.ndim > 2:  # layer by layer, so that what lies between stays in the cache
        wide = np.empty(vectors.shape, np.float32)
        for i, of_layer in enumerate(vectors):
            wide[i] = in_float32(of_layer)
        return wide
    bits = vectors.view(np.uint16).astype(np.uint32)
    signs = (bits & 0x8000) << 16
    bits &= 0x7FFF
    endless = bits >= 0x7C00
    # Fraction and exponent move to where float32 has them. Its exponents count from 112 lower; the product is exact, also
    # for numbers too small to have an exponent in float16.
    bits <<= 13
    wide = bits.view(np.float32)
    wide *= np.float32(2.0**112)
    bits |= signs
    if endless.any():
        wide[endless] = vectors[endless]
    return wide


def digest_of_index(file: h5py.File, numbers: Iterable[str] = _NUMBERS, texts: Iterable[str] = _TEXTS) -> str:
    """Return the digest of all of a file but what it is for; numbers, texts: the names of its datasets."""
    digest = hashlib.blake2b(digest_size=16)
    for name in numbers:
        digest.update(np.asarray(file[name][()]).tobytes())
    for name in texts:
        digest.update("\0".join(file[name].asstr()[:]).encode())
    return digest.hexdigest()


def content_of(words: Iterable[list[str]]) -> str:
    """Return the digest of an example's lists of words: 16 hexadecimal digits."""
    text = "\0".join("\n".join(part) for part in words)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


@contextlib.contextmanager
def whole_or_input_error(path) -> Iterator[None]:
    """Raise InputError where a file that is opened and read in the block is missing, cut off, or of something else."""
    try:
        yield
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file. Extract the activations first.") from None
    except (OSError, KeyError, RuntimeError, UnicodeDecodeError) as error:
        said = " ".join(str(error).split())
        raise InputError(
            f"{path}: not a whole store of activations ({said}). Was it cut off? Delete it, and it is made again."
        ) from None


class Shard:
    """One file of a store, read by the place of an example in it. Raises InputError for a file that is missing, cut off,
    damaged or of another version."""

    def __init__(self, path: str):
        self.path = path
        self._file = None
        try:
            with whole_or_input_error(path):
                self._file = file = h5py.File(path, "r")
                self.attributes = dict(file.attrs.items())
                self.activations = file["activations"]
                version = self.attributes.get("version")
                if version == VERSION:
                    self.crc32, self.offsets, self.question_words = (
                        file[name][:] for name in ("crc32", "offsets", "question_words")
                    )
                    self.example_id, self.content, self.left_out, self.left_out_content = (
                        file[name].asstr()[:].tolist() for name in _TEXTS
                    )
                    self.without_vector = int(file["without_vector"][()])
                    index = digest_of_index(file)
        except InputError:
            self.close()
            raise
        if version != VERSION:
            self.close()
            raise InputError(f"{path}: version {version}, wanted {VERSION}. Delete it, and it is made again.")
        if index != self.attributes["index"]:
            self.close()
            raise InputError(
                f"{path}: its index was damaged on disk: found the checksum {index}, wanted {self.attributes['index']}. "
                "Delete it, and it is made again."
            )

    def __len__(self) -> int:
        """Count examples."""
        return len(self.example_id)

    @property
    def dtype(self) -> np.dtype:
        """The type of the activations."""
        return self.activations.dtype

    def of_example(self, places: list[int]) -> np.ndarray:
        """Return what is taken over of an example, from the first place where it stands; raises as ``read`` does."""
        return self.read(places[0])

    def read(self, example: int, layer: int | slice = slice(None)) -> np.ndarray:
        """Return an example's rows of one layer, (words, hidden), or of all, as they are in the file.

        Raises InputError where they are not those that were written.
        """
        vectors = self.activations[layer, self.offsets[example] : self.offsets[example + 1]]
        layers = range(len(self.crc32))[layer]
        rows = zip(layers, vectors, strict=True) if isinstance(layer, slice) else [(layers, vectors)]
        for number, row in rows:
            found, wanted = checksum(row), self.crc32[number, example]
            if found != wanted:
                raise InputError(
                    f"{self.path}, example {self.example_id[example]}, layer {number}: damaged on disk: found the checksum "
                    f"{found:08x}, wanted {wanted:08x}. Delete the file, and it is made again."
                )
        return vectors

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


class Activations:
    """The shards of one checkpoint and view, read by example; a context manager.

    Raises InputError for a file that is missing, cut off, damaged or of another version, and for shards that do not belong
    together.
    """

    def __init__(self, paths: Iterable[str]):
        self._stack = contextlib.ExitStack()
        self._places: dict[str, tuple[Shard, int]] = {}
        self.left_out: set[str] = set()
        self.attributes: dict = {}
        self.shape: tuple[int, int] = (0, 0)
        try:
            for path in paths:
                self._add(self._stack.enter_context(contextlib.closing(Shard(path))))
        except BaseException:
            self.close()
            raise

    def _add(self, shard: Shard) -> None:
        attributes = {name: shard.attributes[name] for name in COMMON if name in shard.attributes}
        shape = (shard.activations.shape[0], shard.activations.shape[2])
        if self.attributes and (attributes, shape) != (self.attributes, self.shape):
            raise InputError(
                f"{shard.path}: found {attributes}, layers and width {shape}, but the shards before it have "
                f"{self.attributes}, {self.shape}. Delete the shards that are out of date."
            )
        self.attributes, self.shape = attributes, shape
        self.left_out.update(shard.left_out)
        for i, example_id in enumerate(shard.example_id):
            if example_id in self._places:
                raise InputError(f"{shard.path}: example_id {example_id} stands in another shard already.")
            self._places[example_id] = (shard, i)

    @property
    def layers(self) -> int:
        """How many layers there are, the embeddings (layer 0) included."""
        return self.shape[0]

    def names(self) -> list[str]:
        """List the examples that have activations."""
        return list(self._places)

    def __contains__(self, example_id: str) -> bool:
        """Whether an example has activations."""
        return example_id in self._places

    def __getitem__(self, example_id: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the vectors of an example: those of its question, (layers+1, words, hidden), and of its passage, likewise.

        float32, whatever the type in the file. Raises InputError where they were damaged on disk.
        """
        shard, i = self._places[example_id]
        vectors = in_float32(shard.read(i))
        return vectors[:, : shard.question_words[i]], vectors[:, shard.question_words[i] :]

    def layer(self, example_id: str, layer: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the vectors of one layer: question (words, hidden), passage likewise; float32. Raises as ``[]`` does."""
        shard, i = self._places[example_id]
        vectors = in_float32(shard.read(i, layer))
        return vectors[: shard.question_words[i]], vectors[shard.question_words[i] :]

    def close(self) -> None:
        """Close the files."""
        self._stack.close()

    def __enter__(self) -> "Activations":
        """Begin."""
        return self

    def __exit__(self, *exception) -> None:
        """Close the files."""
        self.close()


class Kept:
    """What former files hold of what is wanted now: by the digest of what is kept of an example; a context manager.

    paths: files of any division, of which those count that stand on the same (``stands_on``) and have the same type; what
    cannot be read, or is not there, is passed over. open_shard: what opens one; files of another kind have their own.
    """

    def __init__(self, paths: Iterable[str], stands_on: str, dtype: str, open_shard: Callable = Shard):
        self._stack = contextlib.ExitStack()
        self._places: dict[str, tuple] = {}
        self.left_out: set[str] = set()
        for path in paths:
            try:
                shard = open_shard(path)
            except InputError as error:
                log.info("nothing is taken over: %s", error)
                continue
            if shard.attributes.get("stands_on") != stands_on or shard.dtype != np.dtype(dtype):
                shard.close()
                continue
            self._stack.callback(shard.close)
            of_shard: dict[str, tuple] = {}
            for i, content in enumerate(shard.content):
                of_shard.setdefault(content, (shard, []))[1].append(i)
            self._places |= of_shard
            self.left_out.update(shard.left_out_content)

    def __contains__(self, content: str) -> bool:
        """Whether an example was encoded, or found to be too long."""
        return content in self._places or content in self.left_out

    def read(self, content: str):
        """Return what ``Writer.take_over`` takes of an example; None where there is nothing, or it was damaged."""
        if content not in self._places:
            return None
        shard, places = self._places[content]
        try:
            return shard.of_example(places)
        except InputError as error:
            log.warning("encoded again: %s", error)
            return None

    def __enter__(self) -> "Kept":
        """Begin."""
        return self

    def __exit__(self, *exception) -> None:
        """Close the files."""
        self._stack.close()


@dataclass(frozen=True, slots=True)
class Vectors:
    """What is kept of each example: the vectors of all its words, of the type ``storage``. (Else: ``similarities``.)"""

    storage: str

    def content(self, _example_id: str, words: tuple[list[str], list[str]]) -> str | None:
        """Return the digest of what is kept of an example; None where that is nothing."""
        return content_of(words)

    def former(self, paths: Iterable[str], stands_on: str) -> Kept:
        """Open what former files hold of the same."""
        return Kept(paths, stands_on, self.storage)

    def create(self, path, layers: int, hidden: int, index: Index, attributes: dict):
        """Return what makes the file: see ``create``."""
        return create(path, layers, hidden, self.storage, index, attributes)


def summary(path: str) -> tuple[int, int, int, list[str]]:
    """Return what a shard holds: examples, words, words without a vector, and the examples left out."""
    with contextlib.closing(Shard(path)) as shard:
        return len(shard), int(shard.offsets[-1]), shard.without_vector, sorted(shard.left_out)
