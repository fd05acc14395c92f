"""The renderer of pages, and what the bundled pages promise."""

import re
from itertools import islice
from pathlib import Path

import pytest
import yaml

from pairprobe.data import bundled_pages
from pairprobe.data.examples import example_of
from pairprobe.data.natural_questions import read as read_natural_questions
from pairprobe.data.text import STOP_WORDS
from pairprobe.errors import InputError
from pairprobe.io import files
from pairprobe.probing_sets import building

PAGES = sorted((Path(__file__).parents[3] / "workflow" / "resources" / "pages").glob("*.yaml"))
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

PAGE = {
    "title": "Tom's mill",
    "paragraphs": ["It was built by Ada.", "The U.S. mill burnt in 1901. It burnt again in 1901, alas."],
    "questions": [{"question": "who built the mill", "long_answer": 1, "short_answer": "Ada"}],
}


def render(folder, **changed):
    (folder / "page.yaml").write_text(yaml.safe_dump(PAGE | changed), encoding="utf-8")
    return list(bundled_pages.render([folder / "page.yaml"]))


def answer(folder, **question):
    """Render one question of the second paragraph; returns its short answer's tokens."""
    (row,) = render(folder, questions=[{"question": "when", "long_answer": 2, **question}])
    (found,) = row["annotations"][0]["short_answers"]
    return row["document_text"].split(" ")[found["start_token"] : found["end_token"]], found["start_token"]


def error_of(folder, **changed):
    with pytest.raises(InputError) as error:
        render(folder, **changed)
    return str(error.value)


def test_a_page_is_its_heading_and_paragraphs_in_the_simplified_format(tmp_path):
    (row,) = render(tmp_path)
    heading, paragraph = "<H1> Tom 's mill </H1>", "<P> It was built by Ada . </P>"
    assert row["document_text"].startswith(f"{heading} {paragraph} <P> The U.S. mill burnt in 1901 . It burnt ")
    assert row["document_title"] == "Tom's mill"
    assert row["question_text"] == "who built the mill"


def test_candidates_are_the_paragraphs_with_their_markup(tmp_path):
    (row,) = render(tmp_path)
    tokens = row["document_text"].split(" ")
    pieces = [tokens[piece["start_token"] : piece["end_token"]] for piece in row["long_answer_candidates"]]
    assert [(piece[0], piece[-1]) for piece in pieces] == [("<P>", "</P>"), ("<P>", "</P>")]
    assert sum(map(len, pieces)) == len(tokens) - 5


def test_an_answer_has_its_candidate_and_its_words(tmp_path):
    (row,) = render(tmp_path)
    (annotation,) = row["annotations"]
    assert annotation["long_answer"] == {"start_token": 5, "end_token": 13, "candidate_index": 0}
    assert annotation["short_answers"] == [{"start_token": 10, "end_token": 11}]
    assert annotation["yes_no_answer"] == "NONE"


def test_a_question_without_a_long_answer_is_unanswered(tmp_path):
    (row,) = render(tmp_path, questions=[{"question": "who sold the mill"}])
    (annotation,) = row["annotations"]
    assert annotation["long_answer"] == {"start_token": -1, "end_token": -1, "candidate_index": -1}
    assert annotation["short_answers"] == []


@pytest.mark.parametrize("said", ["yes", "no"])
def test_a_yes_or_no_is_rendered(tmp_path, said):
    (row,) = render(tmp_path, questions=[{"question": "did it burn", "long_answer": 2, "yes_no": said}])
    assert row["annotations"][0]["yes_no_answer"] == said.upper()


def test_an_occurrence_says_which_of_several_places_is_meant(tmp_path):
    words, first = answer(tmp_path, short_answer="1901", occurrence=1)
    again, second = answer(tmp_path, short_answer="1901", occurrence=2)
    assert words == again == ["1901"]
    assert second == first + 6


def test_an_answer_may_have_several_words_with_punctuation(tmp_path):
    assert answer(tmp_path, short_answer="again in 1901, alas")[0] == ["again", "in", "1901", ",", "alas"]


def test_a_questions_number_depends_on_its_title_and_words_alone(tmp_path):
    (row,) = render(tmp_path)
    (other,) = render(tmp_path, paragraphs=["Ada did.", "More."])
    (retitled,) = render(tmp_path, title="Mill")
    (reworded,) = render(tmp_path, questions=[{"question": "who made the mill", "long_answer": 1}])
    assert row["example_id"] == other["example_id"]
    assert len({row["example_id"], retitled["example_id"], reworded["example_id"]}) == 3
    assert 0 < row["example_id"] < 2**63


def test_pages_come_in_the_order_of_their_file_names(tmp_path):
    for name in "bac":
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(PAGE | {"title": name}), encoding="utf-8")
    assert [row["document_title"] for row in bundled_pages.render(tmp_path / f"{name}.yaml" for name in "cab")] == [
        "a",
        "b",
        "c",
    ]


@pytest.mark.parametrize(
    ("question", "told"),
    [
        ({"long_answr": 2}, "found the keys"),
        ({"long_answer": 3}, "long_answer is 3, wanted a paragraph, 1 to 2"),
        ({"long_answer": 0}, "long_answer is 0, wanted a paragraph, 1 to 2"),
        ({"long_answer": "2"}, "long_answer is '2', wanted a paragraph, 1 to 2"),
        ({"long_answer": 2, "short_answer": "1902"}, "'1902' is 0 times"),
        ({"long_answer": 2, "short_answer": "burn"}, "'burn' is 0 times"),
        ({"long_answer": 2, "short_answer": "1901"}, "'1901' is 2 times in the paragraph, and occurrence is None"),
        ({"long_answer": 2, "short_answer": "1901", "occurrence": 3}, "and occurrence is 3"),
        ({"long_answer": 2, "short_answer": "1901", "occurrence": 0}, "and occurrence is 0"),
        ({"long_answer": 2, "short_answer": "U.S"}, "begins or ends within a word"),
        ({"long_answer": 2, "yes_no": True}, 'yes_no is True, wanted "yes" or "no", in quotation marks'),
    ],
)
def test_a_question_that_is_wrong_is_named_with_its_file(tmp_path, question, told):
    error = error_of(tmp_path, questions=[{"question": "when did it burn", **question}])
    assert error.startswith(f"{tmp_path}/page.yaml, question 'when did it burn': ")
    assert told in error


def test_a_page_without_a_key_or_with_one_too_many_is_named(tmp_path):
    assert f"{tmp_path}/page.yaml: found ['extra', 'paragraphs', 'questions', 'title'], wanted" in error_of(
        tmp_path, extra=1
    )
    (tmp_path / "page.yaml").write_text("title: A\n")
    with pytest.raises(InputError, match=r"page\.yaml: found \['title'\], wanted the keys"):
        list(bundled_pages.render([tmp_path / "page.yaml"]))


def test_a_file_that_is_no_yaml_is_named(tmp_path):
    (tmp_path / "page.yaml").write_text("title: [a\n")
    with pytest.raises(InputError, match=r"page\.yaml: not YAML"):
        list(bundled_pages.render([tmp_path / "page.yaml"]))


# The bundled pages.


@pytest.fixture(scope="module")
def pages():
    return [yaml.load(path.read_text(encoding="utf-8"), Loader=LOADER) for path in PAGES]


@pytest.fixture(scope="module")
def questions(pages):
    return [question for page in pages for question in page["questions"]]


@pytest.fixture(scope="module")
def rows():
    return list(bundled_pages.render(PAGES))


@pytest.fixture(scope="module")
def documents(rows, tmp_path_factory):
    path = tmp_path_factory.mktemp("corpus") / "mini_nq.jsonl.gz"
    files.write_json_lines(path, rows)
    return [document for _, document in read_natural_questions(path)]


@pytest.fixture(scope="module")
def examples(documents):
    return [example for example in map(example_of, documents) if not isinstance(example, str)]


def test_there_are_100_pages_and_320_questions(pages, questions):
    assert len(pages) >= 100
    assert len(questions) >= 320


def test_a_page_has_at_least_3_paragraphs(pages):
    assert [page["title"] for page in pages if len(page["paragraphs"]) < 3] == []


def test_a_paragraph_has_60_to_140_words(pages):
    lengths = {(page["title"], i): len(p.split()) for page in pages for i, p in enumerate(page["paragraphs"], 1)}
    assert {where: length for where, length in lengths.items() if not 60 <= length <= 140} == {}


def test_titles_are_unique(pages):
    assert len({page["title"].casefold() for page in pages}) == len(pages)


def test_questions_are_in_lower_case_without_question_marks(questions):
    asked = [question["question"] for question in questions]
    assert [text for text in asked if text != text.lower() or "?" in text or text != " ".join(text.split())] == []


def test_60_percent_of_the_questions_ask_who_when_or_where(questions):
    asked = [question["question"].split()[0] in ("who", "when", "where") for question in questions]
    assert sum(asked) >= 0.6 * len(asked)


def test_some_questions_are_answered_yes_some_no_and_some_not_at_all(questions):
    assert {question.get("yes_no") for question in questions} == {"yes", "no", None}
    assert sum("long_answer" not in question for question in questions) >= 10


def test_a_question_has_a_long_answer_wherever_it_has_a_short_one_or_yes_or_no(questions):
    answered = [question for question in questions if {"short_answer", "yes_no"} & set(question)]
    assert [question for question in answered if "long_answer" not in question] == []
    assert [question for question in answered if {"short_answer", "yes_no"} <= set(question)] == []


def is_name(words):
    """Whether a run of words is one long name: none but small words are in lower case ("the Nobel Prize in Physics")."""
    return not any(word.islower() and word not in STOP_WORDS for word in words)


def test_no_two_pages_share_8_words_in_a_row_but_for_names(pages):
    first, shared = {}, []
    for page in pages:
        for paragraph in page["paragraphs"]:
            read = re.findall(r"\w+", paragraph)
            for i in range(len(read) - 7):
                words = " ".join(read[i : i + 8]).lower()
                if first.setdefault(words, page["title"]) != page["title"] and not is_name(read[i : i + 8]):
                    shared.append((first[words], page["title"], words))
    assert shared == []


@pytest.mark.slow
def test_tokens_hold_every_character_of_the_pages(pages, rows):
    texts = {row["document_title"]: row["document_text"] for row in rows}
    for page in pages:
        tokens = [token for token in texts[page["title"]].split(" ") if token not in ("<H1>", "</H1>", "<P>", "</P>")]
        assert "".join(tokens) == "".join("".join([page["title"], *page["paragraphs"]]).split())


def test_every_question_has_a_number_of_its_own(rows, questions):
    assert len({row["example_id"] for row in rows}) == len(rows) == len(questions)


def test_rendering_twice_gives_the_same(rows):
    again = list(bundled_pages.render(PAGES[:2]))
    assert again == rows[: len(again)]


def test_every_short_answer_comes_back_with_the_same_words(pages, examples):
    read = {(example.title, " ".join(example.question)): example for example in examples}
    for page in pages:
        for question in page["questions"]:
            if "long_answer" in question:
                example = read[page["title"], question["question"]]
                assert "".join(example.paragraph) == "".join(page["paragraphs"][question["long_answer"] - 1].split())
                answered = "" if example.answer is None else "".join(example.paragraph[slice(*example.answer)])
                assert answered == "".join(question.get("short_answer", "").split())


def test_an_answer_to_yes_or_no_comes_back(questions, documents):
    said = [document.selected and document.selected.yes_no for document in documents]
    assert said == [question.get("yes_no") for question in questions]


@pytest.mark.slow
@pytest.mark.parametrize("task", ["synonyms", "abbreviation", "coreference", "answer_type"])
def test_every_pair_task_finds_40_pairs(task, examples, reader):
    pairs = building.rows_of(building.load(task).find, examples, reader)
    assert len(list(islice(pairs, 40))) == 40
