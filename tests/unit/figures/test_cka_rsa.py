"""The figure of CKA and RSA: a line for each pair of checkpoints that are compared, with its interval."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex

from pairprobe.controls.cka_rsa import REPRESENTATION_FIELDS
from pairprobe.errors import InputError
from pairprobe.figures.cka_rsa import representations_figure
from pairprobe.figures.style import COLOURS, DASHES, Appearance, save
from pairprobe.io.tsv import write_tsv

NAMES = ["pretrained", "finetuned", "random"]
PAIRS = [("pretrained", "finetuned"), ("pretrained", "random"), ("finetuned", "random")]


def value(pair, layer):
    """CKA of a pair and layer; its interval is 0.1 wide, and RSA is half of all."""
    return 0.9 - 0.1 * layer - 0.2 * PAIRS.index(pair)


@pytest.fixture
def table(tmp_path):
    rows = []
    for pair in PAIRS:
        for layer in (1, 0, 2):
            cka = value(pair, layer)
            numbers = (cka, cka - 0.05, cka + 0.05, cka - 0.01, cka / 2, cka / 2 - 0.05, cka / 2 + 0.05)
            rows.append((*pair, layer, 10, 5, 100, *(f"{number:.4f}" for number in numbers)))
    write_tsv(tmp_path / "representations.tsv", REPRESENTATION_FIELDS, rows)
    return tmp_path / "representations.tsv"


def figure_of(table, checkpoints=NAMES, labels=None, colours=None):
    figure = representations_figure(table, checkpoints, Appearance(among=NAMES, labels=labels or {}, colours=colours or {}))
    yielded = [axes.get_lines() for axes in figure.axes]
    plt.close(figure)
    return figure, yielded


def test_every_pair_has_a_line_through_its_values_and_a_band(table):
    figure, lines = figure_of(table)
    for factor, of_panel, axes in zip((1, 0.5), lines, figure.axes, strict=True):
        for pair, line, band in zip(PAIRS, of_panel, axes.collections, strict=True):
            wanted = [factor * value(pair, layer) for layer in range(3)]
            assert line.get_xydata() == pytest.approx(np.column_stack([range(3), wanted]))
            heights = band.get_paths()[0].vertices[:, 1]
            assert (heights.min(), heights.max()) == pytest.approx((min(wanted) - 0.05, max(wanted) + 0.05))


def test_a_line_looks_like_its_second_checkpoint_with_the_dashes_of_its_first(table):
    _, (lines, _) = figure_of(table, colours={"random": "#123456"})
    assert [to_hex(line.get_color()) for line in lines] == [COLOURS[1].lower(), "#123456", "#123456"]
    assert len({(line.get_color(), str(line._dash_pattern)) for line in lines}) == len(PAIRS)
    assert lines[0].get_linestyle() == lines[1].get_linestyle() == DASHES[0]
    assert lines[2].get_linestyle() == "--"


def test_only_pairs_of_the_compared_checkpoints_are_drawn_under_their_labels(table):
    figure, lines = figure_of(table, ["random", "finetuned"], {"random": "Drawn"})
    assert [len(of_panel) for of_panel in lines] == [1, 1]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["Finetuned and Drawn"]


def test_without_a_pair_the_panels_say_so(table):
    figure, lines = figure_of(table, ["random"])
    assert lines == [[], []]
    assert [axes.texts[0].get_text() for axes in figure.axes] == ["nothing to compare"] * 2


@pytest.mark.slow
def test_every_format_is_written_the_same_twice(table, tmp_path):
    drawn = []
    for name in ("a", "b"):
        paths = [tmp_path / name / f"r.{kind}" for kind in ("svg", "pdf", "png")]
        save(representations_figure(table, NAMES, Appearance(among=NAMES)), paths)
        drawn.append([path.read_bytes() for path in paths])
    assert drawn[0] == drawn[1]


def test_another_table_is_refused(tmp_path):
    write_tsv(tmp_path / "t.tsv", ("before", "after"), [])
    with pytest.raises(InputError, match=r"t\.tsv, line 1: found"):
        representations_figure(tmp_path / "t.tsv", NAMES, Appearance(among=NAMES))


def test_pairs_of_different_numbers_of_layers_are_drawn_over_relative_depth(tmp_path):
    last = {("a", "b"): 6, ("c", "d"): 12}
    rows = [(*pair, layer, 10, 5, 100, *["0.5000"] * 7) for pair, number in last.items() for layer in range(number + 1)]
    write_tsv(tmp_path / "representations.tsv", REPRESENTATION_FIELDS, rows)
    look = Appearance(among=["a", "b", "c", "d"])
    figure = representations_figure(tmp_path / "representations.tsv", ["a", "b", "c", "d"], look)
    for axes in figure.axes:
        six, twelve = (line.get_xdata() for line in axes.get_lines())
        assert six == pytest.approx(np.arange(7) / 6)
        assert twelve == pytest.approx(np.arange(13) / 12)
        assert axes.get_xlabel() == "Relative depth\n(layer / last)"
    plain = representations_figure(tmp_path / "representations.tsv", ["a", "b"], look)
    assert {axes.get_xlabel() for axes in plain.axes} == {"Layer"}
