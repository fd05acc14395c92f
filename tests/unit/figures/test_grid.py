"""The figures: every format, the same bytes for the same data, and no data point lost."""

import dataclasses
import re
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex

from pairprobe.errors import InputError
from pairprobe.evaluation.baselines import FIELDS
from pairprobe.evidence.fields import INTERVAL_FIELDS
from pairprobe.figures import style
from pairprobe.figures.grid import Panel, grid_figure, panel_figure, read_percentages
from pairprobe.figures.style import COLOURS, save
from pairprobe.io.tsv import write_tsv
from pairprobe.rankings.percentages import PERCENTAGE_FIELDS

CHECKPOINTS = ("pretrained", "fine_tuned")
PANEL = Panel("synonyms", "cosine", CHECKPOINTS, among=CHECKPOINTS)
COLUMNS = [
    (PANEL, dataclasses.replace(PANEL, measure="euclidean")),
    tuple(dataclasses.replace(PANEL, task="boundary", measure=measure) for measure in ("start", "end")),
]
EMPTY = dataclasses.replace(PANEL, task="coreference")
MAGIC = {"svg": b"<?xml", "pdf": b"%PDF", "png": b"\x89PNG"}


def values(task, measure, checkpoint):
    """Make up 7 layers of (percentage, auc) for a checkpoint, on both sides of chance."""
    rng = np.random.default_rng([ord(name[0]) for name in (task, measure, checkpoint)])
    return [[30.0, 35.0], *rng.uniform(40, 80, (6, 2)).round(4).tolist()]


def rows_of(measures, make=values):
    return [
        (checkpoint, task, measure, layer, 30, 200, 180, 90, *both, "", "", "", "")
        for task, measure in measures
        for checkpoint in CHECKPOINTS
        # Out of order on purpose.
        for layer, both in reversed(list(enumerate(make(task, measure, checkpoint))))
    ]


@pytest.fixture(scope="module")
def percentages(tmp_path_factory):
    path = tmp_path_factory.mktemp("figures") / "percentages.tsv"
    measures = [("synonyms", "cosine"), ("synonyms", "euclidean"), ("boundary", "start"), ("boundary", "end")]
    write_tsv(path, PERCENTAGE_FIELDS, rows_of(measures))
    return path


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def curves(axes):
    """Return {label: (points, 2)} of an axes, the line of chance apart."""
    return {line.get_label(): line.get_xydata() for line in axes.get_lines() if line.get_label() != "Chance"}


def texts(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts]


@pytest.mark.slow
@pytest.mark.parametrize(
    "draw", [lambda table: panel_figure(table, PANEL), lambda table: grid_figure(table, COLUMNS[:1], "All")]
)
def test_panel_and_grid_are_written_in_svg_pdf_and_png_the_same_bytes_each_time(tmp_path, percentages, draw):
    for folder in ("one", "two"):
        save(draw(percentages), [str(tmp_path / folder / f"figure.{kind}") for kind in MAGIC])
    for kind, magic in MAGIC.items():
        one, two = ((tmp_path / folder / f"figure.{kind}").read_bytes() for folder in ("one", "two"))
        assert one.startswith(magic)
        assert one == two


@pytest.mark.parametrize(("value", "chance"), [("percentage", 45.0), ("auc", 50.0)])
def test_no_data_point_is_lost_and_chance_is_half_of_the_unmatching_pairs(percentages, value, chance):
    (axes,) = panel_figure(percentages, dataclasses.replace(PANEL, value=value)).axes
    found = curves(axes)
    assert list(found) == ["Pretrained", "Fine tuned"]
    for checkpoint, label in zip(CHECKPOINTS, found, strict=True):
        wanted = [both[value == "auc"] for both in values("synonyms", "cosine", checkpoint)]
        assert found[label].tolist() == [[layer, y] for layer, y in enumerate(wanted)]
    line = next(line for line in axes.get_lines() if line.get_label() == "Chance")
    assert set(line.get_ydata()) == {chance}


def test_the_measures_of_a_task_share_a_scale_and_tasks_need_not(tmp_path):
    rows = rows_of([("synonyms", "cosine")], lambda *_: [(60.0, 60.0), (70.0, 70.0)])
    rows += rows_of([("synonyms", "euclidean")], lambda *_: [(20.0, 20.0), (30.0, 30.0)])
    rows += rows_of([("boundary", "start"), ("boundary", "end")], lambda *_: [(80.0, 80.0), (81.0, 81.0)])
    write_tsv(tmp_path / "t.tsv", PERCENTAGE_FIELDS, rows)
    cosine, start, euclidean, end = grid_figure(tmp_path / "t.tsv", COLUMNS).axes
    assert cosine.get_ylim() == euclidean.get_ylim()
    assert start.get_ylim() == end.get_ylim() != cosine.get_ylim()
    low, high = cosine.get_ylim()
    assert low <= 20
    assert high >= 70


@pytest.mark.parametrize("extreme", [0.0, 99.9, 100.0])
def test_every_point_is_inside_the_axes_and_the_axes_inside_0_and_100(tmp_path, extreme):
    rows = rows_of([("synonyms", "cosine")], lambda *_: [(extreme, extreme), (45.0, 45.0)])
    write_tsv(tmp_path / "t.tsv", PERCENTAGE_FIELDS, rows)
    low, high = panel_figure(tmp_path / "t.tsv", PANEL).axes[0].get_ylim()
    assert 0 <= low <= min(extreme, 45)
    assert max(extreme, 45) <= high <= 100


def test_an_empty_set_says_so_in_words(percentages):
    panel = panel_figure(percentages, EMPTY)
    assert texts(panel) == ["no pairs found"]
    assert curves(panel.axes[0]) == {}
    grid = texts(grid_figure(percentages, [COLUMNS[0], (EMPTY, EMPTY)]))
    assert (grid.count("no pairs found"), grid.count("no pairs"), grid.count("30 pairs")) == (2, 1, 1)


def test_a_table_without_any_row_makes_figures(tmp_path):
    write_tsv(tmp_path / "t.tsv", PERCENTAGE_FIELDS, [])
    assert texts(panel_figure(tmp_path / "t.tsv", PANEL)) == ["no pairs found"]
    assert texts(grid_figure(tmp_path / "t.tsv", COLUMNS)).count("no pairs found") == 4


def test_a_checkpoint_without_rows_has_no_line(percentages):
    figure = panel_figure(
        percentages, dataclasses.replace(PANEL, compared=("other", "fine_tuned"), among=("other", "fine_tuned"))
    )
    assert set(curves(figure.axes[0])) == {"Fine tuned"}


@pytest.mark.parametrize("name", ["pretrained", "synonyms"])
def test_a_changed_label_changes_the_svg(tmp_path, percentages, name):
    labelled = dataclasses.replace(PANEL, labels={name: "Zebra"})
    save(panel_figure(percentages, PANEL), [tmp_path / "one.svg"])
    save(panel_figure(percentages, labelled), [tmp_path / "two.svg"])
    assert "Zebra" not in (tmp_path / "one.svg").read_text()
    assert "Zebra" in (tmp_path / "two.svg").read_text()


def test_labels_stand_in_the_legend_and_the_title(percentages):
    labels = {"pretrained": "BERT", "synonyms": "Words alike"}
    (axes,) = panel_figure(percentages, dataclasses.replace(PANEL, labels=labels)).axes
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["BERT", "Fine tuned", "Chance"]
    assert axes.get_title() == "Words alike: cosine similarity"


@pytest.mark.slow
def test_the_grid_has_every_point_one_legend_its_title_and_its_tasks_above(percentages):
    figure = grid_figure(percentages, COLUMNS, "All tasks")
    # By rows: the upper panels of all columns, then the lower ones.
    panels = [column[row] for row in (0, 1) for column in COLUMNS]
    for panel, axes in zip(panels, figure.axes, strict=True):
        found = curves(axes)
        for checkpoint, label in zip(CHECKPOINTS, ("Pretrained", "Fine tuned"), strict=True):
            assert found[label][:, 1].tolist() == [both[0] for both in values(panel.task, panel.measure, checkpoint)]
    legends = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    assert legends == ["Pretrained", "Fine tuned", "Chance"]
    assert figure.get_suptitle() == "All tasks"
    assert texts(figure) == ["Synonyms", "30 pairs", "Boundary", "30 pairs"]
    assert [axes.get_title() for axes in figure.axes] == [
        "(a) Cosine similarity",
        "(a) Start position",
        "(b) Euclidean distance",
        "(b) End position",
    ]


def test_colours_are_those_configured_and_else_the_palette_s(tmp_path, percentages):
    figure = panel_figure(percentages, dataclasses.replace(PANEL, colours={"fine_tuned": "#123456"}))
    lines = {line.get_label(): line for line in figure.axes[0].get_lines()}
    assert to_hex(lines["Pretrained"].get_color()).upper() == COLOURS[0]
    assert to_hex(lines["Fine tuned"].get_color()) == "#123456"
    save(figure, [tmp_path / "p.svg"])
    assert "#123456" in (tmp_path / "p.svg").read_text()


def test_lines_differ_without_colour_too(percentages):
    (axes,) = panel_figure(percentages, PANEL).axes
    one, two = (line for line in axes.get_lines() if line.get_label() != "Chance")
    assert one.get_marker() != two.get_marker()
    assert one.get_linestyle() != two.get_linestyle()


def test_percentages_are_read_with_numbers_as_numbers(percentages):
    row = read_percentages(percentages).iloc[0]
    value, auc = values("synonyms", "cosine", "pretrained")[6]
    assert row.tolist()[:10] == ["pretrained", "synonyms", "cosine", 6, 30, 200, 180, 90, value, auc]
    assert row[10:].isna().all()


def test_a_table_with_other_columns_is_an_error_that_names_them(tmp_path):
    write_tsv(tmp_path / "t.tsv", ("task", "layer"), [("synonyms", 1)])
    with pytest.raises(InputError, match=r"t\.tsv, line 1: found \['task', 'layer'\]"):
        panel_figure(tmp_path / "t.tsv", PANEL)


def test_a_checkpoint_has_one_colour_in_every_figure():
    names = [f"seed {i}" for i in range(3)]
    of_all = Panel("synonyms", "cosine", names, among=names)
    of_two = Panel("synonyms", "cosine", names[1:], among=names)
    assert [of_two.line(name) for name in names[1:]] == [of_all.line(name) for name in names[1:]]


def test_more_checkpoints_than_colours_differ_all():
    names = [f"step {i}" for i in range(12)]
    panel = Panel("synonyms", "cosine", names, among=names)
    assert len({panel.line(name)["color"] for name in names}) == 12


@pytest.mark.parametrize("drawn", [(4, 5, 6), (0, 4), (0, 8, 1), (6, 2)])
def test_what_one_figure_draws_differs_in_dashes_and_markers(drawn):
    names = [f"model {i}" for i in range(9)]
    compared = [names[i] for i in drawn]
    looks = [Panel("synonyms", "cosine", compared, among=names).line(name, compared) for name in compared]
    for part in ("linestyle", "marker", "color"):
        assert len({str(look[part]) for look in looks}) == len(drawn)


def test_the_legend_of_a_panel_lies_below_its_axes(percentages):
    figure = panel_figure(percentages, PANEL)
    (axes,) = figure.axes
    figure.draw_without_rendering()
    assert axes.get_legend().get_window_extent().y1 < axes.get_window_extent().y0


def test_intervals_are_drawn_as_bands_and_only_where_they_are_given(percentages, tmp_path):
    intervals = tmp_path / "intervals.tsv"
    rows = [
        (checkpoint, "synonyms", "cosine", layer, 30, 20, value, value - 4, value + 3, auc, auc - 1, auc + 1, *[""] * 12, 1)
        for checkpoint in CHECKPOINTS
        for layer, (value, auc) in enumerate(values("synonyms", "cosine", checkpoint))
    ]
    write_tsv(str(intervals), INTERVAL_FIELDS, rows)
    without, banded = (panel_figure(percentages, PANEL, table).axes[0] for table in (None, str(intervals)))
    assert not without.collections
    for checkpoint, band in zip(CHECKPOINTS, banded.collections, strict=True):
        corners = set(map(tuple, band.get_paths()[0].vertices))
        for layer, (value, _) in enumerate(values("synonyms", "cosine", checkpoint)):
            assert {(layer, value - 4), (layer, value + 3)} <= corners


def test_a_panel_is_a_column_wide_and_has_its_fonts_in_it(percentages, tmp_path):
    save(panel_figure(percentages, PANEL), [tmp_path / "p.pdf"])
    content = (tmp_path / "p.pdf").read_bytes()
    assert b"/FontFile2" in content
    assert b"/Type3" not in content
    (width,) = re.findall(rb"/MediaBox \[ 0 0 ([\d.]+) ", content)
    assert float(width) / 72 == pytest.approx(3.33, abs=0.01)  # inches, of a column of the ACL's papers


def test_fonts_sizes_and_colours_are_set_in_style_alone():
    for path in Path(style.__file__).parent.glob("*.py"):
        found = re.findall(r"fontsize=[\d.]+|\"fontsize\": [\d.]+|figsize=\(|#[0-9a-fA-F]{6}", path.read_text())
        assert not found or path.name == "style.py", f"{path.name}: {found}"


def test_two_checkpoints_can_be_told_apart_without_colour():
    looks = [PANEL.line(name) for name in CHECKPOINTS]
    assert looks[0]["marker"] != looks[1]["marker"]
    assert looks[0]["linestyle"] != looks[1]["linestyle"]


def test_boundary_has_a_line_for_what_surface_features_reach_without_a_model(tmp_path, percentages):
    rows = [
        ("word_overlap", "long_answers", "long", "f1", "79.9", "", "", "205"),
        *(
            ("surface_features", "boundary", measure, value, estimate, "1", "99", "177")
            for measure, value, estimate in [("start", "percentage", "61.5"), ("start", "auc", "90"), ("end", "auc", "92")]
        ),
    ]
    write_tsv(tmp_path / "b.tsv", FIELDS, rows)
    boundary = [tuple(dataclasses.replace(panel, value="auc") for panel in column) for column in COLUMNS]
    grid = grid_figure(percentages, boundary, baselines=tmp_path / "b.tsv")
    found = [
        [line.get_ydata()[0] for line in axes.get_lines() if line.get_label() == "Surface features, no model"]
        for axes in grid.axes
    ]
    assert sorted(found) == [[], [], [90.0], [92.0]]
    assert "Surface features, no model" in [text.get_text() for legend in grid.legends for text in legend.get_texts()]
    # Of percentages it is the share of all words, ties at one half: 90 by 180 of 200 words.
    (axes,) = panel_figure(percentages, COLUMNS[1][0], baselines=tmp_path / "b.tsv").axes
    (line,) = (line for line in axes.get_lines() if line.get_label() == "Surface features, no model")
    assert line.get_ydata()[0] == pytest.approx(81)


LADDER = ("six", "twelve", "seed", "other_seed")
RECIPES = {"trained": ["seed", "other_seed"]}
COMPARED = ("six", "twelve", "trained")


@pytest.fixture(scope="module")
def ladder(tmp_path_factory):
    """A table of checkpoints of six and of twelve layers, the embeddings besides; those of a recipe have six."""
    last = {"six": 6, "twelve": 12, "seed": 6, "other_seed": 6}
    rows = [
        (name, task, measure, layer, 30, 200, 180, 90, 40 + layer, 45 + layer, 52, "", "", "")
        for name in LADDER
        for task in ("synonyms", "coreference")
        for measure in ("cosine", "euclidean")
        for layer in range(last[name] + 1)
    ]
    path = tmp_path_factory.mktemp("ladder") / "percentages.tsv"
    write_tsv(path, PERCENTAGE_FIELDS, rows)
    return path


def of_ladder(*compared, **changed):
    return dataclasses.replace(PANEL, compared=compared, among=COMPARED, recipes=RECIPES, **changed)


def ticks(axes):
    axes.figure.canvas.draw()
    return [label.get_text() for label in axes.get_xticklabels()]


def test_checkpoints_of_different_numbers_of_layers_share_a_panel_over_relative_depth(ladder):
    (axes,) = panel_figure(ladder, of_ladder(*COMPARED, value="auc")).axes
    found = curves(axes)
    for label, last in (("Six", 6), ("Twelve", 12), ("Trained (mean of 2 seeds)", 6), ("_seed", 6), ("_other_seed", 6)):
        assert found[label] == pytest.approx(np.array([[layer / last, 45 + layer] for layer in range(last + 1)]))
    assert axes.get_xlabel() == "Relative depth\n(layer / last)"
    assert ticks(axes) == ["0", "0.25", "0.5", "0.75", "1"]


def test_where_all_that_is_drawn_has_as_many_layers_they_are_counted_whatever_else_the_table_has(ladder, tmp_path):
    alone = tmp_path / "alone.tsv"
    lines = ladder.read_text().splitlines()
    alone.write_text("\n".join([line for line in lines if not line.startswith("twelve")] + [""]))
    panel = of_ladder("six", "trained")
    (axes,) = panel_figure(ladder, panel).axes
    assert axes.get_xlabel() == "Layer"
    assert curves(axes)["Six"][:, 0].tolist() == list(range(7))
    for table in (ladder, alone):
        save(panel_figure(table, panel), [str(tmp_path / f"{table.stem}.svg")])
    assert (tmp_path / "percentages.svg").read_bytes() == (tmp_path / "alone.svg").read_bytes()


def test_a_grid_has_one_kind_of_x_axis_in_all_of_its_panels(ladder):
    columns = [
        [of_ladder(*compared, task=task, measure=measure) for measure in ("cosine", "euclidean")]
        for task, compared in (("synonyms", ("six", "trained")), ("coreference", ("six", "twelve")))
    ]
    figure = grid_figure(ladder, columns)
    assert [axes.get_xlabel() for axes in figure.axes if axes.get_xlabel()] == ["Relative depth\n(layer / last)"] * 2
    assert {line.get_xdata()[-1] for axes in figure.axes for line in axes.get_lines() if len(line.get_xdata()) > 2} == {1.0}


def test_a_model_of_embeddings_alone_stands_at_depth_0(ladder, tmp_path):
    lines = ladder.read_text().splitlines()
    table = tmp_path / "percentages.tsv"
    kept = [line for line in lines if not line.startswith("six") or line.split("\t")[3] == "0"]
    table.write_text("\n".join([*kept, ""]))
    (axes,) = panel_figure(table, of_ladder("six", "twelve")).axes
    assert curves(axes)["Six"][:, 0].tolist() == [0]
