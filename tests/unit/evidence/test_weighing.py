"""The tables of evidence: of rankings whose numbers are known."""

import numpy as np
import pytest

from pairprobe.errors import InputError
from pairprobe.evidence import weighing
from pairprobe.evidence.fields import VARIANT_FIELDS
from pairprobe.io.tsv import read_tsv, write_tsv
from pairprobe.rankings import percentages

LAYERS = 7


def write_ranking(path, names, shift=0.0, seed=0, measures=("cosine", "euclidean"), shuffled=False):
    dice = np.random.default_rng(seed)
    rows = []
    for name in names:
        para_len = 50 + len(name) * 7 % 40
        for measure in measures:
            for layer in range(LAYERS):
                count = int(dice.binomial(para_len - 2, min(1, 0.5 + shift * layer / LAYERS)))
                rows.append((name, measure, layer, count, int(dice.integers(0, 2)), para_len, para_len - 2))
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
    return {name: f"page {i // 3}" for i, name in enumerate(names)}


def weigh(folder, rankings, titles, **settings):
    paths = {name: str(folder / f"{name}.tsv") for name in ("intervals", "differences", "claims")}
    weighing.weigh(rankings, titles, weighing.Settings(**{"resamples": 400, **settings}), paths)
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
        assert (row["pairs"], row["pages"]) == ("60", "20")
    for row in tables["differences"]:
        key = (row["task"], row["measure"], int(row["layer"]))
        assert float(row["difference"]) == pytest.approx(
            float(wanted["after", *key][8]) - float(wanted["before", *key][8]), abs=2e-4
        )
        assert float(row["p"]) <= float(row["p_holm"]) <= 1


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
    assert verdicts["upper_layers_better", "cosine"] == verdicts["gap_grows", "euclidean"] == "supported"
    assert verdicts["no_change", "cosine"] == "contradicted"
    last = [row for row in tables["differences"] if row["layer"] == str(LAYERS - 1)]
    assert all(float(row["low"]) > 0 and float(row["p_holm"]) < 0.1 for row in last)


def test_the_order_of_a_ranking_and_other_tasks_change_nothing(tmp_path, names, titles):
    def table(folder, shuffled, tasks):
        rankings = [
            (c, t, write_ranking(tmp_path / folder / c / f"{t}.tsv", names, shift, shuffled=shuffled))
            for c, shift in [("a", 0.0), ("b", 0.2)]
            for t in tasks
        ]
        return weigh(tmp_path, rankings, titles)

    def of_synonyms(rows):
        return [{key: value for key, value in row.items() if key != "p_holm"} for row in rows if row["task"] == "synonyms"]

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
        ("a", "60", "20"),
        ("b", "54", "18"),
    }
    assert {(row["pairs"], row["pages"]) for row in tables["differences"]} == {("54", "18")}


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
    settings = weighing.Settings(resamples=400)
    weighing.weigh_variants(rankings, titles, settings, str(tmp_path / "variants.tsv"))
    rows = read_tsv(str(tmp_path / "variants.tsv"), VARIANT_FIELDS)
    main = weigh(tmp_path, [ranking[1:] for ranking in rankings if ranking[0] == "none"], titles)["claims"]
    assert [{k: v for k, v in row.items() if k != "variant"} for row in rows if row["variant"] == "none"] == main
    better = {row["variant"]: row["verdict"] for row in rows if row["claim"] == "upper_layers_better"}
    assert better == {"none": "supported", "other": "undecided"}
