"""JSON decoded into declared types, with errors that name the key."""

import os
import re
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from pairprobe.errors import InputError
from pairprobe.io.files import ends_early

Value = TypeVar("Value")


def decoded(where: str, raw: bytes | msgspec.Raw, kind: type[Value], key: str = "") -> Value | InputError:
    """Decode JSON as ``kind``; an InputError in the value's place, with ``where`` and the key, if it is something else.

    key: the field that ``raw`` is the value of, where it is not the whole object.
    """
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        return InputError(f"{where}{fault(error, kind, key)}")
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        if ends_early(bytes(raw)):
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
