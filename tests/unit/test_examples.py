"""Examples cut out of documents, dealt to partitions, and read back with every line checked."""

import re
from collections import Counter
from dataclasses import asdict, replace

import pytest

from pairprobe import files
from pairprobe.errors import InputError
from pairprobe.examples import (
    PARTITIONS,
    Document,
    Example,
    answer_sentence,
    example_of,
    partition_of,
    read_documents,
    read_examples,
    write_partitions,
)

SHARES = {"finetune": 0.5, "head": 0.2, "probe": 0.3}
WORDS = "Ada Dora was born in Rome . She moved to Oslo in 1901 . It rained .".split()
DOCUMENT = Document("1", "Ada", "where did she move".split(), ["Title", *WORDS], (1, 18), "P", [(11, 12)], None)
EXAMPLE = Example("1", "Ada", "where did she move".split(), WORDS, (10, 11), [(0, 7), (7, 14), (14, 17)])
TITLES = [f"Page {i}" for i in range(3000)]


def documents_of(titles):
    return [replace(DOCUMENT, example_id=f"{title}, {i}", title=title) for title in titles for i in (1, 2)]


def deal(folder, documents, seed=13, shares=SHARES):
    example_files = {name: folder / "examples" / f"{name}.jsonl.gz" for name in PARTITIONS}
    document_files = {name: folder / "documents" / f"{name}.jsonl.gz" for name in PARTITIONS}
    rows = write_partitions(documents, seed, shares, example_files, document_files)
    return rows, {name: list(read_examples(path)) for name, path in example_files.items()}


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
    assert example_of(replace(DOCUMENT, short_answers=[(13, 14), (11, 12), (12, 14)])).answer == (10, 11)


def test_an_example_may_have_no_short_answer():
    assert example_of(replace(DOCUMENT, short_answers=[], yes_no="yes")) == replace(EXAMPLE, answer=None)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"long_answer": None}, "the page does not answer the question"),
        ({"long_answer_tag": "Table"}, "the long answer is no paragraph but <Table>"),
        ({"long_answer": (3, 3)}, "the paragraph has no words"),
        ({"question": []}, "the question has no words"),
    ],
)
def test_a_document_without_an_example_says_why(change, why):
    assert example_of(replace(DOCUMENT, **change)) == why


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


def test_partitions_get_nearly_their_shares_of_the_pages():
    counts = Counter(partition_of(title, 13, SHARES) for title in TITLES)
    assert {name: counts[name] / len(TITLES) for name in PARTITIONS} == pytest.approx(SHARES, abs=0.03)


def test_a_share_of_nothing_gets_nothing():
    assert {partition_of(title, 13, {"finetune": 0, "head": 0, "probe": 1}) for title in TITLES} == {"probe"}


def test_another_seed_deals_the_pages_anew():
    moved = sum(partition_of(title, 1, SHARES) != partition_of(title, 2, SHARES) for title in TITLES)
    assert moved / len(TITLES) == pytest.approx(1 - sum(share**2 for share in SHARES.values()), abs=0.04)


def test_a_page_has_the_same_partition_in_every_process():
    # As written down once: Python's own hash of a string changes with each process.
    dealt = [partition_of(title, 13, SHARES) for title in ("Ada Lovelace", "Oslo", "Nile", "Café", "Moon landing")]
    assert dealt == ["finetune", "head", "finetune", "probe", "finetune"]


def test_partitions_are_disjoint_by_title(tmp_path):
    _, dealt = deal(tmp_path, documents_of(TITLES[:100]))
    titles = {name: {example.title for example in examples} for name, examples in dealt.items()}
    assert sum(map(len, titles.values())) == len(set().union(*titles.values())) == 100
    assert sum(map(len, dealt.values())) == 200


def test_more_data_moves_no_page_to_another_partition(tmp_path):
    _, few = deal(tmp_path / "few", documents_of(TITLES[50:100]))
    _, many = deal(tmp_path / "many", documents_of(TITLES[:150]))
    for name in PARTITIONS:
        assert [example for example in many[name] if example.title in TITLES[50:100]] == few[name]


def test_documents_go_where_their_examples_go(tmp_path):
    _, dealt = deal(tmp_path, documents_of(TITLES[:20]))
    for name in PARTITIONS:
        documents = list(read_documents(tmp_path / "documents" / f"{name}.jsonl.gz"))
        assert [example_of(document) for document in documents] == dealt[name]


def test_the_table_counts_pages_examples_and_what_is_left_out(tmp_path):
    documents = [
        *documents_of(["a"]),
        replace(DOCUMENT, example_id="3", title="a", short_answers=[]),
        replace(DOCUMENT, example_id="4", title="a", long_answer=None),
        replace(DOCUMENT, example_id="5", title="b", long_answer_tag="Table"),
        replace(DOCUMENT, example_id="6", title="b", long_answer_tag="Table"),
    ]
    rows, _ = deal(tmp_path, documents, shares={"finetune": 0, "head": 0, "probe": 1})
    assert rows[-5:] == [
        ("probe", "pages", 1),
        ("probe", "examples", 3),
        ("probe", "with a short answer", 2),
        ("left out", "the long answer is no paragraph but <Table>", 2),
        ("left out", "the page does not answer the question", 1),
    ]
    assert {number for name, _, number in rows[:-5]} == {0}


def test_the_same_documents_give_the_same_bytes(tmp_path):
    deal(tmp_path / "one", documents_of(TITLES[:20]))
    deal(tmp_path / "two", documents_of(TITLES[:20]))
    for file in (tmp_path / "one").rglob("*.gz"):
        assert file.read_bytes() == (tmp_path / "two" / file.relative_to(tmp_path / "one")).read_bytes()


@pytest.mark.parametrize("probe", [0.2, 0.4])
def test_shares_that_do_not_make_1_are_refused_and_nothing_is_written(tmp_path, probe):
    with pytest.raises(InputError, match=rf"partitions: .*together {0.7 + probe:g}; they must make 1"):
        deal(tmp_path, documents_of(["a"]), shares={**SHARES, "probe": probe})
    assert list(tmp_path.iterdir()) == []


def test_shares_that_make_1_but_for_rounding_are_good(tmp_path):
    shares = {"finetune": 0.2, "head": 0.7, "probe": 0.1}
    assert sum(shares.values()) != 1
    deal(tmp_path, documents_of(["a"]), shares=shares)


def test_an_error_among_the_documents_leaves_no_partition_behind(tmp_path):
    def documents():
        yield from documents_of(TITLES[:20])
        raise InputError("cut off")

    with pytest.raises(InputError, match="cut off"):
        deal(tmp_path, documents())
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_examples_come_back_as_they_were_written(tmp_path):
    answers = [(10, 11), (0, 17), None]
    examples = [replace(EXAMPLE, example_id=str(i), answer=answer) for i, answer in enumerate(answers)]
    assert read(tmp_path, *map(asdict, examples)) == examples


def test_documents_come_back_as_they_were_written(tmp_path):
    documents = [
        DOCUMENT,
        replace(DOCUMENT, example_id="2", long_answer=None, long_answer_tag=None, short_answers=[]),
        replace(DOCUMENT, example_id="3", short_answers=[], yes_no="no"),
    ]
    files.write_json_lines(tmp_path / "a.jsonl", map(asdict, documents))
    assert list(read_documents(tmp_path / "a.jsonl")) == documents


@pytest.mark.parametrize("key", ["example_id", "title", "question", "paragraph", "answer", "sentences"])
def test_a_missing_field_is_named_with_its_file_and_line(tmp_path, key):
    row = {name: value for name, value in asdict(EXAMPLE).items() if name != key} | {"example_id2": "2"}
    error = error_of(tmp_path, asdict(replace(EXAMPLE, example_id="0")), row)
    assert f"{tmp_path}/a.jsonl.gz, line 2: the field {key} is missing; found " in error


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("example_id", 7),
        ("title", None),
        ("question", "who"),
        ("question", []),
        ("paragraph", []),
        ("paragraph", ["a", 1]),
        ("sentences", None),
    ],
)
def test_a_field_of_the_wrong_kind_is_named_with_its_file_and_line(tmp_path, key, value):
    error = error_of(tmp_path, asdict(EXAMPLE) | {key: value})
    assert f"{tmp_path}/a.jsonl.gz, line 1, key {key}: found " in error


@pytest.mark.parametrize("answer", [[16, 18], [-1, 1], [3, 3], [4, 3], [1], [1, 2, 3], ["1", "2"], 3])
def test_an_answer_outside_its_paragraph_is_named_with_its_file_and_line(tmp_path, answer):
    error = error_of(tmp_path, asdict(EXAMPLE) | {"answer": answer})
    assert f"{tmp_path}/a.jsonl.gz, line 1, key answer: found {answer!r}, wanted [start, end)" in error
    assert "there are 17 words" in error


@pytest.mark.parametrize("sentences", [[], [[0, 7]], [[0, 7], [8, 17]], [[0, 8], [7, 17]], [[1, 17]], [[7, 17], [0, 7]]])
def test_sentences_that_do_not_cover_the_paragraph_are_named_with_their_file_and_line(tmp_path, sentences):
    error = error_of(tmp_path, asdict(EXAMPLE) | {"sentences": sentences})
    assert f"{tmp_path}/a.jsonl.gz, line 1, key sentences: " in error
    assert "do not cover the paragraph's 17 words" in error


def test_an_example_id_that_occurs_twice_is_named_with_both_its_lines(tmp_path):
    error = error_of(tmp_path, asdict(EXAMPLE), asdict(replace(EXAMPLE, example_id="2")), asdict(EXAMPLE))
    assert f"{tmp_path}/a.jsonl.gz, line 3: example_id '1' stands already on line 1" in error


@pytest.mark.parametrize(
    ("key", "value"),
    [("words", []), ("long_answer", [1, 99]), ("short_answers", [[11, 12], [17, 99]]), ("question", "who")],
)
def test_a_document_that_contradicts_itself_is_named_with_its_file_line_and_key(tmp_path, key, value):
    files.write_json_lines(tmp_path / "a.jsonl", [asdict(DOCUMENT) | {key: value}])
    with pytest.raises(InputError, match=re.escape(f"{tmp_path}/a.jsonl, line 1, key {key}: found ")):
        list(read_documents(tmp_path / "a.jsonl"))


def test_a_document_that_occurs_twice_is_named(tmp_path):
    files.write_json_lines(tmp_path / "a.jsonl", [asdict(DOCUMENT), asdict(DOCUMENT)])
    with pytest.raises(InputError, match="line 2: example_id '1' stands already on line 1"):
        list(read_documents(tmp_path / "a.jsonl"))
