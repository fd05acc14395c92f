"""Recipes in figures: the mean of their seeds, its band, a thin line for each seed, and chance as it was measured."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.colors import to_hex

from pairprobe.controls.cka_rsa import REPRESENTATION_FIELDS
from pairprobe.evidence.fields import INTERVAL_FIELDS
from pairprobe.figures import style
from pairprobe.figures.cka_rsa import representations_figure
from pairprobe.figures.grid import Panel, grid_figure, panel_figure
from pairprobe.figures.precision_recall import CURVE_FIELDS, SCORE_FIELDS, precision_recall_figure
from pairprobe.figures.style import Appearance
from pairprobe.figures.training_loss import TRAINING_FIELDS, training_figure
from pairprobe.io.tsv import write_tsv
from pairprobe.rankings.percentages import PERCENTAGE_FIELDS

SEEDS = {"tuned": ["tuned-seed1", "tuned-seed2", "tuned-seed3"], "drawn": ["drawn-seed1"]}
AMONG = ["before", "tuned", "drawn"]
CHECKPOINTS = ["before", *SEEDS["tuned"], *SEEDS["drawn"]]
LABELS = {"before": "Pre-trained", "tuned": "Fine-tuned"}
PANEL = Panel("synonyms", "cosine", AMONG, value="auc", among=AMONG, recipes=SEEDS, labels=LABELS)
LAYERS = 4


def made(value, task, measure, checkpoint):
    """Make up a value of each layer."""
    rng = np.random.default_rng([ord(letter) for letter in f"{value}{task}{measure}{checkpoint}"])
    low, high = {"null_auc": (92, 97), "specific": (-9, 9)}.get(value, (40, 60))
    return rng.uniform(low, high, LAYERS).round(4)


def mean(value, names=SEEDS["tuned"], panel=PANEL):
    return np.mean([made(value, panel.task, panel.measure, name) for name in names], axis=0)


def write(path, fields, rows):
    write_tsv(path, fields, [[row.get(name, "") for name in fields] for row in rows])
    return str(path)


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """Return the paths of ``percentages.tsv`` and ``intervals.tsv``: of synonyms, and of boundary, which has no spans."""
    folder = tmp_path_factory.mktemp("recipes")
    rows, intervals = [], []
    for task, measures in {"synonyms": ("cosine", "euclidean"), "boundary": ("start", "end")}.items():
        names = ("percentage", "auc", *(() if task == "boundary" else ("null_auc", "specific")))
        for measure in measures:
            for checkpoint in [*CHECKPOINTS, "tuned"]:
                values = {name: made(name, task, measure, checkpoint) for name in names}
                for layer in range(LAYERS):
                    key = {"checkpoint": checkpoint, "task": task, "measure": measure, "layer": layer, "pairs": 30}
                    cells = {name: of_all[layer] for name, of_all in values.items()}
                    if checkpoint in CHECKPOINTS:
                        rows.append({**key, "para_len": 200, "unmatching": 180, "count": 90, **cells})
                    bounds = {f"{name}_{end}": 10 + layer + (end == "high") for name in names for end in ("low", "high")}
                    intervals.append({**key, "pages": 20, **cells, **bounds})
    return SimpleNamespace(
        percentages=write(folder / "percentages.tsv", PERCENTAGE_FIELDS, rows),
        intervals=write(folder / "intervals.tsv", INTERVAL_FIELDS, intervals),
    )


def lines_of(axes):
    """Return the lines of an axes by label, in lists."""
    found = {}
    for line in axes.get_lines():
        found.setdefault(str(line.get_label()), []).append(line)
    return found


def colour(line):
    return to_hex(line.get_color()).upper()


def legend_of(figure):
    legends = [*figure.legends, *(axes.get_legend() for axes in figure.axes if axes.get_legend())]
    return [text.get_text().replace("\n", " ") for text in legends[0].get_texts()]


def test_a_recipe_is_the_mean_of_its_seeds_which_are_thin_lines_of_its_colour(tables):
    figure = panel_figure(tables.percentages, PANEL)
    found = lines_of(figure.axes[0])
    (thick,) = found["Fine-tuned (mean of 3 seeds)"]
    assert thick.get_ydata() == pytest.approx(mean("auc"))
    for seed in SEEDS["tuned"]:
        (thin,) = found[f"_{seed}"]
        assert thin.get_xydata() == pytest.approx(np.column_stack([range(LAYERS), made("auc", "synonyms", "cosine", seed)]))
        assert (colour(thin), thin.get_linewidth() < thick.get_linewidth() / 2) == (colour(thick), True)
    assert colour(thick) == style.COLOURS[1]
    assert colour(*found["Pre-trained"]) == style.COLOURS[0]


def test_a_legend_names_each_unit_once_and_says_of_how_many_seeds_it_is(tables):
    legend = ["Pre-trained", "Fine-tuned (mean of 3 seeds)", "Drawn (1 seed)", "Chance"]
    assert legend_of(panel_figure(tables.percentages, PANEL)) == legend
    assert legend_of(grid_figure(tables.percentages, [(PANEL, dataclasses.replace(PANEL, measure="euclidean"))])) == legend


def test_the_band_of_a_recipe_is_its_own_row_of_the_intervals_and_seeds_have_none(tables):
    (axes,) = panel_figure(tables.percentages, dataclasses.replace(PANEL, compared=["tuned"]), tables.intervals).axes
    (band,) = axes.collections
    corners = set(map(tuple, band.get_paths()[0].vertices))
    assert {(layer, 10 + layer + high) for layer in range(LAYERS) for high in (0, 1)} <= corners


def test_a_recipe_of_one_seed_is_that_seed(tables):
    (line,) = lines_of(panel_figure(tables.percentages, PANEL).axes[0])["Drawn (1 seed)"]
    assert line.get_ydata() == pytest.approx(made("auc", "synonyms", "cosine", "drawn-seed1"))


def test_a_seed_that_is_named_is_a_checkpoint_with_a_look_of_its_own(tables):
    panel = dataclasses.replace(PANEL, compared=["tuned", "tuned-seed2", "tuned-seed3"])
    found = lines_of(panel_figure(tables.percentages, panel).axes[0])
    named = [found["Tuned-seed2"][0], found["Tuned-seed3"][0]]
    assert named[0].get_ydata() == pytest.approx(made("auc", "synonyms", "cosine", "tuned-seed2"))
    assert named[0].get_linewidth() == found["Fine-tuned (mean of 3 seeds)"][0].get_linewidth()
    assert len({colour(line) for line in (*named, *found["Fine-tuned (mean of 3 seeds)"])}) == 3
    assert not {colour(line) for line in named} & set(style.COLOURS[: len(AMONG)])


def test_more_seeds_than_colours_leave_the_units_theirs():
    many = Appearance(among=["a", "b"], recipes={"b": [f"b-seed{i}" for i in range(20)]})
    assert [many.line(name)["color"] for name in many.among] == list(style.COLOURS[:2])
    assert len({str(many.line(name)["color"]) for name in many.recipes["b"]}) == 20


# Chance.


@pytest.mark.parametrize(("value", "scale"), [("auc", 1), ("percentage", 180 / 200)])
def test_chance_is_the_null_auc_of_each_unit_in_its_colour_on_the_scale_that_is_drawn(tables, value, scale):
    (axes,) = panel_figure(tables.percentages, dataclasses.replace(PANEL, value=value)).axes
    found = lines_of(axes)["Chance"]
    wanted = [mean("null_auc", SEEDS.get(name, [name])) for name in AMONG]
    assert [line.get_ydata() for line in found] == [pytest.approx(scale * each) for each in wanted]
    assert [colour(line) for line in found] == list(style.COLOURS[: len(AMONG)])
    assert {line.get_linestyle() for line in found} == {":"}
    low, high = axes.get_ylim()
    assert low < min(line.get_ydata().min() for line in axes.get_lines())
    assert max(line.get_ydata().max() for line in axes.get_lines()) < high <= 100


def test_chance_of_boundary_is_one_line_at_50(tables):
    (axes,) = panel_figure(tables.percentages, dataclasses.replace(PANEL, task="boundary", measure="start")).axes
    (line,) = lines_of(axes)["Chance"]
    assert (set(line.get_ydata()), colour(line)) == ({50.0}, style.REFERENCE.upper())


# Specific.


def test_specific_is_drawn_in_points_about_0(tables):
    panel = dataclasses.replace(PANEL, value="specific")
    (axes,) = panel_figure(tables.percentages, panel, tables.intervals).axes
    found = lines_of(axes)
    assert found["Fine-tuned (mean of 3 seeds)"][0].get_ydata() == pytest.approx(mean("specific"))
    assert [set(line.get_ydata()) for line in found["Chance"]] == [{0.0}]
    assert axes.get_ylim()[0] < 0
    assert axes.get_ylabel() == "Specific (points)"
    assert len(axes.collections) == 2  # the bands; one recipe has no row in the intervals


def test_a_row_of_the_grid_is_specific_on_request_and_boundary_has_none(tables):
    pairs = [PANEL, dataclasses.replace(PANEL, measure="euclidean"), dataclasses.replace(PANEL, value="specific")]
    ends = [dataclasses.replace(PANEL, task="boundary", measure=measure) for measure in ("start", "end")]
    # Boundary at the left: the row is labelled where it begins.
    figure = grid_figure(tables.percentages, [ends, pairs], intervals=tables.intervals)
    assert [axes.get_title() for axes in figure.axes] == [
        "(a) Start position", "(a) Cosine similarity", "(b) End position", "(b) Euclidean distance",
        "(c) Cosine, specific",
    ]  # fmt: skip
    assert [axes.get_ylabel() for axes in figure.axes] == [
        "Pairwise AUC (%)",
        "",
        "Pairwise AUC (%)",
        "",
        "Specific (points)",
    ]
    assert [axes.get_xlabel() for axes in figure.axes] == ["", "", "Layer", "", "Layer"]
    found = lines_of(figure.axes[-1])
    assert found["Fine-tuned (mean of 3 seeds)"][0].get_ydata() == pytest.approx(mean("specific"))
    assert legend_of(figure) == ["Pre-trained", "Fine-tuned (mean of 3 seeds)", "Drawn (1 seed)", "Chance"]


def test_points_within_the_noise_of_a_few_pairs_do_not_fill_a_panel(tmp_path):
    rows = [
        {"checkpoint": "before", "task": "synonyms", "measure": "cosine", "layer": layer, "pairs": 30, "para_len": 9}
        | {"unmatching": 8, "count": 4, "percentage": 50, "auc": 50, "null_auc": 50, "specific": 0.1 * layer}
        for layer in range(3)
    ]
    path = write(tmp_path / "percentages.tsv", PERCENTAGE_FIELDS, rows)
    low, high = panel_figure(path, dataclasses.replace(PANEL, value="specific")).axes[0].get_ylim()
    assert low <= -5
    assert high >= 5


# The other figures.


def test_loss_is_the_mean_of_the_seeds_over_the_steps_that_all_logged(tmp_path):
    runs = {"a": [4.0, 3.0, 2.0], "b": [2.0, 2.0, 2.0, 1.0]}
    for name, losses in runs.items():
        write_tsv(tmp_path / name, TRAINING_FIELDS, [(i, 0, loss, 0) for i, loss in enumerate(losses, 1)])
    appearance = Appearance(among=["x"], recipes={"x": ["a", "b"]})
    figure = training_figure({"x": [str(tmp_path / name) for name in runs]}, appearance)
    thin_one, thin_two, thick = figure.axes[0].get_lines()
    assert thick.get_xydata().tolist() == [[1, 3], [2, 2.5], [3, 2]]
    assert [line.get_ydata().tolist() for line in (thin_one, thin_two)] == list(runs.values())
    assert len({colour(line) for line in (thin_one, thin_two, thick)}) == 1
    assert legend_of(figure) == ["X (mean of 2 seeds)"]


def test_precision_by_recall_is_a_curve_for_each_seed_and_its_f1_is_their_mean(tmp_path):
    paths = []
    for number, f1 in enumerate((40.0, 50.0)):
        curve, scores = str(tmp_path / f"{number}.curve"), str(tmp_path / f"{number}.scores")
        answers = ("long", "short")
        write_tsv(curve, CURVE_FIELDS, [(answer, 0, 50 + number, 20) for answer in answers])
        write_tsv(scores, SCORE_FIELDS, [(answer, 9, 9, 50 + number, 20, f1) for answer in answers])
        paths.append((curve, scores))
    appearance = Appearance(among=AMONG, recipes={"tuned": SEEDS["tuned"][:2]}, labels=LABELS)
    figure = precision_recall_figure({"tuned": paths}, appearance)
    for axes in figure.axes:
        curves = [line for line in axes.get_lines() if colour(line) == style.COLOURS[1]]
        assert sorted(line.get_ydata()[-1] for line in curves) == [50, 50, 51, 51]
    assert legend_of(figure) == ["Fine-tuned (F1 45.0, mean of 2 seeds)"]


def test_cka_of_a_recipe_is_the_mean_over_its_seeds_each_with_a_thin_line(tmp_path):
    values = {("before", "tuned-seed1"): 0.9, ("before", "tuned-seed2"): 0.5, ("tuned-seed1", "tuned-seed2"): 0.1}
    rows = [(*pair, layer, 1, 1, 1, *[value] * 7) for pair, value in values.items() for layer in range(2)]
    write_tsv(tmp_path / "r.tsv", REPRESENTATION_FIELDS, rows)
    recipes = {"tuned": ["tuned-seed1", "tuned-seed2"]}
    figure = representations_figure(
        str(tmp_path / "r.tsv"), ["before", "tuned"], Appearance(among=["before", "tuned"], recipes=recipes)
    )
    for axes in figure.axes:
        assert sorted(line.get_ydata()[0] for line in axes.get_lines()) == pytest.approx([0.5, 0.7, 0.9])
        assert not axes.collections
    assert legend_of(figure) == ["Before and Tuned (mean of 2 seeds)"]
