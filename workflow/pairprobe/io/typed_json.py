"""JSON decoded into declared types, with errors that name the key."""

from typing import TypeVar

import msgspec

from pairprobe.errors import InputError

Value = TypeVar("Value")


def decoded(where: str, raw: bytes | msgspec.Raw, kind: type[Value], key: str = "") -> Value | InputError:
    """Decode JSON as ``kind``; an InputError in the value's place, with ``where`` and the key, if it is something else.

    key: the field that ``raw`` is the value of, where it is not the whole object.
    """
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        said, _, place = str(error).partition(" - at ")
        place = (key + place.strip("`").removeprefix("$")).removeprefix(".")
        return InputError(f"{where}{f', key {place}' if place else ''}: {said}.")
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        return InputError(f"{where}: not a whole JSON object ({error}). Was the file cut off? Fetch or write it again.")
