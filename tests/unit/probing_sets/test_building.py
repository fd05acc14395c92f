"""The registry of the tasks and the files of pairs."""

import json

import pytest
from samples import example

from pairprobe.errors import InputError
from pairprobe.probing_sets import building, pairs, registry, tasks

FIRST = {"example_id": "1", "anchor": {"side": "question", "words": [0]}, "match": {"words": [4, 5]}}


@pytest.fixture
def examples():
    return [
        example("what is it", "it is a song", (2, 4), example_id="b"),
        example("when was it", "it came out in October 2012", (4, 6), example_id="a"),
        example("which one is it", "it is a song", (2, 4), example_id="c"),
        example("where is it", "it is in Spain", example_id="e"),
        example("who sang it", "Bruno Mars did", (0, 2), example_id="d"),
        example("who sang it", "it is by : ?", (3, 5), example_id="f"),
        example("when is it", "it is in May", example_id="h"),
        example("does he sing", "yes he does", example_id="g"),
    ]


def test_the_registry_lists_the_five_tasks_of_the_paper_in_alphabetical_order():
    assert {"abbreviation", "answer_type", "boundary", "coreference", "synonyms"} <= set(building.names())
    assert building.names() == sorted(building.names())


@pytest.mark.parametrize(
    ("task", "view", "reads_wordnet"),
    [
        ("synonyms", "paragraph", True),
        ("abbreviation", "paragraph", True),
        ("coreference", "paragraph", True),
        ("answer_type", "paragraph", False),
        ("boundary", "sentence", False),
    ],
)
def test_a_task_says_its_view_and_whether_it_reads_wordnet(task, view, reads_wordnet):
    module = building.load(task)
    assert (module.VIEW, getattr(module, "USES_WORDNET", False)) == (view, reads_wordnet)
    assert (registry.view_of(task), registry.uses_wordnet(task)) == (view, reads_wordnet)


@pytest.mark.parametrize("task", ["synonym", "", "Boundary", "__init__", "../text"])
def test_an_unknown_task_is_an_error_that_names_it_and_the_tasks(task):
    with pytest.raises(InputError) as error:
        building.load(task)
    assert repr(task) in str(error.value)
    assert f"Allowed: {', '.join(building.names())}." in str(error.value)


def test_a_module_that_is_added_is_a_task(tmp_path, monkeypatch, examples):
    (tmp_path / "last_word.py").write_text(
        "from pairprobe.probing_sets.pairs import Pair\n"
        'VIEW = "paragraph"\n'
        "def find(example, wordnet):\n"
        '    return Pair("question", (0,), (len(example.paragraph) - 1,))\n'
    )
    monkeypatch.setattr(tasks, "__path__", [*tasks.__path__, str(tmp_path)])
    assert "last_word" in building.names()
    rows = building.build("last_word", examples, tmp_path / "last_word.jsonl")
    assert rows == [("last_word", "examples looked at", 8), ("last_word", "pairs found", 8)]
    assert next(pairs.read_probing_set(tmp_path / "last_word.jsonl"))["match"] == {"words": [3]}


def test_a_module_without_view_or_find_is_an_error_that_says_what_is_missing(tmp_path, monkeypatch):
    (tmp_path / "half_a_task.py").write_text('VIEW = "paragraph"\n')
    monkeypatch.setattr(tasks, "__path__", [*tasks.__path__, str(tmp_path)])
    with pytest.raises(InputError, match=r"half_a_task\.py: no find\. Wanted: what tasks/__init__\.py says"):
        building.load("half_a_task")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import not_installed\nVIEW: str = 'paragraph'\nUSES_WORDNET = True\n", None),
        ("VIEW = OTHER = 'paragraph'\nUSES_WORDNET = 1\n", None),
        ("def find(example, wordnet): pass\n", r"a_task\.py: no VIEW\. Wanted: what tasks/__init__\.py says"),
        ("VIEW = choose()\n", r"a_task\.py: VIEW cannot be read \(.*\)\. Wanted: VIEW = a constant\."),
        ("VIEW = \n", r"a_task\.py: VIEW cannot be read \(invalid syntax.*\)"),
    ],
)
def test_a_task_says_so_without_being_loaded(tmp_path, monkeypatch, code, said):
    (tmp_path / "a_task.py").write_text(code)
    monkeypatch.setattr(tasks, "__path__", [*tasks.__path__, str(tmp_path)])
    if said is None:
        assert (registry.view_of("a_task"), registry.uses_wordnet("a_task")) == ("paragraph", True)
    else:
        with pytest.raises(InputError, match=said):
            registry.view_of("a_task")


@pytest.mark.parametrize(
    "found",
    [
        None,
        ((0,), (1,)),
        pairs.Pair("question", (3,), (1,)),
        pairs.Pair("question", (0,), (4,)),
        pairs.Pair("question", (0,), (-1,)),
        pairs.Pair("question", (), (1,)),
        pairs.Pair("paragraph", (0,), ()),
        pairs.Pair("title", (0,), (1,)),
    ],
)
def test_what_is_no_pair_of_the_example_is_an_error_that_names_example_and_task(found):
    def find(example, wordnet):
        return found

    with pytest.raises(InputError) as error:
        list(building.rows_of(find, [example("what is it", "it is a song", example_id="b")]))
    assert f"{__name__}: example b: find returned {found!r}" in str(error.value)


def test_build_counts_what_it_looked_at_and_each_reason_the_commonest_first(tmp_path, examples):
    assert building.build("answer_type", iter(examples), tmp_path / "set.jsonl") == [
        ("answer_type", "examples looked at", 8),
        ("answer_type", "pairs found", 2),
        ("answer_type", "dropped: the question does not start with who, when or where", 3),
        ("answer_type", "dropped: no short answer", 2),
        ("answer_type", "dropped: the answer has no word with a letter or digit", 1),
    ]


def test_examples_that_are_not_english_are_warned_of_with_numbers(tmp_path, caplog):
    foreign = ["the", "磨坊", "建于", *["ab"] * 15, "abc", "1820"] * 10
    rows = building.build("answer_type", [example("ab", " ".join(foreign))], tmp_path / "set.jsonl")
    assert rows[-2:] == [
        ("answer_type", "not English? function words of English among 100 words (English has more than 10)", 5),
        ("answer_type", "not English? letters among 100 that are not Latin", 10),
    ]
    assert "answer_type: these examples do not look like English: of 100 words 5 are function words" in caplog.text
    (english,) = [example("who", " ".join(["the", *["ab"] * 7] * 20))]
    assert len(building.build("answer_type", [english], tmp_path / "set.jsonl")) == 3


def test_a_set_has_the_examples_with_a_pair_once_each_in_their_order(tmp_path, examples):
    building.build("answer_type", examples, tmp_path / "set.jsonl")
    assert [row["example_id"] for row in pairs.read_probing_set(tmp_path / "set.jsonl")] == ["a", "d"]


def test_a_pair_is_one_line_of_json_with_its_side_and_words(tmp_path, examples):
    building.build("answer_type", examples[:2], tmp_path / "set.jsonl")
    lines = (tmp_path / "set.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"example_id": "a", "anchor": {"side": "question", "words": [0]}, "match": {"words": [4, 5]}}
    ]


def test_a_boundary_is_one_line_of_json_with_its_sentence_and_answer(tmp_path, examples):
    building.build("boundary", examples[1:2], tmp_path / "set.jsonl")
    lines = (tmp_path / "set.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [{"example_id": "a", "sentence": [0, 6], "answer": [4, 6]}]


def test_no_examples_make_an_empty_set(tmp_path):
    rows = building.build("boundary", [], tmp_path / "set.jsonl")
    assert rows == [("boundary", "examples looked at", 0), ("boundary", "pairs found", 0)]
    assert list(pairs.read_probing_set(tmp_path / "set.jsonl")) == []


@pytest.mark.parametrize(
    "change",
    [
        {"anchor": None},
        {"anchor": {"side": "question"}},
        {"anchor": {"side": "question", "words": []}},
        {"anchor": {"side": "question", "words": 3}},
        {"anchor": {"side": "question", "words": ["when"]}},
        {"anchor": {"side": "question", "words": [-1]}},
        {"anchor": {"side": "title", "words": [0]}},
        {"match": [4, 5]},
        {"match": {"words": []}},
        {"sentence": [0, 6]},
        {"sentence": [0, 6], "answer": None},
        {"sentence": [0, 6], "answer": [4, 4]},
        {"sentence": [0, 6], "answer": [4, 7]},
        {"sentence": [5, 6], "answer": [4, 6]},
        {"sentence": [-1, 6], "answer": [4, 6]},
        {"sentence": "0-6", "answer": [4, 6]},
    ],
)
def test_a_malformed_line_of_a_set_is_an_error_that_names_the_line(tmp_path, change):
    path = tmp_path / "set.jsonl"
    path.write_text(json.dumps(FIRST) + "\n" + json.dumps(FIRST | change) + "\n")
    rows = pairs.read_probing_set(path)
    assert next(rows) == FIRST
    with pytest.raises(InputError, match=r"set\.jsonl, line 2: found .*wanted example_id"):
        next(rows)


def test_a_line_without_example_id_is_an_error(tmp_path):
    path = tmp_path / "set.jsonl"
    path.write_text(json.dumps({key: value for key, value in FIRST.items() if key != "example_id"}))
    with pytest.raises(InputError, match=r"line 1: found .*wanted example_id"):
        list(pairs.read_probing_set(path))


def test_a_set_that_is_cut_off_is_an_error_that_names_the_line(tmp_path):
    path = tmp_path / "set.jsonl"
    path.write_text(json.dumps(FIRST) + "\n" + json.dumps(FIRST)[:40])
    with pytest.raises(InputError, match="line 2: not a whole JSON object"):
        list(pairs.read_probing_set(path))
