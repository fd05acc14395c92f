"""The tables of the simulated verdicts."""

import itertools

import pytest

import calibration
from calibration import DEVIATIONS, PAGES, SEEDS, WORLDS, Cell


def rows(table):
    fields, _, *lines = ([cell.strip() for cell in line.strip("| ").split("|")] for line in table.splitlines())
    return [dict(zip(fields, line, strict=True)) for line in lines]


@pytest.fixture
def found():
    cells = [Cell(*each) for each in itertools.product(WORLDS, DEVIATIONS, SEEDS, PAGES, (False, True))]
    return {one: {"wrong": 0.01, "decided": 0.5, "found": one.seeds + one.pages + one.deviation} for one in cells}


def test_of_a_world_the_mean_of_all_designs_stands_before_the_worst(found):
    designs = len(SEEDS) * len(PAGES) * 2
    found[Cell("the paper", 2, SEEDS[0], PAGES[1], True)]["wrong"] = 0.01 + designs * 0.005
    table = {row["world"]: row for row in rows(calibration.table_of_wrong(found))}
    assert table.keys() == WORLDS.keys()
    assert table["the paper"]["seeds 2 apart"] == "1.5 (10.0)"
    assert table["the paper"]["seeds 5 apart"] == table["nothing"]["seeds 2 apart"] == "1.0 (1.0)"


def test_what_is_found_stands_by_seeds_and_pages(found):
    table = {(row["seeds"], row["effective pages"]): row for row in rows(calibration.table_of_found(found))}
    assert len(table) == len(SEEDS) * len(PAGES)
    assert table["5", "80"]["found, 2 apart"] == "87.0"
    assert table["5", "80"]["decided, 2 apart"] == "50"
