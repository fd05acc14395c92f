"""Control trainings: differences of differences whose truth is known, and verdicts."""

import collections
import itertools

import numpy as np
import pytest
from scipy.stats import binom

import calibration
from pairprobe.errors import InputError
from pairprobe.evidence import control_trainings, weighing
from pairprobe.evidence.control_trainings import Compared, Effects, TaskEffects, verdicts
from pairprobe.evidence.estimation import Estimate
from pairprobe.evidence.fields import CONTROL_TRAINING_FIELDS, LESS, MORE, NO_MORE, UNDECIDED
from pairprobe.io.tsv import read_tsv, write_tsv
from pairprobe.rankings.percentages import NOT_COUNTED, RANKING_FIELDS

NAMES = [f"q{i}" for i in range(60)]
TITLES = {name: f"page {i // 2}" for i, name in enumerate(NAMES)}
LAYERS = 7


def write_ranking(path, shares, seed):
    """shares: of the unmatching words that are outranked, by layer."""
    dice, rows = np.random.default_rng(seed), []
    for name, measure, (layer, share) in itertools.product(NAMES, ("cosine", "euclidean"), enumerate(shares)):
        rows.append((name, measure, layer, int(dice.binomial(100, share)), 0, 101, 100, *NOT_COUNTED))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_tsv(str(path), RANKING_FIELDS, rows)
    return str(path)


def weighed(folder, shares, compared, recipes=None, **settings):
    """Return the rows of rankings of these shares: {checkpoint: by layer}."""
    rankings = [
        (checkpoint, "synonyms", write_ranking(folder / checkpoint / "synonyms.tsv", each, seed))
        for seed, (checkpoint, each) in enumerate(shares.items())
    ]
    pages = weighing.Pages(collections.defaultdict(lambda: TITLES), recipes or {})
    path = str(folder / "table.tsv")
    control_trainings.weigh(rankings, pages, compared, weighing.Settings(**settings), path)
    return read_tsv(path, CONTROL_TRAINING_FIELDS)


FLAT = [0.5] * LAYERS
RISING = [0.5, 0.5, 0.5, 0.8, 0.8, 0.8, 0.8]
HALF = [0.5, 0.5, 0.5, 0.6, 0.6, 0.6, 0.6]
RECIPES = {name: [f"{name}-seed{i}" for i in (1, 2, 3)] for name in ("after", "control")}


def of_recipes(after, control):
    return {"before": FLAT} | {
        one: each for name, each in (("after", after), ("control", control)) for one in RECIPES[name]
    }


def test_the_difference_of_differences_is_that_of_the_effects_and_means_are_means(tmp_path):
    rows = weighed(tmp_path, of_recipes(RISING, HALF), [Compared("before", "after", "control")], RECIPES)
    assert len(rows) == 2 * (LAYERS + 2)
    by_layer = {(row["measure"], row["layer"]): row for row in rows}
    for row in rows:
        effect, control, difference = (float(row[name]) for name in ("effect", "control_effect", "difference"))
        assert difference == pytest.approx(effect - control, abs=2e-4)
        assert float(row["difference_low"]) < difference < float(row["difference_high"])
        assert (row["pairs"], row["pages"], row["seeds"], row["scope"]) == ("60", "30", "3", "recipe")
        assert float(row["p"]) <= float(row["p_adjusted"]) <= 1
    for measure, name in itertools.product(("cosine", "euclidean"), ("effect", "control_effect", "difference")):
        for part, layers in (("lower", range(3)), ("upper", range(3, 7))):
            mean = np.mean([float(by_layer[measure, str(layer)][name]) for layer in layers])
            assert float(by_layer[measure, part][name]) == pytest.approx(mean, abs=2e-4)


def test_the_effects_are_the_differences_of_the_table_of_differences(tmp_path):
    shares = of_recipes(RISING, HALF)
    rows = weighed(tmp_path, shares, [Compared("before", "after", "control")], RECIPES)
    paths = {name: str(tmp_path / f"{name}.tsv") for name in ("intervals", "differences", "claims")}
    rankings = [(one, "synonyms", str(tmp_path / one / "synonyms.tsv")) for one in shares]
    pages = weighing.Pages(collections.defaultdict(lambda: TITLES), RECIPES)
    weighing.weigh(rankings, pages, weighing.Settings(), paths)
    for row in read_tsv(paths["differences"]):
        if row["value"] != "auc":
            continue
        column = {("before", "after"): "effect", ("before", "control"): "control_effect"}.get((row["before"], row["after"]))
        [ours] = [one for one in rows if (one["measure"], one["layer"]) == (row["measure"], row["layer"])]
        if column:
            assert row["difference"] == ours[column]
        else:  # the table has control less after
            assert float(row["difference"]) == pytest.approx(-float(ours["difference"]), abs=2e-4)
            assert row["p"] == ours["p"]
            assert row["p_adjusted"] == ours["p_adjusted"]
            assert row["effective_pages"] == ours["effective_pages"]


@pytest.mark.parametrize(
    ("after", "control", "lower", "upper"),
    [
        (RISING, HALF, NO_MORE, MORE),
        (HALF, RISING, NO_MORE, LESS),
        (RISING, RISING, NO_MORE, NO_MORE),
        (FLAT, RISING, NO_MORE, LESS),
        ([1 - share for share in RISING], HALF, NO_MORE, MORE),  # to the other side
    ],
)
def test_what_a_training_does_is_told_from_what_any_does(tmp_path, after, control, lower, upper):
    rows = weighed(tmp_path, of_recipes(after, control), [Compared("before", "after", "control")], RECIPES)
    assert {row["verdict"] for row in rows if row["layer"].isdigit()} == {""}
    assert {row["verdict"] for row in rows if row["layer"] == "lower"} == {lower}
    assert {row["verdict"] for row in rows if row["layer"] == "upper"} == {upper}


def test_of_two_seeds_or_few_pages_nothing_is_decided(tmp_path, monkeypatch):
    two = {name: several[:2] for name, several in RECIPES.items()}
    shares = {one: each for one, each in of_recipes(RISING, FLAT).items() if not one.endswith("3")}
    rows = weighed(tmp_path, shares, [Compared("before", "after", "control")], two)
    assert {row["verdict"] for row in rows if row["verdict"]} == {UNDECIDED}
    single = {"before": FLAT, "after": RISING, "control": FLAT}
    rows = weighed(tmp_path, single, [Compared("before", "after", "control")])
    assert {(row["verdict"], row["scope"]) for row in rows if row["layer"] == "upper"} == {(MORE, "checkpoints")}
    monkeypatch.setattr("pairprobe.evidence.claims.MIN_PAGES", 31)
    rows = weighed(tmp_path, single, [Compared("before", "after", "control")])
    assert {row["verdict"] for row in rows if row["verdict"]} == {UNDECIDED}


@pytest.mark.parametrize("single", ["after", "control"])
def test_one_seed_beside_a_recipe_decides_nothing(tmp_path, single):
    shares = of_recipes(RISING, FLAT) | {single: {"after": RISING, "control": FLAT}[single]}
    recipes = {name: several for name, several in RECIPES.items() if name != single}
    rows = weighed(tmp_path, shares, [Compared("before", "after", "control")], recipes)
    assert {(row["verdict"], row["scope"], row["seeds"], row["p"]) for row in rows if row["verdict"]} == {
        (UNDECIDED, "recipe", "1", "")
    }


def test_the_start_may_be_a_seed_of_a_recipe(tmp_path):
    compared = [Compared("before", "after", "control")]
    plain = weighed(tmp_path, of_recipes(RISING, HALF), compared, RECIPES)
    assert weighed(tmp_path, of_recipes(RISING, HALF), compared, RECIPES | {"untrained": ["before", "another"]}) == plain


def test_each_training_is_compared_with_each_control(tmp_path):
    names = ("after", "other", "control", "masked")
    shares = {"before": FLAT, **dict.fromkeys(names, RISING)}
    compared = [Compared("before", one, other) for one, other in itertools.product(names[:2], names[2:])]
    rows = weighed(tmp_path, shares, compared)
    assert list(dict.fromkeys((row["after"], row["control"]) for row in rows)) == [each[1:] for each in compared]


def test_lower_layers_beyond_the_last_are_an_input_error(tmp_path):
    shares = {"before": FLAT, "after": FLAT, "control": FLAT}
    with pytest.raises(InputError, match=r"evidence.lower_layers: found 6, but the last layer of after is 6. Set it to 5"):
        weighed(tmp_path, shares, [Compared("before", "after", "control")], lower_layers=6)


def estimate(value, error):
    """One statistic with a standard error over many pages."""
    pages = 1000
    apart = error * np.sqrt(pages / (pages - 1)) / np.sqrt(pages)
    left_out = value + apart * np.where(np.arange(pages) % 2, 1, -1)[:, None]
    return Estimate.of(np.array([float(value)]), left_out, [], np.array([float(pages)]))


@pytest.mark.parametrize(
    ("after", "control", "error", "verdict"),
    [
        (10, 4, 1, MORE),
        (-10, -4, 1, MORE),
        (10, -4, 1, MORE),
        (4, 10, 1, LESS),
        (-4, -10, 1, LESS),
        (0, 10, 1, LESS),
        (1, 0, 0.1, NO_MORE),  # a difference beyond 0, within the margin
        (10, 10, 1, NO_MORE),
        (10, 10, 4, UNDECIDED),
        (10, 6, 2.5, UNDECIDED),
        (3, -3, 2, UNDECIDED),  # they differ, and neither is known to do anything
    ],
)
def test_a_verdict_is_by_the_direction_of_the_effect(after, control, error, verdict):
    effects = Effects(estimate(after, error), estimate(control, error), estimate(after - control, error))
    assert verdicts(effects, 5, 0.05, 1).tolist() == [verdict]


@pytest.mark.slow
@pytest.mark.parametrize(("after", "control"), [(0, 5), (0, -5), (5, 0), (-5, 0), (8, 3), (0, 0)])
def test_where_two_verdicts_can_be_wrong_their_errors_together_are_within_the_bound(after, control):
    """The effects differ by the margin, and one of them is 0: both NO_MORE and one of the others would be wrong."""
    runs, level, error, pages = 20_000, 0.1, 1, 1000
    dice, apart = np.random.default_rng(3), error / np.sqrt(pages - 1)
    of_after, of_control = (dice.normal(truth, error / np.sqrt(2), runs) for truth in (after, control))
    # The checkpoint before has no error here.
    effects = Effects(*(
        Estimate.of(value, value + share * apart * np.where(np.arange(pages) % 2, 1, -1)[:, None], [], np.full(runs, 1e3))
        for value, share in ((of_after, 0.5**0.5), (of_control, 0.5**0.5), (of_after - of_control, 1))
    ))  # fmt: skip
    said = collections.Counter(verdicts(effects, 5, level, 1).tolist())
    wrong = sum(count for verdict, count in said.items() if calibration.is_wrong_of_trainings(verdict, after, control))
    assert wrong <= binom.ppf(0.999, runs, level)
    if not after and control:  # where it is reached
        assert wrong >= binom.ppf(0.001, runs, 0.9 * level)


@pytest.mark.slow
@pytest.mark.parametrize("world", ["nothing", "any training", "on the bounds"])
def test_verdicts_are_wrong_in_one_of_twenty_comparisons_at_most(world):
    runs = 40
    cell = calibration.Cell(world, 2, 3, 24, False)
    wrong = calibration.simulate_trainings(cell, runs)["wrong"]
    assert wrong * runs <= binom.ppf(0.99, runs, 0.05)


def test_the_simulation_tells_wrong_verdicts_from_right_ones():
    wrong = calibration.is_wrong_of_trainings
    assert [wrong(MORE, 8, 3), wrong(MORE, 3, 8), wrong(MORE, 0, -5), wrong(MORE, 5, 5)] == [False, True, True, True]
    assert [wrong(LESS, 3, 8), wrong(LESS, 0, -5), wrong(LESS, 8, 3), wrong(LESS, 5, 0)] == [False, False, True, True]
    assert [wrong(NO_MORE, 0, 4.9), wrong(NO_MORE, 0, 5), wrong(UNDECIDED, 0, 9)] == [False, True, False]


def test_a_seed_that_moves_all_curves_does_not_make_a_verdict(monkeypatch):
    """The control of the simulation: verdicts without the error of seeds would be wrong far more often."""
    monkeypatch.setattr(Estimate, "half_width", lambda self, error, tests=1: 2 * np.sqrt(self.page_variance))
    cell = calibration.Cell("nothing", 5, 3, 80, False)
    assert calibration.simulate_trainings(cell, 6)["wrong"] > 0.5


def test_tasks_without_all_three_are_left_out():
    task = weighing.Task("synonyms", {}, weighing.Pages({"synonyms": TITLES}))
    assert control_trainings.effects_of(task, Compared("before", "after", "control")) is None
    assert TaskEffects("t", [], {}, {}).effects == {}
