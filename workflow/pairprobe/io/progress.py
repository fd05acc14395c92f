"""Progress: a bar on a terminal, plain lines in a log file."""

import logging
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

log = logging.getLogger("pairprobe")

SECONDS_BETWEEN_LINES = 10

Item = TypeVar("Item")


def _is_watched() -> bool:
    """Whether somebody looks at the standard error: on a terminal, or below the cell of a notebook."""
    return sys.stderr.isatty() or "ipykernel" in sys.modules


class Progress:
    """Counts units done; shows a bar with rate and time left where somebody looks, and logs a line now and then."""

    def __init__(self, total: int | None, what: str, unit: str = "examples"):
        self.total, self.what, self.unit, self.done = total, what, unit, 0
        self.started = self.last_line = time.monotonic()
        from tqdm import tqdm  # a workflow that only plans its jobs may not have it

        self.bar = tqdm(total=total, desc=what, unit=f" {unit}", disable=not _is_watched(), leave=False, delay=3)

    def update(self, done: int = 1) -> None:
        """Count ``done`` more units."""
        self.done += done
        self.bar.update(done)
        if time.monotonic() - self.last_line >= SECONDS_BETWEEN_LINES:
            self.last_line = time.monotonic()
            self._line()

    def _line(self) -> None:
        seconds = time.monotonic() - self.started
        rate = self.done / max(seconds, 1e-9)
        left = "" if not self.total or not self.done else f", {(self.total - self.done) / rate:,.0f} s left"
        of = f" of {self.total:,}" if self.total else ""
        log.info("%s: %s%s %s, %.1f a second%s", self.what, f"{self.done:,}", of, self.unit, rate, left)

    def __enter__(self) -> "Progress":
        """Begin."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Close the bar and write the last line."""
        self.bar.close()
        self._line()


def track(items: Iterable[Item], total: int | None, what: str, unit: str = "examples") -> Iterator[Item]:
    """Yield the items, showing progress."""
    with Progress(total, what, unit) as progress:
        for item in items:
            yield item
            progress.update()
