"""Files of pairs: each form gives the same pairs, and an error names file, line and column."""

import gzip
import json
import re
from pathlib import Path

import pytest

from pairprobe.errors import InputError
from pairprobe.probing_sets import pair_files
from pairprobe.probing_sets.text_pairs import TextPair, resolve
from pairprobe.probing_sets.text_spans import Characters, Words

TEXT = 'The "old" soup was hot, the new soup was cold.'
PAIRS = [
    TextPair(TEXT, "hot", "cold", group="temperature", id="2"),
    TextPair(TEXT, Characters(10, 14), Characters(32, 36), group="soup", id="b"),
    TextPair("A day, a night.", Words(1, 2), Words(4, 5), id="4"),
]
TABLE = [
    ["Text", "anchor", "match", "anchor_start", "match_start", "match_end", "anchor_word_start", "anchor_word_end",
     "match_word_start", "match_word_end", "group", "id"],
    [TEXT, "hot", "cold", "", "", "", "", "", "", "", "temperature", ""],
    [TEXT, "soup", "", "10", "32", "36.0", "", "", "", "", "soup", "b"],
    ["A day, a night.", "day", "night", "", "", "", "1", "2", "4", "5", "", ""],
]  # fmt: skip
TABLE[0][0] = "text"


def table(rows, by):
    """Write a table as a spreadsheet does."""
    quoted = [['"' + cell.replace('"', '""') + '"' if {*'",;\t\n'} & {*cell} else cell for cell in row] for row in rows]
    return "".join(by.join(row) + "\r\n" for row in quoted)


def json_lines():
    """Write PAIRS as JSON lines."""
    rows = [
        {"text": TEXT, "anchor": "hot", "match": "cold", "group": "temperature", "id": 2},
        {"passage": TEXT, "anchor": "soup", "anchor_start": 10, "match_start": 32, "match_end": 36, "group": "soup",
         "id": "b"},
        {"text": "A day, a night.", "anchor_word_start": 1, "anchor_word_end": 2, "match_word_start": 4,
         "match_word_end": 5, "question": None, "id": 4.0},
    ]  # fmt: skip
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.tsv", table(TABLE, "\t").encode()),
        ("a.csv", table(TABLE, ",").encode()),
        ("a.csv", table(TABLE, ";").encode("utf-8-sig")),
        ("a.csv", b"sep=;\r\n" + table(TABLE, ";").encode().replace(b"temperature;", b"temperature;2")),
        ("a.TSV", table(TABLE, "\t").encode("utf-16")),
        ("a.csv.gz", gzip.compress(table(TABLE, ",").encode())),
        ("a.jsonl", b"\xef\xbb\xbf" + json_lines().encode()),
        ("a.jsonl.gz", gzip.compress(json_lines().encode("utf-16"))),
    ],
)
def test_every_form_gives_the_same_pairs(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    found = pair_files.read(tmp_path / name)
    # A line for Excel moves the other lines down by one.
    assert found == [
        *PAIRS[:2],
        TextPair(*[getattr(PAIRS[2], key) for key in TextPair.__slots__][:5], str(4 + (b"sep=" in content))),
    ]
    assert pair_files.load(tmp_path / name) == resolve(found)


def test_words_may_be_lists_in_json_lines(tmp_path):
    row = {"text": ["น้ำ", "ร้อน"], "question": ["อะไร", "ร้อน"], "anchor": "ร้อน", "match_word_start": 1, "match_word_end": 2}
    (tmp_path / "a.jsonl").write_text(json.dumps(row))
    (example,), (pair,) = pair_files.load(tmp_path / "a.jsonl")
    assert (example.question, example.paragraph) == (row["question"], row["text"])
    assert (pair["anchor"], pair["match"]) == ({"side": "question", "words": (1,)}, {"words": (1,)})


@pytest.fixture
def section():
    """What docs/how-to/your_pairs.md says of these files."""
    text = (Path(__file__).parents[3] / "docs" / "how-to" / "your_pairs.md").read_text(encoding="utf-8")
    return text.partition("\n## Columns and keys\n")[2].partition("\n## ")[0]


def test_the_description_has_every_column(section):
    table = section.partition("**An anchor or match**")[0]
    names = re.findall("`(\\w+)`", "".join(re.findall(r"^\| (`[^|]*`) +\| [^|]* \|$", table, re.MULTILINE)))
    assert set(names) == set(pair_files.KEYS) - {"passage"}
    assert "`passage` is another name for it" in section


def test_the_rows_of_the_description_are_read_as_it_says(tmp_path, section):
    blocks = re.findall(r"^```(?:json)?\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    found = []
    for i, block in enumerate(blocks):
        path = tmp_path / f"{i}.{'jsonl' if block.startswith('{') else 'tsv'}"
        path.write_text(block, encoding="utf-8")
        by_id = {example.example_id: example for example in pair_files.load(path)[0]}
        for row in pair_files.load(path)[1]:
            example = by_id[row["example_id"]]
            sides = {"question": example.question, "paragraph": example.paragraph}
            anchor = " ".join(sides[row["anchor"]["side"]][i] for i in row["anchor"]["words"])
            found.append((row["id"], anchor, " ".join(example.paragraph[i] for i in row["match"]["words"])))
    assert found == [
        ("2", "hot", "cold"), ("3", "hot", "warm"), ("1", "น้ำ ร้อน", "เย็น"), ("soup", "热 汤", "凉 水"),
        ("1", "Who", "Ann Lee"), ("2", "she", "Ann"),
    ]  # fmt: skip


def refused(folder, content, name="a.tsv"):
    """Return what is said of a file's content; a list of rows is a table."""
    path = folder / name
    path.write_text(content if isinstance(content, str) else table(content, "\t"), encoding="utf-8")
    with pytest.raises(InputError) as error:
        pair_files.read(path)
    said = str(error.value)
    assert said.startswith(str(path))
    return said.removeprefix(str(path))


HEADER = ["text", "anchor", "match"]
GOOD = ["hot and cold", "hot", "cold"]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], ": found no pairs. Wanted: one a line, below the header."),
        ([HEADER], ": found no pairs."),
        ([GOOD, GOOD], ", line 1: found 'hot and cold, hot, cold'. Wanted: a header, the names of the columns"),
        ([["text", "anchor", "capital"], GOOD], "column capital: there is none of this name. Allowed: "),
        ([["text", "anchor", "capital"], GOOD], "There is no column match."),
        ([["text", "ancor", "match"], GOOD], "column ancor: there is none of this name. Did you mean anchor?"),
        ([[*HEADER, "match"], [*GOOD, "x"]], ", line 1, column match: there are 2 of it."),
        ([HEADER, GOOD, GOOD[:2]], "line 3: found 2 cells. Wanted: 3, as the header has."),
        ([HEADER, GOOD, [*GOOD, "x"]], "line 3: found 4 cells. Wanted: 3"),
        ([HEADER, GOOD, ["hot and cold", "hot", " "]], "line 3, column match: the cell is empty."),
        ([HEADER, ["", "hot", "cold"]], "line 2, column text: the cell is empty."),
        ([["text", "anchor"], GOOD[:2]], "line 2, column match: missing. Wanted: match, a string that occurs once"),
        ([["anchor", "match"], GOOD[1:]], "line 2: found neither text nor passage. Wanted: text, or question and passage."),
        ([[*HEADER, "passage"], [*GOOD, "x"]], "found both text and passage, which are two names of one thing."),
        ([HEADER, ["hot\nor hot, cold", "hot", "cold"]], "line 2, column anchor: 'hot' occurs 2 times in text, at"),
        ([HEADER, ["hot\nor cold", "hot", "cold"], ["a", "b", "a"]], "line 4, column anchor: 'b' is not in text, 'a'."),
        ([HEADER, ["hot and cold", "hot", "warm"]], "line 2, column match: 'warm' is not in text, 'hot and cold'."),
        ([HEADER, ["hot and cold", "hot and", "and cold"]], "line 2, column match: it has the anchor's word 'and'."),
        ([[*HEADER, "id"], [*GOOD, "x"], [*GOOD, "x"]], "line 3, column id: 'x' is that of line 2 too."),
        ([[*HEADER, "id"], [*GOOD, "3"], [*GOOD, ""]], "column id: there is none, so that its number 3 is taken, which is"),
        ([[*HEADER, "id"], [*GOOD, ""], [*GOOD, "2"]], "id: '2' is that of line 2 already, which has none of its own"),
        ([[*HEADER, "anchor_start"], [*GOOD, "4"]], "column anchor: found 'hot', and at characters 4 to 7 'and'."),
        ([[*HEADER, "match_start"], [*GOOD, "44"]], "column match: found characters 44 to 48, outside of text."),
        ([[*HEADER, "match_start"], [*GOOD, "-4"]], "line 2, column match: found characters -4 to 0, outside of text."),
        ([[*HEADER, "match_start"], [*GOOD, "four"]], "line 2, column match_start: found 'four', wanted a whole number."),
        ([[*HEADER, "match_end"], [*GOOD, "12"]], "found match_end without match_start. Wanted: match, a string"),
        ([["text", "anchor_start", "match"], [GOOD[0], "0", "cold"]], "found anchor_start without anchor_end. Wanted"),
        ([["text", "anchor_start", "anchor_word_end", "match"], [GOOD[0], "0", "1", "cold"]],
         "found anchor_start and anchor_word_end which are no start and end of one kind. Wanted: anchor, a string"),
        ([[*HEADER, "anchor_side"], [*GOOD, "question"]], "line 2, column anchor_side: found 'question'. Wanted: passage"),
    ],
)  # fmt: skip
def test_an_error_names_line_and_column(tmp_path, rows, said):
    assert said in refused(tmp_path, rows)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", ": found no pairs. Wanted: one a line."),
        ('{"text": "hot, cold", "anchor": "hot"', "line 1: not a whole JSON object"),
        ("[1]", "line 1: a JSON object is wanted, found list."),
        ('{"text": "hot, cold", "anchor": "hot"}', "line 1, key match: missing. Wanted: match, a string"),
        ('{"text": "hot, cold", "anchor": ["hot"], "match": "cold"}', "line 1, key anchor: found ['hot'], wanted text."),
        ('{"text": "hot, cold", "anchor": [0, 3], "match": "cold"}', "Numbers are anchor_start and anchor_end (chara"),
        ('{"text": "hot, cold", "anchor": "hot", "match": {"words": [2, 3]}}', "or match_word_start and match_word_end (w"),
        ('{"text": "hot, cold", "anchor": "hot", "mach": "cold"}', "key mach: there is none of this name. Did you mean"),
        ('{"text": {}, "anchor": "hot", "match": "cold"}', "key text: found {}, wanted text or a list of words."),
        ('{"text": "hot, cold", "anchor": "hot", "match": "cold", "id": 1.5}', "line 1, key id: found 1.5, wanted text"),
        ('{"text": "hot, cold", "anchor": "hot", "match": "cold", "group": true}', "key group: found True, wanted text."),
        ('{"text": "hot, cold", "anchor": "hot", "match_start": true, "match_end": 9}', "key match_start: found True"),
        ('{"text": "hot, cold", "anchor": "hot", "match": "cold", "anchor_side": 1}', "line 1, key anchor_side: found 1."),
    ],
)  # fmt: skip
def test_an_error_of_json_lines_names_line_and_key(tmp_path, line, said):
    assert said in refused(tmp_path, line, "a.jsonl")


def test_a_quotation_that_does_not_end_is_named_with_the_line_where_it_begins(tmp_path):
    assert ", line 3: no table (" in refused(
        tmp_path, 'text\tanchor\tmatch\nhot, cold\thot\tcold\n"Hot," or cold\tor\tcold\n'
    )
    assert ", line 2: no table (" in refused(tmp_path, 'text\tanchor\tmatch\n"hot, cold\thot\tcold\nhot, cold\thot\tcold\n')


def test_all_faults_of_a_file_are_listed_up_to_ten(tmp_path):
    said = refused(tmp_path, [HEADER, *[["hot and cold", "hot", "warm"], GOOD, ["x"]] * 6]).splitlines()
    lines = [line.split(",")[0].split(":")[0].strip() for line in said[1:11]]
    assert lines == [f"line {number}" for k in range(5) for number in (2 + 3 * k, 4 + 3 * k)]
    assert said[11:] == ["  and more."]
    said = refused(tmp_path, [HEADER, *[["x"]] * 10]).splitlines()
    assert len(said) == 11
    assert said[-1] == "  line 11: found 1 cells. Wanted: 3, as the header has."


def test_behind_the_faults_that_are_listed_nothing_is_read(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(pair_files, "_pair_of", lambda row: asked.append(row) or TextPair(**row))
    refused(tmp_path, [HEADER, *[["hot and cold", "hot", "warm"]] * 1000])
    assert len(asked) == 11


def test_lines_of_blanks_are_left_out_and_the_others_keep_their_numbers(tmp_path):
    blank = [" ", "", " "]
    (tmp_path / "a.tsv").write_text(table([[" "], HEADER, [""], GOOD, blank, [" "], ["cold and hot", *GOOD[1:]]], "\t"))
    line = json.dumps(dict(zip(HEADER, GOOD, strict=True)))
    (tmp_path / "a.jsonl").write_text(f"\n{line}\n \n\n{line}\n")
    assert [pair.id for pair in pair_files.read(tmp_path / "a.tsv")] == ["4", "7"]
    assert [pair.id for pair in pair_files.read(tmp_path / "a.jsonl")] == ["2", "5"]
    assert not pair_files.has_question(tmp_path / "a.jsonl")
    (tmp_path / "a.jsonl").write_text("\n \n")
    with pytest.raises(InputError, match=r"a.jsonl: found no pairs"):
        pair_files.read(tmp_path / "a.jsonl")


def test_another_kind_of_file_and_a_missing_one_are_refused(tmp_path):
    assert ": wanted pairs in a file whose name ends in .tsv, .csv, .jsonl" in refused(tmp_path, "", "a.xlsx")
    for name in ("none.tsv", "none.jsonl"):
        with pytest.raises(InputError, match=r"there is no such file. Check the path\.$"):
            pair_files.read(tmp_path / name)
    with pytest.raises(
        InputError, match=rf"none.tsv: there is no such file. Check the path; it counts from {Path.cwd()}\.$"
    ):
        pair_files.read("none.tsv")
    for name in ("pairs", "pairs.tsv", "pairs.jsonl"):
        (tmp_path / name).mkdir()
        with pytest.raises(InputError, match=rf"{name}: it is a folder. Name the file of pairs in it\.$"):
            pair_files.read(tmp_path / name)
