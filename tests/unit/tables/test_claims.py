"""The verdicts laid out: every number of the table."""

import pytest

from pairprobe.evidence.claims import CLAIMS
from pairprobe.evidence.fields import CLAIM_FIELDS
from pairprobe.io.tsv import write_tsv
from pairprobe.tables.claims import claims_markdown

EVIDENCE = {"confidence": 0.9, "margin": 3, "power": 0.8}
PAIR = ("pre_trained", "fine_tuned")


def row(
    claim, task="coreference", measure="cosine", verdict="supported", value="1.2345", layer="", needed="", stated="yes"
):
    return (*PAIR, claim, task, measure, stated, verdict, value, "0.1000", "7.0000", layer, 7, 66, 40, needed)


@pytest.fixture
def table(tmp_path):
    def make(*rows):
        write_tsv(str(tmp_path / "claims.tsv"), CLAIM_FIELDS, rows)
        return str(tmp_path / "claims.tsv")

    return make


def everything(**changes):
    return [row(claim, measure=measure, **changes) for claim in CLAIMS for measure in ("cosine", "euclidean")]


def test_measures_that_agree_are_said_once_and_others_apart(table):
    rows = everything()
    rows[1] = row(next(iter(CLAIMS)), measure="euclidean", verdict="undecided", needed="1234")
    said = claims_markdown(table(*rows), {"fine_tuned": "Tuned"}, EVIDENCE, {"fine_tuned": 13})
    assert said.startswith("# Tuned against Pre trained\n\nVerdicts on the claims")
    words = " ".join(said.split())
    assert "no more than 3 points" in words
    assert "wrong with a probability of 10 % at most" in words
    assert "Interval: of 90 %, for no difference of 80 %" in words
    assert words.count("Seeds: Tuned 13.") == 2
    assert "cosine supported, euclidean undecided*" in said
    assert said.count("| supported* ") == len(CLAIMS) - 1
    assert "1,200 |" in said


@pytest.mark.parametrize(
    ("needed", "told"),
    [
        ("20", "20"),
        ("1999", "2,000"),
        ("100000", "100,000"),
        ("3300393415427045850361228165120", "more than 100,000"),
        ("inf", "more than 100,000"),
    ],
)
def test_numbers_are_such_as_can_be_read(table, needed, told):
    rows = [
        row("gap_grows", measure=measure, verdict="undecided", value="-0.0400", needed=needed) for measure in ("cosine",)
    ]
    rows += [each for each in everything() if each[2] != "gap_grows"]
    said = claims_markdown(table(*rows), {}, EVIDENCE, {})
    line = next(line for line in said.splitlines() if "gap grows" in line and "| cosine" in line)
    assert f" {told} |" in line
    assert "-0.0" not in said


def test_an_interval_of_one_value_is_that_value(table):
    rows = [(*each[:8], "7.0000", *each[9:]) if each[2] == "gap_opens_late" else each for each in everything()]
    said = claims_markdown(table(*rows), {}, EVIDENCE, {})
    assert "| never |" in " ".join(said.split())
    assert "never to never" not in said


def test_the_number_of_layers_means_never(table):
    rows = everything()
    rows = [
        each if each[2] != "gap_opens_late" else row("gap_opens_late", measure=each[4], value="7.0000") for each in rows
    ]
    said = claims_markdown(table(*rows), {}, EVIDENCE, {})
    line = next(line for line in said.splitlines() if "gap opens" in line and "| cosine" in line)
    assert "| never |" in line
    assert "0 to never" in line


def test_without_two_checkpoints_it_says_so(table):
    assert "no two checkpoints" in claims_markdown(table(), {}, EVIDENCE, {})
