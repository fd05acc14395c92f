"""The figure of how far weights moved: every number of the table, with seeds and interval."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from pairprobe.controls.weight_table import WEIGHT_FIELDS
from pairprobe.errors import InputError
from pairprobe.figures.style import Appearance, save
from pairprobe.figures.weight_distance import weight_distance_figure
from pairprobe.io.tsv import write_tsv

WHY = "embeddings.word_embeddings.weight has the shapes (30522, 384) and (30522, 768)"
LOOK = Appearance(among=["start", "tuned", "other", "wide"], recipes={"tuned": ["tuned-seed1", "tuned-seed2"]})


def value(name, layer):
    return {"tuned": 0.2, "tuned-seed1": 0.1, "tuned-seed2": 0.3, "other": 0.4}[name] * (1 + layer)


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


@pytest.fixture
def table(tmp_path):
    rows = []
    for name in ("tuned", "tuned-seed1", "tuned-seed2", "other"):
        for layer in (1, 0, 2):
            far, recipe = value(name, layer), name == "tuned"
            bounds = (far / 2, far * 2) if recipe else ("", "")
            rows.append(("start", name, layer, 10, 2 if recipe else 1, far, *bounds, far / 10, *bounds, ""))
    rows.append(("start", "wide", "", "", 1, *[""] * 6, WHY))
    write_tsv(tmp_path / "weight_distance.tsv", WEIGHT_FIELDS, rows)
    return tmp_path / "weight_distance.tsv"


def test_recipes_have_a_line_a_band_and_their_seeds_and_others_a_line(table):
    upper, lower = weight_distance_figure(table, ["start", "tuned", "other"], LOOK).axes
    for axes, factor in ((upper, 1), (lower, 0.1)):
        found = {line.get_label(): line.get_xydata() for line in axes.get_lines()}
        labels = {"_tuned-seed1": "tuned-seed1", "_tuned-seed2": "tuned-seed2", "Other": "other"}
        labels |= {"Tuned (mean of 2 seeds)": "tuned"}
        assert found.keys() == labels.keys()
        for label, name in labels.items():
            assert found[label] == pytest.approx(np.array([[i, factor * value(name, i)] for i in range(3)]))
        assert len(axes.collections) == 1
        assert axes.get_ylim()[0] == 0


def test_the_first_checkpoint_alone_says_that_there_is_nothing_to_compare(table):
    assert [axes.texts[0].get_text() for axes in weight_distance_figure(table, ["start"], LOOK).axes] == [
        "nothing to compare"
    ] * 2


def test_what_has_other_weights_is_named_and_why(table):
    wanted = f"Start and Wide are not compared: {WHY}"
    alone = weight_distance_figure(table, ["start", "wide"], LOOK)
    assert [" ".join(axes.texts[0].get_text().split()) for axes in alone.axes] == [wanted] * 2
    beside = weight_distance_figure(table, ["start", "tuned", "wide"], LOOK)
    told = [" ".join(text.get_text().split()) for text in beside.legends[0].get_texts()]
    assert told == ["Tuned (mean of 2 seeds)", wanted]
    assert all(line.get_label() != "Wide" for axes in beside.axes for line in axes.get_lines())


def test_the_same_table_gives_the_same_bytes(tmp_path, table):
    for name in ("one", "two"):
        save(weight_distance_figure(table, ["tuned", "other"], LOOK), [tmp_path / f"{name}.svg"])
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()


def test_another_table_is_refused(tmp_path):
    write_tsv(tmp_path / "t.tsv", ("before", "after"), [])
    with pytest.raises(InputError, match=r"t\.tsv, line 1: found"):
        weight_distance_figure(tmp_path / "t.tsv", ["tuned"], LOOK)
