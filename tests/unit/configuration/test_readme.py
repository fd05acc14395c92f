"""config/README.md lists every key as the schema has it; ``python tests/unit/configuration/test_readme.py`` writes that."""

import re
from pathlib import Path

import yaml

from pairprobe.configuration.schema import TYPES, read_schema

ROOT = Path(__file__).parents[3]
README = ROOT / "config" / "README.md"
SCHEMA = read_schema(ROOT / "workflow" / "schemas" / "config.schema.yaml")
TOP = "At the top"
MISSING = object()
HEADER = ["| key | default | allowed | meaning |", "| --- | --- | --- | --- |"]
BOUNDS = {
    "minimum": "at least {}", "exclusiveMinimum": "above {}", "maximum": "at most {}", "exclusiveMaximum": "below {}",
}  # fmt: skip


def sections() -> dict[str, dict]:
    """Return the parts of the schema that have keys, by their headings in the README."""
    found = {f"`{key}`": part for key, part in SCHEMA["properties"].items() if "properties" in part}
    return {TOP: SCHEMA, **found, "`checkpoints`": SCHEMA["$defs"]["checkpoint"]}


def table(section: dict) -> list[str]:
    """Return a section's keys as the lines of a table in Markdown; those that are sections themselves are left out."""
    lines = [*HEADER]
    for key, part in section["properties"].items():
        if "properties" in part or (section is SCHEMA and key == "checkpoints"):
            continue
        # A section's own default has all of its keys.
        value = section.get("default", {}).get(key, part.get("default", MISSING))
        default = "must be given" if key in section.get("required", ()) else "none"
        default = default if value is MISSING else f"`{yaml.safe_dump(value, default_flow_style=True).splitlines()[0]}`"
        lines.append(f"| `{key}` | {default} | {allowed(part)} | {part['description']} |")
    return lines


def allowed(part: dict) -> str:
    """Say in words what a value may be."""
    if "$ref" in part:
        part = SCHEMA["$defs"][part["$ref"].rsplit("/", 1)[-1]]
    if "enum" in part:
        return ", ".join(f"`{value}`" for value in part["enum"])
    if items := part.get("items", {}).get("enum"):
        return f"a list of {', '.join(f'`{value}`' for value in items)}"
    kinds = [part["type"]] if isinstance(part["type"], str) else part["type"]
    bounds = [words.format(part[name]) for name, words in BOUNDS.items() if name in part]
    return ", or ".join(", ".join([TYPES[kind], *(bounds if kind in ("integer", "number") else [])]) for kind in kinds)


def written(text: str) -> str:
    """Put the tables into the README's text: one below each section's heading, in place of the one that is there."""
    for heading, section in sections().items():
        found = re.search(rf"^### {heading}\n.*?(^\| key .*?\n)(?=\n)", text, re.MULTILINE | re.DOTALL)
        assert found, f"there is no heading {heading} with a table"
        text = text[: found.start(1)] + "\n".join(table(section)) + "\n" + text[found.end(1) :]
    return text


def test_the_readme_lists_every_key_as_the_schema_has_it():
    text = README.read_text(encoding="utf-8")
    wanted = written(text)
    missing = [line for line in wanted.splitlines() if line not in text.splitlines()]
    assert text == wanted, "\n".join(["run python tests/unit/configuration/test_readme.py, which writes:", *missing])


if __name__ == "__main__":
    README.write_text(written(README.read_text(encoding="utf-8")), encoding="utf-8")
