"""The same questions in every format that they are published in give the same documents, examples and pages."""

import gzip
import json
import random
from dataclasses import asdict, replace
from pathlib import Path
from urllib.parse import parse_qs, urlparse

import corpora
import pytest

from pairprobe.configuration.schema import read_schema
from pairprobe.data import readers
from pairprobe.data.examples import Example, document_of, example_of
from pairprobe.data.pages import page_of, row_of
from pairprobe.data.text import sentence_spans
from pairprobe.errors import InputError
from pairprobe.io import files

ROOT = Path(__file__).parents[3]
DICE = random.Random(13)
QUESTIONS = [corpora.question(DICE, number) for number in range(400)]
WANTED = [corpora.converted(question) for question in QUESTIONS]
ARTICLES = [corpora.article(DICE, number, version_2=number % 2 == 1) for number in range(40)]


def documents(source, path):
    found = list(readers.read(source, path))
    assert [str(document) for _, document in found if isinstance(document, InputError)] == []
    return [document for _, document in found]


def nq_file(folder, name):
    """Write the questions in the format that the file is named after."""
    if name.startswith("simplified"):
        return corpora.write_lines(folder / name, map(corpora.simplified, QUESTIONS))
    if name.endswith("parquet"):
        rows = list(map(corpora.hub_row, QUESTIONS))
        groups = {"hub.parquet": {}, "hub-small-groups.parquet": {"row_group_size": 7, "compression": "zstd"}}
        return corpora.write_parquet(folder / name, rows, **groups[name])
    return corpora.write_lines(folder / name, QUESTIONS)


NQ_FILES = (
    "original.jsonl",
    "original.jsonl.gz",
    "simplified.jsonl",
    "simplified.jsonl.gz",
    "hub.parquet",
    "hub-small-groups.parquet",
)


@pytest.mark.parametrize("name", NQ_FILES)
def test_natural_questions_in_any_format_are_the_documents_of_a_plain_conversion(tmp_path, name):
    found = [corpora.laid_out(document) for document in documents("natural_questions", nq_file(tmp_path, name))]
    titles = [row.pop("title") for row in found]
    assert found == WANTED
    for title, question in zip(titles, QUESTIONS, strict=True):
        (wanted,) = parse_qs(urlparse(question["document_url"].replace("&amp;", "&")).query)["title"]
        assert title == wanted.replace("_", " ")


@pytest.mark.parametrize("name", NQ_FILES)
def test_natural_questions_in_any_format_give_the_examples_of_a_plain_conversion(tmp_path, name):
    made = 0
    for document, row in zip(documents("natural_questions", nq_file(tmp_path, name)), WANTED, strict=True):
        example, wanted = example_of(document), corpora.example_in(row)
        assert isinstance(example, str) == (wanted is None), row
        if wanted:
            assert (example.paragraph, example.answer) == wanted
            assert (example.example_id, example.question) == (row["example_id"], row["question"])
            assert example.sentences == sentence_spans(example.paragraph)
            made += 1
    assert made > 80


@pytest.mark.slow
@pytest.mark.parametrize("name", NQ_FILES)
def test_natural_questions_in_any_format_give_the_pages_that_stand_there(tmp_path, name):
    asked = [document for document in documents("natural_questions", nq_file(tmp_path, name)) if document.question]
    wanted = [corpora.paged(question) for question in QUESTIONS if question["question_text"].split()]
    assert len(wanted) > 300
    for document, page in zip(asked, wanted, strict=True):
        assert row_of(page_of(document)) == page | {"title": document.title}


def test_a_question_without_words_has_no_page(tmp_path):
    found = documents("natural_questions", nq_file(tmp_path, "simplified.jsonl"))
    lines = [i for i, document in enumerate(found, 1) if not document.question]
    assert len(lines) > 20
    for i in lines:
        with pytest.raises(InputError, match=rf"simplified\.jsonl, line {i}, key question: it is empty"):
            page_of(found[i - 1])


def test_the_questions_drawn_have_every_kind_of_answer():
    found = [a for row in WANTED for a in row["annotations"]]
    assert {a["long_answer_tag"] for a in found} == {"P", "Table", "Tr", "Ul", "Li", None}
    assert {a["yes_no"] for a in found} == {"yes", "no", None}
    assert {a["nested"] for a in found} == {True, False}
    assert {len(a["short_answers"]) for a in found} == {0, 1, 2, 3}
    assert any(a["long_answer"] and a["long_answer"][0] == a["long_answer"][1] for a in found)
    assert {len(row["annotations"]) for row in WANTED} == {0, 1, 2, 5}
    assert {example is None for example in map(corpora.example_in, WANTED)} == {True, False}
    assert any(not row["question"] for row in WANTED)
    assert all(word in " ".join(row["text"] for row in WANTED) for word in ("\u00a0", "1_1/2", "<<", "東京"))


def test_each_question_comes_with_its_place_in_the_file(tmp_path):
    for name, unit in (("original.jsonl", "line"), ("hub.parquet", "row")):
        path = nq_file(tmp_path, name)
        found = [where for where, _ in readers.read("natural_questions", path)]
        assert found == [f"{path}, {unit} {i}" for i in range(1, len(QUESTIONS) + 1)]


def test_formats_may_be_mixed_within_a_file(tmp_path):
    rows = [corpora.simplified(q) if i % 2 else q for i, q in enumerate(QUESTIONS)]
    found = list(map(corpora.laid_out, documents("natural_questions", corpora.write_lines(tmp_path / "a.jsonl", rows))))
    assert [{key: value for key, value in row.items() if key != "title"} for row in found] == WANTED


def test_a_page_of_natural_questions_worked_by_hand(tmp_path):
    tokens = '<H1> Nile </H1> <P> The Nile ends in <A|href="x"> Lower|Egypt </A> . </P>'.split()
    row = {
        "example_id": 1,
        "question_text": "where does it end",
        "document_url": "https://en.wikipedia.org//w/index.php?title=The_Nile&amp;oldid=1",
        "document_tokens": [{"token": token.replace("|", " "), "html_token": token[0] == "<"} for token in tokens],
        "annotations": [
            {
                "long_answer": {"start_token": 3, "end_token": 13, "candidate_index": 0},
                "short_answers": [{"start_token": 8, "end_token": 11}],
                "yes_no_answer": "NONE",
            }
        ],
        "long_answer_candidates": [{"start_token": 3, "end_token": 13, "top_level": True}],
    }
    (document,) = documents("natural_questions", corpora.write_lines(tmp_path / "a.jsonl", [row]))
    paragraph = ["The", "Nile", "ends", "in", "Lower_Egypt", "."]
    assert document.words == ["Nile", *paragraph]
    question = ["where", "does", "it", "end"]
    assert example_of(document) == Example("1", "The Nile", question, paragraph, (4, 5), [(0, 6)])


@pytest.mark.parametrize("name", ["squad.json", "squad.json.gz", "squad.parquet", "squad-small-groups.parquet"])
def test_squad_in_any_format_is_the_documents_and_pages_of_a_plain_conversion(tmp_path, name):
    path = tmp_path / name
    if name.endswith("parquet"):
        options = {"row_group_size": 5} if "small" in name else {}
        corpora.write_parquet(path, corpora.hub_squad_rows(ARTICLES), corpora.HUB_SQUAD_SCHEMA, **options)
    else:
        content = json.dumps({"version": "2.0", "data": ARTICLES}).encode()
        path.write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    found = documents("squad_v2", path)
    asked = [
        (article["title"], paragraph["context"], question)
        for article in ARTICLES
        for paragraph in article["paragraphs"]
        for question in paragraph["qas"]
    ]
    wanted = [corpora.squad_converted(*question) for question in asked]
    assert list(map(corpora.laid_out, found)) == wanted
    assert [row_of(page_of(document)) for document in found] == [corpora.squad_paged(*question) for question in asked]
    for document, row in zip(found, wanted, strict=True):
        example, (paragraph, answer) = example_of(document), corpora.example_in(row) or (None, None)
        if paragraph is None:
            assert example == "the page does not answer the question" or "annotator" in example
        else:
            wanted_example = (paragraph, answer, list(document.sentences))
            assert (example.paragraph, example.answer, example.sentences) == wanted_example


def squad(folder, context, *answers, **question):
    """Read one question of SQuAD; answers: (text, character)."""
    gold = [{"text": words, "answer_start": start} for words, start in answers]
    asked = {"id": "q", "question": "Who?", "answers": gold} | question
    content = {"data": [{"title": "T", "paragraphs": [{"context": context, "qas": [asked]}]}]}
    (folder / "squad.json").write_text(json.dumps(content), encoding="utf-8")
    ((where, document),) = readers.read("squad", folder / "squad.json")
    assert where == f"{folder}/squad.json, article 1 (T), paragraph 1, question 1"
    return document


def test_every_source_of_the_schema_has_a_reader_and_another_name_has_none():
    schema = read_schema(ROOT / "workflow" / "schemas" / "config.schema.yaml")
    assert sorted(schema["properties"]["data"]["properties"]["source"]["enum"]) == sorted([*readers.READERS, "none"])
    with pytest.raises(InputError, match=r"no reader for 'squad_v3'\. Allowed: bundled, natural_questions,"):
        readers.read("squad_v3", "a.json")


def test_an_answer_within_a_word_takes_the_word_whole(tmp_path):
    document = squad(tmp_path, "The 1870s were dry. Étretat too.", ("1870", 4), ("tat t", 24), ("dry", 15))
    taken = [document.words[slice(*span)] for found in document.annotations for span in found.short_answers]
    assert taken == [["1870s"], ["Étretat", "too"], ["dry"]]
    # The annotations stand in the order of the page's; of several the first given counts.
    assert example_of(document).paragraph[slice(*example_of(document).answer)] == ["1870s"]


def test_a_question_of_squad_has_the_words_and_sentences_of_its_paragraph(tmp_path):
    document = squad(tmp_path, "Mr. Noir left the U.S. Senate. He lost.", ("Mr. Noir", 0))
    paragraph = "Mr. Noir left the U.S. Senate . He lost .".split()
    assert example_of(document) == Example("q", "T", ["Who", "?"], paragraph, (0, 2), [(0, 7), (7, 10)])


def test_an_integer_id_of_squad_is_its_digits(tmp_path):
    assert squad(tmp_path, "The mill burnt.", ("mill", 4), id=33).example_id == "33"


@pytest.mark.parametrize("answers", [[("", 0)], [("", -1)], [(" ", 3)], [("", 99)]])
def test_an_answer_without_text_is_none(tmp_path, answers):
    document = squad(tmp_path, "The mill burnt.", *answers)
    assert example_of(document) == "the page does not answer the question"
    assert page_of(document).gold_texts == []
    more = squad(tmp_path, "The mill burnt.", *answers, ("mill", 4))
    assert page_of(more).gold_texts == ["mill"]


@pytest.mark.parametrize("untitled", [{}, {"title": None}, {"title": ""}, {"title": " "}])
def test_without_titles_each_context_of_squad_is_a_page(tmp_path, untitled):
    def paragraph(i, context):
        return {"context": context, "qas": [{"id": i, "question": "Who?", "answers": []}]}

    content = [[paragraph(1, "The mill."), paragraph(2, "The house.")], [paragraph(3, " The  mill. ")]]
    articles = [{"paragraphs": paragraphs} | untitled for paragraphs in content]
    (tmp_path / "a.json").write_text(json.dumps({"data": articles}))
    found = list(readers.read("squad", tmp_path / "a.json"))
    assert found[1][0] == f"{tmp_path}/a.json, article 1, paragraph 2, question 1"
    first, second, third = (document.title for _, document in found)
    assert first == third != second
    assert (first[:11], second[:12]) == ("The mill. [", "The house. [")


def test_articles_without_anything_around_them_are_squad(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(ARTICLES))
    (tmp_path / "b.json").write_text(json.dumps({"data": ARTICLES}))
    found = [list(map(corpora.laid_out, documents("squad", tmp_path / name))) for name in ("a.json", "b.json")]
    assert found[0] == found[1]


@pytest.mark.parametrize("source", readers.READERS)
def test_a_file_without_a_question_is_named(tmp_path, source):
    (tmp_path / "a.json").write_text('{"data": []}' if source.startswith("squad") else "")
    with pytest.raises(InputError, match=r"a\.json: there is no question in it"):
        list(readers.read(source, tmp_path / "a.json"))


def test_a_question_that_squad_calls_impossible_has_no_answer(tmp_path):
    document = squad(tmp_path, "The mill burnt.", ("mill", 4), is_impossible=True)
    assert example_of(document) == "the page does not answer the question"
    assert page_of(document).gold_texts == []


@pytest.mark.parametrize(
    ("context", "answers", "told"),
    [
        ("The mill.", [("mill", 5)], "key answers: found 'mill' at character 5, where the context has 'ill.'"),
        ("The mill.", [("mill", -1)], "key answers: found 'mill' at character -1"),
        ("The mill.", [("mill", 99)], "key answers: found 'mill' at character 99, where the context has 9 characters."),
        (" \n", [], ", question 1, key context: it is empty."),
    ],
)
def test_a_question_of_squad_that_contradicts_itself_is_named(tmp_path, context, answers, told):
    error = squad(tmp_path, context, *answers)
    assert isinstance(error, InputError)
    assert str(error).startswith(f"{tmp_path}/squad.json, article 1 (T), paragraph 1")
    assert told in str(error)


def test_a_question_of_squad_without_words_or_identifier_is_named(tmp_path):
    assert "question 1, key question: it is empty." in str(squad(tmp_path, "A.", ("A", 0), question=" "))
    assert "question 1, key id: it is empty." in str(squad(tmp_path, "A.", ("A", 0), id=""))


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"data": 3}', b"\xff", b'{"version": "1.1"}'])
@pytest.mark.parametrize("name", ["squad.json", "squad.json.gz", "squad.parquet"])
def test_a_file_that_is_no_squad_is_named(tmp_path, name, content):
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    with pytest.raises(InputError) as error:
        list(readers.read("squad", tmp_path / name))
    assert str(error.value).startswith(f"{tmp_path / name}")


@pytest.mark.parametrize("source", ["natural_questions", "squad"])
def test_a_parquet_file_of_another_data_set_is_named_with_the_columns_that_it_lacks(tmp_path, source):
    row = {"question": "who", "context": "a"}
    schema = corpora.pyarrow.schema({key: corpora.pyarrow.string() for key in row})
    path = corpora.write_parquet(tmp_path / "a.parquet", [row], schema)
    lacking = "answers" if source == "squad" else "document.title, document.url, document.tokens.token, question.text"
    with pytest.raises(InputError) as error:
        list(readers.read(source, path))
    assert str(error.value).startswith(f"{path}: the columns id, {lacking}")
    assert "; found question, context. Is this a file of the data set that data.source names?" in str(error.value)


def test_tokens_of_another_type_are_named(tmp_path):
    fields = {field.name: field.type for field in corpora.HUB_SCHEMA}
    tokens = corpora.pyarrow.struct({"token": corpora.pyarrow.list_(corpora.pyarrow.int64())})
    string = corpora.pyarrow.string()
    fields["document"] = corpora.pyarrow.struct({"title": string, "tokens": tokens, "url": string})
    row = corpora.hub_row(QUESTIONS[0]) | {"document": {"title": "a", "url": "b", "tokens": {"token": [1]}}}
    path = corpora.write_parquet(tmp_path / "a.parquet", [row], corpora.pyarrow.schema(fields))
    with pytest.raises(InputError, match=r"a\.parquet, column document\.tokens\.token: found list<.*int64>, wanted lists"):
        list(readers.read("natural_questions", path))


def made_examples():
    found = [corpora.example_in(row) for row in WANTED]
    for i, (paragraph, answer) in enumerate(filter(None, found)):
        yield Example(f"e{i}", f"Page {i % 5}", ["who", "?"], paragraph, answer, sentence_spans(paragraph))


@pytest.mark.parametrize("name", ["examples.jsonl", "examples.jsonl.gz"])
def test_our_own_examples_come_back_as_they_were_written(tmp_path, name):
    written = list(made_examples())
    assert len(written) > 80
    files.write_json_lines(tmp_path / name, map(asdict, written))
    found = documents("examples", tmp_path / name)
    assert [example_of(document) for document in found] == written
    assert list(map(page_of, found)) == [page_of(document_of(example)) for example in written]


def test_of_our_own_examples_a_bad_line_gives_its_error_and_the_next_its_document(tmp_path):
    example = next(made_examples())
    good = json.dumps(asdict(example))
    bad = json.dumps(asdict(replace(example, answer=(0, 999))))
    (tmp_path / "a.jsonl").write_text("\n".join([good, bad, "{", good]) + "\n")
    found = list(readers.read("examples", tmp_path / "a.jsonl"))
    assert [where for where, _ in found] == [f"{tmp_path}/a.jsonl, line {i}" for i in range(1, 5)]
    assert [isinstance(document, InputError) for _, document in found] == [False, True, True, False]
    assert str(found[1][1]).startswith(f"{tmp_path}/a.jsonl, line 2, key answer: found [0, 999]")


def test_of_our_own_examples_one_without_identifier_is_named(tmp_path):
    path = tmp_path / "a.jsonl"
    files.write_json_lines(path, [asdict(replace(next(made_examples()), example_id=""))])
    ((where, found),) = readers.read("examples", path)
    assert isinstance(found, InputError)
    assert str(found).startswith(f"{where}, key example_id: ")
