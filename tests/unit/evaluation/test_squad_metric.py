"""Exact match and F1: of an answer, and of files of gold answers and predictions."""

import json
import math
import random
import re

import pytest

from pairprobe.errors import InputError
from pairprobe.evaluation.squad_metric import by_question, exact_match, f1, normalized, scores
from pairprobe.io import files


@pytest.mark.parametrize(
    ("prediction", "golds", "match", "overlap"),
    [
        ("Denver Broncos", ["Denver Broncos", "Denver Broncos", "the Broncos"], 1, 1),  # several golds, one the same
        ("The Denver Broncos!", ["denver broncos"], 1, 1),  # article, punctuation, case
        ("an apple a day", ["Apple Day"], 1, 1),  # articles in the middle
        ("theatre", ["atre"], 0, 0),  # an article is a whole word
        ("U.S.", ["US"], 1, 1),  # punctuation goes, and no blank comes
        ("well-known", ["well known"], 0, 0),  # a hyphen too
        ("Broncos", ["Denver Broncos"], 0, 2 / 3),  # precision 1, recall 1/2
        ("the big red dog", ["red dog"], 0, 0.8),  # precision 2/3, recall 1
        ("dog dog", ["dog"], 0, 2 / 3),  # a word counts once for each time that it stands in both
        ("Santa Clara California", ["Levi's Stadium", "Santa Clara", "California"], 0, 0.8),  # the best of several
        ("1,000", ["1000"], 1, 1),
        ("café", ["cafe"], 0, 0),  # accents stay
        ("Paris", ["London"], 0, 0),
    ],
)
def test_scores_are_those_of_the_squad_script(prediction, golds, match, overlap):
    assert exact_match(prediction, golds) == match
    assert f1(prediction, golds) == pytest.approx(overlap)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("", []),
        ("The", []),
        (" .\n--", []),
        ("A rose is a  rose", ["rose", "is", "rose"]),
        ("The U.S. Senate\u00a0met", ["us", "senate", "met"]),
        ("an-other", ["another"]),  # punctuation goes first, then articles
        ("«the» 東京", ["«", "»", "東京"]),  # only ASCII's punctuation goes
    ],
)
def test_case_punctuation_and_articles_do_not_count(answer, words):
    assert normalized(answer) == words


def write(folder, gold, texts):
    files.write_json_lines(folder / "gold.jsonl.gz", gold)
    (folder / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
    return str(folder / "gold.jsonl.gz"), str(folder / "texts.json")


def row(example_id, *answers):
    return {"example_id": example_id, "answers": answers}


def test_scores_are_means_over_the_questions_in_percent(tmp_path):
    gold = [row("a", "Denver Broncos"), row("b", "London", "the big red dog"), row("c", "1901"), row("d", "Rome", "Oslo")]
    texts = {"a": "the broncos", "b": "red dog", "c": "1901", "d": "Paris", "unasked": "?"}
    assert scores(*write(tmp_path, gold, texts)) == (4, 25.0, pytest.approx(100 * (2 / 3 + 0.8 + 1 + 0) / 4))


def test_ids_that_are_numbers_are_found_as_texts(tmp_path):
    assert scores(*write(tmp_path, [row(-7, "Nile")], {"-7": "Nile"})) == (1, 100.0, 100.0)


def test_questions_without_an_answer_count_where_they_can_be_asked(tmp_path):
    gold = [row("a", "Nile"), row("b"), row("c"), row("d", "Oslo")]
    paths = write(tmp_path, gold, {"a": "Nile", "b": "", "c": "Nile", "d": ""})
    assert scores(*paths) == (2, 50.0, 50.0)
    assert scores(*paths, unanswerable=True) == (4, 50.0, 50.0)


def test_a_gold_answer_of_which_nothing_is_left_is_as_none_where_there_can_be_none(tmp_path):
    # As in the official script of SQuAD 2.0: "" is right where no gold answer has words, and wrong where one has.
    gold = [row("a", "...", "the"), row("b", "...", "Nile")]
    paths = write(tmp_path, gold, {"a": "", "b": ""})
    assert scores(*paths, unanswerable=True) == (2, 50.0, 50.0)


@pytest.mark.parametrize("unanswerable", [False, True])
def test_without_questions_there_are_no_scores(tmp_path, unanswerable):
    number, *found = scores(*write(tmp_path, [], {"a": ""}), unanswerable)
    assert number == 0
    assert all(map(math.isnan, found))


def test_where_no_question_has_an_answer_there_are_no_scores_but_of_refusals(tmp_path):
    paths = write(tmp_path, [row("a"), row("b")], {"a": "", "b": "Nile"})
    assert scores(*paths)[0] == 0
    assert scores(*paths, unanswerable=True) == (2, 50.0, 50.0)


def test_each_question_has_its_own_scores_and_no_answer_is_wrong(tmp_path):
    paths = write(tmp_path, [row(1, "Nile"), row("b"), row("c", "Oslo")], {"1": "the Nile", "b": "Rome", "c": ""})
    assert by_question(*paths) == {"1": (1, 1), "c": (0, 0)}
    assert by_question(*paths, unanswerable=True) == {"1": (1, 1), "b": (0, 0), "c": (0, 0)}


@pytest.mark.parametrize("answers", [["Nile"], []])
def test_a_question_that_was_not_answered_is_named(tmp_path, answers):
    gold, texts = write(tmp_path, [row("a", "Nile"), row("b", *answers)], {"a": "Nile"})
    with pytest.raises(InputError, match=re.escape(f"{texts}: no answer to question b ({gold}, line 2).")):
        scores(gold, texts)


def test_scores_of_a_file_are_those_of_each_question(tmp_path):
    dice = random.Random(3)
    pieces = ["the", "Nile", "nile", "a", "U.S.", "US", "", "1901", "dog"]
    golds = {f"q{i}": [" ".join(dice.choices(pieces, k=3)) for _ in range(dice.randrange(3))] for i in range(200)}
    texts = {name: " ".join(dice.choices(pieces, k=2)) for name in golds}
    paths = write(tmp_path, [row(name, *answers) for name, answers in golds.items()], texts)
    asked = [name for name in golds if golds[name]]
    assert 50 < len(asked) < 200
    means = [100 * sum(of(texts[name], golds[name]) for name in asked) / len(asked) for of in (exact_match, f1)]
    assert scores(*paths) == (len(asked), *map(pytest.approx, means))
