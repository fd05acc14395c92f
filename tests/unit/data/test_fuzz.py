"""Damaged input gives a clear error, the document and page as they were, or others that are right; nothing else, and soon.

Right is what a plain conversion of the damaged input gives (see ``corpora``). All is drawn with fixed seeds.
"""

import contextlib
import copy
import gzip
import json
import random
import time

import corpora
import pytest

from pairprobe.data import readers
from pairprobe.data.examples import Example, example_of, read_examples
from pairprobe.data.pages import page_of, read_pages, row_of
from pairprobe.data.partitions import Part, write_partitions
from pairprobe.errors import InputError

# Of the processor's time, for one case: most take a millisecond.
SECONDS = 3
SHARES = {"finetune": 0.5, "head": 0.2, "probe": 0.3}
PAGES = ("a page", "a page that contradicts itself")

# JSON that is put in any place, some of it no JSON at all.
DEEP = 100_000
VALUES = [
    *("null", "true", "false", "0", "-1", "1", "7", "1.0", "-0.5", "1e400", "NaN", "-Infinity", "99999999999999999999"),
    *("9" * 5000, "-" + "9" * 30, '""', '" "', '"YES"', '"NONE"', '"who"', '"<P>"', '"\\u0000"', '"a\\nb"', '"é\\u00a0 <"'),
    *('"\\ud800"', '"\\udc00x"', '"\\ud83c\\udf89"', '"\\x41"', '"\x01"', "[]", "{}", "[null]", "[[]]", '[{"token": 1}]'),
    *('{"token": "a"}', '[{"token": "a"}]', '{"start_token": 1, "end_token": 2}', '[{"start_token": 1, "end_token": 2}]'),
    *('{"start_token": -1, "end_token": -1}', '{"start_token": -1, "end_token": 5}', "", "nul", "[1", '{"a": 1, "a": 2}'),
    *("[" * DEEP + "]" * DEEP, "[" * DEEP, '{"a":' * DEEP + "1" + "}" * DEEP),
]
HUGE = ['"' + "x " * 1_000_000 + '"', "[" + "1," * 500_000 + "1]"]
MARK = "\ue000mark"


def places_in(value):
    """Yield (container, key) of everything inside."""
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        yield value, key
        if isinstance(inner, dict | list) and inner:
            yield from places_in(inner)


def some_place(dice, value):
    """Choose a place: one step down at a time, so that few places near the top are as likely as many below."""
    while True:
        key = dice.choice(list(value) if isinstance(value, dict) else range(len(value)))
        inner = value[key]
        if not isinstance(inner, dict | list) or not inner or dice.random() < 0.3:
            return value, key
        value = inner


def mutated(dice, row):
    """Return a line of JSON with something wrong, and what is wrong."""
    row, kind = copy.deepcopy(row), dice.randrange(12)
    holder, key = some_place(dice, row)
    if kind < 4:
        holder[key] = MARK
        value = dice.choice(HUGE) if dice.random() < 0.005 else dice.choice(VALUES)
        return json.dumps(row).replace(json.dumps(MARK), value).encode()
    if kind == 4 and isinstance(holder, dict):
        del holder[key]
    elif kind in (4, 5):
        # A key twice, the second somewhere else or last.
        twice = json.dumps(row)[:-1] + f", {json.dumps(dice.choice(list(row)))}: {dice.choice(VALUES)}}}"
        return twice.encode()
    elif kind in (6, 7):
        spans = [held for held, name in places_in(row) if name in ("start_token", "end_token", "answer_start")]
        if spans:
            held = dice.choice(spans)
            name = dice.choice([name for name in held if isinstance(held[name], int)])
            held[name] = dice.choice([held[name] + 1, held[name] - 1, -held[name], 10**6, -1, -2, 2**63, 0])
            if "start_token" in held and dice.random() < 0.3:
                held["start_token"], held["end_token"] = held["end_token"], held["start_token"]
    line = json.dumps(row, ensure_ascii=dice.random() < 0.5).encode()
    if kind == 8:
        return line[: dice.randrange(len(line))]
    if kind in (9, 10):
        damaged = bytearray(line)
        for _ in range(dice.choice([1, 1, 2, 5])):
            damaged[dice.randrange(len(line))] = dice.randrange(256)
        return bytes(damaged)
    if kind == 11:
        others = [b"", b" ", b"[]", b"3", b"null", b'"a"', b"{}", b"\0" * 50, line.decode().encode("utf-16")]
        return dice.choice([*others, b"\xef\xbb\xbf" + line, line + line, line + b" x", line[1:], b"[" + line + b"]"])
    return line


def loaded(line):
    """Load JSON as leniently as can be, NaN as null; None where that cannot be done."""
    with contextlib.suppress(ValueError, RecursionError):
        return json.loads(line, strict=False, parse_constant=lambda _: None)
    return None


def assert_sound(document):
    """Assert that all spans lie where they must, and that the example is a part of the page."""
    words = document.words if document.text else []
    for annotation in document.annotations:
        start, end = annotation.long_answer or (0, 0)
        assert 0 <= start <= end <= len(words)
        assert all(start <= a < b <= end for a, b in annotation.short_answers)
        assert annotation.yes_no in (None, "yes", "no")
    example = example_of(document)
    if isinstance(example, Example):
        start, end = document.selected.long_answer
        assert example.paragraph == words[start:end]
        assert "" not in example.paragraph
        assert [i for sentence in example.sentences for i in range(*sentence)] == list(range(end - start))
        assert example.answer is None or 0 <= example.answer[0] < example.answer[1] <= end - start


@contextlib.contextmanager
def time_limit(case):
    started = time.process_time()
    yield
    assert time.process_time() - started < SECONDS, case


def value_or_error(made, *values):
    try:
        return made(*values)
    except InputError as error:
        return error


def check_page(where, document, possible):
    """Assert that a document's page is one of the possible ones, or an error where one is none or contradicts itself."""
    page = value_or_error(page_of, document)
    if isinstance(page, InputError):
        assert str(page).startswith(f"{where}, key ")
        assert any(one is None or corpora.contradicts_itself(one) for one in possible)
        return "a page that contradicts itself"
    possible = filter(None, possible)
    assert row_of(page) | {"title": ""} in [one | {"title": ""} for one in possible]
    assert not corpora.contradicts_itself(row_of(page))
    return "a page"


def check_line(path, line, row):
    """Read a file of one damaged line; return what came of it."""
    path.write_bytes(line + b"\n")
    found = value_or_error(list, readers.read("natural_questions", path))
    if isinstance(found, InputError):  # a file that is empty, or no lines of UTF-8 at all
        assert not line.strip() or line.lstrip().startswith((b"[", b"\xff\xfe"))
        assert str(found).startswith(str(path))
        return {"error"}
    # An array is read by its items.
    kind = "item" if line.lstrip().startswith(b"[") else "line"
    assert [where for where, _ in found] == [f"{path}, {kind} {i}" for i in range(1, line.count(b"\n") + 2)]
    outcomes = set()
    for where, document in found:
        if isinstance(document, InputError):
            assert str(document).startswith(where)
            outcomes.add("error")
            continue
        answered = any(annotation.long_answer for annotation in document.annotations)
        made = value_or_error(corpora.laid_out, document)
        if isinstance(made, InputError):
            # A page that answers nothing is not looked at before it is wanted.
            assert not answered
            assert str(made).startswith(where)
            outcomes.add("page not looked at")
            continue
        assert_sound(document)
        assert made.pop("title")
        if made == corpora.converted(row):
            outcomes.add("the same")
        else:
            assert made == corpora.converted(loaded(line))
            outcomes.add("another")
        outcomes.add(check_page(where, document, possible_pages(row, line)))
    return outcomes


def possible_pages(row, line):
    """Return the page of a row and that of its damaged line, None where it can be none."""
    pages = [corpora.paged(row), None]
    # What the readers do not look at may be anything.
    with contextlib.suppress(TypeError, KeyError, AttributeError):
        pages[1] = corpora.paged(loaded(line))
    return pages


@pytest.mark.slow
@pytest.mark.parametrize("simplify", [False, True], ids=["original", "simplified"])
def test_a_damaged_line_of_natural_questions_gives_an_error_or_what_stands_there(tmp_path, simplify):
    dice, seen = random.Random(7), {}
    for case in range(1500):
        original = corpora.question(dice, case)
        row = corpora.simplified(original) if simplify else original
        line = mutated(dice, row)
        with time_limit(line[:500]):
            for outcome in check_line(tmp_path / "nq.jsonl", line, row):
                seen[outcome] = seen.get(outcome, 0) + 1
    assert {name for name, number in seen.items() if number > 30} >= {"error", "the same", "another", *PAGES}


def test_a_line_of_natural_questions_cut_off_anywhere_is_an_error(tmp_path):
    row = corpora.simplified(corpora.question(random.Random(3), 0))
    line = json.dumps(row, ensure_ascii=False).encode()[:1500]
    for size in range(0, len(line) - 1, 3):
        assert check_line(tmp_path / "nq.jsonl", line[:size], row) == {"error"}


def documents_with_errors(source, path):
    """Read a file; return its documents, and its errors, which must name the file."""
    documents, errors = [], []
    try:
        for where, found in readers.read(source, path):
            assert where.startswith(str(path))
            (errors if isinstance(found, InputError) else documents).append(found)
    except InputError as error:
        errors.append(error)
    assert all(str(error).startswith(str(path)) for error in errors)
    return documents, errors


@pytest.mark.slow
def test_a_damaged_file_of_squad_gives_errors_or_what_stands_there(tmp_path):
    dice, path, seen = random.Random(11), tmp_path / "squad.json", {"error": 0, "document": 0}
    for case in range(1000):
        whole = {"version": "1.1", "data": [corpora.article(dice, 0, version_2=case % 2 == 0)]}
        content = mutated(dice, whole)
        path.write_bytes(content)
        with time_limit(content[:500]):
            documents, errors = documents_with_errors("squad", path)
        seen["error"] += bool(errors)
        seen["document"] += bool(documents)
        possible = [found for source in (whole, loaded(content)) for found in squad_questions(source)]
        for document in documents:
            assert_sound(document)
            titled = [(corpora.page_title(*found[:2]), found) for found in possible if isinstance(found[0], str | None)]
            same = [
                found for title, found in titled if (str(found[2]["id"]), title) == (document.example_id, document.title)
            ]
            assert corpora.laid_out(document) in [corpora.squad_converted(*found) for found in same]
            assert row_of(page_of(document)) in [corpora.squad_paged(*found) for found in same]
    assert min(seen.values()) > 300


def squad_questions(content):
    """Yield (title, context, question) of everything in a file of SQuAD that can be one."""

    def inside(holder, key):
        found = holder.get(key) if isinstance(holder, dict) else None
        return found if isinstance(found, list) else []

    for article in inside(content, "data"):
        for paragraph in inside(article, "paragraphs"):
            for question in inside(paragraph, "qas"):
                with contextlib.suppress(AttributeError, TypeError, KeyError, ValueError, OverflowError):
                    yield plain(article.get("title")), paragraph["context"], meant(question)


def plain(value):
    """Return a float as the integer that it is, and a number as text."""
    return str(int(value)) if isinstance(value, int | float) else value


def meant(question):
    """Return a question of SQuAD with what other spellings of its values mean."""
    none = str(question.get("is_impossible")).lower() in ("true", "1", "1.0")
    answers = [] if none else question.get("answers") or []
    answers = [answer | {"answer_start": int(float(answer["answer_start"]))} for answer in answers]
    return question | {"id": plain(question["id"]), "is_impossible": none, "answers": answers}


def damaged_row(dice, row):
    """Put something else in a place of a row of the hub, of the same type, so that it can be written."""
    row = copy.deepcopy(row)
    for _ in range(dice.choice([1, 1, 2])):
        holder, key = some_place(dice, row)
        value = holder[key]
        if value is None or isinstance(value, dict) or dice.random() < 0.3:
            holder[key] = None
        elif isinstance(value, bool):
            holder[key] = not value
        elif isinstance(value, list):
            holder[key] = dice.choice([[], value[1:], value[:-1], value + value[:1], [*value, None], value[::-1]])
        elif isinstance(value, str):
            holder[key] = dice.choice(["", " ", "x", value + " y", "<P>", "\0", "\x1f", "é" * 100])
        else:
            holder[key] = dice.choice([0, -1, 1, 7, -2, 2**31 - 1, min(value + 1, 2**31 - 1)])
    return row


def original_of(row):
    """Turn a row of the hub into the original format, as far as it is needed."""

    def spans(columns):
        return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]

    def short(columns):
        return spans({key: columns[key] for key in ("start_token", "end_token")})

    found, tokens = row["annotations"], (row["document"] or {}).get("tokens") or {}
    kinds = zip(found["long_answer"], found["short_answers"], found["yes_no_answer"], strict=True)
    candidates = {key: row["long_answer_candidates"][key] for key in ("start_token", "end_token", "top_level")}
    return {
        "example_id": row["id"],
        "question_text": row["question"]["text"],
        "document_tokens": [{"token": token} for token in tokens.get("token") or [""]],
        "annotations": [
            {"long_answer": answer, "short_answers": short(shorts), "yes_no_answer": {0: "NO", 1: "YES"}.get(said, "NONE")}
            for answer, shorts, said in kinds
        ],
        "long_answer_candidates": spans(candidates),
    }


@pytest.mark.slow
def test_a_damaged_row_of_the_hub_gives_an_error_or_what_stands_there(tmp_path):
    dice, path, seen = random.Random(5), tmp_path / "hub.parquet", {"error": 0, "document": 0}
    for case in range(300):
        good = corpora.hub_row(corpora.question(dice, case))
        row = damaged_row(dice, good)
        corpora.write_parquet(path, [good, row, good])
        with time_limit(row):
            first, (where, document), third = readers.read("natural_questions", path)
        assert corpora.laid_out(first[1]) == corpora.laid_out(third[1])
        assert corpora.contradicts_itself(corpora.paged(original_of(good))) or page_of(first[1]) == page_of(third[1])
        assert where == f"{path}, row 2"
        if isinstance(document, InputError):
            assert str(document).startswith(where)
            seen["error"] += 1
            continue
        assert_sound(document)
        seen["document"] += 1
        made = corpora.laid_out(document)
        assert made.pop("title")
        assert made == corpora.converted(original_of(row))
        kind = check_page(where, document, [corpora.paged(original_of(row))])
        seen[kind] = seen.get(kind, 0) + 1
    assert min(seen.values()) > 10
    assert set(seen) == {"error", "document", *PAGES}


@pytest.mark.slow
def test_a_damaged_row_of_squad_on_the_hub_gives_an_error_or_what_stands_there(tmp_path):
    dice, path, seen = random.Random(6), tmp_path / "squad.parquet", {"error": 0, "document": 0}
    for case in range(200):
        rows = corpora.hub_squad_rows([corpora.article(dice, case)])
        i = dice.randrange(len(rows))
        rows[i] = damaged_row(dice, rows[i])
        corpora.write_parquet(path, rows, corpora.HUB_SQUAD_SCHEMA)
        with time_limit(rows[i]):
            found = list(readers.read("squad", path))
        assert [where for where, _ in found] == [f"{path}, row {n}" for n in range(1, len(rows) + 1)]
        for (where, document), row in zip(found, rows, strict=True):
            if isinstance(document, InputError):
                assert str(document).startswith(where)
                assert row is rows[i]
                seen["error"] += 1
                continue
            answers = row["answers"] or {}
            pairs = zip(answers.get("text") or [], answers.get("answer_start") or [], strict=True)
            question = row | {"answers": [{"text": words, "answer_start": start} for words, start in pairs]}
            assert_sound(document)
            assert corpora.laid_out(document) == corpora.squad_converted(row["title"], row["context"], question)
            assert row_of(page_of(document)) == corpora.squad_paged(row["title"], row["context"], question)
            seen["document"] += row is rows[i]
    assert min(seen.values()) > 30


@pytest.mark.parametrize("compression", ["none", "snappy"])
def test_a_damaged_parquet_file_gives_errors_or_sound_documents(tmp_path, compression):
    dice, path = random.Random(9), tmp_path / "hub.parquet"
    rows = [corpora.hub_row(corpora.question(dice, number)) for number in range(10)]
    corpora.write_parquet(path, rows, compression=compression, use_dictionary=False)
    raw, refused = path.read_bytes(), 0
    for _ in range(200):
        damaged = bytearray(raw)
        for _ in range(dice.choice([1, 1, 3])):
            damaged[dice.randrange(len(raw))] = dice.randrange(256)
        path.write_bytes(bytes(damaged))
        with time_limit("damaged"):
            documents, errors = documents_with_errors("natural_questions", path)
        refused += bool(errors)
        for document in documents:
            assert_sound(document)
    assert refused > 20


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.parquet", "squad.json.gz", "squad.parquet"])
def test_a_file_cut_off_anywhere_names_itself(tmp_path, name):
    dice, path = random.Random(2), tmp_path / name
    source = "squad" if name.startswith("squad") else "natural_questions"
    questions, articles = [corpora.question(dice, i) for i in range(20)], [corpora.article(dice, i) for i in range(5)]
    if name == "a.parquet":
        corpora.write_parquet(path, list(map(corpora.hub_row, questions)))
    elif name == "squad.parquet":
        corpora.write_parquet(path, corpora.hub_squad_rows(articles), corpora.HUB_SQUAD_SCHEMA)
    elif name == "squad.json.gz":
        path.write_bytes(gzip.compress(json.dumps({"data": articles}).encode()))
    else:
        corpora.write_lines(path, questions)
    raw = path.read_bytes()
    for size in [0, 1, 4, 9, 10, 11, len(raw) - 8, len(raw) - 1, *(dice.randrange(len(raw)) for _ in range(50))]:
        path.write_bytes(raw[:size])
        documents, errors = documents_with_errors(source, path)
        assert len(errors) == 1, size
        for document in documents:
            assert_sound(document)


@pytest.mark.parametrize("damage", ["flip", "header"])
@pytest.mark.parametrize("name", ["a.jsonl.gz", "squad.json.gz"])
def test_damage_within_gzip_names_the_file(tmp_path, name, damage):
    dice, path = random.Random(4), tmp_path / name
    content = json.dumps({"data": [corpora.article(dice, i) for i in range(5)]}).encode()
    raw = gzip.compress(content)
    for _ in range(60):
        damaged = bytearray(raw)
        # Behind the header, and before the trailing checks, where every bit counts.
        place = dice.randrange(3) if damage == "header" else dice.randrange(30, len(raw) - 8)
        damaged[place] ^= 1 << dice.randrange(8)
        path.write_bytes(bytes(damaged))
        _, errors = documents_with_errors("squad" if name.startswith("squad") else "natural_questions", path)
        assert errors


def file_of_lines(dice, folder, number=120):
    """Write good and damaged lines; returns the file and how many lines it has."""
    lines = []
    for case in range(number):
        row = corpora.simplified(corpora.question(dice, case)) | {"example_id": case}
        lines.append(mutated(dice, row) if case % 3 == 0 else json.dumps(row).encode())
    content = b"\n".join(line.replace(b"\n", b" ") for line in lines) + b"\n"
    (folder / "nq.jsonl").write_bytes(content)
    return folder / "nq.jsonl", number


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("sample", [1, 0.5])
def test_where_bad_input_is_skipped_every_line_is_counted_once(tmp_path, seed, sample):
    path, lines = file_of_lines(random.Random(seed), tmp_path)
    part = Part.of(tmp_path / "part")
    found = readers.read("natural_questions", path)
    rows = write_partitions(found, part, 13, SHARES, sample, on_bad_input="skip")
    numbers = {(name, what): number for name, what, number in rows}
    assert numbers["left out", "bad input, skipped"] > 10
    assert sum(n for (name, what), n in numbers.items() if name == "left out" or what == "examples") == lines
    left = ("bad input, skipped", "not in the sample", "the question has no words")
    nowhere = sum(numbers.get(("left out", what), 0) for what in left)
    assert sum(n for (_, what), n in numbers.items() if what == "questions") == lines - nowhere
    for name, file in part.examples.items():
        examples, pages = list(read_examples(file)), list(read_pages(part.documents[name]))
        assert (len(examples), len(pages)) == (numbers[name, "examples"], numbers[name, "questions"])
        asked = {page.example_id: (page.question, page.words(0, len(page.tokens))) for page in pages}
        for example in examples:
            question, words = asked[example.example_id]
            assert question == example.question
            assert " ".join(example.paragraph) in " ".join(words)


@pytest.mark.parametrize("seed", range(5))
def test_where_bad_input_stops_nothing_is_left_behind(tmp_path, seed):
    path, _ = file_of_lines(random.Random(seed), tmp_path)
    with pytest.raises(InputError) as error:
        write_partitions(readers.read("natural_questions", path), Part.of(tmp_path / "part"), 13, SHARES)
    assert str(error.value).startswith(f"{path}, line ")
    assert [file for file in (tmp_path / "part").rglob("*") if file.is_file()] == []
