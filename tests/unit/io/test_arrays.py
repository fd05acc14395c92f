import errno
import hashlib
import os

import numpy as np
import pytest

from pairprobe.errors import InputError
from pairprobe.io import arrays


@pytest.fixture
def path(tmp_path):
    arrays.write(tmp_path / "a.npz", one=np.arange(50.0), two=np.eye(3))
    return tmp_path / "a.npz"


def test_arrays_are_read_as_they_were_written(path):
    two, one = arrays.read(path, "two", "one")
    np.testing.assert_array_equal(one, np.arange(50.0))
    np.testing.assert_array_equal(two, np.eye(3))


def test_a_byte_that_is_damaged_anywhere_changes_nothing_or_is_found(path):
    whole, found = path.read_bytes(), 0
    for at in range(0, len(whole), 3):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
        try:
            (one,) = arrays.read(path, "one")
            np.testing.assert_array_equal(one, np.arange(50.0))
        except InputError:
            found += 1
    assert found > 100


@pytest.mark.parametrize("content", [b"", b"<html>", b"\x93NUMPY"])
def test_a_file_of_something_else_is_named(path, content):
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.npz: not a whole file of arrays"):
        arrays.read(path, "one")


def test_a_missing_file_and_a_missing_array_are_named(path):
    with pytest.raises(InputError, match=r"none\.npz: there is no such file"):
        arrays.read(path.with_name("none.npz"), "one")
    with pytest.raises(InputError, match=r"a\.npz: not a whole file of arrays \(.*three"):
        arrays.read(path, "three")


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO])
def test_a_file_that_the_system_does_not_read_is_not_said_to_be_damaged(path, monkeypatch, number):
    def refuse(*_, **__):
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr("numpy.load", refuse)
    with pytest.raises(InputError, match=r"a\.npz: it cannot be read \(.*; the file itself may be whole\.$"):
        arrays.read(path, "one")


def test_the_same_arrays_are_the_same_bytes_with_every_version_of_python(tmp_path):
    """The digest of a file of heads goes into what is measured with them."""
    path = tmp_path / "a.npz"
    arrays.write(path, weights=np.arange(6, dtype=np.float32).reshape(2, 3), mean=np.zeros(2))
    assert hashlib.sha256(path.read_bytes()).hexdigest() == (
        "05cc40414e2a606b7d50538f7fdedaf7dc89668f0452e86d9f0267130390a7ec"
    )
