"""Random questions of Natural Questions, and what the official script says of them, beside our own numbers."""

import contextlib
import gzip
import json
import math
import random

import numpy as np
from absl import flags
from natural_questions import eval_utils, nq_eval

from pairprobe.evaluation.nq_files import read_gold, read_predictions
from pairprobe.evaluation.nq_metric import Judged, at_best_threshold, judge, recall_at, without_threshold

TARGETS = (0.5, 0.75, 0.9)
NOWHERE = {"start_byte": -1, "end_byte": -1, "start_token": -1, "end_token": -1}


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


def long_only(start, score=None):
    """Return an annotation, or with a score a prediction, with the long answer at ``start`` (-1: none) and no short one."""
    place = {"start_byte": -1, "end_byte": -1, "start_token": start, "end_token": start + 5 if start >= 0 else -1}
    answer = {"long_answer": place, "short_answers": [], "yes_no_answer": "NONE"}
    return answer if score is None else {**answer, "long_answer_score": score, "short_answers_score": 0}


def judged_from(rows):
    """Make Judged of rows (gold, predicted, right where both, score)."""
    gold, predicted, right, score = (np.array(column) for column in zip(*rows, strict=True))
    ids = np.array([str(i) for i in range(len(rows))])
    return Judged(ids, gold, predicted, gold & predicted & right, score.astype(float))
