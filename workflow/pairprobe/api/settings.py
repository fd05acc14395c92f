"""The settings of functions: keys of a section of the configuration, with its defaults and its checks."""

from collections.abc import Collection, Mapping
from typing import Any

from pairprobe.configuration.schema import SCHEMA, check, read_schema
from pairprobe.errors import InputError

# What figures can show.
VALUES = ("percentage", "auc", "specific")


def filled(section: str, keys: Collection[str], given: Mapping[str, Any], function: str) -> dict[str, Any]:
    """Return the values of these keys of a section, those that are given and else the defaults.

    Raises InputError, in the name of the function that was given them, for another key and for a value that the
    configuration would not take.
    """
    schema = read_schema(SCHEMA)["properties"][section]
    schema["properties"] = {key: value for key, value in schema["properties"].items() if key in keys}
    check(values := dict(given), schema, f"what {function} was given")
    return values


def check_name(name: object, what: str) -> None:
    """Raise InputError for what cannot stand in tables and figures as a name; ``what``: how the error calls it."""
    if not (isinstance(name, str) and name == name.strip() and name.isprintable() and "/" not in name and name):
        raise InputError(f"{what}: found {name!r:.80}, wanted letters that can be printed, no slash, no blank at the ends.")


def check_value(value: str) -> None:
    """Raise InputError for what no figure shows."""
    if value not in VALUES:
        raise InputError(f"plot: found {value!r:.80}. Allowed: {', '.join(VALUES)}.")
