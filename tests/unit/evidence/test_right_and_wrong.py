"""Right and wrong answers beside ranks: by hand, by brute force, and where a group is empty."""

import itertools
from statistics import mean

import numpy as np
import pytest
from scipy import stats

from pairprobe.errors import InputError
from pairprobe.evidence.claims import MIN_PAGES
from pairprobe.evidence.right_and_wrong import Pairs, comparisons, weigh
from pairprobe.io import files
from pairprobe.io.tsv import read_tsv, write_tsv
from pairprobe.rankings.percentages import NOT_COUNTED, RANKING_FIELDS

MEASURES = ("cosine", "euclidean")


def table(folder, rankings, answers, pages, recipes=None, before=None, questions=None):
    """Weigh rankings, {(checkpoint, task): rows}, by answers, {checkpoint: {question: (exact match, F1)}}.

    pages: the page of each pair, whose question it is, too.
    """
    paths = {}
    for (checkpoint, task), rows in rankings.items():
        paths[checkpoint, task] = str(folder / f"{checkpoint}.{task}.tsv")
        write_tsv(paths[checkpoint, task], RANKING_FIELDS, rows)
    tasks = {task for _, task in rankings}
    pairs = Pairs(dict.fromkeys(tasks, pages), dict.fromkeys(tasks, questions or {name: name for name in pages}))
    answering = (recipes or {}) | {one: [one] for one in answers}
    compared = comparisons(answering, dict.fromkeys(answering, before), recipes or {})
    weigh(str(folder / "found.tsv"), compared, paths, pairs, answers)
    return read_tsv(folder / "found.tsv")


def drawn(dice, names, layers=3, measures=MEASURES, specific=True):
    """Draw the rows of a ranking."""
    rows = []
    for name in names:
        words = int(dice.integers(6, 40))
        for measure, layer in itertools.product(measures, range(layers)):
            count = int(dice.integers(0, words))
            sums = (4, 2, 40, 80, 5, int(dice.integers(0, 5 * words))) if specific else NOT_COUNTED
            rows.append((name, measure, layer, count, int(dice.integers(0, words - count + 1)), words + 2, words, *sums))
    return rows


def test_a_worked_example(tmp_path):
    # Questions a and c are answered right; b and d wrong, d in part.
    counts = {"a": (9, 0, 12, 10), "b": (1, 2, 12, 10), "c": (3, 0, 6, 4), "d": (5, 0, 12, 10)}
    rows = [(name, "cosine", 0, *numbers, *NOT_COUNTED) for name, numbers in counts.items()]
    answers = {"tuned": {"a": (1, 1), "b": (0, 0), "c": (1, 1), "d": (0, 0.5)}}
    pages = {"a": "one", "b": "one", "c": "two", "d": "two"}
    found = {row["value"]: row for row in table(tmp_path, {("tuned", "mine"): rows}, answers, pages)}
    assert set(found) == {"auc", "percentage", "f1_correlation"}
    # auc: right (9 + 3) / 14, wrong (1 + 1 + 5) / 20; percentage: right 12 / 18, wrong 6 / 24.
    assert [found["auc"][key] for key in ("right", "wrong", "difference")] == ["85.7143", "35.0000", "50.7143"]
    assert [found["percentage"][key] for key in ("right", "wrong", "difference")] == ["66.6667", "25.0000", "41.6667"]
    # Ranks of .9, .2, .75, .5 are 4, 1, 3, 2; of F1 3.5, 1, 3.5, 2: r = 4.5 / sqrt(5 * 4.5).
    assert float(found["f1_correlation"]["difference"]) == pytest.approx(4.5 / np.sqrt(22.5), abs=1e-4)
    for row in found.values():
        told = [row[key] for key in ("ranked_by", "answered_by", "pairs_right", "pairs_wrong", "pages", "seeds")]
        assert told == ["tuned", "tuned", "2", "2", "2", "1"]
    # Of right pairs 14 / (100 + 16) * 14 pages are effective, of wrong ones 20 * 20 / 200.
    assert found["auc"]["effective_pages"] == "1.7"
    assert found["f1_correlation"]["right"] == ""


def value_by_hand(rows, value):
    """Return a value over rows of a ranking, by loops."""
    part = whole = 0.0
    for row in rows:
        _, _, _, count, ties, para_len, unmatching, *_, anchors, swapped = row
        part += {"percentage": count, "auc": count + ties / 2, "specific": count + ties / 2 - swapped / anchors}[value]
        whole += para_len if value == "percentage" else unmatching
    return 100 * part / whole


def rank_of(row):
    return (row[3] + row[4] / 2) / row[6]


@pytest.fixture
def world():
    """Three trainings of a recipe, what they were made of, and their answers to 30 questions on 11 pages."""
    dice = np.random.default_rng(7)
    names = [f"q{i}" for i in range(30)]
    pages = {name: f"page {int(dice.integers(0, 11))}" for name in names}
    rankings = {(one, "coreference"): drawn(dice, names) for one in ("before", "one", "two", "three")}
    scored = [(1.0, 1.0), (0.0, 0.0), (0.0, 0.4), (0.0, 0.8)]
    answers = {one: {name: scored[dice.integers(0, 4)] for name in names} for one in ("one", "two", "three")}
    return rankings, answers, pages


@pytest.mark.slow
def test_percentages_correlations_and_intervals_are_those_of_brute_force(tmp_path, world):
    rankings, answers, pages = world
    found = table(tmp_path, rankings, answers, pages, {"recipe": ["one", "two", "three"]}, "before")

    def chosen(ranks, measure, layer):
        return [row for row in rankings[ranks, "coreference"] if (row[1], row[2]) == (measure, layer)]

    def statistic(rows, score, value):
        if value == "f1_correlation":
            return stats.spearmanr([*map(rank_of, rows)], [score[row[0]][1] for row in rows]).statistic
        right, wrong = ([row for row in rows if score[row[0]][0] == is_right] for is_right in (1, 0))
        return value_by_hand(right, value) - value_by_hand(wrong, value)

    def half_width(rows, score, value):
        by_page = itertools.groupby(sorted(rows, key=lambda row: pages[row[0]]), key=lambda row: pages[row[0]])
        of_pages = [list(some) for _, some in by_page]
        left_out = [statistic([row for row in rows if row not in some], score, value) for some in of_pages]
        whole = statistic(rows, score, value)
        error = ((len(left_out) - 1) / len(left_out) * sum((each - whole) ** 2 for each in left_out)) ** 0.5
        size = {"percentage": lambda row: row[5], "f1_correlation": lambda row: 1}.get(value, lambda row: row[6])
        groups = ((0, 1),) if value == "f1_correlation" else ((0,), (1,))
        sizes = [[sum(size(row) for row in some if score[row[0]][0] in group) for some in of_pages] for group in groups]
        effective = min(sum(each) ** 2 / sum(one**2 for one in each) for each in sizes)
        return stats.t.ppf(0.975, effective - 1) * error

    several = {"recipe": ["one", "two", "three"]} | {one: [one] for one in answers}
    assert len(found) == 4 * 2 * 4 * 2 * 3
    for row in found:
        value, seeds = row["value"], several[row["answered_by"]]
        ranks = [one if row["ranked_by"] == row["answered_by"] else "before" for one in seeds]
        rows = [chosen(one, row["measure"], int(row["layer"])) for one in ranks]
        wanted = mean(statistic(each, answers[one], value) for each, one in zip(rows, seeds, strict=True))
        assert float(row["difference"]) == pytest.approx(wanted, abs=1e-4)
        if row["seeds"] == "1":
            half = half_width(rows[0], answers[seeds[0]], value)
            most = 1 if value == "f1_correlation" else 200 if value == "specific" else 100
            assert float(row["low"]) == pytest.approx(max(-most, wanted - half), abs=2e-4)
            assert float(row["high"]) == pytest.approx(min(most, wanted + half), abs=2e-4)
        right = [sum(score for score, _ in answers[one].values()) for one in seeds]
        assert float(row["pairs_right"]) == pytest.approx(mean(right), abs=0.05)
        assert float(row["pairs_right"]) + float(row["pairs_wrong"]) == pytest.approx(30, abs=0.1)


def test_what_a_seed_moves_in_right_and_wrong_pairs_alike_makes_no_error_of_their_difference(tmp_path, world):
    _, answers, pages = world
    dice = np.random.default_rng(5)
    counts = {name: int(dice.integers(0, 30)) for name in pages}
    several = {  # of 50 unmatching words each
        (one, "mine"): [(name, "cosine", 0, count + 7 * i, 0, 52, 50, *NOT_COUNTED) for name, count in counts.items()]
        for i, one in enumerate(answers)
    }
    same = dict.fromkeys(answers, answers["one"])
    found = [row for row in table(tmp_path, several, same, pages, {"recipe": [*answers]}) if row["value"] == "auc"]
    assert {row["answered_by"] for row in found} == {"recipe", *answers}
    assert len({tuple(row[name] for name in ("difference", "low", "high", "p")) for row in found}) == 1


def test_p_is_corrected_for_all_tasks_measures_and_layers_of_a_comparison(tmp_path, world):
    rankings, answers, pages = world
    rankings |= {("one", "synonyms"): rankings["one", "coreference"]}
    found = table(tmp_path, {key: rankings[key] for key in rankings if key[0] == "one"}, {"one": answers["one"]}, pages)
    for row in found:
        assert float(row["p_adjusted"]) == pytest.approx(min(1, 12 * float(row["p"])), abs=1e-4)


@pytest.mark.parametrize("score", [(1.0, 1.0), (0.0, 0.0)])
def test_where_all_are_right_or_all_are_wrong_cells_are_empty(tmp_path, world, score):
    rankings, answers, pages = world
    same = {one: dict.fromkeys(pages, score) for one in answers}
    found = table(tmp_path, rankings, same, pages, {"recipe": ["one", "two", "three"]}, "before")
    assert len(found) == 192
    for row in found:
        assert {row[key] for key in ("difference", "low", "high", "p", "p_adjusted")} == {""}
        here, there = ("right", "wrong") if score[0] else ("wrong", "right")
        assert row[f"pairs_{there}"] == "0"
        assert row[f"pairs_{here}"] == "30"
        assert (row[there], row[here] == "") == ("", row["value"] == "f1_correlation")


def test_one_right_pair_has_a_value_and_no_interval(tmp_path, world):
    rankings, _, pages = world
    one = {"one": dict.fromkeys(pages, (0.0, 0.0)) | {"q0": (1.0, 1.0)}}
    found = table(tmp_path, {("one", "coreference"): rankings["one", "coreference"]}, one, pages)
    for row in found:
        assert row["difference"] != ""
        assert (row["low"], row["p"], row["p_adjusted"]) == ("", "", "")


def test_a_task_without_pairs_and_pairs_of_no_scored_question_are_left_out(tmp_path, world):
    rankings, answers, pages = world
    some = {"one": {name: score for name, score in answers["one"].items() if name not in ("q3", "q4")}}
    several = {("one", "coreference"): rankings["one", "coreference"], ("one", "synonyms"): []}
    found = table(tmp_path, several, some, pages)
    assert {row["task"] for row in found} == {"coreference"}
    assert {float(row["pairs_right"]) + float(row["pairs_wrong"]) for row in found} == {28}


def test_only_pairs_that_all_seeds_rank_count(tmp_path, world):
    rankings, answers, pages = world
    rankings["two", "coreference"] = [row for row in rankings["two", "coreference"] if row[0] != "q5"]
    found = table(tmp_path, rankings, answers, pages, {"recipe": ["one", "two", "three"]}, "before")
    counted = {(r["ranked_by"], r["answered_by"]): float(r["pairs_right"]) + float(r["pairs_wrong"]) for r in found}
    assert counted["recipe", "recipe"] == pytest.approx(29, abs=0.1)
    assert counted["before", "recipe"] == pytest.approx(30, abs=0.1)


def test_a_pair_of_no_example_is_refused(tmp_path, world):
    rankings, answers, pages = world
    with pytest.raises(InputError, match="example_id q0 is in no example"):
        table(tmp_path, rankings, answers, {name: page for name, page in pages.items() if name != "q0"})


def test_pairs_of_a_file_have_the_questions_of_the_same_texts(tmp_path):
    def example(name, question, paragraph):
        words = {"question": question.split(), "paragraph": paragraph.split()}
        return {"example_id": name, "title": f"page {name}", **words, "answer": None, "sentences": [[0, 2]]}

    data = [example("1", "who came", "Ann came"), example("2", "who left", "Ann left")]
    own = [example("aa", "who left", "Ann left"), example("bb", "who left", "Bob left")]
    files.write_json_lines(tmp_path / "probe.jsonl.gz", data)
    files.write_json_lines(tmp_path / "own.jsonl.gz", own)
    pair = {"anchor": {"side": "question", "words": [0]}, "match": {"words": [0]}}
    files.write_json_lines(tmp_path / "synonyms.jsonl", [{"example_id": "1", **pair}])
    files.write_json_lines(
        tmp_path / "mine.jsonl", [{"example_id": name, "id": f"{name}{i}", **pair} for name in ("aa", "bb") for i in (1, 2)]
    )
    probe, mine = str(tmp_path / "probe.jsonl.gz"), str(tmp_path / "own.jsonl.gz")
    sets = [str(tmp_path / f"{task}.jsonl") for task in ("synonyms", "mine")]
    found = Pairs.read(["synonyms", "mine"], sets, [probe, mine], probe)
    assert found.questions == {"synonyms": {"1": "1"}, "mine": {"aa1": "2", "aa2": "2"}}
    assert found.titles["mine"]["bb1"] == "page bb"


# Where there is nothing to find.

SEEDS, LAYERS, PAGES = ("one", "two", "three"), 4, 64


def nothing(dice, level):
    """Draw rankings and answers that have nothing to do with each other, on pages that are easy or hard in both.

    level: of the pairs' auc, in logits. Seeds move ranks by page, measure and layer, and a tenth of the answers.
    """
    sizes = 1 + dice.poisson(1, PAGES)
    page = np.repeat(np.arange(PAGES), sizes)
    pages = {f"q{i}": f"page {number}" for i, number in enumerate(page)}
    share = dice.normal(0, 0.5, PAGES)[page][:, None] + dice.normal(level, 0.7, (len(page), 1))
    hard = dice.normal(0, 1, PAGES)[page] + dice.normal(0, 1, len(page))
    words = 20 + dice.poisson(60, len(page))
    rankings, answers = {}, {}
    for one in SEEDS:
        moved = share + np.repeat(dice.normal(0, 0.3, (1, 2)), LAYERS) + dice.normal(0, 0.4, (len(page), 2 * LAYERS))
        counts = dice.binomial(words[:, None], 1 / (1 + np.exp(-moved)))
        others = dice.binomial(words[:, None], 1 / (1 + np.exp(-share)), counts.shape)
        rankings[one, "coreference"] = [
            (name, MEASURES[k // LAYERS], k % LAYERS, counts[i, k], 0, words[i] + 2, words[i], *(0,) * 4, 1, others[i, k])
            for i, name in enumerate(pages)
            for k in range(2 * LAYERS)
        ]
        turned = np.where(dice.random(len(page)) < 0.1, -hard, hard)
        part = np.round(dice.random(len(page)), 1) * (dice.random(len(page)) < 0.3)
        answers[one] = {name: (1.0, 1.0) if turned[i] > 0 else (0.0, part[i]) for i, name in enumerate(pages)}
    return rankings, answers, pages


def rejected(rows, unit, value, p):
    """Say whether any test of a comparison and value finds something."""
    return any(float(row[p]) <= 0.05 for row in rows if (row["answered_by"], row["value"]) == (unit, value))


@pytest.mark.slow
@pytest.mark.parametrize("level", [0.5, 3.0])
def test_where_answers_have_nothing_to_do_with_ranks_at_most_one_run_of_twenty_finds_something(tmp_path, level):
    runs, dice = 100, np.random.default_rng(11)
    kinds = [*itertools.product(("recipe", "one"), ("auc", "percentage", "specific", "f1_correlation"))]
    corrected, by_itself = np.zeros(len(kinds)), np.zeros(len(kinds))
    for _ in range(runs):
        rankings, answers, pages = nothing(dice, level)
        rows = table(tmp_path, rankings, answers, pages, {"recipe": list(SEEDS)})
        assert min(float(row["effective_pages"]) for row in rows) >= MIN_PAGES
        corrected += [rejected(rows, *kind, "p_adjusted") for kind in kinds]
        by_itself += [rejected(rows, *kind, "p") for kind in kinds]
    assert corrected.max() <= stats.binom.ppf(0.999, runs, 0.05)
    # Without the correction it is more: the simulation can tell.
    assert by_itself[4:].min() > stats.binom.ppf(0.999, runs, 0.05)
