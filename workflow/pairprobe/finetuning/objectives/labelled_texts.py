"""Labelled texts from a file of one's own: a table with a header, or JSON lines; ``text``, ``text_pair`` and ``label``."""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pairprobe.data.sampling import hash_unit
from pairprobe.data.values import as_text
from pairprobe.errors import InputError
from pairprobe.io import files, table_forms, tables
from pairprobe.io.progress import log

KEYS = ("text", "text_pair", "label")
# The share of texts that train nothing, on which the trained classifier is scored.
HELD_OUT = 0.1


@dataclass(frozen=True, slots=True)
class LabelledText:
    """A text, or a pair of them, with its label. where: file and line."""

    where: str
    text: str
    text_pair: str | None
    label: str

    @property
    def held_out(self) -> bool:
        """Whether it trains nothing: by a hash of the texts, so that the same texts are never on both sides."""
        return hash_unit("held out", self.text, self.text_pair or "") < HELD_OUT


def read(path: str | Path) -> list[LabelledText]:
    """Read the labelled texts of a file, in its order.

    All or none have a ``text_pair``; other columns are not read. Raises InputError with file and line for what is no such
    row, and where those that train have fewer than two labels.
    """
    of_form = _of_json_lines if table_forms.form_of(path) == ".jsonl" else _of_table
    found = [_labelled(where, row) for where, row in of_form(path)]
    paired = [one for one in found if one.text_pair is not None]
    if paired and (odd := next((one for one in found if one.text_pair is None), None)):
        raise InputError(f"{odd.where}: text_pair: it is empty, and {paired[0].where} has one. Wanted: all or none.")
    trained = [one for one in found if not one.held_out]
    if len(labels := labels_of(trained)) < 2:
        raise InputError(
            f"{path}: found {len(trained)} texts with the labels {labels} to train on, wanted two labels or more. Add "
            f"texts: {len(found) - len(trained)} of {len(found)} are held out."
        )
    return found


def labels_of(texts: list[LabelledText]) -> list[str]:
    """Return the labels that there are, sorted."""
    return sorted({one.label for one in texts})


def _of_json_lines(path: str | Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for where, line in files.read_lines(path):
        if isinstance(line, files.EmptyLineError):
            continue
        if isinstance(line, InputError):
            raise line
        yield where, files.json_object(where, line)


def _of_table(path: str | Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    table = tables.read_table(path)
    names = table.names
    for wanted in ("text", "label"):
        if names.count(wanted) != 1:
            close = "".join(f" Is {one} meant?" for one in difflib.get_close_matches(wanted, names, 1))
            raise InputError(
                f"{path}, line {table.line}: found the columns {', '.join(names) or 'none'}, wanted one {wanted}.{close}"
            )
    if others := [name for name in names if name not in KEYS]:
        log.info("%s: columns that are not read: %s", path, ", ".join(others))
    for line, cells in table.rows:
        where = f"{path}, line {line}"
        if len(cells) != len(names):
            raise InputError(f"{where}: found {len(cells)} cells, wanted {len(names)}, as in the header. {tables.QUOTES}")
        yield where, {key: cell for key, cell in zip(names, cells, strict=True) if cell.strip()}


def _labelled(where: str, row: Mapping[str, Any]) -> LabelledText:
    for key in KEYS:
        value = row.get(key)
        if value is None and key != "text_pair":
            raise InputError(f"{where}: {key}: missing or empty. Wanted: text and label, and in pairs text_pair.")
        if isinstance(value, bool | list | dict) or (key != "label" and not isinstance(value, str | None)):
            raise InputError(f"{where}: {key}: found {value!r:.50}, wanted text.")
    label = as_text(where, "label", row["label"])
    if not label or not label.strip() or not row["text"].strip():
        raise InputError(f"{where}: found an empty text or label. Write one, or take the line out.")
    return LabelledText(where, row["text"], row.get("text_pair"), label.strip())
