"""Predictions and gold as the official scripts read them: Natural Questions' is run on the files that are written."""

import gzip
import json
import random
import subprocess
import sys

import msgspec
import pytest
from natural_questions import eval_utils, nq_eval
from nq_official import official_at
from safetensors.numpy import save_file

from pairprobe.data.pages import Marked, Page, row_of
from pairprobe.data.sampling import subsample
from pairprobe.errors import InputError
from pairprobe.evaluation import nq_files, nq_scores, squad_metric
from pairprobe.evaluation.predictions import Prediction, asked, gold_rows, read_predictions, write_predictions
from pairprobe.finetuning.answer_heads import FROZEN, OWN, RANDOM, WITH_ENCODER, head_of
from pairprobe.finetuning.windows import LONG, NO, NULL, SHORT, YES
from pairprobe.io import files

NOWHERE = {"start_token": -1, "end_token": -1, "start_byte": -1, "end_byte": -1}
TOKENS = "<P> the castle stands </P> <P> built by king henry the third </P>".split()
FIRST, SECOND = (0, 5), (5, 13)
KING = (8, 10)


def place(span):
    return {"start_token": span[0], "end_token": span[1], "start_byte": -1, "end_byte": -1}


def page(name, *annotations, **changed):
    """A page of two paragraphs, the second of which names a king."""
    candidates = ((*FIRST, True), (*SECOND, True))
    given = {"text": " ".join(TOKENS), "markup": True, "candidates": candidates, **changed}
    return Page(name, "t", ["who", "?"], annotations=annotations, **given)


def found(name, span=KING, passage=SECOND, score=1.0, answer_type=SHORT):
    return Prediction(name, span, passage, score, answer_type, " ".join(TOKENS[slice(*span)]) if span else "")


def written(folder, predictions, **options):
    paths = str(folder / "predictions.json"), str(folder / "answers.json")
    write_predictions(predictions, *paths, **options)
    return [json.loads((folder / name).read_text(encoding="utf-8")) for name in ("predictions.json", "answers.json")]


def write_pages(path, pages):
    files.write_json_lines(path, map(row_of, pages))
    return str(path)


# --- What a model answers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer_type", "short", "yes_no"),
    [(SHORT, [place(KING)], "NONE"), (NULL, [place(KING)], "NONE"), (LONG, [], "NONE"), (YES, [], "YES"), (NO, [], "NO")],
)
def test_each_answer_type_has_its_official_form(tmp_path, answer_type, short, yes_no):
    official, texts = written(tmp_path, [found("7", score=1.5, answer_type=answer_type)])
    assert official == {
        "predictions": [
            {
                "example_id": 7,
                "long_answer": place(SECOND),
                "long_answer_score": 1.5,
                "short_answers": short,
                "short_answers_score": 1.5,
                "yes_no_answer": yes_no,
            }
        ]
    }
    assert texts == {"7": "king henry"}


def test_a_page_without_an_answer_is_nowhere(tmp_path):
    official, texts = written(tmp_path, [Prediction("7", None, None, -10_000.0, NULL, "")])
    [row] = official["predictions"]
    assert row["long_answer"] == NOWHERE
    assert row["short_answers"] == []
    assert row["yes_no_answer"] == "NONE"
    assert texts == {"7": ""}


@pytest.mark.parametrize("answer_type", [NULL, YES, NO, SHORT, LONG])
def test_yes_and_no_never_stand_beside_spans(tmp_path, answer_type):
    official, _ = written(tmp_path, [found("7", answer_type=answer_type), found("8", None, None, answer_type=answer_type)])
    for row in official["predictions"]:
        assert not (row["short_answers"] and row["yes_no_answer"] != "NONE")
    # The official script refuses such rows.
    assert set(eval_utils.read_prediction_json(tmp_path / "predictions.json")) == {7, 8}


IDS = [
    ("-8412190142034560122", int),
    ("0", int),
    (str(2**63 - 1), int),
    (str(2**63), str),
    (str(-(2**63)), str),
    (str(2**64), str),
    ("9" * 40, str),
    ("007", str),
    ("-0", str),
    ("+7", str),
    (" 7", str),
    ("1_000", str),
    ("\uff11\uff12", str),
    ("1e3", str),
    ("7.0", str),
    ("56be4db0acb8001400a502ec", str),
    ("Zürich 🎉", str),
]


def test_each_question_is_asked_in_one_shard(tmp_path):
    names = {f"q{i}" for i in range(40)}
    files.write_json_lines(tmp_path / "gold.jsonl", [{"example_id": name} for name in names])
    parts = [asked(str(tmp_path / "gold.jsonl"), i, 3) for i in range(3)]
    assert all(parts)
    assert sorted(name for part in parts for name in part) == sorted(names)
    assert asked(str(tmp_path / "gold.jsonl")) == names


@pytest.mark.parametrize(("name", "kind"), IDS)
def test_ids_of_natural_questions_stay_integers_and_others_strings(tmp_path, name, kind):
    official, texts = written(tmp_path, [found(name)])
    documents = write_pages(tmp_path / "d.jsonl", [page(name, Marked(SECOND))])
    rows = gold_rows(documents, None, 0)
    files.write_json_lines(tmp_path / "gold.jsonl.gz", rows)
    for row in (
        official["predictions"][0],
        rows[0],
        json.loads(gzip.decompress((tmp_path / "gold.jsonl.gz").read_bytes())),
    ):
        assert type(row["example_id"]) is kind
        assert str(row["example_id"]) == name
    assert list(texts) == [name]
    assert asked(str(tmp_path / "gold.jsonl.gz")) == {name}
    # And the two are on the same question, for the official script and for ours.
    assert set(eval_utils.read_prediction_json(tmp_path / "predictions.json")) == {row["example_id"]}
    assert set(nq_files.read_predictions(tmp_path / "predictions.json")) == {name}
    assert set(nq_files.read_gold(tmp_path / "gold.jsonl.gz")) == {name}


@pytest.mark.parametrize(("score", "text"), [(0.5, "king henry"), (1e-4, "king henry"), (0.0, ""), (-3.0, "")])
def test_a_question_is_refused_where_no_span_outscores_no_answer(tmp_path, score, text):
    official, texts = written(tmp_path, [found("a", score=score)], refuses=True)
    assert texts == {"a": text}
    assert official["predictions"][0]["short_answers"] == [place(KING)]
    assert written(tmp_path, [found("a", score=score)])[1] == {"a": "king henry"}


def test_predictions_of_shards_are_read_as_they_were(tmp_path):
    rows = [found("a"), found("b", None, None, -10_000.0, NULL), found("c", score=-0.125, answer_type=LONG)]
    for i, some in enumerate((rows[:2], rows[2:], [])):
        files.write_json_lines(tmp_path / f"{i}.jsonl", map(msgspec.to_builtins, some))
    assert read_predictions([str(tmp_path / f"{i}.jsonl") for i in range(3)]) == rows


def test_files_are_written_whole_or_not_at_all(tmp_path):
    broken = msgspec.structs.replace(found("7"), text="\ud800")  # no text that can be written
    with pytest.raises(TypeError):
        written(tmp_path, [broken])
    assert {path.name for path in tmp_path.iterdir()} <= {"predictions.json"}


# --- The gold -------------------------------------------------------------------------------------------------------


def test_gold_has_all_annotations_in_the_official_form(tmp_path):
    annotations = (
        Marked(SECOND, (KING, (11, 12))),
        Marked(SECOND, (KING,)),
        Marked(FIRST, (), "yes"),
        Marked(FIRST, (), "no"),
        Marked(None),
    )
    [row] = gold_rows(write_pages(tmp_path / "d.jsonl", [page("7", *annotations)]), None, 0)
    assert row == {
        "example_id": 7,
        "annotations": [
            {"long_answer": place(SECOND), "short_answers": [place(KING), place((11, 12))], "yes_no_answer": "NONE"},
            {"long_answer": place(SECOND), "short_answers": [place(KING)], "yes_no_answer": "NONE"},
            {"long_answer": place(FIRST), "short_answers": [], "yes_no_answer": "YES"},
            {"long_answer": place(FIRST), "short_answers": [], "yes_no_answer": "NO"},
            {"long_answer": NOWHERE, "short_answers": [], "yes_no_answer": "NONE"},
        ],
        "answers": ["king henry", "third"],
    }


def test_the_texts_of_gold_are_those_of_the_data_set_where_it_has_them(tmp_path):
    words = "the King 's castle ( built 1912 )".split()
    squad = page(
        "s",
        Marked((0, 8), ((1, 4),)),
        text=" ".join(words),
        markup=False,
        candidates=((0, 8, True),),
        context="the King's castle (built 1912)",
        answers=("King's castle", "castle", "castle"),
    )
    alone = msgspec.structs.replace(squad, example_id="t", answers=None)
    rows = gold_rows(write_pages(tmp_path / "d.jsonl", [squad, alone]), None, 0)
    assert [row["answers"] for row in rows] == [["King's castle", "castle"], ["King's castle"]]


def test_one_annotator_of_several_gives_no_texts(tmp_path):
    pages = [page("a", Marked(SECOND, (KING,)), Marked(None)), page("b", Marked(SECOND, (KING,))), page("c")]
    rows = gold_rows(write_pages(tmp_path / "d.jsonl", pages), None, 0)
    assert [row["answers"] for row in rows] == [[], ["king henry"], []]
    assert [len(row["annotations"]) for row in rows] == [2, 1, 0]


def test_the_same_questions_are_chosen_whatever_the_order(tmp_path):
    pages = [page(f"{i}", Marked(SECOND)) for i in range(60)]
    rows = gold_rows(write_pages(tmp_path / "d.jsonl", pages), 20, 13)
    names = [str(row["example_id"]) for row in rows]
    assert len(set(names)) == 20
    # In the order of the pages.
    assert names == sorted(names, key=int)
    assert set(names) == subsample([p.example_id for p in pages], 20, 13)
    shuffled = random.Random(0).sample(pages, len(pages))
    again = gold_rows(write_pages(tmp_path / "e.jsonl", shuffled), 20, 13)
    assert sorted(again, key=lambda row: row["example_id"]) == rows
    other = {str(row["example_id"]) for row in gold_rows(str(tmp_path / "d.jsonl"), 20, 14)}
    assert other != set(names)
    fewer = {str(row["example_id"]) for row in gold_rows(str(tmp_path / "d.jsonl"), 10, 13)}
    assert fewer < set(names)


@pytest.mark.parametrize("at_most", [None, 3, 100])
def test_all_questions_are_chosen_where_there_are_no_more(tmp_path, at_most):
    documents = write_pages(tmp_path / "d.jsonl", [page(f"{i}", Marked(SECOND)) for i in range(3)])
    assert [row["example_id"] for row in gold_rows(documents, at_most, 0)] == [0, 1, 2]


def test_without_a_question_there_is_nothing_to_ask(tmp_path):
    documents = write_pages(tmp_path / "probe.jsonl.gz", [])
    with pytest.raises(InputError, match=r"probe\.jsonl\.gz: there is no question to ask.* more pages: a page"):
        gold_rows(documents, None, 0)


# --- Scores ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def judged(tmp_path):
    """Eight questions and their answers, right and wrong, written as the official script wants them."""
    two = lambda *args: (Marked(*args), Marked(*args))  # noqa: E731
    cases = [
        # (the gold, what is predicted): long, short
        (two(SECOND, (KING,)), found("1", score=8.0)),  # right, right
        (two(SECOND, (KING,)), found("2", (8, 9), score=7.0)),  # right, wrong
        (two(FIRST, (), "yes"), found("3", (1, 4), FIRST, 6.0, YES)),  # right, right
        (two(FIRST, (), "no"), found("4", (1, 4), FIRST, 5.0, YES)),  # right, wrong
        (two(SECOND), found("5", (6, 12), SECOND, 4.0, LONG)),  # right; no gold, none predicted
        (two(FIRST, (), "yes"), found("6", (1, 4), FIRST, 3.0, LONG)),  # right; gold, none predicted
        ((Marked(SECOND, (KING,)), Marked(None)), found("7", score=2.0)),  # no gold, predicted; the same
        (two(SECOND, (KING,)), found("8", None, None, -10_000.0, NULL)),  # gold, none predicted; the same
    ]
    pages = [page(prediction.example_id, *annotations) for annotations, prediction in cases]
    files.write_json_lines(tmp_path / "gold.jsonl.gz", gold_rows(write_pages(tmp_path / "d.jsonl", pages), None, 0))
    write_predictions([case[1] for case in cases], str(tmp_path / "predictions.json"), str(tmp_path / "answers.json"))
    return tmp_path


def test_the_official_script_gives_the_scores_that_one_computes_by_hand(judged):
    gold = eval_utils.read_annotation_from_one_split(str(judged / "gold.jsonl.gz"))
    predictions = eval_utils.read_prediction_json(str(judged / "predictions.json"))
    with official_at(2):
        scores = nq_eval.compute_final_f1(*nq_eval.score_answers(gold, predictions))
        long, short = nq_eval.score_answers(gold, predictions)
        best = [nq_eval.compute_pr_curves(stats, targets=[0.5, 0.75, 0.9])[0] for stats in (long, short)]
    # Long: 7 predicted, 7 gold, 6 right. Short: 1, 2, 3, 4, 7 predicted, 1, 2, 3, 4, 6, 8 gold, 1 and 3 right.
    assert scores["long-answer-n"] == scores["short-answer-n"] == 8
    assert (scores["long-answer-precision"], scores["long-answer-recall"]) == (6 / 7, 6 / 7)
    assert (scores["short-answer-precision"], scores["short-answer-recall"]) == (2 / 5, 2 / 6)
    # At a threshold of 3 the long answer of 7 falls away; at 6 the short answers of 4 and 7.
    assert best[0] == pytest.approx((12 / 13, 1, 6 / 7, 3.0))
    assert best[1] == pytest.approx((2 * (2 / 3) * (1 / 3) / (2 / 3 + 1 / 3), 2 / 3, 1 / 3, 6.0))


def test_our_scores_of_the_same_files_are_the_official_ones(judged):
    rows = nq_scores.scores(str(judged / "gold.jsonl.gz"), str(judged / "predictions.json"), seed=0)
    by_answer = {row[0]: dict(zip(nq_scores.SCORE_FIELDS, row, strict=True)) for row in rows}
    long, short = by_answer["long"], by_answer["short"]
    assert [int(row["gold"]) for row in (long, short)] == [7, 6]
    assert [float(long[key]) for key in ("precision", "recall", "f1", "threshold")] == pytest.approx(
        [100, 600 / 7, 1200 / 13, 3], abs=0.01
    )
    assert [float(short[key]) for key in ("precision", "recall", "f1", "threshold")] == pytest.approx(
        [200 / 3, 100 / 3, 400 / 9, 6], abs=0.01
    )


def test_the_official_script_runs_on_the_files_from_its_command_line(judged):
    command = [sys.executable, "-m", "natural_questions.nq_eval", "--num_threads=1"]
    command += [f"--gold_path={judged / 'gold.jsonl.gz'}", f"--predictions_path={judged / 'predictions.json'}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    scores = json.loads(done.stdout)
    assert scores["long-best-threshold-f1"] == pytest.approx(12 / 13)
    assert scores["short-best-threshold-f1"] == pytest.approx(4 / 9)


def test_the_texts_give_the_exact_match_that_one_computes_by_hand(judged):
    # Of 1, 2 and 8, which have gold texts, 1 is right, and 2 has one of two words ("king", of "king henry").
    number, match, overlap = squad_metric.scores(str(judged / "gold.jsonl.gz"), str(judged / "answers.json"))
    assert (number, match) == (3, pytest.approx(100 / 3))
    assert overlap == pytest.approx(100 * (1 + 2 / 3 + 0) / 3)


def test_gold_of_training_data_counts_one_annotator(tmp_path):
    files.write_json_lines(
        tmp_path / "gold.jsonl.gz",
        gold_rows(write_pages(tmp_path / "d.jsonl", [page("1", Marked(SECOND, (KING,)))]), None, 0),
    )
    write_predictions([found("1")], str(tmp_path / "p.json"), str(tmp_path / "a.json"))
    gold = eval_utils.read_annotation_from_one_split(str(tmp_path / "gold.jsonl.gz"))
    predictions = eval_utils.read_prediction_json(str(tmp_path / "p.json"))
    for threshold, right in ((1, 1.0), (2, 0.0)):
        with official_at(threshold):
            scores = nq_eval.compute_final_f1(*nq_eval.score_answers(gold, predictions))
        assert scores["short-answer-f1"] == right
    rows = nq_scores.scores(str(tmp_path / "gold.jsonl.gz"), str(tmp_path / "p.json"), seed=0)
    assert [dict(zip(nq_scores.SCORE_FIELDS, row, strict=True))["gold"] for row in rows] == ["1", "1"]


# --- Heads ----------------------------------------------------------------------------------------------------------


def test_tables_say_what_heads_a_checkpoint_answers_with(tmp_path):
    import numpy as np

    assert head_of(None) == WITH_ENCODER == "trained with the encoder"
    for head in (OWN, FROZEN, RANDOM.format(13)):
        save_file({"w": np.zeros(1, np.float32)}, tmp_path / "heads.safetensors", metadata={"head": head})
        assert head_of(str(tmp_path / "heads.safetensors")) == head
