"""JSON decoded into declared types: what is wrong is said with its place."""

import msgspec
import pytest

from pairprobe.errors import InputError
from pairprobe.io.typed_json import decoded, read_objects


class Answer(msgspec.Struct):
    text: str
    start: int


class Row(msgspec.Struct):
    qid: str
    answers: list[Answer]
    title: str = ""


def said(raw: bytes, kind=Row, key: str = "") -> str:
    found = decoded("a, line 3", raw, kind, key)
    assert isinstance(found, InputError)
    return str(found).removeprefix("a, line 3")


def test_what_is_as_declared_is_decoded():
    assert decoded("a", b'{"qid": "q", "answers": [{"text": "x", "start": 1}]}', Row) == Row("q", [Answer("x", 1)])


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        (b'{"answers": []}', ", key qid: missing. Wanted: qid, answers."),
        (b'{"qid": "q", "answers": [{"text": "x"}]}', ", key answers[0].start: missing."),
        (b'{"qid": 3, "answers": []}', ", key qid: Expected `str`, got `int`."),
        (b"[]", ": Expected `object`, got `array`."),
    ],
)
def test_a_key_that_is_missing_or_wrong_is_named(raw, wanted):
    assert said(raw) == wanted


def test_the_key_of_a_part_is_the_whole_object_s():
    assert said(b'[{"text": "x"}]', list[Answer], "answers") == ", key answers[0].start: missing."


@pytest.mark.parametrize("raw", [b"", b'{"qid": "q', b'{"qid": "q\n', b'{"qid": "q"', b'{"qid": "q", "answers": ['])
def test_text_that_ends_early_is_said_to_be_cut_off(raw):
    assert said(raw).startswith(": not a whole JSON object (")
    assert "cut off" in said(raw)


@pytest.mark.parametrize("raw", [b"{'qid': 'q'}", b'{"qid": "q",}', b'{"qid": "q", "answers": []} {', b"qid"])
def test_malformed_text_is_not_said_to_be_cut_off(raw):
    assert said(raw).startswith(": not a JSON object (")
    assert "cut off" not in said(raw)


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
def test_what_python_writes_for_no_number_is_null(value):
    raw = f'{{"qid": "NaN \\" Infinity", "answers": [], "score": {value}, "more": [{value}, "{value}"]}}'.encode()
    assert decoded("a", raw, Row) == Row('NaN " Infinity', [])
    assert said(f'{{"qid": {value}, "answers": []}}'.encode()) == ", key qid: Expected `str`, got `null`."


def test_half_a_surrogate_pair_is_named_where_it_is_read_and_nowhere_else():
    told = r"found \ud83d after 'Who \\', which is half of a character. Remove it, or write the whole pair."
    assert said(rb'{"qid": "Who \\\ud83d", "answers": []}') == f": {told}"
    assert said(rb'"Who \\\ud83dx"', str, "title") == f", key title: {told}"
    raw = rb'{"qid": "\ud83c\udf89 \\ud83d", "answers": [], "more": "\udc00\ud800", "\ud800": 1}'
    assert decoded("a", raw, Row) == Row("\U0001f389 \\ud83d", [])


@pytest.mark.parametrize("raw", [b'{"x": NaN, "title": "x', rb'{"qid": "\ud83d', rb'{"x": "\ud83d", "y": [Infinity'])
def test_such_text_that_ends_early_is_said_to_be_cut_off(raw):
    assert "cut off" in said(raw)


def objects(folder, content):
    (folder / "a.json").write_bytes(content)
    return [(where.removeprefix(f"{folder}/a.json, "), bytes(raw)) for where, raw in read_objects(folder / "a.json")]


def test_objects_are_those_of_lines_or_of_one_array(tmp_path):
    assert objects(tmp_path, b'{"a": 1}\n2\n') == [("line 1", b'{"a": 1}\n'), ("line 2", b"2\n")]
    assert objects(tmp_path, b' [{"a":\n 1},\n2]\n') == [("item 1", b'{"a":\n 1}'), ("item 2", b"2")]
    assert objects(tmp_path, b"[]") == []
    with pytest.raises(InputError, match=r"a\.json: not a whole JSON object .* cut off\?"):
        objects(tmp_path, b'[{"a": 1},\n2')
