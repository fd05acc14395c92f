"""Questions with their whole page in tokens: made of documents of every data set, written, and read line by line."""

import gzip
import json
import random
import re
from dataclasses import replace
from pathlib import Path

import corpora
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pairprobe.data import readers, squad, text
from pairprobe.data.documents import Annotation, Document
from pairprobe.data.examples import Example, document_of, example_of
from pairprobe.data.pages import Marked, Page, check, page_of, read_pages, row_of
from pairprobe.errors import InputError
from pairprobe.io import files

SHARED = Path(__file__).parents[3].parent / "shared"
NILE = (
    "<H1> Nile </H1> <P> The Nile is long . </P> <Table> <Tr> <Td> Length </Td> <Td> 6,650 km </Td> </Tr> </Table> "
    "<P> It ends in <I> Egypt </I> . </P>"
)
FOUND = Marked((21, 30), ((24, 28),))
NOTHING = Marked(None)
PAGE = Page(
    "7",
    "River Nile",
    "where does it end".split(),
    NILE,
    markup=True,
    candidates=((21, 30, True), (10, 21, True), (11, 20, False), (3, 10, True)),
    annotations=(NOTHING, FOUND, Marked((21, 30))),
)
PLAIN = Page("8", "Mill", ["who", "?"], "a < b <P> c", False, ((0, 5, True),), (Marked((0, 5), ((3, 5),)),))


def changed(page, **fields):
    return msgspec.structs.replace(page, **fields)


def write(folder, *rows):
    path = folder / "probe.jsonl.gz"
    files.write_json_lines(path, rows)
    return path


def error_of(path, shard=(0, 1)):
    with pytest.raises(InputError) as error:
        list(read_pages(path, shard))
    return str(error.value)


def only(source, path):
    """Read a file's documents; return their pages."""
    return [page_of(document) for _, document in readers.read(source, path)]


# --- A page ---------------------------------------------------------------------------------------------------------


def test_tokens_are_apart_by_one_blank_and_markup_is_no_word():
    assert len(PAGE.tokens) == 30
    assert PAGE.tokens[21:30] == "<P> It ends in <I> Egypt </I> . </P>".split()
    assert PAGE.words(21, 30) == "It ends in Egypt .".split()
    assert PAGE.words(0, 30) == "Nile The Nile is long . Length 6,650 km It ends in Egypt .".split()


def test_without_markup_what_looks_like_a_tag_is_a_word():
    assert PLAIN.words(2, 5) == ["b", "<P>", "c"]
    assert PLAIN.answer_text(0, 5) == "a < b <P> c"


def test_passages_are_the_candidates_within_no_other_in_the_pages_order():
    assert PAGE.passages == [(3, 10), (10, 21), (21, 30)]


def test_an_empty_page_has_no_tokens_no_passages_and_no_answers():
    empty = changed(PAGE, text="", candidates=(), annotations=(NOTHING,))
    check("here", empty)
    assert (empty.tokens, empty.passages, empty.words(0, 9), empty.selected, empty.gold_texts) == ([], [], [], None, [])


def test_an_answer_is_its_words_apart_by_one_blank_where_there_is_no_running_text():
    assert PAGE.answer_text(21, 30) == "It ends in Egypt ."
    assert PAGE.answer_text(24, 28) == "in Egypt"


def test_an_answer_is_a_part_of_the_running_text_where_there_is_one():
    context = "Mr. Noir  left (in 1901)."
    page = changed(PLAIN, text="Mr. Noir left ( in 1901 ) .", context=context, candidates=((0, 8, True),))
    assert [page.answer_text(*span) for span in [(0, 2), (0, 3), (3, 7), (5, 6), (0, 8)]] == [
        "Mr. Noir",
        "Mr. Noir  left",
        "(in 1901)",
        "1901",
        context,
    ]


def test_gold_texts_are_the_short_answers_of_all_annotators_each_once():
    annotations = (
        Marked((3, 10), ((5, 6), (7, 8))),
        NOTHING,
        Marked((21, 30), ((24, 28), (26, 27))),
        Marked((3, 10), ((5, 6),)),
    )
    page = changed(PAGE, annotations=annotations)
    assert page.gold_texts == ["Nile", "long", "in Egypt", "Egypt"]


def test_gold_texts_of_the_same_words_in_two_places_are_one():
    # "Nile" stands in the paragraph once more.
    page = changed(
        PAGE, text=NILE.replace("Egypt", "Nile"), annotations=(Marked((3, 10), ((5, 6),)), Marked((21, 30), ((26, 27),)))
    )
    assert page.gold_texts == ["Nile"]


def test_a_short_answer_of_markup_alone_is_no_gold_text():
    assert changed(PAGE, annotations=(Marked((21, 30), ((25, 26), (26, 27))),)).gold_texts == ["Egypt"]


def test_a_page_that_one_of_several_annotators_found_an_answer_on_has_no_gold_texts():
    assert changed(PAGE, annotations=(NOTHING, FOUND)).gold_texts == []
    assert changed(PAGE, annotations=(FOUND,)).gold_texts == ["in Egypt"]


def test_where_the_data_set_gives_answers_as_texts_those_are_the_gold_texts():
    assert changed(PAGE, answers=("b", "a", "b")).gold_texts == ["b", "a"]
    assert changed(PAGE, answers=()).gold_texts == []


@pytest.mark.parametrize(
    ("annotations", "place"),
    [
        ([], None),
        ([Marked((7, 9))], 0),
        ([Marked((7, 9)), Marked((2, 5))], 1),  # the first on the page
        ([Marked((2, 5)), Marked((7, 9), ((7, 8),))], 1),  # one with a short answer before one without
        ([NOTHING, Marked((7, 9)), NOTHING, Marked((2, 5)), NOTHING], 3),  # two of five are enough
        ([NOTHING, Marked((7, 9), ((7, 8),)), NOTHING, NOTHING, NOTHING], None),  # one of five is not
    ],
)
def test_the_annotation_that_trains_is_chosen_as_that_of_an_example(annotations, place):
    wanted = None if place is None else annotations[place]
    assert changed(PAGE, annotations=tuple(annotations)).selected == wanted


# --- Of Natural Questions -------------------------------------------------------------------------------------------

DICE = random.Random(17)
QUESTIONS = [q for q in (corpora.question(DICE, number) for number in range(300)) if q["question_text"].split()]


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """The pages of the same questions in each format."""
    folder = tmp_path_factory.mktemp("formats")
    return {
        "original": only("natural_questions", corpora.write_lines(folder / "o.jsonl", QUESTIONS)),
        "simplified": only(
            "natural_questions", corpora.write_lines(folder / "s.jsonl.gz", map(corpora.simplified, QUESTIONS))
        ),
        "hub": only(
            "natural_questions", corpora.write_parquet(folder / "h.parquet", list(map(corpora.hub_row, QUESTIONS)))
        ),
    }


def test_the_three_formats_give_the_same_pages(pages):
    assert pages["original"] == pages["simplified"] == pages["hub"]
    assert len(pages["hub"]) == len(QUESTIONS) > 200


def test_a_page_has_the_tokens_candidates_and_annotations_of_its_row(pages):
    for page, row in zip(pages["original"], QUESTIONS, strict=True):
        assert page.tokens == [token["token"].replace(" ", "_") for token in row["document_tokens"]]
        spans = [(c["start_token"], c["end_token"], c["top_level"]) for c in row["long_answer_candidates"]]
        assert list(page.candidates) == spans
        for found, raw in zip(page.annotations, row["annotations"], strict=True):
            long_answer = raw["long_answer"]["start_token"], raw["long_answer"]["end_token"]
            assert (found.long_answer or (-1, -1)) == long_answer
            assert list(found.short_answers) == [(s["start_token"], s["end_token"]) for s in raw["short_answers"]]
            assert (found.yes_no or "none").upper() == raw["yes_no_answer"]
        assert (page.markup, page.context, page.answers) == (True, None, None)


def test_each_answer_has_the_words_of_the_row_that_are_no_markup(pages):
    answers = 0
    for page, row in zip(pages["simplified"], QUESTIONS, strict=True):
        for found in page.annotations:
            for start, end in [*found.short_answers, *([found.long_answer] if found.long_answer else [])]:
                tokens = [token["token"].replace(" ", "_") for token in row["document_tokens"][start:end]]
                wanted = [token for token in tokens if not re.fullmatch(r"</?[A-Za-z][^ ]*>", token)]
                assert page.answer_text(start, end) == " ".join(wanted)
                answers += 1
    assert answers > 300


def test_each_passage_lies_in_no_other_and_holds_every_candidate(pages):
    for page in pages["hub"]:
        spans = [candidate[:2] for candidate in page.candidates]
        if spans:
            outer = [a for a in spans if not any(b[0] <= a[0] and a[1] <= b[1] for b in spans if a != b)]
            assert page.passages == sorted(outer)


def test_the_words_of_a_page_are_those_of_its_document(tmp_path):
    dice = random.Random(1)
    pieces = ["<P>", "</P>", "<Th_colspan=2>", "<", "a", "É", "\u00a0", "<A>b>", "b>", "", "\u200b"]
    rows = [
        {
            "example_id": i,
            "question_text": "who",
            "document_text": " ".join(dice.choices(pieces, k=dice.randrange(1, 9))),
            "annotations": [],
        }
        for i in range(500)
    ]
    path = corpora.write_lines(tmp_path / "nq.jsonl", rows)
    for _, document in readers.read("natural_questions", path):
        page = page_of(document)
        assert page.words(0, len(page.tokens)) == (document.words if document.text else []), page.text


def test_a_pages_example_has_the_words_of_the_annotation_that_trains(tmp_path, pages):
    documents = (d for _, d in readers.read("natural_questions", corpora.write_lines(tmp_path / "a.jsonl", QUESTIONS)))
    answered = 0
    for document, page in zip(documents, pages["hub"], strict=True):
        assert (document.selected is None) == (page.selected is None)
        if page.selected:
            answered += 1
            assert page.words(*page.selected.long_answer) == document.words[slice(*document.selected.long_answer)], page
            shorts = [words for span in sorted(page.selected.short_answers) if (words := page.words(*span))]
            first = [document.words[slice(*span)] for span in document.selected.short_answers][:1]
            assert first == shorts[:1] or [] in (first, shorts)
    assert answered > 100


def row_with(**fields):
    annotation = {"long_answer": {"start_token": 0, "end_token": 3}, "short_answers": [], "yes_no_answer": "NONE"}
    row = {"example_id": 1, "question_text": "who", "document_text": "<P> a </P>", "annotations": [annotation]}
    return row | {"long_answer_candidates": [{"start_token": 0, "end_token": 3, "top_level": True}]} | fields


@pytest.mark.parametrize("wrong", [(0, 4), (2, 2), (2, 1), (-1, 3), (-1, -1)])
def test_a_candidate_outside_its_page_is_named_with_its_file_and_line(tmp_path, wrong):
    candidates = [{"start_token": start, "end_token": end} for start, end in ((0, 3), wrong)]
    rows = [row_with(), row_with(example_id=2, long_answer_candidates=candidates)]
    (_, good), (_, bad) = readers.read("natural_questions", corpora.write_lines(tmp_path / "nq.jsonl", rows))
    assert page_of(good).candidates == ((0, 3, True),)
    told = (
        f"{tmp_path}/nq.jsonl, line 2, key candidates: found tokens [{wrong[0]}, {wrong[1]}), wanted a span inside [0, 3)."
    )
    with pytest.raises(InputError, match=re.escape(told)):
        page_of(bad)


def test_candidates_that_are_none_are_named_with_their_file_and_line(tmp_path):
    nothing = {"long_answer": {"start_token": -1, "end_token": -1}, "short_answers": []}
    path = corpora.write_lines(tmp_path / "nq.jsonl", [row_with(annotations=[nothing], long_answer_candidates=[{"x": 1}])])
    ((_, document),) = readers.read("natural_questions", path)
    with pytest.raises(InputError, match=re.escape(f"{path}, line 1, key long_answer_candidates[0].start_token: missing.")):
        page_of(document)


def test_every_real_page_of_natural_questions_holds_the_answers_of_its_row():
    path = SHARED / "nq" / "nq-dev-sample.jsonl.gz"
    if not path.exists():
        pytest.skip(f"{path} is not on this machine")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = list(map(json.loads, lines))
    documents = [document for _, document in readers.read("natural_questions", path)]
    for row, document in zip(rows, documents, strict=True):
        page, example = page_of(document), example_of(document)
        assert page.text == row["document_text"]
        assert page.words(*page.selected.long_answer) == example.paragraph
        answer = min(page.selected.short_answers)
        assert page.words(*answer) == example.paragraph[slice(*example.answer)]
        assert page.answer_text(*answer) in page.gold_texts
        assert page.selected.long_answer in page.passages


# --- Of SQuAD -------------------------------------------------------------------------------------------------------


def assert_answers(page, answers):
    """Assert that the words of each gold answer hold it, and are it where it begins and ends with words."""
    assert page.gold_texts == list(dict.fromkeys(answer["text"] for answer in answers))
    edges = text.word_spans(page.context)
    starts, ends, whole = {start for start, _ in edges}, {end for _, end in edges}, 0
    for found, answer in zip(page.annotations, answers, strict=True):
        start, end = answer["answer_start"], answer["answer_start"] + len(answer["text"])
        (span,) = found.short_answers
        said = page.answer_text(*span)
        assert answer["text"].strip() in said
        if start in starts and end in ends:
            assert said == answer["text"]
            whole += 1
    return whole


@pytest.mark.parametrize("version_2", [False, True])
def test_an_answer_of_squad_is_found_again_in_the_running_text(tmp_path, version_2):
    dice = random.Random(5)
    articles = [corpora.article(dice, number, version_2) for number in range(30)]
    (tmp_path / "a.json").write_text(json.dumps({"data": articles}), encoding="utf-8")
    raw = [question for article in articles for paragraph in article["paragraphs"] for question in paragraph["qas"]]
    whole, none = 0, 0
    for page, question in zip(only("squad", tmp_path / "a.json"), raw, strict=True):
        assert (page.markup, page.passages) == (False, [(0, len(page.tokens))])
        if question["answers"]:
            whole += assert_answers(page, question["answers"])
        else:
            assert (page.annotations, page.selected, page.gold_texts, page.answers) == ((NOTHING,), None, [], ())
            none += 1
    assert whole > 10
    assert (none > 10) == version_2


def test_a_question_of_squad_worked_by_hand(tmp_path):
    context = "Dr. Ada Noir (b. 1870) built 150,782 houses; they're gone!"
    answers = [{"text": said, "answer_start": context.index(said)} for said in ("Ada Noir", "1870", "they", "Ada Noir")]
    asked = {"id": "q", "question": "Who's it?", "answers": answers}
    content = {"data": [{"title": "T", "paragraphs": [{"context": context, "qas": [asked]}]}]}
    (tmp_path / "a.json").write_text(json.dumps(content), encoding="utf-8")
    (page,) = only("squad", tmp_path / "a.json")
    assert page == Page(
        "q",
        "T",
        ["Who", "'s", "it", "?"],
        "Dr. Ada Noir ( b. 1870 ) built 150,782 houses ; they 're gone !",
        markup=False,
        candidates=((0, 15, True),),
        annotations=tuple(Marked((0, 15), (span,)) for span in ((1, 3), (5, 6), (11, 12), (1, 3))),
        context=context,
        answers=("Ada Noir", "1870", "they", "Ada Noir"),
    )
    assert page.gold_texts == ["Ada Noir", "1870", "they"]
    assert page.answer_text(3, 7) == "(b. 1870)"
    assert page.answer_text(10, 14) == "; they're gone"


@pytest.mark.slow
def test_real_answers_of_squad_are_found_again():
    path = SHARED / "squad" / "dev-part1-v1.1.json.gz"
    if not path.exists():
        pytest.skip(f"{path} is not on this machine")
    with gzip.open(path, "rt", encoding="utf-8") as file:
        raw = [q for article in json.load(file)["data"][:2] for p in article["paragraphs"] for q in p["qas"]]
    number = whole = 0
    for (_, document), question in zip(squad.read(path), raw, strict=False):
        if number % 8 == 0:
            whole += assert_answers(page_of(document), question["answers"])
        number += 1
    assert number == len(raw)
    assert whole > number / 8


# --- Of examples of one's own ---------------------------------------------------------------------------------------

EXAMPLE = Example("1", "Ada", "where did she move".split(), "She <P> moved to Oslo .".split(), (4, 5), [(0, 6)])


@pytest.mark.parametrize(("answer", "shorts"), [((4, 5), ((4, 5),)), (None, ())])
def test_the_page_of_an_example_is_its_paragraph_as_one_passage(answer, shorts):
    page = page_of(document_of(replace(EXAMPLE, answer=answer)))
    assert page == Page(
        "1", "Ada", EXAMPLE.question, "She <P> moved to Oslo .", False, ((0, 6, True),), (Marked((0, 6), shorts),)
    )
    assert page.gold_texts == (["Oslo"] if answer else [])
    assert page.words(0, 6) == EXAMPLE.paragraph
    check("here", page)


def test_a_document_without_words_has_an_empty_page():
    page = page_of(Document("1", "Ada", ["who"], "", (Annotation(None),)))
    assert (page.tokens, page.candidates, page.passages) == ([], (), [])
    check("here", page)


# --- Written and read -----------------------------------------------------------------------------------------------

ODD = changed(
    PLAIN,
    example_id="é",
    question=["\u00a0"],
    text="\u2028 \u00e9\ud7ff < \\n",
    candidates=((0, 4, True),),
    annotations=(),
    context="a\n\u2028b",
    answers=(),
)


def test_pages_come_back_as_they_were_written(tmp_path, pages):
    own = [PAGE, PLAIN, ODD, changed(PAGE, text="", candidates=(), annotations=())]
    written = [changed(page, example_id=f"own {i}") for i, page in enumerate(own)]
    more = {page.example_id: page for page in pages["hub"]}
    assert len(more) > 200
    written += more.values()
    assert list(read_pages(write(tmp_path, *map(row_of, written)))) == written


def test_a_row_is_json_with_the_fields_of_a_page():
    row = json.loads(json.dumps(row_of(PLAIN)))
    assert row == {
        "example_id": "8",
        "title": "Mill",
        "question": ["who", "?"],
        "text": "a < b <P> c",
        "markup": False,
        "candidates": [[0, 5, True]],
        "annotations": [{"long_answer": [0, 5], "short_answers": [[3, 5]], "yes_no": None}],
        "context": None,
        "answers": None,
    }


words = st.text(st.characters(exclude_characters=" ", exclude_categories=["Cs"]), min_size=1, max_size=4)


def span_in(low, high):
    return st.integers(low, high - 1).flatmap(lambda start: st.tuples(st.just(start), st.integers(start + 1, high)))


@st.composite
def some_page(draw):
    tokens = draw(st.lists(words, max_size=12))
    size = len(tokens)
    candidates, annotations = [], []
    if size:
        candidates = draw(st.lists(st.tuples(span_in(0, size), st.booleans()), max_size=4))
        for long_answer in draw(st.lists(st.none() | span_in(0, size), max_size=5)):
            shorts = draw(st.lists(span_in(*long_answer), max_size=3)) if long_answer else []
            annotations.append(Marked(long_answer, tuple(shorts), draw(st.sampled_from(["yes", "no", None]))))
    optional = {"context": draw(st.none() | words), "answers": draw(st.none() | st.lists(words).map(tuple))}
    spans = tuple((*span, top_level) for span, top_level in candidates)
    question = draw(st.lists(words, min_size=1, max_size=3))
    return Page(
        draw(words), draw(words), question, " ".join(tokens), draw(st.booleans()), spans, tuple(annotations), **optional
    )


@pytest.mark.slow
@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(st.lists(some_page(), max_size=5, unique_by=lambda page: page.example_id), st.integers(1, 4))
def test_any_pages_come_back_as_they_were_written_and_shards_deal_them_in_turn(tmp_path_factory, written, shards):
    path = write(tmp_path_factory.mktemp("any"), *map(row_of, written))
    assert list(read_pages(path)) == written
    assert [list(read_pages(path, (i, shards))) for i in range(shards)] == [written[i::shards] for i in range(shards)]


def test_shards_hold_every_page_once(tmp_path):
    written = [changed(PAGE, example_id=str(i)) for i in range(10)]
    path = write(tmp_path, *map(row_of, written))
    in_shards = [page for i in range(3) for page in read_pages(path, (i, 3))]
    assert len(in_shards) == 10
    assert sorted(in_shards, key=lambda page: int(page.example_id)) == written
    assert list(read_pages(path, (10, 11))) == []


def test_of_the_other_shards_nothing_is_looked_at(tmp_path):
    lines = [json.dumps(row_of(changed(PAGE, example_id=str(i)))).encode() for i in range(4)]
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\n".join([lines[0], b"{", lines[1], b"\xff", lines[2], lines[3][:50]]))
    assert [page.example_id for page in read_pages(path, (0, 2))] == ["0", "1", "2"]
    assert error_of(path, (1, 2)).startswith(f"{path}, line 2: not a whole JSON object")


def test_pages_are_read_one_at_a_time(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(json.dumps(row_of(PAGE)).encode() + b"\n{")
    pages = read_pages(path)
    assert next(pages) == PAGE
    with pytest.raises(InputError, match=r"line 2"):
        next(pages)


def bad(folder, change):
    """Write a good row and one changed by a function, as the second line; return the error."""
    row = json.loads(json.dumps(row_of(PAGE))) | {"example_id": "bad"}
    change(row)
    path = write(folder, row_of(PAGE), row)
    told = error_of(path)
    assert told.startswith(f"{path}, line 2"), told
    return told.removeprefix(f"{path}, line 2")


@pytest.mark.parametrize("key", ["example_id", "title", "question", "text", "markup", "candidates", "annotations"])
def test_a_missing_field_is_named_with_its_file_and_line(tmp_path, key):
    wanted = "example_id, title, question, text, markup, candidates, annotations"
    assert bad(tmp_path, lambda row: row.pop(key)) == f", key {key}: missing. Wanted: {wanted}."


def test_the_running_text_and_its_answers_may_be_missing(tmp_path):
    row = {key: value for key, value in row_of(PAGE).items() if key not in ("context", "answers")}
    assert list(read_pages(write(tmp_path, row))) == [PAGE]


@pytest.mark.parametrize(
    ("key", "value", "place"),
    [
        ("example_id", 7, "example_id"),
        ("title", None, "title"),
        ("question", "who", "question"),
        ("question", ["who", 1], "question[1]"),
        ("text", ["a"], "text"),
        ("markup", "yes", "markup"),
        ("candidates", [[3, 10, True], [3, 10]], "candidates[1]"),
        ("candidates", [[3, 10, 1]], "candidates[0][2]"),
        ("candidates", [[3, "10", True]], "candidates[0][1]"),
        ("candidates", None, "candidates"),
        ("annotations", {}, "annotations"),
        ("annotations", ["none"], "annotations[0]"),
        ("annotations", [{"short_answers": []}], "annotations[0].long_answer"),
        ("annotations", [{"long_answer": [3]}], "annotations[0].long_answer"),
        ("annotations", [{"long_answer": [3, 10.5]}], "annotations[0].long_answer[1]"),
        ("annotations", [{"long_answer": [True, 10]}], "annotations[0].long_answer[0]"),
        ("annotations", [{"long_answer": [3, 10], "short_answers": [[5, 6], 5]}], "annotations[0].short_answers[1]"),
        ("annotations", [{"long_answer": [3, 10], "yes_no": "maybe"}], "annotations[0].yes_no"),
        ("context", 3, "context"),
        ("answers", "Egypt", "answers"),
        ("answers", [None], "answers[0]"),
    ],
)
def test_a_value_of_the_wrong_kind_is_named_with_its_file_line_and_key(tmp_path, key, value, place):
    assert bad(tmp_path, lambda row: row.update({key: value})).startswith(f", key {place}: ")


@pytest.mark.parametrize(
    ("key", "value", "found", "wanted"),
    [
        ("candidates", [[3, 10, True], [21, 31, True]], (21, 31), (0, 30)),
        ("candidates", [[-1, 3, False]], (-1, 3), (0, 30)),
        ("candidates", [[5, 5, False]], (5, 5), (0, 30)),
        ("candidates", [[6, 5, False]], (6, 5), (0, 30)),
        ("annotations", [{"long_answer": [21, 31]}], (21, 31), (0, 30)),
        ("annotations", [{"long_answer": None}, {"long_answer": [0, 0]}], (0, 0), (0, 30)),
        ("annotations", [{"long_answer": [21, 30], "short_answers": [[26, 27], [20, 22]]}], (20, 22), (21, 30)),
        ("annotations", [{"long_answer": [3, 10], "short_answers": [[9, 11]]}], (9, 11), (3, 10)),
        ("annotations", [{"long_answer": [3, 10], "short_answers": [[5, 5]]}], (5, 5), (3, 10)),
        ("annotations", [{"long_answer": None, "short_answers": [[0, 1]]}], (0, 1), (0, 0)),
    ],
)
def test_a_span_outside_its_page_or_its_long_answer_is_named_with_its_file_line_and_key(
    tmp_path, key, value, found, wanted
):
    told = bad(tmp_path, lambda row: row.update({key: value}))
    spans = "found tokens [{}, {}), wanted a span inside [{}, {})".format(*found, *wanted)
    assert told == f", key {key}: {spans}. The positions do not belong to this page."


def test_on_an_empty_page_no_span_is_good(tmp_path):
    told = bad(tmp_path, lambda row: row.update({"text": "", "candidates": [[0, 1, True]], "annotations": []}))
    assert told.startswith(", key candidates: found tokens [0, 1), wanted a span inside [0, 0).")


@pytest.mark.parametrize(("key", "value"), [("question", []), ("example_id", "")])
def test_a_page_without_question_or_identifier_is_named_with_its_file_line_and_key(tmp_path, key, value):
    assert bad(tmp_path, lambda row: row.update({key: value})) == f", key {key}: it is empty."


def test_an_example_id_that_occurs_twice_is_named_with_both_its_lines(tmp_path):
    path = write(tmp_path, *map(row_of, [PAGE, PLAIN, changed(PAGE, title="another")]))
    assert error_of(path).startswith(f"{path}, line 3: the question '7' is also in {path}, line 1; each must occur once.")


@pytest.mark.parametrize("line", [b"", b"[]", b"3", b"null", b"\xff", b'{"example_id": "1"', b'"a"'])
def test_a_line_that_is_no_page_is_named(tmp_path, line):
    path = tmp_path / "a.jsonl"
    path.write_bytes(json.dumps(row_of(PAGE)).encode() + b"\n" + line + b"\n" + json.dumps(row_of(PLAIN)).encode())
    assert error_of(path).startswith(f"{path}, line 2: ")


def test_a_line_cut_off_anywhere_is_named(tmp_path):
    line = json.dumps(row_of(PAGE)).encode()
    for size in range(1, len(line)):
        (tmp_path / "a.jsonl").write_bytes(line[:size] + b"\n")
        assert error_of(tmp_path / "a.jsonl").startswith(f"{tmp_path}/a.jsonl, line 1: ")


def test_a_file_cut_off_anywhere_is_named(tmp_path):
    path = write(tmp_path, row_of(PAGE), row_of(PLAIN))
    raw = path.read_bytes()
    for size in range(len(raw)):
        path.write_bytes(raw[:size])
        assert error_of(path).startswith(f"{path}, after line ")


def test_a_file_that_is_not_there_is_named(tmp_path):
    assert error_of(tmp_path / "a.jsonl.gz").startswith(f"{tmp_path}/a.jsonl.gz: there is no such file.")


def test_without_candidates_the_markup_says_what_the_passages_are():
    tokens = "<H1> A </H1> <P> b <Br/> c </P> d <Table> <Tr> <Td> <P> e </P> </Td> </Tr> </Table> <Ul> <Li> f </Li> </Ul>"
    page = Page("1", "t", ["q"], tokens, True, (), ())
    found = [" ".join(page.words(*span)) for span in page.passages]
    assert found == ["b c", "e", "f"]
    assert all(page.tokens[a].startswith("<") and page.tokens[b - 1].startswith("</") for a, b in page.passages)
    # Not closed, or no passage at all: the whole page.
    assert Page("1", "t", ["q"], "<P> b", True, (), ()).passages == [(0, 2)]
    assert Page("1", "t", ["q"], "<P> b </P>", False, (), ()).passages == [(0, 3)]
