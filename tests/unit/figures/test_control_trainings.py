"""The figure of control trainings: the effect of each training, and which controls a test tells from the first."""

import matplotlib.pyplot as plt
import pytest
from matplotlib.colors import to_hex

from pairprobe.evidence.fields import CONTROL_TRAINING_FIELDS
from pairprobe.figures import style
from pairprobe.figures.control_trainings import control_trainings_figure
from pairprobe.figures.grid import Panel
from pairprobe.figures.style import save
from pairprobe.io.tsv import read_tsv, write_tsv

EFFECTS = {"tuned": [0.0, 8.0, 20.0], "shuffled": [1.0, 2.0, 3.0], "masked": [-4.0, -9.0, -12.0]}


def columns(names=tuple(EFFECTS)):
    look = {"task": "synonyms", "compared": names, "among": ["before", *EFFECTS], "labels": {"tuned": "Fine-tuned"}}
    panels = [Panel(measure=measure, value="auc", **look) for measure in ("cosine", "euclidean")]
    return [[*panels, Panel(measure="cosine", value="specific", **look)]]


@pytest.fixture
def table(tmp_path):
    path, rows = str(tmp_path / "control_trainings.tsv"), []
    for control, value, measure, layer in (
        (control, value, measure, layer)
        for control in ("shuffled", "masked")
        for value in ("auc", "specific")
        for measure in ("cosine", "euclidean")
        for layer in (0, 1, 2, "lower", "upper")
    ):
        after, other = (50.0 if isinstance(layer, str) else EFFECTS[name][layer] for name in ("tuned", control))
        numbers = [each + by for each in (after, other, after - other) for by in (0, -2, 3)]
        p = 0.001 if (control, layer) == ("masked", 2) else 0.2
        names = [value, "before", "tuned", control, "synonyms", measure, layer, 41, 3, 30, 24.5]
        rows.append([*names, *numbers, p, p, "recipe", "undecided" if isinstance(layer, str) else ""])
    write_tsv(path, CONTROL_TRAINING_FIELDS, rows)
    return path


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def named(axes):
    return {line.get_label(): line for line in axes.get_lines() if not str(line.get_label()).startswith("_")}


def test_each_training_is_drawn_once_with_its_effect_and_band_by_layer(table):
    figure = control_trainings_figure(table, columns(), 0.05)
    assert len(figure.axes) == 3
    for axes in figure.axes:
        found = named(axes)
        assert list(found) == ["Fine-tuned − Before", "Shuffled − Before", "Masked − Before"]
        for line, (name, effects), colour in zip(found.values(), EFFECTS.items(), style.COLOURS[1:], strict=False):
            assert line.get_xydata().tolist() == [[layer, effect] for layer, effect in enumerate(effects)], name
            assert to_hex(line.get_color()) == colour.lower()
        bands = [{*map(tuple, path.vertices)} for each in axes.collections for path in each.get_paths()]
        assert len(bands) == 3
        assert {(2.0, 18.0), (2.0, 23.0)} <= bands[0]
        low, high = axes.get_ylim()
        assert low <= -14
        assert high >= 23


def test_the_marker_of_a_control_is_filled_where_a_test_tells_it_from_the_training(table):
    axes = control_trainings_figure(table, columns(), 0.05).axes[0]
    hollow = [line for line in axes.get_lines() if line.get_markerfacecolor() == "white"]
    assert sorted(line.get_xdata().tolist() for line in hollow) == [[], [0, 1], [0, 1, 2]]


def test_the_key_names_what_controls_differ_from_with_a_marker_of_no_curve(table):
    figure = control_trainings_figure(table, columns(), 0.05)
    (legend,) = figure.legends
    told = [" ".join(text.get_text().split()) for text in legend.get_texts()]
    assert told[:2] == ["A control differs from Fine-tuned: p ≤ 0.05 (corrected)", "Undecided, or too few pages or seeds"]
    markers = [line.get_marker() for line in legend.get_lines()]
    assert not {*markers[:2]} & {*markers[2:]}


def test_below_one_task_no_label_of_the_key_leaves_the_figure(table):
    figure = control_trainings_figure(table, columns(), 0.05)
    figure.draw_without_rendering()
    (legend,) = figure.legends
    boxes = [text.get_window_extent() for text in legend.get_texts()]
    assert len(boxes) == 5
    assert all(box.x0 >= 0 and box.x1 <= figure.bbox.width and box.y0 >= 0 for box in boxes)
    assert legend.get_window_extent().y1 < figure.axes[-1].get_tightbbox().y0


@pytest.mark.parametrize(("column", "few"), [("effective_pages", "19.9"), ("seeds", "2")])
def test_on_few_pages_or_seeds_no_marker_is_filled(table, column, few):
    rows = [row | {column: few} for row in read_tsv(table)]
    write_tsv(table, CONTROL_TRAINING_FIELDS, [list(row.values()) for row in rows])
    axes = control_trainings_figure(table, columns(), 0.05).axes[0]
    hollow = [line for line in axes.get_lines() if line.get_markerfacecolor() == "white"]
    assert sorted(line.get_xdata().tolist() for line in hollow) == [[], [0, 1, 2], [0, 1, 2]]


@pytest.mark.slow
def test_a_figure_without_pairs_says_so_and_is_saved_the_same_twice(table, tmp_path):
    write_tsv(str(tmp_path / "none.tsv"), CONTROL_TRAINING_FIELDS, [])
    empty = control_trainings_figure(str(tmp_path / "none.tsv"), columns(), 0.05)
    assert [text.get_text() for axes in empty.axes for text in axes.texts if "compare" in text.get_text()]
    for name in ("a.svg", "b.svg"):
        save(control_trainings_figure(table, columns(), 0.05), [str(tmp_path / name)])
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
