"""docs/reference/configuration.md has every key as the schema has it; run this file, and it writes them."""

import re
from pathlib import Path

import yaml

from pairprobe.configuration.schema import TYPES, read_schema

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "reference" / "configuration.md"
SCHEMA = read_schema(ROOT / "workflow" / "schemas" / "config.schema.yaml")
TOP = "At the top"
MISSING = object()
HEADER = ["| key | default | allowed | meaning |", "| --- | --- | --- | --- |"]
BOUNDS = {"minimum": "≥ {}", "exclusiveMinimum": "> {}", "maximum": "≤ {}", "exclusiveMaximum": "< {}"}


def sections() -> dict[str, dict]:
    """Return the parts of the schema that have keys, by their headings on the page."""
    found = {TOP: SCHEMA}
    for key, part in SCHEMA["properties"].items():
        if "properties" in part:
            inner = {f"`{key}.{name}`": each for name, each in part["properties"].items() if "properties" in each}
            found |= {f"`{key}`": part} | inner
    return {**found, "`checkpoints`": SCHEMA["$defs"]["checkpoint"]}


def table(section: dict) -> list[str]:
    """Return a section's keys as the lines of a table in Markdown; those that are sections themselves are left out."""
    lines = [*HEADER]
    for key, part in section["properties"].items():
        if "properties" in part or (section is SCHEMA and key == "checkpoints"):
            continue
        # A section's own default has all of its keys.
        value = section.get("default", {}).get(key, part.get("default", MISSING))
        default = "required" if key in section.get("required", ()) else ""
        default = default if value is MISSING else f"`{as_yaml(value)}`"
        lines.append(f"| `{key}` | {default} | {allowed(part)} | {part['description']} |")
    return lines


def as_yaml(value: object) -> str:
    """Return a value as it is written in a configuration."""
    return yaml.safe_dump(value, default_flow_style=True, width=1000).splitlines()[0]


def allowed(part: dict) -> str:
    """Say in words what a value may be."""
    if "$ref" in part:
        part = SCHEMA["$defs"][part["$ref"].rsplit("/", 1)[-1]]
    if "enum" in part:
        return ", ".join(f"`{as_yaml(value)}`" for value in part["enum"])
    if items := part.get("items", {}).get("enum"):
        return f"list of {', '.join(f'`{value}`' for value in items)}"
    kinds = [part["type"]] if isinstance(part["type"], str) else part["type"]
    bounds = ", ".join(sign.format(part[name]) for name, sign in BOUNDS.items() if name in part)
    if {"minimum", "maximum"} <= part.keys():
        bounds = f"from {part['minimum']} to {part['maximum']}"
    names = {kind: re.sub("^an? ", "", name) for kind, name in TYPES.items()}
    names |= {kind: f"{kind} {bounds}".rstrip() for kind in ("integer", "number")}
    # A default of null says itself that null is allowed.
    return ", or ".join(names[kind] for kind in kinds if kind != "null" or part.get("default", MISSING) is not None)


def written(text: str) -> str:
    """Put the tables into the page's text: one below each section's heading, in place of the one that is there."""
    for heading, section in sections().items():
        found = re.search(rf"^###? {re.escape(heading)}\n.*?(^\| key .*?\n)(?=\n)", text, re.MULTILINE | re.DOTALL)
        assert found, f"there is no heading {heading} with a table"
        text = text[: found.start(1)] + "\n".join(table(section)) + "\n" + text[found.end(1) :]
    return text


def test_the_page_lists_every_key_as_the_schema_has_it():
    text = PAGE.read_text(encoding="utf-8")
    wanted = written(text)
    missing = [line for line in wanted.splitlines() if line not in text.splitlines()]
    assert text == wanted, "\n".join(["run python tests/unit/configuration/test_readme.py, which writes:", *missing])


def test_a_value_is_written_as_a_configuration_has_it():
    assert allowed(SCHEMA["properties"]["activations"]["properties"]["order"]).endswith("`paragraph_first`, `null`")
    assert [as_yaml(value) for value in (None, True, 0.5, "as_given", [1, 2])] == [
        "null",
        "true",
        "0.5",
        "as_given",
        "[1, 2]",
    ]


def leaves(section: dict) -> list[str]:
    """List the keys of a section that are no sections, those of inner sections too."""
    inner = [(key, part) for key, part in section["properties"].items() if part is not SCHEMA["properties"]["checkpoints"]]
    return [name for key, part in inner for name in (leaves(part) if "properties" in part else [key])]


def test_every_key_of_the_schema_has_a_row_however_deep_it_is():
    rows = [line for section in sections().values() for line in table(section)[len(HEADER) :]]
    wanted = [*leaves(SCHEMA), *leaves(SCHEMA["$defs"]["checkpoint"])]
    assert sorted(line.split("`")[1] for line in rows) == sorted(wanted)


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
