"""Locks between processes, also where the file system has none."""

import errno
import fcntl

import pytest

from pairprobe.errors import InputError
from pairprobe.io import locks


def test_a_file_is_locked_until_its_lock_is_released(tmp_path):
    first = locks.acquire(tmp_path / "a.lock", 0, "")
    assert first.is_locked
    assert locks.acquire(tmp_path / "a.lock", 0, "") is None
    first.release()
    assert locks.acquire(tmp_path / "a.lock", 0, "").is_locked


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK])
def test_a_file_system_without_locks_is_an_input_error_and_no_later_run_is_kept_out(tmp_path, monkeypatch, number):
    def flock(*_):
        raise OSError(number, "it has none")

    with monkeypatch.context() as patched:
        patched.setattr(fcntl, "flock", flock)
        with pytest.raises(InputError, match=r"a\.lock: the file cannot be locked \(it has none\)\. Take another\."):
            locks.acquire(tmp_path / "a.lock", 0, "Take another.")
    # Neither by a lock nor by a marker file.
    assert locks.acquire(tmp_path / "a.lock", 0, "").is_locked
