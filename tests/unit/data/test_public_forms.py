"""Data sets in the forms in which they are public, each damaged in many ways: read exactly, or refused in one line.

Of a form with one thing changed each question is the same document as before, or stands for an error that names the file
and the place; and only a file that is cut off is said to be.
"""

import codecs
import copy
import csv
import gzip
import json

import corpora
import pyarrow
import pyarrow.parquet
import pytest

from pairprobe.data import readers
from pairprobe.data.pages import page_of, row_of
from pairprobe.data.partitions import Part, write_partitions
from pairprobe.errors import InputError

SHARES = {"finetune": 0.4, "head": 0.3, "probe": 0.3}
ROWS = [
    {
        "id": f"q{i}",
        "title": f"Mill {i // 2}",
        "question": f"Who built mill number {i}?",
        "context": f"The mill number {i} was built by Ada Zürn{i} in 190{i}. It burnt.",
        "answer": f"Ada Zürn{i}",
    }
    for i in range(6)
]


def nq_original(row):
    """Lay a row out as a question of Natural Questions whose page is the context."""
    words = row["context"].split()
    tokens = [{"token": token, "html_token": token[0] == "<"} for token in ["<P>", *words, "</P>"]]
    start = words.index("Ada") + 1
    place = {"start_byte": 0, "end_byte": 1}
    long_answer = {"start_token": 0, "end_token": len(tokens), **place}
    found = {
        "annotation_id": 1,
        "long_answer": {**long_answer, "candidate_index": 0},
        "short_answers": [{"start_token": start, "end_token": start + 2, **place}],
        "yes_no_answer": "NONE",
    }
    return {
        "example_id": row["id"],
        "question_text": row["question"],
        "question_tokens": row["question"].split(),
        "document_title": row["title"],
        "document_url": f"https://en.wikipedia.org/wiki/{row['title']}",
        "document_html": "",
        "document_tokens": [token | place for token in tokens],
        "long_answer_candidates": [{**long_answer, "top_level": True}],
        "annotations": [found],
    }


def squad_question(row):
    answer = {"text": row["answer"], "answer_start": row["context"].index(row["answer"])}
    return {"id": row["id"], "question": row["question"], "answers": [answer]}


def squad_file(rows, **more):
    """Lay rows out as SQuAD's JSON, an article for each."""
    paragraphs = [{"context": row["context"], "qas": [squad_question(row) | more]} for row in rows]
    return {"data": [{"title": row["title"], "paragraphs": [made]} for row, made in zip(rows, paragraphs, strict=True)]}


def squad_row(row, columns=True):
    """Lay a row out as the hub does: the answers as columns, or as other programs do, as a list."""
    answers = squad_question(row)["answers"]
    laid = {key: [answer[key] for answer in answers] for key in ("text", "answer_start")} if columns else answers
    return {key: row[key] for key in ("id", "title", "context", "question")} | {"answers": laid}


def mrqa_line(row):
    """Lay a row out as MRQA's: the title is within the context."""
    context = f"[DOC] [TLE] {row['title']} [PAR] {row['context']}"
    start = context.index(row["answer"])
    found = {"text": row["answer"], "char_spans": [[start, start + len(row["answer"]) - 1]], "token_spans": [[9, 10]]}
    asked = {"qid": row["id"], "question": row["question"], "answers": [row["answer"]], "detected_answers": [found]}
    return {"context": context, "context_tokens": [["[DOC]", 0]], "qas": [asked]}


FORMS = {
    "nq-original.jsonl": lambda rows: list(map(nq_original, rows)),
    "nq-simplified.jsonl.gz": lambda rows: [corpora.simplified(nq_original(row)) for row in rows],
    "nq-array.json": lambda rows: [corpora.simplified(nq_original(row)) for row in rows],
    "nq-hub.parquet": lambda rows: [corpora.hub_row(nq_original(row)) for row in rows],
    "squad-1.1.json": squad_file,
    "squad-2.0.json.gz": lambda rows: squad_file(rows, is_impossible=False),
    "squad-hub.parquet": lambda rows: list(map(squad_row, rows)),
    "squad-hub.jsonl": lambda rows: list(map(squad_row, rows)),
    "squad-data.json": lambda rows: {"version": "1", "data": list(map(squad_row, rows))},
    "squad-list.json": lambda rows: [squad_row(row, columns=False) for row in rows],
    "mrqa-a.jsonl": lambda rows: [{"header": {"dataset": "Mills", "split": "dev"}}, *map(mrqa_line, rows)],
    "qa-flat.jsonl": lambda rows: rows,
    "qa-squad.parquet": lambda rows: [squad_row(row, columns=False) for row in rows],
    "qa-table.csv": lambda rows: rows,
    "qa-table.tsv.gz": lambda rows: rows,
}
TEXTS = [name for name in FORMS if "parquet" not in name]
JSONS = [name for name in TEXTS if "table" not in name]
PARQUETS = [name for name in FORMS if "parquet" in name]
SOURCES = {"nq": "natural_questions", "squad": "squad", "mrqa": "mrqa", "qa": "qa_pairs"}


def source_of(name):
    return SOURCES[name.partition("-")[0]]


def text_of(name, content, **options):
    """Write a form's content as text."""
    if "table" in name:
        lines = [list(content[0]), *(row.values() for row in content)]
        separator = "\t" if "tsv" in name else ","
        return "".join(separator.join('"' + str(cell).replace('"', '""') + '"' for cell in row) + "\n" for row in lines)
    if ".jsonl" in name:
        return "".join(json.dumps(row, ensure_ascii=False, **options) + "\n" for row in content)
    return json.dumps(content, ensure_ascii=False, **options) + "\n"


def write(folder, name, content):
    """Write bytes, or a form's content."""
    path = folder / name
    if name.endswith("parquet"):
        schema = corpora.HUB_SCHEMA if name.startswith("nq") else None
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(content, schema=schema), path, row_group_size=1)
        return path
    raw = content if isinstance(content, bytes) else text_of(name, content).encode()
    path.write_bytes(gzip.compress(raw, 1) if name.endswith(".gz") else raw)
    return path


def substituted(value, old, new):
    """Return a copy with strings replaced wherever they stand."""
    if isinstance(value, dict):
        return {key: substituted(inner, old, new) for key, inner in value.items()}
    if isinstance(value, list):
        return [substituted(inner, old, new) for inner in value]
    return new if value == old else value


def documents_and_errors(source, path):
    """Read a file; return its documents, laid out, by example_id, and what was said."""
    documents, errors = {}, []
    try:
        for where, found in readers.read(source, path):
            assert where.startswith(str(path))
            if isinstance(found, InputError):
                errors.append(str(found))
            elif found.question:
                documents.setdefault(found.example_id, (corpora.laid_out(found), row_of(page_of(found))))
    except InputError as error:
        errors.append(str(error))
    assert all(said.startswith(str(path)) and "\n" not in said for said in errors)
    return documents, errors


@pytest.fixture(scope="module")
def wanted(tmp_path_factory):
    """Every form's documents, as it is written without damage."""
    found = {}
    for name, build in FORMS.items():
        folder = tmp_path_factory.mktemp(name)
        documents, errors = documents_and_errors(source_of(name), write(folder, name, build(ROWS)))
        assert (list(documents), errors) == ([row["id"] for row in ROWS], []), name
        found[name] = documents
    return found


def test_the_forms_have_the_same_answers(wanted):
    for documents in wanted.values():
        for row in ROWS:
            laid, page = documents[row["id"]]
            (annotation,) = laid["annotations"]
            ((start, end),) = annotation["short_answers"]
            assert " ".join(laid["text"].split(" ")[start:end]) == row["answer"]
            assert page["title"] == row["title"]
            assert laid["question"][:2] == ["Who", "built"]


def check(wanted, documents, errors, refused):
    """Assert that the documents are as before, but for the ids in refused, and that there is an error where there are such.

    refused: the ids; None where any may be refused, and some are.
    """
    assert all(wanted[name] == found for name, found in documents.items())
    if refused is None:
        assert errors
    else:
        assert set(wanted) - set(documents) == set(refused)
        assert bool(errors) == bool(refused)
    assert not any("cut off" in said for said in errors)


def nested(depth):
    return "[" * depth + "]" * depth


# Of the text: what it becomes, and whether it is the same then.
ENCODINGS = {
    "byte order mark": (lambda text: codecs.BOM_UTF8 + text.encode(), True),
    "UTF-16": (lambda text: text.encode("utf-16"), True),
    "UTF-16, big end first": (lambda text: codecs.BOM_UTF16_BE + text.encode("utf-16-be"), True),
    "UTF-16 without a mark": (lambda text: text.encode("utf-16-le"), True),
    "UTF-32": (lambda text: text.encode("utf-32"), True),
    "line ends of Windows": (lambda text: text.replace("\n", "\r\n").encode(), True),
    "no line end at the end": (lambda text: text.removesuffix("\n").encode(), True),
    "Latin-1": (lambda text: text.encode("latin-1"), False),
    "half a character of UTF-16": (lambda text: text.encode("utf-16")[:-1], False),
    "a page of HTML": (lambda text: b"<!DOCTYPE html><html>Not found</html>", False),
    "a pointer of Git LFS": (lambda text: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", False),
    "an archive": (lambda text: b"PK\x03\x04\x14\xff" + text.encode(), False),
    "nothing": (lambda text: b"", False),
    "zeros": (lambda text: bytes(5000), False),
    "a line of its own behind": (lambda text: text.encode() + b"<end>\n", False),
}


@pytest.mark.parametrize("kind", ENCODINGS)
def test_a_form_in_another_encoding_is_read_or_named(tmp_path, wanted, kind):
    change, same = ENCODINGS[kind]
    for name in TEXTS:
        path = write(tmp_path, name, change(text_of(name, FORMS[name](ROWS))))
        check(wanted[name], *documents_and_errors(source_of(name), path), [] if same else None)


def test_in_latin_1_the_byte_is_named(tmp_path):
    for name in TEXTS:
        path = write(tmp_path, name, text_of(name, FORMS[name](ROWS)).encode("latin-1"))
        documents, errors = documents_and_errors(source_of(name), path)
        assert documents == {}
        assert all("not UTF-8 (invalid start byte at byte " in said and "0xfc is 'ü' in Latin-1" in said for said in errors)


# Of the JSON: what is put into each object beside what is read.
HARMLESS = ["NaN", "-Infinity", "[NaN, 1]", '"\\ud83d"', "9" * 5000, "1e400", "null", '{"a": 1, "a": 2}', nested(100)]


@pytest.mark.parametrize("value", HARMLESS, ids=lambda value: value[:20])
def test_what_is_not_read_may_be_anything(tmp_path, wanted, value):
    for name in JSONS:
        text = text_of(name, FORMS[name](ROWS))
        text = text.replace('"id": "', f'"more": {value}, "id": "').replace(
            '"example_id": "', f'"more": {value}, "example_id": "'
        )
        check(wanted[name], *documents_and_errors(source_of(name), write(tmp_path, name, text.encode())), [])


# What stands in the place of the third question's words, and whether the others are read.
WORDS = ['"a \\ud83d b"', "NaN", "null", "7", '""', '" "', "[]", nested(100), '"\\udc00"']


@pytest.mark.parametrize("value", WORDS, ids=lambda value: value[:20])
def test_a_question_that_is_none_is_named_and_the_others_are_read(tmp_path, wanted, value):
    for name in JSONS:
        text = text_of(name, FORMS[name](ROWS)).replace(json.dumps(ROWS[2]["question"]), value)
        documents, errors = documents_and_errors(source_of(name), write(tmp_path, name, text.encode()))
        if name.startswith("nq") and value in ('""', '" "'):  # a question without words is left out and counted as such
            assert (list(documents), errors) == (["q0", "q1", "q3", "q4", "q5"], [])
            continue
        check(wanted[name], documents, errors, ["q2"])
        assert len(errors) == 1


@pytest.mark.parametrize("name", JSONS)
def test_json_nested_without_end_is_named_soon(tmp_path, wanted, name):
    text = text_of(name, FORMS[name](ROWS)).replace(json.dumps(ROWS[2]["question"]), nested(200_000))
    check(wanted[name], *documents_and_errors(source_of(name), write(tmp_path, name, text.encode())), None)


@pytest.mark.parametrize("name", ["q\r2", "q\x002", "q\t2", "q\n2", "q\u20282", " q2", "q2 ", "", "q" * 5000, "q\x1b[31m"])
def test_an_id_that_would_break_a_table_is_named(tmp_path, wanted, name):
    for form, build in FORMS.items():
        made = substituted(build(copy.deepcopy(ROWS)), "q2", name)
        documents, errors = documents_and_errors(source_of(form), write(tmp_path, form, made))
        if form.startswith("qa-table") and not name:  # an empty cell is none: the row gets an id
            assert (len(documents), errors) == (6, [])
            continue
        check(wanted[form], documents, errors, ["q2"])


@pytest.mark.parametrize("form", FORMS)
def test_what_is_skipped_is_counted(tmp_path, form):
    found = readers.read(source_of(form), write(tmp_path, form, substituted(FORMS[form](ROWS), "q2", "q\r2")))
    rows = write_partitions(found, Part.of(tmp_path / "part"), 13, SHARES, on_bad_input="skip")
    assert ("left out", "bad input, skipped", 1) in rows
    assert sum(number for _, what, number in rows if what == "questions") == 5


@pytest.mark.parametrize("name", ["a/b", "q 2", "../q", "=1+1", "é", '"', "q,2", "NA", "1" * 200])
def test_an_id_that_may_look_odd_is_kept(tmp_path, wanted, name):
    for form, build in FORMS.items():
        path = write(tmp_path, form, substituted(build(copy.deepcopy(ROWS)), "q2", name))
        documents, errors = documents_and_errors(source_of(form), path)
        assert (list(documents), errors) == (["q0", "q1", name, "q3", "q4", "q5"], [])


def test_an_integer_id_is_its_digits_and_may_not_come_as_text_too(tmp_path):
    for form in JSONS:
        content = substituted(FORMS[form](copy.deepcopy(ROWS)), "q2", 7)
        path = write(tmp_path, form, content)
        documents, errors = documents_and_errors(source_of(form), path)
        assert (list(documents), errors) == (["q0", "q1", "7", "q3", "q4", "q5"], [])
        found = readers.read(source_of(form), write(tmp_path, form, substituted(content, "q4", "7")))
        with pytest.raises(InputError, match=r"the question '7' is also in .*; each must occur once"):
            write_partitions(found, Part.of(tmp_path / "twice"), 13, SHARES)


@pytest.mark.parametrize("name", FORMS)
def test_a_file_cut_off_is_said_to_be_and_no_other(tmp_path, wanted, name):
    raw = write(tmp_path, name, FORMS[name](ROWS)).read_bytes()
    for size in (len(raw) // 3 + 13, len(raw) // 2 + 13, len(raw) - 20):
        (tmp_path / name).write_bytes(raw[:size])
        documents, errors = documents_and_errors(source_of(name), tmp_path / name)
        assert all(wanted[name][i] == found for i, found in documents.items())
        assert len(errors) == 1
        assert "table" in name or "not a whole" in errors[0]


@pytest.mark.parametrize("name", JSONS)
def test_json_over_several_lines_is_read_or_what_is_wanted_is_said(tmp_path, wanted, name):
    path = write(tmp_path, name, text_of(name, FORMS[name](ROWS), indent=2).encode())
    lines = ".jsonl" in name
    documents, errors = documents_and_errors(source_of(name), path)
    check(wanted[name], documents, errors, wanted[name] if lines else [])
    if lines:
        assert len(errors) == 1
        assert "an object over several lines; wanted one on each line: jq -c . FILE" in errors[0]


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("source", ["natural_questions", "squad", "squad_v2", "qa_pairs", "examples"])
def test_a_form_of_another_source_is_named_with_its_own(tmp_path, source, name):
    path = write(tmp_path, name, FORMS[name](ROWS))
    if source.removesuffix("_v2") == source_of(name) or (source == "qa_pairs" and ("hub" in name or "list" in name)):
        return
    documents, errors = documents_and_errors(source, path)
    assert documents == {}
    assert len(errors) == 1
    assert "data.source: " + source_of(name) in errors[0]


TYPES = {
    "large": (pyarrow.large_string(), pyarrow.large_list),
    "dictionary": (pyarrow.dictionary(pyarrow.int32(), pyarrow.string()), pyarrow.list_),
    "view": (pyarrow.string_view(), pyarrow.large_list),
}


def retyped(given, text, list_):
    """Return a type with its strings and lists of another kind."""
    if pyarrow.types.is_struct(given):
        return pyarrow.struct([(field.name, retyped(field.type, text, list_)) for field in given])
    if pyarrow.types.is_list(given):
        return list_(retyped(given.value_type, text, list_))
    return text if pyarrow.types.is_string(given) else given


# pyarrow cannot write views in structs in lists.
@pytest.mark.parametrize(
    ("name", "kind"), [(n, k) for n in PARQUETS for k in TYPES if (n, k) != ("qa-squad.parquet", "view")]
)
def test_parquet_in_the_types_of_other_programs_is_the_same(tmp_path, wanted, name, kind):
    path = write(tmp_path, name, FORMS[name](ROWS))
    schema = pyarrow.parquet.read_schema(path)
    schema = pyarrow.schema([(field.name, retyped(field.type, *TYPES[kind])) for field in schema])
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(FORMS[name](ROWS), schema=schema), path)
    check(wanted[name], *documents_and_errors(source_of(name), path), [])


@pytest.mark.parametrize("name", PARQUETS)
def test_a_row_group_that_is_damaged_is_named_and_the_others_are_read(tmp_path, wanted, name):
    path = tmp_path / name
    write(tmp_path, name, FORMS[name](ROWS))
    group = pyarrow.parquet.read_metadata(path).row_group(2)
    column = next(
        group.column(i) for i in range(group.num_columns) if group.column(i).path_in_schema.startswith("question")
    )
    raw = bytearray(path.read_bytes())
    start = column.dictionary_page_offset or column.data_page_offset
    raw[start : start + column.total_compressed_size] = b"\xff" * column.total_compressed_size
    path.write_bytes(bytes(raw))
    documents, errors = documents_and_errors(source_of(name), path)
    check(wanted[name], documents, errors, ["q2"])
    assert len(errors) == 1
    assert errors[0].startswith(f"{path}, rows 3 to 3: damaged (")


PUBLIC = {
    "MRQA": '{"header": {"dataset": "SQuAD", "split": "train"}}\n{"context": "A", "qas": [{"detected_answers": []}]}\n',
    "HotpotQA": '[{"_id": "1", "answer": "a", "question": "q", "supporting_facts": [], "context": []}]',
    "TriviaQA": '{"Data": [{"Answer": {}, "Question": "q", "QuestionId": "tc_1"}], "Domain": "Web"}',
    "TweetQA": '[{"Question": "q", "Answer": ["a"], "Tweet": "t", "qid": "1"}]',
    "NewsQA": '{"data": [{"storyId": "./cnn", "text": "t", "questions": []}]}',
    "CoQA": '{"data": [{"story": "s", "questions": [{"input_text": "q"}], "answers": []}]}',
    "BioASQ": '{"questions": [{"body": "q", "snippets": [{"text": "t"}], "exact_answer": "a"}]}',
    "Label Studio's export": '[{"id": 1, "annotations": [{"result": [{"from_name": "a", "to_name": "t"}]}], "data": {}}]',
    "CMRC 2018": '[{"context_text": "c", "qas": [{"query_text": "q", "answers": ["a"]}]}]',
    "questions without a text, such as NQ-open": '{"question": "who", "answer": ["a"]}\n',
    "the hub's rows of Natural Questions": '{"id": "1", "document": {"html": "<p>"}, "annotations": {"id": []}}\n',
    "BoolQ": '{"question": "is it", "passage": "p", "answer": true}\n',
    "a table, column by column": '{"question": {"0": "q"}, "context": {"0": "c"}}\n',
}


@pytest.mark.parametrize("what", PUBLIC)
@pytest.mark.parametrize("source", ["natural_questions", "squad", "qa_pairs"])
def test_a_public_form_that_is_not_read_is_named_with_what_is_wanted(tmp_path, what, source):
    path = tmp_path / "a.jsonl"
    path.write_text(PUBLIC[what])
    with pytest.raises(InputError) as error:
        list(readers.read(source, path))
    assert str(error.value).startswith(f"{path}: this looks like {what}, and data.source is {source}. ")


@pytest.mark.parametrize("name", TEXTS)
def test_gzip_by_another_name_is_named(tmp_path, name):
    raw = gzip.compress(text_of(name, FORMS[name](ROWS)).encode())
    path = tmp_path / name.removesuffix(".gz")
    path.write_bytes(raw)
    with pytest.raises(InputError, match=r": this is gzip\. Let its name end in \.gz\.$"):
        list(readers.read(source_of(name), path))


@pytest.mark.parametrize("name", [name for name in FORMS if name.startswith("squad")])
@pytest.mark.parametrize("spelling", ["text", "float"])
def test_numbers_and_flags_of_squad_may_be_spelled_in_other_ways(tmp_path, wanted, name, spelling):
    made = json.loads(json.dumps(FORMS[name](ROWS)), object_hook=lambda found: spelled(found, spelling))
    check(wanted[name], *documents_and_errors("squad", write(tmp_path, name, made)), [])


def spelled(found, spelling):
    """Return an object with its places and flags in another spelling."""
    other = {"text": str, "float": float}[spelling]
    if "answer_start" in found:
        start = found["answer_start"]
        found["answer_start"] = list(map(other, start)) if isinstance(start, list) else other(start)
    if "question" in found:
        found["is_impossible"] = {"text": "False", "float": 0.0}[spelling]
    return found


NONE = [{"answers": None}, {"answers": None, "is_impossible": "true"}, {"is_impossible": True}, {"is_impossible": 1}]


@pytest.mark.parametrize("none", NONE, ids=str)
def test_no_answer_of_squad_may_be_spelled_in_other_ways(tmp_path, none):
    row = squad_row(ROWS[0])
    del row["answers"]
    paragraph = {"context": "Ada.", "qas": [{"id": "q0", "question": "Who?"} | none]}
    for rows in ({"data": [{"title": 7, "paragraphs": [paragraph]}]}, [row | none]):
        ((_, found),) = readers.read("squad", write(tmp_path, "squad.json", rows))
        assert page_of(found).gold_texts == []
    if "answers" in none:
        documents, errors = documents_and_errors("squad", write(tmp_path, "squad.parquet", [row | none]))
        assert (len(documents), errors) == (1, [])


def test_no_answers_and_no_word_of_it_is_named(tmp_path):
    rows = list(map(squad_row, ROWS[:2]))
    del rows[1]["answers"]
    _, (said,) = documents_and_errors("squad", write(tmp_path, "squad.json", rows))
    assert said.endswith(", item 2, key answers: missing. Wanted: a list, empty or null where there is no answer.")


@pytest.mark.parametrize("name", ["nq-original.jsonl", "squad-1.1.json", "squad-hub.parquet", "qa-flat.jsonl"])
def test_a_title_that_is_a_number_is_its_digits(tmp_path, name):
    made = substituted(FORMS[name]([row | {"title": 1984} for row in ROWS]), "https://en.wikipedia.org/wiki/1984", "")
    documents, errors = documents_and_errors(source_of(name), write(tmp_path, name, made))
    assert errors == []
    assert {found[0]["title"] for found in documents.values()} == {"1984"}


@pytest.mark.parametrize(("given", "same"), [(None, "NONE"), ("yes", "YES"), ("no", "NO")])
def test_yes_and_no_may_be_in_lower_case_and_null_is_none(tmp_path, given, same):
    made = FORMS["nq-original.jsonl"](ROWS)
    found = [
        documents_and_errors("natural_questions", write(tmp_path, "nq.jsonl", substituted(made, "NONE", spelling)))
        for spelling in (given, same)
    ]
    assert found[0] == found[1]
    assert found[0][1] == []


HEADS = {
    b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n": "this is a pointer of Git LFS.",
    b"<!DOCTYPE html><html>Not found</html>": "this is a page of HTML or XML.",
    b'{"question": "q"}\n': "this is text, no ",
    b"question,context,answer\nWho?,Ada,Ada\n": "this is text, no ",
}


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("name", ["a.parquet", "a.json.gz", "a.jsonl.gz"])
@pytest.mark.parametrize("source", ["natural_questions", "squad", "qa_pairs"])
def test_what_is_not_what_its_name_says_is_named(tmp_path, source, name, head):
    (tmp_path / name).write_bytes(head)
    with pytest.raises(InputError) as error:
        list(readers.read(source, tmp_path / name))
    assert str(error.value).startswith(f"{tmp_path / name}: {HEADS[head]}")


WRAPPED = {
    '{"columns": ["question", "context"], "index": [0], "data": [["q", "c"]]}': "a table of pandas (orient='split')",
    '{"train": [{"id": "1", "question": "q", "context": "c", "answers": []}]}': "jq -c '.train[]' FILE > NEW.jsonl",
    '{"title": "t", "paragraphs": []}\n{"title": "u", "paragraphs": []}': "jq -s '{data: .}' FILE > NEW",
}


@pytest.mark.parametrize("text", WRAPPED)
def test_a_table_or_an_article_in_another_wrapping_is_named(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(InputError) as error:
        list(readers.read("squad", tmp_path / "a.json"))
    assert WRAPPED[text] in str(error.value)


def test_the_tables_are_what_csv_writes(tmp_path):
    with open(tmp_path / "a.csv", "w", newline="") as file:
        table = csv.DictWriter(file, list(ROWS[0]), delimiter=";", quoting=csv.QUOTE_MINIMAL)
        table.writeheader()
        table.writerows(ROWS)
    documents, errors = documents_and_errors("qa_pairs", tmp_path / "a.csv")
    assert (list(documents), errors) == ([row["id"] for row in ROWS], [])
