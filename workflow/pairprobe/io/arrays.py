"""Named arrays in one file (npz), whose checksums are compared when it is read."""

import io
import zipfile
import zlib
from pathlib import Path

import numpy as np

from pairprobe.errors import InputError, one_line
from pairprobe.io import files


def write(path: str | Path, **arrays: np.ndarray) -> None:
    """Write arrays, atomically, in the same bytes with every version of Python (not so np.savez)."""
    with files.atomic_write(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, np.asanyarray(array), allow_pickle=False)
            # Of a known size: how a member of an unknown one begins depends on the version of zipfile.
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), content.getvalue())


def read(path: str | Path, *names: str) -> list[np.ndarray]:
    """Return the arrays of these names. Raises InputError where the file is missing, cut off or damaged."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            return [stored[name] for name in names]
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file.") from None
    # A damaged header may ask for any number of bytes.
    except (zipfile.BadZipFile, zlib.error, OSError, ValueError, KeyError, EOFError, RuntimeError, MemoryError) as error:
        said = one_line(error)
        if isinstance(error, OSError) and error.errno:  # the system's reason, not the file's
            raise InputError(f"{path}: it cannot be read ({said}). Mend that; the file itself may be whole.") from None
        raise InputError(f"{path}: not a whole file of arrays ({said}). Delete it, and it is made again.") from None
