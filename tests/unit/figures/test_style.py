"""The look of all figures."""

import itertools
import logging
import subprocess
import sys

import matplotlib
import pytest
from matplotlib import font_manager

from pairprobe.figures import style


def test_a_font_that_is_not_there_is_an_error(monkeypatch):
    monkeypatch.setattr(style, "FONT", "No Such Font")
    style._check_font.cache_clear()
    with pytest.raises(ValueError, match="No Such Font"):
        style.styled(lambda: None)()
    style._check_font.cache_clear()


@style.styled
def drawn(*labels, most_columns=4):
    figure = style.new_figure(style.PANEL)
    axes = figure.subplots()
    appearance = style.Appearance(among=labels, labels=dict(zip(labels, labels, strict=True)))
    handles = [
        axes.plot([0, i], label=appearance.label(label), **appearance.line(label))[0] for i, label in enumerate(labels)
    ]
    axes.set_title(style.title_of(figure, appearance.label(labels[0])))
    style.legend_of_all(figure, handles, most_columns)
    return figure


def words_of(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_settings_of_the_user_change_no_figure(tmp_path):
    style.save(drawn("a", "b"), [tmp_path / "plain.svg", tmp_path / "plain.png"])
    theirs = {"font.size": 20, "axes.grid": True, "figure.dpi": 50, "text.usetex": True, "svg.image_inline": False}
    with matplotlib.rc_context({**theirs, "savefig.transparent": True, "axes.xmargin": 0.3, "axes.facecolor": "red"}):
        style.save(drawn("a", "b"), [tmp_path / "theirs.svg", tmp_path / "theirs.png"])
    for kind in ("svg", "png"):
        assert (tmp_path / f"plain.{kind}").read_bytes() == (tmp_path / f"theirs.{kind}").read_bytes()


@pytest.mark.parametrize("label", ["$5 and $6_{", "a|b", '\\frac & <b> "{x}" #%^~', "_hidden", "العربية"])
def test_a_label_is_drawn_as_it_is(tmp_path, label, caplog):
    figure = drawn(label)
    style.save(figure, [tmp_path / "figure.svg", tmp_path / "figure.pdf"])
    assert words_of(figure) == [label]
    assert not caplog.records


def test_a_label_of_several_lines_and_with_control_characters_is_one_line():
    assert words_of(drawn("a\n\tb\x1b[31m\0")) == ["a b[31m"]


@pytest.mark.slow
def test_a_character_that_no_font_has_is_warned_of_once_with_its_label(tmp_path, caplog, recwarn):
    with caplog.at_level(logging.WARNING):
        style.save(drawn("plain", "odd \U0010fffd label"), [tmp_path / f"figure.{kind}" for kind in ("svg", "pdf", "png")])
    (record,) = caplog.records
    assert "'odd \\U0010fffd label' is drawn with boxes" in record.getMessage()
    assert not recwarn.list


def test_a_character_is_drawn_in_a_font_that_has_it(tmp_path, caplog):
    known = {
        name: font_manager.get_font(font_manager.findfont(name)).get_charmap() for name in (style.FONT, "STIXNonUnicode")
    }
    letter = chr(max(known["STIXNonUnicode"].keys() - known[style.FONT].keys()))
    figure = drawn(f"a {letter}", "b")
    style.save(figure, [tmp_path / "figure.pdf"])
    one, other = figure.legends[0].get_texts()
    assert one.get_fontfamily()[0] == style.FONT
    assert len(one.get_fontfamily()) == 2
    assert other.get_fontfamily() == [style.FONT]
    assert not caplog.records


def test_long_labels_are_broken_and_the_legend_is_no_wider_than_the_figure():
    figure = drawn("a long label, " * 30, "long_name_" * 50, "another label of some words", "and one more such label")
    assert all(len(line) <= style.LONGEST_LABEL for words in words_of(figure) for line in words.split("\n"))
    assert [words.count("\n") for words in words_of(figure)] == [2, 2, 0, 0]
    assert figure.legends[0].get_window_extent().width <= figure.bbox.width
    assert figure.get_size_inches()[1] > style.PANEL[1]
    assert len(figure.legends) == 1


def test_figures_leave_the_backend_of_a_notebook_alone():
    code = "import sys; from pairprobe.figures import grid, controls, scaling; print('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


@pytest.mark.parametrize("last", [1, 6, 9, 12, 24, 48])
def test_numbers_of_layers_do_not_touch_in_a_panel_of_five_columns(last):
    @style.styled
    def five_columns():
        figure = style.new_figure(style.TWO_COLUMNS)
        for axes in figure.subplots(1, 5):
            axes.plot(range(last + 1), range(last + 1))
            axes.set_ylabel("100")
            style.layer_axes(axes)
        figure.canvas.draw()
        return figure

    axes = five_columns().axes[0]
    low, high = axes.get_xlim()
    labels = [label for label in axes.get_xticklabels() if low <= label.get_position()[0] <= high]
    boxes = [label.get_window_extent() for label in labels]
    assert len(boxes) > 1
    assert all(one.x1 + 2 < other.x0 for one, other in itertools.pairwise(boxes))
