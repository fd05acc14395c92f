"""Questions with a context and an answer, one a row, read as documents: what most data sets can be exported to.

JSON lines, a JSON array, CSV or TSV with a header, or parquet. An answer without the place where it begins is found in the
context.
"""

import itertools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from pairprobe.data.documents import Document
from pairprobe.data.running_text import Asked, document_of
from pairprobe.data.sampling import hash_bytes
from pairprobe.data.values import Flag, Plain, as_text, is_true, whole_number
from pairprobe.errors import InputError
from pairprobe.io import parquet, tables
from pairprobe.io.progress import log
from pairprobe.io.typed_json import decoded, fault, read_objects

# Characters of an answer.
_LONG = 200


class _Answer(msgspec.Struct):
    """An answer as SQuAD's JSON has it, or all of them as the hub has them."""

    text: str | int | list[str | int]
    answer_start: Plain | list[Plain] = None


Answers = str | int | list[str | int | _Answer] | _Answer | None


class _Row(msgspec.Struct):
    question: str
    context: str
    answers: Answers | UnsetType = UNSET
    answer: Answers | UnsetType = UNSET  # the same by another name
    answer_start: Plain | list[Plain] = None
    id: Plain = None
    title: Plain = None
    is_impossible: Flag = False


def read(path: str | Path) -> Iterator[tuple[str, Document | InputError]]:
    """Yield ``(where, document)`` for each row of a file, or the error in its place.

    Which form it is, is seen from the name: ``.parquet``, ``.csv``, ``.tsv``, else JSON. Raises InputError for a file that
    is missing, cut off or of another kind.
    """
    path = Path(path)
    kind = Path(path.name.removesuffix(".gz")).suffix.lower()
    rows = (
        _read_parquet(path) if kind == ".parquet" else _read_table(path) if kind in (".csv", ".tsv") else _read_json(path)
    )
    counts: Counter[str] = Counter()
    for where, row in rows:
        try:
            yield where, row if isinstance(row, InputError) else _document(where, row, counts)
        except InputError as error:
            yield where, error
    for what, number in (+counts).items():
        log.info("%s: %d answers %s", path, number, what)


def _read_json(path: Path) -> Iterator[tuple[str, _Row | InputError]]:
    for where, raw in read_objects(path):
        yield where, raw if isinstance(raw, InputError) else decoded(where, raw, _Row)


def _read_parquet(path: Path) -> Iterator[tuple[str, _Row | InputError]]:
    optional = [name for name in _Row.__struct_fields__ if name not in ("question", "context")]
    for where, row in parquet.read_rows(path, ("question", "context"), optional):
        yield where, row if isinstance(row, InputError) else _converted(where, row)


def _converted(where: str, row: dict[str, Any]) -> _Row | InputError:
    try:
        return msgspec.convert(row, _Row)
    except msgspec.ValidationError as error:
        return InputError(f"{where}{fault(error, _Row)}")


def _read_table(path: Path) -> Iterator[tuple[str, _Row | InputError]]:
    table = tables.read_table(path, "Write it again as JSON lines.")
    names = table.names
    if names and not {"question", "context"} <= {*names}:
        raise InputError(
            f"{path}: the first line is {', '.join(table.header)!r:.200}. Wanted: the names of the columns, among them "
            "question, context and answer."
        )
    twice = [name for name, times in Counter(names).items() if times > 1 and name in _Row.__struct_fields__]
    if twice:
        raise InputError(f"{path}: the first line has several columns {twice[0]!r}. Wanted: one; rename the others.")
    for number, cells in table.rows:
        where = f"{path}, line {number}"
        if len(cells) == len(names):
            yield where, _from_cells(where, dict(zip(names, cells, strict=True)))
        else:
            found = "more" if len(cells) > len(names) else "fewer"
            wanted = f"wanted {len(names)} cells apart by {table.delimiter!r}, as in the first line"
            yield where, InputError(f"{where}: found {found} cells, {wanted}.")


def _from_cells(where: str, cells: dict[str, str]) -> _Row | InputError:
    # An empty cell is none, and one of pandas' NaN, but for a key without which there is no row.
    row: dict[str, Any] = {
        key: cell for key, cell in cells.items() if cell not in ("", "nan", "NaN") or key in ("question", "context")
    }
    row |= {key: row.get(key) for key in ("answer", "answers") if key in cells}
    for key in ("answer", "answers"):
        if re.match(r"[\[{]+['\"]|array\(", row.get(key) or ""):
            found = f"found {row[key][:40]!r}, which is a value of Python or JSON"
            return InputError(
                f"{where}, key {key}: {found}. Wanted: a text; or export JSON lines or parquet in place of CSV."
            )
    if "id" in row:  # pandas makes floats of integers where one is missing
        row["id"] = re.sub(r"^(\d+)\.0$", r"\1", row["id"])
    return _converted(where, row)


def _document(where: str, row: _Row, counts: Counter[str]) -> Document | InputError:
    key, given = _given(where, row)
    pairs = [(text, start) for text, start in _pairs(where, given, row.answer_start) if text.strip()]
    found = [place for text, start in pairs if (place := _placed(row.context, text, start, counts))]
    if pairs and not found:
        raise InputError(
            f"{where}, key {key}: {pairs[0][0][:_LONG]!r} is not in the context. Wanted: words of the context, or null "
            "where it does not answer."
        )
    counts["not in their context, beside one that is: left out"] += len(pairs) - len(found)
    name = as_text(where, "id", row.id)
    asked = Asked(
        hash_bytes(row.question, row.context, *pairs).hex() if name is None else name,
        as_text(where, "title", row.title),
        row.question,
        row.context,
        found,
    )
    return document_of(where, asked, {"example_id": "id", "answers": key})


def _given(where: str, row: _Row) -> tuple[str, Answers]:
    """Return the key of the answers and its value: of two keys, as two exports put together have them, the one with any."""
    if is_true(where, "is_impossible", row.is_impossible):
        return "answers", None
    answers, answer = row.answers, row.answer
    if answers is UNSET and answer is UNSET:
        raise InputError(
            f"{where}, key answers: missing. Wanted: a text, a list of texts, or null where there is no answer."
        )
    many, one = ({text.strip() for text, _ in _pairs(where, given, None)} - {""} for given in (answers, answer))
    if many and not one <= many:
        raise InputError(
            f"{where}, keys answers and answer: found {min(many)[:_LONG]!r} and {min(one - many)[:_LONG]!r}. Wanted: the "
            "same in both, or one of the keys."
        )
    if answers is UNSET or (one and not many):
        return "answer", None if answer is UNSET else answer
    return "answers", answers


def _pairs(
    where: str, given: Answers | list[str | int] | UnsetType, start: Plain | list[Plain]
) -> Iterator[tuple[str, int | None]]:
    """Yield each answer with the character at which it begins, None where that is not given."""
    if isinstance(given, _Answer):
        yield from _pairs(where, given.text, given.answer_start)
    elif isinstance(given, str | int | list):
        texts: Sequence[str | int | _Answer] = given if isinstance(given, list) else [given]
        places = [_place(where, one) for one in (start if isinstance(start, list) else [start])]
        starts = [None] * len(texts) if places == [None] and not isinstance(start, list) else places
        if len(texts) != len(starts):
            raise InputError(
                f"{where}, key answer_start: found {len(starts)} for {len(texts)} answers, wanted one for each."
            )
        for text, place in zip(texts, starts, strict=True):
            if isinstance(text, _Answer):
                yield from _pairs(where, text, None)
            else:
                yield str(text), place


def _place(where: str, start: Plain) -> int | None:
    # Many programs write -1 for no place.
    return None if str(start) in ("None", "nan", "", "-1", "-1.0") else whole_number(where, "answer_start", start)


def _placed(context: str, text: str, start: int | None, counts: Counter[str]) -> tuple[str, int] | None:
    """Return an answer as the context has it, and where: as given, else its first occurrence, whole words before parts."""
    if start is not None:
        return text, start
    written = r"\s+".join(map(re.escape, text.split()))
    whole = rf"(?<!\w){written}(?!\w)"
    # A long one is found as it is written alone: the time that patterns take grows with both lengths.
    patterns = [(whole, 0), (written, 0), (whole, re.IGNORECASE)] if len(text) <= _LONG else [(re.escape(text), 0)]
    for pattern, flags in patterns:
        places = [found.span() for found in itertools.islice(re.finditer(pattern, context, flags), 2)]
        if places:
            counts["without answer_start, several times in their context: the first was taken"] += len(places) > 1
            first, end = places[0]
            return context[first:end], first
    return None
