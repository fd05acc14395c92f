"""What the benchmarks measured: raw numbers in JSON, and from them the tables and figures of README.md."""

import itertools
import json
import textwrap
import time
from pathlib import Path

from pairprobe.io import files
from suite import figures
from suite.children import BENCHMARKS
from suite.parts import PARTS
from suite.settings import Settings, here, library

MEASURED, README = BENCHMARKS / "bench.json", BENCHMARKS / "README.md"
BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"
EXTRACTION, GROWTH = BENCHMARKS / "extraction.svg", BENCHMARKS / "growth.svg"
WIDTH = 132  # of a line of text
CAPTIONS = {
    EXTRACTION: "Extraction as a share of the roofline, by encoder and precision: median, least and most of the rounds",
    GROWTH: "Time and peak memory of extraction, building sets, ranking and training heads, at 1 to 8 times the data",
}


def of(found: dict, settings: Settings) -> dict:
    """Put a part's numbers together with what they are of: library, machine, settings and day."""
    return {
        "library": library(),
        "machine": here(),
        "day": time.strftime("%Y-%m-%d"),
        "quick": settings.quick,
        "data": "the bundled pages" if settings.nq is None else settings.nq.name,
        "found": found,
    }


def save(path: Path, name: str, found: dict) -> None:
    """Put a part into a file of results, in place of what stands there of it."""
    measured = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    measured[name] = found
    with files.atomic_write(path) as temporary:
        ordered = {part: measured[part] for part in PARTS if part in measured}
        temporary.write_text(json.dumps(ordered, indent=1) + "\n", encoding="utf-8")


def write() -> None:
    """Write README's tables, and the figures, from what was measured."""
    measured = json.loads(MEASURED.read_text(encoding="utf-8"))
    draw(measured)
    with files.atomic_write(README) as temporary:
        temporary.write_text(written(README.read_text(encoding="utf-8"), measured), encoding="utf-8")


def draw(measured: dict) -> None:
    """Draw the figures of what was measured."""
    if extractions := [part["found"] for name, part in measured.items() if name.startswith("extraction")]:
        figures.draw_extraction(extractions, [str(EXTRACTION)])
    if "growth" in measured:
        figures.draw_growth(measured["growth"]["found"], [str(GROWTH)])


def written(text: str, measured: dict) -> str:
    """Return README's text with what was measured between its marks."""
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{results(measured)}\n{END}{after}"


def results(measured: dict) -> str:
    """Return the results in Markdown: the machine, and a section for each part."""
    machines = [*dict.fromkeys(_machine(part["machine"]) for part in measured.values())]
    lines, several = [each for machine in machines for each in (machine, "")][:-1], len(machines) > 1
    last = {"extraction-bert": EXTRACTION, "growth": GROWTH}
    for name, part in measured.items():
        lines += ["", f"## {PARTS[name].title}", "", *PARTS[name].tell(part["found"]), "", _origin(name, part, several)]
        if name in last:
            lines += ["", f"![{CAPTIONS[last[name]]}]({last[name].name})"]
    return "\n".join(itertools.chain.from_iterable(map(_wrapped, lines)))


def _wrapped(line: str) -> list[str]:
    """Wrap a line of text; tables, pictures and headings stay what they are."""
    return [line] if not line or line[0] in "|!#" else textwrap.wrap(line, WIDTH, break_on_hyphens=False)


def _machine(machine: dict) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    memory = f"{machine['memory'] / 2**30:.0f} GiB of memory" if machine["memory"] else "memory unknown"
    return f"Measured on {machine['processor']}, {machine['cores']} cores, {memory}; {versions}."


def _origin(name: str, part: dict, several: bool) -> str:
    """Say where a part's numbers come from; of several machines, which."""
    commit = part["library"]["commit"]
    library = f"the library at `{commit[:9]}`" if commit else "a library that is in no repository"
    changed = ", with changes" if part["library"]["changed"] else ""
    machine = f", {part['machine']['processor']}" if several else ""
    return f"(`bench.py {name}`, {part['day']}, {library}{changed}, {part['data']}{machine})"
