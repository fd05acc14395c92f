"""Tables with a header as spreadsheets and programs write them: CSV and TSV, plain or gzip, in any encoding of Unicode."""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from pairprobe.errors import InputError
from pairprobe.io import encodings, files, whole_files

# A header is looked for in so many bytes, where it alone is read.
HEAD_BYTES = 1 << 20
QUOTES = "A cell that begins with a quotation mark ends with one, and has each of its own twice; or write JSON lines."


@dataclass(frozen=True, slots=True)
class Table:
    """A table. delimiter: what its cells stand apart by.

    header: its first row, empty where there is none; line: where that is. rows: of each row below it the number of the line
    at which it begins, and its cells.
    """

    delimiter: str
    header: list[str]
    line: int
    rows: Iterator[tuple[int, list[str]]]

    @property
    def names(self) -> list[str]:
        """The names of its columns, in small letters and without blanks around them."""
        return [name.strip().lower() for name in self.header]


def read_table(path: str | Path, advice: str = QUOTES) -> Table:
    """Read a table; empty rows are left out, above the header too.

    Cells stand apart by a comma, a tab or a semicolon, whichever the header has most of, with a blank behind each or
    without, and may be quoted. Raises InputError for a file that is missing or no text, and, as its rows are read, where it
    is no table: then with ``advice``.
    """
    return _parsed(path, encodings.as_utf8(str(path), whole_files.read(path)).decode(), advice)


def read_header(path: str | Path) -> Table:
    """Return what ``read_table`` does, without the rows, and read no more of a large file than that takes."""
    head = encodings.head_as_text(str(path), whole_files.read_head(path, HEAD_BYTES))
    return replace(_parsed(path, head, QUOTES), rows=iter(()))


def _parsed(path: str | Path, content: str, advice: str) -> Table:
    said = re.match(r'"?sep=(.)"?\r?\n', content)  # a line for Excel
    skipped, content = (1, content[said.end() :]) if said else (0, content)
    head = content.lstrip().partition("\n")[0]
    # Excel separates by semicolons where the comma is for decimals; others put a blank behind each.
    delimiter = said[1] if said else max(",\t;", key=head.count)
    csv.field_size_limit(files.MAX_LINE_BYTES)
    by_blank = f"{delimiter} " in head
    table = csv.reader(io.StringIO(content, newline=""), delimiter=delimiter, strict=True, skipinitialspace=by_blank)

    def rows() -> Iterator[tuple[int, list[str]]]:
        line = skipped + 1
        try:
            for cells in table:
                if any(map(str.strip, cells)):
                    yield line, cells
                line = skipped + table.line_num + 1
        except csv.Error as error:
            # A quote without its like is found at the end of the file only: the row's first line has it, or one near to it.
            raise InputError(f"{path}, line {line}: no table ({error}). {advice}") from None

    below = rows()
    line, header = next(below, (skipped + 1, []))
    return Table(delimiter, header, line, below)
