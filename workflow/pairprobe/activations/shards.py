"""HDF5 files with a checked index: what shards of activations and shards of similarities have in common.

A shard has one large dataset, the data, which is read some rows at a time, and an index: small datasets, all of them read
when the file is opened. Attributes: version, of the format; index, the checksum of the index; cache_key, a digest of
everything that the data depend on, except for what the fingerprint of each entry covers.
"""

import contextlib
import errno
import hashlib
import re
import shutil
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeVar

import h5py
import numpy as np
from isal import isal_zlib

from pairprobe.errors import InputError, one_line
from pairprobe.io.digests import joined
from pairprobe.io.progress import log

# What shards that belong together have in common.
COMMON = (
    *("checkpoint", "view", "precision", "max_length", "special_tokens", "last_layer"),
    *("causal", "order", "newline", "final_norm", "version"),
)


class ShardFile:
    """One shard, open for reading. Raises InputError for a file that is missing, cut off, damaged or of another version."""

    # What errors call the data, the names that its dataset may have, its axis of words, and the datasets of the index.
    KIND: ClassVar[str]
    VERSION: ClassVar[int]
    DATA: ClassVar[tuple[str, ...]]
    ROWS: ClassVar[int]
    NUMBERS: ClassVar[tuple[str, ...]]
    TEXTS: ClassVar[tuple[str, ...]]

    def __init__(self, path: str):
        self.path = path
        with contextlib.ExitStack() as stack, reading(path, self.KIND):
            file = stack.enter_context(open_file(path, self.KIND))
            self.attributes: dict[str, Any] = dict(file.attrs.items())
            version = self.attributes.get("version")
            there = (name for name in self.DATA if file.id.links.exists(name.encode()))
            self.data = dataset(file, next(there, self.DATA[0]))
            if version != self.VERSION:
                raise InputError(f"{path}: version {version}, wanted {self.VERSION}. Delete it, and it is made again.")
            self.numbers: dict[str, np.ndarray] = {name: dataset(file, name)[()] for name in self.NUMBERS}
            self.texts: dict[str, list[str]] = {name: dataset(file, name).asstr()[:].tolist() for name in self.TEXTS}
            found, wanted = index_checksum(self.numbers, self.texts), self.attributes["index"]
            if found != wanted:
                raise InputError(
                    f"{path}: its index was damaged on disk: found the checksum {found}, wanted {wanted}. Delete it, and "
                    "it is made again."
                )
            self._check_index()
            self.close = stack.pop_all().close

    def _check_index(self) -> None:
        """Raise ValueError where the index is of other data, whatever its checksum."""
        offsets, rows = self.numbers["offsets"], self.data.shape[self.ROWS]
        if (
            any(values.dtype.kind not in "iu" for values in self.numbers.values())
            or offsets.shape != (len(self) + 1,)
            or (offsets[0], offsets[-1]) != (0, rows)
            or (np.diff(offsets) < 0).any()
            or self.numbers["question_words"].shape != (len(self),)
            or self.numbers["crc32"].shape[-1:] != (len(self),)
        ):
            raise ValueError(f"its index does not fit its data, {self.data.shape}")

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


def open_file(path: str | Path, kind: str = "activations") -> h5py.File:
    """Open a store for reading. kind: of what, for errors. Raises InputError where it is missing, locked or none."""
    if Path(path).exists() and not Path(path).is_file():  # a pipe would be waited for
        raise InputError(f"{path}: found no regular file, wanted a store of {kind}. Delete it.")
    with reading(path, kind):
        return h5py.File(path, "r")


def dataset(file: h5py.File, name: str) -> h5py.Dataset:
    """Return a dataset that lies in the file as a whole, as all of ours do. Raises KeyError where it is missing.

    Raises InputError for one that others may have made to read another file (a link, a virtual or external dataset), or to
    fill the memory (compressed, or of more rows than are stored).
    """
    if not file.id.links.exists(name.encode()):
        raise KeyError(f"{name} is missing")
    is_link = file.id.links.get_info(name.encode()).type != h5py.h5l.TYPE_HARD
    found = None if is_link else file[name]
    if not isinstance(found, h5py.Dataset) or found.is_virtual or found.external or found.chunks:
        wrong = "a link" if is_link else "no dataset" if found is None else "compressed, virtual or external"
    elif found.id.get_storage_size() < found.nbytes:
        wrong = f"of the shape {found.shape}, and {found.id.get_storage_size():,} bytes of it are stored"
    else:
        return found
    raise InputError(
        f"{file.filename}: {name} is {wrong}; wanted a plain dataset. pairprobe writes no such file. Delete it, and it is "
        "made again."
    )


class LockedError(InputError):
    """A file that another program has open for writing, or that cannot be locked where it lies."""


@contextlib.contextmanager
def reading(path: str | Path, kind: str) -> Iterator[None]:
    """Raise InputError for what h5py raises where a file cannot be opened, or is not what is wanted."""
    try:
        yield
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file. Make the {kind} first.") from None
    except (OSError, KeyError, RuntimeError, TypeError, ValueError, IndexError) as error:
        if isinstance(error, InputError):
            raise
        _raise_locked(path, error)
        said = one_line(error)
        if isinstance(error, OSError) and error.errno:  # the system's reason, not the file's
            raise InputError(f"{path}: it cannot be read ({said}). Mend that; the file itself may be whole.") from None
        raise InputError(
            f"{path}: not a whole store of {kind} ({said}). Was it cut off? Delete it, and it is made again."
        ) from None


def _raise_locked(path: str | Path, error: Exception) -> None:
    """Raise LockedError where HDF5 could not lock a file: errno 11 (another program), 37 or 524 (no locks)."""
    said = one_line(error)
    if re.search("lock file|already open for", said) or getattr(error, "errno", 0) in (errno.EAGAIN, errno.ENOLCK, 524):
        raise LockedError(
            f"{path}: it is locked ({said}): another program has it open for writing, or its file system has no locks. "
            "Wait for the other program, or end it. Where there is none, set HDF5_USE_FILE_LOCKING=FALSE for the job; a "
            "file whose writer was killed also needs h5clear -s. Nothing is wrong with what it holds."
        ) from None


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
        try:
            file = h5py.File(path, "w", libver="latest")
        except OSError as error:
            _raise_locked(path, error)
            raise
        with file:
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
    content = joined(joined(text.encode() for text in part) for part in parts)
    return hashlib.blake2b(content, digest_size=8).hexdigest()


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
            except LockedError:  # what it holds would be computed again
                self._stack.close()
                raise
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
