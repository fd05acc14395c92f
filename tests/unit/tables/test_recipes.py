"""Recipes in tables for reading: one row, the mean of the seeds, and where it matters how far they are apart."""

import statistics

import pandas as pd

from pairprobe.evaluation.baselines import FIELDS
from pairprobe.evaluation.nq_scores import SCORE_FIELDS
from pairprobe.io.tsv import write_tsv
from pairprobe.tables.by_layer import controls_by_layer, percentages_by_layer
from pairprobe.tables.layout import seeds_told
from pairprobe.tables.nq_scores import paper_table
from pairprobe.tables.question_answering import answers_table

NOTHING = pd.DataFrame([], columns=FIELDS)
RECIPES = {"after": ["after-seed1", "after-seed2"], "one": ["one-seed3"]}
CHECKPOINTS = ["after-seed1", "after-seed2", "before", "one-seed3"]
LABELS = {"after": "Fine-tuned"}
ROWS = ["Fine-tuned (mean of 2 seeds)", "Before", "One (1 seed)"]
SPREAD = "A number with ± is the mean over a recipe's seeds, with their standard deviation."


def cells_of(table):
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line.startswith("|")]


def test_percentages_of_a_recipe_are_the_mean_of_its_seeds(tmp_path):
    rows = [
        ("none", name, "synonyms", "cosine", layer, 40, 10 * i + layer, 20 * i)
        for i, name in enumerate(CHECKPOINTS)
        for layer in (0, 1)
    ]
    fields = ("checkpoint", "task", "measure", "layer", "pairs", "percentage", "auc")
    write_tsv(tmp_path / "p.tsv", fields, [row[1:] for row in rows])
    write_tsv(tmp_path / "c.tsv", ("variant", *fields), rows)
    table = cells_of(percentages_by_layer(tmp_path / "p.tsv", "percentage", LABELS, {}, RECIPES))
    assert [row[2:] for row in table[2:]] == [
        [ROWS[0], "40", "5.0", "6.0"], [ROWS[1], "40", "20.0", "21.0"], [ROWS[2], "40", "30.0", "31.0"],
    ]  # fmt: skip
    table = cells_of(controls_by_layer(tmp_path / "c.tsv", LABELS, {}, RECIPES))
    assert [[row[2], *row[-2:]] for row in table[2:]] == [
        [ROWS[0], "10.0", "10.0"], [ROWS[1], "40.0", "40.0"], [ROWS[2], "60.0", "60.0"],
    ]  # fmt: skip


def test_scores_of_a_recipe_are_mean_and_standard_deviation_and_its_f1_has_no_interval_of_one_seed():
    given = dict.fromkeys(SCORE_FIELDS, "1") | {"head": "trained"}
    scores = pd.DataFrame(
        {**given, "checkpoint": name, "answer": answer, "f1": f"{10.25 * i}"}
        for i, name in enumerate(CHECKPOINTS)
        for answer in ("long", "short")
    )
    text = paper_table(scores, NOTHING, LABELS, {}, RECIPES)
    found = cells_of(text)
    assert [(row[0], row[5]) for row in found[2:5]] == [
        (ROWS[0], f"5.12 ± {statistics.stdev([0, 10.25]):.2f}"),
        (ROWS[1], "20.50 [1.00, 1.00]"),
        (ROWS[2], "30.75 [1.00, 1.00]"),
    ]
    assert [row[0] for row in found[-6:]] == [label for label in ROWS for _ in range(2)]
    assert SPREAD in " ".join(text.split())
    assert SPREAD not in " ".join(paper_table(scores, NOTHING, LABELS, {}).split())


def test_exact_match_and_f1_of_a_recipe_are_mean_and_standard_deviation():
    scores = pd.DataFrame(
        {"checkpoint": name, "head": "own", "examples": "1234", "exact_match": f"{i}.5", "f1": f"{2 * i}"}
        for i, name in enumerate(CHECKPOINTS)
    )
    found = cells_of(answers_table(scores, LABELS, {}, RECIPES))
    assert found[0] == list(scores.columns)
    assert found[2:] == [
        [ROWS[0], "own", "1,234", "1.00 ± 0.71", "1.00 ± 1.41"],
        [ROWS[1], "own", "1,234", "2.50", "4.00"],
        [ROWS[2], "own", "1,234", "3.50", "6.00"],
    ]


def test_a_caption_says_all_seeds_of_a_recipe():
    assert seeds_told({"after": "1, 2", "one": 3}, LABELS) == "Seeds: Fine-tuned 1, 2; One 3."
