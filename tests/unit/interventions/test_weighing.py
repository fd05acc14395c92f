"""Scores without one page, and what is lost, beside the same computed by hand."""

import msgspec
import numpy as np
import pytest

from pairprobe.errors import InputError
from pairprobe.evaluation import nq_scores, squad_metric
from pairprobe.evaluation.page_scores import Questions
from pairprobe.evaluation.predictions import Prediction, write_predictions
from pairprobe.finetuning.windows import SHORT
from pairprobe.interventions.names import FUNCTIONAL_FIELDS, INTACT, LOWER, RESET, UPPER
from pairprobe.interventions.weighing import Unit, weigh
from pairprobe.io import files
from pairprobe.io.tsv import read_tsv, write_tsv
from pairprobe.tables.functional import functional_table

DEPTH, PAGES = 3, 24
NAMES = [f"q{i}" for i in range(3 * PAGES)]
TITLES = {name: f"page {i // 3}" for i, name in enumerate(NAMES)}
EVIDENCE = {"confidence": 0.95, "lower_layers": 1, "margin": 5}


def span_of(start, end):
    return {"start_token": start, "end_token": end, "start_byte": -1, "end_byte": -1}


@pytest.fixture
def gold(tmp_path):
    """Each question's answer is the word of its number, at that token; every fifth has none."""
    rows = [
        {
            "example_id": name,
            "annotations": [
                {
                    "long_answer": span_of(0, 100) if i % 5 else span_of(-1, -1),
                    "short_answers": [span_of(i, i + 1)] if i % 5 else [],
                    "yes_no_answer": "NONE",
                }
            ],
            "answers": [f"word {i}"] if i % 5 else [],
        }
        for i, name in enumerate(NAMES)
    ]
    path = tmp_path / "gold.jsonl.gz"
    files.write_json_lines(path, rows)
    return str(path)


def answered(share, seed, names=NAMES):
    """Predictions of which about such a share is right."""
    rng = np.random.default_rng(seed)
    found = []
    for i, name in enumerate(NAMES):
        at = i if rng.random() < share else i + 1
        found.append(Prediction(name, (at, at + 1), (0, 100), round(float(rng.normal()), 4), SHORT, f"word {at}"))
    return [one for one in found if one.example_id in names]


def by_scripts(gold, predictions, tmp_path, without=None):
    """The metrics of some questions as ``score_predictions`` has them, from files."""
    kept = [one for one in predictions if TITLES[one.example_id] != without]
    rows = [row for _, row in files.read_json_lines(gold) if TITLES[row["example_id"]] != without]
    files.write_json_lines(tmp_path / "g.jsonl.gz", rows)
    write_predictions(kept, tmp_path / "official.json", tmp_path / "texts.json")
    _, match, f1 = squad_metric.scores(str(tmp_path / "g.jsonl.gz"), str(tmp_path / "texts.json"))
    official = nq_scores.scores(tmp_path / "g.jsonl.gz", tmp_path / "official.json", 1)
    place = nq_scores.SCORE_FIELDS.index("f1")
    return {"exact_match": match, "f1": f1, **{f"{row[0]}_f1": float(row[place]) for row in official}}


def test_scores_and_those_without_a_page_are_those_of_the_scripts(gold, tmp_path):
    predictions = answered(0.6, 1)
    found = Questions(gold, TITLES, True).scores(predictions, "mine")
    titles = sorted(set(TITLES.values()))
    for without in (None, titles[0], titles[7], titles[-1]):
        wanted = by_scripts(gold, predictions, tmp_path, without)
        assert found.keys() == wanted.keys()
        for metric, value in wanted.items():
            score = found[metric]
            got = score.value if without is None else score.left_out[titles.index(without)]
            assert got == pytest.approx(value, abs=1e-4), (metric, without)


def test_questions_without_long_answers_have_two_metrics_and_a_missing_answer_is_named(gold):
    questions = Questions(gold, TITLES, False)
    assert list(questions.scores(answered(0.5, 1), "mine")) == ["exact_match", "f1"]
    with pytest.raises(InputError, match="mine: no answer to question q2"):
        questions.scores(answered(0.5, 1, names=[*NAMES[:2], *NAMES[3:]]), "mine")
    with pytest.raises(InputError, match="question q0 is on no page"):
        Questions(gold, dict.fromkeys(NAMES[1:], "t"), False)


def write(path, variants):
    rows = []
    for (intervention, layer), predictions in variants.items():
        extra = {} if intervention == INTACT else {"intervention": intervention, "layer": layer}
        rows += [{**extra, **msgspec.to_builtins(one)} for one in predictions]
    files.write_json_lines(path, rows)
    return str(path)


@pytest.fixture
def table(gold, tmp_path):
    """Three seeds: with more layers from before less is right; resets change nothing."""
    answers = {}
    for seed in (1, 2, 3):
        intact = answered(0.9, seed)
        grafts = {(LOWER, k): answered(0.9 - 0.28 * k, seed) for k in range(DEPTH + 1)}
        grafts |= {(UPPER, DEPTH - k): some for (_, k), some in list(grafts.items())}
        grafts |= {(RESET, k): intact for k in range(DEPTH + 1)}
        files_of = [write(tmp_path / f"{seed}.jsonl", {(INTACT, None): intact}), write(tmp_path / f"{seed}g.jsonl", grafts)]
        answers[f"after-seed{seed}"] = files_of
    answers["before"] = [write(tmp_path / "b.jsonl", {(INTACT, None): answered(0.1, 9)})]
    recipe = [name for name in answers if name != "before"]
    units = [Unit("before", ["before"], None, False), Unit("after", recipe, "before", True)]
    units += [Unit(name, [name], "before", False) for name in recipe]
    path = tmp_path / "functional.tsv"
    weigh(str(path), units, answers, Questions(gold, TITLES, True), 0.95)
    return path


@pytest.mark.slow
def test_what_is_lost_is_the_mean_over_seeds_of_paired_differences(table, gold, tmp_path):
    rows = {(row["checkpoint"], row["intervention"], row["layer"], row["metric"]): row for row in read_tsv(table)}
    for metric in ("exact_match", "f1", "long_f1", "short_f1"):
        values = [by_scripts(gold, answered(0.9 - 0.56, seed), tmp_path)[metric] for seed in (1, 2, 3)]
        intact = [by_scripts(gold, answered(0.9, seed), tmp_path)[metric] for seed in (1, 2, 3)]
        row = rows["after", LOWER, "2", metric]
        assert float(row["value"]) == pytest.approx(np.mean(values), abs=1e-3)
        assert float(row["lost"]) == pytest.approx(np.mean(intact) - np.mean(values), abs=1e-3)
        assert float(rows["after-seed2", LOWER, "2", metric]["lost"]) == pytest.approx(intact[1] - values[1], abs=1e-3)
    short = rows["after", LOWER, "2", "short_f1"]
    assert float(short["lost_low"]) < float(short["lost"]) < float(short["lost_high"])
    assert float(short["p"]) <= float(short["p_adjusted"]) < 0.05
    assert rows["after", UPPER, "1", "f1"]["lost"] == rows["after", LOWER, "2", "f1"]["lost"]
    unchanged = rows["after", RESET, "1", "f1"]
    assert (float(unchanged["lost"]), unchanged["p"]) == (0, "")
    assert (short["seeds"], short["pages"], short["questions"]) == ("3", f"{PAGES}", f"{len(NAMES)}")


def test_p_is_corrected_for_as_many_tests_as_there_are_different_interventions(table):
    rows = [row for row in read_tsv(table) if (row["checkpoint"], row["metric"]) == ("after-seed1", "f1")]
    row = next(row for row in rows if (row["intervention"], row["layer"]) == (LOWER, "1"))
    # Layers 1, 2 and 3; above layers 2, 1 and 0 is the same.
    assert float(row["p_adjusted"]) == pytest.approx(min(1, 3 * float(row["p"])), rel=0.01, abs=1e-5)


def test_the_table_for_reading_says_in_a_sentence_what_is_lost(table):
    recipes = {"after": [f"after-seed{i}" for i in (1, 2, 3)]}
    text = functional_table(str(table), {"after": "Fine-tuned", "before": "Pre-trained"}, EVIDENCE, {}, recipes)
    first = " ".join(text.split("\n\n")[1].split())
    assert first.startswith("With the embeddings and layers 1 to 1 from Pre-trained, F1 is ")
    assert "With layers 2 to 3 from Pre-trained, F1 is " in first
    assert "which the test finds" in first
    assert "seed1" not in text
    assert text.count("# Fine-tuned (mean of 3 seeds)") == 1
    for said in ("Layers up to k", "Layers above k", "Layer k alone"):
        assert f"{said} from Pre-trained |" in " ".join(text.split())


@pytest.mark.parametrize(
    ("lost", "p", "pages", "said"),
    [
        ((7.0, 6.0, 8.0), 0.001, 30, "7.0 points are lost (6.0 to 8.0), which the test finds. "),
        ((-2.0, -3.0, -1.0), 0.01, 30, "2.0 points are gained (1.0 to 3.0), which the test finds, within 5 points."),
        ((1.0, -2.0, 4.9), 1.0, 30, "1.0 points are lost (-2.0 to 4.9), little or nothing: within 5 points."),
        ((1.0, -3.1, 5.1), 1.0, 30, "1.0 points are lost (-3.1 to 5.1), which is undecided: it may be nothing."),
        ((-1.0, -5.1, 3.1), 1.0, 30, "1.0 points are gained (-3.1 to 5.1), which is undecided: it may be nothing."),
        (
            (1.0, -2.0, 4.0),
            1.0,
            19,
            "1.0 points are lost (-2.0 to 4.0), which is undecided: 19 of 20 effective pages.",
        ),
        (
            (7.0, 6.0, 8.0),
            0.001,
            19,
            "7.0 points are lost (6.0 to 8.0), which is undecided: 19 of 20 effective pages.",
        ),
        ((0.0, 0.0, 0.0), None, 30, "0.0 points are lost (0.0 to 0.0), little or nothing: within 5 points."),
    ],
)
def test_the_sentence_says_which_way_and_whether_it_is_within_the_margin(tmp_path, lost, p, pages, said):
    """By two one-sided tests: the interval lies within the margin."""
    counts, more = (60, 1, pages, pages), ("", "") if p is None else (p, p)
    rows = [
        ("after", "before", INTACT, "", "f1", *counts, 50, 40, 60, "", "", "", "", ""),
        *(("after", "before", LOWER, k, "f1", *counts, 50 - lost[0], 40, 60, *lost, *more) for k in range(DEPTH + 1)),
    ]
    write_tsv(tmp_path / "f.tsv", FUNCTIONAL_FIELDS, rows)
    text = functional_table(str(tmp_path / "f.tsv"), {}, EVIDENCE, {})
    assert f"F1 is {50 - lost[0]:.1f} in place of 50.0: {said}" in " ".join(text.split())


def test_lower_layers_that_leave_no_upper_one_are_refused(table):
    with pytest.raises(InputError, match="found 3, but the last layer of"):
        functional_table(str(table), {}, EVIDENCE | {"lower_layers": DEPTH}, {})
