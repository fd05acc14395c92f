"""The verdicts laid out: every number of the table."""

import pytest

from pairprobe.evidence.claims import CLAIMS
from pairprobe.evidence.fields import CLAIM_FIELDS
from pairprobe.io.tsv import write_tsv
from pairprobe.tables.claims import claims_markdown

EVIDENCE = {"confidence": 0.9, "margin": 3, "power": 0.8}
PAIR = ("pre_trained", "fine_tuned")


def row(
    claim,
    task="coreference",
    measure="cosine",
    verdict="supported",
    value="1.2345",
    layer="",
    needed="",
    stated="yes",
    on="auc",
    scope="recipe",
    found="",
):
    rest = (needed, on, scope, 3, "25.4", found or verdict)
    return (*PAIR, claim, task, measure, stated, verdict, value, "0.1000", "7.0000", layer, 7, 66, 40, *rest)


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
    rows[1] = row(next(iter(CLAIMS)), measure="euclidean", verdict="undecided", needed="1,200 to 3,400")
    said = claims_markdown(table(*rows), {"fine_tuned": "Tuned"}, EVIDENCE, {"fine_tuned": 13})
    words = " ".join(said.split())
    assert words.startswith("# Tuned against Pre trained Compared: Tuned against Pre trained, on 40 pages (25 effective)")
    assert "no more than 3 points" in words
    assert "wrong with a probability of 10 % at most (Bonferroni over 10 tests)" in words
    assert words.count("Seeds: Tuned 13.") == 2
    assert "cosine supported, euclidean undecided*" in said
    assert said.count("| supported* ") == len(CLAIMS) - 1
    assert "1,200 to 3,400 |" in said


@pytest.mark.parametrize(
    ("scope", "told"),
    [
        ("recipe", "holds over its trainings (3 seeds) and over pages"),
        ("checkpoints", "for these two checkpoints alone, over pages"),
    ],
)
def test_it_opens_with_what_it_is_about(table, scope, told):
    words = " ".join(claims_markdown(table(*everything(scope=scope)), {}, EVIDENCE, {}).split())
    assert told in words.split("Verdicts on the paper's claims")[0]


def test_where_the_paper_says_nothing_it_is_said_what_was_found(table):
    rows = everything(task="mine", stated="no", verdict="", found="better")
    said = claims_markdown(table(*rows), {}, EVIDENCE, {})
    glance = said.split("The numbers behind")[0].split("tests)")[1]
    assert glance.count("| better") == len(CLAIMS)
    assert not any(word in glance for word in ("supported", "contradicted"))


def test_auc_and_specific_are_told_apart(table):
    rows = everything() + everything(on="specific", verdict="contradicted", found="worse")
    said = claims_markdown(table(*rows), {}, EVIDENCE, {})
    assert said.count("| auc      | supported*") == said.count("| specific | contradicted*") == len(CLAIMS)


def test_an_interval_that_is_not_known_is_empty(table):
    rows = [(*each[:8], "", "", *each[10:]) if each[2] != "gap_opens_late" else each for each in everything()]
    assert "nan" not in claims_markdown(table(*rows), {}, EVIDENCE, {})


def test_no_number_is_minus_nothing(table):
    said = claims_markdown(table(*everything(value="-0.0400")), {}, EVIDENCE, {})
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
