"""The figure of the simulated verdicts: drawn from what was written, and one line where that is not all."""

import itertools
import re

import pytest

import calibration
from calibration import DEVIATIONS, PAGES, SEEDS, WORLDS, Cell


@pytest.fixture
def written():
    """The page with tables of all cells."""
    cells = [Cell(*each) for each in itertools.product(WORLDS, DEVIATIONS, SEEDS, PAGES, (False, True))]
    found = {one: {"wrong": 0.01 * one.seeds, "decided": 0.5, "found": one.seeds + one.pages} for one in cells}
    found[Cell("the paper", DEVIATIONS[0], SEEDS[0], PAGES[1], True)]["wrong"] = 0.08
    text = calibration.PAGE.read_text(encoding="utf-8")
    for name, table in (("wrong", calibration.table_of_wrong(found)), ("found", calibration.table_of_found(found))):
        pattern = calibration.MARKS.format(name)
        text = re.sub(pattern, lambda marks, table=table: f"{marks[1]}{table}{marks[3]}", text, flags=re.DOTALL)
    return text


def test_what_was_written_is_drawn_with_the_worst_of_all_worlds(written):
    left, right = calibration.figure(written).axes
    lines = {axes: {line.get_label(): list(line.get_ydata()) for line in axes.get_lines()} for axes in (left, right)}
    first = f"{SEEDS[0]} seeds, {DEVIATIONS[0]} points apart"
    assert lines[left][first] == [SEEDS[0], 8, SEEDS[0]]
    assert lines[right][first] == [SEEDS[0] + pages for pages in PAGES]
    assert lines[right].keys() == {f"{seeds} seeds, {sd} points apart" for seeds in SEEDS for sd in DEVIATIONS}


@pytest.mark.parametrize("lacking", ["wrong", "found"])
@pytest.mark.parametrize("table", ["", "| world | seeds |\n| --- | --- |\n| nothing | 3 |\n"])
def test_where_a_table_is_not_whole_one_line_says_what_to_run(written, lacking, table):
    text = re.sub(calibration.MARKS.format(lacking), rf"\1{table}\3", written, flags=re.DOTALL)
    with pytest.raises(SystemExit) as stopped:
        calibration.figure(text)
    said = str(stopped.value)
    assert "First run benchmarks/calibration.py --write" in said
    assert "\n" not in said
