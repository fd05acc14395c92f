"""Files are written whole or not at all; errors of JSON lines name file and line."""

import contextlib
import gzip
import json
import random
import tracemalloc

import pytest

from pairprobe.errors import InputError
from pairprobe.io import files


class TroubleError(Exception):
    pass


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def write_half(path):
    with files.atomic_write(path) as temporary:
        temporary.write_text("half")
        raise TroubleError


def make_half(path):
    with files.atomic_write(path) as temporary:
        temporary.mkdir()
        (temporary / "new").write_text("half")
        raise TroubleError


def read(path):
    return [row for _, row in files.read_json_lines(path)]


def test_a_file_appears_at_the_end_of_the_block_and_not_before(tmp_path):
    with files.atomic_write(tmp_path / "a" / "new" / "a.txt") as temporary:
        temporary.write_text("text")
        assert not (tmp_path / "a" / "new" / "a.txt").exists()
    assert (tmp_path / "a" / "new" / "a.txt").read_text() == "text"
    assert names_in(tmp_path / "a" / "new") == ["a.txt"]


def test_an_exception_leaves_the_old_file_and_nothing_else(tmp_path):
    (tmp_path / "a.txt").write_text("old")
    with pytest.raises(TroubleError):
        write_half(tmp_path / "a.txt")
    assert (tmp_path / "a.txt").read_text() == "old"
    assert names_in(tmp_path) == ["a.txt"]


def test_an_exception_leaves_no_new_file(tmp_path):
    with pytest.raises(TroubleError):
        write_half(tmp_path / "a.txt")
    assert names_in(tmp_path) == []


def test_a_folder_takes_the_place_of_the_old_one(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "old").write_text("old")
    with files.atomic_write(tmp_path / "folder") as temporary:
        temporary.mkdir()
        (temporary / "new").write_text("new")
        assert names_in(tmp_path / "folder") == ["old"]
    assert names_in(tmp_path / "folder") == ["new"]
    assert names_in(tmp_path) == ["folder"]


def test_an_exception_leaves_the_old_folder_and_nothing_else(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "old").write_text("old")
    with pytest.raises(TroubleError):
        make_half(tmp_path / "folder")
    assert names_in(tmp_path / "folder") == ["old"]
    assert names_in(tmp_path) == ["folder"]


def test_what_a_killed_run_left_at_the_temporary_name_is_in_nobodys_way(tmp_path):
    with files.atomic_write(tmp_path / "a.txt") as temporary:
        temporary.write_text("1")
    temporary.mkdir()
    (temporary / "left").write_text("over")
    files.write_text(tmp_path / "a.txt", "2")
    assert (tmp_path / "a.txt").read_text() == "2"
    assert names_in(tmp_path) == ["a.txt"]


def test_the_temporary_name_is_beside_the_target_and_keeps_its_suffixes(tmp_path):
    with files.atomic_write(tmp_path / "a.jsonl.gz") as temporary:
        temporary.touch()
        assert temporary.parent == tmp_path
        assert temporary.suffixes[-2:] == [".jsonl", ".gz"]


def test_text_is_written_in_utf_8(tmp_path):
    files.write_text(tmp_path / "a.txt", "é–\n")
    assert (tmp_path / "a.txt").read_bytes() == "é–\n".encode()


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
def test_rows_come_back_as_they_were_written(tmp_path, name):
    rows = [{"example_id": "é", "words": ["a", "–"]}, {"example_id": 2**62, "answer": None}]
    files.write_json_lines(tmp_path / name, rows)
    assert read(tmp_path / name) == rows


def test_json_lines_are_one_utf_8_object_a_line(tmp_path):
    files.write_json_lines(tmp_path / "a.jsonl", [{"a": "é"}, {"b": (1, 2)}])
    assert (tmp_path / "a.jsonl").read_bytes() == '{"a":"é"}\n{"b":[1,2]}\n'.encode()


def test_a_name_in_gz_gives_gzip_that_any_reader_opens(tmp_path):
    files.write_json_lines(tmp_path / "a.jsonl.gz", [{"a": 1}])
    with gzip.open(tmp_path / "a.jsonl.gz", "rt", encoding="utf-8") as lines:
        assert [json.loads(line) for line in lines] == [{"a": 1}]


def test_the_same_rows_give_the_same_gzip_bytes_under_any_name_at_any_time(tmp_path, monkeypatch):
    files.write_json_lines(tmp_path / "a.jsonl.gz", [{"a": 1}])
    monkeypatch.setattr("time.time", lambda: 1e9)
    files.write_json_lines(tmp_path / "b.jsonl.gz", [{"a": 1}])
    assert (tmp_path / "a.jsonl.gz").read_bytes() == (tmp_path / "b.jsonl.gz").read_bytes()


def test_an_exception_among_the_rows_leaves_the_old_file_and_nothing_else(tmp_path):
    files.write_json_lines(tmp_path / "a.jsonl.gz", [{"a": 1}])
    with pytest.raises(ZeroDivisionError):
        files.write_json_lines(tmp_path / "a.jsonl.gz", ({"a": 1 / n} for n in (2, 1, 0)))
    assert read(tmp_path / "a.jsonl.gz") == [{"a": 1}]
    assert names_in(tmp_path) == ["a.jsonl.gz"]


def test_several_files_are_written_side_by_side(tmp_path):
    with files.json_lines_writers({"x": tmp_path / "x.jsonl", "y": tmp_path / "y.jsonl.gz"}) as write:
        write["x"]({"n": 1})
        write["y"]({"n": 2})
        write["x"]({"n": 3})
        assert not {"x.jsonl", "y.jsonl.gz"} & set(names_in(tmp_path))
    assert read(tmp_path / "x.jsonl") == [{"n": 1}, {"n": 3}]
    assert read(tmp_path / "y.jsonl.gz") == [{"n": 2}]


def write_two_halves(folder):
    with files.json_lines_writers({"x": folder / "x.jsonl", "y": folder / "y.jsonl.gz"}) as write:
        write["x"]({"n": 1})
        write["y"]({"n": 2})
        raise TroubleError


def test_an_exception_leaves_none_of_several_files(tmp_path):
    with pytest.raises(TroubleError):
        write_two_halves(tmp_path)
    assert names_in(tmp_path) == []


def test_each_row_comes_with_its_file_and_line(tmp_path):
    files.write_json_lines(tmp_path / "a.jsonl", [{}, {}])
    assert [where for where, _ in files.read_json_lines(tmp_path / "a.jsonl")] == [
        f"{tmp_path}/a.jsonl, line 1",
        f"{tmp_path}/a.jsonl, line 2",
    ]


def test_lines_are_read_one_at_a_time(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"n": 1}\nno JSON\n')
    assert next(files.read_json_lines(tmp_path / "a.jsonl"))[1] == {"n": 1}


def test_a_line_that_is_cut_off_is_named(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"n": 1}\n{"n": 2}\n{"question": "who wo')
    with pytest.raises(InputError, match=r"a\.jsonl, line 3: not a whole JSON object .*who wo.* cut off"):
        read(tmp_path / "a.jsonl")


@pytest.mark.parametrize("line", ["{'n': 2}", '{"n": 2,}', '{"n": 2} {', "n: 2"])
def test_a_line_that_is_malformed_is_not_said_to_be_cut_off(tmp_path, line):
    (tmp_path / "a.jsonl").write_text("{}\n" + line + "\n")
    with pytest.raises(InputError, match=r"a\.jsonl, line 2: not a JSON object \(.*char \d\)\)\. Write it as JSON\.$"):
        read(tmp_path / "a.jsonl")


@pytest.mark.parametrize("line", ["", " \t"])
def test_an_empty_line_is_named(tmp_path, line):
    (tmp_path / "a.jsonl").write_text("{}\n" + line + "\n{}\n")
    with pytest.raises(InputError, match=r"a\.jsonl, line 2: the line is empty\. Remove it\.$"):
        read(tmp_path / "a.jsonl")


@pytest.mark.parametrize(("line", "kind"), [("[1]", "list"), ("3", "int"), ("null", "NoneType"), ('"a"', "str")])
def test_a_line_that_is_no_object_is_named(tmp_path, line, kind):
    (tmp_path / "a.jsonl").write_text("{}\n" + line + "\n")
    with pytest.raises(InputError, match=rf"a\.jsonl, line 2: a JSON object is wanted, found {kind}"):
        read(tmp_path / "a.jsonl")


def test_a_gzip_file_that_is_cut_off_is_named(tmp_path):
    path = tmp_path / "a.jsonl.gz"
    files.write_json_lines(path, ({"n": n} for n in range(1000)))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"a\.jsonl\.gz, after line \d+: not a whole gzip file"):
        read(path)


def test_a_gzip_file_whose_checksum_is_wrong_is_named(tmp_path):
    path = tmp_path / "a.jsonl.gz"
    files.write_json_lines(path, [{"n": 1}])
    path.write_bytes(path.read_bytes()[:-8] + bytes(8))
    with pytest.raises(InputError, match=r"a\.jsonl\.gz, after line \d: not a whole gzip file \(CRC"):
        read(path)


def test_a_plain_file_that_is_called_gz_is_named(tmp_path):
    (tmp_path / "a.jsonl.gz").write_text("{}\n")
    with pytest.raises(InputError, match=r"a\.jsonl\.gz, after line 0: not a whole gzip file"):
        read(tmp_path / "a.jsonl.gz")


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
def test_a_file_that_is_not_there_is_named(tmp_path, name):
    with pytest.raises(InputError, match=rf"{name}: there is no such file"):
        read(tmp_path / name)


def test_a_gzip_file_without_a_byte_is_cut_off(tmp_path):
    (tmp_path / "a.jsonl.gz").touch()
    with pytest.raises(InputError, match=r"a\.jsonl\.gz, after line 0: not a whole gzip file \(it is empty\)"):
        read(tmp_path / "a.jsonl.gz")


def test_a_file_without_rows_has_none(tmp_path):
    (tmp_path / "a.jsonl").touch()
    files.write_json_lines(tmp_path / "b.jsonl.gz", [])
    assert read(tmp_path / "a.jsonl") == read(tmp_path / "b.jsonl.gz") == []


@pytest.mark.parametrize("seed", range(4))
def test_damage_anywhere_in_a_gzip_file_is_noticed(tmp_path, seed):
    path, dice = tmp_path / "a.jsonl.gz", random.Random(seed)
    files.write_json_lines(path, ({"n": n, "hash": hash((n, seed))} for n in range(200)))
    good, raw = read(path), path.read_bytes()
    unnoticed = 0
    for i in range(60):
        damaged = bytearray(raw[: dice.randrange(len(raw))] if i % 2 else raw)
        if not i % 2:
            damaged[dice.randrange(len(raw))] ^= 1 << dice.randrange(8)
        path.write_bytes(bytes(damaged))
        with contextlib.suppress(InputError):
            # The header's time and operating system are no part of the lines.
            assert read(path) == good
            unnoticed += 1
    assert unnoticed < 10


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
def test_lines_that_are_no_utf_8_or_empty_or_too_long_give_an_error_in_their_place(tmp_path, name, monkeypatch):
    monkeypatch.setattr(files, "MAX_LINE_BYTES", 1 << 20)
    lines = [b"one", b"\xff\xfe", b"", b"x" * (1 << 20), b"y" * (3 << 20), "é".encode(), b"z" * ((1 << 20) - 1), b"end"]
    with gzip.open(tmp_path / name, "wb") if name.endswith("gz") else open(tmp_path / name, "wb") as file:
        file.write(b"\n".join(lines))
    found = list(files.read_lines(tmp_path / name))
    assert [where for where, _ in found] == [f"{tmp_path / name}, line {i}" for i in range(1, 9)]
    errors = {i: str(line) for i, (_, line) in enumerate(found, 1) if isinstance(line, InputError)}
    assert set(errors) == {2, 3, 4, 5}
    assert errors[2].startswith(f"{tmp_path / name}, line 2: not UTF-8 (invalid start byte at byte 0)")
    assert errors[3] == f"{tmp_path / name}, line 3: the line is empty. Remove it."
    assert errors[5].startswith(f"{tmp_path / name}, line 5: longer than 1 MiB")
    for i in {1, 6, 7, 8}:
        assert found[i - 1][1].removesuffix(b"\n") == lines[i - 1]


def test_a_line_without_an_end_fills_no_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MAX_LINE_BYTES", 1 << 20)
    with open(tmp_path / "a.jsonl", "wb") as file:
        file.truncate(200 << 20)
    tracemalloc.start()
    ((_, error),) = files.read_lines(tmp_path / "a.jsonl")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert "longer than 1 MiB" in str(error)
    assert peak < 8 << 20


def test_files_put_together_have_the_lines_of_all_in_order(tmp_path):
    for name, numbers in {"a": [1, 2], "b": [], "c": [3]}.items():
        files.write_json_lines(tmp_path / f"{name}.jsonl.gz", ({"n": n} for n in numbers))
        files.write_json_lines(tmp_path / f"{name}.jsonl", ({"n": n} for n in numbers))
    sources = {suffix: [tmp_path / f"{name}{suffix}" for name in "abc"] for suffix in (".jsonl", ".jsonl.gz")}
    files.concatenate({tmp_path / "new" / f"all{suffix}": paths for suffix, paths in sources.items()})
    for suffix in sources:
        assert read(tmp_path / "new" / f"all{suffix}") == [{"n": 1}, {"n": 2}, {"n": 3}]
    with gzip.open(tmp_path / "new" / "all.jsonl.gz", "rt") as lines:
        assert [json.loads(line)["n"] for line in lines] == [1, 2, 3]


def test_where_one_source_is_missing_no_target_is_left(tmp_path):
    files.write_json_lines(tmp_path / "a.jsonl.gz", [{"n": 1}])
    targets = {tmp_path / "x.jsonl.gz": [tmp_path / "a.jsonl.gz"], tmp_path / "y.jsonl.gz": [tmp_path / "b.jsonl.gz"]}
    with pytest.raises(FileNotFoundError):
        files.concatenate(targets)
    assert names_in(tmp_path) == ["a.jsonl.gz"]


def test_a_scratch_folder_is_on_the_disk_of_its_target_and_does_not_stay(tmp_path):
    with files.scratch(tmp_path / "new" / "a.txt") as scratch:
        assert names_in(tmp_path / "new") == [scratch.name]
    assert names_in(tmp_path / "new") == []
