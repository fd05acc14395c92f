"""The figure of variants: each value with its interval, at its own height."""

import matplotlib.pyplot as plt
import pytest

from pairprobe.evidence.fields import VARIANT_FIELDS
from pairprobe.figures.controls import controls_figure
from pairprobe.io.tsv import write_tsv

VARIANTS = ("none", "without_mean", "last_subtoken")


@pytest.fixture
def table(tmp_path):
    rows = [
        (variant, *pair, claim, task, measure, "no", "", value, value - 2, value + 3, "", 7, 66, 30, "", *end, found)
        for i, (variant, found) in enumerate(zip(VARIANTS, ("better", "undecided", "worse"), strict=True))
        for end in [("auc", "recipe", 3, "25.4")]
        for pair in (("a", "b"), ("a", "c"))
        for claim in ("no_change", "upper_layers_better")
        for task, measures in (("synonyms", ("cosine", "euclidean")), ("boundary", ("start", "end")))
        for value, measure in enumerate(measures, 10 * i)
    ]
    write_tsv(str(tmp_path / "variants.tsv"), VARIANT_FIELDS, rows)
    return str(tmp_path / "variants.tsv")


def test_every_variant_has_a_point_with_its_interval_for_each_measure(table):
    axes = controls_figure(table, ("a", "b"), ["synonyms", "boundary"], {"none": "As it is"}).axes[0]
    points = {line.get_xdata()[0]: line.get_ydata()[0] for line in axes.get_lines() if len(line.get_xdata()) == 1}
    assert sorted(points) == [0, 1, 10, 11, 20, 21]
    assert [round(points[x]) for x in sorted(points)] == [0, 0, 1, 1, 2, 2]
    assert len(set(points.values())) == 6
    bars = {tuple(line.get_xdata()) for line in axes.get_lines() if len(set(line.get_xdata())) == 2}
    assert bars == {(x - 2, x + 3) for x in points}
    assert [label.get_text() for label in axes.get_yticklabels()] == ["As it is", "Without mean", "Last subtoken"]
    plt.close("all")


def test_where_there_is_nothing_to_compare_the_figure_says_so(table):
    (axes,) = controls_figure(table, ("b", "a"), ["synonyms"], {}).axes
    assert [text.get_text() for text in axes.texts] == ["nothing to compare"]
    plt.close("all")
