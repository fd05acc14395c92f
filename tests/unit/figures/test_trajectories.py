"""The figure of trajectories: where cells, dots and scores stand, and that colours mean the same everywhere."""

import numpy as np
import pytest
from matplotlib.collections import QuadMesh
from matplotlib.text import Text

from pairprobe.evidence.fields import TRAJECTORY_FIELDS, TRAJECTORY_SCORE_FIELDS
from pairprobe.figures import style, trajectories
from pairprobe.figures.trajectories import trajectories_figure
from pairprobe.io.tsv import write_tsv

STEPS = (0, 10, 20, 40, 80)
MEASURES = {"synonyms": "cosine", "boundary": "start"}


def difference(task, step, layer):
    return {"synonyms": 1, "boundary": -2}[task] * layer * np.log2(step) if step else ""


@pytest.fixture
def tables(tmp_path):
    return make(tmp_path)


def make(folder, all_seeds=3, steps=STEPS, without=lambda step, layer: False):
    """Write both tables: of each step the recipe, then one of its seeds. without: where a recipe has no difference."""
    rows, scores = [], []
    for name in ("one", "other"):
        for step in steps:
            for seeds, checkpoint in ((all_seeds, f"{name}-{step}"), (1, f"{name}-seed1-{step}")):
                is_recipe = "seed" not in checkpoint
                for task, measure in (*MEASURES.items(), ("synonyms", "euclidean")):
                    for layer in range(4):
                        row = dict.fromkeys(TRAJECTORY_FIELDS, "") | {"trajectory": name, "checkpoint": checkpoint}
                        row |= {"step": step, "task": task, "measure": measure, "layer": layer, "seeds": seeds}
                        if is_recipe and measure != "euclidean" and not without(step, layer):
                            found = ("higher" if layer == 3 else "undecided") if step else ""
                            row |= {"auc_difference": difference(task, step, layer), "auc_found": found}
                        rows.append(row.values())
                bounds = {"low": step, "high": step + 9} if is_recipe else {"low": "", "high": ""}
                values = {"value": step + 3 * is_recipe, **bounds}
                row = dict.fromkeys(TRAJECTORY_SCORE_FIELDS, "") | {"trajectory": name, "checkpoint": checkpoint}
                scores.append((row | {"step": step, "metric": "f1", "seeds": seeds} | values).values())
    paths = str(folder / "a.tsv"), str(folder / "b.tsv")
    write_tsv(paths[0], TRAJECTORY_FIELDS, rows)
    write_tsv(paths[1], TRAJECTORY_SCORE_FIELDS, scores)
    return paths


def drawn(tables, names=("one",), scores=True):
    return trajectories_figure(tables[0], tables[1] if scores else None, MEASURES, names, "auc", {"synonyms": "Same $x"})


def maps(figure):
    return [
        mesh for axes in figure.axes for mesh in axes.collections if isinstance(mesh, QuadMesh) and len(axes.get_title())
    ]


def test_cells_are_the_differences_of_the_recipe_by_layer_and_step(tables):
    for mesh, task in zip(maps(drawn(tables)), MEASURES, strict=True):
        wanted = [[difference(task, step, layer) or 0 for step in STEPS] for layer in range(4)]
        assert np.allclose(mesh.get_array(), wanted)


def test_a_recipe_of_one_seed_is_drawn_once(tmp_path):
    figure = drawn(make(tmp_path, all_seeds=1))
    wanted = [[difference("synonyms", step, layer) or 0 for step in STEPS] for layer in range(4)]
    assert np.allclose(maps(figure)[0].get_array(), wanted)
    assert len(figure.axes[0].lines[0].get_xdata()) == len(STEPS) - 1
    (line,) = figure.axes[2].lines
    assert line.get_ydata().tolist() == [step + 3 for step in STEPS]


def test_a_series_that_begins_later_is_nowhere_said_to_begin_at_step_0(tmp_path):
    figure = drawn(make(tmp_path, steps=(400, 1000, 4000), without=lambda step, layer: step == 400))
    (mesh, _) = maps(figure)
    assert mesh.get_array()[:, 0].tolist() == [0, 0, 0, 0]
    assert [label.get_text() for label in figure.axes[2].get_xticklabels()] == ["400", "1000", "4000"]
    told = " ".join(" ".join(text.get_text() for text in figure.findobj(Text)).lower().split())
    assert "from the first step" in told
    assert "differs from the first step" in told
    assert "step 0" not in told


def test_a_cell_without_a_difference_is_not_drawn_as_none(tmp_path):
    (mesh, _) = maps(drawn(make(tmp_path, without=lambda step, layer: (step, layer) in {(0, 1), (20, 2)})))
    cells = np.ma.masked_invalid(mesh.get_array())
    assert np.argwhere(np.ma.getmaskarray(cells)).tolist() == [[2, 2]]
    assert cells[:, 0].tolist() == [0, 0, 0, 0]
    assert mesh.axes.get_facecolor()[:3] != (1, 1, 1)


def test_a_map_without_any_difference_says_so(tmp_path):
    axes = drawn(make(tmp_path, without=lambda step, layer: True)).axes[0]
    assert [text.get_text() for text in axes.texts] == ["nothing to compare", "Cosine similarity"]


def test_one_scale_is_symmetric_and_holds_all_cells(tables):
    most = 2 * 3 * np.log2(80)
    assert {(mesh.norm.vmin, mesh.norm.vmax) for mesh in maps(drawn(tables))} == {(-most, most)}


def test_steps_stand_on_a_logarithmic_axis_with_0_at_its_left_end():
    assert np.diff(trajectories.places_of(STEPS)) == pytest.approx([1, 1, 1, 1])
    places = trajectories.places_of([0, 1, 1000, 143000])
    assert places[1:] == pytest.approx(np.log2([1, 1000, 143000]))
    assert places[0] < places[1]
    assert trajectories.places_of([8, 16]).tolist() == [3, 4]


def test_dots_are_on_what_a_test_has_found_and_on_nothing_else(tables):
    axes = drawn(tables).axes[0]
    (dots,) = axes.lines
    assert dots.get_xydata().tolist() == [[place, 3] for place in trajectories.places_of(STEPS)[1:]]


def test_scores_stand_on_the_same_places_below_and_are_the_recipe_s(tables):
    above, _, below, _ = drawn(tables).axes[:4]
    (line,) = below.lines
    assert line.get_ydata().tolist() == [step + 3 for step in STEPS]
    assert above.get_xlim() == below.get_xlim()
    assert [text.get_text() for text in below.get_xticklabels()] == ["0", "10", "20", "40", "80"]


def test_each_trajectory_s_scores_are_drawn_once_below_all_its_maps(tables):
    figure = drawn(tables, ("one", "other"))
    scores = [axes for axes in figure.axes if axes.get_ylabel() == "Score (%)"]
    assert len(scores) == 2
    figure.draw_without_rendering()
    places = [axes.get_position() for axes in figure.axes]
    for first, below in ((0, scores[0]), (3, scores[1])):
        left, right = places[first : first + len(MEASURES)]
        assert (below.get_position().x0, below.get_position().x1) == pytest.approx((left.x0, right.x1), abs=0.01)
        assert below.get_position().y1 < left.y0
    # Each metric stands once in the key.
    assert [text.get_text() for text in figure.legends[0].get_texts()][1:] == ["F1"]


def test_each_column_names_its_measure_and_the_scale_its_value(tables):
    figure = drawn(tables)
    assert [axes.texts[-1].get_text() for axes in figure.axes[:2]] == ["Cosine similarity", "Start position"]
    assert figure.axes[-1].get_ylabel().startswith("Pairwise AUC:")


def test_of_one_task_no_word_leaves_the_figure(tables):
    figure = trajectories_figure(*tables, {"synonyms": "cosine"}, ["one"], "auc", {})
    figure.draw_without_rendering()
    shown = [text for text in figure.findobj(Text) if text.get_text() and text.get_visible()]
    boxes = [text.get_window_extent() for text in shown]
    assert len(boxes) > 10
    assert all(box.x0 >= 0 and box.x1 <= figure.bbox.width and box.y1 <= figure.bbox.height for box in boxes)


def test_each_trajectory_has_rows_of_its_own_and_without_scores_there_is_one_row(tables):
    labels = [axes.get_ylabel() for axes in drawn(tables, ("one", "other")).axes]
    assert [label for label in labels if label.endswith("Layer")] == ["One\nLayer", "Other\nLayer"]
    assert "Score (%)" in labels
    alone = drawn(tables, scores=False)
    assert [axes.get_title() for axes in alone.axes[:2]] == ["Same $x", "Boundary"]
    assert alone.axes[0].get_xlabel() == "Step"


def test_a_task_without_pairs_is_said_to_have_none(tables, tmp_path):
    figure = trajectories_figure(tables[0], tables[1], {**MEASURES, "empty": "cosine"}, ["one"], "auc", {})
    style.save(figure, [str(tmp_path / "a.svg")])
    assert [text.get_text() for text in figure.axes[2].texts] == ["nothing to compare", "Cosine similarity"]


def test_labels_of_steps_that_would_touch_are_left_out_but_never_the_first_and_the_last(tmp_path):
    axes = drawn(make(tmp_path, steps=(0, *range(1000, 1040, 2))), scores=False).axes[0]
    labels = [text.get_text() for text in axes.get_xticklabels()]
    assert labels[0] == "0"
    assert labels[-1] == "1038"
    assert len(labels) < 10
