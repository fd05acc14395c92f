"""Baselines without a model: worked examples by hand, and equality with the official metric."""

import itertools
import math
import random

import pytest
from nq_official import official_numbers, official_stats, written

from pairprobe.data.examples import Example
from pairprobe.data.pages import Marked, Page, row_of
from pairprobe.evaluation.baselines import (
    FIELDS,
    best_candidate,
    boundary_rows,
    candidate,
    long_answer_rows,
    word_overlap,
    word_weights,
)
from pairprobe.evaluation.nq_files import Answer, Place, Prediction
from pairprobe.evaluation.nq_metric import judge, without_threshold
from pairprobe.io.files import write_json_lines


def page(example_id, question, passages, gold=None, annotators=1):
    """Make a page of these passages, marked up as paragraphs; gold: the number, from 1, of the one that answers."""
    tokens, spans = [], []
    for passage in passages:
        start = len(tokens)
        tokens += ["<P>", *passage.split(), "</P>"]
        spans.append((start, len(tokens)))
    found = Marked(spans[gold - 1] if gold else None)
    candidates = tuple((*span, True) for span in spans)
    return Page(example_id, "T", question.split(), " ".join(tokens), True, candidates, (found,) * annotators)


NILE = page("1", "Where is the Nile ?", ["the river in the north", "the Nile , the NILE", "in Egypt is the Delta"], 3)
OSLO = page("2", "where is Oslo", ["the fjord", "Oslo is in the north"], 2)


def test_word_overlap_by_hand():
    """Five candidates: "the" is in all, "in" in 3, "is" in 2, "nile" in 1; "where" is in none and counts for nothing."""
    weights = word_weights([NILE, OSLO])
    assert weights["the"] == 0
    assert {form: weights[form] for form in ("in", "is", "nile", "oslo")} == pytest.approx(
        {"in": math.log(5 / 3), "is": math.log(5 / 2), "nile": math.log(5), "oslo": math.log(5)}
    )
    assert not weights.keys() & {"where", "?", ",", "<p>", "</p>"}
    place, score = word_overlap(NILE, weights)
    assert place == Place(None, NILE.passages[1])
    assert score == pytest.approx(math.log(5) / (math.log(5) + math.log(5 / 2)))
    assert word_overlap(OSLO, weights) == (Place(None, OSLO.passages[1]), 1.0)


def test_of_several_candidates_with_as_much_overlap_the_first_is_taken():
    tied = page("3", "Nile north", ["a b", "c north", "the north", "d e"])
    assert word_overlap(tied, word_weights([tied]))[0] == Place(None, tied.passages[1])
    nothing = page("4", "what", ["a", "b"])
    assert word_overlap(nothing, word_weights([nothing])) == (Place(None, nothing.passages[0]), 0.0)
    assert word_overlap(page("5", "what", []), {}) == (None, 0.0)


def test_the_kth_candidate_is_counted_from_one_and_a_page_with_fewer_has_no_answer():
    assert candidate(NILE, 1) == (Place(None, NILE.passages[0]), 1.0)
    assert candidate(NILE, 3) == (Place(None, NILE.passages[2]), 1.0)
    assert candidate(OSLO, 3) == (None, 1.0)


def random_pages(seed, number):
    dice = random.Random(seed)
    words = "where is the nile in egypt river north oslo delta".split()
    for i in range(number):
        passages = [" ".join(dice.choices(words, k=4)) for _ in range(dice.randint(1, 5))]
        gold = dice.choice([None, *range(1, len(passages) + 1)])
        yield page(str(i), " ".join(dice.choices(words, k=3)), passages, gold, dice.choice([1, 2, 5]))


@pytest.mark.parametrize("seed", range(6))
def test_the_best_candidate_has_the_highest_f1_of_the_official_metric(seed):
    pages = list(random_pages(seed, 40))
    gold = {
        one.example_id: tuple(
            Answer(Place(None, found.long_answer) if found.long_answer else None, (), None) for found in one.annotations
        )
        for one in pages
    }
    f1 = {}
    for k in range(1, 7):
        found = {one.example_id: Prediction(Answer(candidate(one, k)[0], (), None), 1.0, 1.0) for one in pages}
        f1[k] = without_threshold(judge(gold, found)["long"]).f1
    assert best_candidate(pages) == max(f1, key=f1.get)
    assert f1[best_candidate(pages)] > 0
    assert best_candidate([]) == 1


@pytest.mark.parametrize("trained", [True, False])
def test_the_rows_are_what_the_official_script_says_of_the_asked_questions(tmp_path, trained):
    """Of 60 pages 45 are asked; the best k is chosen on other pages, whose third candidate always answers."""
    pages = list(random_pages(1, 60))
    training = [page(f"t{i}", "a", ["a", "b", "c"], 3) for i in range(4)]
    asked = pages[:45]
    for name, some in (("probe", pages), ("finetune", training)):
        write_json_lines(tmp_path / f"{name}.jsonl.gz", map(row_of, some))
    spans = {one.example_id: one.annotations for one in asked}
    gold = [
        {"example_id": name, "annotations": [_official(found.long_answer) for found in annotations]}
        for name, annotations in spans.items()
    ]
    rows = list(
        long_answer_rows(
            str(write_gold(tmp_path, gold)),
            str(tmp_path / "probe.jsonl.gz"),
            str(tmp_path / "finetune.jsonl.gz") if trained else None,
            seed=3,
        )
    )
    assert {row[0] for row in rows} == {"word_overlap", "always_candidate_1", *["always_candidate_3"] * trained}
    weights = word_weights(asked)
    answers = {
        "word_overlap": lambda one: word_overlap(one, weights),
        "always_candidate_1": lambda one: candidate(one, 1),
        "always_candidate_3": lambda one: candidate(one, 3),
    }
    for name in {row[0] for row in rows}:
        found = {row[3]: row for row in rows if row[0] == name}
        assert {row[7] for row in found.values()} == {"45"}
        predictions = [
            {"example_id": one.example_id, **_official(place and place.in_tokens), "long_answer_score": score}
            for one in asked
            for place, score in [answers[name](one)]
        ]
        for row in predictions:
            row["short_answers_score"] = 0
        stats = {}
        for annotators in (1, 2):
            some = [row for row in gold if (len(row["annotations"]) > 1) == (annotators > 1)]
            ids = {row["example_id"] for row in some}
            paths = written(tmp_path, some, [row for row in predictions if row["example_id"] in ids])
            stats |= official_stats(paths, annotators)["long"]
        (f1, precision, recall, _), recalls, plain = official_numbers(stats.values())
        wanted = {"f1": f1, "precision": precision, "recall": recall, "recall_at_precision_50": recalls[0]}
        wanted |= dict(zip(("precision_unthresholded", "recall_unthresholded", "f1_unthresholded"), plain, strict=True))
        assert {value: found[value][4] for value in wanted} == {value: f"{100 * x:.4f}" for value, x in wanted.items()}
        assert float(found["f1"][5]) <= 100 * f1 <= float(found["f1"][6])


def _official(span):
    start, end = span or (-1, -1)
    place = {"start_token": start, "end_token": end, "start_byte": -1, "end_byte": -1}
    return {"long_answer": place, "short_answers": [], "yes_no_answer": "NONE"}


def write_gold(folder, rows):
    write_json_lines(folder / "asked.jsonl.gz", rows)
    return folder / "asked.jsonl.gz"


def test_the_rows_of_boundary_are_the_sums_of_its_ranking():
    """The heads learn that answers are capitals: "C" outranks 4 words of 4, "b" ties with "c" and is below "D"."""

    def sentence(name, words, answer):
        words = words.split()
        place = words.index(answer)
        return Example(name, f"Page {name}", ["who"], words, (place, place + 1), [(0, len(words))])

    head = [sentence(f"h{i}", "the man is Ada here .", "Ada") for i in range(5)]
    probe = [sentence("1", "a b C d .", "C"), sentence("2", "a b D c .", "b")]
    boundaries = [{"example_id": one.example_id, "sentence": one.sentences[0], "answer": one.answer} for one in probe]
    settings = {"l2": 0.1, "train_examples": None, "test_examples": None}
    rows = [dict(zip(FIELDS, row, strict=True)) for row in boundary_rows(head, probe, boundaries, 1, settings)]
    # Never an answer, the first and the last word are below all others.
    wanted = {"percentage": 100 * (4 + 2) / (5 + 5), "auc": 100 * (4 + 2.5) / (4 + 4)}
    for row, (measure, value) in zip(rows, itertools.product(("start", "end"), wanted), strict=True):
        assert list(row.values())[:4] == ["surface_features", "boundary", measure, value]
        assert float(row["estimate"]) == pytest.approx(wanted[value])
        assert float(row["low"]) <= float(row["estimate"]) <= float(row["high"])
        assert row["examples"] == "2"
