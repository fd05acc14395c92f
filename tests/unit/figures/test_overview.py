"""One comparison on one page: every curve has the numbers of its table, over the same layers."""

import dataclasses
import re

import matplotlib.pyplot as plt
import numpy as np
import pytest

from pairprobe.controls.cka_rsa import REPRESENTATION_FIELDS
from pairprobe.controls.layer_cka import LAYER_CKA_FIELDS
from pairprobe.controls.weight_table import WEIGHT_FIELDS
from pairprobe.evidence.fields import INTERVAL_FIELDS
from pairprobe.figures.grid import Panel
from pairprobe.figures.overview import Tables, overview_figure
from pairprobe.figures.style import save
from pairprobe.interventions.names import EARLY_EXIT, FUNCTIONAL_FIELDS, LOWER, UPPER
from pairprobe.io.tsv import write_tsv
from pairprobe.rankings.percentages import PERCENTAGE_FIELDS

SEEDS = ["tuned-seed1", "tuned-seed2"]
PANEL = Panel(
    "synonyms", "cosine", ["start", "tuned"], among=["start", "tuned"], recipes={"tuned": SEEDS}, labels={"start": "Before"}
)  # fmt: skip
PAIRS = [PANEL, dataclasses.replace(PANEL, value="specific")]
BOUNDARY = dataclasses.replace(PANEL, task="boundary", measure="start")
LAYERS = range(4)
ACROSS = {"As it is": 62, "Before, its own heads": 13}
LEVELS = [("tuned", "start", 62), ("tuned-seed1", "start", 64), ("start", "", 13)]


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def value(name, what, layer):
    """A number of a checkpoint; a recipe's is the mean of its seeds'."""
    if name == "tuned":
        return float(np.mean([value(seed, what, layer) for seed in SEEDS]))
    return round(0.1 + (sum(map(ord, name + what)) * (layer + 3)) % 80 / 100, 4)


@pytest.fixture
def tables(tmp_path):
    """All tables of a run with one recipe."""

    def write(name, fields, rows):
        write_tsv(tmp_path / f"{name}.tsv", fields, rows)
        return str(tmp_path / f"{name}.tsv")

    both = [("synonyms", "cosine"), ("boundary", "start")]
    percentages, intervals = [], []
    for task, measure in both:
        for layer in LAYERS:
            for one in ("start", *SEEDS):
                numbers = [100 * value(one, task + what, layer) for what in ("percentage", "auc")]
                specific = (50, 50, 50, 100 * value(one, "specific", layer)) if task == "synonyms" else ("",) * 4
                percentages.append((one, task, measure, layer, 30, 200, 180, 90, *numbers, *specific))
            blank = ("",) * (len(INTERVAL_FIELDS) - 7)
            intervals += [(one, task, measure, layer, 30, 5, *blank, 1) for one in ("start", "tuned")]
    of_one = [*SEEDS, "tuned"]
    weights = [
        ("start", one, layer, 9, 1, value(one, "relative", layer), "", "", value(one, "spectral", layer), "", "", "")
        for one in of_one
        for layer in LAYERS
    ]
    cka = [
        ("start", one, i, j, 1, 9, 9, 9, value(one, "cka", i) if i == j else 0.01, 0.1, 0.9, 0.5)
        for one in of_one
        for i in LAYERS
        for j in LAYERS
    ]
    functional = [
        (one, "start", intervention, layer, metric, 100 * value(one, intervention + metric, layer), "", "")
        for one in of_one
        for intervention in ("lower_from_before", "upper_from_before", "reset", "early_exit")
        for metric in ("f1", "exact_match")
        for layer in LAYERS
    ]
    functional += [
        ("start", "", "early_exit", layer, "f1", 100 * value("start", "exit", layer), "", "") for layer in LAYERS
    ]
    functional += [(one, made_of, "intact", "", "f1", number, 10, 90) for one, made_of, number in LEVELS]
    named = ("checkpoint", "before", "intervention", "layer", "metric", "value", "low", "high")

    def of_functional(cells):
        row = dict.fromkeys(FUNCTIONAL_FIELDS, "") | {"questions": 9, "seeds": 1, "pages": 9, "effective_pages": 9}
        return tuple((row | dict(zip(named, cells, strict=True))).values())

    representations = [
        ("start", one, layer, 9, 9, 9, value(one, "cka", layer), *[0.5] * 6) for one in SEEDS for layer in LAYERS
    ] + [(*SEEDS, layer, 9, 9, 9, *[0.5] * 7) for layer in LAYERS]
    return Tables(
        write("percentages", PERCENTAGE_FIELDS, percentages),
        write("intervals", INTERVAL_FIELDS, intervals),
        functional=write("functional", FUNCTIONAL_FIELDS, map(of_functional, functional)),
        weight_distance=write("weights", WEIGHT_FIELDS, weights),
        layer_cka=write("cka", LAYER_CKA_FIELDS, cka),
        representations=write("representations", REPRESENTATION_FIELDS, representations),
    )


def drawn(tables, rows):
    """Return {title without its letter: {label: values by layer}} of the panels, without lines across all layers."""
    figure = overview_figure(tables, rows)
    found = {}
    for axes in figure.axes:
        title = re.sub(r"^\(\w\) ", "", axes.get_title())
        lines = [line for line in axes.get_lines() if line.get_label() not in ("Chance", *ACROSS)]
        assert all(line.get_xdata() == pytest.approx(list(LAYERS)) for line in lines)
        title = title + " (specific)" * (title in found)
        found[title] = {line.get_label(): line.get_ydata() for line in lines}
    return found


def wanted(what, scale=1.0, *extra, own="tuned", label="Tuned (mean of 2 seeds)"):
    names = {f"_{seed}": seed for seed in SEEDS} | {label: own} | dict(extra)
    return {label: pytest.approx([scale * value(name, what, layer) for layer in LAYERS]) for label, name in names.items()}


def test_every_panel_has_the_numbers_of_its_table_over_the_same_layers(tables):
    found = drawn(tables, [PAIRS, [BOUNDARY]])
    before = ("Before", "start")
    assert found["Synonyms: cosine similarity"] == wanted("synonymspercentage", 100, before)
    assert found["Synonyms: cosine similarity (specific)"] == wanted("specific", 100, before)
    assert found["Boundary: start position"] == wanted("boundarypercentage", 100, before)
    assert found["Words: CKA with Before"] == wanted("cka", label="CKA")
    weights = {"relative": "All weights", "spectral": "Matrices, spectral norm"}
    for what, label in weights.items():
        assert found["Weights: distance / norm"][label] == wanted(what, label=label)[label]
    grafts = {LOWER: "Layers up to k from before", UPPER: "Layers above k from before", EARLY_EXIT: "New heads on layer k"}
    answers = found["Answers by layer k: F1 (%)"]
    of_before = "Before: new heads on layer k"
    assert set(answers) == {*grafts.values(), of_before, *(f"_{seed}" for seed in SEEDS)}
    assert answers[of_before] == pytest.approx([100 * value("start", "exit", layer) for layer in LAYERS])
    for what, label in grafts.items():
        assert answers[label] == wanted(f"{what}f1", 100, label=label)[label]
    assert len(found) == 6


def test_the_panel_of_answers_has_the_intact_model_and_the_one_before_in_its_colour(tables):
    figure = overview_figure(tables, [[BOUNDARY]])
    (axes,) = (axes for axes in figure.axes if "Answers" in axes.get_title())
    lines = {line.get_label(): line for line in axes.get_lines()}
    assert {label: set(lines[label].get_ydata()) for label in ACROSS} == {label: {y} for label, y in ACROSS.items()}
    before, after = (lines[label].get_color() for label in ("Before: new heads on layer k", "New heads on layer k"))
    assert (before, after) == (PANEL.line("start")["color"], PANEL.line("tuned")["color"])
    told = [text.get_text() for text in axes.get_legend().get_texts()]
    assert told[-2:] == list(ACROSS)
    assert len(told) == len(set(told)) == 6


def test_what_a_run_does_not_have_is_left_out(tables):
    alone = Tables(tables.percentages, tables.intervals)
    assert list(drawn(alone, [PAIRS])) == ["Synonyms: cosine similarity", "Synonyms: cosine similarity (specific)"]
    with_weights = dataclasses.replace(alone, weight_distance=tables.weight_distance)
    assert list(drawn(with_weights, [[BOUNDARY]])) == ["Boundary: start position", "Weights: distance / norm"]
    other = dataclasses.replace(PANEL, compared=["start", "other"], among=["start", "other"])
    assert list(drawn(tables, [[other]])) == ["Synonyms: cosine similarity"]


def test_without_the_matrix_cka_is_that_of_representations(tables):
    found = drawn(dataclasses.replace(tables, layer_cka=None), [PAIRS])
    assert found["Words: CKA with Before"] == wanted("cka", label="CKA")


@pytest.mark.slow
def test_the_figure_fits_a_page_and_has_the_same_bytes_each_time(tables, tmp_path):
    figure = overview_figure(tables, [PAIRS, PAIRS, PAIRS, PAIRS, [BOUNDARY]])
    across, high = figure.get_size_inches()
    assert (across, high < 9) == (6.9, True)
    figure.draw_without_rendering()
    # No title leaves the page, and none hides another one.
    boxes = [axes.title.get_window_extent() for axes in figure.axes]
    assert all(box.x0 >= 0 and box.x1 <= figure.bbox.width for box in boxes)
    assert not any(one.overlaps(other) for i, one in enumerate(boxes) for other in boxes[:i])
    for name in ("one", "two"):
        save(overview_figure(tables, [PAIRS]), [tmp_path / f"{name}.svg"])
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
