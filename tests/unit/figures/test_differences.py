"""The figure of differences: every value and interval of the table, and which a test has found."""

import dataclasses

import matplotlib.pyplot as plt
import pytest

from pairprobe.evidence.fields import DIFFERENCE_FIELDS
from pairprobe.figures.differences import differences_figure
from pairprobe.figures.grid import Panel
from pairprobe.figures.style import save
from pairprobe.io.tsv import write_tsv

PANEL = Panel("synonyms", "cosine", ("a", "b", "c"), among=("a", "b", "c"))
COLUMNS = [(PANEL, dataclasses.replace(PANEL, measure="euclidean"))]
VALUES = [0.0, 1.5, -2.0, 8.0]


@pytest.fixture
def table(tmp_path):
    rows = [
        (*key, "synonyms", measure, layer, 30, 3, 20, 17.5, value, value - 1, value + 2, 0.01, 0.01 if layer == 3 else 0.4)
        for key in (("percentage", "a", "b"), ("percentage", "a", "c"), ("percentage", "b", "c"), ("auc", "a", "b"))
        for measure in ("cosine", "euclidean")
        for layer, value in enumerate(VALUES)
    ]
    write_tsv(str(tmp_path / "differences.tsv"), DIFFERENCE_FIELDS, rows)
    return str(tmp_path / "differences.tsv")


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def drawn(table, columns):
    return differences_figure(table, columns, 5).axes


def lines_of(axes):
    return {line.get_label(): line for line in axes.get_lines() if " − " in str(line.get_label())}


def test_every_value_is_drawn_against_the_first_checkpoint(table):
    upper, _ = drawn(table, COLUMNS)
    assert list(lines_of(upper)) == ["B − A", "C − A"]
    for line in lines_of(upper).values():
        assert line.get_xydata().tolist() == [[layer, value] for layer, value in enumerate(VALUES)]
    bands = [path.vertices for each in upper.collections for path in each.get_paths()]
    assert all({(3.0, 7.0), (3.0, 10.0)} <= set(map(tuple, band)) for band in bands)
    assert len(bands) == 2


def test_what_no_test_finds_is_hollow(table):
    upper, _ = drawn(table, COLUMNS)
    hollow = [line.get_xdata().tolist() for line in upper.get_lines() if line.get_markerfacecolor() == "white"]
    assert hollow == [[0, 1, 2], [0, 1, 2]]


def test_a_pair_that_stands_the_other_way_round_is_turned(table):
    upper, _ = drawn(table, [tuple(dataclasses.replace(p, compared=("b", "a")) for p in COLUMNS[0])])
    (line,) = lines_of(upper).values()
    assert line.get_ydata().tolist() == [-value for value in VALUES]
    low = min(y for path in upper.collections[0].get_paths() for x, y in path.vertices if x == 3)
    assert low == -10


def test_one_checkpoint_alone_says_that_there_is_nothing_to_compare(table):
    upper, _ = drawn(table, [tuple(dataclasses.replace(p, compared=("a",)) for p in COLUMNS[0])])
    assert upper.texts[0].get_text() == "nothing to compare"


def test_the_same_table_gives_the_same_bytes(tmp_path, table):
    for name in ("one", "two"):
        save(differences_figure(table, COLUMNS, 5), [str(tmp_path / f"{name}.svg")])
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
