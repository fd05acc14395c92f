"""One job of the workflow: its log, its record, one clear line for an error, and an end when its parent process has ended.

Nothing here changes a result, so an edit of this module runs no job again: see ``code.WATCHING``.
"""

import contextlib
import errno
import logging
import os
import select
import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from pairprobe.errors import InputError, printable
from pairprobe.io import files, processes
from pairprobe.io.logins import without_logins
from pairprobe.io.progress import log
from pairprobe.provenance import job_records

# Seconds that a job has to end in once it was told to, or the process that started it has ended.
PATIENCE = 30
# Bytes; a disk with fewer is full.
_FULL = 1 << 20


@contextlib.contextmanager
def job(task: job_records.Task, kind: str | None = None) -> Iterator[None]:
    """Run the block as a job: log lines and tracebacks go to its log file, and ``job_records`` records what it made.

    kind: what the job makes, one of ``job_records.KINDS``, or None. An InputError ends the job with one clear line.
    SIGTERM, and the end of the process that the variable ``processes.PARENT`` names, end it as an error does: nothing
    half-written stays behind, and no two processes ever write one file. One that hangs is killed after ``PATIENCE``.
    """
    # Before the log is opened: if the parent has ended already, the next run may be writing the same one.
    processes.end_with_parent(PATIENCE)
    path = Path(task.log[0])
    # Tokenizers have threads of their own, one a core, whatever the job was given.
    os.environ["RAYON_NUM_THREADS"] = str(task.threads)
    log.setLevel(logging.INFO)
    logging.captureWarnings(True)
    try:
        with _logging_to(path):
            try:
                with _ending_on_sigterm(), job_records.recorded(task, kind):
                    yield
            except InputError as error:
                log.error("%s", error)
                sys.exit(without_logins(f"error: {error}"))
            except Exception as error:
                log.exception("stopped")
                # torch says other things of a disk that is full while a training is saved.
                if not isinstance(error, OSError) and shutil.disk_usage(path.parent).free < _FULL:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path.parent)) from error
                raise
    except OSError as error:
        what = f"{error.filename or 'output'}: {error.strerror or error}. {files.DISK_ERRORS.get(error.errno or 0, '')}"
        sys.exit(printable(f"error: {what.rstrip()} See {path}."))


class _LogFile(logging.FileHandler):
    """A log file that says nothing where the disk has no room for it: what the job writes will say so."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        pass

    def close(self) -> None:
        with contextlib.suppress(OSError):
            super().close()


@contextlib.contextmanager
def _logging_to(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = _LogFile(path, mode="w", encoding="utf-8")
    handler.setFormatter(_Formatter("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%d %H:%M:%S"))
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        handler.close()


class _Formatter(logging.Formatter):
    """Keeps logins out of the log, whoever writes to it."""

    def format(self, record: logging.LogRecord) -> str:
        return without_logins(super().format(record))


@contextlib.contextmanager
def _ending_on_sigterm() -> Iterator[None]:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    threading.Thread(target=_end_at_last, args=(reading,), daemon=True).start()
    waker = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    before = signal.signal(signal.SIGTERM, _stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        signal.set_wakeup_fd(waker)
        os.close(writing)


def _end_at_last(reading: int) -> None:
    """Kill this process where it has not ended ``PATIENCE`` seconds after SIGTERM.

    Python calls ``_stop`` between two of its own instructions, but writes the number of a signal into this pipe at once. A
    library that waits for other machines, say, never comes back to Python.
    """
    with open(reading, "rb", buffering=0) as signals:
        while (number := signals.read(1)) and number[0] != signal.SIGTERM:
            pass
        closed = select.poll()
        closed.register(signals, 0)
        if number and not closed.poll(1000 * PATIENCE):
            os.kill(os.getpid(), signal.SIGKILL)


def _stop(number: int, _frame: FrameType | None) -> None:
    log.error("stopped by %s", signal.Signals(number).name)
    sys.exit(128 + number)
