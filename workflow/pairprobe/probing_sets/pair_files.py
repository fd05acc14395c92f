"""Pairs of one's own from a file: a table with a header, or JSON lines."""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pairprobe.data.examples import Example
from pairprobe.data.values import as_text, whole_number
from pairprobe.errors import InputError
from pairprobe.io import files, table_forms, tables
from pairprobe.probing_sets.pairs import PairRow
from pairprobe.probing_sets.text_pairs import Faults, Resolver, TextPair, side_of
from pairprobe.probing_sets.text_pairs import resolve as resolve
from pairprobe.probing_sets.text_spans import SHOWN, Characters, PairError, Text, Words

Span = Characters | Words
_SPANS: dict[type[Span], tuple[str, str]] = {Characters: ("start", "end"), Words: ("word_start", "word_end")}
_OF_SPAN = [key for keys in _SPANS.values() for key in keys]
KEYS = (
    "text", "passage", "question", "group", "id", "anchor_side",
    *(f"{name}{key}" for name in ("anchor", "match") for key in ("", *(f"_{key}" for key in _OF_SPAN))),
)  # fmt: skip
# Where a table has these columns, no cell of them is empty.
_NEVER_EMPTY = ("text", "passage", "question", "anchor", "match")


def read(path: str | Path) -> list[TextPair]:
    """Read the pairs of a ``.tsv``, ``.csv`` or ``.jsonl`` file, plain or gzip; docs/how-to/your_pairs.md describes these.

    Their ids are the numbers of their lines, where they have none. Raises InputError with line and column of each of the
    first ``text_pairs.MAX_FAULTS`` faults, those of ``resolve`` among them.
    """
    return read_resolved(path)[0]


def load(path: str | Path) -> tuple[list[Example], list[PairRow]]:
    """Read a file of pairs as ``read`` does; return them as ``resolve`` does."""
    resolver = read_resolved(path)[1]
    return resolver.examples, resolver.rows


def has_question(path: str | Path) -> bool:
    """Say whether the first pair of a file has a question, which all or none have. Raises InputError where there is none.

    Of a table the header says so.
    """
    if _is_table(Path(path)):
        return "question" in _columns_of(path, tables.read_header(path))
    where, line = next(_lines(path), ("", _no_pairs(path, False)))
    if isinstance(line, InputError):
        raise line
    return files.json_object(where, line).get("question") is not None


def _lines(path: str | Path) -> Iterator[tuple[str, bytes | InputError]]:
    """Yield what ``files.read_lines`` does, without empty lines."""
    return (each for each in files.read_lines(path) if not isinstance(each[1], files.EmptyLineError))


def _is_table(path: Path) -> bool:
    if path.is_dir():
        raise InputError(f"{path}: it is a folder. Name the file of pairs in it.")
    return table_forms.form_of(path, "pairs") != ".jsonl"


def _no_pairs(path: str | Path, is_table: bool) -> InputError:
    return InputError(f"{path}: found no pairs. Wanted: one a line{', below the header' if is_table else ''}.")


def read_resolved(path: str | Path) -> tuple[list[TextPair], Resolver]:
    """Return the pairs as ``read`` does, and the resolver that has taken all of them."""
    path = Path(path)
    is_table = _is_table(path)
    pairs, resolver, faults = [], Resolver(), Faults(str(path), "column " if is_table else "key ")
    for number, row in _rows_of_table(path) if is_table else _rows_of_json_lines(path):
        where = f"line {number}"
        try:
            if isinstance(row, PairError):
                raise row
            pair = _pair_of(row)
        except PairError as fault:
            faults.add(where, fault)
            continue
        resolver.add(where, str(number), pair, faults)
        pairs.append(replace(pair, id=str(number)) if pair.id is None else pair)
    faults.check()
    if not pairs:
        raise _no_pairs(path, is_table)
    return pairs, resolver


def _rows_of_json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any] | PairError]]:
    for where, line in _lines(path):
        number = int(where.rpartition(" ")[2])
        try:
            if isinstance(line, InputError):
                raise line
            row = files.json_object(where, line)
        except InputError as error:
            yield number, PairError("", str(error).removeprefix(f"{where}: "))
            continue
        unknown = [key for key in row if key not in KEYS]
        yield number, PairError(unknown[0], _unknown(unknown[0])) if unknown else row


def _rows_of_table(path: Path) -> Iterator[tuple[int, dict[str, Any] | PairError]]:
    table = tables.read_table(path)
    names = _columns_of(path, table)
    for number, cells in table.rows:
        if len(cells) != len(names):
            yield (
                number,
                PairError("", f"found {len(cells)} cells. Wanted: {len(names)}, as the header has."),
            )
            continue
        row = dict(zip(names, cells, strict=True))
        given = {name: cell for name, cell in row.items() if cell.strip()}
        # With its place beside it a string need not be given.
        empty = [name for name in _NEVER_EMPTY if name in row.keys() - given.keys() and not _numbers_of(given, name)]
        yield number, PairError(empty[0], "the cell is empty. Wanted: a text in each row.") if empty else given


def _columns_of(path: str | Path, table: tables.Table) -> list[str]:
    """Return the names of a table's columns. Raises InputError where they are not those of a file of pairs."""
    names, where = table.names, f"{path}, line {table.line}"
    if not names:
        raise _no_pairs(path, True)
    if set(names).isdisjoint(KEYS):
        raise InputError(
            f"{where}: found {', '.join(table.header)!r:.200}. Wanted: a header, the names of the columns, among them "
            "text, anchor and match."
        )
    for name in names:
        if name not in KEYS:
            missing = " and ".join(
                wanted for wanted in ("text", "anchor", "match") if not any(n.startswith(wanted) for n in names)
            )
            lacking = f"There is no column {missing}." if missing else ""
            raise InputError(f"{where}, column {name}: {_unknown(name)} {lacking}".rstrip())
        if names.count(name) > 1:
            raise InputError(f"{where}, column {name}: there are {names.count(name)} of it. Wanted: one.")
    return names


def _unknown(name: str) -> str:
    close = difflib.get_close_matches(name, KEYS, n=1)
    return f"there is none of this name.{f' Did you mean {close[0]}?' if close else ''} Allowed: {', '.join(KEYS)}."


def _pair_of(row: Mapping[str, Any]) -> TextPair:
    """Return the pair of a row, whose keys are known. Raises PairError for what has no text or no span, or another type."""
    row = {key: value for key, value in row.items() if value is not None}
    texts = [key for key in ("text", "passage") if key in row]
    if len(texts) != 1:
        if texts:
            raise PairError("", "found both text and passage, which are two names of one thing. Wanted: one.")
        raise PairError("", "found neither text nor passage. Wanted: text, or question and passage.")
    written = row[texts[0]]
    question, side = row.get("question"), row.get("anchor_side")
    return TextPair(
        written,
        _span_of(row, "anchor", question if side_of(question is not None, side) == "question" else written),
        _span_of(row, "match", written),
        question,
        _label(row, "group"),
        _label(row, "id"),
        side,
    )


def _label(row: Mapping[str, Any], key: str) -> str | None:
    value = row.get(key)
    if isinstance(value, bool | list | dict):
        raise PairError(key, f"found {value!r:.{SHOWN}}, wanted text.")
    try:
        return as_text("", key, value)
    except InputError:
        raise PairError(key, f"found {value!r:.{SHOWN}}, wanted text or a whole number.") from None


def _numbers_of(row: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return where an anchor or a match is said to be: of ``_OF_SPAN`` those that are given."""
    return {key: row[f"{name}_{key}"] for key in _OF_SPAN if f"{name}_{key}" in row}


def _span_of(row: Mapping[str, Any], name: str, written: object) -> str | Span:
    """Return the anchor or the match of a row. written: the text that it is in."""
    string, numbers = row.get(name), {key: _whole(f"{name}_{key}", one) for key, one in _numbers_of(row, name).items()}
    if string is not None and not isinstance(string, str):
        places = f"{name}_start and {name}_end (characters), or {name}_word_start and {name}_word_end (words)"
        raise PairError(name, f"found {string!r:.{SHOWN}}, wanted text. Numbers are {places}.")
    if not numbers:
        if string is None:
            raise PairError(name, f"missing. {_wanted(name)}")
        return string
    if string is not None and numbers.keys() == {"start"}:  # as SQuAD has answers
        numbers["end"] = numbers["start"] + len(string)
    for kind, keys in _SPANS.items():
        if numbers.keys() == {*keys}:
            span = kind(*(numbers[key] for key in keys))
            _check_same(name, string, span, written)
            return span
    given = [f"{name}_{key}" for key in numbers]
    missing = {f"{name}_{key}" for keys in _SPANS.values() if numbers.keys() & {*keys} for key in keys} - {*given}
    lacks = f"without {' and '.join(sorted(missing))}" if len(given) == 1 else "which are no start and end of one kind"
    raise PairError(given[0], f"found {' and '.join(given)} {lacks}. {_wanted(name)}")


def _check_same(name: str, string: str | None, span: Span, written: object) -> None:
    """Raise PairError where a string and a span are given, and the text has something else there."""
    there = Text.of("text", written).slice(span) if isinstance(written, str) or isinstance(span, Words) else None
    if string and there and there.split() != string.split():
        raise PairError(name, f"found {string!r:.{SHOWN}}, and at {span} {there!r:.{SHOWN}}. Wanted: the same.")


def _wanted(name: str) -> str:
    return (
        f"Wanted: {name}, a string that occurs once in the text, or with {name}_start, the character at which it begins; "
        f"or {name}_start and {name}_end, characters; or {name}_word_start and {name}_word_end, words. They count from 0, "
        "and the end is not included."
    )


def _whole(key: str, value: Any) -> int:
    try:
        return whole_number("", key, None if isinstance(value, bool | list | dict) else value)
    except InputError:
        raise PairError(key, f"found {value!r:.{SHOWN}}, wanted a whole number.") from None
