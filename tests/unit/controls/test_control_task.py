"""The control task of the boundary heads, and the selectivity that follows from it."""

import measured
import numpy as np
import pytest
from samples import open_sentences

from pairprobe.controls.control_task import SELECTIVITY_FIELDS, control_gold, selectivity
from pairprobe.data.examples import Example
from pairprobe.errors import InputError
from pairprobe.io.tsv import write_tsv
from pairprobe.rankings.boundary_heads import gold, gold_logits, train
from pairprobe.rankings.pair_ranking import rank_logits
from pairprobe.rankings.percentages import NOT_COUNTED, RANKING_FIELDS, percentage, read_ranking

LAYERS, SEED = 2, 13
TYPES = [f"w{i}" for i in range(30)]


def sentences(number, seed, words=10):
    """Make examples of one sentence each, of different word types, with an answer of one to three words."""
    dice = np.random.default_rng(seed)
    made = []
    for i in range(number):
        start = int(dice.integers(0, words - 3))
        answer = (start, start + int(dice.integers(1, 4)))
        paragraph = dice.choice(TYPES, words, replace=False).tolist()
        made.append(Example(f"{seed}.{i}", "Page", ["what"], paragraph, answer, [(0, words)]))
    return made


def marks(example):
    """Give vectors that hold the gold position exactly, and nothing else."""
    start, end = example.answer
    vectors = np.zeros((LAYERS, len(example.paragraph), 4))
    vectors[:, start, 0] = 1
    vectors[:, end - 1, 1] = 1
    return vectors


def identities(example):
    """Give vectors that hold the word type exactly, and nothing else."""
    return np.repeat(np.eye(len(TYPES))[[TYPES.index(word) for word in example.paragraph]][None], LAYERS, 0)


def ranked(folder, vectors_of, labels):
    """Train on 120 sentences, rank 60 others; returns {(measure, layer): ranking}."""
    head, probe = sentences(120, 1), sentences(60, 2)
    with open_sentences(folder / "head.h5", {e.example_id: vectors_of(e) for e in head}) as activations:
        train(head, activations, folder / "heads.npz", SEED, l2=0.001, labels=labels)
    rows = [{"example_id": e.example_id} for e in probe]
    with open_sentences(folder / "probe.h5", {e.example_id: vectors_of(e) for e in probe}) as activations:
        logits = gold_logits(probe, measured.logits(activations, folder / "heads.npz"), rows, SEED, labels=labels)
        write_tsv(folder / "ranking.tsv", RANKING_FIELDS, rank_logits(logits))
    return read_ranking(folder / "ranking.tsv")


def test_where_vectors_hold_the_position_alone_the_control_is_at_chance(tmp_path):
    for labels, low, high in ((gold, 100, 100), (control_gold(SEED), 40, 60)):
        for _, ranking in ranked(tmp_path, marks, labels).items():
            assert low <= percentage(ranking)[1] <= high


@pytest.mark.slow
def test_where_vectors_hold_the_word_type_alone_the_control_is_learned_by_heart_and_the_real_task_is_not(tmp_path):
    for labels, low, high in ((gold, 40, 60), (control_gold(SEED), 97, 100)):
        for _, ranking in ranked(tmp_path, identities, labels).items():
            assert low <= percentage(ranking)[1] <= high


def positions(paragraph, seed=SEED, name="1"):
    of_one = Example(name, "Page", ["what"], paragraph, (0, 1), [(0, len(paragraph))])
    return control_gold(seed)(of_one, np.ones(len(paragraph), bool))[1]


def test_the_control_goes_by_word_types_alone():
    paragraph = ["The", "cat", "sat", "on", "the", "mat"]
    start, end = positions(paragraph)
    # Neither the example nor the order decides, but which words there are: the same one wins.
    order = [3, 1, 5, 2, 0]
    turned = [paragraph[i] for i in order]
    found = positions(turned, name="2")
    assert [turned[i].casefold() for i in found] == [paragraph[i].casefold() for i in (start, end)]
    # Of equal words the first, in any letter case.
    assert positions(["Cat", "cat", "CAT"]) == (0, 0)


def test_every_word_type_wins_as_often_and_start_and_end_apart():
    found = np.array([positions(TYPES[:5], seed) for seed in range(2000)])
    for head in found.T:
        assert np.bincount(head, minlength=5) == pytest.approx(np.full(5, 400), abs=80)
    assert (found[:, 0] == found[:, 1]).mean() == pytest.approx(1 / 5, abs=0.04)


def test_the_words_are_those_of_the_real_task():
    has_vector = np.array([False, True, True, True, False, True])
    paragraph = ["before", ".", *TYPES[:6], "."]
    of_one = Example("1", "Page", ["what"], paragraph, (3, 5), [(0, 2), (2, 8), (8, 9)])
    words, span = control_gold(SEED)(of_one, has_vector)
    assert words.tolist() == gold(of_one, has_vector)[0].tolist() == [1, 2, 3, 5]
    assert span == positions([paragraph[2 + word] for word in words])
    # An answer without a vector has no place in either.
    without = Example("1", "Page", ["what"], paragraph, (2, 3), [(0, 2), (2, 8), (8, 9)])
    assert gold(without, has_vector) is control_gold(SEED)(without, has_vector) is None


def ranking(path, rows):
    write_tsv(path, RANKING_FIELDS, ((*row, *NOT_COUNTED) for row in rows))
    return str(path)


def test_selectivity_is_what_lies_between_the_two_percentages(tmp_path):
    real = ranking(tmp_path / "a.tsv", [("1", "start", 0, 9, 0, 10, 9), ("2", "start", 0, 6, 0, 10, 9)])
    control = ranking(tmp_path / "b.tsv", [("1", "start", 0, 4, 0, 10, 9), ("2", "start", 0, 5, 1, 10, 9)])
    (row,) = selectivity([("before", real, control)])
    assert dict(zip(SELECTIVITY_FIELDS, row, strict=True)) == {
        "checkpoint": "before", "measure": "start", "layer": 0, "pairs": 2, "percentage": "75.0000", "control": "45.0000",
        "selectivity": "30.0000",
    }  # fmt: skip


def test_rankings_of_other_pairs_are_refused(tmp_path):
    real = ranking(tmp_path / "a.tsv", [("1", "start", 0, 9, 0, 10, 9), ("2", "start", 0, 6, 0, 10, 9)])
    control = ranking(tmp_path / "b.tsv", [("1", "start", 0, 4, 0, 10, 9)])
    with pytest.raises(InputError, match=r"b\.tsv: not of the pairs of .*a\.tsv"):
        list(selectivity([("before", real, control)]))
