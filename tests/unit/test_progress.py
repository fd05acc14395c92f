"""Progress lines, and what a job writes and says when it ends badly."""

import logging

import pytest

from pairprobe import progress
from pairprobe.errors import InputError


@pytest.fixture(autouse=True)
def _own_logging():
    yield
    logging.captureWarnings(False)


def run(log_file, trouble: Exception | None = None):
    with progress.job(str(log_file)):
        progress.log.info("begun")
        if trouble:
            raise trouble


def lines_of(caplog):
    return [record.getMessage() for record in caplog.records if record.name == "pairprobe"]


def test_tracking_yields_the_items_as_they_are():
    assert list(progress.track("abc", 3, "reading")) == ["a", "b", "c"]


def test_the_last_line_says_how_many_there_were(caplog):
    caplog.set_level(logging.INFO, "pairprobe")
    list(progress.track(range(1234), 2000, "reading", "questions"))
    (line,) = lines_of(caplog)
    assert line.startswith("reading: 1,234 of 2,000 questions, ")
    assert line.endswith(" s left")


def test_a_line_without_a_known_total_promises_no_time(caplog):
    caplog.set_level(logging.INFO, "pairprobe")
    list(progress.track(range(3), None, "reading"))
    (line,) = lines_of(caplog)
    assert line.startswith("reading: 3 examples, ")
    assert "left" not in line


def test_nothing_to_do_is_no_division_by_zero(caplog):
    caplog.set_level(logging.INFO, "pairprobe")
    assert list(progress.track([], 0, "reading")) == []
    assert lines_of(caplog)[0].startswith("reading: 0 examples, 0.0 a second")


def test_a_line_is_written_now_and_then(caplog, monkeypatch):
    caplog.set_level(logging.INFO, "pairprobe")
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0)
    with progress.Progress(6, "encoding") as count:
        for _ in range(3):
            count.update(2)
    assert [line.split(",")[0] for line in lines_of(caplog)] == [f"encoding: {n} of 6 examples" for n in (2, 4, 6, 6)]


def test_a_quick_job_does_not_flood_its_log(caplog):
    caplog.set_level(logging.INFO, "pairprobe")
    list(progress.track(range(10_000), 10_000, "reading"))
    assert len(lines_of(caplog)) == 1


def test_the_log_file_holds_the_lines_of_the_job_and_its_folder_is_made(tmp_path):
    run(tmp_path / "logs" / "a.log")
    assert (tmp_path / "logs" / "a.log").read_text().endswith(" INFO begun\n")


def test_each_run_begins_a_new_log(tmp_path):
    run(tmp_path / "a.log")
    run(tmp_path / "a.log")
    assert (tmp_path / "a.log").read_text().count("begun") == 1


def test_after_a_job_nothing_is_written_to_its_log(tmp_path):
    run(tmp_path / "a.log")
    progress.log.info("later")
    assert "later" not in (tmp_path / "a.log").read_text()


def test_bad_input_ends_a_job_with_one_line_and_no_traceback(tmp_path):
    with pytest.raises(SystemExit) as stopped:
        run(tmp_path / "a.log", InputError("f.jsonl, line 3: cut off"))
    assert stopped.value.code == "error: f.jsonl, line 3: cut off"
    assert (tmp_path / "a.log").read_text().endswith(" ERROR f.jsonl, line 3: cut off\n")


def test_a_file_that_cannot_be_opened_ends_a_job_with_its_name_and_the_logs(tmp_path):
    with pytest.raises(SystemExit) as stopped:
        run(tmp_path / "a.log", FileNotFoundError(2, "No such file or directory", "words.txt"))
    assert stopped.value.code == f"error: words.txt: No such file or directory. See {tmp_path}/a.log."
    assert "Traceback" in (tmp_path / "a.log").read_text()


def test_a_full_disk_without_a_file_name_is_told_too(tmp_path):
    with pytest.raises(SystemExit) as stopped:
        run(tmp_path / "a.log", OSError(28, "No space left on device"))
    assert "No space left on device" in stopped.value.code


def test_a_fault_of_the_program_passes_through_and_its_traceback_is_kept(tmp_path):
    with pytest.raises(ZeroDivisionError):
        run(tmp_path / "a.log", ZeroDivisionError("oops"))
    logged = (tmp_path / "a.log").read_text()
    assert "Traceback" in logged
    assert "ZeroDivisionError: oops" in logged


def test_a_job_that_ends_badly_lets_go_of_its_log(tmp_path):
    before = list(logging.getLogger().handlers)
    with pytest.raises(ZeroDivisionError):
        run(tmp_path / "a.log", ZeroDivisionError())
    assert logging.getLogger().handlers == before
