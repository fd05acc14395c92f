"""Tables as TSV files: their lines as text, to be passed on, or as a pandas DataFrame, to compute with."""

import csv
import math
import re
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pairprobe.errors import InputError
from pairprobe.io import files

if TYPE_CHECKING:
    import pandas as pd


def write_tsv(path: str | Path, fields: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    """Write a table with a header, tab-separated, whole or not at all."""
    with files.atomic_write(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, delimiter="\t", lineterminator="\n")
        table.writerow(fields)
        table.writerows(rows)


def rounded(number: float, decimals: int = 4) -> str:
    """Return a number as tables have it, "" for NaN."""
    return "" if math.isnan(number) else f"{number:z.{decimals}f}"


def read_tsv(path: str | Path, fields: Sequence[str] | None = None) -> list[dict[str, str]]:
    """Read the lines of a table as text.

    Raises InputError where it has no header, another one than ``fields``, a line of another length, or is no UTF-8.
    """
    with open(path, encoding="utf-8", newline="") as file:
        table = csv.reader(file, delimiter="\t")
        try:
            header = next(table, [])
            if not header or (fields is not None and header != list(fields)):
                wanted = "the names of columns" if fields is None else list(fields)
                raise InputError(f"{path}, line 1: found {header or None}, wanted {wanted}.")
            rows = []
            for cells in table:
                if len(cells) != len(header):
                    raise InputError(f"{path}, line {table.line_num}: found {len(cells)} cells, wanted {len(header)}.")
                rows.append(dict(zip(header, cells, strict=True)))
        except (UnicodeDecodeError, csv.Error) as error:
            raise InputError(f"{path}, line {table.line_num + 1}: no table in UTF-8 ({error}).") from None
    return rows


def read_frame(
    path: str | Path,
    fields: Sequence[str],
    numbers: Sequence[str] = (),
    exactly: bool = True,
    may_be_empty: Collection[str] = (),
) -> "pd.DataFrame":
    """Read a table into a DataFrame: columns in ``numbers`` as int64 or float64, the others as text.

    exactly: the header is ``fields``; otherwise other columns may stand among them. may_be_empty: columns of ``numbers``
    whose empty cells are NaN. Raises InputError, with the line, for another header, a line of another length, and a cell of
    ``numbers`` that is no number ("nan" is one).
    """
    import pandas as pd

    try:
        frame = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    except pd.errors.EmptyDataError:
        raise InputError(f"{path}, line 1: found nothing, wanted {list(fields)}.") from None
    except pd.errors.ParserError as error:
        number = re.search(r"line (\d+)", str(error))
        raise InputError(f"{path}, line {number[1] if number else '?'}: found more cells than the header has.") from None
    columns = list(frame.columns)
    if columns != list(fields) if exactly else not set(fields) <= set(columns):
        raise InputError(f"{path}, line 1: found {columns}, wanted {list(fields)}{'' if exactly else ' among them'}.")
    # Where the first line is longer than the header, pandas takes its first cell for the name of a row.
    if not isinstance(frame.index, pd.RangeIndex):
        raise InputError(f"{path}, line 2: found more cells than the header has.")
    for name in numbers:
        found = pd.to_numeric(frame[name], errors="coerce")
        if (bad := found.isna() & ~frame[name].str.lower().isin(["nan", ""] if name in may_be_empty else ["nan"])).any():
            i = bad.to_numpy().argmax()
            raise InputError(f"{path}, line {i + 2}: found {name} {frame[name][i]!r}, wanted a number.")
        frame[name] = found
    return frame
