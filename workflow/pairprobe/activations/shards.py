"""HDF5 files with a checked index: what shards of activations and shards of similarities have in common.

A shard has one large dataset, the data, which is read some rows at a time, and an index: small datasets, all of them read
when the file is opened. Attributes: version, of the format; index, the checksum of the index; cache_key, a digest of
everything that the data depend on, except for what the fingerprint of each entry covers.
"""

import contextlib
import errno
import hashlib
import shutil
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeVar

import h5py
import numpy as np
from isal import isal_zlib

from pairprobe.errors import InputError
from pairprobe.io.progress import log

# What shards that belong together have in common.
COMMON = ("checkpoint", "view", "precision", "max_length", "version")


class ShardFile:
    """One shard, open for reading. Raises InputError for a file that is missing, cut off, damaged or of another version."""

    # What errors call the data, the names that its dataset may have, and the datasets of the index.
    KIND: ClassVar[str]
    VERSION: ClassVar[int]
    DATA: ClassVar[tuple[str, ...]]
    NUMBERS: ClassVar[tuple[str, ...]]
    TEXTS: ClassVar[tuple[str, ...]]

    def __init__(self, path: str):
        self.path = path
        with contextlib.ExitStack() as stack:
            with self._input_error(path):
                file = stack.enter_context(h5py.File(path, "r"))
                self.attributes: dict[str, Any] = dict(file.attrs.items())
                self.data: h5py.Dataset = file[next((name for name in self.DATA if name in file), self.DATA[0])]
                version = self.attributes.get("version")
                if version == self.VERSION:
                    self.numbers: dict[str, np.ndarray] = {name: file[name][()] for name in self.NUMBERS}
                    self.texts: dict[str, list[str]] = {name: file[name].asstr()[:].tolist() for name in self.TEXTS}
            if version != self.VERSION:
                raise InputError(f"{path}: version {version}, wanted {self.VERSION}. Delete it, and it is made again.")
            found, wanted = index_checksum(self.numbers, self.texts), self.attributes["index"]
            if found != wanted:
                raise InputError(
                    f"{path}: its index was damaged on disk: found the checksum {found}, wanted {wanted}. Delete it, and "
                    "it is made again."
                )
            self.close = stack.pop_all().close

    @contextlib.contextmanager
    def _input_error(self, path: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise InputError(f"{path}: there is no such file. Make the {self.KIND} first.") from None
        except (OSError, KeyError, RuntimeError, UnicodeDecodeError) as error:
            said = " ".join(str(error).split())
            raise InputError(
                f"{path}: not a whole store of {self.KIND} ({said}). Was it cut off? Delete it, and it is made again."
            ) from None

    def __len__(self) -> int:
        """Count the entries."""
        return len(self.texts["example_id"])

    @property
    def fingerprints(self) -> list[str]:
        """What tells whether an entry is the same, under one cache key."""
        return self.texts["content"]

    @property
    def left_out(self) -> list[str]:
        """The examples that were too long."""
        return self.texts["left_out"]

    def read(self, entry: int) -> np.ndarray:
        """Return the data of an entry. Raises InputError where they are not those that were written."""
        raise NotImplementedError


def index_checksum(numbers: dict[str, np.ndarray], texts: dict[str, list[str]]) -> str:
    """Return the checksum of an index."""
    digest = hashlib.blake2b(digest_size=16)
    for values in numbers.values():
        digest.update(np.asarray(values).tobytes())
    for text in texts.values():
        digest.update("\0".join(text).encode())
    return digest.hexdigest()


def write_index(
    file: h5py.File,
    kind: type[ShardFile],
    numbers: dict[str, np.ndarray],
    texts: dict[str, list[str]],
    attributes: Mapping[str, Any],
) -> None:
    """Write the index and the attributes of a shard of some kind, whose data is in the file already."""
    numbers = {name: np.asarray(numbers[name]) for name in kind.NUMBERS}
    texts = {name: texts[name] for name in kind.TEXTS}
    for name, values in numbers.items():
        file[name] = values
    for name, text in texts.items():
        file.create_dataset(name, data=np.array(text, dtype=object), dtype=h5py.string_dtype())
    file.attrs.update({**attributes, "version": kind.VERSION, "index": index_checksum(numbers, texts)})


@contextlib.contextmanager
def new_file(path: str | Path, needed: int, advice: str = "make some room") -> Iterator[h5py.File]:
    """Open a new HDF5 file that will take so many bytes. Raises OSError where the disk has no room for it.

    That is found out at once if it can be seen by then, and else when the file is closed.
    """
    free = shutil.disk_usage(Path(path).parent).free
    if needed > free:
        wanted = f"{needed / 1e9:.1f} GB are needed and {free / 1e9:.1f} GB free; {advice}"
        raise OSError(errno.ENOSPC, f"no space left on the disk: {wanted}", str(path))
    try:
        with h5py.File(path, "w", libver="latest") as file:
            yield file
    except RuntimeError as error:  # what h5py raises where the file cannot be closed
        if "write" not in str(error) and "flush" not in str(error):
            raise
        raise OSError(errno.ENOSPC, f"could not be written: {error}", str(path)) from error


def checksum(rows: np.ndarray) -> int:
    """Return the checksum of an array's bytes."""
    return isal_zlib.crc32(np.ascontiguousarray(rows).data.cast("B") if rows.size else b"")


def fingerprint(parts: Iterable[list[str]]) -> str:
    """Return a digest of lists of strings: 16 hexadecimal digits."""
    text = "\0".join("\n".join(part) for part in parts)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


S = TypeVar("S", bound=ShardFile)


class Shards(Generic[S]):
    """The shards of one checkpoint and view, read as one; a context manager.

    Raises InputError for a file that is missing, cut off, damaged or of another version, and for shards that do not belong
    together.
    """

    SHARD: type[S]

    def __init__(self, paths: Iterable[str]):
        self._stack = contextlib.ExitStack()
        self.places: dict[Any, tuple[S, int]] = {}
        self.left_out: set[str] = set()
        self.attributes: dict[str, Any] = {}
        self.sizes: dict[str, int] = {}
        try:
            for path in paths:
                self._add(self._stack.enter_context(contextlib.closing(self.SHARD(path))))
        except BaseException:
            self.close()
            raise

    def _add(self, shard: S) -> None:
        attributes = {name: shard.attributes[name] for name in COMMON if name in shard.attributes}
        sizes = self.sizes_of(shard)
        if self.attributes and (attributes, sizes) != (self.attributes, self.sizes):
            raise InputError(
                f"{shard.path}: found {attributes}, {sizes}, but the shards before it have {self.attributes}, "
                f"{self.sizes}. Delete the shards that are out of date."
            )
        self.attributes, self.sizes = attributes, sizes
        self.left_out.update(shard.left_out)
        for entry, key in enumerate(self.keys(shard)):
            if key in self.places:
                name = shard.texts["example_id"][entry]
                raise InputError(f"{shard.path}: example_id {name} stands in another shard already.")
            self.places[key] = (shard, entry)

    @staticmethod
    def sizes_of(shard: S) -> dict[str, int]:
        """Return the sizes of the data that are the same in all shards: ``layers``, and others."""
        raise NotImplementedError

    @staticmethod
    def keys(shard: S) -> Iterable[Hashable]:
        """Return what each entry of a shard is found by."""
        raise NotImplementedError

    @property
    def layers(self) -> int:
        """How many layers there are, the embeddings (layer 0) included; none without shards."""
        return self.sizes.get("layers", 0)

    def close(self) -> None:
        """Close the files."""
        self._stack.close()

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Close the files."""
        self.close()


class Cache:
    """The entries of previous shards that can be reused, by their fingerprints; a context manager.

    paths: shards of any division; a file that cannot be read or has another cache key is passed over. open_shard: what
    opens one.
    """

    def __init__(self, paths: Iterable[str], cache_key: str, open_shard: Callable[[str], ShardFile]):
        self._stack = contextlib.ExitStack()
        self._places: dict[str, tuple[ShardFile, int]] = {}
        self.left_out: set[str] = set()
        for path in paths:
            try:
                shard = open_shard(path)
            except InputError as error:
                log.info("nothing is reused: %s", error)
                continue
            if shard.attributes.get("cache_key") != cache_key:
                shard.close()
                continue
            self._stack.callback(shard.close)
            self._places |= {name: (shard, entry) for entry, name in enumerate(shard.fingerprints)}
            self.left_out.update(shard.texts.get("left_out_content", ()))

    def __contains__(self, name: str) -> bool:
        """Whether an entry was computed, or its example found to be too long."""
        return name in self._places or name in self.left_out

    def read(self, name: str) -> np.ndarray | None:
        """Return the data of an entry; None where there are none, or they were damaged."""
        if name not in self._places:
            return None
        shard, entry = self._places[name]
        try:
            return shard.read(entry)
        except InputError as error:
            log.warning("computed again: %s", error)
            return None

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Close the files."""
        self._stack.close()
