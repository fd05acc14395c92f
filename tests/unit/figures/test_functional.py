"""The figure of interventions: every number of the table, what lines and bands mean, and which axis shows what."""

import matplotlib.pyplot as plt
import pytest

from pairprobe.figures.functional import functional_figure
from pairprobe.figures.style import Appearance, save
from pairprobe.interventions.names import EARLY_EXIT, FUNCTIONAL_FIELDS, INTACT, LOWER, RESET, UPPER
from pairprobe.io.tsv import read_tsv, write_tsv

LAYERS = range(4)
SEEDS = [f"after-seed{i}" for i in (1, 2, 3)]
GRAFTS = {
    LOWER: "Layers up to k from before",
    UPPER: "Layers above k from before",
    RESET: "Layer k alone from before",
    EARLY_EXIT: "New heads on layer k",
}
OF_BEFORE = {EARLY_EXIT: "Start: new heads on layer k", INTACT: "Start, its own heads"}
LOOK = Appearance(among=["before", "after"], recipes={"after": SEEDS}, labels={"before": "Start"})


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def value(name, intervention, layer):
    return 10 + sum(map(ord, f"{name}{intervention}")) % 50 + (layer or 0)


def table_of(folder, bounds=True, names=("after", *SEEDS), metrics=("f1", "long_f1", "short_f1")):
    """Write a table with all interventions on the names, and what there is of the one before."""
    shown = [(name, intervention) for name in names for intervention in (INTACT, *GRAFTS)]
    shown += [("before", intervention) for intervention in (INTACT, EARLY_EXIT)]
    rows = []
    for name, intervention in shown:
        for metric in metrics:
            for layer in [None] if intervention == INTACT else LAYERS:
                number = value(name, intervention, layer)
                row = dict.fromkeys(FUNCTIONAL_FIELDS, "") | {"checkpoint": name, "intervention": intervention}
                row |= {"before": "" if name == "before" else "before", "metric": metric, "value": number}
                row |= {"layer": "" if layer is None else layer, "questions": 9, "seeds": 1, "pages": 9}
                row |= {"effective_pages": 9} | ({"low": number - 5, "high": number + 5} if bounds else {})
                rows.append(tuple(row.values()))
    write_tsv(folder / "functional.tsv", FUNCTIONAL_FIELDS, rows)
    return str(folder / "functional.tsv")


def key_of(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_curves_and_levels_are_the_numbers_of_the_table(tmp_path):
    figure = functional_figure(table_of(tmp_path), ["before", "after"], LOOK, 0.95)
    for axes in figure.axes:
        lines = {}
        for line in axes.get_lines():
            lines.setdefault(line.get_label(), []).append(line.get_ydata())
        for name, label in GRAFTS.items():
            assert [list(each) for each in lines[label]] == [[value("after", name, k) for k in LAYERS]]
        assert [list(each) for each in lines[OF_BEFORE[EARLY_EXIT]]] == [[value("before", EARLY_EXIT, k) for k in LAYERS]]
        levels = {"As it is": value("after", INTACT, None), OF_BEFORE[INTACT]: value("before", INTACT, None)}
        assert {label: set(lines[label][0]) for label in levels} == {label: {number} for label, number in levels.items()}
        for seed in SEEDS:
            wanted = [[value(seed, name, k) for k in LAYERS] for name in GRAFTS]
            assert [list(each) for each in lines[f"_{seed}"]] == wanted
        assert len(axes.collections) == len(GRAFTS) + 1


@pytest.mark.slow
def test_the_y_axis_names_the_score_and_the_title_the_recipe(tmp_path):
    figure = functional_figure(table_of(tmp_path), ["before", "after"], LOOK, 0.95)
    assert [axes.get_ylabel() for axes in figure.axes] == ["F1 (%)", "Long F1 (%)", "Short F1 (%)"]
    assert {axes.get_title() for axes in figure.axes} == {"After (mean of 3 seeds)"}
    assert {axes.get_xlabel() for axes in figure.axes} == {"Layer k"}
    save(figure, [str(tmp_path / f"f.{kind}") for kind in ("svg", "pdf", "png")])


def test_the_key_says_what_bands_and_thin_lines_are_where_there_are_any(tmp_path):
    own = [*GRAFTS.values(), OF_BEFORE[EARLY_EXIT], "As it is", OF_BEFORE[INTACT]]
    figure = functional_figure(table_of(tmp_path), ["after"], LOOK, 0.9)
    assert key_of(figure) == ["90 % interval", "Single seeds", *own]
    alone = Appearance(among=["before", "after"], labels={"before": "Start"})
    assert key_of(functional_figure(table_of(tmp_path), ["after"], alone, 0.95)) == ["95 % interval", *own]
    assert key_of(functional_figure(table_of(tmp_path, bounds=False), ["after"], alone, 0.95)) == own


def test_rows_have_one_scale_so_that_they_can_be_compared(tmp_path):
    look = Appearance(among=["before", *SEEDS])
    figure = functional_figure(table_of(tmp_path), ["before", *SEEDS[:2]], look, 0.95)
    assert [axes.get_title() for axes in figure.axes] == ["After-seed1"] * 3 + ["After-seed2"] * 3
    assert len({axes.get_ylim() for axes in figure.axes}) == 1


def test_no_band_is_cut_off(tmp_path):
    path = table_of(tmp_path)
    rows = [row | ({"high": "97"} if row["metric"] == "short_f1" and row["high"] else {}) for row in read_tsv(path)]
    write_tsv(path, FUNCTIONAL_FIELDS, [tuple(row.values()) for row in rows])
    figure = functional_figure(path, ["before", "after"], LOOK, 0.95)
    assert all(axes.get_ylim()[0] == 0 and axes.get_ylim()[1] >= 97 for axes in figure.axes)


def test_without_interventions_it_says_so(tmp_path):
    figure = functional_figure(table_of(tmp_path, names=()), ["before", "after"], LOOK, 0.95)
    assert [text.get_text() for axes in figure.axes for text in axes.texts] == ["nothing to compare"]
