"""Pairs of texts by themselves, several of them in one text: the percentages, against brute force."""

import itertools
import json
from dataclasses import asdict

import numpy as np
import pytest
from brute_force import (
    CHECKPOINT,
    FLOAT32,
    SEED,
    Encoder,
    Made,
    compare,
    of_task,
    rank_by_brute_force,
    rows_in,
    specificity_by_brute_force,
)

from pairprobe.activations.store import Activations
from pairprobe.checkpoints.fetching import fetch
from pairprobe.controls.variants import Control, rank_control
from pairprobe.data.examples import read_examples
from pairprobe.io import files
from pairprobe.probing_sets import pair_files
from pairprobe.probing_sets.pairs import read_probing_set
from pairprobe.rankings.percentages import read_ranking

ROWS = [
    ("The old well was deep, but the new pond near the house is shallow.", "deep", "shallow", "a"),
    ("The old well was deep, but the new pond near the house is shallow.", "old", "new", "a"),
    ("The old well was deep, but the new pond near the house is shallow.", "old", "new", "b"),
    ("Anna's brother Tom said that he would come late.", "he", "brother Tom", "c"),
    ("Hot soup!", "Hot", "soup", "d"),  # no other word
    ("He loves what I hate and hates what I love (I hate it).", "hates", "loves", "e"),
]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The files of a task with a file of pairs, and its activations."""
    folder = tmp_path_factory.mktemp("pairs")
    lines = [dict(zip(("text", "anchor", "match", "group"), row, strict=True)) for row in ROWS]
    (folder / "a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    examples, rows = pair_files.load(folder / "a.jsonl")
    (folder / "examples").mkdir()
    (folder / "probing_sets").mkdir()
    files.write_json_lines(folder / "examples" / "mine.jsonl.gz", map(asdict, examples))
    files.write_json_lines(folder / "probing_sets" / "mine.jsonl", rows)
    fetch(CHECKPOINT, folder / "checkpoint")
    return Made(folder)


@pytest.fixture(scope="module")
def encoded(made):
    encoder, examples = Encoder(), rows_in(made.examples("mine"))
    return {one["example_id"]: encoder(one["question"], one["paragraph"]) for one in examples}


@pytest.mark.parametrize("options", [{}, {"batch_size": 1}])
def test_the_percentages_are_those_of_brute_force(made, encoded, options):
    """Chance and specificity, too; and a text of several pairs is one example."""
    by_id = {one["example_id"]: one for one in rows_in(made.examples("mine"))}
    assert len(by_id) == 5
    store = made.extract("a", "text", "mine", **options)
    found = of_task(made.rank([store], "mine", ["mine"]), "mine")
    pairs = rows_in(made.set_of("mine"))
    wanted = rank_by_brute_force(pairs, by_id, encoded)
    assert set(found) == set(itertools.product(("cosine", "euclidean"), range(7)))
    compare(found, wanted, FLOAT32)
    for key, values in specificity_by_brute_force(pairs, by_id, encoded).items():
        assert found[key][5:] == pytest.approx(values, abs=FLOAT32, rel=0, nan_ok=True), key
    assert read_ranking(made.ranking_of("mine")).example_ids.tolist() == ["1", "2", "3", "4", "5", "6"]


def test_controls_rank_several_pairs_of_a_text_by_its_vectors(made):
    """The control of a word's first subtoken changes nothing where vectors are those of the view itself."""
    store = made.extract("a", "text", "mine")
    made.rank([store], "mine", ["mine"])
    with Activations([str(store)]) as activations:
        pairs, examples = read_probing_set(made.set_of("mine")), read_examples(made.examples("mine"))
        rank_control(Control("first_subtoken", "mine", SEED), pairs, examples, activations, made.folder / "control.tsv")
    found, wanted = read_ranking(made.folder / "control.tsv"), read_ranking(made.ranking_of("mine"))
    assert found.example_ids.tolist() == wanted.example_ids.tolist()
    np.testing.assert_array_equal(found.counts, wanted.counts)


def test_of_a_text_that_is_too_long_no_pair_is_ranked(made):
    short = made.extract("short", "text", "mine", max_length=14)
    made.rank([short], "mine", ["mine"])
    # The first text, in its two groups, and the last one have more than 14 subtokens.
    assert read_ranking(made.ranking_of("mine")).example_ids.tolist() == ["4", "5"]
