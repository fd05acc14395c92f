"""The metric of Natural Questions equals the official script's, to the last bit; intervals equal a loop over resamples.

The oracle is the package ``natural-questions``. It is run on the same files, its flags set to how many annotators must
agree.
"""

import contextlib
import gzip
import itertools
import json
import math
import random
import tracemalloc
import warnings

import numpy as np
import pandas as pd
import pytest
from absl import flags
from hypothesis import given, settings
from hypothesis import strategies as st
from natural_questions import eval_utils, nq_eval

from pairprobe.errors import InputError
from pairprobe.evaluation import nq_metric
from pairprobe.evaluation.nq_metric import (
    CURVE_FIELDS,
    SCORE_FIELDS,
    Judged,
    at_best_threshold,
    curve,
    curve_rows,
    draws,
    intervals,
    judge,
    needed,
    read_gold,
    read_predictions,
    recall_at,
    scores,
    without_threshold,
)
from pairprobe.io import files, tsv
from pairprobe.tables.nq_scores import paper_table

TARGETS = (0.5, 0.75, 0.9)
NOWHERE = {"start_byte": -1, "end_byte": -1, "start_token": -1, "end_token": -1}

# No deadline: a busy machine is no failure.
unhurried = settings(deadline=None, max_examples=200)


# --- Random questions, and what the official script says of them ----------------------------------------------------


def span(dice):
    """Draw one of few spans, so that some agree by chance: in tokens and bytes alone, too."""
    start = dice.randrange(4)
    end = start + 1 + dice.randrange(2)
    shift = dice.choice([0, 0, 0, 7])
    known = dice.choice(["both", "both", "tokens", "bytes"])
    return {
        "start_byte": 10 * start + shift if known != "tokens" else -1,
        "end_byte": 10 * end + shift if known != "tokens" else -1,
        "start_token": start if known != "bytes" else -1,
        "end_token": end if known != "bytes" else -1,
    }


def annotation(dice):
    """Draw an annotation: null or not, several spans, some null or twice; an annotator's yes may stand beside spans."""
    short = [dice.choice([span(dice), span(dice), NOWHERE]) for _ in range(dice.choice([0, 0, 1, 1, 2, 3]))]
    if short and dice.random() < 0.2:
        short.append(dice.choice(short))
    return {
        "long_answer": {**(NOWHERE if dice.random() < 0.4 else span(dice)), "candidate_index": dice.randrange(9)},
        "short_answers": short,
        "yes_no_answer": dice.choice(["NONE"] * 6 + ["YES", "NO", "yes"]),
        "annotation_id": dice.randrange(1 << 60),
    }


def less_known(dice, place):
    """Return a span, some of its offsets hidden: the rest may no longer be where the original's known ones are."""
    hidden = dice.choice(["", "", "", "", "byte", "token"])
    return {key: -1 if hidden and key.endswith(hidden) else value for key, value in place.items()}


def prediction(dice, example_id, annotations):
    """Draw a prediction, often that of an annotator, in another order or with a span twice; scores have ties."""
    copied = dice.random() < 0.6
    found = dice.choice(annotations) if copied else annotation(dice)
    short = [less_known(dice, place) for place in found["short_answers"]]
    dice.shuffle(short)
    short += short[:1] if dice.random() < 0.2 else []
    row = {
        "example_id": example_id,
        "long_answer": less_known(dice, found["long_answer"]),
        "short_answers": short,
        "yes_no_answer": found["yes_no_answer"],
    }
    for key in ("long_answer_score", "short_answers_score"):
        sure = dice.gauss(2 * copied, 1)
        row[key] = dice.choice([sure, sure, round(sure, 1), round(sure, 1), round(sure), -0.0 if sure < 0 else 0])
        row[key] = -math.inf if dice.random() < 0.02 else row[key]
    if row["yes_no_answer"].lower() != "none" and any(place["end_byte"] + place["end_token"] > -2 for place in short):
        row.update(dice.choice([{"short_answers": [NOWHERE]}, {"yes_no_answer": "none"}]))
    absent = dice.choice(["", "", "", "", "", "long_answer", "short_answers", "yes_no_answer"])
    return {key: value for key, value in row.items() if key != absent}


def corpus(seed, annotators, questions):
    """Draw the rows of a gold file and of a predictions file, in different orders."""
    dice = random.Random(f"{seed} {annotators} {questions}")
    ids = [dice.randrange(-(2**63), 2**63) for _ in range(questions)]
    gold = [{"example_id": i, "annotations": [annotation(dice) for _ in range(annotators)], "x": None} for i in ids]
    predictions = [prediction(dice, row["example_id"], row["annotations"]) for row in gold]
    dice.shuffle(predictions)
    return gold, predictions


def written(folder, gold, predictions):
    with gzip.open(folder / "gold.jsonl.gz", "wt", compresslevel=1) as file:
        file.writelines(json.dumps(row) + "\n" for row in gold)
    (folder / "predictions.json").write_text(json.dumps({"predictions": predictions}))
    return folder / "gold.jsonl.gz", folder / "predictions.json"


@contextlib.contextmanager
def official_at(threshold):
    """Let the official script want that many annotators, as on its command line."""
    flags.FLAGS(["nq_eval", f"--long_non_null_threshold={threshold}", f"--short_non_null_threshold={threshold}"])
    try:
        yield
    finally:
        flags.FLAGS.unparse_flags()


def official_stats(paths, annotators):
    """Return what the official script makes of each question: ``{"long": {id: (gold, predicted, right, score)}, ...}``."""
    gold = eval_utils.read_annotation_from_one_split(str(paths[0]))
    predicted = eval_utils.read_prediction_json(paths[1])
    with official_at(min(2, annotators)):
        return {
            answer: {str(name): score(gold[name], predicted[name]) for name in gold}
            for answer, score in (("long", nq_eval.score_long_answer), ("short", nq_eval.score_short_answer))
        }


def official_numbers(stats):
    """Return best threshold's (f1, precision, recall, threshold), recall at each target, and (precision, recall, f1)."""
    ranked = sorted(stats, key=lambda row: row[-1], reverse=True)
    best, table = nq_eval.compute_pr_curves(ranked, targets=TARGETS)
    plain = nq_eval.compute_f1(ranked)
    return best, tuple(recall for _, recall, _, _ in table), (plain["precision"], plain["recall"], plain["f1"])


def our_numbers(judged):
    best, plain = at_best_threshold(judged), without_threshold(judged)
    return (
        (best.f1, best.precision, best.recall, best.threshold),
        tuple(recall_at(judged, target) for target in TARGETS),
        (plain.precision, plain.recall, plain.f1),
    )


def rows_of(judged):
    columns = (judged.has_gold, judged.has_prediction, judged.correct, judged.score)
    return dict(zip(judged.example_ids.tolist(), zip(*(column.tolist() for column in columns), strict=True), strict=True))


def judged_of(paths):
    return judge(read_gold(paths[0]), read_predictions(paths[1]))


def printed(numbers):
    """Print as the official script does; the sign of a threshold of 0 is by chance there, with 0.0 and -0.0 in a tie."""
    (f1, precision, recall, threshold), recalls, plain = numbers
    return f"{threshold + 0.0:.5}", [f"{value:.2%}" for value in (f1, precision, recall, *recalls, *plain)]


def assert_official(judged, stats):
    for answer in ("long", "short"):
        assert rows_of(judged[answer]) == stats[answer]
        ours, theirs = our_numbers(judged[answer]), official_numbers(stats[answer].values())
        assert ours == theirs
        assert printed(ours) == printed(theirs)


# --- Equality with the official script ------------------------------------------------------------------------------


@pytest.mark.parametrize("annotators", [1, 2, 3, 5])
@pytest.mark.parametrize("seed", range(3))
def test_every_number_is_the_official_scripts(tmp_path, annotators, seed):
    paths = written(tmp_path, *corpus(seed, annotators, 1000))
    assert_official(judged_of(paths), official_stats(paths, annotators))


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


def long_only(start, score=None):
    """Return an annotation, or with a score a prediction, with the long answer at ``start`` (-1: none) and no short one."""
    place = {"start_byte": -1, "end_byte": -1, "start_token": start, "end_token": start + 5 if start >= 0 else -1}
    answer = {"long_answer": place, "short_answers": [], "yes_no_answer": "NONE"}
    return answer if score is None else {**answer, "long_answer_score": score, "short_answers_score": 0}


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
    assert at_best_threshold(by_hand) == nq_metric.Score(precision=0.5, recall=0.5, f1=0.5, threshold=7)
    assert [recall_at(by_hand, target) for target in TARGETS] == [0.5, 0.25, 0.25]
    plain = without_threshold(by_hand)
    assert (plain.precision, plain.recall, plain.threshold) == (0.4, 0.5, -math.inf)
    assert plain.f1 == pytest.approx(4 / 9)


@pytest.mark.parametrize(("annotators", "agreeing"), [(0, 1), (1, 1), (2, 2), (3, 2), (5, 2)])
def test_two_annotators_must_agree_or_the_one_there_is(annotators, agreeing):
    assert needed([nq_metric.Answer(None, (), None)] * annotators) == agreeing


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


def judged_from(rows):
    """Make Judged of rows (gold, predicted, right where both, score)."""
    gold, predicted, right, score = (np.array(column) for column in zip(*rows, strict=True))
    ids = np.array([str(i) for i in range(len(rows))])
    return Judged(ids, gold, predicted, gold & predicted & right, score.astype(float))


judgements = st.lists(
    st.tuples(st.booleans(), st.booleans(), st.booleans(), st.integers(-5, 5)), min_size=1, max_size=40
).map(judged_from)


@unhurried
@given(judgements)
def test_along_the_curve_thresholds_fall_and_recall_never_does(judged):
    threshold, _, recall = curve(judged)
    assert (np.diff(threshold) < 0).all()
    assert (np.diff(recall) >= 0).all()
    assert set(threshold) == set(judged.score)


@unhurried
@given(judgements)
def test_no_threshold_is_better_than_the_best(judged):
    best = at_best_threshold(judged)
    _, precision, recall = curve(judged)
    both = precision + recall
    assert best.f1 >= without_threshold(judged).f1
    assert best.f1 == pytest.approx(max(2 * precision * recall / np.where(both, both, 1)))


@unhurried
@given(judgements, st.floats(0, 1), st.floats(0, 1))
def test_more_precision_never_gives_more_recall(judged, one, other):
    assert recall_at(judged, max(one, other)) <= recall_at(judged, min(one, other))


@unhurried
@given(judgements)
def test_the_scale_of_the_scores_does_not_matter(judged):
    scaled = Judged(judged.example_ids, judged.has_gold, judged.has_prediction, judged.correct, 2 * judged.score - 100)
    (*ours, _), recalls, plain = our_numbers(judged)
    assert our_numbers(scaled) == ((*ours, at_best_threshold(scaled).threshold), recalls, plain)
    assert intervals(scaled, seed=0, resamples=20) == intervals(judged, seed=0, resamples=20)


# --- Intervals ------------------------------------------------------------------------------------------------------


def normal_case(examples, seed=0):
    dice = np.random.default_rng(seed)
    gold, predicted, right = dice.random((3, examples)) < np.array([[0.6], [0.7], [0.5]])
    correct = gold & predicted & right
    ids = np.array([f"{i:06}" for i in range(examples)])
    return Judged(ids, gold, predicted, correct, np.round(dice.normal(size=examples) + correct, 1))


@pytest.mark.parametrize(("examples", "level"), [(1, 0.95), (2, 0.95), (37, 0.95), (37, 0.5), (300, 0.9)])
def test_intervals_equal_a_loop_of_the_official_script_over_the_same_resamples(examples, level):
    judged = normal_case(examples)
    rows = list(rows_of(judged).values())
    best = [official_numbers([rows[i] for i in drawn])[0] for drawn in itertools.islice(draws(examples, seed=4), 100)]
    columns = dict(zip(("f1", "precision", "recall"), zip(*best, strict=True), strict=False))
    found = intervals(judged, seed=4, resamples=100, level=level)
    assert set(found) == {"precision", "recall", "f1"}
    for name, between in found.items():
        assert between == tuple(np.quantile(columns[name], [(1 - level) / 2, (1 + level) / 2]))


def test_resamples_are_drawn_with_replacement():
    some = np.stack(list(itertools.islice(draws(50, seed=0), 2000)))
    assert some.shape == (2000, 50)
    # Every example as often as any, and each left out of (1 - 1/50)^50 = 36.4 % of the resamples.
    assert np.bincount(some.ravel(), minlength=50) == pytest.approx(2000, rel=0.1)
    assert np.mean([50 - len(set(drawn)) for drawn in some.tolist()]) / 50 == pytest.approx(0.364, abs=0.005)


def test_intervals_go_by_the_seed_and_not_by_how_many_resamples_are_worked_on_at_once(monkeypatch):
    judged = normal_case(200)
    before = intervals(judged, seed=0, resamples=150)
    assert intervals(judged, seed=0, resamples=150) == before
    assert intervals(judged, seed=1, resamples=150) != before
    for cells in (1, 700, 200 * 150):
        monkeypatch.setattr(nq_metric, "_CELLS", cells)
        assert intervals(judged, seed=0, resamples=150) == before


def test_intervals_hold_the_estimate():
    judged = normal_case(2000)
    best = at_best_threshold(judged)
    for name, (low, high) in intervals(judged, seed=0).items():
        assert low < getattr(best, name) < high
        assert 0.01 < high - low < 0.2


def test_with_one_score_the_interval_of_precision_is_that_of_a_proportion():
    correct = np.arange(1000) % 5 < 2
    judged = Judged(np.arange(1000).astype(str), np.ones(1000, bool), np.ones(1000, bool), correct, np.zeros(1000))
    low, high = intervals(judged, seed=0, resamples=4000)["precision"]
    half = 1.96 * math.sqrt(0.4 * 0.6 / 1000)
    assert (low, high) == (pytest.approx(0.4 - half, abs=0.003), pytest.approx(0.4 + half, abs=0.003))


def test_a_lower_level_gives_narrower_intervals():
    wide, narrow = (intervals(normal_case(300), seed=0, resamples=500, level=level) for level in (0.95, 0.5))
    assert all(wide[name][0] < narrow[name][0] < narrow[name][1] < wide[name][1] for name in wide)


@pytest.mark.parametrize(("gold", "predicted"), [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_where_nothing_is_right_all_is_0_without_a_warning(gold, predicted):
    judged = judged_from([(bool(gold), bool(predicted), False, score) for score in (1, 2, 2)])
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        assert our_numbers(judged) == ((0, 0, 0, 0), (0, 0, 0), (0, 0, 0))
        assert intervals(judged, seed=0, resamples=10) == dict.fromkeys(("precision", "recall", "f1"), (0, 0))


def test_memory_is_bounded_on_the_whole_dev_set():
    judged = normal_case(7830)
    tracemalloc.start()
    intervals(judged, seed=0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100 << 20


# --- Errors ---------------------------------------------------------------------------------------------------------


GOLD = [{"example_id": i, "annotations": [long_only(10)]} for i in range(3)]
PREDICTIONS = [{"example_id": i, **long_only(10, score=i)} for i in range(3)]


def changed(rows, number, path, value):
    """Return rows with a value put in one of them, ``...`` for none."""
    rows = json.loads(json.dumps(rows))
    holder = rows[number]
    for key in path[:-1]:
        holder = holder[key]
    if value is ...:
        del holder[path[-1]]
    else:
        holder[path[-1]] = value
    return rows


def error_of(folder, gold, predictions):
    with pytest.raises(InputError) as error:
        scores(*written(folder, gold, predictions), seed=0)
    return str(error.value)


FIRST = ("annotations", 0)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("example_id",), ..., "line 2: Object missing required field `example_id`"),
        (("example_id",), None, "line 2, example None, key example_id: Expected `int | str`, got `null`"),
        (("annotations",), ..., "line 2, example 1: Object missing required field `annotations`"),
        (
            (*FIRST, "long_answer"),
            ...,
            "line 2, example 1, key annotations[0]: Object missing required field `long_answer`",
        ),
        ((*FIRST, "short_answers"), ..., "missing required field `short_answers`"),
        ((*FIRST, "yes_no_answer"), ..., "missing required field `yes_no_answer`"),
        ((*FIRST, "yes_no_answer"), "MAYBE", "annotations[0]: yes_no_answer is 'MAYBE'. Wanted: 'YES', 'NO' or 'NONE'"),
        ((*FIRST, "long_answer", "end_byte"), ..., "missing required field `end_byte`"),
        ((*FIRST, "long_answer", "end_token"), "7", "Expected `int`, got `str`"),
        ((*FIRST, "long_answer", "end_token"), 10, "annotations[0], long_answer: found start_token 10 and end_token 10"),
        ((*FIRST, "long_answer", "start_byte"), 4, "long_answer: found start_byte 4 and end_byte -1"),
        (
            (*FIRST, "short_answers"),
            [NOWHERE, {**NOWHERE, "end_byte": 3}],
            "short_answers[1]: found start_byte -1 and end_byte 3",
        ),
    ],
)
def test_a_line_of_gold_that_is_none_is_named(tmp_path, path, value, said):
    error = error_of(tmp_path, changed(GOLD, 1, path, value), PREDICTIONS)
    assert error.startswith(f"{tmp_path / 'gold.jsonl.gz'}, line 2")
    assert said in error


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("example_id",), ..., "predictions[2]: Object missing required field `example_id`"),
        (("example_id",), 1.5, "predictions[2], example 1.5, key example_id: Expected `int | str`, got `float`"),
        (("long_answer_score",), ..., "predictions[2], example 2: Object missing required field `long_answer_score`"),
        (("short_answers_score",), ..., "Object missing required field `short_answers_score`"),
        (("short_answers_score",), "1", "key short_answers_score: Expected `float`, got `str`"),
        (("short_answers_score",), None, "key short_answers_score: Expected `float`, got `null`"),
        (("short_answers_score",), math.nan, "example 2: short_answers_score is NaN"),
        (("long_answer_score",), math.nan, "example 2: long_answer_score is NaN"),
        (("long_answer",), None, "key long_answer: Expected `object`, got `null`"),
        (("long_answer", "start_token"), ..., "key long_answer: Object missing required field `start_token`"),
        (
            ("long_answer", "end_token"),
            3,
            "example 2, long_answer: found start_token 10 and end_token 3. Wanted: start before",
        ),
        (("long_answer", "end_token"), -1, "example 2, long_answer: found start_token 10 and end_token -1"),
        (("short_answers",), [{**NOWHERE, "start_byte": 3}], "short_answers[0]: found start_byte 3 and end_byte -1"),
        (("yes_no_answer",), "", "example 2: yes_no_answer is ''"),
    ],
)
def test_a_prediction_that_is_none_is_named(tmp_path, path, value, said):
    error = error_of(tmp_path, GOLD, changed(PREDICTIONS, 2, path, value))
    assert error.startswith(f"{tmp_path / 'predictions.json'}, ")
    assert said in error


def test_yes_or_no_and_spans_are_not_predicted_together(tmp_path):
    both = {"yes_no_answer": "Yes", "short_answers": [{**NOWHERE, "start_byte": 3, "end_byte": 5}]}
    predictions = [*PREDICTIONS[:2], PREDICTIONS[2] | both]
    assert "predictions.json, example 2: found yes_no_answer 'Yes' together with 1 short_answers" in error_of(
        tmp_path, GOLD, predictions
    )


def test_an_id_that_comes_twice_is_named(tmp_path):
    assert "gold.jsonl.gz, line 4: example_id 1 is there twice" in error_of(tmp_path, [*GOLD, GOLD[1]], PREDICTIONS)
    twice = [*PREDICTIONS, PREDICTIONS[1] | {"example_id": "1"}]
    assert "predictions.json, predictions[3]: example_id 1 is there twice" in error_of(tmp_path, GOLD, twice)


def test_questions_that_only_one_side_has_are_counted_and_the_first_few_named(tmp_path):
    gold = [{"example_id": f"g{i}", "annotations": []} for i in range(5)]
    error = error_of(tmp_path, [*GOLD, *gold], [*PREDICTIONS, {"example_id": "p", **long_only(1, score=1)}])
    assert f"5 in {tmp_path / 'gold.jsonl.gz'} alone (g0, g1, g2, ...)" in error
    assert f"1 in {tmp_path / 'predictions.json'} alone (p), 8 and 4 in all" in error


def test_questions_that_only_the_gold_has_are_an_error(tmp_path):
    error = error_of(tmp_path, GOLD, PREDICTIONS[:2])
    assert "example_ids 1 in " in error
    assert "gold.jsonl.gz alone (2), 3 and 2 in all" in error


def test_no_questions_are_an_error(tmp_path):
    assert "gold.jsonl.gz: there are no questions" in error_of(tmp_path, [], [])
    with pytest.raises(InputError, match="the gold: there are no questions"):
        judge({}, {})


def test_gold_that_is_cut_off_is_named(tmp_path):
    gold, predictions = written(tmp_path, GOLD, PREDICTIONS)
    gold.write_bytes(gold.read_bytes()[:-9])
    with pytest.raises(InputError, match=r"gold\.jsonl\.gz, after line \d: not a whole gzip file"):
        scores(gold, predictions, seed=0)
    files.write_text(tmp_path / "gold.jsonl", '{"example_id": 1, "annota')
    with pytest.raises(InputError, match=r"gold\.jsonl, line 1: not a whole JSON object"):
        scores(tmp_path / "gold.jsonl", predictions, seed=0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"predictions": [{"example_id": 1', "not whole JSON"),
        ("", "not whole JSON"),
        ("[" * 100_000, "not whole JSON"),
        (b"\xff\xfe\x00", "not whole JSON"),
        ("9" * 5000, "not whole JSON"),
        ("[1]", 'found list. Wanted: {"predictions": [...]}'),
        ('{"data": [], "x": 1}', r"found an object with the keys ['data', 'x']. Wanted: "),
        ('{"predictions": {}}', r"found an object with the keys ['predictions']. Wanted: "),
        ('{"predictions": [3]}', "predictions[0]: Expected `object`, got `int`"),
    ],
)
def test_predictions_that_are_not_of_the_format_are_refused(tmp_path, text, said):
    path = tmp_path / "predictions.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError) as error:
        read_predictions(path)
    assert str(error.value).startswith(f"{path}")
    assert said in str(error.value)


def test_a_file_that_is_missing_is_named(tmp_path):
    gold, _ = written(tmp_path, GOLD, PREDICTIONS)
    with pytest.raises(InputError, match=r"none\.json: there is no such file"):
        scores(gold, tmp_path / "none.json", seed=0)
    with pytest.raises(InputError, match=r"none\.jsonl\.gz: there is no such file"):
        scores(tmp_path / "none.jsonl.gz", tmp_path / "predictions.json", seed=0)


WRONG = [
    None,
    True,
    0,
    -1,
    1,
    2**70,
    1.5,
    1e400,
    math.nan,
    "",
    "yes",
    "1",
    [],
    {},
    [None],
    NOWHERE,
    [NOWHERE],
    [[]],
    10**400,
]


def places_in(value):
    """Yield (container, key) of everything inside."""
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        yield value, key
        if isinstance(inner, dict | list):
            yield from places_in(inner)


@pytest.mark.parametrize("seed", range(2))
def test_damaged_files_give_an_error_or_what_the_official_script_gives(tmp_path, seed):
    dice, refused, scored = random.Random(seed), 0, 0
    for number in range(300):
        rows = json.loads(json.dumps(corpus(number, 5, 3)))
        holder, key = dice.choice(list(places_in(rows[dice.randrange(2)])))
        if dice.random() < 0.2:
            del holder[key]
        else:
            holder[key] = dice.choice(WRONG)
        paths = written(tmp_path, *rows)
        try:
            judged = judged_of(paths)
        except InputError:
            refused += 1
        else:
            # We take ids of two types, and the script does not; below two annotators its flags would be others.
            ids = {type(row["example_id"]) for part in rows for row in part}
            if len(ids) == 1 and all(len(row["annotations"]) >= 2 for row in rows[0]):
                assert_official(judged, official_stats(paths, 5))
                scored += 1
    assert refused > 50
    assert scored > 20


# --- The paper's table ----------------------------------------------------------------------------------------------


def cells_of(table):
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line.startswith("|")]


def test_the_table_is_the_papers_with_our_checkpoints_above_its_own(tmp_path):
    names = ("checkpoint", "head", *SCORE_FIELDS)
    given = {name: str(i) for i, name in enumerate(SCORE_FIELDS)} | {"examples": "7830", "f1": "59.4849", "f1_low": "58"}
    rows = [
        [checkpoint, head, *({**given, "answer": answer, "f1_high": high}[name] for name in SCORE_FIELDS)]
        for checkpoint, head in (("before", "trained on a frozen encoder"), ("after", "trained"))
        for answer, high in (("long", "60.005"), ("short", "61"))
    ]
    tsv.write_tsv(tmp_path / "a.tsv", names, rows)
    found = cells_of(paper_table(pd.DataFrame(tsv.read_tsv(tmp_path / "a.tsv", names)), {"after": "BERT on NQ"}))
    header = ["Model", "Head", "Questions", "Long P", "Long R", "Long F1", "Short P", "Short R", "Short F1"]
    numbers = ["5.00", "8.00", "59.48 [58.00, 60.01]", "5.00", "8.00", "59.48 [58.00, 61.00]"]
    assert [found[0], *found[2:6]] == [
        header,
        ["Before", "trained on a frozen encoder", "7,830", *numbers],
        ["BERT on NQ", "trained", "7,830", *numbers],
        ["BERT (pre-train), in the paper", "", "7,830", "16.81", "28.10", "21.03", "4.16", "3.81", "4.57"],
        ["BERT (fine-tune), in the paper", "", "7,830", "56.91", "62.30", "59.48", "46.74", "40.25", "43.25"],
    ]
    assert found[6] == ["Model", "Head", "Answer", "R at P 50", "R at P 75", "R at P 90", "P, all", "R, all", "F1, all"]
    more = [f"{SCORE_FIELDS.index(name)}.00" for name in [*SCORE_FIELDS[-3:], *SCORE_FIELDS[-6:-3]]]
    assert found[8:] == [
        [model, head, answer, *more]
        for model, head in (("Before", "trained on a frozen encoder"), ("BERT on NQ", "trained"))
        for answer in ("long", "short")
    ]


def test_checkpoints_of_one_label_each_have_their_line():
    given = dict.fromkeys(SCORE_FIELDS, "1") | {"head": "trained"}
    rows = [{**given, "checkpoint": name, "answer": answer} for name in "ab" for answer in ("long", "short")]
    found = cells_of(paper_table(pd.DataFrame(rows), {"a": "BERT", "b": "BERT"}))
    assert [line[0] for line in found].count("BERT") == 2 + 4
