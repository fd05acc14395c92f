"""The table of trajectories: that its last step is what two checkpoints' differences are, and where it decides nothing."""

import collections

import numpy as np
import pytest

from pairprobe.errors import InputError
from pairprobe.evidence import weighing
from pairprobe.evidence.trajectories import Series, Trajectory, weigh
from pairprobe.io.tsv import read_tsv, write_tsv
from pairprobe.rankings import percentages

PAIRS, LAYERS, UNMATCHING = 120, 4, 60
TITLES = {f"q{i}": f"page {i // 2}" for i in range(PAIRS)}


def ranking(path, rise, seed):
    """A ranking by cosine of which the last layer outranks a share more by ``rise``; without spans."""
    dice, rows = np.random.default_rng(seed), []
    for name in TITLES:
        for layer in range(LAYERS):
            count = int(dice.binomial(UNMATCHING, 0.5 + rise * (layer == LAYERS - 1)))
            rows.append((name, "cosine", layer, count, 0, UNMATCHING + 2, UNMATCHING, *percentages.NOT_COUNTED))
    write_tsv(path, percentages.RANKING_FIELDS, rows)
    return str(path)


# The start, two seeds' and a third's kept step, and what they were trained to.
RISES = {"start": 0.0, **{f"tuned-seed{i}-point1": 0.02 for i in (1, 2, 3)}, **{f"tuned-seed{i}": 0.3 for i in (1, 2, 3)}}
RECIPES = {name: [f"tuned-seed{i}{end}" for i in (1, 2, 3)] for name, end in (("tuned-point1", "-point1"), ("tuned", ""))}
POINTS = ["start", "tuned-point1", "tuned"]


@pytest.fixture(scope="module")
def rankings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rankings")
    return [(name, "synonyms", ranking(folder / f"{name}.tsv", rise, i)) for i, (name, rise) in enumerate(RISES.items())]


def weighed(rankings, path, recipes=None, points=POINTS, seeds=None):
    recipes = RECIPES if recipes is None else recipes
    series = Series.of({"tuned": (points, None)}, [([0, 7], 100)], recipes, seeds or {})
    weigh(series, rankings, collections.defaultdict(lambda: TITLES), 0.95, str(path))
    return read_tsv(path)


def test_values_are_those_of_each_step_and_seed_and_of_their_mean(rankings, tmp_path):
    rows = weighed(rankings, tmp_path / "a.tsv", seeds={"tuned-seed2-point1": 2})
    assert len(rows) == LAYERS * (1 + 4 + 4)
    of_point = {row["checkpoint"]: row for row in rows if row["layer"] == "3" and row["step"] == "7"}
    assert of_point["tuned-seed2-point1"]["seed"] == "2"
    assert (of_point["tuned-point1"]["seeds"], of_point["tuned-seed2-point1"]["seeds"]) == ("3", "1")
    wanted = {row[0]: row for row in percentages.percentages(rankings) if row[3] == 3}
    alone = [float(of_point[f"tuned-seed{i}-point1"]["auc"]) for i in (1, 2, 3)]
    assert alone == [float(wanted[f"tuned-seed{i}-point1"][9]) for i in (1, 2, 3)]
    assert float(of_point["tuned-point1"]["auc"]) == pytest.approx(np.mean(alone), abs=1e-4)
    assert {row["step"] for row in rows} == {"0", "7", "100"}


def test_the_last_step_differs_from_step_0_as_the_two_do_in_the_table_of_differences(rankings, tmp_path):
    rows = weighed(rankings, tmp_path / "a.tsv")
    paths = {name: str(tmp_path / f"{name}.tsv") for name in ("intervals", "differences", "claims")}
    recipes = {"tuned": RECIPES["tuned"]}
    ends = [one for one in rankings if one[0] == "start" or one[0] in recipes["tuned"]]
    weighing.weigh(ends, weighing.Pages(collections.defaultdict(lambda: TITLES), recipes), weighing.Settings(), paths)
    wanted = [row for row in read_tsv(paths["differences"]) if row["value"] == "auc"]
    found = [row for row in rows if row["checkpoint"] == "tuned"]
    for row, other in zip(found, wanted, strict=True):
        for name in ("difference", "low", "high", "p"):
            assert row[f"auc_{name}"] == other[name]
        # Corrected for both steps, not for one.
        assert float(row["auc_p_adjusted"]) >= float(other["p_adjusted"])


def test_what_a_step_has_changed_is_found_and_step_0_and_what_has_not_changed_are_not(rankings, tmp_path):
    rows = {(row["checkpoint"], row["layer"]): row["auc_found"] for row in weighed(rankings, tmp_path / "a.tsv")}
    assert rows["tuned", "3"] == "higher"
    assert {rows["tuned", f"{layer}"] for layer in range(3)} == {"undecided"}
    assert rows["start", "3"] == rows["tuned-seed1", "3"] == ""


def test_of_two_seeds_nothing_is_found(rankings, tmp_path):
    two = {name: several[:2] for name, several in RECIPES.items()}
    rows = weighed(rankings, tmp_path / "a.tsv", two)
    assert {row["auc_found"] for row in rows if row["checkpoint"] == "tuned"} == {"undecided"}


def test_checkpoints_by_themselves_stand_on_pages_alone(rankings, tmp_path):
    rows = weighed(rankings, tmp_path / "a.tsv", {}, ["start", "tuned-seed1-point1", "tuned-seed1"])
    assert len(rows) == 3 * LAYERS
    last = next(row for row in rows if row["checkpoint"] == "tuned-seed1" and row["layer"] == "3")
    assert (last["seeds"], last["auc_found"]) == ("1", "higher")


def test_a_seed_of_a_recipe_is_a_point_by_itself_in_another_trajectory(rankings, tmp_path):
    described = {"tuned": (POINTS, None), "published": (["start", "tuned-seed1"], [0, 5])}
    series = Series.of(described, [([0, 7], 100)], RECIPES, {})
    weigh(series, rankings, collections.defaultdict(lambda: TITLES), 0.95, str(tmp_path / "a.tsv"))
    alone = weighed(rankings, tmp_path / "b.tsv", {}, ["start", "tuned-seed1-point1", "tuned-seed1"])
    found = [row for row in read_tsv(tmp_path / "a.tsv") if row["trajectory"] == "published" and row["step"] == "5"]
    wanted = [row for row in alone if row["checkpoint"] == "tuned-seed1"]
    assert [row["auc_difference"] for row in found] == [row["auc_difference"] for row in wanted]
    assert found[-1]["auc_found"] == "higher"


def test_a_step_that_is_kept_and_the_last_is_one_point_the_trained_checkpoint():
    found = Trajectory.of_training("a", ["start", "a-step50", "a-step100", "a"], [0, 50, 100], 100)
    assert (found.steps, found.points) == ([0, 50, 100], ["start", "a-step50", "a"])


def test_a_list_of_other_steps_than_the_points_is_an_input_error():
    with pytest.raises(InputError, match=r"found the steps \[0\] that a training has kept, wanted 2 of them"):
        Trajectory.of_training("a", ["start", "a-step50", "a"], [0], 100)
