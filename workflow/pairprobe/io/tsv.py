"""Tables as TSV files."""

import csv
from collections.abc import Iterable, Sequence

from pairprobe.errors import InputError
from pairprobe.io import files


def write_tsv(path: str, fields: Sequence[str], rows: Iterable[Sequence]) -> None:
    """Write a table with a header, tab-separated, whole or not at all."""
    with files.atomic_write(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, delimiter="\t", lineterminator="\n")
        table.writerow(fields)
        table.writerows(rows)


def read_tsv(path: str, fields: Sequence[str] | None = None) -> list[dict[str, str]]:
    """Read a table; raise InputError where its header is not ``fields``."""
    with open(path, encoding="utf-8", newline="") as file:
        table = csv.DictReader(file, delimiter="\t")
        if fields is not None and tuple(table.fieldnames or ()) != tuple(fields):
            raise InputError(f"{path}, line 1: found {table.fieldnames}, wanted {list(fields)}.")
        return list(table)


def _numbers(path: str, number: int, row: dict, keys: Sequence[str]) -> list[float]:
    try:
        return [float(row[key]) for key in keys]
    except (TypeError, ValueError):
        found = ", ".join(f"{key} {row[key]!r}" for key in keys)
        raise InputError(f"{path}, line {number}: found {found}, wanted numbers.") from None
