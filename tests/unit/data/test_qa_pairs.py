"""Rows of question, context and answer: what each form of an answer gives, and where an answer without a place is found."""

import json
import logging

import pytest

from pairprobe.data import readers
from pairprobe.data.examples import example_of
from pairprobe.data.pages import page_of
from pairprobe.errors import InputError

CONTEXT = "The art of Party life: Ada left Oslo in the 1870s. ADA came back; Ada won."
ROW = {"question": "Who left?", "context": CONTEXT}


def read(folder, *rows, name="a.jsonl"):
    """Read rows; returns a document or an error for each."""
    text = rows[0] if isinstance(rows[0], str) else "".join(json.dumps(row) + "\n" for row in rows)
    (folder / name).write_text(text, encoding="utf-8")
    return [found for _, found in readers.read("qa_pairs", folder / name)]


def answers(folder, **row):
    """Return the answers of one row, each as its page has it, and where in the words it begins."""
    (found,) = read(folder, ROW | row)
    assert not isinstance(found, InputError), found
    return [
        (" ".join(found.words[slice(*a.short_answers[0])]), a.short_answers[0][0])
        for a in found.annotations
        if a.long_answer
    ]


@pytest.mark.parametrize(
    "given",
    [
        {"answer": "Oslo"},
        {"answers": "Oslo"},
        {"answers": ["Oslo"]},
        {"answer": "Oslo", "answer_start": 32},
        {"answer": "Oslo", "answer_start": 32.0},
        {"answers": ["Oslo"], "answer_start": [32]},
        {"answers": {"text": ["Oslo"], "answer_start": [32]}},
        {"answers": {"text": ["Oslo"]}},
        {"answers": {"text": "Oslo", "answer_start": 32}},
        {"answers": [{"text": "Oslo", "answer_start": 32}]},
        {"answer": "Oslo", "answer_start": -1},
        {"answers": ["Oslo", "Bergen"], "answer_start": -1},
        {"answers": {"text": ["Oslo"], "answer_start": [-1]}},
        {"answers": [{"text": "Oslo", "answer_start": None}]},
        {"answers": [{"text": "Oslo", "answer_start": float("nan")}]},
        {"answers": ["Oslo", "Bergen"]},
        {"answers": ["Oslo", ""]},
        {"answer": "Oslo", "answer_start": "32"},
        {"answers": None, "answer": "Oslo"},
        {"answers": [], "answer": "Oslo", "answer_start": 32},
        {"answers": {"text": [], "answer_start": []}, "answer": "Oslo"},
        {"answers": "Oslo", "answer": None},
        {"answers": ["Oslo"], "answer": "Oslo", "answer_start": [32]},
        {"answer": "Oslo", "is_impossible": "false"},
    ],
)
def test_an_answer_may_be_given_in_many_ways(tmp_path, given):
    assert answers(tmp_path, **given) == [("Oslo", 8)]


@pytest.mark.parametrize("given", [{"answer": 42}, {"answers": [42]}, {"answers": {"text": [42], "answer_start": [5]}}])
def test_an_integer_is_its_digits(tmp_path, given):
    assert answers(tmp_path, context="It is 42."[1:], **given) == [("42", 2)]


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ("art", ("art", 1)),  # not within "Party", and not behind it
        ("Ada", ("Ada", 6)),  # the first of two
        ("ADA", ("ADA", 13)),  # as it is written, before other capitals
        ("1870", ("1870s", 11)),  # within a word, where it is none itself
        ("oslo  in", ("Oslo in", 8)),  # other capitals, other blanks
    ],
)
def test_an_answer_without_a_place_is_found_as_whole_words_first(tmp_path, answer, found):
    assert answers(tmp_path, answer=answer) == [found]


def test_a_long_answer_is_found_soon(tmp_path):
    words = "a " * 20_000
    (found,) = read(tmp_path, {"question": "Who?", "context": f"{words}b c", "answer": f"{words[:12_000]}b"})
    assert found.annotations[0].short_answers == ((14_000, 20_001),)
    (found,) = read(tmp_path, {"question": "Who?", "context": words, "answer": f"{words[:12_000]}b"})
    assert isinstance(found, InputError)
    assert len(str(found)) < 1000


def test_the_log_counts_what_was_chosen(tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        read(tmp_path, ROW | {"answer": "Ada"}, ROW | {"answers": ["Oslo", "Rome"]}, ROW | {"answer": "Oslo"})
    assert caplog.messages == [
        f"{tmp_path}/a.jsonl: 1 answers without answer_start, several times in their context: the first was taken",
        f"{tmp_path}/a.jsonl: 1 answers not in their context, beside one that is: left out",
    ]


@pytest.mark.parametrize(
    "given", [None, "", " ", [], [""], {"text": [], "answer_start": []}, [{"text": "", "answer_start": 0}]]
)
def test_no_answer_is_none(tmp_path, given):
    (found,) = read(tmp_path, ROW | {"answers": given})
    assert example_of(found) == "the page does not answer the question"
    assert page_of(found).gold_texts == []


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (ROW, "key answers: missing. Wanted: a text, a list of texts, or null where there is no answer."),
        (ROW | {"answer": "Rome"}, "key answer: 'Rome' is not in the context. Wanted: words of the context, or null"),
        (
            ROW | {"answer": "Oslo", "answer_start": 3},
            "key answer: found 'Oslo' at character 3, where the context has ' art'.",
        ),
        (
            ROW | {"answers": ["Oslo", "Ada"], "answer_start": 32},
            "key answer_start: found 1 for 2 answers, wanted one for each.",
        ),
        (ROW | {"answers": {"text": ["Oslo"], "answer_start": [1, 2]}}, "key answer_start: found 2 for 1 answers"),
        (ROW | {"answer": 7.5}, "key answer: Expected "),
        (ROW | {"answer": "Oslo", "answer_start": 0.5}, "key answer_start: found 0.5, wanted a whole number."),
        (ROW | {"answer": "Oslo", "answer_start": "inf"}, "key answer_start: found 'inf', wanted a whole number."),
        (ROW | {"answer": "Oslo", "answers": "Ada"}, "keys answers and answer: found 'Ada' and 'Oslo'. Wanted: the same"),
        (ROW | {"answer": "Oslo", "is_impossible": "maybe"}, "key is_impossible: found 'maybe', wanted true or false."),
        ({"question": "Who?", "answer": "x", "context": " "}, "key answer: 'x' is not in the context"),
        ({"question": "Who?", "answer": None, "context": " "}, "key context: it is empty."),
        (ROW | {"question": "", "answer": None}, "key question: it is empty."),
    ],
)
def test_a_row_that_is_none_is_named(tmp_path, row, told):
    _, found = read(tmp_path, ROW | {"answer": "Oslo"}, row)
    assert isinstance(found, InputError)
    assert str(found).startswith(f"{tmp_path}/a.jsonl, line 2, {told}")


def test_a_row_without_an_id_has_one_that_goes_by_its_content(tmp_path):
    first, second, third = read(tmp_path, *(ROW | {"answer": answer} for answer in ("Oslo", "Ada", "Oslo")))
    assert first.example_id == third.example_id != second.example_id
    (alone,) = read(tmp_path, ROW | {"answer": "Oslo"})
    assert alone.example_id == first.example_id


@pytest.mark.parametrize("title", [None, "", " "])
def test_without_a_title_each_context_is_a_page(tmp_path, title):
    row = ROW | {"title": title, "answer": "Ada"}
    first, same, other = read(
        tmp_path, row, row | {"context": CONTEXT.replace(". ", ".  ")}, row | {"context": CONTEXT + " Ada."}
    )
    assert first.title == same.title != other.title
    assert first.title.startswith("The art of Party life: Ada left Oslo in ")


def test_cells_of_a_table_are_texts(tmp_path):
    text = 'id,question,context,answer,answer_start\n007,Who?,"Ada, of Oslo","Ada",0\n'
    text += '8,Where?,"Ada ""of"" Oslo",Oslo,\n9,When?,Ada,,\n'
    documents = read(tmp_path, text, name="a.csv")
    assert [document.example_id for document in documents] == ["007", "8", "9"]
    assert [document.answers for document in documents] == [("Ada",), ("Oslo",), ()]
    bad = read(tmp_path, "question,context,answer\nWho?,Ada\nWho?,Ada,Ada,Ada\nWho?,Ada,Ada\n", name="b.csv")
    assert [isinstance(found, InputError) for found in bad] == [True, True, False]
    assert str(bad[0]) == (
        f"{tmp_path}/b.csv, line 2: found fewer cells, wanted 3 cells apart by ',', as in the first line."
    )


def test_cells_as_pandas_and_excel_write_them(tmp_path):
    text = "sep=;\nid;question;context;answer;answer_start;is_impossible\n1.0;Who?;Ada;Ada;nan;0.0\n2;Who?;Ada;nan;;False\n"
    documents = read(tmp_path, text + "3;Who?;Ada;Ada;inf;\n4;Who?;Ada;Ada;0.0;True\n", name="a.csv")
    assert str(documents.pop(2)) == f"{tmp_path}/a.csv, line 5, key answer_start: found 'inf', wanted a whole number."
    assert [(document.example_id, document.answers) for document in documents] == [("1", ("Ada",)), ("2", ()), ("4", ())]


def test_two_columns_of_one_name_are_named_once(tmp_path):
    with pytest.raises(InputError, match=r"a\.csv: the first line has several columns 'answer'\. Wanted: one; "):
        read(tmp_path, "question,context,answer,Answer\nWho?,Ada,Ada,\nWho?,Ada,,Ada\n", name="a.csv")


def test_a_quote_without_its_like_is_named_by_the_line_where_its_row_begins(tmp_path):
    with pytest.raises(InputError, match=r"a\.csv, line 3: no table"):
        read(tmp_path, 'question,context,answer\nWho?,Ada,Ada\nWho?,"Ada,Ada\n' + "Who?,Ada,Ada\n" * 9, name="a.csv")


@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
@pytest.mark.parametrize(
    "head", ["Question,Context,ANSWER,Id", "question , context , answer , id", "question, context, answer, id"]
)
def test_the_head_of_a_table_may_have_capitals_and_blanks(tmp_path, name, head):
    text = f'{head}\nWho?,"Ada, of Oslo",Oslo,7\n'
    if ", " in head:
        text = text.replace('?,"', '?, "')
    if name == "a.tsv":
        text = text.replace("Ada,", "Ada;").replace(",", "\t")
    (document,) = read(tmp_path, text, name=name)
    assert (document.example_id, document.answers) == ("7", ("Oslo",))


@pytest.mark.parametrize("head", ["", "q,text,answer", "Who?,Ada of Oslo,Ada"])
def test_a_table_without_the_names_of_its_columns_is_named_once(tmp_path, head):
    with pytest.raises(InputError, match=rf"a\.csv: the first line is '{head[:1]}.*'\. Wanted: the names of the columns, "):
        read(tmp_path, f"{head}\nWho?,Ada of Oslo,Ada\nWho?,Ada,Ada\n", name="a.csv")


@pytest.mark.parametrize(
    "text", ['question,context,answer\nWho?,"Ada,Ada\nWho?,Ada,Ada\n', 'question,context,answer\nWho?,"Ada" x,Ada\n']
)
def test_a_table_with_quotes_that_do_not_match_is_named(tmp_path, text):
    with pytest.raises(InputError, match=r"a\.csv, line \d: no table \(.*\)\. Write it again as JSON lines\.$"):
        read(tmp_path, text, name="a.csv")


@pytest.mark.parametrize("cell", ["{'text': array(['Ada'])}", "[{'text': 'Ada'}]", "['Ada']", '{"text": ["Ada"]}'])
def test_a_cell_that_another_program_made_of_a_structure_is_named(tmp_path, cell):
    quoted = cell.replace('"', '""')
    (found,) = read(tmp_path, f'question\tcontext\tanswers\nWho?\tAda\t"{quoted}"\n', name="a.tsv")
    assert isinstance(found, InputError)
    assert str(found).startswith(f"{tmp_path}/a.tsv, line 2, key answers: found ")
    assert str(found).endswith("Wanted: a text; or export JSON lines or parquet in place of CSV.")
