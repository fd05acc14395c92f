"""The HDF5 store of activations: one file a shard, word vectors of every layer, written in place and read by example.

    activations     (layers+1, words, hidden), float16 or float32; NaN where a word has no subtoken
    offsets         (examples+1,): the words of example i are rows [offsets[i], offsets[i+1])
    question_words  (examples,): how many of them are the question's; they come first
    example_id      (examples,)
    left_out        (n,): examples longer than max_length
    without_vector  (): how many words have no subtoken

Attributes: checkpoint (digest of the folder), view, precision, max_length, version.
"""

import contextlib
import errno
import math
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import h5py
import numpy as np

from pairprobe.errors import InputError

VERSION = 1


@contextlib.contextmanager
def create(
    path,
    shape: tuple[int, int, int],
    dtype: str,
    sizes: np.ndarray,
    questions: np.ndarray,
    ids: list[str],
    left_out: list[str],
    without_vector: int,
    attributes: dict,
) -> Iterator[h5py.Dataset]:
    """Create a store of known size; yields its activations for writing. sizes, questions: (examples,), words of each.

    The layout is contiguous, so that every example is written once, straight to its place, in any order. Raises OSError
    where the disk has no room, before anything is computed if that can be seen by then.
    """
    needed, free = math.prod(shape) * np.dtype(dtype).itemsize, shutil.disk_usage(Path(path).parent).free
    if needed > free:
        wanted = f"{needed / 1e9:.1f} GB are needed and {free / 1e9:.1f} GB free; activations.storage: float16 takes half"
        raise OSError(errno.ENOSPC, f"no space left on the disk: {wanted}", str(path))
    try:
        with h5py.File(path, "w", libver="latest") as file:
            dataset = file.create_dataset("activations", shape, dtype=dtype)
            file["offsets"] = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
            file["question_words"] = questions.astype(np.int64)
            file.create_dataset("example_id", data=np.array(ids, dtype=object), dtype=h5py.string_dtype())
            file.create_dataset("left_out", data=np.array(left_out, dtype=object), dtype=h5py.string_dtype())
            file["without_vector"] = without_vector
            file.attrs.update({**attributes, "version": VERSION})
            yield dataset
    except RuntimeError as error:
        if "write" not in str(error) and "flush" not in str(error):
            raise
        # HDF5 finds a full disk when it closes the file, and h5py has no OSError for that.
        raise OSError(errno.ENOSPC, f"could not be written: {error}", str(path)) from error


class Activations:
    """The shards of one checkpoint and view, read by example; a context manager.

    Raises InputError for a file that is missing, cut off or of another version, and for shards that do not belong together.
    """

    def __init__(self, paths: Iterable[str]):
        self._stack = contextlib.ExitStack()
        self._places: dict[str, tuple[h5py.File, int, int, int]] = {}
        self.left_out: set[str] = set()
        self.attributes: dict = {}
        self.shape: tuple[int, int] = (0, 0)
        try:
            for path in paths:
                self._add(path)
        except BaseException:
            self.close()
            raise

    def _add(self, path: str) -> None:
        try:
            file = self._stack.enter_context(h5py.File(path, "r"))
            stored = file["activations"]
            offsets, questions = file["offsets"][:], file["question_words"][:]
            ids, left_out = file["example_id"].asstr()[:], file["left_out"].asstr()[:]
        except FileNotFoundError:
            raise InputError(f"{path}: there is no such file. Extract the activations first.") from None
        except (OSError, KeyError) as error:
            raise InputError(
                f"{path}: not a whole store of activations ({error}). Was it cut off? Delete it, and it is made again."
            ) from None
        attributes = dict(file.attrs.items())
        if attributes.get("version") != VERSION:
            raise InputError(
                f"{path}: version {attributes.get('version')}, wanted {VERSION}. Delete it, and it is made again."
            )
        shape = (stored.shape[0], stored.shape[2])
        if self.attributes and (attributes, shape) != (self.attributes, self.shape):
            raise InputError(
                f"{path}: found {attributes}, layers and width {shape}, but the shards before it have {self.attributes}, "
                f"{self.shape}. Delete the shards that are out of date."
            )
        self.attributes, self.shape = attributes, shape
        self.left_out.update(left_out)
        for i, example_id in enumerate(ids):
            if example_id in self._places:
                raise InputError(f"{path}: example_id {example_id} stands in another shard already.")
            self._places[example_id] = (file, offsets[i], offsets[i + 1], questions[i])

    @property
    def layers(self) -> int:
        """How many layers there are, the embeddings (layer 0) included."""
        return self.shape[0]

    def __contains__(self, example_id: str) -> bool:
        """Whether an example has activations."""
        return example_id in self._places

    def __getitem__(self, example_id: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the vectors of an example: those of its question, (layers+1, words, hidden), and of its passage, likewise.

        float32, whatever the type in the file.
        """
        file, start, end, questions = self._places[example_id]
        vectors = file["activations"][:, start:end].astype(np.float32)
        return vectors[:, :questions], vectors[:, questions:]

    def layer(self, example_id: str, layer: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the vectors of one layer: question (words, hidden), passage likewise; float32."""
        file, start, end, questions = self._places[example_id]
        vectors = file["activations"][layer, start:end].astype(np.float32)
        return vectors[:questions], vectors[questions:]

    def close(self) -> None:
        """Close the files."""
        self._stack.close()

    def __enter__(self) -> "Activations":
        """Begin."""
        return self

    def __exit__(self, *exception) -> None:
        """Close the files."""
        self.close()


def summary(path: str) -> tuple[int, int, int, list[str]]:
    """Return what a shard holds: examples, words, words without a vector, and the examples left out."""
    with h5py.File(path, "r") as file:
        left_out = sorted(file["left_out"].asstr()[:])
        return len(file["example_id"]), int(file["offsets"][-1]), int(file["without_vector"][()]), left_out
