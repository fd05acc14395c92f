"""Natural Questions, read as documents: in the simplified format here; the three formats side by side in test_formats."""

import gzip
import json
import random
from pathlib import Path

import pytest

from pairprobe.data import natural_questions, text
from pairprobe.data.documents import Annotation
from pairprobe.data.examples import example_of
from pairprobe.data.pages import page_of
from pairprobe.errors import InputError
from pairprobe.io import files

SAMPLE = Path(__file__).parents[3].parent / "shared" / "nq" / "nq-dev-sample.jsonl.gz"
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
    return [document for _, document in natural_questions.read(folder / "nq.jsonl")]


def error_of(folder, *rows):
    *good, error = read(folder, *rows)
    assert not any(isinstance(document, InputError) for document in good)
    assert isinstance(error, InputError)
    return str(error)


def without(*fields):
    return {key: value for key, value in ROW.items() if key not in fields}


def test_markup_is_removed(tmp_path):
    (document,) = read(tmp_path, ROW)
    assert document.words == "Nile The Nile is long . It ends in Egypt .".split()


def test_positions_are_mapped_to_the_words_that_remain(tmp_path):
    (document,) = read(tmp_path, ROW)
    assert document.selected == Annotation((6, 11), "P", ((9, 10),))
    assert document.words[slice(*document.selected.long_answer)] == "It ends in Egypt .".split()
    assert [document.words[slice(*answer)] for answer in document.selected.short_answers] == [["Egypt"]]


def test_the_mapping_holds_for_any_span_of_any_page(tmp_path):
    dice, rows, wanted = random.Random(0), [], []
    for i in range(300):
        tokens = ["<P>", "a", *dice.choices(["<P>", "</P>", "<Td>", "<Br/>", "word", "<", "3"], k=20)]
        start, end = sorted(dice.sample(range(len(tokens) + 1), 2))
        rows.append(
            ROW | {"example_id": i, "document_text": " ".join(tokens), "annotations": [annotation(span(start, end))]}
        )
        wanted.append([token for token in tokens[start:end] if token in ("a", "word", "<", "3")])
    found = [document.words[slice(*document.annotations[0].long_answer)] for document in read(tmp_path, *rows)]
    assert found == wanted


def test_the_question_is_split_into_words_and_the_identifier_is_text(tmp_path):
    (document,) = read(tmp_path, ROW)
    assert document.question == ["where", "does", "the", "nile", "end"]
    assert document.example_id == "7"


def test_an_identifier_of_63_bits_keeps_every_digit(tmp_path):
    (document,) = read(tmp_path, ROW | {"example_id": 2**63 - 1})
    assert document.example_id == "9223372036854775807"


def test_all_annotations_are_read(tmp_path):
    annotations = [annotation(NOWHERE), annotation(span(3, 10), span(5, 6), span(8, 9)), annotation(span(10, 19))]
    (document,) = read(tmp_path, ROW | {"annotations": annotations})
    wanted = (Annotation(None), Annotation((1, 6), "P", ((2, 3), (5, 6))), Annotation((6, 11), "P"))
    assert document.annotations == wanted
    assert document.selected == wanted[1]


@pytest.mark.parametrize("annotations", [[], [annotation(NOWHERE)]])
def test_a_question_that_the_page_does_not_answer_makes_no_example(tmp_path, annotations):
    (document,) = read(tmp_path, ROW | {"annotations": annotations})
    assert document.selected is None
    assert example_of(document) == "the page does not answer the question"
    assert document.words[:2] == ["Nile", "The"]


def test_a_page_that_answers_nothing_is_decoded_when_it_is_asked_for(tmp_path):
    damaged = without("document_text") | {"document_tokens": [{"token": 3}]}
    (document,) = read(tmp_path, damaged | {"annotations": [annotation(NOWHERE)] * 5})
    assert (document.example_id, document.title, document.selected) == ("7", "River Nile", None)
    wanted = r"line 1, key document_tokens\[0\]\.token: Expected `str`, got `int`"
    with pytest.raises(InputError, match=wanted):
        _ = document.text
    with pytest.raises(InputError, match=wanted):
        page_of(document)


@pytest.mark.parametrize(("written", "read_as"), [("YES", "yes"), ("NO", "no"), ("NONE", None)])
def test_a_yes_or_no_is_kept(tmp_path, written, read_as):
    (document,) = read(tmp_path, ROW | {"annotations": [annotation(span(10, 19), yes_no=written)]})
    assert document.selected.yes_no == read_as


def test_a_short_answer_of_markup_alone_is_none(tmp_path):
    (document,) = read(tmp_path, ROW | {"annotations": [annotation(span(10, 19), span(14, 15), span(15, 16))]})
    assert document.selected.short_answers == ((9, 10),)


def test_short_answers_stand_in_reading_order_each_once(tmp_path):
    spans = [span(15, 16), span(11, 13), span(14, 17)]
    (document,) = read(tmp_path, ROW | {"annotations": [annotation(span(10, 19), *spans)]})
    assert document.selected.short_answers == ((6, 8), (9, 10))


@pytest.mark.parametrize("top_level", [True, False])
def test_a_paragraph_within_another_candidate_is_nested(tmp_path, top_level):
    candidates = [span(3, 10) | {"top_level": True}, span(10, 19) | {"top_level": top_level}]
    found = annotation(span(10, 19) | {"candidate_index": 1})
    (document,) = read(tmp_path, ROW | {"annotations": [found], "long_answer_candidates": candidates})
    assert document.selected.nested == (not top_level)


def test_a_long_answer_that_is_not_its_candidate_is_named(tmp_path):
    row = ROW | {"annotations": [annotation(span(10, 19) | {"candidate_index": 0})]}
    error = error_of(tmp_path, row | {"long_answer_candidates": [span(3, 10)]})
    assert f"{tmp_path}/nq.jsonl, line 1, key long_answer: found tokens [10, 19), but its candidate 0 is [3, 10)." in error


def test_a_candidate_that_is_not_there_is_named(tmp_path):
    row = ROW | {"annotations": [annotation(span(10, 19) | {"candidate_index": 5})]}
    error = error_of(tmp_path, row | {"long_answer_candidates": [span(10, 19)]})
    assert "line 1, key long_answer.candidate_index: found 5, and there are 1 long_answer_candidates." in error


def test_short_answers_without_a_long_answer_are_named(tmp_path):
    error = error_of(tmp_path, ROW | {"annotations": [annotation(NOWHERE, span(14, 17))]})
    assert error == f"{tmp_path}/nq.jsonl, line 1, key short_answers: found some, but no long answer that holds them."


@pytest.mark.parametrize("page", ["", " ", "a ", " a", "a  b", "<P> ", "<", "</", "a <", "<P> </", "é <é> ", "<P>"])
def test_a_page_of_odd_tokens_is_read(tmp_path, page):
    size = len(page.split(" "))
    (document,) = read(tmp_path, ROW | {"document_text": page, "annotations": [annotation(span(0, size))]})
    wanted = [token for token in page.split(" ") if token and not text.is_html(token)]
    assert document.text == " ".join(wanted)
    assert document.selected.long_answer == (0, len(wanted))


def test_any_page_has_the_words_that_are_no_markup(tmp_path):
    dice, pages = random.Random(0), []
    pieces = [
        "<P>",
        "</P>",
        "<",
        "<<",
        "</",
        "</>",
        "<3>",
        "<é>",
        "a",
        "é",
        "\u00a0",
        '<Th_colspan="2">',
        "<A>b>",
        "<a",
        "b>",
        "",
    ]
    for _ in range(2000):
        tokens = dice.choices(pieces, k=dice.randrange(1, 9))
        start = dice.randrange(len(tokens))
        pages.append((tokens, start, dice.randrange(start, len(tokens)) + 1))
    rows = [
        ROW | {"document_text": " ".join(tokens), "annotations": [annotation(span(start, end))]}
        for tokens, start, end in pages
    ]
    for (tokens, start, end), document in zip(pages, read(tmp_path, *rows), strict=True):
        is_word = [bool(token) and not text.is_html(token) for token in tokens]
        assert document.text == " ".join(token for token, word in zip(tokens, is_word, strict=True) if word), tokens
        assert document.annotations[0].long_answer == (sum(is_word[:start]), sum(is_word[:end])), tokens


@pytest.mark.parametrize("tag", ["P", "Table", "Tr", "Ul", "Li"])
def test_the_markup_that_holds_the_long_answer_is_kept(tmp_path, tag):
    (document,) = read(tmp_path, ROW | {"document_text": TEXT.replace("<P> It", f"<{tag}> It")})
    assert document.selected.long_answer_tag == tag


def test_a_long_answer_that_is_a_table_makes_no_example(tmp_path):
    (document,) = read(tmp_path, ROW | {"document_text": TEXT.replace("<P> It", "<Table> It")})
    assert example_of(document) == "the long answer is no paragraph but <Table>"


def test_the_title_is_in_the_address_first_so_that_it_is_the_same_in_every_format(tmp_path):
    (document,) = read(tmp_path, ROW | {"document_title": "The Nile"})
    assert document.title == "River Nile"


@pytest.mark.parametrize("row", [without("document_url"), ROW | {"document_url": ""}, ROW | {"document_url": None}])
def test_without_an_address_the_title_is_its_own_field(tmp_path, row):
    (document,) = read(tmp_path, row | {"document_title": "The Nile"})
    assert document.title == "The Nile"


@pytest.mark.parametrize(
    ("heading", "title"),
    [
        ("<H1> Blue Nile </H1>", "Blue Nile"),
        ("<H1> <I> Blue </I> Nile </H1>", "Blue Nile"),
        ("<H1> Café </H1>", "Café"),
        ("<H1> </H1>", "7"),
        ("</H1>", "7"),
        ("<H1>", "7"),
        ("", "7"),
    ],
)
def test_without_both_the_title_is_the_first_heading_or_else_the_identifier(tmp_path, heading, title):
    row = without("document_url") | {"document_text": f"{heading} <P> a </P>".strip(), "annotations": []}
    (document,) = read(tmp_path, row)
    assert document.title == title


@pytest.mark.parametrize(
    ("address", "title"),
    [
        ("https://en.wikipedia.org//w/index.php?title=River_Nile&amp;oldid=836", "River Nile"),
        ("https://en.wikipedia.org//w/index.php?title=Caf%C3%A9_Noir&amp;oldid=836", "Café Noir"),
        ("https://en.wikipedia.org/wiki/River_Nile", "River Nile"),
        ("https://en.wikipedia.org/wiki/Caf%C3%A9_Noir", "Café Noir"),
        ("https://en.wikipedia.org//w/index.php?title=AT%26T&amp;oldid=1", "AT&T"),
        ("https://en.wikipedia.org//w/index.php?title=100%25ab&amp;oldid=1", "100%ab"),  # resolved once
        ("https://en.wikipedia.org/wiki/100%25ab", "100%ab"),
        ("https://en.wikipedia.org/", "The Nile"),
        ("https://[broken/wiki/Nile", "The Nile"),
    ],
)
def test_the_title_is_the_page_s_name_in_its_address(tmp_path, address, title):
    (document,) = read(tmp_path, ROW | {"document_url": address, "document_title": "The Nile"})
    assert document.title == title


@pytest.mark.parametrize("field", ["example_id", "question_text", "document_text", "annotations"])
def test_a_missing_field_is_named_with_its_file_and_line(tmp_path, field):
    error = error_of(tmp_path, ROW | {"example_id": 1}, without(field))
    assert error.startswith(f"{tmp_path}/nq.jsonl, line 2")
    assert field in error


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"example_id": 1.5}, "example_id"),
        ({"example_id": None}, "example_id"),
        ({"example_id": ""}, "example_id"),
        ({"question_text": ["who"]}, "question_text"),
        ({"annotations": {}}, "annotations"),
        ({"annotations": [annotation(span(10, "19"))]}, "annotations[0].long_answer.end_token"),
        ({"annotations": [annotation(span(10, 19), span(True, 17))]}, "annotations[0].short_answers[0].start_token"),
        ({"annotations": [annotation(span(10, 19), yes_no="MAYBE")]}, "annotations[0].yes_no_answer"),
        (
            {
                "annotations": [annotation(span(10, 19) | {"candidate_index": 0})],
                "long_answer_candidates": [span(10, 19) | {"top_level": "yes"}],
            },
            "long_answer_candidates[0].top_level",
        ),
    ],
)
def test_a_value_of_the_wrong_kind_is_named_with_its_file_line_and_place(tmp_path, change, place):
    assert error_of(tmp_path, ROW, ROW | change).startswith(f"{tmp_path}/nq.jsonl, line 2, key {place}: ")


def test_a_page_that_is_no_string_is_named(tmp_path):
    error = error_of(tmp_path, ROW | {"document_text": 3})
    assert error.startswith(f"{tmp_path}/nq.jsonl, line 1: wanted document_text, a string (the simplified format), or ")


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


def test_a_line_that_is_bad_gives_its_error_and_the_next_its_document(tmp_path):
    good = json.dumps(ROW)
    (tmp_path / "nq.jsonl").write_text("\n".join([good, good[:100], "", "[]", good]), encoding="utf-8")
    found = list(natural_questions.read(tmp_path / "nq.jsonl"))
    assert [where for where, _ in found] == [f"{tmp_path}/nq.jsonl, line {i}" for i in range(1, 6)]
    assert [isinstance(document, InputError) for _, document in found] == [False, True, True, True, False]
    assert all(str(error).startswith(f"{where}: ") for where, error in found[1:4])
    assert "not a whole JSON object" in str(found[1][1])


@pytest.mark.parametrize("name", ["nq.jsonl", "nq.jsonl.gz", "nq.parquet"])
def test_a_file_that_is_not_there_is_named(tmp_path, name):
    with pytest.raises(InputError, match=f"{name}: there is no such file"):
        list(natural_questions.read(tmp_path / name))


@pytest.fixture(scope="module")
def sample():
    """Read real questions: for each its row as it stands and its example."""
    if not SAMPLE.exists():
        pytest.skip(f"{SAMPLE} is not on this machine")
    with gzip.open(SAMPLE, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return list(zip(rows, [example_of(document) for _, document in natural_questions.read(SAMPLE)], strict=True))


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
