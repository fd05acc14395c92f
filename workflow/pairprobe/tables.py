"""Result tables: TSV for machines, Markdown for reading."""

import csv
from collections.abc import Iterable, Sequence

from pairprobe import files
from pairprobe.errors import InputError


def write_tsv(path: str, fields: Sequence[str], rows: Iterable[Sequence]) -> None:
    """Write a table with a header, tab-separated, whole or not at all."""
    with files.whole(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
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


def markdown(fields: Sequence[str], rows: Iterable[Sequence], numbers: Sequence[str] = ()) -> str:
    """Lay out a Markdown table, padded so that it reads well as it is; columns in ``numbers`` are set to the right."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(3, len(field), *(len(row[i]) for row in cells)) for i, field in enumerate(fields)]

    def line(row: Sequence[str]) -> str:
        padded = (
            cell.rjust(width) if field in numbers else cell.ljust(width)
            for cell, width, field in zip(row, widths, fields, strict=True)
        )
        return "| " + " | ".join(padded) + " |"

    rule = ["-" * (w - 1) + ":" if f in numbers else "-" * w for f, w in zip(fields, widths, strict=True)]
    return "\n".join([line(fields), line(rule), *(line(row) for row in cells)]) + "\n"
