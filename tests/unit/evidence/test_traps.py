"""Conclusions that were drawn wrongly once: made-up rankings of each kind, and what is to be said of them."""

import collections

import numpy as np
import pytest
from scipy import stats

from pairprobe.evidence import weighing
from pairprobe.io.tsv import read_tsv, write_tsv
from pairprobe.rankings.percentages import RANKING_FIELDS

LAYERS, WORDS, SPANS, ANCHORS = 7, 200, 20, 5
SPECIFIC, GENERAL = "coreference", "synonyms"  # tasks of which the paper claims a gap, and none


def ranking(path, dice, auc, swapped=None, pages=60, spread=3.0, lengths=None):
    """Write a ranking of one pair a page; auc, swapped: of each layer, in percent. spread: of pages, in points."""
    lengths = np.full(pages, WORDS) if lengths is None else lengths
    rows = []
    for page, words in enumerate(lengths.tolist()):
        ease = dice.normal(0, spread)
        for measure in ("cosine", "euclidean"):
            for layer in range(LAYERS):
                share, other = (
                    np.clip((mean + ease + dice.normal(0, 1)) / 100, 0, 1) for mean in (auc[layer], (swapped or auc)[layer])
                )
                by_anchors = int(dice.binomial(words * ANCHORS, other))
                sums = SPANS, int(SPANS * share), words * SPANS // 2, words * SPANS, ANCHORS, by_anchors
                rows.append((f"q{page}", measure, layer, int(dice.binomial(words, share)), 0, words + 2, words, *sums))
    write_tsv(str(path), RANKING_FIELDS, rows)
    return str(path)


def weigh(folder, checkpoints, recipes=None, **settings):
    """checkpoints: {(checkpoint, task): path}. Returns the three tables."""
    titles = {f"q{i}": f"page {i}" for i in range(1000)}
    paths = {name: str(folder / f"{name}.tsv") for name in ("intervals", "differences", "claims")}
    rankings = [(*key, path) for key, path in checkpoints.items()]
    weighing.weigh(
        rankings,
        weighing.Pages(collections.defaultdict(lambda: titles), recipes or {}),
        weighing.Settings(**settings),
        paths,
    )
    return {name: read_tsv(path) for name, path in paths.items()}


def claims(tables, claim, on="auc"):
    return [row for row in tables["claims"] if (row["claim"], row["on"]) == (claim, on)]


def two(folder, task, difference, base=60.0, seed=0, **how):
    """Weigh two checkpoints that differ by this much in each layer, in points."""
    dice = np.random.default_rng(seed)
    before = ranking(folder / "before.tsv", dice, [base] * LAYERS, **how)
    after = ranking(folder / "after.tsv", dice, [base + each for each in difference], [base] * LAYERS, **how)
    return weigh(folder, {("before", task): before, ("after", task): after})


def test_a_deficit_that_shrinks_is_no_gap_that_grows(tmp_path):
    rows = claims(two(tmp_path, SPECIFIC, [0, 0, -25, -20, -15, -10, -5]), "gap_grows")
    assert {(row["verdict"], row["found"]) for row in rows} == {("contradicted", "no advantage")}
    # Though its slope is above 0: what is told is the mean, which decides.
    assert all(float(row["value"]) <= float(row["high"]) < 0 for row in rows)


@pytest.mark.parametrize("task", [GENERAL, SPECIFIC])
def test_where_nothing_differs_there_is_no_gap(tmp_path, task):
    tables = two(tmp_path, task, [0] * LAYERS, pages=150)
    for claim in ("gap_opens_late", "gap_grows", "upper_layers_better"):
        assert {row["found"] for row in claims(tables, claim)} == {"no gap"}
        assert {row["verdict"] for row in claims(tables, claim)} == {"no gap" if task == SPECIFIC else ""}
    if task == GENERAL:
        assert {row["verdict"] for row in claims(tables, "no_change")} == {"supported"}


def test_a_gap_that_narrows_in_the_last_layer_has_opened(tmp_path):
    rows = claims(two(tmp_path, SPECIFIC, [0, 0, 0, 8, 12, 10, 3], pages=200), "gap_opens_late")
    assert {row["verdict"] for row in rows} == {"supported"}


@pytest.mark.slow
def test_in_a_world_without_differences_hardly_ever_anything_is_decided_wrongly(tmp_path):
    wrong = 0
    for seed in range(10):
        tables = two(tmp_path, SPECIFIC, [0] * LAYERS, seed=seed, pages=24, spread=8)
        wrong += any(row["found"] not in ("undecided", "equal", "no gap", "never opens") for row in tables["claims"])
    assert wrong <= stats.binom.ppf(0.999, 10, 0.05)


def test_no_number_of_pairs_is_told_that_nobody_can_have(tmp_path):
    told = {
        row["pairs_needed"]
        for seed in range(5)
        for row in two(tmp_path, SPECIFIC, [0, 0, 0, 0.01, 0, 0.01, 0], seed=seed, pages=30, spread=9)["claims"]
    }
    assert told - {""}
    for each in told - {""}:
        numbers = [int(word.replace(",", "")) for word in each.split() if word[0].isdigit()]
        assert max(numbers) <= 100_000
        assert all(len(str(number).rstrip("0")) <= 2 for number in numbers)


def test_a_corrected_p_can_be_as_low_as_the_data_have_it(tmp_path):
    tables = two(tmp_path, SPECIFIC, [0, 0, 0, 30, 30, 30, 30], seed=1)
    p = {row["layer"]: float(row["p_adjusted"]) for row in tables["differences"] if row["value"] == "auc"}
    assert p["6"] < 0.001 < 0.05 < p["0"]


def test_few_effective_pages_decide_nothing_whatever_their_number(tmp_path):
    lengths = np.maximum(3, 6000 / np.arange(1, 201) ** 1.5).astype(int)
    tables = two(tmp_path, SPECIFIC, [0, 0, 0, 20, 20, 20, 20], pages=200, lengths=lengths, spread=0.5)
    assert {row["pages"] for row in tables["claims"]} == {"200"}
    assert all(float(row["effective_pages"]) < 20 for row in tables["claims"])
    assert {row["found"] for row in tables["claims"]} == {"undecided"}


def test_what_trainings_disagree_on_is_undecided_of_the_recipe(tmp_path):
    dice = np.random.default_rng(4)
    paths = {("before", SPECIFIC): ranking(tmp_path / "before.tsv", dice, [50] * LAYERS)}
    for seed, shift in (("1", 30), ("2", -12), ("3", 9)):
        auc = [50, 50, 50, *[50 + shift] * 4]
        paths[f"after-{seed}", SPECIFIC] = ranking(tmp_path / f"{seed}.tsv", dice, auc, [50] * LAYERS)
    recipe = weigh(tmp_path, paths, {"after": ["after-1", "after-2", "after-3"]})
    rows = claims(recipe, "upper_layers_better")
    assert {(row["scope"], row["seeds"], row["verdict"]) for row in rows} == {("recipe", "3", "undecided")}
    # Of the checkpoints one is better and one is worse, each surely.
    alone = {
        row["after"]: row for row in claims(weigh(tmp_path, paths), "upper_layers_better") if row["before"] == "before"
    }
    assert (alone["after-1"]["verdict"], alone["after-2"]["verdict"]) == ("supported", "contradicted")
    assert {row["scope"] for row in alone.values()} == {"checkpoints"}


def test_what_any_other_anchor_has_too_is_no_difference_in_specific(tmp_path):
    dice, fall = np.random.default_rng(5), [50, 50, 50, 10, 10, 10, 10]
    before = ranking(tmp_path / "before.tsv", dice, [50] * LAYERS, pages=150)
    after = ranking(tmp_path / "after.tsv", dice, fall, fall, pages=150)
    tables = weigh(tmp_path, {("before", "answer_type"): before, ("after", "answer_type"): after})
    assert {row["verdict"] for row in claims(tables, "upper_layers_better", "auc")} == {"contradicted"}
    assert {row["verdict"] for row in claims(tables, "upper_layers_better", "specific")} == {"no gap"}


def test_where_pages_lack_more_seeds_are_not_asked_for(tmp_path):
    dice = np.random.default_rng(6)
    paths = {
        (name, SPECIFIC): ranking(tmp_path / f"{name}.tsv", dice, [auc] * LAYERS, pages=12)
        for name, auc in (("before", 60), ("after-1", 60), ("after-2", 61), ("after-3", 60))
    }
    rows = weigh(tmp_path, paths, {"after": ["after-1", "after-2", "after-3"]})["claims"]
    assert {row["found"] for row in rows} == {"undecided"}
    assert not any("seeds" in row["pairs_needed"] for row in rows)
