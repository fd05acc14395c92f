"""Tables for reading: Markdown and LaTeX; labels."""

import pytest

from pairprobe.io.tsv import write_tsv
from pairprobe.tables.by_layer import percentages_by_layer
from pairprobe.tables.layout import label_of, latex, markdown

FIELDS = ("checkpoint", "task", "measure", "layer", "pairs", "percentage", "auc")


def percentages(folder, *rows):
    write_tsv(folder / "percentages.tsv", FIELDS, rows)
    return folder / "percentages.tsv"


def cells_of(table):
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line.startswith("|")]


def test_markdown_is_padded_and_numbers_are_set_to_the_right():
    assert markdown(("task", "pairs"), [("synonyms", 7), ("coref", 1208)], numbers=("pairs",)) == (
        "| task     | pairs |\n"
        "| -------- | ----: |\n"
        "| synonyms |     7 |\n"
        "| coref    |  1208 |\n"
    )  # fmt: skip


def test_a_narrow_column_still_makes_a_markdown_rule():
    assert markdown(("a", "n"), [("x", 1)], numbers=("n",)) == "| a   |   n |\n| --- | --: |\n| x   |   1 |\n"


def test_a_markdown_table_without_rows_has_its_header():
    assert markdown(("a", "b"), []) == "| a   | b   |\n| --- | --- |\n"


@pytest.mark.parametrize(
    ("name", "label"),
    [("answer_type", "Answer type"), ("boundary", "Boundary"), ("squad", "SQuAD"), ("blank", "Blank")],
)
def test_a_label_is_the_one_given_or_the_name_made_readable(name, label):
    assert label_of(name, {"squad": "SQuAD", "blank": ""}) == label


def test_percentages_have_a_line_a_checkpoint_and_a_column_a_layer(tmp_path):
    path = percentages(
        tmp_path,
        ("base", "answer_type", "cosine", 0, 40, "61.249", "70"),
        ("base", "answer_type", "cosine", 1, 40, "100.0", "71"),
    )
    table = percentages_by_layer(path, "percentage", {"base": "BERT"})
    assert table.startswith("percentage by layer\n\n| task ")
    assert cells_of(table) == [
        ["task", "measure", "checkpoint", "pairs", "0", "1"],
        ["-----------", "-------", "----------", "----:", "---:", "----:"],
        ["Answer type", "cosine", "BERT", "40", "61.2", "100.0"],
    ]


def test_auc_takes_the_place_of_percentages_where_it_is_wanted(tmp_path):
    path = percentages(tmp_path, ("base", "synonyms", "cosine", 0, 40, "61.2", "70"))
    table = percentages_by_layer(path, "auc", {})
    assert table.startswith("auc by layer\n")
    assert cells_of(table)[-1] == ["Synonyms", "cosine", "Base", "40", "70.0"]


def test_checkpoints_of_one_task_and_measure_stand_together_in_the_order_of_the_file(tmp_path):
    rows = [
        (checkpoint, task, measure, 0, 40, "50", "50")
        for checkpoint in ("zeta", "alpha")
        for task in ("synonyms", "boundary")
        for measure in ("two", "one")
    ]
    table = percentages_by_layer(percentages(tmp_path, *rows), "percentage", {})
    assert [line[:3] for line in cells_of(table)[2:]] == [
        [task, measure, checkpoint]
        for task in ("Synonyms", "Boundary")
        for measure in ("two", "one")
        for checkpoint in ("Zeta", "Alpha")
    ]


def test_layers_are_in_the_order_of_their_numbers_and_a_smaller_encoder_has_blanks(tmp_path):
    rows = [("deep", "synonyms", "cosine", layer, 40, layer, 0) for layer in (10, 2, 0)]
    table = percentages_by_layer(
        percentages(tmp_path, *rows, ("flat", "synonyms", "cosine", 0, 40, 5, 0)), "percentage", {}
    )
    heading, _, deep, flat = cells_of(table)
    assert heading[4:] == ["0", "2", "10"]
    assert deep[4:] == ["0.0", "2.0", "10.0"]
    assert flat[4:] == ["5.0", "", ""]


def test_a_table_of_percentages_without_rows_has_its_header(tmp_path):
    table = percentages_by_layer(percentages(tmp_path), "auc", {})
    assert cells_of(table)[0] == ["task", "measure", "checkpoint", "pairs"]


def test_a_markdown_table_becomes_latex_with_its_caption_and_alignment():
    text = "# A_heading\n\nWhat it is:\n\n" + markdown(["name", "n"], [["a & b", 12], ["50 %", 3]], ["n"]) + "\nA note.\n"
    assert latex(text, "things").splitlines() == [
        "% # A_heading", "% What it is:", "",
        r"\begin{table}", r"\centering", r"\begin{tabular}{lr}", r"\toprule", r"name & n \\", r"\midrule",
        r"a \& b & 12 \\", r"50 \% & 3 \\", r"\bottomrule", r"\end{tabular}", r"\caption{What it is}",
        r"\label{tab:things}", r"\end{table}", "", "% A note.",
    ]  # fmt: skip


def test_every_special_letter_of_latex_is_escaped_and_each_table_has_its_label():
    table = markdown(["a"], [["\\ & % $ # _ { } ~ ^"]])
    said = latex(f"{table}\nmore\n\n{table}", "t")
    assert r"\textbackslash{} \& \% \$ \# \_ \{ \} \textasciitilde{} \textasciicircum{} \\" in said.splitlines()
    assert said.count(r"\label{tab:t}") == said.count(r"\label{tab:t-2}") == 1
