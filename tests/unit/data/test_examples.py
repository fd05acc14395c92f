"""Examples cut out of documents, and read back with every line checked."""

import json
import re
from dataclasses import asdict, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pairprobe.data.documents import Annotation, Document
from pairprobe.data.examples import (
    Example,
    answer_sentence,
    document_of,
    example_of,
    read_each_example,
    read_examples,
)
from pairprobe.errors import InputError
from pairprobe.io import files

WORDS = "Ada Dora was born in Rome . She moved to Oslo in 1901 . It rained .".split()
FOUND = Annotation((1, 18), "P", ((11, 12),))
NOTHING = Annotation(None)
DOCUMENT = Document("1", "Ada", "where did she move".split(), " ".join(["Title", *WORDS]), (FOUND,))
EXAMPLE = Example("1", "Ada", "where did she move".split(), WORDS, (10, 11), [(0, 7), (7, 14), (14, 17)])


def annotated(*annotations):
    return replace(DOCUMENT, annotations=annotations)


def read(folder, *rows):
    files.write_json_lines(folder / "a.jsonl.gz", rows)
    return list(read_examples(folder / "a.jsonl.gz"))


def error_of(folder, *rows):
    with pytest.raises(InputError) as error:
        read(folder, *rows)
    return str(error.value)


def test_an_example_is_the_paragraph_with_the_answer_counted_from_its_first_word():
    assert example_of(DOCUMENT) == EXAMPLE


def test_of_several_short_answers_the_first_on_the_page_counts():
    several = replace(FOUND, short_answers=((13, 14), (11, 12), (12, 14)))
    assert example_of(annotated(several)).answer == (10, 11)


def test_an_example_may_have_no_short_answer():
    assert example_of(annotated(replace(FOUND, short_answers=(), yes_no="yes"))) == replace(EXAMPLE, answer=None)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"annotations": ()}, "the page does not answer the question"),
        ({"annotations": (NOTHING,)}, "the page does not answer the question"),
        ({"annotations": (NOTHING,) * 5}, "the page does not answer the question"),
        ({"annotations": (NOTHING, FOUND, NOTHING)}, "one annotator alone found an answer"),
        ({"annotations": (replace(FOUND, long_answer_tag="Table"),)}, "the long answer is no paragraph but <Table>"),
        ({"annotations": (Annotation((3, 3), "P"),)}, "the paragraph has no words"),
        ({"annotations": (Annotation((0, 0), "P"),)}, "the paragraph has no words"),
        ({"text": "", "annotations": (Annotation((0, 0), "P"),)}, "the paragraph has no words"),
        ({"question": []}, "the question has no words"),
    ],
)
def test_a_document_without_an_example_says_why(change, why):
    assert example_of(replace(DOCUMENT, **change)) == why


@pytest.mark.parametrize(
    ("annotations", "long_answer"),
    [
        ([((7, 9), 0)], (7, 9)),
        ([((7, 9), 0), ((2, 5), 0)], (2, 5)),  # the first on the page, in whatever order they stand
        ([((2, 5), 0), ((7, 9), 1)], (7, 9)),  # one with a short answer before one without
        ([((9, 12), 1), ((7, 9), 1), ((2, 5), 0)], (7, 9)),
        ([(None, 0), ((7, 9), 0), (None, 0), ((2, 5), 0), (None, 0)], (2, 5)),  # two of five are enough
        ([(None, 0), ((7, 9), 1), (None, 0), (None, 0), (None, 0)], None),  # one of five is not
        ([(None, 0), ((7, 9), 1)], None),
        ([((2, 5), 1)], (2, 5)),  # where there is one alone it counts
    ],
)
def test_the_first_annotation_with_a_short_answer_makes_the_example_where_two_annotators_answered(annotations, long_answer):
    made = [Annotation(span, "P", (span,) if short else ()) if span else NOTHING for span, short in annotations]
    found = annotated(*made).selected
    assert (found.long_answer if found else None) == long_answer


def test_sentences_of_the_document_are_those_of_its_example():
    sentences = ((0, 1), (1, 4), (4, 18))
    assert example_of(replace(DOCUMENT, sentences=sentences)).sentences == [(0, 3), (3, 17)]


def test_the_document_of_an_example_gives_the_example_back():
    for example in (EXAMPLE, replace(EXAMPLE, answer=None), replace(EXAMPLE, sentences=[(0, 17)])):
        assert example_of(document_of(example)) == example


def test_the_answers_sentence_is_the_one_that_holds_it():
    assert answer_sentence(EXAMPLE) == (7, 14)


@pytest.mark.parametrize(
    ("answer", "sentence"), [((0, 1), (0, 7)), ((6, 7), (0, 7)), ((7, 8), (7, 14)), ((16, 17), (14, 17))]
)
def test_an_answer_at_the_edge_of_a_sentence_is_in_it(answer, sentence):
    assert answer_sentence(replace(EXAMPLE, answer=answer)) == sentence


def test_an_answer_that_crosses_sentences_has_them_all():
    assert answer_sentence(replace(EXAMPLE, answer=(5, 15))) == (0, 17)


def test_without_a_short_answer_there_is_no_answers_sentence():
    assert answer_sentence(replace(EXAMPLE, answer=None)) is None


def test_examples_come_back_as_they_were_written(tmp_path):
    answers = [(10, 11), (0, 17), None]
    examples = [replace(EXAMPLE, example_id=str(i), answer=answer) for i, answer in enumerate(answers)]
    assert read(tmp_path, *map(asdict, examples)) == examples


@pytest.mark.parametrize("key", ["example_id", "title", "question", "paragraph", "answer", "sentences"])
def test_a_missing_field_is_named_with_its_file_and_line(tmp_path, key):
    row = {name: value for name, value in asdict(EXAMPLE).items() if name != key} | {"example_id2": "2"}
    error = error_of(tmp_path, asdict(replace(EXAMPLE, example_id="0")), row)
    wanted = "example_id, title, question, paragraph, answer, sentences"
    assert error == f"{tmp_path}/a.jsonl.gz, line 2, key {key}: missing. Wanted: {wanted}."


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("example_id", 7),
        ("title", None),
        ("question", "who"),
        ("paragraph", []),
        ("paragraph", ["a", 1]),
        ("paragraph", ["a", ""]),
        ("paragraph", ["a", "New York"]),
        ("question", ["New York"]),
        ("sentences", None),
        ("sentences", [3]),
        ("sentences", [[0]]),
        ("sentences", [[0, 7, 17]]),
        ("sentences", [[0.0, 17.0]]),
        ("sentences", [[False, 17]]),
        ("sentences", [[0, 20], [20, 17]]),
        ("sentences", [[0, 0], [0, 17]]),
        ("answer", [False, True]),
        ("answer", [0, True]),
        ("answer", [0, 1.0]),
        ("answer", [1]),
        ("answer", [1, 2, 3]),
        ("answer", ["1", "2"]),
        ("answer", 3),
    ],
)
def test_a_field_of_the_wrong_kind_is_named_with_its_file_and_line(tmp_path, key, value):
    error = error_of(tmp_path, asdict(EXAMPLE) | {key: value})
    assert re.match(rf"{tmp_path}/a\.jsonl\.gz, line 1, key {key}[][0-9]*: (found|Expected) ", error)


def test_a_text_without_a_question_is_an_example_and_no_question_of_a_data_set(tmp_path):
    single = replace(EXAMPLE, question=[])
    assert read(tmp_path, asdict(single)) == [single]
    ((_, error),) = read_each_example(tmp_path / "a.jsonl.gz")
    assert str(error).endswith("line 1, key question: found no words, wanted at least one.")


@pytest.mark.parametrize("answer", [[16, 18], [-1, 1], [3, 3], [4, 3]])
def test_an_answer_outside_its_paragraph_is_named_with_its_file_and_line(tmp_path, answer):
    error = error_of(tmp_path, asdict(EXAMPLE) | {"answer": answer})
    assert f"{tmp_path}/a.jsonl.gz, line 1, key answer: found {answer!r}, wanted [start, end)" in error
    assert "there are 17 words" in error


@pytest.mark.parametrize("sentences", [[], [[0, 7]], [[0, 7], [8, 17]], [[0, 8], [7, 17]], [[1, 17]], [[7, 17], [0, 7]]])
def test_sentences_that_do_not_cover_the_paragraph_are_named_with_their_file_and_line(tmp_path, sentences):
    error = error_of(tmp_path, asdict(EXAMPLE) | {"sentences": sentences})
    assert f"{tmp_path}/a.jsonl.gz, line 1, key sentences: " in error
    assert "do not cover the 17 words" in error


def test_an_example_id_that_occurs_twice_is_named_with_both_its_lines(tmp_path):
    error = error_of(tmp_path, asdict(EXAMPLE), asdict(replace(EXAMPLE, example_id="2")), asdict(EXAMPLE))
    assert f"{tmp_path}/a.jsonl.gz, line 3: the question '1' is also in {tmp_path}/a.jsonl.gz, line 1;" in error


def test_each_line_gives_its_example_or_its_error(tmp_path):
    good = [asdict(replace(EXAMPLE, example_id=str(i))) for i in range(3)]
    lines = [json.dumps(row).encode() for row in good]
    lines[1:1] = [b"{", b"\xff", b"[]", json.dumps(good[0] | {"answer": [0, 99]}).encode()]
    (tmp_path / "a.jsonl").write_bytes(b"\n".join(lines))
    found = list(read_each_example(tmp_path / "a.jsonl"))
    assert [where for where, _ in found] == [f"{tmp_path}/a.jsonl, line {i}" for i in range(1, 8)]
    assert [i for i, (_, example) in enumerate(found, 1) if isinstance(example, InputError)] == [2, 3, 4, 5]
    assert all(str(error).startswith(where) for where, error in found[1:5])
    assert [example.example_id for _, example in found if isinstance(example, Example)] == ["0", "1", "2"]


words = st.text(st.characters(exclude_characters=" ", exclude_categories=["Cs"]), min_size=1, max_size=4)


@pytest.mark.slow
@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(st.data())
def test_any_example_is_the_same_after_writing_and_reading_and_as_a_document(tmp_path_factory, data):
    paragraph = data.draw(st.lists(words, min_size=1, max_size=12))
    cuts = sorted(data.draw(st.sets(st.integers(1, len(paragraph)), max_size=3)) | {len(paragraph)})
    start = data.draw(st.integers(0, len(paragraph) - 1))
    answer = data.draw(st.none() | st.integers(start + 1, len(paragraph)).map(lambda end: (start, end)))
    question = data.draw(st.lists(words, min_size=1, max_size=3))
    example = Example("é", "", question, paragraph, answer, list(zip([0, *cuts[:-1]], cuts, strict=True)))
    folder = tmp_path_factory.mktemp("any")
    assert read(folder, asdict(example)) == [example]
    assert example_of(document_of(example)) == example
