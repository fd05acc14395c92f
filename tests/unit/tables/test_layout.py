"""Tables for reading: Markdown and LaTeX; labels."""

from html.parser import HTMLParser

import pytest

from pairprobe.io.tsv import write_tsv
from pairprobe.tables.by_layer import percentages_by_layer
from pairprobe.tables.layout import (
    Table,
    blocks,
    count_told,
    heading,
    interval_told,
    label_of,
    markdown,
    number_told,
    p_told,
    page,
    paragraph,
    percent_told,
)

FIELDS = ("checkpoint", "task", "measure", "layer", "pairs", "percentage", "auc")


def percentages(folder, *rows):
    write_tsv(folder / "percentages.tsv", FIELDS, rows)
    return folder / "percentages.tsv"


def cells_of(table):
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line.startswith("|")]


NAN = float("nan")


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ((number_told(12.34), number_told(-0.04), number_told(NAN)), ("12.3", "0.0", "")),
        ((number_told(0.3449, 2), number_told(-0.004, 2)), ("0.34", "0.00")),
        (
            (interval_told(-0.04, 7), interval_told(NAN, NAN), interval_told(-0.7, 1, 2)),
            ("0.0 to 7.0", "", "-0.70 to 1.00"),
        ),
        ((p_told(0.00099), p_told(0.001), p_told(1), p_told(NAN)), ("under 0.001", "0.001", "1.000", "")),
        ((count_told(0), count_told(22.3), count_told(20), count_told(1234567)), ("0", "22.3", "20", "1,234,567")),
        ((percent_told(0.95), percent_told(1 - 0.95), percent_told(0.9995)), ("95 %", "5 %", "99.95 %")),
    ],
    ids=["one decimal", "two decimals", "intervals", "p", "counts", "percent"],
)
def test_numbers_are_written_alike_in_all_tables(found, told):
    assert found == told


def test_a_heading_is_one_line_however_long_it_is():
    label = "a long label " * 20
    text = f"{heading(label)}\n{paragraph('said of it')}"
    assert list(blocks(text)) == [f"# {label.strip()}", "said of it"]


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
    table = percentages_by_layer(path, "percentage", {"base": "BERT"}, {"base": 7})
    caption, table = table.split("\n\n")
    assert caption.startswith("Pairwise ranking percentage by layer (0: the embeddings)")
    assert caption.endswith("Seeds: BERT 7.")
    assert cells_of(table) == [
        ["task", "measure", "checkpoint", "pairs", "0", "1"],
        ["-----------", "-------", "----------", "----:", "---:", "----:"],
        ["Answer type", "cosine", "BERT", "40", "61.2", "100.0"],
    ]


def test_auc_takes_the_place_of_percentages_where_it_is_wanted(tmp_path):
    path = percentages(tmp_path, ("base", "synonyms", "cosine", 0, 40, "61.2", "70"))
    table = percentages_by_layer(path, "auc", {}, {})
    assert table.startswith("Pairwise AUC by layer (0: the embeddings): how often, in percent")
    assert cells_of(table)[-1] == ["Synonyms", "cosine", "Base", "40", "70.0"]


def test_checkpoints_of_one_task_and_measure_stand_together_in_the_order_of_the_file(tmp_path):
    rows = [
        (checkpoint, task, measure, 0, 40, "50", "50")
        for checkpoint in ("zeta", "alpha")
        for task in ("synonyms", "boundary")
        for measure in ("two", "one")
    ]
    table = percentages_by_layer(percentages(tmp_path, *rows), "percentage", {}, {})
    assert [line[:3] for line in cells_of(table)[2:]] == [
        [task, measure, checkpoint]
        for task in ("Synonyms", "Boundary")
        for measure in ("two", "one")
        for checkpoint in ("Zeta", "Alpha")
    ]


def test_layers_are_in_the_order_of_their_numbers_and_a_smaller_encoder_has_blanks(tmp_path):
    rows = [("deep", "synonyms", "cosine", layer, 40, layer, 0) for layer in (10, 2, 0)]
    table = percentages_by_layer(
        percentages(tmp_path, *rows, ("flat", "synonyms", "cosine", 0, 40, 5, 0)), "percentage", {}, {}
    )
    heading, _, deep, flat = cells_of(table)
    assert heading[4:] == ["0", "2", "10"]
    assert deep[4:] == ["0.0", "2.0", "10.0"]
    assert flat[4:] == ["5.0", "", ""]


def test_a_table_of_percentages_without_rows_has_its_header(tmp_path):
    table = percentages_by_layer(percentages(tmp_path), "auc", {}, {})
    assert cells_of(table)[0] == ["task", "measure", "checkpoint", "pairs"]


ODD = [
    "a | b",
    "\\",
    "\\|",
    "<b>&amp;</b>",
    "</script><script>",
    "[x](javascript:y)",
    "*",
    "two\nlines",
    "\x1b[31m\0",
    "漢字",
]
READ = [*ODD[:7], "two lines", "[31m", "漢字"]


def test_a_cell_stays_one_cell_and_no_markup_whatever_its_text():
    table = markdown(["name", *ODD], [["x", *ODD]])
    assert [line.count("\n") for line in table.splitlines()] == [0, 0, 0]
    assert "\x1b" not in table
    assert "<" not in table.replace("\\<", "")
    (found,) = blocks(table)
    assert found == Table("", ["name", *READ], [["x", *READ]], [False] * 11)


def test_a_table_has_the_paragraph_before_it_as_its_caption():
    table = markdown(["a", "n"], [["x", 1]], ["n"])
    text = f"# Head|ing\n\nIn between.\n\n{paragraph('Of x | in % ' * 20)}\n{table}\n{table}\nA note.\n"
    rows = {"head": ["a", "n"], "rows": [["x", "1"]], "right": [False, True]}
    caption = ("Of x | in % " * 20).strip()
    assert list(blocks(text)) == ["# Head|ing", "In between.", Table(caption, **rows), Table("", **rows), "A note."]


def test_a_page_holds_the_tables_and_nothing_of_them_is_markup():
    text = page(f"# A & B\n\n{paragraph('Of <i>')}\n{markdown(['a', *ODD], [[1, *ODD]], ['a'])}", "<title>")

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attrs):
            self.tag = tag
            found.setdefault(tag, [])

        def handle_data(self, data):
            if data.strip():
                found[self.tag].append(data)

    found = {}
    Reader().feed(text)
    assert (found["td"], found["th"]) == (["1", *READ], ["a", *READ])
    assert (found["title"], found["caption"], found["h1"]) == (["<title>"], ["Of <i>"], ["A & B"])
    assert not {"script", "b", "i"} & found.keys()
    assert "default-src 'none'" in text
    assert "light dark" in text
