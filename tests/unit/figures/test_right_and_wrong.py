"""The figure of right and wrong answers: every value and interval of the table, and which a test has found."""

import matplotlib.pyplot as plt
import pytest
from matplotlib.colors import to_hex

from pairprobe.evidence.fields import RIGHT_AND_WRONG_FIELDS
from pairprobe.figures import style
from pairprobe.figures.grid import Panel
from pairprobe.figures.right_and_wrong import right_and_wrong_figure
from pairprobe.figures.style import save
from pairprobe.io.tsv import write_tsv

MEASURES = ("cosine", "euclidean")
VALUES = {"right": [60.0, 70.0, 80.0], "wrong": [55.0, 50.0, 45.0], "difference": [0.1, 0.2, -0.3]}


def columns(compared=("tuned", "before")):
    look = {"task": "synonyms", "compared": compared, "among": ["before", "tuned"]}
    panels = [Panel(measure=measure, value="auc", **look) for measure in MEASURES]
    return [[*panels, Panel(measure="cosine", value="f1_correlation", **look)]]


@pytest.fixture
def table(tmp_path):
    def make(**changes):
        rows = []
        for ranks, less in (("tuned", 0.0), ("before", 10.0)):
            for value in ("auc", "f1_correlation"):
                for measure in MEASURES:
                    for layer in range(3):
                        right, wrong = (VALUES[group][layer] - less for group in ("right", "wrong"))
                        numbers = [right, right - 5, right + 4, wrong, wrong - 5, wrong + 4]
                        difference = VALUES["difference"][layer] if value == "f1_correlation" else right - wrong
                        p = 0.001 if layer == 2 else 0.3
                        tested = [difference, difference - 0.1, difference + 0.1, p, p]
                        names = [ranks, "tuned", "synonyms", measure, layer, value, 20.5, 9.5, 30, 24.5, 1]
                        rows.append(dict(zip(RIGHT_AND_WRONG_FIELDS, [*names, *numbers, *tested], strict=True)) | changes)
        path = str(tmp_path / "right_and_wrong.tsv")
        write_tsv(path, RIGHT_AND_WRONG_FIELDS, [list(row.values()) for row in rows])
        return path

    return make


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def lines_of(axes):
    return {line.get_label(): line for line in axes.get_lines() if not str(line.get_label()).startswith("_hollow")}


def test_right_and_wrong_are_drawn_as_they_are_and_before_in_grey(table):
    figure = right_and_wrong_figure(table(), columns(), 0.05)
    upper, lower, last = figure.axes
    for axes in (upper, lower):
        found = lines_of(axes)
        assert list(found) == [
            "Pairs of right answers, ranked by Tuned",
            "Pairs of wrong answers, ranked by Tuned",
            "Pairs of right answers, ranked by Before",
            "Pairs of wrong answers, ranked by Before",
        ]
        for (label, line), less in zip(found.items(), (0, 0, 10, 10), strict=True):
            values = [value - less for value in VALUES[label.split()[2]]]
            assert line.get_xydata().tolist() == [[layer, value] for layer, value in enumerate(values)]
            assert to_hex(line.get_color()) == (style.REFERENCE if less else style.COLOURS[1].lower())
        assert (
            found["Pairs of right answers, ranked by Tuned"].get_linestyle()
            == "-"
            != found["Pairs of wrong answers, ranked by Tuned"].get_linestyle()
        )
        bands = [{*map(tuple, path.vertices)} for each in axes.collections for path in each.get_paths()]
        assert len(bands) == 2
        assert {(2.0, 75.0), (2.0, 84.0)} <= bands[0]
        assert {(2.0, 40.0), (2.0, 49.0)} <= bands[1]
    assert last.get_title() == "(c) Auc with F1"
    assert [line.get_ydata().tolist() for label, line in lines_of(last).items() if "tuned" in label] == [
        VALUES["difference"]
    ] * 2


def test_the_key_says_what_is_found_of_pairs_and_of_the_correlation(table):
    (legend,) = right_and_wrong_figure(table(), columns(), 0.05).legends
    told = [" ".join(text.get_text().split()) for text in legend.get_texts()]
    assert told[:4] == [
        "In (c): by the measure of (a)",
        "In (c): by the measure of (b)",
        "Right and wrong differ, in (c) a correlation: p ≤ 0.05 (corrected)",
        "Undecided, or too few pages or seeds",
    ]


def test_markers_are_filled_where_a_test_finds_something(table):
    for axes in right_and_wrong_figure(table(), columns(), 0.05).axes:
        marked = [line for line in axes.get_lines() if line.get_marker() != "None"]
        hollow = [line for line in marked if line.get_markerfacecolor() == "white"]
        assert [tuple(line.get_xdata()) for line in hollow] == [(0, 1)] * 2
        # Over the markers of the two lines, which are filled in all layers.
        filled = [line for line in marked if line not in hollow]
        assert [tuple(line.get_xdata()) for line in filled] == [(0, 1, 2)] * 2
        assert min(line.get_zorder() for line in hollow) > max(line.get_zorder() for line in filled)


def test_on_few_pages_no_marker_is_filled(table):
    axes = right_and_wrong_figure(table(effective_pages=12), columns(), 0.05).axes[0]
    hollow = [line for line in axes.get_lines() if line.get_markerfacecolor() == "white"]
    assert [tuple(line.get_xdata()) for line in hollow] == [(0, 1, 2)] * 2


@pytest.mark.slow
def test_with_an_empty_group_or_no_checkpoint_before_it_can_be_drawn(table, tmp_path):
    empty = dict.fromkeys(RIGHT_AND_WRONG_FIELDS[11:], "")
    figure = right_and_wrong_figure(table(**empty), columns(), 0.05)
    assert ["nothing to compare" in [text.get_text() for text in axes.texts] for axes in figure.axes] == [True] * 3
    alone = right_and_wrong_figure(table(), columns(["tuned"]), 0.05)
    assert list(lines_of(alone.axes[0])) == [
        "Pairs of right answers, ranked by Tuned",
        "Pairs of wrong answers, ranked by Tuned",
    ]
    save(alone, [str(tmp_path / f"figure.{kind}") for kind in ("svg", "pdf", "png")])
