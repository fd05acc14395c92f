"""The simplified format of Natural Questions, read as documents."""

import gzip
import json
import random
import re
from pathlib import Path

import pytest

from pairprobe import files
from pairprobe.errors import InputError
from pairprobe.examples import example_of, write_partitions
from pairprobe.natural_questions import read_simplified

SAMPLE = Path(__file__).parents[2].parent / "shared" / "nq" / "nq-dev-sample.jsonl.gz"
TEXT = "<H1> Nile </H1> <P> The Nile is long . </P> <P> It ends in <I> Egypt </I> . </P>"
NOWHERE = {"start_token": -1, "end_token": -1}


def span(start, end):
    return {"start_token": start, "end_token": end}


def annotation(long_answer, *short_answers, yes_no="NONE"):
    return {"long_answer": long_answer, "short_answers": list(short_answers), "yes_no_answer": yes_no}


ROW = {
    "example_id": 7,
    "question_text": "where does the nile end",
    "document_text": TEXT,
    "document_url": "https://en.wikipedia.org//w/index.php?title=River_Nile&amp;oldid=1",
    "annotations": [annotation(span(10, 19), span(14, 17))],
}


def read(folder, *rows):
    files.write_json_lines(folder / "nq.jsonl", rows)
    return list(read_simplified([folder / "nq.jsonl"]))


def error_of(folder, *rows):
    with pytest.raises(InputError) as error:
        read(folder, *rows)
    return str(error.value)


def test_markup_is_removed(tmp_path):
    (document,) = read(tmp_path, ROW)
    assert document.words == "Nile The Nile is long . It ends in Egypt .".split()


def test_positions_are_mapped_to_the_words_that_remain(tmp_path):
    (document,) = read(tmp_path, ROW)
    assert document.long_answer == (6, 11)
    assert document.words[slice(*document.long_answer)] == "It ends in Egypt .".split()
    assert [document.words[slice(*answer)] for answer in document.short_answers] == [["Egypt"]]


def test_the_mapping_holds_for_any_span_of_any_page(tmp_path):
    dice, rows, wanted = random.Random(0), [], []
    for i in range(300):
        tokens = ["<P>", "a", *dice.choices(["<P>", "</P>", "<Td>", "<Br/>", "word", "<", "3"], k=20)]
        start, end = sorted(dice.sample(range(len(tokens) + 1), 2))
        rows.append(
            ROW | {"example_id": i, "document_text": " ".join(tokens), "annotations": [annotation(span(start, end))]}
        )
        wanted.append([token for token in tokens[start:end] if token in ("a", "word", "<", "3")])
    found = [document.words[slice(*document.long_answer)] for document in read(tmp_path, *rows)]
    assert found == wanted


def test_the_question_is_split_into_words_and_the_identifier_is_text(tmp_path):
    (document,) = read(tmp_path, ROW)
    assert document.question == ["where", "does", "the", "nile", "end"]
    assert document.example_id == "7"


def test_an_identifier_of_63_bits_keeps_every_digit(tmp_path):
    (document,) = read(tmp_path, ROW | {"example_id": 2**63 - 1})
    assert document.example_id == "9223372036854775807"


def test_of_several_annotations_the_first_with_a_long_answer_counts(tmp_path):
    annotations = [annotation(NOWHERE), annotation(span(3, 10), span(5, 6)), annotation(span(10, 19))]
    (document,) = read(tmp_path, ROW | {"annotations": annotations})
    assert document.long_answer == (1, 6)
    assert document.short_answers == [(2, 3)]


@pytest.mark.parametrize("annotations", [[], [annotation(NOWHERE)]])
def test_a_question_that_the_page_does_not_answer_has_no_long_answer(tmp_path, annotations):
    (document,) = read(tmp_path, ROW | {"annotations": annotations})
    assert (document.long_answer, document.long_answer_tag, document.short_answers) == (None, None, [])


@pytest.mark.parametrize(("written", "read_as"), [("YES", "yes"), ("NO", "no"), ("NONE", None)])
def test_a_yes_or_no_is_kept(tmp_path, written, read_as):
    (document,) = read(tmp_path, ROW | {"annotations": [annotation(span(10, 19), yes_no=written)]})
    assert document.yes_no == read_as


def test_a_short_answer_of_markup_alone_is_none(tmp_path):
    (document,) = read(tmp_path, ROW | {"annotations": [annotation(span(10, 19), span(14, 15), span(15, 16))]})
    assert document.short_answers == [(9, 10)]


@pytest.mark.parametrize("tag", ["P", "Table", "Tr", "Ul", "Li"])
def test_the_markup_that_holds_the_long_answer_is_kept(tmp_path, tag):
    (document,) = read(tmp_path, ROW | {"document_text": TEXT.replace("<P> It", f"<{tag}> It")})
    assert document.long_answer_tag == tag


def test_long_answers_that_are_tables_are_left_out_and_counted(tmp_path):
    table = ROW | {"document_text": TEXT.replace("<P> It", "<Table> It")}
    documents = read(tmp_path, ROW, *(table | {"example_id": i} for i in (1, 2)))
    shares = {"finetune": 0, "head": 0, "probe": 1}
    paths = [{name: tmp_path / kind / f"{name}.jsonl" for name in shares} for kind in ("examples", "documents")]
    rows = write_partitions(documents, 13, shares, *paths)
    assert ("probe", "examples", 1) in rows
    assert ("left out", "the long answer is no paragraph but <Table>", 2) in rows


def test_the_title_is_its_own_field_first(tmp_path):
    (document,) = read(tmp_path, ROW | {"document_title": "The Nile"})
    assert document.title == "The Nile"


def test_the_title_is_the_first_heading_where_it_has_no_field(tmp_path):
    (document,) = read(
        tmp_path, ROW | {"document_text": TEXT.replace("Nile </H1>", "Blue Nile </H1>").replace("It", "<Br>")}
    )
    assert document.title == "Blue Nile"


@pytest.mark.parametrize(
    ("address", "title"),
    [
        ("https://en.wikipedia.org//w/index.php?title=River_Nile&amp;oldid=836", "River Nile"),
        ("https://en.wikipedia.org//w/index.php?title=Caf%C3%A9_Noir&amp;oldid=836", "Café Noir"),
        ("https://en.wikipedia.org/wiki/River_Nile", "River Nile"),
        ("https://en.wikipedia.org/wiki/Caf%C3%A9_Noir", "Café Noir"),
    ],
)
@pytest.mark.parametrize("heading", ["", "<H1> </H1>", "</H1>", "<H1>"])
def test_the_title_is_in_the_address_where_there_is_no_heading(tmp_path, address, title, heading):
    text = TEXT.replace("<H1> Nile </H1>", heading + " Nile").strip()
    row = ROW | {"document_url": address, "document_text": text, "annotations": []}
    (document,) = read(tmp_path, row)
    assert document.title == title


def test_the_title_is_the_identifier_where_there_is_nothing_else(tmp_path):
    row = {key: value for key, value in ROW.items() if key != "document_url"}
    (document,) = read(tmp_path, row | {"document_text": "Nile", "annotations": []})
    assert document.title == "7"


@pytest.mark.parametrize("field", ["example_id", "question_text", "document_text", "annotations"])
def test_a_missing_field_is_named_with_its_file_and_line(tmp_path, field):
    row = {key: value for key, value in ROW.items() if key != field}
    error = error_of(tmp_path, ROW | {"example_id": 1}, row)
    assert f"{tmp_path}/nq.jsonl, line 2: the field {field} is missing; found " in error


@pytest.mark.parametrize("wrong", [span(10, 20), span(19, 30), span(5, 5), span(9, 3), span(0, -1)])
def test_a_long_answer_outside_its_page_is_named_with_its_file_and_line(tmp_path, wrong):
    error = error_of(tmp_path, ROW | {"annotations": [annotation(wrong)]})
    found = f"found tokens [{wrong['start_token']}, {wrong['end_token']}), wanted a span inside [0, 19)"
    assert f"{tmp_path}/nq.jsonl, line 1, key long_answer: {found}" in error


@pytest.mark.parametrize("wrong", [span(9, 12), span(18, 20), span(14, 14), span(-1, -1), span(4, 6)])
def test_a_short_answer_outside_its_long_answer_is_named_with_its_file_and_line(tmp_path, wrong):
    error = error_of(tmp_path, ROW | {"annotations": [annotation(span(10, 19), span(14, 17), wrong)]})
    found = f"found tokens [{wrong['start_token']}, {wrong['end_token']}), wanted a span inside [10, 19)"
    assert f"{tmp_path}/nq.jsonl, line 1, key short_answers: {found}" in error


def test_a_line_that_is_cut_off_is_named(tmp_path):
    (tmp_path / "nq.jsonl").write_text((json.dumps(ROW) + "\n") + json.dumps(ROW)[:100])
    with pytest.raises(InputError, match=re.escape(f"{tmp_path}/nq.jsonl, line 2: not a whole JSON object")):
        list(read_simplified([tmp_path / "nq.jsonl"]))


def test_an_example_id_that_occurs_twice_is_named_with_both_its_files(tmp_path):
    files.write_json_lines(tmp_path / "a.jsonl", [ROW])
    files.write_json_lines(tmp_path / "b.jsonl.gz", [ROW | {"example_id": 8}, ROW])
    wanted = f"{tmp_path}/b.jsonl.gz, line 2: example_id 7 stands already in {tmp_path}/a.jsonl, line 1"
    with pytest.raises(InputError, match=re.escape(wanted)):
        list(read_simplified([tmp_path / "a.jsonl", tmp_path / "b.jsonl.gz"]))


def test_files_are_read_in_the_order_given(tmp_path):
    files.write_json_lines(tmp_path / "a.jsonl", [ROW])
    files.write_json_lines(tmp_path / "b.jsonl.gz", [ROW | {"example_id": 8}])
    documents = read_simplified([tmp_path / "b.jsonl.gz", tmp_path / "a.jsonl"])
    assert [document.example_id for document in documents] == ["8", "7"]


@pytest.fixture(scope="module")
def sample():
    """Read real questions: for each its row as it stands and its example."""
    if not SAMPLE.exists():
        pytest.skip(f"{SAMPLE} is not on this machine")
    with gzip.open(SAMPLE, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return list(zip(rows, map(example_of, read_simplified([SAMPLE])), strict=True))


def test_every_real_question_gives_an_example(sample):
    assert len(sample) == 1304
    assert [example for _, example in sample if isinstance(example, str)] == []


def test_every_real_short_answer_has_the_words_of_the_page(sample):
    for row, example in sample:
        answers = [(answer["start_token"], answer["end_token"]) for answer in row["annotations"][0]["short_answers"]]
        tokens = row["document_text"].split(" ")
        assert example.paragraph[slice(*example.answer)] == tokens[slice(*min(answers))], example.example_id


def test_every_real_paragraph_has_the_tokens_of_the_page_without_markup(sample):
    for row, example in sample:
        long_answer = row["annotations"][0]["long_answer"]
        tokens = row["document_text"].split(" ")[long_answer["start_token"] : long_answer["end_token"]]
        assert (tokens[0], tokens[-1]) == ("<P>", "</P>")
        assert example.paragraph == tokens[1:-1]
