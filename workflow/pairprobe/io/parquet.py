"""Rows of parquet files, a few in memory at a time."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pairprobe.errors import InputError

if TYPE_CHECKING:
    import pyarrow

# Pages of Natural Questions take 0.1 to 1 MB a row once they are Python objects.
ROWS = 16


def batches(path: str | Path, columns: Sequence[str]) -> Iterator[tuple[int, "pyarrow.RecordBatch"]]:
    """Yield ``(number of the first row, pyarrow.RecordBatch)`` with these columns ("document.title" for a field of one).

    Raises InputError for a file that is missing, no parquet, damaged, or without these columns.
    """
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path, memory_map=True) as file:
            names = {file.schema.column(i).path for i in range(len(file.schema))}
            missing = [c for c in columns if not any(name == c or name.startswith(f"{c}.") for name in names)]
            if missing:
                raise InputError(
                    f"{path}: the columns {', '.join(missing)} are missing; found {', '.join(file.schema_arrow.names)}. "
                    "Is this a file of the data set that data.source names?"
                )
            first = 1
            for batch in file.iter_batches(batch_size=ROWS, columns=list(columns), use_threads=False):
                batch.validate(full=True)
                yield first, batch
                first += batch.num_rows
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file. Check the path in the configuration.") from None
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        said = " ".join(str(error).split())
        raise InputError(f"{path}: not a whole parquet file ({said}). Fetch it again.") from None


def read_rows(path: str | Path, columns: Sequence[str]) -> Iterator[tuple[str, dict]]:
    """Yield ``("FILE, row N", {column: value})`` for each row."""
    for first, batch in batches(path, columns):
        for i, row in enumerate(batch.to_pylist()):
            yield f"{path}, row {first + i}", row
