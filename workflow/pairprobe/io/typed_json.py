"""JSON decoded into declared types, with errors that name the key."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from pairprobe.errors import InputError
from pairprobe.io import encodings, files, whole_files

Value = TypeVar("Value")

# Strings, and what Python's json writes for numbers that are none.
_TOKENS = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|NaN|-?Infinity', re.DOTALL)
# Escapes in a string: of those \uXXXX that are half of a pair, the four digits are the group.
_ESCAPES = re.compile(rb"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|u([dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL)


def decoded(where: str, raw: bytes | msgspec.Raw, kind: type[Value], key: str = "") -> Value | InputError:
    """Decode JSON as ``kind``; an InputError in the value's place, with ``where`` and the key, if it is something else.

    NaN and the infinities, which Python writes and JSON lacks, are null. Half of a surrogate pair is an error where the
    string is decoded, so not for the rest of a file. key: the field that ``raw`` is the value of, where it is not the whole
    object.
    """
    try:
        return _decode(raw, kind)
    except msgspec.ValidationError as error:
        return InputError(f"{where}{fault(error, kind, key)}")
    except UnicodeDecodeError as error:
        return InputError(f"{where}{f', key {key}' if key else ''}: {_misfit(error)}")
    except (msgspec.DecodeError, RecursionError) as error:
        if files.ends_early(_as_json(bytes(raw))):
            return InputError(f"{where}: not a whole JSON object ({error}). Was the file cut off? Fetch or write it again.")
        return InputError(f"{where}: not a JSON object ({error}). Write it as JSON.")


def read(path: str | os.PathLike, kind: type[Value], at_most: int) -> Value | InputError:
    """Read a JSON file as ``decoded`` does; an InputError, too, if it is no file or has more than so many bytes.

    Raises FileNotFoundError.
    """
    # A pipe or a device has no end.
    if not Path(path).is_file() and Path(path).exists():
        return InputError(f"{path}: no regular file. Wanted: a JSON file.")
    if (size := Path(path).stat().st_size) > at_most:
        return InputError(f"{path}: found {size:,} bytes, wanted at most {at_most:,}.")
    return decoded(str(path), Path(path).read_bytes(), kind)


def _decode(raw: bytes | msgspec.Raw, kind: type[Value]) -> Value:
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        if (mended := _as_json(bytes(raw))) == raw:
            raise
        return msgspec.json.decode(mended, type=kind)


def _as_json(raw: bytes) -> bytes:
    """Return what Python takes for JSON as JSON: null for NaN, and for half of a surrogate pair bytes that are no UTF-8."""

    def token(found: re.Match[bytes]) -> bytes:
        return _ESCAPES.sub(escape, found[0]) if found[0].startswith(b'"') else b"null"

    def escape(found: re.Match[bytes]) -> bytes:
        return chr(int(found[1], 16)).encode(errors="surrogatepass") if found[1] else found[0]

    return _TOKENS.sub(token, raw)


def read_objects(path: str | Path) -> Iterator[tuple[str, bytes | msgspec.Raw | InputError]]:
    """Yield ``("FILE, line N", JSON)`` for each line of a file, or ``("FILE, item N", JSON)`` where it is one array.

    Of lines one is in memory at a time, an array as a whole. Raises InputError for a file that is missing or cut off, and
    for an array that is no JSON.
    """
    for i, (where, line) in enumerate(files.read_lines(path)):
        if not i and isinstance(line, bytes) and line.lstrip().startswith(b"["):
            items = decoded(str(path), encodings.as_utf8(str(path), whole_files.read(path)), list[msgspec.Raw])
            if isinstance(items, InputError):
                raise items
            yield from ((f"{path}, item {number}", item) for number, item in enumerate(items, 1))
            return
        yield where, line


def _misfit(error: UnicodeDecodeError) -> str:
    before, rest = error.object[: error.start].decode(errors="replace"), error.object[error.start :]
    if not re.match(rb"\xed[\xa0-\xbf]", rest):
        return encodings.misfit(error)
    half = ord(rest[:3].decode(errors="surrogatepass"))
    return f"found \\u{half:04x} after {before[-20:]!r}, which is half of a character. Remove it, or write the whole pair."


def fault(error: msgspec.ValidationError, kind: Any, key: str = "") -> str:
    """Say which key of a value, meant as ``kind``, is missing or wrong: ", key title: missing. Wanted: ...".

    key: the field that the value is the content of, where it is not the whole object.
    """
    said, _, place = str(error).partition(" - at ")
    place = (key + place.strip("`").removeprefix("$")).removeprefix(".")
    if missing := re.fullmatch(r"Object missing required field `(.+)`", said):
        fields = getattr(msgspec.inspect.type_info(kind), "fields", ())
        wanted = ", ".join(field.encode_name for field in fields if field.required)
        said = "missing" if place else f"missing. Wanted: {wanted}"
        place = f"{place}.{missing[1]}".removeprefix(".")
    return f"{f', key {place}' if place else ''}: {said}."
