"""Scores without one page at a time equal those of the questions that are left."""

import numpy as np
import pytest

from pairprobe.evaluation import page_scores, squad_metric, trajectory_scores
from pairprobe.evaluation.nq_files import read_gold, read_predictions
from pairprobe.evaluation.nq_metric import at_best_threshold, judge
from pairprobe.evaluation.page_scores import Questions
from pairprobe.evaluation.predictions import Prediction, write_predictions
from pairprobe.evidence.fields import METRICS
from pairprobe.evidence.trajectories import Series
from pairprobe.finetuning.windows import SHORT
from pairprobe.io import files
from pairprobe.io.tsv import read_tsv

NAMES = [f"q{i}" for i in range(30)]
TITLES = {name: f"page {i // 4}" for i, name in enumerate(NAMES)}


def span(start, end):
    return {"start_token": start, "end_token": end, "start_byte": -1, "end_byte": -1}


def gold(path, names=NAMES):
    def row(name):
        i = NAMES.index(name)
        annotation = {"long_answer": span(0, 9), "short_answers": [span(2, 4)], "yes_no_answer": "NONE"}
        return {"example_id": name, "annotations": [annotation], "answers": ["the red fox"] if i % 5 else []}

    files.write_json_lines(path, map(row, names))
    return str(path)


def answers(seed, names=NAMES, right=0.5):
    """Predictions of which some are right, with scores of any size."""
    dice = np.random.default_rng(seed)
    drawn = {name: (dice.random() < right, dice.random() < right, dice.normal()) for name in NAMES}
    return [
        Prediction(
            name, (2, 4 if short else 5), (0, 9 if long else 8), float(score), SHORT, "red fox" if short else "the fox"
        )
        for name, (long, short, score) in drawn.items()
        if name in names
    ]


def scored(path, predictions):
    return Questions(path, TITLES, True).scores(predictions, "mine")


def test_each_score_without_a_page_is_the_score_of_the_other_questions(tmp_path):
    found = scored(gold(tmp_path / "gold.jsonl"), answers(0))
    assert found.keys() == {*METRICS}
    pages = sorted({*TITLES.values()})
    for i, page in enumerate([None, *pages]):
        names = [name for name in NAMES if TITLES[name] != page]
        path, official, texts = gold(tmp_path / f"{i}.jsonl", names), str(tmp_path / "o.json"), str(tmp_path / "t.json")
        write_predictions(answers(0, names), official, texts)
        _, match, overlap = squad_metric.scores(path, texts)
        judged = judge(read_gold(path), read_predictions(official))
        wanted = match, overlap, *(100 * at_best_threshold(judged[kind]).f1 for kind in ("long", "short"))
        values = [each.value if page is None else each.left_out[i - 1] for each in found.values()]
        assert values == pytest.approx(wanted)


def test_many_pages_are_computed_in_parts_and_give_the_same(tmp_path, monkeypatch):
    path, one = gold(tmp_path / "gold.jsonl"), answers(0)
    whole = scored(path, one)
    monkeypatch.setattr(page_scores, "_CHUNK_SIZE", 3 * len(NAMES))
    assert np.array_equal(scored(path, one)["long_f1"].left_out, whole["long_f1"].left_out)


def test_a_score_by_step_is_the_mean_over_seeds_and_its_difference_is_paired_by_seed(tmp_path):
    path, scores = gold(tmp_path / "gold.jsonl"), {}
    for i, name in enumerate(("a-seed1-point0", "a-seed2-point0", "a-seed3-point0", "a-seed1", "a-seed2", "a-seed3")):
        scores[name] = scored(path, answers(i, right=0.1 if "point" in name else 0.9))
    recipes = {"a-point0": [*scores][:3], "a": [*scores][3:]}
    series = Series.of({"a": (["a-point0", "a"], None)}, [([0], 50)], recipes, {"a-seed1": 1})
    trajectory_scores.weigh(series, scores, 0.95, str(tmp_path / "a.tsv"))
    rows = read_tsv(tmp_path / "a.tsv")
    assert len(rows) == 4 * 2 * 4
    last = next(row for row in rows if row["checkpoint"] == "a" and row["metric"] == "f1")
    first = next(row for row in rows if row["checkpoint"] == "a-point0" and row["metric"] == "f1")
    assert float(last["value"]) == pytest.approx(np.mean([scores[f"a-seed{i}"]["f1"].value for i in (1, 2, 3)]), abs=1e-4)
    assert float(last["difference"]) == pytest.approx(float(last["value"]) - float(first["value"]), abs=2e-4)
    assert (last["step"], last["seeds"], last["questions"], last["pages"]) == ("50", "3", "24", "8")
    assert float(last["low"]) < float(last["value"]) < float(last["high"])
    assert float(last["p"]) <= float(last["p_adjusted"]) < 0.05
    assert first["difference"] == first["p"] == ""
