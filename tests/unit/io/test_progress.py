"""Progress lines."""

import logging

from pairprobe.io import progress


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
