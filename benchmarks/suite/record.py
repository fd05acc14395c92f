"""What is kept of a run: raw numbers in JSON, and from them the tables and figures of README.md."""

import json
import time
from pathlib import Path

from pairprobe import files
from suite.settings import Settings, here, library

FOLDER = Path(__file__).parents[1]
KEPT, README = FOLDER / "bench.json", FOLDER / "README.md"
BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"


def of(found: dict, settings: Settings) -> dict:
    """Put a part's numbers together with what they are of: library, machine, settings and day."""
    return {
        "library": library(),
        "machine": here(),
        "day": time.strftime("%Y-%m-%d"),
        "rounds": settings.rounds,
        "quick": settings.quick,
        "data": "bundled pages" if settings.nq is None else settings.nq.name,
        "found": found,
    }


def keep(path: Path, name: str, found: dict) -> None:
    """Put a part into a file of results, in place of what stands there of it."""
    kept = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    kept[name] = found
    with files.whole(path) as temporary:
        temporary.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def write() -> None:
    """Write README's tables and the figures from what is kept."""
