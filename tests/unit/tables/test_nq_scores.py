import pandas as pd

from pairprobe.evaluation.baselines import FIELDS, LONG_ANSWERS
from pairprobe.evaluation.nq_scores import SCORE_FIELDS
from pairprobe.io import tsv
from pairprobe.tables.nq_scores import paper_table

NOTHING = pd.DataFrame([], columns=FIELDS)


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
    scores = pd.DataFrame(tsv.read_tsv(tmp_path / "a.tsv", names))
    found = cells_of(paper_table(scores, NOTHING, {"after": "BERT on NQ"}, {}))
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
    found = cells_of(paper_table(pd.DataFrame(rows), NOTHING, {"a": "BERT", "b": "BERT"}, {}))
    assert [line[0] for line in found].count("BERT") == 2 + 4


def test_baselines_stand_below_the_checkpoints_and_have_no_short_answers():
    given = dict.fromkeys(SCORE_FIELDS, "1") | {"head": "trained", "checkpoint": "a"}
    scores = pd.DataFrame([{**given, "answer": answer} for answer in ("long", "short")])
    numbers = {value: str(i) for i, value in enumerate(SCORE_FIELDS[2:])} | {"f1": "79.9"}
    rows = [
        (name, LONG_ANSWERS, "long", value, number, *(("70.1", "85.2") if value == "f1" else ("", "")), "205")
        for name in ("word_overlap", "always_candidate_2")
        for value, number in numbers.items()
        if not value.endswith(("_low", "_high"))
    ]
    surface = ("surface_features", "boundary", "start", "auc", "90", "80", "95", "177")
    found = cells_of(paper_table(scores, pd.DataFrame([*rows, surface], columns=FIELDS), {}, {}))
    best = [f"{int(numbers[value])}.00" for value in ("precision", "recall")]
    assert [line[:2] for line in found[2:5]] == [["A", "trained"]] + [
        [label, "no model"] for label in ("Word overlap", "Always candidate 2")
    ]
    for line in found[3:5]:
        assert line[2:] == ["205", *best, "79.90 [70.10, 85.20]", "", "", ""]
    more = [f"{int(numbers[value])}.00" for value in SCORE_FIELDS[-3:] + SCORE_FIELDS[-6:-3]]
    assert found[-1] == ["Always candidate 2", "no model", "long", *more]
