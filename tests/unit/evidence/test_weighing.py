"""The tables of evidence: of rankings whose numbers are known."""

import collections

import numpy as np
import pytest

from pairprobe.errors import InputError
from pairprobe.evidence import weighing
from pairprobe.evidence.fields import VARIANT_FIELDS
from pairprobe.io.tsv import read_tsv, write_tsv
from pairprobe.rankings import percentages

LAYERS = 7


def write_ranking(path, names, shift=0.0, seed=0, measures=("cosine", "euclidean"), shuffled=False, layers=LAYERS):
    """shift: by how much the share outranked rises to the last layer; specificity is left empty."""
    dice = np.random.default_rng(seed)
    rows = []
    for name in names:
        para_len = 50 + len(name) * 7 % 40
        for measure in measures:
            for layer in range(layers):
                count = int(dice.binomial(para_len - 2, min(1, 0.5 + shift * layer / layers)))
                ties = int(dice.integers(0, 2))
                rows.append((name, measure, layer, count, ties, para_len, para_len - 2))
    if shuffled:
        np.random.default_rng(1).shuffle(rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_tsv(str(path), percentages.RANKING_FIELDS, ((*row, *percentages.NOT_COUNTED) for row in rows))
    return str(path)


@pytest.fixture
def names():
    return [f"{'q' * (1 + i % 9)}{i}" for i in range(60)]


@pytest.fixture
def titles(names):
    return {name: f"page {i // 2}" for i, name in enumerate(names)}


def weigh(folder, rankings, titles, recipes=None, **settings):
    paths = {name: str(folder / f"{name}.tsv") for name in ("intervals", "differences", "claims")}
    weighing.weigh(
        rankings,
        weighing.Pages(collections.defaultdict(lambda: titles), recipes or {}),
        weighing.Settings(**settings),
        paths,
    )
    return {name: read_tsv(path) for name, path in paths.items()}


def test_the_estimates_are_those_of_percentages_tsv(tmp_path, names, titles):
    rankings = [
        (checkpoint, task, write_ranking(tmp_path / checkpoint / f"{task}.tsv", names, shift, seed))
        for seed, (checkpoint, shift) in enumerate([("before", 0), ("after", 0.3)])
        for task in ("synonyms", "coreference")
    ]
    tables = weigh(tmp_path, rankings, titles)
    wanted = {row[:4]: row for row in percentages.percentages(rankings)}
    assert len(tables["intervals"]) == len(wanted) == 2 * 2 * 2 * LAYERS
    for row in tables["intervals"]:
        percentage = wanted[row["checkpoint"], row["task"], row["measure"], int(row["layer"])]
        assert (row["percentage"], row["auc"]) == percentage[8:10]
        assert float(row["percentage_low"]) <= float(row["percentage"]) <= float(row["percentage_high"])
        assert (row["pairs"], row["pages"]) == ("60", "30")
    assert {row["value"] for row in tables["differences"]} == {"auc", "percentage"}
    for row in tables["differences"]:
        key, column = (row["task"], row["measure"], int(row["layer"])), 8 if row["value"] == "percentage" else 9
        assert float(row["difference"]) == pytest.approx(
            float(wanted["after", *key][column]) - float(wanted["before", *key][column]), abs=2e-4
        )
        assert float(row["p"]) <= float(row["p_adjusted"]) <= 1


def test_the_claims_of_the_paper_are_told_from_others(tmp_path, names, titles):
    rankings = [
        (c, t, write_ranking(tmp_path / c / f"{t}.tsv", names, shift))
        for c, shift in [("a", 0), ("b", 0.3)]
        for t in ("synonyms", "coreference", "mine")
    ]
    stated = {(row["task"], row["claim"]): row["stated"] for row in weigh(tmp_path, rankings, titles)["claims"]}
    assert stated["synonyms", "no_change"] == stated["coreference", "gap_grows"] == "yes"
    assert stated["coreference", "no_change"] == stated["mine", "lower_layers_equal"] == "no"


def test_what_is_always_better_is_found_to_be(tmp_path, names, titles):
    rankings = [
        (c, "coreference", write_ranking(tmp_path / f"{c}.tsv", names, shift)) for c, shift in [("a", 0.0), ("b", 0.45)]
    ]
    tables = weigh(tmp_path, rankings, titles)
    verdicts = {(row["claim"], row["measure"]): row["verdict"] for row in tables["claims"]}
    assert {(row["scope"], row["seeds"]) for row in tables["claims"]} == {("checkpoints", "1")}
    assert verdicts["upper_layers_better", "cosine"] == verdicts["gap_grows", "euclidean"] == "supported"
    found = {(row["claim"], row["measure"]): row["found"] for row in tables["claims"]}
    assert found["no_change", "cosine"] == "differ in layer 6"
    assert verdicts["no_change", "cosine"] == ""  # of coreference the paper does not say so
    last = [row for row in tables["differences"] if row["layer"] == str(LAYERS - 1)]
    assert all(float(row["low"]) > 0 and float(row["p_adjusted"]) < 0.1 for row in last)


def test_the_order_of_a_ranking_and_other_tasks_change_nothing(tmp_path, names, titles):
    def table(folder, shuffled, tasks):
        rankings = [
            (c, t, write_ranking(tmp_path / folder / c / f"{t}.tsv", names, shift, shuffled=shuffled))
            for c, shift in [("a", 0.0), ("b", 0.2)]
            for t in tasks
        ]
        return weigh(tmp_path, rankings, titles)

    # Their verdicts are simultaneous with those of other tasks.
    judged = ("verdict", "low", "high", "pairs_needed", "found")

    def of_synonyms(rows):
        rows = [row for row in rows if row["task"] == "synonyms"]
        return [{key: value for key, value in row.items() if key not in ("p_adjusted", *judged)} for row in rows]

    one, other = table("one", False, ["synonyms"]), table("other", True, ["coreference", "synonyms"])
    for name in one:
        assert of_synonyms(one[name]) == of_synonyms(other[name])


def test_the_pairs_that_both_checkpoints_have_are_compared(tmp_path, names, titles):
    rankings = [
        ("a", "synonyms", write_ranking(tmp_path / "a.tsv", names)),
        ("b", "synonyms", write_ranking(tmp_path / "b.tsv", names[6:])),
    ]
    tables = weigh(tmp_path, rankings, titles)
    assert {(row["checkpoint"], row["pairs"], row["pages"]) for row in tables["intervals"]} == {
        ("a", "60", "30"),
        ("b", "54", "27"),
    }
    assert {(row["pairs"], row["pages"]) for row in tables["differences"]} == {("54", "27")}


def test_an_empty_set_and_other_layers_are_left_out(tmp_path, names, titles):
    empty = tmp_path / "empty.tsv"
    write_tsv(str(empty), percentages.RANKING_FIELDS, [])
    rankings = [
        ("a", "synonyms", str(empty)),
        ("b", "synonyms", str(empty)),
        ("a", "boundary", write_ranking(tmp_path / "a.tsv", names, measures=("start",))),
        ("b", "boundary", write_ranking(tmp_path / "b.tsv", names, measures=("start", "end"))),
    ]
    tables = weigh(tmp_path, rankings, titles)
    assert {row["task"] for row in tables["intervals"]} == {"boundary"}
    assert tables["differences"] == tables["claims"] == []


def test_of_ten_layers_and_twelve_each_has_intervals_and_only_those_of_one_number_are_compared(tmp_path, names, titles):
    rankings = [
        (name, "synonyms", write_ranking(tmp_path / f"{name}.tsv", names, seed=seed, layers=layers))
        for seed, (name, layers) in enumerate([("ten", 11), ("twelve", 13), ("ten_again", 11)])
    ]
    tables = weigh(tmp_path, rankings, titles)
    last = {row["checkpoint"]: row["layer"] for row in tables["intervals"]}
    assert last == {"ten": "10", "twelve": "12", "ten_again": "10"}
    for table in (tables["differences"], tables["claims"]):
        assert {(row["before"], row["after"]) for row in table} == {("ten", "ten_again")}
    recipe = weigh(tmp_path, rankings, titles, {"trained": ["twelve"]})
    assert {(row["before"], row["after"]) for row in recipe["claims"]} == {("ten", "ten_again")}


def test_an_example_without_a_title_is_named(tmp_path, names, titles):
    path = write_ranking(tmp_path / "a.tsv", names)
    with pytest.raises(InputError, match=rf"example_id {names[0]} is in no example"):
        weigh(tmp_path, [("a", "synonyms", path)], {name: title for name, title in titles.items() if name != names[0]})


def test_variants_are_judged_each_by_itself_and_the_main_one_as_before(tmp_path, names, titles):
    rankings = [
        (variant, c, "coreference", write_ranking(tmp_path / variant / f"{c}.tsv", names, shift * strength))
        for variant, strength in (("none", 1), ("other", 0))
        for c, shift in (("a", 0.0), ("b", 0.45))
    ]
    pages = weighing.Pages({"coreference": titles})
    weighing.weigh_variants(rankings, pages, weighing.Settings(), str(tmp_path / "variants.tsv"))
    rows = read_tsv(str(tmp_path / "variants.tsv"), VARIANT_FIELDS)
    main = weigh(tmp_path, [ranking[1:] for ranking in rankings if ranking[0] == "none"], titles)["claims"]
    assert [{k: v for k, v in row.items() if k != "variant"} for row in rows if row["variant"] == "none"] == main
    better = {row["variant"]: row["found"] for row in rows if row["claim"] == "upper_layers_better"}
    assert better == {"none": "better", "other": "no gap"}


def test_a_recipe_is_compared_as_one_and_its_seeds_are_its_draws(tmp_path, names, titles):
    rankings = [
        (c, "coreference", write_ranking(tmp_path / f"{c}.tsv", names, shift, seed))
        for seed, (c, shift) in enumerate([("a", 0), ("b-1", 0.2), ("b-2", 0.3), ("b-3", 0.4)])
    ]
    tables = weigh(tmp_path, rankings, titles, {"b": ["b-1", "b-2", "b-3"]})
    assert {(row["before"], row["after"], row["seeds"]) for row in tables["differences"]} == {("a", "b", "3")}
    assert {(row["before"], row["after"], row["scope"], row["seeds"]) for row in tables["claims"]} == {
        ("a", "b", "recipe", "3")
    }
    assert {(row["checkpoint"], row["seeds"]) for row in tables["intervals"]} == {
        *((name, "1") for name in ("a", "b-1", "b-2", "b-3")),
        ("b", "3"),
    }
    value = {(row["checkpoint"], row["measure"], row["layer"]): float(row["auc"]) for row in tables["intervals"]}
    width = {
        (row["checkpoint"], row["measure"], row["layer"]): float(row["auc_high"]) - float(row["auc_low"])
        for row in tables["intervals"]
    }
    for _, measure, layer in [key for key in value if key[0] == "b"]:
        seeds = [value[f"b-{seed}", measure, layer] for seed in (1, 2, 3)]
        assert value["b", measure, layer] == pytest.approx(np.mean(seeds), abs=1e-3)
    # What is said of the recipe in the last layer, where seeds differ by 20 points, is much less sure.
    assert width["b", "cosine", "6"] > 3 * width["b-2", "cosine", "6"]
