"""What is said of a file of pairs, and the two files of the documentation."""

import collections
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from families import tiny_bert

import pairprobe
from pairprobe.__main__ import main
from pairprobe.evidence import claims, pair_check, pair_doubts
from pairprobe.probing_sets import pair_files

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples"
ROWS = [
    {"text": "Hot soup, and cold water.", "anchor": "Hot", "match": "cold", "group": "a"},
    {"text": "A red blood cell is a cell.", "anchor": "blood", "match": "a cell", "group": "b"},
    {"text": "Yes: no!", "anchor": "Yes", "match": "no", "group": "a"},
]


def said(folder, rows, shown=5):
    (folder / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return pair_check.describe(folder / "a.jsonl", shown)


def test_the_numbers_of_a_file_worked_by_hand(tmp_path):
    # Ranked among: soup, and, water; A has the form of the match, so red and is; nothing.
    assert said(tmp_path, ROWS)[:7] == [
        # Groups of 3 and 2 words: 25 / 13.
        f"{tmp_path}/a.jsonl: 3 pairs, 3 texts, 2 groups (1.9 effective ones, of which claims need 20)",
        "view: text: single texts",
        "words of an anchor: 1 in 3 pairs",
        "words of a match: 1 in 2 pairs, 2 in 1 pair",
        "other words that a match is ranked among (words.punctuation: true adds to them): 1.7 on average, 0 to 3",
        "pairs without any: 1, which lower percentage and count in no other value",
        "words of texts without a letter or digit: 5 of 19 (. , : !)",
    ]


def test_one_of_each_is_said_to_be_one(tmp_path):
    assert said(tmp_path, ROWS[:1])[0].startswith(f"{tmp_path}/a.jsonl: 1 pair, 1 text, 1 group (1.0 effective")
    assert said(tmp_path, ROWS[:1])[2] == "words of an anchor: 1 in 1 pair"


def test_what_may_be_meant_otherwise_is_said_with_its_lines(tmp_path):
    long = {"question": "hot", "text": f"cold{' a' * pair_doubts.LONG}", "anchor": "hot", "match": "cold"}
    asked = [{**row, "question": row["anchor"]} for row in ROWS]
    rows = [
        long,
        {**long, "text": f"cold{' a' * (pair_doubts.LONG - 2)}"},
        *asked,
        {**asked[0], "group": "c"},
        {**asked[0], "match": "water"},
        {**asked[0], "match": ","},
        {**asked[0], "text": "Hot <br/> and cold."},
        {**asked[0], "text": "Hot &amp; cold: 3 < 5 > 2, R&D; a\nb\tc\r\nd"},
        {**asked[0], "text": "Hot\x07 and cold."},
        {**asked[0], "text": "Hot\x85and cold, \u200b3<5 and 6>5."},
    ]
    found = [line for line in said(tmp_path, rows) if "(line" in line]
    assert found == [
        "longer than 400 words, which by an estimate (1.28 subtokens a word) will not fit into activations.max_length, 512 "
        "by default, and be left out: 1 pair (line 1)",
        "the same text, anchor and match as a pair before: 1 pair (line 6)",
        "the anchor and match of another group, so that groups are not independent (name one group for both): 7 pairs "
        "(line 2, line 3, line 6, line 9, line 10, ...)",
        "an anchor or a match without a letter or digit: 1 pair (line 8)",
        "control characters in the text: 1 pair (line 11)",
        "what looks like HTML in the text: 2 pairs (line 9, line 10)",
    ]
    assert (
        "the same text, anchor and match as a pair before: 6 pairs (line 2, line 3, line 4, line 5, line 6, ...)"
        in said(tmp_path, [ROWS[0]] * 7)
    )
    assert not [line for line in said(tmp_path, ROWS) if "(line" in line]


def test_marks_are_none_of_the_signs_of_the_texts(tmp_path):
    row = {"text": "<b> hot, [cold] «", "anchor": "hot", "match": "cold"}
    assert said(tmp_path, [row])[-2:] == [
        "The first pairs, the anchor in ⟨⟩, the match in {}:",
        "     1  < b > ⟨hot⟩ , [ {cold} ] «",
    ]
    # Signs of texts that are not shown do not count.
    assert said(tmp_path, [ROWS[0], row], 1)[-2] == "The first pairs, the anchor in <>, the match in []:"


def test_claims_need_as_many_groups_as_the_check_says(tmp_path):
    rows = [{"text": f"Hot soup, cold water {i}.", "anchor": "Hot", "match": "cold"} for i in range(claims.MIN_PAGES)]
    assert "20.0 effective ones)" in said(tmp_path, rows)[0]
    assert "19.0 effective ones, of which claims need 20)" in said(tmp_path, rows[1:])[0]


@pytest.mark.slow
def test_a_pair_without_other_words_lowers_percentage_and_no_other_value(tmp_path):
    pairs = [pairprobe.TextPair(row["text"], row["anchor"], row["match"]) for row in ROWS]
    model = pairprobe.load_encoder(tiny_bert(tmp_path / "tiny", initializer_range=0.2))
    several, alone = (pairprobe.rank(each, model).percentages() for each in (pairs, pairs[:2]))
    ratio = alone.para_len / several.para_len
    np.testing.assert_allclose(several.percentage, alone.percentage * ratio, atol=1e-4)
    assert (ratio < 1).all()
    values = ["auc", "null_auc", "span_auc", "swapped_auc", "specific"]
    pd.testing.assert_frame_equal(several[values], alone[values])


def test_pairs_are_shown_in_their_texts(tmp_path):
    rows = [
        *ROWS[:2],
        {"text": f"{'one ' * 30}two three {'four ' * 30}", "anchor": "two", "match": "three"},
    ]
    assert said(tmp_path, rows)[8:] == [
        "     1  <Hot> soup , and [cold] water .",
        "     2  A red <blood> cell is [a cell] .",
        f"     3  ... {'one ' * 8}<two> [three] {'four ' * 8}...",
    ]
    assert len(said(tmp_path, rows, 1)) == 9
    asked = {"question": "Who won?", "passage": "Ann Lee won.", "anchor": "Who", "match": "Ann Lee"}
    assert said(tmp_path, [asked])[-1] == "     1  <Who> won ?  |  [Ann Lee] won ."
    assert said(tmp_path, [asked])[1] == "view: paragraph: a question and a passage"


def test_the_command_ends_with_0_or_with_2_and_every_fault(tmp_path, capsys):
    assert main(["check-pairs", str(EXAMPLES / "antonyms.tsv"), "--pairs", "1"]) == 0
    out = capsys.readouterr().out
    assert "50 pairs, 50 texts, 25 groups" in out
    assert "     2  The soup was <hot> when" in out
    bad = tmp_path / "bad.tsv"
    bad.write_text("text\tanchor\tmatch\nhot\thot\tcold\ncold\thot\tcold\n")
    assert main(["check-pairs", str(bad)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in lines[1:]] == ["  line 2, column match", "  line 3, column anchor"]
    assert main(["check-pairs", str(tmp_path / "none.tsv")]) == 2
    with pytest.raises(SystemExit, match="2"):
        main(["check-pairs", str(EXAMPLES / "antonyms.tsv"), "--pairs", "-3"])
    assert "found '-3', wanted a whole number, 0 or more" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["antonyms.tsv", "pronouns.jsonl"])
def test_the_examples_of_the_documentation_are_fifty_pairs_in_groups_of_two(name):
    examples, rows = pair_files.load(EXAMPLES / name)
    groups = collections.Counter(example.title for example in examples)
    assert len(rows) == 50
    assert set(groups.values()) == {2}
    assert "of which claims need" not in pair_check.describe(EXAMPLES / name)[0]


def test_pronouns_refer_to_each_of_two_nouns_once_and_as_often_to_the_first():
    rows = [json.loads(line) for line in (EXAMPLES / "pronouns.jsonl").read_text().splitlines()]
    first = 0
    for one, other in zip(rows[::2], rows[1::2], strict=True):
        assert one["group"] == other["group"]
        assert {one["match"], other["match"]} == {*one["group"].split("-")}
        for row in (one, other):
            nouns = sorted(row["group"].split("-"), key=row["text"].index)
            first += row["match"] == nouns[0]
    assert first == len(rows) / 2


def test_the_page_shows_the_configuration_and_what_the_command_prints():
    page = (EXAMPLES.parent / "how-to" / "your_pairs.md").read_text(encoding="utf-8")
    config = (EXAMPLES.parents[1] / "config" / "pairs.yaml").read_text(encoding="utf-8")
    assert "\n".join(line for line in config.splitlines() if not line.startswith("#")).strip() in page
    told = "\n".join(pair_check.describe(EXAMPLES / "antonyms.tsv", 2))
    assert told.replace(str(EXAMPLES), "docs/examples") in page
