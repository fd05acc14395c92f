"""Gold and predictions that are not as the official script wants them are named."""

import json
import math
import random

import pytest
from nq_official import (
    NOWHERE,
    assert_official,
    corpus,
    judged_of,
    long_only,
    official_stats,
    written,
)

from pairprobe.errors import InputError
from pairprobe.evaluation.nq_files import read_predictions
from pairprobe.evaluation.nq_metric import judge
from pairprobe.evaluation.nq_scores import scores
from pairprobe.io import files

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
        (("example_id",), ..., "line 2, key example_id: missing. Wanted: example_id, annotations."),
        (("example_id",), None, "line 2, example None, key example_id: Expected `int | str`, got `null`"),
        (("annotations",), ..., "line 2, example 1, key annotations: missing."),
        (
            (*FIRST, "long_answer"),
            ...,
            "line 2, example 1, key annotations[0].long_answer: missing.",
        ),
        ((*FIRST, "short_answers"), ..., "key annotations[0].short_answers: missing."),
        ((*FIRST, "yes_no_answer"), ..., "key annotations[0].yes_no_answer: missing."),
        ((*FIRST, "yes_no_answer"), "MAYBE", "annotations[0]: yes_no_answer is 'MAYBE'. Wanted: 'YES', 'NO' or 'NONE'"),
        ((*FIRST, "long_answer", "end_byte"), ..., "key annotations[0].long_answer.end_byte: missing."),
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
        (("example_id",), ..., "predictions[2], key example_id: missing."),
        (("example_id",), 1.5, "predictions[2], example 1.5, key example_id: Expected `int | str`, got `float`"),
        (("long_answer_score",), ..., "predictions[2], example 2, key long_answer_score: missing."),
        (("short_answers_score",), ..., "key short_answers_score: missing."),
        (("short_answers_score",), "1", "key short_answers_score: Expected `float`, got `str`"),
        (("short_answers_score",), None, "key short_answers_score: Expected `float`, got `null`"),
        (("short_answers_score",), math.nan, "example 2: short_answers_score is NaN"),
        (("long_answer_score",), math.nan, "example 2: long_answer_score is NaN"),
        (("long_answer",), None, "key long_answer: Expected `object`, got `null`"),
        (("long_answer", "start_token"), ..., "key long_answer.start_token: missing."),
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
        ('{"predictions": [{"long_answer_score": NaN, "x', "Was the file cut off?"),
        ("[" * 100_000, "not JSON (maximum recursion depth"),
        (b"\xff\xfe\x00", "not UTF-16-LE (truncated data)"),
        (b'{"predictions": "\xe9"}', "not UTF-8 (invalid continuation byte at byte 17); 0xe9 is 'é' in Latin-1"),
        ("9" * 5000, "not JSON ("),
        ('{"predictions": [}', "Write it as JSON."),
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


@pytest.mark.slow
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
