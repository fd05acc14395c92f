"""Reading Natural Questions beside ``gzip -dc``, by ``reading.py``."""

import reading
from pairprobe.tables.layout import markdown
from suite.settings import Settings
from suite.timing import Spread, ratio

PAGES, QUICK = 1000, 200
LABELS = {
    "reading": "**pairprobe**, documents with their answers",
    "gzip": "`gzip -dc FILE > /dev/null`",
    "isal": "isal, which pairprobe decompresses with, alone",
}


def measure(settings: Settings) -> dict:
    """Measure on pages of the real ones' size."""
    return reading.measure(settings.size(PAGES, QUICK), settings.rounds)


def tell(found: dict) -> list[str]:
    """Return what was found, in Markdown."""
    text, gzip = found["text"] / 1e6, found["measured"]["gzip"]
    rows = [
        (LABELS[way], Spread.of([text / each for each in seconds]).written(0), ratio(seconds, gzip).written())
        for way, seconds in found["measured"].items()
    ]
    fields = ("way", "MB of text a second", "of gzip's time")
    return [
        f"{found['pages']:,} pages, {text:,.0f} MB of text, {found['packed'] / 1e6:,.0f} MB on disk; one core, "
        f"{found['memory'] / 2**20:,.0f} MiB of memory at most.",
        "",
        *markdown(fields, rows, fields[1:]).splitlines(),
    ]
