"""How explanations and verdicts read in a terminal: aligned, one thing a line."""

import os
import shutil
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from pairprobe.provenance.run_record import Ledger
from pairprobe.provenance.verification import Verdict, other_modules

# Of a digest, what tells files of one run apart.
DIGITS = 12
# Files of one folder beyond which they are told together.
SEVERAL = 3
# Numbers beyond which they are only counted.
LINES = 50
# Parameters of a job that are listed.
PARAMETERS = 20
PERCENTAGE_COLUMNS = ("checkpoint", "task", "measure", "layer", "pairs", "para_len", "count", "percentage", "auc")


def columns(rows: Iterable[Sequence[Any]], numbers: Sequence[int] = (), indent: str = "  ") -> Iterator[str]:
    """Lay rows out in columns, those in ``numbers`` set to the right; a row of one cell is a line of its own."""
    cells = [["" if cell is None else str(cell) for cell in row] for row in rows]
    widths = [max(len(cell) for cell in column) for column in zip(*(row for row in cells if len(row) > 1), strict=True)]
    for row in cells:
        if len(row) == 1:
            yield indent + row[0]
            continue
        padded = [
            cell.rjust(width) if i in numbers else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield (indent + "  ".join(padded)).rstrip()


def facts(pairs: Iterable[tuple[str, str | None]]) -> Iterator[str]:
    """Lay facts out, a name and what there is to say; long ones go on below, under their beginning."""
    pairs = [(name, said) for name, said in pairs if said]
    width = max((len(name) for name, _ in pairs), default=0) + 4
    for name, said in pairs:
        lines = textwrap.wrap(said, max(40, _width() - width), break_long_words=False, break_on_hyphens=False)
        yield f"  {name.ljust(width - 2)}{lines[0]}"
        yield from (" " * width + line for line in lines[1:])


def _width() -> int:
    return min(shutil.get_terminal_size((120, 24)).columns, 140)


def short(digest: str | None) -> str:
    """Return the beginning of a digest."""
    return digest[:DIGITS] if digest else ""


# A file.


def of_file(found: dict, ledger: Ledger) -> Iterator[str]:
    """Lay out what ``explanation.explain_file`` has found."""
    yield found["file"]
    yield from facts(
        [
            ("sha256", f"{short(found['sha256'])}, {_state(found)}"),
            ("made by", _job(found)),
            ("when", f"{_time(found['started'])}, in {_seconds(found['seconds'])}, threads: {found['threads']}"),
            ("on", _machine(found["machine"])),
            ("precision", found["precision"]),
            ("with", _packages(found["packages"])),
            ("code", _code(found)),
            *(("parameters" if i == 0 else "", line) for i, line in enumerate(_at_most(list(_flat(found["params"]))))),
            ("again", found["command"]),
        ]
    )
    rows = list(_tree(found["stands_on"], f"{ledger.content['folder']}/"))
    if rows:
        yield f"\nmade from (in {ledger.folder})"
        yield from columns(rows, numbers=[2])
    if len(found["percentages"]) > LINES:
        yield f"\nnumbers\n  {len(found['percentages'])} lines of percentages.tsv (--json lists them)"
    elif found["percentages"]:
        yield "\nnumbers (lines of percentages.tsv)"
        lines = [[row[key] for key in PERCENTAGE_COLUMNS] for row in found["percentages"]]
        yield from columns([PERCENTAGE_COLUMNS, *lines], numbers=range(3, len(PERCENTAGE_COLUMNS)))


def _state(found: dict) -> str:
    if found["found"] is None:
        return "and is not there"
    return (
        "as recorded" if found["found"] == found["sha256"] else f"but the file has {short(found['found'])}: it has changed"
    )


def _job(found: dict) -> str:
    wildcards = ", ".join(f"{key} {value}" for key, value in found["wildcards"].items())
    return f"{found['rule']} ({wildcards})" if wildcards else found["rule"]


def _time(iso: str) -> str:
    return datetime.fromisoformat(iso).strftime("%Y-%m-%d %H:%M:%S UTC")


def _seconds(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if seconds < 100:
        return f"{seconds:.2f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _machine(machine: dict) -> str:
    memory = f"{machine['memory'] / 1e9:.0f} GB" if machine["memory"] else None
    parts = [machine["processor"], f"{machine['cores']} cores", memory, *machine["gpus"], machine["system"]]
    return ", ".join(part for part in parts if part)


def _packages(packages: dict[str, str]) -> str:
    return ", ".join(
        f"{name}=={packages[name]}" for name in sorted(packages, key=lambda name: (name != "python", name.lower()))
    )


def _code(found: dict) -> str | None:
    if found["code"] is None:
        return None
    others = other_modules(found["rule"], found["code"])
    state = f"; not the code that is here: {', '.join(others)}" if others else "; the code that is here"
    return ", ".join(f"{name} {digest[:8]}" for name, digest in found["code"].items()) + state


def _flat(value: Any, place: str = "") -> Iterator[str]:
    """Yield a line for each value of nested parameters ("settings.epochs: 2"); lists of plain values stay together."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _flat(part, f"{place}.{key}" if place else key)
    elif isinstance(value, list) and any(isinstance(part, dict | list) for part in value):
        for i, part in enumerate(value):
            yield from _flat(part, f"{place}[{i}]")
    else:
        yield f"{place}: {', '.join(map(str, value)) if isinstance(value, list) else value}"


def _at_most(lines: list[str]) -> list[str]:
    return lines if len(lines) <= PARAMETERS else [*lines[:PARAMETERS], f"and {len(lines) - PARAMETERS} more (--json)"]


def _tree(parts: list[dict], prefix: str, indent: str = "") -> Iterator[tuple]:
    """Yield rows for what a file was made of: name, rule, time, digest, origin; what was told above in one row."""
    for together in _grouped([part for part in parts if not part["told"]]):
        first = together[0]
        common = (first["rule"] or "input", _seconds(first["seconds"]))
        if len(together) > SEVERAL:
            folder = os.path.commonpath([part["file"] for part in together]).removeprefix(prefix)
            yield f"{indent}{folder}/", *common, "", f"{len(together)} files"
        else:
            for part in together:
                yield f"{indent}{part['file'].removeprefix(prefix)}", *common, short(part["sha256"]), part["origin"]
        for part in together:
            yield from _tree(part["stands_on"], prefix, indent + "  ")
    if above := [part["file"].removeprefix(prefix) for part in parts if part["told"]]:
        yield (f"{indent}see above: {', '.join(above)}",)


def _grouped(parts: list[dict]) -> list[list[dict]]:
    """Group files by the job that made them, and those that no job has made by folder; in order."""
    groups: dict[str, list[dict]] = {}
    for part in parts:
        groups.setdefault(part["job"] or os.path.dirname(part["file"]), []).append(part)
    return list(groups.values())


# A number.


def of_number(found: dict, ledger: Ledger, pairs: int | None) -> Iterator[str]:
    """Lay out what ``explanation.explain_number`` has found, with so many of its pairs (None: all)."""
    count, ties, para_len, unmatching = (found[key] for key in ("count", "ties", "para_len", "unmatching"))
    value, auc = (found["computed"][key] for key in ("percentage", "auc"))
    yield f"{found['task']}, {found['measure']}, {found['checkpoint']}, layer {found['layer']}"
    yield from facts(
        [
            ("percentage", f"100 * count / para_len = 100 * {count} / {para_len} = {value}"),
            ("auc", f"100 * (count + ties / 2) / unmatching = 100 * ({count} + {ties} / 2) / {unmatching} = {auc}"),
            ("pairs", f"{found['pairs']:,}"),
            ("written", _agreement(found)),
        ]
    )
    yield f"\nmade from (in {ledger.folder})"
    prefix = f"{ledger.content['folder']}/"
    rows = [
        (one["file"].removeprefix(prefix), one["rule"], _seconds(one["seconds"]), short(one["sha256"]), one["origin"])
        for one in found["files"]
    ]
    yield from columns(rows, numbers=[2])
    shown = found["of_pairs"][:pairs]
    if shown:
        yield f"\n{_how_many(len(shown), found['pairs'])}, weakest first: how many of the words each outranks"
        table = [
            (
                f"{one['percentage']:.1f} %",
                f"{one['count']} of {one['para_len']}",
                one["example_id"],
                _pair(one, found["task"]),
            )
            for one in shown
        ]
        yield from columns(table, numbers=[0, 1])


def _agreement(found: dict) -> str:
    if found["agrees"]:
        return "the same in percentages.tsv; the ranking is as recorded"
    written, auc = (found["written"][key] for key in ("percentage", "auc"))
    return f"percentages.tsv has {written} (auc {auc}), or the ranking has changed since: see pairprobe verify"


def _how_many(shown: int, all_of_them: int) -> str:
    return f"{shown} of {all_of_them} pairs" if shown < all_of_them else f"{shown} pairs"


def _pair(one: dict, task: str) -> str:
    if task == "boundary":
        return f"{one['match']!r} in: {textwrap.shorten(one['anchor'], 60, placeholder=' ...')}  ({one['question']})"
    return f"{one['anchor']} -> {one['match']}  ({one['question']})"


# A verdict.


def of_verdict(verdict: Verdict, deleted: Sequence[Path] | None = None) -> Iterator[str]:
    """Lay out what a verification has found; deleted: what was deleted, where that was asked for."""
    yield from (f"note: {note}" for note in verdict.notes)
    yield from (f"problem: {problem}" for problem in verdict.problems)
    yield f"compared: {'; '.join(verdict.checked)}"
    yield from (f"deleted: {path}" for path in deleted or [])
    if again := verdict.to_rebuild():
        yield f"{'with --rebuild, then' if deleted is None else 'run'}: {verdict.ledger.command(*again, 'all')}"
    number = len(verdict.problems)
    yield f"{verdict.ledger.folder}: " + (f"{number} problem{'s' * (number > 1)}" if number else "everything holds")
