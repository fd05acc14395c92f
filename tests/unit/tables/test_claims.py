"""The verdicts laid out: every number of the table."""

import re

import pytest

from pairprobe.evidence.claims import CLAIMS
from pairprobe.evidence.fields import CLAIM_FIELDS
from pairprobe.io.tsv import write_tsv
from pairprobe.tables.claims import claims_at_a_glance, claims_markdown
from pairprobe.tables.recipes import NO_RECIPES

EVIDENCE = {"confidence": 0.9, "margin": 3, "power": 0.8}
PAIR = ("pre_trained", "fine_tuned")
INTERVALS = ("checkpoint", "task", "measure", "layer", "auc")


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


def test_where_pairs_are_given_their_groups_are_the_pages(table):
    own = [row(claim, task="antonyms", stated="no", verdict="", found="better") for claim in CLAIMS]
    words = " ".join(claims_markdown(table(*everything(), *own), {"antonyms": "{Opposites}"}, EVIDENCE, {}).split())
    assert "as it is. Where pairs are given, in a file or a notebook ({Opposites}), pages are their groups. It can" in words
    assert "their groups" not in claims_markdown(table(*everything()), {}, EVIDENCE, {})


def test_of_given_pairs_alone_groups_are_counted_not_pages(table):
    own = everything(task="antonyms", stated="no", verdict="", found="better")
    assert "on 40 groups (25 effective)" in " ".join(claims_markdown(table(*own), {}, EVIDENCE, {}).split())


def test_where_nothing_can_be_decided_it_is_said_why_at_a_glance_too(table):
    place = CLAIM_FIELDS.index("effective_pages")
    few = [(*one[:place], "19.4", *one[place + 1 :]) for one in everything()]
    for said in (claims_markdown(table(*few), {}, EVIDENCE, {}), claims_at_a_glance(table(*few), {})):
        assert "Nothing is decided: 19 effective pages or groups at most, wanted 20." in " ".join(said.split())
    # One task that has enough is enough.
    assert "Nothing is decided" not in claims_at_a_glance(table(*few, *everything(task="mine")), {})


def test_it_is_said_which_layers_are_the_lower_and_the_upper_ones(table):
    def said(**evidence):
        return " ".join(claims_markdown(table(*everything()), {}, {**EVIDENCE, **evidence}, {}).split())

    assert "Lower layers: 0 to 2; upper layers: 3 to 6." in said(lower_layers=None)
    assert "Lower layers: 0 to 5; upper layers: 6." in said(lower_layers=5)


def test_auc_and_specific_are_told_apart(table):
    rows = everything() + everything(on="specific", verdict="contradicted", found="worse")
    said = claims_markdown(table(*rows), {}, EVIDENCE, {})
    assert said.count("| auc      | supported*") == said.count("| specific | contradicted*") == len(CLAIMS)


def test_a_dagger_marks_what_one_measure_decides_unlike_on_auc_and_on_specific(table):
    def glance(*found):
        kinds = [("cosine", "auc"), ("euclidean", "auc"), ("cosine", "specific"), ("euclidean", "specific")]
        claim = next(iter(CLAIMS))
        rows = [
            row(claim, measure=measure, on=on, verdict="", found=one, stated="no")
            for (measure, on), one in zip(kinds, found, strict=True)
        ]
        return claims_markdown(table(*rows), {}, EVIDENCE, {}).partition("\n# ")[0].count("†")

    assert glance("supported", "undecided", "contradicted", "supported") == 2
    assert glance("supported", "undecided", "undecided", "contradicted") == 0
    assert glance("differ in layer 3", "differ in layer 3", "differ in layer 4", "undecided") == 0


def test_of_tasks_that_the_paper_does_not_have_nothing_is_said_of_the_paper(table):
    said = claims_markdown(table(*everything(stated="no", verdict="", found="worse")), {}, EVIDENCE, {})
    ours = " ".join(said.split())
    assert "in the paper" not in ours
    assert "Verdicts, Fine tuned against Pre trained." in ours
    assert "Better in" not in ours
    assert re.search(r"^\| Upper layers, mean +\| auc +\| worse", said, re.MULTILINE)
    assert "have none of these tasks" in ours
    assert "A star" not in ours
    theirs = " ".join(claims_markdown(table(*everything()), {}, EVIDENCE, {}).split())
    assert "behaves as Cai et al. (2020) say of theirs" in theirs
    assert "A star: the paper says so of this task" in theirs
    assert "Differences are Fine tuned less Pre trained, in points." in theirs


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


def test_it_is_said_which_are_not_compared_since_they_have_other_numbers_of_layers(table, tmp_path):
    path, intervals = table(*everything()), tmp_path / "intervals.tsv"

    def said(last, recipes=NO_RECIPES):
        rows = [(name, "coreference", "cosine", layer, 98.9) for name in last for layer in range(last[name] + 1)]
        write_tsv(intervals, INTERVALS, rows)
        text = claims_markdown(path, {"large": "The large one"}, EVIDENCE, {}, str(intervals), recipes)
        return " ".join(text.split())

    same = said({"pre_trained": 6, "fine_tuned": 6})
    assert same == " ".join(claims_markdown(path, {}, EVIDENCE, {}).split())
    told = (
        "last layers: 6 (Pre trained, Fine tuned); 12 (The large one). Figures draw them side by side over relative depth"
    )
    assert told in said({"pre_trained": 6, "large": 12, "fine_tuned": 6})
    seeds = {"pre_trained": 6, "large": 12, "fine_tuned": 6, "one": 6, "two": 6}
    assert told in said(seeds, {"fine_tuned": ["one", "two"]})


@pytest.mark.parametrize(("least", "told"), [(98.9, False), (99.0, True)])
def test_a_task_that_both_have_at_the_ceiling_in_every_layer_is_named(table, tmp_path, least, told):
    rows = [(name, "coreference", "cosine", layer, 100) for name in PAIR for layer in range(7)]
    rows += [(name, "coreference", "euclidean", layer, 60) for name in PAIR for layer in range(7)]
    rows[3] = (*rows[3][:4], least)
    # Of a checkpoint that is not compared nothing is said.
    rows += [("other", "coreference", "cosine", layer, 10) for layer in range(7)]
    write_tsv(tmp_path / "intervals.tsv", INTERVALS, rows)
    labels = {"coreference": "Names"}
    words = " ".join(claims_markdown(table(*everything()), labels, EVIDENCE, {}, str(tmp_path / "intervals.tsv")).split())
    assert ("both are at 99 % or more in every layer of Names (cosine)." in words) is told


def test_where_none_can_be_compared_that_is_said_too(table, tmp_path):
    intervals = tmp_path / "intervals.tsv"
    write_tsv(intervals, INTERVALS, [("ten", "mine", "cosine", 10, 50), ("twelve", "mine", "cosine", 12, 50)])
    words = " ".join(claims_markdown(table(), {}, EVIDENCE, {}, str(intervals)).split())
    assert words.startswith("There are no two checkpoints with pairs and layers in common to compare. Not compared: ")
    assert "last layers: 10 (Ten); 12 (Twelve)." in words


def read_by(tmp_path, **causal):
    fields = ("checkpoint", "view", "causal", "order", "reads", "final_norm")
    rows = [(name, "paragraph", sees, "paragraph_first", "<s> paragraph question", "none") for name, sees in causal.items()]
    write_tsv(tmp_path / "activations.tsv", fields, rows)
    return str(tmp_path / "activations.tsv")


def test_how_a_decoder_reads_is_said_and_it_is_called_no_encoder(table, tmp_path):
    path = table(*everything())
    plain = claims_markdown(path, {}, EVIDENCE, {})
    assert plain == claims_markdown(path, {}, EVIDENCE, {}, activations=read_by(tmp_path, pre_trained="no"))
    assert "this encoder" in plain
    said = claims_markdown(path, {}, EVIDENCE, {}, activations=read_by(tmp_path, pre_trained="no", fine_tuned="yes"))
    assert "this model" in " ".join(said.split())
    assert "encoder" not in said
    line = "Fine tuned reads the paragraph first (\\<s> paragraph question), and each word sees only what stands before it."
    assert " ".join(said.split()).count(line) == 1
    assert "Pre trained reads" not in said


def test_what_several_comparisons_are_about_is_said_once(table):
    other = [("other", *each[1:]) for each in everything()]
    words = " ".join(claims_markdown(table(*everything(), *other), {}, EVIDENCE, {}).split())
    assert words.startswith("What is said of a recipe holds over its trainings")
    assert words.count("What is said of a recipe") == words.count("On auc: about the pair") == 1
    assert words.count("Compared: Fine tuned against") == 2
    unlike = [tuple("checkpoints" if cell == "recipe" else cell for cell in each) for each in other]
    words = " ".join(claims_markdown(table(*everything(), *unlike), {}, EVIDENCE, {}).split())
    assert words.count("On auc: about the pair") == 2
