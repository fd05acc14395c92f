import pyarrow
import pyarrow.parquet
import pytest

from pairprobe.errors import InputError
from pairprobe.io import parquet


def write(path, rows, **options):
    pyarrow.parquet.write_table(pyarrow.table({"text": rows}), path, **options)
    return path


@pytest.mark.parametrize("compression", ["none", "snappy", "zstd", "gzip"])
def test_rows_are_read_whatever_the_compression(tmp_path, compression):
    path = write(tmp_path / "a.parquet", ["one", "two"], compression=compression)
    assert [row["text"] for _, row in parquet.read_rows(path, ["text"])] == ["one", "two"]


@pytest.mark.parametrize("compression", ["zstd", "gzip"])
def test_a_small_file_whose_rows_become_large_is_refused_before_they_are_read(tmp_path, compression, monkeypatch):
    monkeypatch.setattr(parquet, "SMALL", 1 << 20)
    path = write(tmp_path / "a.parquet", ["x" * (2 << 20)], compression=compression, use_dictionary=False)
    with pytest.raises(InputError, match=r"a\.parquet, row group 0: [\d,]+ bytes that become 2,[\d,]+; wanted at most 50"):
        next(parquet.read_rows(path, ["text"]))


def test_large_rows_that_are_stored_as_they_are_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "SMALL", 1 << 20)
    path = write(tmp_path / "a.parquet", ["x" * (2 << 20)], compression="none", use_dictionary=False)
    assert len(next(parquet.read_rows(path, ["text"]))[1]["text"]) == 2 << 20
