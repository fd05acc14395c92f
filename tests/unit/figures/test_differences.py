"""The figure of differences: every value and interval of the table, and which a test has found."""

import dataclasses

import matplotlib.pyplot as plt
import pytest

from pairprobe.evidence.fields import DIFFERENCE_FIELDS
from pairprobe.figures.differences import differences_figure
from pairprobe.figures.grid import Panel
from pairprobe.figures.style import save
from pairprobe.io.tsv import read_tsv, write_tsv

PANEL = Panel("synonyms", "cosine", ("a", "b", "c"), among=("a", "b", "c"))
COLUMNS = [(PANEL, dataclasses.replace(PANEL, measure="euclidean"))]
VALUES = [0.0, 1.5, -2.0, 8.0]


@pytest.fixture
def table(tmp_path):
    rows = [
        {"value": shown, "before": before, "after": after, "task": "synonyms", "measure": measure, "layer": layer}
        | {"pairs": 30, "seeds": 1, "pages": 20, "effective_pages": 17.5, "difference": scale * value, "p": 0.01}
        | {"low": scale * value - 1, "high": scale * value + 2, "p_adjusted": 0.01 if layer == 3 else 0.4}
        for shown, scale in (("percentage", 1), ("auc", 2), ("specific", 3))
        for before, after in (("a", "b"), ("a", "c"), ("b", "c"))
        for measure in ("cosine", "euclidean")
        for layer, value in enumerate(VALUES)
    ]
    write_tsv(
        str(tmp_path / "differences.tsv"), DIFFERENCE_FIELDS, [[row[name] for name in DIFFERENCE_FIELDS] for row in rows]
    )
    return str(tmp_path / "differences.tsv")


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def drawn(table, columns):
    return differences_figure(table, columns, 5, 0.05).axes


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


def test_the_two_marks_of_p_are_side_by_side_in_a_legend_of_several_rows(table):
    figure = differences_figure(table, [COLUMNS[0][:1]], 5, 0.05)
    figure.draw_without_rendering()
    found, not_found, *_ = [text.get_window_extent() for text in figure.legends[0].get_texts()]
    assert found.x0 == pytest.approx(not_found.x0)
    assert 0 < found.y0 - not_found.y1 < found.height


@pytest.mark.parametrize(("value", "scale"), [("auc", 2), ("specific", 3)])
def test_a_panel_shows_the_differences_of_its_own_value(table, value, scale):
    upper, lower = drawn(table, [(PANEL, dataclasses.replace(PANEL, value=value))])
    for line in lines_of(lower).values():
        assert line.get_ydata().tolist() == [scale * number for number in VALUES]
    assert lower.get_title() == {"auc": "(b) Cosine similarity", "specific": "(b) Cosine, specific"}[value]
    assert len(lines_of(upper)) == len(lines_of(lower)) == 2


def test_a_recipe_is_named_without_its_seeds(table):
    panel = dataclasses.replace(PANEL, compared=("a", "b"), recipes={"b": ["b-seed1", "b-seed2"]})
    upper, _ = drawn(table, [(panel, dataclasses.replace(panel, measure="euclidean"))])
    assert list(lines_of(upper)) == ["B − A"]


def test_what_no_test_finds_is_hollow(table):
    upper, _ = drawn(table, COLUMNS)
    hollow = [line.get_xdata().tolist() for line in upper.get_lines() if line.get_markerfacecolor() == "white"]
    assert hollow == [[0, 1, 2], [0, 1, 2]]


def test_what_is_found_and_not_in_specific_has_a_ring(table):
    rows = read_tsv(table)
    for row in rows:
        if row["value"] == "specific" and row["after"] == "b":
            row |= {"difference": "-0.5", "low": "-2", "high": "1", "p_adjusted": "0.4"}
    write_tsv(table, DIFFERENCE_FIELDS, [row.values() for row in rows])
    upper, _ = drawn(table, COLUMNS)
    rings = [line.get_xdata().tolist() for line in upper.get_lines() if line.get_markersize() == 8]
    assert [layers for layers in rings if layers] == [[3]]
    columns = [[dataclasses.replace(PANEL, value="specific")]]
    alone = differences_figure(table, columns, 5, 0.05)
    assert not any(line.get_markersize() == 8 for line in alone.axes[0].get_lines())
    assert "In specific equal, or opposite" not in [text.get_text() for text in alone.legends[0].get_texts()]


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
        save(differences_figure(table, COLUMNS, 5, 0.05), [str(tmp_path / f"{name}.svg")])
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
