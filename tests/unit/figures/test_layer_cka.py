"""The figure of CKA between all pairs of layers: every cell of the table, in matrices of any depth."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.patches import Rectangle

from pairprobe.controls.layer_cka import LAYER_CKA_FIELDS
from pairprobe.errors import InputError
from pairprobe.figures.layer_cka import layer_cka_figure
from pairprobe.figures.style import Appearance, save
from pairprobe.io.tsv import write_tsv

LOOK = Appearance(among=["start", "tuned", "deeper"], labels={"start": "Before"}, recipes={"tuned": ["t1", "t2"]})


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def value(i, j):
    return (1 + i) / (2 + j + i)


@pytest.fixture
def table(tmp_path):
    """A recipe of three layers, and a checkpoint of ten; the rows in no order."""
    rows = [
        ("start", name, i, j, 1, 10, 5, 100, f"{value(i, j):.4f}", "0.1", "0.9", "0.5")
        for name, depth in (("tuned", 3), ("deeper", 10))
        for j in reversed(range(depth))
        for i in (1, 0, 2)
    ]
    write_tsv(tmp_path / "layer_cka.tsv", LAYER_CKA_FIELDS, rows)
    return tmp_path / "layer_cka.tsv"


def test_every_cell_has_its_value_and_the_scale_is_from_0_to_1(table):
    square, wide, bar = layer_cka_figure(table, ["start", "tuned", "deeper"], LOOK).axes
    for axes, depth in ((square, 3), (wide, 10)):
        (mesh,) = axes.collections
        wanted = [[value(i, j) for j in range(depth)] for i in range(3)]
        assert np.asarray(mesh.get_array()).reshape(3, depth) == pytest.approx(np.array(wanted), abs=1e-4)
        assert mesh.get_clim() == (0, 1)
    assert (square.get_ylabel(), square.get_xlabel()) == ("Layer of Before", "Layer of Tuned")
    assert [text.get_text() for text in square.texts][:3] == [".50", ".33", ".25"]
    # No number fits into so many cells.
    assert not wide.texts
    assert bar.get_ylabel() == "Linear CKA"


def test_the_diagonal_is_outlined_where_both_have_as_many_layers(table):
    square, wide, _ = layer_cka_figure(table, ["tuned", "deeper"], LOOK).axes
    assert [patch.get_xy() for patch in square.patches if isinstance(patch, Rectangle)] == [(0, 0), (1, 1), (2, 2)]
    assert not wide.patches


def test_without_a_pair_the_figure_says_so_and_another_table_is_refused(table, tmp_path):
    (axes,) = layer_cka_figure(table, ["start"], LOOK).axes
    assert axes.texts[0].get_text() == "nothing to compare"
    write_tsv(tmp_path / "t.tsv", ("before", "after"), [])
    with pytest.raises(InputError, match=r"t\.tsv, line 1: found"):
        layer_cka_figure(tmp_path / "t.tsv", ["tuned"], LOOK)


def test_the_same_table_gives_the_same_bytes(table, tmp_path):
    for name in ("one", "two"):
        save(layer_cka_figure(table, ["tuned"], LOOK), [tmp_path / f"{name}.svg"])
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
