"""Explanations and verdicts as text for a terminal or a file: paths and commands always stand on one line, to be copied."""

import os
import shutil
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import cycle, groupby
from pathlib import Path

import yaml
from rich.console import Console, ConsoleOptions, RenderableType
from rich.constrain import Constrain
from rich.padding import Padding
from rich.segment import Segment
from rich.table import Table
from rich.tree import Tree

from pairprobe.errors import printable
from pairprobe.provenance.run_record import RunRecord
from pairprobe.provenance.verification import Verdict, other_modules

# Wider than any line: the terminal wraps long lines itself, so that a copied path has no line break in it.
NO_WRAPPING = 100_000
# Hexadecimal digits of a digest that are shown.
DIGITS = 12
# A job's files, or a folder's, are listed up to this number; more are counted.
MAX_FILES = 3
MAX_PERCENTAGES = 50
MAX_PARAMETER_LINES = 20
PERCENTAGE_COLUMNS = ("checkpoint", "task", "measure", "layer", "pairs", "para_len", "count", "percentage", "auc")


def text(parts: Iterable[RenderableType]) -> str:
    """Return what is to be printed; with colours where standard output is a terminal."""
    console = Console(width=NO_WRAPPING, markup=False, emoji=False, highlight=False)
    with console.capture() as captured:
        for part in parts:
            console.print(_Printable(part))
    return "\n".join(line.rstrip() for line in captured.get().rstrip("\n").split("\n"))


class _Printable:
    """What is to be printed, without the control characters of file names, labels and questions."""

    def __init__(self, part: RenderableType):
        self.part = part

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        """Yield the parts of each line, with their colours."""
        for segment in console.render(self.part, options):
            yield Segment(printable(segment.text), segment.style)


def of_file(found: dict, run: RunRecord) -> Iterator[RenderableType]:
    """Lay out what ``explanation.explain_file`` has found."""
    wildcards = ", ".join(f"{key} {value}" for key, value in found["wildcards"].items())
    started = datetime.fromisoformat(found["started"]).strftime("%Y-%m-%d %H:%M:%S UTC")
    packages = sorted(found["packages"].items(), key=lambda package: (package[0] != "python", package[0].lower()))
    code, changed = found["code"] or {}, other_modules(found["code"] or {})
    yield found["file"]
    yield _facts(
        {
            "sha256": f"{_short(found['sha256'])}, {_state(found)}",
            "made by": f"{found['rule']} ({wildcards})" if wildcards else found["rule"],
            "when": f"{started}, in {_seconds(found['seconds'])}, threads: {found['threads']}",
            "on": _machine(found["machine"]),
            "precision": found["precision"],
            "with": _wrapped(f"{name}=={version}" for name, version in packages),
            "code": _wrapped(f"{name} {digest[:8]}" for name, digest in code.items()) if code else None,
            "code here": _wrapped(["changed since: " + ", ".join(changed) if changed else "the same"]) if code else None,
            "parameters": _parameters(found["params"]),
            "make again": found["command"],
        }
    )
    if found["stands_on"]:
        tree = Tree(f"\nmade from (in {run.folder})")
        _add_inputs(tree, found["stands_on"], f"{run.content['folder']}/")
        yield tree
    if len(found["percentages"]) > MAX_PERCENTAGES:
        yield f"\npercentages\n  {len(found['percentages'])} lines of percentages.tsv (--json lists them)"
    elif found["percentages"]:
        yield "\npercentages (lines of percentages.tsv)"
        rows = [[row[key] for key in PERCENTAGE_COLUMNS] for row in found["percentages"]]
        yield _table(rows, PERCENTAGE_COLUMNS, numbers=PERCENTAGE_COLUMNS[3:])
    elif found["job"] in run.jobs_without_kind():
        yield "\npercentages\n  not listed: an older version of pairprobe recorded this run, without the kinds of its jobs"


def of_number(found: dict, run: RunRecord, pairs: int | None) -> Iterator[RenderableType]:
    """Lay out what ``explanation.explain_number`` has found, with so many of its pairs (None: all)."""
    count, ties, para_len, unmatching = (found[key] for key in ("count", "ties", "para_len", "unmatching"))
    value, auc = (found["computed"][key] for key in ("percentage", "auc"))
    yield f"{found['task']}, {found['measure']}, {found['checkpoint']}, layer {found['layer']}"
    yield _facts(
        {
            "percentage": f"100 * count / para_len = 100 * {count} / {para_len} = {value}",
            "auc": f"100 * (count + ties / 2) / unmatching = 100 * ({count} + {ties} / 2) / {unmatching} = {auc}",
            "pairs": f"{found['pairs']:,}",
            "recorded": _agreement(found),
        }
    )
    yield f"\nmade from (in {run.folder})"
    prefix = f"{run.content['folder']}/"
    rows = [
        (one["file"].removeprefix(prefix), one["rule"], _seconds(one["seconds"]), _short(one["sha256"]), one["origin"])
        for one in found["files"]
    ]
    yield _table(rows, ("file", "rule", "time", "sha256", "origin"), numbers=["time"])
    if shown := found["of_pairs"][:pairs]:
        of_all = "" if len(shown) == found["pairs"] else f" of {found['pairs']}"
        yield f"\n{len(shown)}{of_all} pairs, lowest percentage first"
        columns = ("percentage", "count", "para_len", "example_id")
        rows = [(*(one[column] for column in columns), _pair(one, found["task"])) for one in shown]
        yield _table(rows, (*columns, "pair"), numbers=columns[:3])


def of_verdict(verdict: Verdict, deleted: Sequence[Path] | None = None) -> Iterator[RenderableType]:
    """Lay out what a verification has found; deleted: the files that were deleted, where that was asked for."""
    yield from (f"note: {note}" for note in verdict.notes)
    yield from (f"problem: {problem}" for problem in verdict.problems)
    yield f"compared: {'; '.join(verdict.checked)}"
    yield from (f"deleted: {path}" for path in deleted or [])
    if damaged := verdict.to_rebuild():
        yield f"{'with --rebuild, then' if deleted is None else 'run'}: {verdict.run.command(*damaged, 'all')}"
    number = len(verdict.problems)
    yield f"{verdict.run.folder}: " + (f"{number} problem{'s' * (number > 1)}" if number else "everything is as recorded")


# Parts of both.


def _facts(facts: dict[str, RenderableType | None]) -> RenderableType:
    grid = Table.grid(padding=(0, 2, 0, 0))
    for name, fact in facts.items():
        if fact:
            grid.add_row(name, fact)
    return Padding.indent(grid, 2)


def _table(rows: Iterable[Sequence], columns: Sequence[str], numbers: Sequence[str]) -> RenderableType:
    """Lay rows out under their headings, the columns of numbers set to the right."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, justify="right" if column in numbers else "left")
    for row in rows:
        table.add_row(*("" if cell is None else printable(str(cell)) for cell in row))
    return Padding.indent(table, 2)


def _wrapped(words: Iterable[str]) -> RenderableType:
    """Lay out a long list in lines as wide as the terminal, beside the names of facts."""
    return Constrain(", ".join(words), max(40, min(shutil.get_terminal_size((120, 24)).columns, 140) - 16))


def _short(digest: str | None) -> str:
    return digest[:DIGITS] if digest else ""


def _seconds(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if seconds < 100:
        return f"{seconds:.2f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


# Parts of a file's.


def _state(found: dict) -> str:
    if found["found"] is None:
        return "but there is no such file now"
    unchanged = found["found"] == found["sha256"]
    return "as recorded" if unchanged else f"but the file has {_short(found['found'])}: it has changed"


def _machine(machine: dict) -> str:
    memory = f"{machine['memory'] / 1e9:.0f} GB" if machine["memory"] else None
    parts = [machine["processor"], f"{machine['cores']} cores", memory, *machine["gpus"], machine["system"]]
    return ", ".join(part for part in parts if part)


def _parameters(params: dict) -> str:
    """Return parameters in YAML, as the configuration is written."""
    lines = yaml.safe_dump(params, default_flow_style=None, allow_unicode=True, width=NO_WRAPPING).splitlines()
    more = len(lines) - MAX_PARAMETER_LINES
    return "\n".join(lines[:MAX_PARAMETER_LINES] + ([f"and {more} more lines (--json)"] if more > 0 else []))


def _add_inputs(tree: Tree, inputs: list[dict], prefix: str) -> None:
    """Add a branch for each input of a job, with what it was made from; many files of one job or folder share a branch."""
    new = [one for one in inputs if not one["told"]]
    for _, group in groupby(new, key=lambda one: one["job"] or os.path.dirname(one["file"])):
        files = list(group)
        made = (files[0]["rule"] or "input", _seconds(files[0]["seconds"]))
        labels: dict[str, tuple[str, ...]] = {one["file"]: (*made, _short(one["sha256"]), one["origin"]) for one in files}
        if len(files) > MAX_FILES:
            labels = {f"{os.path.commonpath(labels)}/": (*made, f"{len(files)} files")}
        told = (f"{file.removeprefix(prefix)}  {', '.join(filter(None, label))}" for file, label in labels.items())
        branches = [tree.add(printable(line)) for line in told]
        # A branch for each file, or one for all.
        for one, branch in zip(files, cycle(branches), strict=False):
            _add_inputs(branch, one["stands_on"], prefix)
    if above := [one["file"].removeprefix(prefix) for one in inputs if one["told"]]:
        tree.add(f"see above: {', '.join(above)}")


# Parts of a number's.


def _agreement(found: dict) -> str:
    if found["agrees"]:
        return "the same in percentages.tsv; the ranking is as recorded"
    written, auc = (found["written"][key] for key in ("percentage", "auc"))
    return f"percentages.tsv has {written} (auc {auc}), or the ranking has changed since: see pairprobe verify"


def _pair(one: dict, task: str) -> str:
    if task == "boundary":
        return f"{one['match']!r} in: {textwrap.shorten(one['anchor'], 60, placeholder=' ...')}  ({one['question']})"
    return f"{one['anchor']} -> {one['match']}" + f"  ({one['question']})" * bool(one["question"])
