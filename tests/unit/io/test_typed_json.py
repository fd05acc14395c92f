"""JSON decoded into declared types: what is wrong is said with its place."""

import msgspec
import pytest

from pairprobe.errors import InputError
from pairprobe.io.typed_json import decoded


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
