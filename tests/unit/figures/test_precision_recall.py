"""Loss by step and precision by recall: what is drawn is what the files say, in few points, and in words where empty."""

import re

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex

from pairprobe.errors import InputError
from pairprobe.evaluation import nq_scores
from pairprobe.figures.grid import Panel
from pairprobe.figures.precision_recall import CURVE_FIELDS, SCORE_FIELDS, precision_recall_figure
from pairprobe.figures.style import COLOURS, MOST_POINTS, Appearance, save, thinned
from pairprobe.figures.training_loss import TRAINING_FIELDS, smoothed, training_figure, window_of
from pairprobe.finetuning.training import HISTORY_FIELDS
from pairprobe.io.tsv import write_tsv

AMONG = ["pretrained", "fine_tuned", "other"]
APPEARANCE = Appearance(among=AMONG)
MAGIC = {"svg": b"<?xml", "pdf": b"%PDF", "png": b"\x89PNG"}

# Thresholds from high to low: (precision, recall); the first prediction is wrong, and recall goes up with right ones alone.
LONG = [(0.0, 0.0), (50.0, 10.0), (66.7, 20.0), (50.0, 20.0), (60.0, 30.0), (37.5, 30.0)]
SHORT = [(100.0, 25.0), (100.0, 50.0), (66.7, 50.0)]


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def losses(points, seed=0):
    """Make up a noisy loss that decays."""
    noise = np.exp(0.3 * np.random.default_rng(seed).normal(size=points))
    return ((0.8 + 4 * np.exp(-np.arange(points) * 12 / max(1, points))) * noise).round(4)


@pytest.fixture
def training(tmp_path):
    """Return a function that writes ``training.tsv`` for losses, logged each so many steps."""

    def write(name, found, every=1):
        path = tmp_path / f"{name}.training.tsv"
        rows = [(i * every, i * every / 100, loss, 5e-5) for i, loss in enumerate(found, 1)]
        write_tsv(path, TRAINING_FIELDS, rows)
        return [path]

    return write


@pytest.fixture
def evaluation(tmp_path):
    """Return a function that writes ``curve.tsv`` and ``scores.tsv`` for ``{answer: (curve, gold, predicted, f1)}``."""

    def write(name, found):
        curve, scores = tmp_path / f"{name}.curve.tsv", tmp_path / f"{name}.scores.tsv"
        points = [(answer, -i, *point) for answer, (curve, *_) in found.items() for i, point in enumerate(curve)]
        write_tsv(curve, CURVE_FIELDS, points)
        best = {answer: max(curve, key=lambda point: sum(point)) for answer, (curve, *_) in found.items()}
        rows = [("x", answer, *counts, *best[answer], f1) for answer, (_, *counts, f1) in found.items()]
        write_tsv(scores, ("checkpoint", *SCORE_FIELDS), rows)
        return curve, scores

    return write


@pytest.fixture
def good(evaluation):
    return evaluation("good", {"long": (LONG, 10, 8, 40.04), "short": (SHORT, 4, 3, 66.67)})


def curve_figure(files, labels=None, colours=None, among=AMONG):
    paths = {checkpoint: [found] for checkpoint, found in files.items()}
    return precision_recall_figure(paths, Appearance(among=among, labels=labels or {}, colours=colours or {}))


def handles(axes):
    """Return {label: line} of a legend, line breaks in labels taken out."""
    legend = axes.get_legend()
    texts = [text.get_text().replace("\n", " ") for text in legend.get_texts()]
    return dict(zip(texts, legend.get_lines(), strict=True))


def drawn(axes, colour):
    """Return the lines of a colour: {"raw" | "smooth" | "curve" | "best": line}."""
    lines = [line for line in axes.get_lines() if to_hex(line.get_color()).upper() == colour]
    return {kind_of(line): line for line in lines}


def kind_of(line):
    if line.get_linestyle() == "None":
        return "best"
    return "curve" if line.get_drawstyle() == "steps-pre" else "raw" if line.get_alpha() else "smooth"


def words(axes):
    return [text.get_text() for text in axes.texts if not text.get_text().startswith("F1")]


def test_the_columns_are_those_that_are_written():
    assert TRAINING_FIELDS == HISTORY_FIELDS
    assert CURVE_FIELDS == nq_scores.CURVE_FIELDS
    assert set(SCORE_FIELDS) <= set(nq_scores.SCORE_FIELDS)


# --- Loss by step ---------------------------------------------------------------------------------------------------


def test_the_thin_line_is_the_logged_loss_and_the_thick_one_its_average(training):
    found = losses(100)
    figure = training_figure({"pretrained": training("a", found, every=50)}, APPEARANCE)
    (axes,) = figure.axes
    lines = drawn(axes, COLOURS[0])
    steps = 50.0 * np.arange(1, 101)
    assert lines["raw"].get_xydata().tolist() == np.stack([steps, found], 1).tolist()
    assert lines["smooth"].get_ydata() == pytest.approx(smoothed(steps, found, 200))
    assert lines["raw"].get_linewidth() < lines["smooth"].get_linewidth()
    assert axes.get_title(loc="left") == "Thin: as logged. Thick: exponential average over 200 steps."
    assert list(handles(axes)) == ["Pretrained"]
    assert axes.get_xlim() == (0, 5000)
    assert axes.get_ylim()[0] == 0
    assert axes.get_ylim()[1] >= found.max()


def test_a_run_of_few_points_is_drawn_as_logged(training):
    few, many = losses(19), losses(20)
    figure = training_figure({"pretrained": training("a", few)}, APPEARANCE)
    (axes,) = figure.axes
    assert [line.get_ydata().tolist() for line in axes.get_lines()] == [few.tolist()]
    assert axes.get_title(loc="left") == ""
    figure = training_figure({"pretrained": training("a", few), "other": training("b", many)}, APPEARANCE)
    assert list(handles(figure.axes[0])) == ["Pretrained (as logged)", "Other"]


def test_where_windows_differ_each_label_says_its_own(training):
    paths = {"pretrained": training("a", losses(20)), "fine_tuned": training("b", losses(100), every=2)}
    figure = training_figure(paths, Appearance(among=AMONG, labels={"fine_tuned": "BERT"}))
    assert list(handles(figure.axes[0])) == ["Pretrained (EMA, 1 step)", "BERT (EMA, 10 steps)"]
    assert "moving average" in figure.axes[0].get_title(loc="left")


@pytest.mark.parametrize(("lengths", "scale"), [((100, 1000), "linear"), ((100, 1001), "log"), ((5000,), "linear")])
def test_the_steps_are_on_a_linear_axis_unless_one_run_would_be_a_sliver(training, lengths, scale):
    paths = {name: training(name, losses(length)) for name, length in zip(AMONG, lengths, strict=False)}
    (axes,) = training_figure(paths, APPEARANCE).axes
    assert axes.get_xscale() == scale
    assert ("log scale" in axes.get_xlabel()) == (scale == "log")
    assert axes.get_xlim()[1] == max(lengths)
    assert axes.get_xlim()[0] <= 1


def test_a_checkpoint_that_was_not_trained_has_no_line(training):
    paths = {"pretrained": training("a", []), "fine_tuned": training("b", losses(30))}
    (axes,) = training_figure(paths, APPEARANCE).axes
    assert list(handles(axes)) == ["Fine tuned"]
    assert not drawn(axes, COLOURS[0])
    assert words(axes) == []


@pytest.mark.parametrize("names", [["pretrained", "other"], []])
def test_where_none_was_trained_the_figure_says_so_in_words(training, tmp_path, names):
    paths = {name: training(name, []) for name in names}
    (axes,) = training_figure(paths, APPEARANCE).axes
    assert words(axes) == ["no training"]
    assert not axes.get_lines()
    assert axes.get_legend() is None
    save(training_figure(paths, APPEARANCE), [tmp_path / "t.svg"])
    assert (tmp_path / "t.svg").stat().st_size


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_loss_that_is_no_number_is_a_gap_and_moves_no_average(training, tmp_path, bad):
    found = losses(60)
    found[30:33] = bad
    path = training("a", found)
    lines = drawn(training_figure({"pretrained": path}, APPEARANCE).axes[0], COLOURS[0])
    for line in lines.values():
        assert np.flatnonzero(np.isnan(line.get_ydata())).tolist() == [30, 31, 32]
    save(training_figure({"pretrained": training("b", np.full(60, bad))}, APPEARANCE), [tmp_path / "t.svg"])


def test_thousands_of_points_are_thinned_to_a_small_svg_with_every_peak(training, tmp_path):
    found = losses(5000)
    found[3210] = 40.0
    paths = {"fine_tuned": training("a", found)}
    save(training_figure(paths, APPEARANCE), [tmp_path / "t.svg"])
    assert (tmp_path / "t.svg").stat().st_size < 150_000
    lines = drawn(training_figure(paths, APPEARANCE).axes[0], COLOURS[1])
    for line in lines.values():
        assert MOST_POINTS / 2 < len(line.get_xdata()) <= MOST_POINTS
    raw = lines["raw"].get_xydata()
    assert [3211.0, 40.0] in raw.tolist()
    assert raw[:, 1].tolist() == found[raw[:, 0].astype(int) - 1].tolist()
    # The average is that of all points, not of those that are left.
    smooth = lines["smooth"].get_xydata()
    everything = smoothed(np.arange(1.0, 5001), found, 200)
    assert smooth[:, 1] == pytest.approx(everything[smooth[:, 0].astype(int) - 1])


def test_the_average_of_a_constant_is_that_constant_and_it_lags_a_slope_by_the_window():
    steps = 10.0 * np.arange(1, 101)
    assert smoothed(steps, np.full(100, 3.0), 50) == pytest.approx(3.0)
    # In the continuous limit the lag of an exponential average is its window; here to within one logged step.
    assert smoothed(steps, steps, 50)[-1] == pytest.approx(1000 - 50, abs=10)


def test_the_average_is_the_sum_over_all_points_before_by_hand():
    steps, found = np.array([1.0, 50, 100, 150]), np.array([9.0, 4, 2, 1])
    weights = np.array([1, 49, 50, 50]) * np.exp(-(150 - steps) / 70)
    assert smoothed(steps, found, 70)[-1] == pytest.approx((weights * found).sum() / weights.sum())
    assert smoothed(steps, found, 70)[0] == 9


@pytest.mark.parametrize(
    ("points", "every", "window"),
    [(19, 1, None), (20, 1, 1), (100, 1, 5), (100, 50, 200), (500, 100, 2000), (199, 2, 10), (1000, 10, 500)],
)
def test_the_window_is_a_round_number_of_at_most_a_twentieth_of_the_run(points, every, window):
    assert window_of(every * np.arange(1.0, points + 1)) == window


@pytest.mark.parametrize("points", [1, 2, 999, 1000, 1001, 1003, 5000, 20000])
@pytest.mark.parametrize("scale", [lambda x: x, np.log])
def test_thinning_keeps_the_first_the_last_the_lowest_and_the_highest_point(points, scale):
    places, values = scale(np.arange(1.0, points + 1)), np.random.default_rng(points).normal(size=points)
    kept = thinned(places, values)
    assert {0, points - 1, values.argmin(), values.argmax()} <= set(kept.tolist())
    assert np.all(np.diff(kept) > 0)
    assert len(kept) <= MOST_POINTS
    # Few are left on a logarithmic axis only where few points stand in its first parts.
    assert len(kept) >= min(points, MOST_POINTS / 4)
    if points <= MOST_POINTS:
        assert kept.tolist() == list(range(points))


def test_thinning_bears_points_in_one_place_and_gaps():
    values = np.arange(3000.0)
    assert thinned(np.zeros(3000), values).tolist() == [0, 2999]
    values[1000:2000] = np.nan
    assert np.isnan(values[thinned(np.arange(3000.0), values)]).any()


# --- Precision by recall --------------------------------------------------------------------------------------------


def test_the_curve_is_that_of_the_file_from_the_axis_on_with_the_best_f1_marked(good):
    figure = curve_figure({"fine_tuned": good})
    assert [axes.get_title() for axes in figure.axes] == ["Long answers", "Short answers"]
    for axes, points, f1 in zip(figure.axes, (LONG[1:], SHORT), ("40.0", "66.7"), strict=True):
        lines = drawn(axes, COLOURS[1])
        wanted = [[0, points[0][0]], *([recall, precision] for precision, recall in points)]
        assert lines["curve"].get_xydata().tolist() == wanted
        precision, recall = max(points, key=sum)
        assert lines["best"].get_xydata().tolist() == [[recall, precision]]
        assert list(handles(axes)) == [f"Fine tuned (F1 {f1})"]
        assert axes.get_ylim() == (0, 100)


@pytest.mark.parametrize(("furthest", "limit"), [(0.5, 10), (30, 40), (38, 40), (39, 50), (96, 100), (100, 100)])
def test_recall_is_shown_as_far_as_it_goes_and_not_beyond_100(evaluation, furthest, limit):
    found = {answer: ([(50.0, furthest)], 10, 10, 40.0) for answer in ("long", "short")}
    for axes in curve_figure({"other": evaluation("o", found)}).axes:
        assert axes.get_xlim() == (0, limit)


def test_the_grey_lines_are_of_equal_f1_and_named_where_they_leave_the_axes(evaluation):
    found = {answer: ([(50.0, 55.0)], 10, 10, 40.0) for answer in ("long", "short")}
    for axes in curve_figure({"other": evaluation("o", found)}).axes:
        lines = [line.get_xydata() for line in axes.get_lines() if to_hex(line.get_color()) == "#cccccc"]
        for line, f1 in zip(lines, (20, 40, 60, 80), strict=True):
            assert 2 * line.prod(1) / line.sum(1) == pytest.approx(f1)
            assert line[0, 1] == pytest.approx(100)
        # 80 would need a recall of 67 at least.
        assert [text.get_text() for text in axes.texts] == ["F1 20", "F1 40", "F1 60"]
        for text, f1 in zip(axes.texts, (20, 40, 60), strict=True):
            recall, precision = text.xy
            assert recall == axes.get_xlim()[1] == 60
            assert 2 * precision * recall / (precision + recall) == pytest.approx(f1)


def test_thousands_of_thresholds_are_thinned(evaluation, tmp_path):
    right = np.random.default_rng(0).random(8000) < np.linspace(0.9, 0.1, 8000)
    hits = right.cumsum()
    points = list(zip(100 * hits / np.arange(1, 8001), 100 * hits / 5000, strict=True))
    curve, scores = evaluation("o", dict.fromkeys(("long", "short"), (points, 5000, 8000, 60.0)))
    for axes in curve_figure({"other": (curve, scores)}).axes:
        line = drawn(axes, COLOURS[2])["curve"].get_xydata()
        assert MOST_POINTS / 2 < len(line) <= MOST_POINTS
        assert line[-1].tolist() == [points[-1][1], points[-1][0]]
        assert {tuple(point) for point in line[1:].tolist()} <= {(recall, precision) for precision, recall in points}
    save(precision_recall_figure({"other": [(curve, scores)]}, APPEARANCE), [tmp_path / "p.svg"])
    assert (tmp_path / "p.svg").stat().st_size < 150_000


def test_a_checkpoint_without_predictions_says_so_in_the_legend(evaluation, good):
    nothing = [(0.0, 0.0)] * 3
    none = evaluation("none", {"long": (nothing, 10, 0, 0.0), "short": (nothing, 4, 0, 0.0)})
    figure = curve_figure({"pretrained": none, "fine_tuned": good})
    for axes, f1 in zip(figure.axes, ("40.0", "66.7"), strict=True):
        assert list(handles(axes)) == ["Pretrained (no predictions)", f"Fine tuned (F1 {f1})"]
        assert not drawn(axes, COLOURS[0])


def test_a_checkpoint_that_is_never_right_is_marked_at_the_origin(evaluation):
    never = evaluation("never", {answer: ([(0.0, 0.0)] * 3, 10, 3, 0.0) for answer in ("long", "short")})
    for axes in curve_figure({"pretrained": never}).axes:
        lines = drawn(axes, COLOURS[0])
        assert set(lines) == {"best"}
        assert lines["best"].get_xydata().tolist() == [[0, 0]]
        assert list(handles(axes)) == ["Pretrained (F1 0.0)"]


def test_an_empty_panel_says_in_words_why(evaluation, tmp_path):
    nothing = [(0.0, 0.0)] * 3
    curve, scores = evaluation("none", {"long": (nothing, 0, 3, 0.0), "short": (nothing, 4, 0, 0.0)})
    figure = curve_figure({"pretrained": (curve, scores)})
    assert [words(axes) for axes in figure.axes] == [["no gold answers"], ["no predictions"]]
    assert [axes.get_legend() for axes in figure.axes] == [None, None]
    save(precision_recall_figure({"other": [(curve, scores)]}, APPEARANCE), [tmp_path / "p.svg"])
    assert (tmp_path / "p.svg").stat().st_size


def test_tables_without_any_row_make_a_figure(evaluation, good):
    assert [words(axes) for axes in curve_figure({"pretrained": evaluation("e", {})}).axes] == [["no predictions"]] * 2
    assert [words(axes) for axes in curve_figure({}).axes] == [["no checkpoints"]] * 2
    only_long = evaluation("l", {"long": (LONG, 10, 8, 40.04)})
    assert [words(axes) for axes in curve_figure({"pretrained": only_long}).axes] == [[], ["no predictions"]]


# --- Both -----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_both_are_written_in_svg_pdf_and_png_the_same_bytes_each_time(tmp_path, training, good):
    path, (curve, scores) = training("a", losses(300)), good
    for folder in ("one", "two"):
        outputs = [[str(tmp_path / folder / f"{name}.{kind}") for kind in MAGIC] for name in ("t", "p")]
        save(training_figure({"fine_tuned": path}, APPEARANCE), outputs[0])
        save(precision_recall_figure({"fine_tuned": [(curve, scores)]}, APPEARANCE), outputs[1])
    for kind, magic in MAGIC.items():
        for name in ("t", "p"):
            one, two = ((tmp_path / folder / f"{name}.{kind}").read_bytes() for folder in ("one", "two"))
            assert one.startswith(magic)
            assert one == two
    assert plt.get_fignums() == []


def test_the_fonts_are_in_the_pdf(tmp_path, training):
    save(training_figure({"fine_tuned": training("a", losses(30))}, APPEARANCE), [tmp_path / "t.pdf"])
    assert b"/FontFile2" in (tmp_path / "t.pdf").read_bytes()


@pytest.mark.parametrize("among", [AMONG, [f"step {i}" for i in range(9)] + AMONG])
@pytest.mark.parametrize("colours", [{}, {"other": "#123456"}])
def test_a_checkpoint_looks_as_in_the_grid(training, good, among, colours):
    panel = Panel("synonyms", "cosine", AMONG, among=among, colours=colours)
    figures = [
        training_figure({name: training(name, losses(30)) for name in AMONG[1:]}, Appearance(among=among, colours=colours)),
        curve_figure(dict.fromkeys(AMONG[1:], good), colours=colours, among=among),
    ]
    for axes in (axes for figure in figures for axes in figure.axes):
        for name, handle in zip(AMONG[1:], axes.get_legend().get_lines(), strict=True):
            look = panel.line(name)
            assert to_hex(handle.get_color()) == to_hex(look["color"])
            assert handle.get_marker() == look["marker"]


def test_a_long_label_goes_on_in_a_second_line_and_all_is_within_the_page(good, training):
    label = "BERT-base fine-tuned on all of Natural Questions, seed 13, second run"
    files = {"pretrained": good, "fine_tuned": good}
    for figure in (
        curve_figure(files, labels={"fine_tuned": label}),
        training_figure({"fine_tuned": training("a", losses(30))}, Appearance(among=AMONG, labels={"fine_tuned": label})),
    ):
        figure.draw_without_rendering()
        page = figure.bbox
        for axes in figure.axes:
            assert any(name.startswith(label) for name in handles(axes))
            extent = axes.get_legend().get_window_extent()
            assert page.x0 <= extent.x0
            assert extent.x1 <= page.x1
            assert page.y0 <= extent.y0
            # Below the label of the x-axis, so that it hides nothing; and the axes stay as wide as they should be.
            assert extent.y1 < axes.xaxis.label.get_window_extent().y0
            assert axes.get_window_extent().width > 0.75 * page.width / len(figure.axes)


def test_figures_are_one_and_two_columns_wide_and_grow_only_with_their_legend(good, training):
    names = [f"seed {i}" for i in range(12)]
    for draw, size in (
        (lambda of: training_figure({name: training(name, losses(30)) for name in of}, Appearance(among=of)), (3.4, 2.6)),
        (lambda of: curve_figure(dict.fromkeys(of, good), among=of), (6.9, 2.8)),
    ):
        assert draw(AMONG[:2]).get_size_inches() == pytest.approx(size)
        width, height = draw(names).get_size_inches()
        assert width == size[0]
        assert size[1] < height < size[1] + 1.5


@pytest.mark.parametrize(
    ("table", "fields", "row", "message"),
    [
        ("training", ("step", "loss"), (1, 2.0), "line 1: found ['step', 'loss'], wanted ['step', 'epoch'"),
        ("training", TRAINING_FIELDS, (1, 0.1, "much", 0.1), "line 2: found loss 'much', wanted a number."),
        ("training", TRAINING_FIELDS, (1, 0.1), "line 2: found loss '', wanted a number."),
        ("curve", ("answer", "recall"), ("long", 1), "line 1: found ['answer', 'recall'], wanted ['answer', 'threshold'"),
        ("curve", CURVE_FIELDS, ("yes", 1, 2, 3), "line 2: found answer 'yes', wanted one of long, short."),
        ("curve", CURVE_FIELDS, ("long", 1, 2, ""), "line 2: found recall '', wanted a number."),
        ("scores", ("answer", "f1"), ("long", 1), "line 1: found ['answer', 'f1'], wanted ['answer', 'gold'"),
        ("scores", SCORE_FIELDS, ("long", 1, 1, 1, 1, "x"), "line 2: found f1 'x', wanted a number."),
    ],
)
def test_a_damaged_table_is_an_error_that_names_its_line(tmp_path, good, table, fields, row, message):
    write_tsv(tmp_path / "bad.tsv", fields, [row])
    files = dict(zip(("curve", "scores"), good, strict=True)) | {table: tmp_path / "bad.tsv"}
    draw = training_figure if table == "training" else precision_recall_figure
    read = files["training"] if table == "training" else (files["curve"], files["scores"])
    with pytest.raises(InputError, match=re.escape(f"bad.tsv, {message}")):
        draw({"other": [read]}, APPEARANCE)
