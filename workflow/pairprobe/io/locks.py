"""Locks between processes, which the operating system releases when a process ends, however it ends."""

import os

from filelock import FileLock, Timeout

from pairprobe.errors import InputError


def acquire(path: str | os.PathLike[str], timeout: float, remedy: str) -> FileLock | None:
    """Lock a file, which is made where there is none, and return its lock; None where another process keeps it locked.

    timeout: seconds to wait for that process; 0: do not wait. remedy: what to do where the file system has no locks, for
    the InputError that is raised there. (A marker file in place of a lock would stay behind a process that was killed.)
    """
    lock = FileLock(path, timeout=timeout, fallback_to_soft=False)
    try:
        lock.acquire()
    except Timeout:
        return None
    except OSError as error:
        raise InputError(f"{path}: the file cannot be locked ({error.strerror}). {remedy}") from None
    return lock
