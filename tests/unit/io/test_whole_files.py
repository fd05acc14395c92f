import gzip
import os
import resource
from pathlib import Path

import pytest

from pairprobe.errors import InputError
from pairprobe.io import whole_files


@pytest.mark.parametrize("name", ["a.json", "a.json.gz"])
def test_a_file_is_read_plain_or_gzip(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(gzip.compress(b"content", mtime=0) if name.endswith("gz") else b"content")
    assert whole_files.read(path) == b"content"


@pytest.fixture
def bomb(tmp_path):
    """A gzip file of 200 kB that becomes 200 MB."""
    with gzip.open(tmp_path / "bomb.json.gz", "wb", compresslevel=1) as file:
        for _ in range(200):
            file.write(bytes(1 << 20))
    return tmp_path / "bomb.json.gz"


def test_a_small_file_that_becomes_a_large_one_is_refused_before_the_memory_is_full(bomb):
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + (150 << 20), hard))
    try:
        with pytest.raises(InputError, match=r"bomb\.json\.gz: [\d,]+ bytes that become more than 67,108,864; wanted"):
            whole_files.read(bomb)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def test_text_that_repeats_itself_as_real_text_does_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(whole_files, "SMALL", 1000)
    text = b'        {"answers": [{"answer_start": 0}], "id": "%d"},\n'
    content = b"".join(text % number for number in range(20_000))
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(content, mtime=0))
    assert whole_files.read(tmp_path / "a.json.gz") == content


def test_what_is_no_regular_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.json")
    with pytest.raises(InputError, match=r"pipe\.json: not a regular file"):
        whole_files.read(tmp_path / "pipe.json")


@pytest.mark.parametrize("content", [b"", b"no gzip", gzip.compress(b"content", mtime=0)[:-9]])
def test_what_is_no_whole_gzip_file_is_named(tmp_path, content):
    (tmp_path / "a.gz").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.gz: not a whole gzip file"):
        whole_files.read(tmp_path / "a.gz")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.json: there is no such file"):
        whole_files.read(tmp_path / "none.json")
