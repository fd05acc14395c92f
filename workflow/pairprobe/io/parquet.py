"""Rows of parquet files, a few in memory at a time."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pairprobe.errors import InputError, one_line
from pairprobe.io.whole_files import MAX_RATIO, SMALL

if TYPE_CHECKING:
    import pyarrow

# Pages of Natural Questions take 0.1 to 1 MB a row once they are Python objects.
ROWS = 16


def batches(
    path: str | Path, columns: Sequence[str], optional: Sequence[str] = ()
) -> Iterator[tuple[int, "pyarrow.RecordBatch | InputError"]]:
    """Yield ``(number of the first row, pyarrow.RecordBatch)`` with these columns ("document.title" for a field of one).

    optional: columns that are read where they are there. A row group that is damaged gives an InputError in its place.
    Raises InputError for a file that is missing, no parquet, cut off, or without these columns.
    """
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path, memory_map=True) as file:
            there = _among(file, [*columns, *optional])
            if missing := [column for column in columns if column not in there]:
                raise InputError(
                    f"{path}: the columns {', '.join(missing)} are missing; found {', '.join(file.schema_arrow.names)}. "
                    "Is this a file of the data set that data.source names?"
                )
            _check_growth(path, file)
            first = 1
            for group in range(file.num_row_groups):
                end = first + file.metadata.row_group(group).num_rows
                yield from _of_group(path, file, group, there, (first, end))
                first = end
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file. Check the path in the configuration.") from None
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a whole parquet file ({one_line(error)}). Fetch it again.") from None


def _check_growth(path: str | Path, file: "pyarrow.parquet.ParquetFile") -> None:
    """Raise InputError where rows that are read together become larger than those of real data (see ``whole_files``)."""
    # Not by what is stored of each column: where its metadata are damaged, pyarrow ends the process that asks.
    stored = os.path.getsize(path)
    for i in range(file.num_row_groups):
        group = file.metadata.row_group(i)
        if group.total_byte_size > max(SMALL, MAX_RATIO * stored):
            raise InputError(
                f"{path}, row group {i}: {stored:,} bytes that become {group.total_byte_size:,}; wanted at most "
                f"{MAX_RATIO} times those of the file. If that is meant, write the file again without compression."
            )


def _among(file: "pyarrow.parquet.ParquetFile", columns: Sequence[str]) -> list[str]:
    names = {file.schema.column(i).path for i in range(len(file.schema))}
    return [c for c in columns if any(name == c or name.startswith(f"{c}.") for name in names)]


def _of_group(
    path: str | Path, file: "pyarrow.parquet.ParquetFile", group: int, columns: list[str], rows: tuple[int, int]
) -> Iterator[tuple[int, "pyarrow.RecordBatch | InputError"]]:
    import pyarrow

    first, end = rows
    try:
        for batch in file.iter_batches(batch_size=ROWS, row_groups=[group], columns=columns, use_threads=False):
            batch.validate(full=True)
            yield first, batch
            first += batch.num_rows
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        yield first, InputError(f"{path}, rows {first} to {end - 1}: damaged ({one_line(error)}). Fetch the file again.")


def read_rows(
    path: str | Path, columns: Sequence[str], optional: Sequence[str] = ()
) -> Iterator[tuple[str, dict | InputError]]:
    """Yield ``("FILE, row N", {column: value})`` for each row, or an InputError in the place of damaged ones."""
    for first, batch in batches(path, columns, optional):
        if isinstance(batch, InputError):
            yield f"{path}, row {first}", batch
            continue
        for i, row in enumerate(batch.to_pylist()):
            yield f"{path}, row {first + i}", row
