"""Files are read in the same memory whatever their size: a few pages at a time."""

import gzip
import json
import random
import subprocess
import sys
from pathlib import Path

import corpora
import pyarrow
import pyarrow.parquet
import pytest

from pairprobe.data.natural_questions import read

# Reads a file and makes all its documents and pages; prints the number of them, and the most kilobytes that were in use
# (getrusage would count those of the process that started this one).
READ = """
import sys
from pathlib import Path
from pairprobe.data.natural_questions import read
from pairprobe.data.pages import page_of
print(sum(document.text != "" and len(page_of(document).tokens) > 0 for _, document in read(sys.argv[1])))
print(*(line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")))
"""
TOKENS = 9000


def peak_of(path, documents):
    """Read the file in a process of its own; returns its peak memory in megabytes."""
    said = subprocess.run([sys.executable, "-c", READ, path], capture_output=True, text=True, check=True).stdout.split()
    assert int(said[0]) == documents
    return int(said[1]) / 1024


def page(number):
    """Make a question with a page of the real ones' size, every second one answered."""
    tokens = [{"token": token, "html_token": False} for token in random.Random(number).choices(corpora.WORDS, k=TOKENS)]
    tokens[10], tokens[79] = ({"token": token, "html_token": True} for token in ("<P>", "</P>"))
    for i, token in enumerate(tokens):
        token.update(start_byte=i * 8, end_byte=i * 8 + 7)
    place = {"start_token": 10, "end_token": 80, "start_byte": 80, "end_byte": 640}
    answer = {**place, "candidate_index": 0} if number % 2 else corpora.NOWHERE
    annotation = {"annotation_id": 1, "long_answer": answer, "short_answers": [], "yes_no_answer": "NONE"}
    return {
        "annotations": [annotation],
        "document_html": "<html> " * TOKENS,
        "document_title": "A",
        "document_tokens": tokens,
        "document_url": "https://en.wikipedia.org/wiki/A",
        "example_id": number,
        "long_answer_candidates": [{**place, "top_level": True}] * 120,
        "question_text": "who built the mill",
        "question_tokens": [],
    }


pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="wants Linux's /proc")
PAGES = [page(number) for number in range(4)]


@pytest.mark.parametrize(("kind", "copies", "size"), [("simplified", (100, 1700), 300e6), ("original", (10, 50), 100e6)])
@pytest.mark.slow
def test_json_lines_of_any_size_take_the_same_memory(tmp_path, kind, copies, size):
    rows = map(corpora.simplified, PAGES) if kind == "simplified" else PAGES
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    member, peaks = gzip.compress(lines, 6), []
    for number in copies:
        # A gzip file of several members is as good as one.
        (tmp_path / "nq.jsonl.gz").write_bytes(member * number)
        peaks.append(peak_of(tmp_path / "nq.jsonl.gz", len(PAGES) * number))
    assert len(lines) * copies[1] > size
    assert peaks[1] < peaks[0] + 50
    assert max(peaks) < 500


@pytest.mark.slow
def test_parquet_of_any_size_takes_the_same_memory(tmp_path):
    table, peaks = pyarrow.Table.from_pylist(list(map(corpora.hub_row, PAGES)), schema=corpora.HUB_SCHEMA), []
    for copies in (25, 200):
        rows = pyarrow.concat_tables([table] * copies)
        # Row groups of 100 rows, as the hub's; nothing is saved by pages that are alike.
        pyarrow.parquet.write_table(rows, tmp_path / "nq.parquet", row_group_size=100, use_dictionary=False)
        peaks.append(peak_of(tmp_path / "nq.parquet", len(PAGES) * copies))
    assert rows.nbytes > 150e6
    assert peaks[1] < peaks[0] + 50
    assert max(peaks) < 500


def test_the_pages_made_are_read_and_answered(tmp_path):
    path = corpora.write_lines(tmp_path / "nq.jsonl", PAGES)
    assert [document.selected is not None for _, document in read(path)] == [False, True, False, True]
