"""MRQA's JSON lines: what a line gives, what a bad one is told, and the examples of SQuAD's questions in this form."""

import gzip
import json
from dataclasses import replace
from pathlib import Path

import corpora
import pytest

from pairprobe.data import readers
from pairprobe.data.examples import Example, example_of
from pairprobe.data.pages import page_of
from pairprobe.errors import InputError

SQUAD = Path(__file__).parents[3].parent / "shared" / "squad" / "dev-part1-v1.1.json.gz"
HEADER = {"header": {"dataset": "Toy", "split": "dev"}}


def answer(context, text, *occurrences):
    """Return a detected answer at its n-th occurrences in the context, the first by default; ends are inclusive."""
    starts = [start for start in range(len(context)) if context.startswith(text, start)]
    return {"text": text, "char_spans": [[starts[i], starts[i] + len(text) - 1] for i in occurrences or (0,)]}


def line(context, *answers, **question):
    asked = {"qid": "q", "question": "Who?", "answers": [], "detected_answers": list(answers)}
    return {"context": context, "context_tokens": [["x", 0]], "qas": [asked | question]}


def read(folder, *lines):
    return list(readers.read("mrqa", corpora.write_lines(folder / "a.jsonl", lines)))


def test_a_line_worked_by_hand(tmp_path):
    context = "[DOC] [TLE] The Nile [PAR] The Nile ends in Lower Egypt. It is long. [PAR] Lower Egypt is flat."
    ((where, found),) = read(tmp_path, HEADER, line(context, answer(context, "Lower Egypt", 1, 0)))
    paragraph = "The Nile The Nile ends in Lower Egypt . It is long . Lower Egypt is flat .".split()
    sentences = [(0, 2), (2, 9), (9, 13), (13, 18)]
    assert where == f"{tmp_path}/a.jsonl, line 2, question 1"
    assert example_of(found) == Example("q", "The Nile", ["Who", "?"], paragraph, (13, 15), sentences)
    assert [a.short_answers for a in found.annotations] == [((13, 15),), ((6, 8),)]
    assert page_of(found).gold_texts == ["Lower Egypt"]


def test_tags_of_natural_questions_are_no_words_and_a_table_is_no_paragraph(tmp_path):
    for tag, wanted in (("P", ["a", "b", "<", "c", "."]), ("Table", "the long answer is no paragraph but <Table>")):
        context = f'<{tag}> a <Td_colspan="2"> b < c . </{tag}>'
        ((_, found),) = read(tmp_path, HEADER, line(context, answer(context, "b < c")))
        example = example_of(found)
        assert (example if isinstance(example, str) else example.paragraph) == wanted


def test_a_context_without_a_title_is_a_page_of_its_own(tmp_path):
    lines = [line(context, answer(context, "It"), qid=str(i)) for i, context in enumerate(["It is.", "It was.", "It is."])]
    titles = [found.title for _, found in read(tmp_path, HEADER, *lines)]
    assert titles[0] == titles[2] != titles[1]


def test_gold_texts_are_the_accepted_answers_where_there_are_any(tmp_path):
    context = "Harry S. Truman won."
    spans = answer(context, "Harry S. Truman")["char_spans"]
    found = {"text": "the harry s truman", "char_spans": spans}
    ((_, document),) = read(tmp_path, HEADER, line(context, found, answers=["Truman", "Harry Truman"]))
    assert page_of(document).gold_texts == ["Truman", "Harry Truman"]
    assert example_of(document).answer == (0, 3)


def test_no_detected_answer_is_none(tmp_path):
    ((_, document),) = read(tmp_path, HEADER, line("It is.", answers=["Ada"]))
    assert example_of(document) == "the page does not answer the question"
    assert page_of(document).gold_texts == []


def test_files_that_were_put_together_are_read(tmp_path):
    one = gzip.compress("".join(json.dumps(row) + "\n" for row in (HEADER, line("It is.", qid="1"))).encode())
    two = gzip.compress("".join(json.dumps(row) + "\n" for row in (HEADER, line("It was.", qid="2"))).encode())
    (tmp_path / "a.jsonl.gz").write_bytes(one + two)
    assert [found.example_id for _, found in readers.read("mrqa", tmp_path / "a.jsonl.gz")] == ["1", "2"]


CONTEXT = "Ada built it."
BAD = {
    "a header that is missing": ([line(CONTEXT)], "line 1, key header: missing. Wanted: header."),
    "a key that is missing": ([HEADER, {"qas": []}], "line 2, key context: missing. Wanted: context, qas."),
    "no detected answers": (
        [HEADER, {"context": CONTEXT, "qas": [{"qid": "1", "question": "Who?"}]}],
        "line 2, question 1, key detected_answers: missing. Wanted: qid, question, detected_answers.",
    ),
    "an end that is not inclusive": (
        [HEADER, line("In the 1870s.", {"text": "1870", "char_spans": [[7, 11]]}), line("It is.", qid="2")],
        "line 2, question 1, key char_spans: found '1870' at characters 7 to 11, where the context has '1870s'. Here "
        "the end is one too far: it is the last character in MRQA.",
    ),
    "an answer elsewhere": (
        [HEADER, line(CONTEXT, {"text": "Ada", "char_spans": [[4, 6]]})],
        "line 2, question 1, key char_spans: found 'Ada' at characters 4 to 6, where the context has 'bui'. The answer "
        "does not belong to this context.",
    ),
    "an answer behind the context": (
        [HEADER, line(CONTEXT, {"text": "Ada", "char_spans": [[50, 52]]})],
        "line 2, question 1, key char_spans: found 'Ada' at characters 50 to 52, where the context has ''.",
    ),
    "an empty question": ([HEADER, line(CONTEXT, question=" ")], "line 2, question 1, key question: it is empty."),
    "a context of markers": ([HEADER, line("<P> [PAR] </P>")], "line 2, question 1, key context: it is empty."),
}


@pytest.mark.parametrize("fault", BAD)
def test_a_bad_line_is_named_and_the_others_are_read(tmp_path, fault):
    lines, wanted = BAD[fault]
    found = read(tmp_path, *lines, line("It was.", qid="last"))
    errors = [str(error) for _, error in found if isinstance(error, InputError)]
    assert len(errors) == 1
    assert errors[0].startswith(f"{tmp_path}/a.jsonl, {wanted}")
    assert found[-1][1].example_id == "last"


def test_a_file_of_another_form_is_named(tmp_path):
    (tmp_path / "a.json").write_text('{"data": [{"title": "T", "paragraphs": []}]}')
    with pytest.raises(InputError, match=r"this looks like SQuAD's JSON, and data.source is mrqa\. Set data.source: squad"):
        list(readers.read("mrqa", tmp_path / "a.json"))


@pytest.mark.slow
@pytest.mark.skipif(not SQUAD.exists(), reason="needs SQuAD's dev set")
def test_the_questions_of_squad_in_this_form_give_the_examples_of_squad(tmp_path):
    rows = []
    for article in json.loads(gzip.decompress(SQUAD.read_bytes()))["data"]:
        for paragraph in article["paragraphs"]:
            qas = [
                {
                    "qid": asked["id"],
                    "question": asked["question"],
                    "answers": [one["text"] for one in asked["answers"]],
                    "detected_answers": [
                        {
                            "text": one["text"],
                            "char_spans": [[one["answer_start"], one["answer_start"] + len(one["text"]) - 1]],
                        }
                        for one in asked["answers"]
                    ],
                }
                for asked in paragraph["qas"]
            ]
            rows.append({"context": paragraph["context"], "qas": qas})
    path = corpora.write_lines(tmp_path / "squad.jsonl.gz", [HEADER, *rows])
    made = [document for _, document in readers.read("mrqa", path)]
    wanted = [document for _, document in readers.read("squad", SQUAD)]
    assert len(made) == len(wanted) > 4000
    assert [replace(example_of(d), title="") for d in made] == [replace(example_of(d), title="") for d in wanted]
    assert [page_of(d).gold_texts for d in made] == [page_of(d).gold_texts for d in wanted]
