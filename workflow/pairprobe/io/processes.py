"""Processes that end when another one ends, however that comes to its end."""

import ctypes
import os
import select
import signal
import sys
import threading
import time
from pathlib import Path

from pairprobe.io.progress import log

# Names the process that this one must not outlive, by its number. A process that starts another sets it for that one.
PARENT = "PAIRPROBE_PARENT"


def end_with_parent(patience: float = 0.0) -> None:
    """End this process as soon as the one that the variable ``PARENT`` names has ended; now, where it already has.

    To be called first thing: a parent that ended while this process was being started is noticed here, and one that ends
    later by a thread that waits for it. So no moment is left out, and nothing depends on the parent, which may be killed.

    patience: seconds from SIGTERM, at which a process removes what it has half written, to SIGKILL. 0: SIGKILL at once.
    """
    parent = int(os.environ.get(PARENT, 0))
    if not parent:
        return
    if not is_running(parent):
        sys.exit(
            f"error: process {parent}, which started this one, has ended, or it cannot be seen from here. If it still "
            "runs, this job is in a container with process numbers of its own (a PID namespace): start the container with "
            "those of its host (docker: --pid=host; apptainer: without --pid)."
        )
    threading.Thread(target=_follow, args=(parent, patience), daemon=True).start()


def die_with_parent() -> None:
    """Have the kernel kill this process at once when the process that started it ends, whatever this one is doing then.

    Linux only. It watches the true parent, which may have ended before: call ``end_with_parent`` next.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def _follow(parent: int, patience: float) -> None:
    _wait(parent)
    log.error("process %d, which started this one, has ended", parent)
    if patience:
        os.kill(os.getpid(), signal.SIGTERM)
        # Python handles a signal between two of its own instructions; a long call into a library must not delay the end
        # for ever.
        time.sleep(patience)
    os.kill(os.getpid(), signal.SIGKILL)


def _wait(process: int) -> None:
    """Return when a process, which need not be a child of this one, has ended."""
    try:
        watched = os.pidfd_open(process)
    except ProcessLookupError:  # it has ended already
        return
    except (AttributeError, OSError):  # not Linux; or an old kernel or a sandbox refuses it
        while is_running(process):
            time.sleep(1)
        return
    try:
        ended = select.poll()
        ended.register(watched, select.POLLIN)
        ended.poll()
    finally:
        os.close(watched)


def is_running(process: int) -> bool:
    """Whether the process of this host with the number ``process`` has not ended."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it is another user's
        return True
    # A zombie has ended, but has a number until its parent asks for its status; in some containers nobody ever does.
    try:
        return Path(f"/proc/{process}/stat").read_text(errors="replace").rpartition(")")[2].split()[0] != "Z"
    except OSError:  # not Linux
        return True
