"""The metric of Natural Questions equals the official script's, to the last bit.

The oracle is the package ``natural-questions``. It is run on the same files, its flags set to how many annotators must
agree.
"""

import gzip
import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from natural_questions import nq_eval
from nq_official import (
    TARGETS,
    assert_official,
    corpus,
    judged_from,
    judged_of,
    long_only,
    official_at,
    official_stats,
    our_numbers,
    rows_of,
    written,
)

from pairprobe.evaluation.nq_bootstrap import intervals
from pairprobe.evaluation.nq_files import Answer, read_gold, read_predictions
from pairprobe.evaluation.nq_metric import (
    Judged,
    Score,
    at_best_threshold,
    curve,
    judge,
    needed,
    recall_at,
    without_threshold,
)
from pairprobe.evaluation.nq_scores import CURVE_FIELDS, SCORE_FIELDS, curve_rows, scores

# No deadline: a busy machine is no failure.
unhurried = settings(deadline=None, max_examples=200)


# --- Equality with the official script ------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("annotators", [1, 2, 3, 5])
@pytest.mark.parametrize("seed", range(3))
def test_every_number_is_the_official_scripts(tmp_path, annotators, seed):
    paths = written(tmp_path, *corpus(seed, annotators, 1000))
    assert_official(judged_of(paths), official_stats(paths, annotators))


@pytest.mark.slow
@pytest.mark.parametrize("annotators", [1, 2, 5])
def test_every_number_of_a_few_questions_is_the_official_scripts(tmp_path, annotators):
    nothing_right = 0
    for seed in range(150):
        paths = written(tmp_path, *corpus(seed, annotators, 1 + seed % 8))
        judged = judged_of(paths)
        assert_official(judged, official_stats(paths, annotators))
        nothing_right += not judged["short"].correct.any()
    assert 10 < nothing_right < 140


def test_where_the_number_of_annotators_differs_each_question_is_the_official_scripts_at_its_own(tmp_path):
    gold, predictions, stats = [], [], {"long": {}, "short": {}}
    for annotators in (1, 2, 5):
        part = corpus("mixed", annotators, 700)
        for answer, found in official_stats(written(tmp_path, *part), annotators).items():
            stats[answer] |= found
        gold, predictions = gold + part[0], predictions + part[1]
    assert_official(judged_of(written(tmp_path, gold, predictions)), stats)


def test_the_random_questions_hold_what_the_metric_turns_on(tmp_path):
    paths = written(tmp_path, *corpus(0, 3, 1000))
    gold, predictions = read_gold(paths[0]), read_predictions(paths[1])
    judged = judge(gold, predictions)
    for found in judged.values():
        assert 0.1 < found.correct.mean() < 0.9
        assert 0.1 < found.has_gold.mean() < 0.99
        assert 0.1 < found.has_prediction.mean() < 0.95
        assert 100 < len(np.unique(found.score)) < 900
        threshold, _, recall = curve(found)
        assert threshold[0] > at_best_threshold(found).threshold > threshold[-1]
        assert 0 < recall_at(found, 0.75) < recall.max()
    right = [predictions[name].answer for name in judged["short"].example_ids[judged["short"].correct]]
    assert {answer.yes_no for answer in right} == {"yes", "no", None}
    assert {len(answer.short) for answer in right} >= {0, 1, 2, 3}
    assert {(place.in_bytes is None, place.in_tokens is None) for answer in right for place in answer.short} == {
        (False, False),
        (False, True),
        (True, False),
    }


def test_our_scores_of_files_are_the_official_scripts_of_the_same_files(tmp_path):
    paths = written(tmp_path, *corpus("files", 5, 500))
    with official_at(2):
        theirs = nq_eval.get_metrics_as_dict(str(paths[0]), str(paths[1]), num_threads=1)
    for row in scores(*paths, seed=0):
        ours, prefix = dict(zip(SCORE_FIELDS, row, strict=True)), row[0]
        for name in ("precision", "recall", "f1"):
            assert ours[name] == f"{100 * theirs[f'{prefix}-best-threshold-{name}']:.4f}"
        assert ours["threshold"] == f"{theirs[f'{prefix}-best-threshold']:.6g}"
        for target in TARGETS:
            recall = theirs[f"{prefix}-recall-at-precision>={target:.2}"]
            assert ours[f"recall_at_precision_{target * 100:.0f}"] == f"{100 * recall:.4f}"


def test_scores_are_of_what_was_judged(tmp_path):
    paths = written(tmp_path, *corpus("rows", 2, 300))
    judged = judged_of(paths)
    rows = [dict(zip(SCORE_FIELDS, row, strict=True)) for row in scores(*paths, seed=3)]
    assert [row["answer"] for row in rows] == ["long", "short"]
    for row in rows:
        found = judged[row["answer"]]
        assert [int(row[key]) for key in ("examples", "gold", "predicted")] == [
            300,
            sum(found.has_gold),
            sum(found.has_prediction),
        ]
        for name, between in intervals(found, seed=3).items():
            assert (row[f"{name}_low"], row[f"{name}_high"]) == tuple(f"{100 * end:.4f}" for end in between)
            assert row[f"{name}_unthresholded"] == f"{100 * getattr(without_threshold(found), name):.4f}"


@pytest.mark.parametrize("seed", range(5))
def test_each_point_of_the_curve_is_the_official_score_with_lower_predictions_left_out(tmp_path, seed):
    paths = written(tmp_path, *corpus(seed, 2, 60))
    judged, stats = judged_of(paths), official_stats(paths, 2)
    for answer in ("long", "short"):
        rows = list(stats[answer].values())
        thresholds = sorted({row[-1] for row in rows}, reverse=True)
        kept = [[(gold, p and s >= t, right and s >= t, s) for gold, p, right, s in rows] for t in thresholds]
        official = [nq_eval.compute_f1(some) for some in kept]
        threshold, precision, recall = curve(judged[answer])
        assert threshold.tolist() == thresholds
        assert precision.tolist() == [some["precision"] for some in official]
        assert recall.tolist() == [some["recall"] for some in official]


def test_curve_rows_are_the_curves_in_percent(tmp_path):
    paths = written(tmp_path, *corpus("curve", 5, 100))
    rows = [dict(zip(CURVE_FIELDS, row, strict=True)) for row in curve_rows(*paths)]
    for answer, judged in judged_of(paths).items():
        found = [tuple(float(row[key]) for key in CURVE_FIELDS[1:]) for row in rows if row["answer"] == answer]
        threshold, precision, recall = curve(judged)
        np.testing.assert_allclose(
            np.array(found), np.stack([threshold, 100 * precision, 100 * recall], 1), rtol=1e-5, atol=5e-5
        )


# --- By hand --------------------------------------------------------------------------------------------------------


@pytest.fixture
def by_hand(tmp_path):
    """Six questions of two annotators each: gold in a, b, d and e; right are a (9) and d (7)."""
    gold = {"a": (10, 10), "b": (10, 20), "c": (10, -1), "d": (10, 20), "e": (10, 10), "f": (-1, -1)}
    predicted = {"a": (10, 9), "b": (30, 8), "c": (10, 7), "d": (20, 7), "e": (-1, 1), "f": (10, 0)}
    return judged_of(
        written(
            tmp_path,
            [{"example_id": name, "annotations": [long_only(start) for start in both]} for name, both in gold.items()],
            [{"example_id": name, **long_only(*pair)} for name, pair in predicted.items()],
        )
    )["long"]


def test_a_worked_example(by_hand):
    assert by_hand.example_ids.tolist() == list("abcdef")
    assert by_hand.has_gold.tolist() == [True, True, False, True, True, False]
    assert by_hand.correct.tolist() == [True, False, False, True, False, False]
    # Kept are a; a b; a b c d, since c and d have one score; the same, as e is no answer; a b c d f.
    threshold, precision, recall = curve(by_hand)
    assert threshold.tolist() == [9, 8, 7, 1, 0]
    assert precision.tolist() == [1, 1 / 2, 2 / 4, 2 / 4, 2 / 5]
    assert recall.tolist() == [1 / 4, 1 / 4, 2 / 4, 2 / 4, 2 / 4]
    # F1 is 0.4, 0.33, 0.5, 0.5, 0.44: the higher of the two thresholds.
    assert at_best_threshold(by_hand) == Score(precision=0.5, recall=0.5, f1=0.5, threshold=7)
    assert [recall_at(by_hand, target) for target in TARGETS] == [0.5, 0.25, 0.25]
    plain = without_threshold(by_hand)
    assert (plain.precision, plain.recall, plain.threshold) == (0.4, 0.5, -math.inf)
    assert plain.f1 == pytest.approx(4 / 9)


@pytest.mark.parametrize(("annotators", "agreeing"), [(0, 1), (1, 1), (2, 2), (3, 2), (5, 2)])
def test_two_annotators_must_agree_or_the_one_there_is(annotators, agreeing):
    assert needed([Answer(None, (), None)] * annotators) == agreeing


def test_a_question_that_nobody_annotated_has_no_gold_answer(tmp_path):
    judged = judged_of(
        written(tmp_path, [{"example_id": 1, "annotations": []}], [{"example_id": 1, **long_only(3, score=1)}])
    )
    assert rows_of(judged["long"]) == {"1": (False, True, False, 1)}
    assert rows_of(judged["short"]) == {"1": (False, False, False, 0)}


def test_a_threshold_of_minus_0_is_0(tmp_path):
    gold, prediction = {"example_id": 1, "annotations": [long_only(3)]}, {"example_id": 1, **long_only(3, score=-0.0)}
    row = dict(zip(SCORE_FIELDS, scores(*written(tmp_path, [gold], [prediction]), seed=0)[0], strict=True))
    assert (row["threshold"], row["f1"]) == ("0", "100.0000")


def test_ids_compare_as_strings(tmp_path):
    gold, predictions = corpus("ids", 2, 50)
    paths = written(tmp_path, gold, predictions)
    numbers = scores(*paths, seed=0)
    for row in predictions:
        row["example_id"] = str(row["example_id"])
    assert scores(*written(tmp_path, gold, predictions), seed=0) == numbers


def test_the_order_of_the_questions_does_not_matter(tmp_path):
    gold, predictions = corpus("order", 5, 200)
    before = scores(*written(tmp_path, gold, predictions), seed=1)
    for rows in (gold, predictions):
        random.Random(0).shuffle(rows)
    assert scores(*written(tmp_path, gold, predictions), seed=1) == before


def test_gold_need_not_be_compressed(tmp_path):
    gold, predictions = written(tmp_path, *corpus("plain", 2, 20))
    plain = tmp_path / "gold.jsonl"
    plain.write_bytes(gzip.decompress(gold.read_bytes()))
    assert scores(plain, predictions, seed=0) == scores(gold, predictions, seed=0)


# --- Properties -----------------------------------------------------------------------------------------------------


judgements = st.lists(
    st.tuples(st.booleans(), st.booleans(), st.booleans(), st.integers(-5, 5)), min_size=1, max_size=40
).map(judged_from)


@pytest.mark.slow
@unhurried
@given(judgements)
def test_along_the_curve_thresholds_fall_and_recall_never_does(judged):
    threshold, _, recall = curve(judged)
    assert (np.diff(threshold) < 0).all()
    assert (np.diff(recall) >= 0).all()
    assert set(threshold) == set(judged.score)


@pytest.mark.slow
@unhurried
@given(judgements)
def test_no_threshold_is_better_than_the_best(judged):
    best = at_best_threshold(judged)
    _, precision, recall = curve(judged)
    both = precision + recall
    assert best.f1 >= without_threshold(judged).f1
    assert best.f1 == pytest.approx(max(2 * precision * recall / np.where(both, both, 1)))


@pytest.mark.slow
@unhurried
@given(judgements, st.floats(0, 1), st.floats(0, 1))
def test_more_precision_never_gives_more_recall(judged, one, other):
    assert recall_at(judged, max(one, other)) <= recall_at(judged, min(one, other))


@pytest.mark.slow
@unhurried
@given(judgements)
def test_the_scale_of_the_scores_does_not_matter(judged):
    scaled = Judged(judged.example_ids, judged.has_gold, judged.has_prediction, judged.correct, 2 * judged.score - 100)
    (*ours, _), recalls, plain = our_numbers(judged)
    assert our_numbers(scaled) == ((*ours, at_best_threshold(scaled).threshold), recalls, plain)
    assert intervals(scaled, seed=0, resamples=20) == intervals(judged, seed=0, resamples=20)
