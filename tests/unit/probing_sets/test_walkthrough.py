"""The walkthrough docs/how-to/add_a_task.md, taken at its word."""

import dataclasses
import re
import sys
from pathlib import Path

import pytest
from samples import example

from pairprobe.data import text
from pairprobe.io import files
from pairprobe.probing_sets import building, tasks

PAGE = (Path(__file__).parents[3] / "docs" / "how-to" / "add_a_task.md").read_text(encoding="utf-8")


@pytest.fixture
def blocks(tmp_path, monkeypatch):
    """The page's Python: the task's module, which is put among the tasks, the script that reads its pairs, and its test."""
    module, script, test = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "inflections.py").write_text(module)
    monkeypatch.setattr(tasks, "__path__", [*tasks.__path__, str(tmp_path)])
    yield module, script, test
    sys.modules.pop(building.load("inflections").__name__)


def test_the_page_s_test_passes_with_the_page_s_module(blocks, reader):
    found = {}
    exec(blocks[2], found)
    checks = [value for name, value in found.items() if name.startswith("test_")]
    assert len(checks) == 2
    for check in checks:
        check(reader)


def test_the_words_that_the_page_says_are_stop_words_are():
    (listed,) = re.findall(r"such as (first, .*?)\.", PAGE)
    assert set(re.split(r", | and ", listed)) <= text.STOP_WORDS


@pytest.mark.slow
def test_the_page_s_script_prints_the_counts_and_the_pairs(blocks, wordnet_folder, tmp_path, monkeypatch, capsys):
    rows = [example("where did turing die", "He died at home ."), example("who was it", "It was he .", example_id="2")]
    demo = tmp_path / "results" / "demo"
    demo.mkdir(parents=True)
    (demo / "wordnet").symlink_to(wordnet_folder)
    files.write_json_lines(demo / "examples" / "probe.jsonl.gz", map(dataclasses.asdict, rows))
    monkeypatch.chdir(tmp_path)
    exec(blocks[1], {})
    assert capsys.readouterr().out.splitlines() == [
        "inflections examples looked at 2",
        "inflections pairs found 1",
        "inflections dropped: no question word stands in another form in the paragraph 1",
        "die - died | where did turing die",
    ]
