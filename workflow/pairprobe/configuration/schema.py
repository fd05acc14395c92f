"""The configuration checked against its schema, with errors that name the key and the allowed values."""

import contextlib
import difflib
import json
import math
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from pairprobe.errors import InputError
from pairprobe.io.logins import has_login

# A link to the workflow's, so that an installed library has a copy of it.
SCHEMA = Path(__file__).parent / "config.schema.yaml"
# JSON schema's types as one who writes YAML would call them.
TYPES = {
    "array": "a list",
    "object": "keys with values",
    "string": "text",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}

_ENDS_SCRIPT = re.compile("</?script|<!--", re.IGNORECASE)


def read_schema(path: str | Path) -> dict:
    """Read a JSON schema kept as YAML."""
    with open(path, encoding="utf-8") as file:
        return yaml.safe_load(file)


def check(config: dict, schema: dict, name: str = "the configuration") -> None:
    """Fill in the schema's defaults, in place, and raise InputError with a line for each key that is wrong."""
    for place in _not_strings(config):
        raise InputError(f"{name}: the key {place} is no string. Put it in quotation marks.")
    _fill(config, schema, schema)
    for place, value in _leaves(config):
        if isinstance(value, float) and not math.isfinite(value):
            raise InputError(f"{name}: {place}: found {value}, wanted a finite number.")
        if isinstance(value, str) and has_login(value):
            raise InputError(
                f"{name}: {place}: found an address with a login, and results carry a copy of their configuration. Remove "
                "it there; programs read logins from the environment (HF_TOKEN) or from ~/.netrc."
            )
        if isinstance(value, str) and (found := _ENDS_SCRIPT.search(value)):
            raise InputError(
                f"{name}: {place}: found {found[0]!r}, which would end the script of a page that holds the configuration, "
                "such as Snakemake's report. Write it without."
            )
    errors = sorted(jsonschema.Draft202012Validator(schema).iter_errors(config), key=lambda error: list(error.path))
    # What a key holds is not looked at where there can be no such key.
    refused = [[*error.path, error.instance] for error in errors if "propertyNames" in error.absolute_schema_path]
    errors = [error for error in errors if not any(list(error.path)[: len(path)] == path for path in refused)]
    lines = [line for error in errors for line in _explain(error, schema)]
    if lines:
        raise InputError(f"{name} cannot be used:\n" + "\n".join(f"  {line}" for line in lines))


def _not_strings(value: Any, place: str = "") -> Iterator[str]:
    """Yield the places of keys that YAML has read as something else than strings, such as 1 or true."""
    if isinstance(value, dict):
        for key, part in value.items():
            if not isinstance(key, str):
                yield f"{place}{key!r}"
            yield from _not_strings(part, f"{place}{key}.")


def _leaves(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the numbers and texts in a configuration with their places; keys are texts, too."""
    if isinstance(value, dict | list):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            where = f"{place}.{key}" if place else str(key)
            yield where, key
            yield from _leaves(part, where)
    else:
        yield place, value


def _fill(value: Any, schema: dict, root: dict) -> Any:
    """Fill in the defaults inside a value, in place, and return it; a number that was given as text becomes one."""
    schema = _dereference(schema, root)
    if isinstance(value, dict):
        known = schema.get("properties", {})
        for key, part in known.items():
            part = _dereference(part, root)
            if "default" in part and key not in value:
                default = part["default"]
                value[key] = default.copy() if isinstance(default, dict | list) else default
        extra = schema.get("additionalProperties")
        for key in value:
            part = known.get(key, extra)
            if isinstance(part, dict):
                value[key] = _fill(value[key], part, root)
    elif isinstance(value, list) and isinstance(schema.get("items"), dict):
        value[:] = [_fill(one, schema["items"], root) for one in value]
    elif isinstance(value, str) and "string" not in schema.get("type", "string"):
        # Text where YAML sees no number, as in 5e-5, or inside a key on a command line: --config evidence='{"margin": 3}'.
        with contextlib.suppress(ValueError):
            return json.loads(value.lower())
    return value


def _dereference(schema: dict, root: dict) -> dict:
    if "$ref" in schema:
        for part in schema["$ref"].removeprefix("#/").split("/"):
            root = root[part]
        return root
    return schema


def _explain(error: jsonschema.ValidationError, root: dict) -> Iterator[str]:
    where = ".".join(str(part) for part in error.path)
    prefix = f"{where}." if where else ""
    schema = error.schema if isinstance(error.schema, dict) else {}
    values: Any = error.validator_value
    found: Any = error.instance
    if error.validator == "additionalProperties":
        known = list(schema.get("properties", {}))
        for key in sorted(set(found) - set(known), key=str):
            close = difflib.get_close_matches(str(key), known, n=1)
            hint = f" Did you mean {close[0]}?" if close else ""
            yield f"{prefix}{key}: there is no such key.{hint} Allowed: {', '.join(known)}."
    elif error.validator == "required":
        # The validator names one missing key in each error, and in nothing but its message.
        missing = next(key for key in values if error.message.startswith(f"{key!r} "))
        yield f"{prefix}{missing}: missing. Wanted: {_described(root, error.absolute_schema_path, missing)}"
    elif error.validator in ("enum", "const"):
        allowed = values if error.validator == "enum" else [values]
        close = difflib.get_close_matches(str(error.instance), [str(value) for value in allowed], n=1)
        hint = f" Did you mean {close[0]}?" if close else ""
        yield f"{where}: found {error.instance!r}.{hint} Allowed: {', '.join(map(str, allowed))}."
    else:
        wanted = schema.get("description", "")
        yield f"{where or 'the file'}: {_said(error)}." + (f" Wanted: {wanted}" if wanted else "")


def _said(error: jsonschema.ValidationError) -> str:
    """Say what is wrong with a value; what a pattern allows, its description says."""
    if error.validator == "pattern":
        return f"found {error.instance!r}"
    if error.validator == "type":
        values: Any = error.validator_value
        kinds = [values] if isinstance(values, str) else values
        return f"found {error.instance!r}, not {' or '.join(TYPES[kind] for kind in kinds)}"
    if error.validator == "minProperties":
        keys: Any = error.instance
        return f"found {', '.join(keys)} alone" if keys else "found nothing"
    if error.validator == "uniqueItems":
        items: Any = error.instance
        twice = next(one for i, one in enumerate(items) if one in items[:i])
        return f"found {twice!r} {items.count(twice)} times, wanted once"
    return error.message


def _described(root: dict, path: Iterable[str | int], key: str) -> str:
    """Return what a key is for, by the innermost schema on a path that knows it: one behind "then" may not."""
    part: Any = root
    described = ""
    for step in path:
        if isinstance(part, dict):
            part = _dereference(part, root)
            described = part.get("properties", {}).get(key, {}).get("description", described)
        part = part[step]
    return described
