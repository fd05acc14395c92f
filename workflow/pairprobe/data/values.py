"""Single values as other programs write them: what is meant by each."""

import math

from pairprobe.errors import InputError

# A text or a number: pandas makes floats of integers where one is missing, and other programs write numbers as texts.
Plain = int | float | str | None
Flag = bool | Plain

_FLAGS = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}


def as_text(where: str, key: str, value: Plain) -> str | None:
    """Return a name or an id as text, None for NaN: 7 and 7.0 are "7". Raises InputError for 7.5."""
    if isinstance(value, float):
        return None if math.isnan(value) else str(whole_number(where, key, value))
    return None if value is None else str(value)


def whole_number(where: str, key: str, value: Plain) -> int:
    """Return 23 for 23, 23.0 and "23". Raises InputError for what is no whole number."""
    try:
        number = float("nan" if value is None else value)
    except (ValueError, OverflowError):
        number = math.nan
    if not number.is_integer():
        raise InputError(f"{where}, key {key}: found {value!r:.50}, wanted a whole number.")
    return int(number)


def is_true(where: str, key: str, value: Flag) -> bool:
    """Return whether true is meant; what is missing is false. Raises InputError for what is neither true nor false."""
    found = str(value).strip().lower()
    if found in ("none", "nan", ""):
        return False
    if found not in _FLAGS:
        raise InputError(f"{where}, key {key}: found {value!r:.50}, wanted true or false.")
    return _FLAGS[found]
