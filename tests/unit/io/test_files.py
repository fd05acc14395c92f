"""Files are written whole or not at all; errors of JSON lines name file and line."""

import contextlib
import errno
import fcntl
import gzip
import json
import os
import platform
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path

import pytest

from pairprobe.errors import InputError, printable
from pairprobe.io import files
from pairprobe.provenance.code import LIBRARY, SCRIPTS


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


def test_the_temporary_path_has_the_target_s_name_on_the_target_s_disk(tmp_path):
    with files.atomic_write(tmp_path / "a.jsonl.gz") as temporary:
        temporary.touch()
        assert temporary.parent.parent == tmp_path
        assert temporary.name == "a.jsonl.gz"


def test_the_longest_name_that_a_file_system_takes_can_be_written_and_one_longer_is_named(tmp_path):
    files.write_text(tmp_path / ("x" * 255), "whole")
    with pytest.raises(OSError, match="File name too long") as raised:
        files.write_text(tmp_path / ("x" * 256), "whole")
    assert raised.value.filename == str(tmp_path / ("x" * 256))
    assert names_in(tmp_path) == ["x" * 255]


# Power loss.


@pytest.fixture
def disk(tmp_path, monkeypatch):
    """Return the calls that order what is on the disk, as they come: what was flushed, what was moved."""
    calls, fsync, replace = [], os.fsync, os.replace

    def name(path):
        return "/".join(part for part in Path(path).relative_to(tmp_path).parts if not part.startswith(".partial-")) or "."

    def flush(number):
        calls.append(f"flush {name(os.readlink(f'/proc/self/fd/{number}'))}")
        fsync(number)

    def move(old, new):
        calls.append(f"move {name(new)}")
        replace(old, new)

    monkeypatch.setattr(os, "fsync", flush)
    monkeypatch.setattr(os, "replace", move)
    return calls


def test_a_file_is_on_the_disk_before_it_has_its_name_and_then_its_name_is(tmp_path, disk):
    files.write_text(tmp_path / "new" / "a.txt", "text")
    assert disk == ["flush new/a.txt", "move new/a.txt", "flush new"]


def test_all_that_is_in_a_folder_is_on_the_disk_before_it_has_its_name(tmp_path, disk):
    for _ in range(2):
        with files.atomic_write(tmp_path / "a") as temporary:
            (temporary / "b").mkdir(parents=True)
            (temporary / "b" / "c").write_text("text")
            (temporary / "link").symlink_to("/nowhere")
    first, second = disk[:5], disk[5:]
    assert first == ["flush a/b/c", "flush a/b", "flush a", "move a", "flush ."]
    # The old folder is moved away whole: half of it must never have the name.
    assert second == [*first[:3], "move .replaced", *first[3:]]


def test_every_way_to_write_flushes(tmp_path, disk):
    files.write_json(tmp_path / "a", {})
    files.write_json_lines(tmp_path / "b.jsonl.gz", [{}])
    files.concatenate({tmp_path / "c.jsonl.gz": [tmp_path / "b.jsonl.gz"]})
    names = ("a", "b.jsonl.gz", "c.jsonl.gz")
    assert disk == [call for name in names for call in (f"flush {name}", f"move {name}", "flush .")]


def test_nothing_but_atomic_write_moves_files():
    moving = re.compile(r"\bos\.(?:replace|renames?|link)\(|\bshutil\.move\(|\.rename\((?!columns)")
    paths = [path for folder in (LIBRARY, SCRIPTS) for path in folder.rglob("*.py")]
    found = {path.name for path in paths if moving.search(path.read_text(encoding="utf-8"))}
    # What is downloaded is linked to within the block of an atomic_write.
    assert found <= {"files.py", "downloads.py"}


# Disks that refuse.

REFUSALS = [
    OSError(errno.ENOSPC, "No space left on device"),
    OSError(errno.EDQUOT, "Disk quota exceeded"),
    OSError(errno.EROFS, "Read-only file system"),
    RuntimeError("Can't write data (file write failed: errno = 28, error message = 'No space left on device')"),
    OSError(
        errno.ENOSPC, "Can't write data (file write failed: time = Sun Nov 29\n, errno = 28, 'No space left on device')"
    ),
    ValueError("Error while serializing: I/O error: No space left on device (os error 28)"),
]


@pytest.mark.parametrize("error", REFUSALS, ids=str)
def test_a_disk_that_refuses_is_told_with_the_file_s_own_name_and_leaves_nothing(tmp_path, error):
    def write():
        with files.atomic_write(tmp_path / "a.txt") as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(OSError, match=r"No space|quota|Read-only") as raised:
        write()
    assert raised.value.filename == str(tmp_path / "a.txt")
    assert raised.value.errno in files.DISK_ERRORS
    assert "\n" not in str(raised.value)
    assert names_in(tmp_path) == []


def test_a_disk_that_refuses_is_told_by_the_name_that_was_given_where_temporary_folders_have_whole_ones(
    tmp_path, monkeypatch
):
    """As of Python 3.12."""
    make = tempfile.mkdtemp
    monkeypatch.setattr(tempfile, "mkdtemp", lambda **given: os.path.abspath(make(**given)))
    monkeypatch.chdir(tmp_path)

    def write():
        with files.atomic_write("a.txt") as temporary:
            raise OSError(errno.ENOSPC, "No space left on device", str(temporary))

    with pytest.raises(OSError, match="No space") as raised:
        write()
    assert raised.value.filename == "a.txt"


def test_a_disk_that_is_full_when_it_flushes_is_told_and_the_old_file_stays(tmp_path, monkeypatch):
    files.write_text(tmp_path / "a.txt", "old")

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*/a\.txt'"):
        files.write_text(tmp_path / "a.txt", "new")
    assert (tmp_path / "a.txt").read_text() == "old"
    assert names_in(tmp_path) == ["a.txt"]


def test_a_file_that_cannot_be_read_while_another_is_written_keeps_its_own_name(tmp_path):
    def write():
        with files.atomic_write(tmp_path / "a.txt"):
            (tmp_path / ("x" * 300)).read_text()

    with pytest.raises(OSError, match="File name too long") as raised:
        write()
    assert raised.value.filename == str(tmp_path / ("x" * 300))


# What killed processes leave.


def left_by_a_killed_process(folder, name):
    """Leave what a process leaves that is killed while it writes."""
    code = (
        "import os, sys; from pairprobe.io import files\nwith files.atomic_write(sys.argv[1]) as temporary:"
        "\n    temporary.write_text('half'); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(folder / name)], check=False)
    (left,) = folder.glob(".*")
    return left


def test_what_a_killed_process_left_goes_with_the_next_write_in_its_folder_whoever_that_was(tmp_path):
    left = left_by_a_killed_process(tmp_path, "a.txt")
    assert list(files.leftovers(tmp_path)) == [left]
    files.write_text(tmp_path / "b.txt", "whole")
    assert names_in(tmp_path) == ["b.txt"]


def test_leftovers_are_found_in_folders_of_a_folder(tmp_path):
    (tmp_path / "deep" / "er").mkdir(parents=True)
    left = left_by_a_killed_process(tmp_path / "deep" / "er", "a.txt")
    assert list(files.leftovers(tmp_path)) == []
    assert list(files.leftovers(tmp_path, deep=True)) == [left]
    files.remove_leftovers(tmp_path, deep=True)
    assert not left.exists()


def test_what_is_being_written_is_no_leftover(tmp_path):
    with files.atomic_write(tmp_path / "a.txt") as one, files.atomic_write(tmp_path / "a.txt") as other:
        one.write_text("1")
        other.write_text("2")
        assert list(files.leftovers(tmp_path)) == []
        files.remove_leftovers(tmp_path)
        assert one.read_text() == "1"
    assert (tmp_path / "a.txt").read_text() == "1"
    assert names_in(tmp_path) == ["a.txt"]


def test_where_the_file_system_has_no_locks_a_day_without_a_change_tells(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    left = left_by_a_killed_process(tmp_path, "a.txt")
    files.write_text(tmp_path / "a.txt", "whole")
    assert left.exists()
    for path in (left, *left.iterdir()):
        os.utime(path, (time.time() - 25 * 3600,) * 2)
    files.write_text(tmp_path / "a.txt", "whole")
    assert names_in(tmp_path) == ["a.txt"]


def test_a_free_lock_of_another_host_proves_nothing_for_a_day(tmp_path):
    """Some file systems that hosts share grant each host its locks without a look at the others'."""
    left = left_by_a_killed_process(tmp_path, "a.txt")
    (left / ".lock").write_text("00000000-0000-0000-0000-000000000000\nelsewhere")
    files.write_text(tmp_path / "b.txt", "whole")
    assert (left / "a.txt").read_text() == "half"
    for path in (left, *left.iterdir()):
        os.utime(path, (time.time() - 25 * 3600,) * 2)
    files.write_text(tmp_path / "b.txt", "whole")
    assert names_in(tmp_path) == ["b.txt"]


@pytest.mark.parametrize("other", ["name", "boot"])
def test_a_free_lock_of_another_container_or_boot_of_this_host_is_believed(tmp_path, monkeypatch, other):
    left = left_by_a_killed_process(tmp_path, "a.txt")
    if other == "name":
        monkeypatch.setattr("platform.node", lambda: "another-container")
    else:
        (left / ".lock").write_text(f"00000000-0000-0000-0000-000000000000\n{platform.node()}")
    if other == "boot" or Path("/proc/sys/kernel/random/boot_id").exists():
        assert list(files.leftovers(tmp_path)) == [left]


def test_a_temporary_folder_that_another_process_has_taken_for_a_leftover_is_made_again(tmp_path, monkeypatch):
    lock, removed = fcntl.flock, []

    def late(file, how):
        if not removed:
            removed.append(Path(file.name).parent)
            shutil.rmtree(removed[0])
        lock(file, how)

    monkeypatch.setattr(fcntl, "flock", late)
    files.write_text(tmp_path / "a.txt", "whole")
    assert removed
    assert names_in(tmp_path) == ["a.txt"]


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


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
@pytest.mark.parametrize("end", ["\n", "\n\n \r\n\t"])
def test_empty_lines_at_the_end_are_left_out(tmp_path, name, end):
    raw = ('{"n": 1}\n\n\n{"n": 2}\n' + end).encode()
    (tmp_path / name).write_bytes(gzip.compress(raw) if name.endswith("gz") else raw)
    found = [(where.rpartition(" ")[2], isinstance(line, InputError)) for where, line in files.read_lines(tmp_path / name)]
    assert found == [("1", False), ("2", True), ("3", True), ("4", False)]


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


# Text of unknown origin.


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("é – 漢字 🙂\ta\nb", "é – 漢字 🙂\ta\nb"),
        ("\x1b[2Jgone", "\\u001b[2Jgone"),
        ("a\rb\x00\x7f\x9b", "a\\u000db\\u0000\\u007f\\u009b"),
        ("\u202egnp.exe\u2028\ud800", "\\u202egnp.exe\\u2028\\ud800"),
    ],
)
def test_control_characters_are_printed_as_json_writes_them(text, printed):
    assert printable(text) == printed
    assert str(InputError(text)) == printed


LINES = ['{"a": "é\\u2028東🎉"}', "", "[1, 2]", "x" * 3000] * 300


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
def test_lines_in_any_encoding_of_unicode_are_utf_8(tmp_path, name, encoding):
    raw = "\n".join(LINES).encode(encoding)
    (tmp_path / name).write_bytes(gzip.compress(raw, 1) if name.endswith("gz") else raw)
    found = [line for _, line in files.read_lines(tmp_path / name)]
    assert len(found) == len(LINES)
    for line, wanted in zip(found, LINES, strict=True):
        assert line.decode().removesuffix("\n") == wanted if wanted else isinstance(line, InputError)


def test_lines_that_are_no_utf_16_though_the_first_bytes_say_so_are_named(tmp_path):
    (tmp_path / "a.jsonl").write_bytes("{}\n".encode("utf-16") + b"\xd8")
    with pytest.raises(InputError, match=r"a\.jsonl, after line \d: not UTF-16-LE \(.*\), as its first bytes say\. Write"):
        list(files.read_lines(tmp_path / "a.jsonl"))
