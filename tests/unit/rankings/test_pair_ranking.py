"""The pairwise ranking: equations 1 to 3 of the paper, on small numbers that can be checked by hand."""

import csv
import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from measured import rank_pairs
from samples import pair, write_store

from pairprobe.data.examples import Example
from pairprobe.errors import InputError
from pairprobe.rankings.pair_ranking import (
    counted_words,
    outranked,
    rank_logits,
    rank_measured,
    unmatching_words,
)
from pairprobe.rankings.percentages import (
    NOT_COUNTED,
    PERCENTAGE_FIELDS,
    RANKING_FIELDS,
    percentage,
    percentages,
    read_ranking,
)
from pairprobe.rankings.similarity import cosine, euclidean, measure_pair

NO_VECTOR = [np.nan, np.nan]

# No deadline: a busy machine is no failure.
unhurried = settings(deadline=None, max_examples=50)

# One layer, two dimensions. The question word is (1, 0); "Gold" is the match.
QUESTION = np.array([[[1, 0]]], np.float32)
PARAGRAPH = "Gold , east gold north tie west".split()
VECTORS = np.array([[[3, 4], [0, 9], [1, 0], [-5, 0], [0, 1], [6, 8], [-1, 0]]], np.float32)
PAIR = {"example_id": "1", "anchor": {"side": "question", "words": [0]}, "match": {"words": [0]}}


def ranked(of_pair, paragraph, question_vectors, vectors, punctuation=False):
    """Return {(measure, layer): (count, ties, para_len, unmatching)}; nothing else is counted of vectors alone."""
    measured = measure_pair(of_pair, np.asarray(question_vectors), np.asarray(vectors))
    rows = rank_measured(of_pair, paragraph, measured, punctuation)
    return {
        (measure, layer): tuple(numbers[:-6]) for measure, layer, *numbers in rows if tuple(numbers[-6:]) == NOT_COUNTED
    }


def example(example_id, paragraph=PARAGRAPH):
    return Example(example_id, "Page", ["what"], paragraph, None, [(0, len(paragraph))])


def test_a_tie_is_not_below():
    below, ties = outranked(np.array([0.5, 1, -1]), np.array([[0.5, 0.4, 0.6, 0.5], [0, 0.5, 0.9, 0.99], [-1, 0, 0, 0]]))
    assert (below.tolist(), ties.tolist()) == ([1, 4, 0], [2, 0, 1])


def test_similarities_are_those_worked_by_hand():
    anchor, others = np.array([[1.0, 0]]), np.array([[[3.0, 4], [1, 0], [0, 2], [-5, 0]]])
    assert cosine(anchor, others).tolist() == [[0.6, 1, 0, -1]]
    assert euclidean(anchor, others).tolist() == [[-math.sqrt(20), 0, -math.sqrt(5), -6]]


def test_a_pair_has_the_counts_worked_by_hand():
    # cosine: Gold .6; east 1, north 0, tie .6, west -1. "gold" is the match's own word, the comma is no word.
    # distance: Gold 4.47; east 0, north 1.41, tie 9.43, west 2.
    assert ranked(PAIR, PARAGRAPH, QUESTION, VECTORS) == {("cosine", 0): (2, 1, 6, 4), ("euclidean", 0): (1, 0, 6, 4)}


def test_a_paragraph_is_cut_down_to_the_pair_and_the_words_that_count():
    # Of east, north, tie and west only north and west: cosine Gold .6, north 0, west -1; distance 4.47, 1.41, 2.
    among = np.array([word in ("north", "west") for word in PARAGRAPH])
    rows = rank_measured(PAIR, PARAGRAPH, measure_pair(PAIR, QUESTION, VECTORS), among=among)
    assert [row[:6] for row in rows] == [("cosine", 0, 2, 0, 4, 2), ("euclidean", 0, 0, 0, 4, 2)]


def test_punctuation_counts_where_it_is_asked_for():
    # The comma: cosine 0, distance 9.06.
    found = ranked(PAIR, PARAGRAPH, QUESTION, VECTORS, punctuation=True)
    assert found == {("cosine", 0): (3, 1, 7, 5), ("euclidean", 0): (2, 0, 7, 5)}


@pytest.mark.parametrize(
    ("paragraph", "left_out"),
    [
        (["Gold", "gold", "GOLD", "golden"], 3),
        (["stra\u00dfe", "Strasse", "STRASSE", "stra"], 3),
        (["Gold", "Gold's", "olds", "old"], 1),
    ],
)
def test_words_that_repeat_the_match_in_any_letter_case_are_left_out(paragraph, left_out):
    vectors = np.ones((1, 4, 2))
    assert ranked(PAIR, paragraph, QUESTION, vectors)["cosine", 0] == (0, 4 - left_out, 4, 4 - left_out)


def test_repeated_words_of_an_anchor_in_the_paragraph_are_left_out_too():
    paragraph = ["Heaven", "it", "heaven", "song", "It"]
    vectors = np.array([[[1, 0], [1, 1], [1, 0], [0, 1], [1, 0]]], np.float32)
    assert ranked(pair([0], [1], "paragraph"), paragraph, QUESTION, vectors)["cosine", 0] == (1, 0, 5, 1)


def test_words_of_an_anchor_in_the_question_are_not_left_out():
    assert ranked(PAIR, ["a", "what", "b"], QUESTION, np.ones((1, 3, 2)))["cosine", 0] == (0, 2, 3, 2)


def test_a_phrase_is_the_mean_of_its_words():
    # Anchor: mean of (2, 0) and (0, 4) = (1, 2). Match: mean of (0, 4), (0, 8), (6, 0) = (2, 4): the same direction.
    question = np.array([[[2, 0], [0, 4]]], np.float32)
    vectors = np.array([[[0, 4], [0, 8], [6, 0], [3, 0], [2, 4]]], np.float32)
    found = ranked(pair([0, 1], [0, 1, 2]), list("abcde"), question, vectors)
    # d: cosine 1 / sqrt(5), distance sqrt(8), the match's being sqrt(5). e: the match's own vector.
    assert found == {("cosine", 0): (1, 1, 5, 2), ("euclidean", 0): (1, 1, 5, 2)}


def test_a_phrase_in_the_paragraph_is_an_anchor_of_means():
    vectors = np.array([[[2, 0], [0, 4], [2, 4], [3, 6], [3, 0]]], np.float32)
    found = ranked(pair([0, 1], [2], "paragraph"), list("abcde"), np.zeros((1, 1, 2)), vectors)
    assert found["euclidean", 0] == (2, 0, 5, 2)


def test_each_layer_is_ranked_by_itself():
    question = np.array([[[1, 0]], [[0, 1]]], np.float32)
    vectors = np.array([[[1, 0], [0, 1], [1, 1]], [[1, 0], [0, 1], [1, 1]]], np.float32)
    found = ranked(pair([0], [0]), list("abc"), question, vectors)
    assert (found["cosine", 0], found["cosine", 1]) == ((2, 0, 3, 2), (0, 0, 3, 2))
    assert (found["euclidean", 0], found["euclidean", 1]) == ((2, 0, 3, 2), (0, 0, 3, 2))


def test_a_word_without_a_vector_is_no_paragraph_word():
    vectors = np.array([[[3, 4], NO_VECTOR, [0, 1]]])
    assert ranked(PAIR, ["gold", "odd", "north"], QUESTION, vectors)["cosine", 0] == (1, 0, 2, 1)


def test_a_word_without_a_vector_is_no_part_of_a_phrase():
    question, vectors = np.array([[NO_VECTOR, [1, 0]]]), np.array([[[3, 4], NO_VECTOR, [6, 8], [0, 1]]])
    found = ranked(pair([0, 1], [0, 1]), list("abcd"), question, vectors)
    assert found["cosine", 0] == (1, 1, 3, 2)


@pytest.mark.parametrize(("anchor", "match"), [([0], [0]), ([1], [1])])
def test_a_pair_without_a_vector_has_no_ranking(anchor, match):
    question, vectors = np.array([[NO_VECTOR, [1, 0]]]), np.array([[[1, 1], NO_VECTOR, [1, 0]]])
    of_pair = pair(anchor, match)
    assert rank_measured(of_pair, list("abc"), measure_pair(of_pair, question, vectors)) is None


def test_paragraph_words_have_a_vector_and_a_letter_or_digit():
    words = ["Spain", ",", "42", "``", "U.S.", "\u2019s", "odd", "\u5317"]
    has_vector = np.arange(8) != 6
    assert counted_words(words, has_vector, False).tolist() == [True, False, True, False, True, True, False, True]
    assert counted_words(words, has_vector, True).tolist() == [True] * 6 + [False, True]


def test_unmatching_words_are_the_counted_ones_that_the_pair_does_not_have():
    counted = np.array([True, True, False, True, True])
    others = unmatching_words(["Red", "cell", ".", "red", "blood"], counted, [0])
    assert others.tolist() == [False, True, False, False, True]


def test_the_percentage_is_equation_3_and_the_auc_has_chance_at_50():
    ranking = np.array([[2, 1, 6, 4], [3, 0, 10, 8]])
    assert percentage(ranking) == (100 * 5 / 16, 100 * 5.5 / 12)


def test_without_an_unmatching_pair_there_is_no_auc():
    value, auc = percentage(np.array([[0, 0, 2, 0]]))
    assert value == 0
    assert math.isnan(auc)


numbers = st.integers(0, 40)


@unhurried
@given(st.lists(st.tuples(numbers, numbers, numbers, st.integers(1, 9)), min_size=1, max_size=6))
def test_percentage_and_auc_are_within_0_and_100(parts):
    # Each pair: below, tied, above, and words of the pair itself.
    ranking = np.array([[below, ties, below + ties + above + n, below + ties + above] for below, ties, above, n in parts])
    value, auc = percentage(ranking)
    assert 0 <= value < 100
    assert 0 <= auc <= 100 or not ranking[:, 3].sum()


@unhurried
@given(st.integers(2, 30), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_where_all_words_are_one_vector_the_percentage_is_0_and_the_auc_50(words, hidden, seed):
    rng = np.random.default_rng(seed)
    question = rng.standard_normal((2, 1, hidden)).astype(np.float32)
    vectors = np.repeat(rng.standard_normal((2, 1, hidden)).astype(np.float32), words, axis=1)
    rows = ranked(PAIR, [f"w{i}" for i in range(words)], question, vectors)
    for counts in rows.values():
        assert percentage(np.array([counts])) == (0, 50)


@unhurried
@given(
    arrays(np.float64, (2, 3), elements=st.integers(-8, 8)),
    arrays(np.float64, (2, 5, 3), elements=st.integers(-8, 8)),
    st.integers(-9, 9),
)
def test_cosine_does_not_change_with_the_scale(anchor, others, power):
    anchor[:, 0], others[:, :, 1] = 9, -9  # no vector of zeros
    scaled = cosine(anchor * 2.0**power, others * 2.0**-power * 3)
    assert scaled == pytest.approx(cosine(anchor, others), abs=1e-12)
    assert (np.abs(scaled) <= 1 + 1e-12).all()


@unhurried
@given(arrays(np.float64, (2, 3), elements=st.integers(-8, 8)), arrays(np.float64, (2, 5, 3), elements=st.integers(-8, 8)))
def test_euclidean_is_the_negative_distance_and_does_not_change_with_the_origin(anchor, others):
    found = euclidean(anchor, others)
    assert np.square(found) == pytest.approx(np.square(others - anchor[:, None]).sum(-1))
    assert (found <= 0).all()
    assert (euclidean(anchor + 7, others + 7) == found).all()


@unhurried
@given(st.permutations(range(9)), st.integers(0, 2**32 - 1))
def test_the_order_of_the_words_does_not_matter(order, seed):
    rng = np.random.default_rng(seed)
    paragraph = "a b A c , d e b f".split()
    question = rng.integers(1, 9, (2, 2, 3)).astype(np.float32)
    vectors = rng.integers(1, 9, (2, 9, 3)).astype(np.float32)
    shuffled = ranked(
        pair([0, 1], [order.index(0), order.index(1)]), [paragraph[i] for i in order], question, vectors[:, list(order)]
    )
    assert shuffled == ranked(pair([0, 1], [0, 1]), paragraph, question, vectors)


def test_rankings_have_a_line_for_each_pair_measure_and_layer_in_the_order_of_the_set(tmp_path):
    path = write_store(tmp_path / "a.h5", {"1": (QUESTION, VECTORS), "2": (QUESTION, VECTORS[:, :3])})
    pairs = [pair([0], [2], example_id="2"), PAIR]
    examples = [example("1"), example("3"), example("2", PARAGRAPH[:3])]
    rank_pairs(pairs, iter(examples), [path], tmp_path / "r.tsv")
    with open(tmp_path / "r.tsv", newline="") as file:
        rows = list(csv.reader(file, delimiter="\t"))
    assert rows[0] == list(RANKING_FIELDS)
    assert [row[:7] for row in rows[1:]] == [
        ["2", "cosine", "0", "1", "0", "2", "1"],
        ["2", "euclidean", "0", "1", "0", "2", "1"],
        ["1", "cosine", "0", "2", "1", "6", "4"],
        ["1", "euclidean", "0", "1", "0", "6", "4"],
    ]


def test_punctuation_is_handed_on(tmp_path):
    path = write_store(tmp_path / "a.h5", {"1": (QUESTION, VECTORS)})
    rank_pairs([PAIR], [example("1")], [path], tmp_path / "r.tsv", punctuation=True)
    assert read_ranking(tmp_path / "r.tsv")["cosine", 0].tolist() == [[3, 1, 7, 5]]


def test_a_pair_whose_example_was_left_out_as_too_long_has_no_line(tmp_path):
    path = write_store(tmp_path / "a.h5", {"1": (QUESTION, VECTORS)}, left_out=["2"])
    pairs = [pair([0], [0], example_id="2"), PAIR]
    rank_pairs(pairs, [example("1"), example("2")], [path], tmp_path / "r.tsv")
    assert {key: len(rows) for key, rows in read_ranking(tmp_path / "r.tsv").items()} == {
        ("cosine", 0): 1,
        ("euclidean", 0): 1,
    }


def test_a_pair_without_a_vector_has_no_line(tmp_path):
    path = write_store(tmp_path / "a.h5", {"1": (np.full((1, 1, 2), np.nan), VECTORS)})
    rank_pairs([PAIR], [example("1")], [path], tmp_path / "r.tsv")
    assert dict(read_ranking(tmp_path / "r.tsv").items()) == {}


@pytest.mark.parametrize(
    ("examples", "message"),
    [([example("2")], "probing set: example_id 1 is in no example"), ([example("1")], "example_id 1 has none")],
)
def test_an_example_that_is_missing_is_an_error_that_names_it_and_leaves_no_file(tmp_path, examples, message):
    path = write_store(tmp_path / "a.h5", {"2": (QUESTION, VECTORS)})
    with pytest.raises(InputError, match=message):
        rank_pairs([PAIR], examples, [path], tmp_path / "r.tsv")
    assert [file.name for file in tmp_path.iterdir()] == ["a.h5"]


def test_an_empty_set_makes_a_ranking_without_lines_and_no_percentages(tmp_path):
    path = write_store(tmp_path / "a.h5", {"1": (QUESTION, VECTORS)})
    rank_pairs([], [example("1")], [path], tmp_path / "r.tsv")
    assert (tmp_path / "r.tsv").read_text() == "\t".join(RANKING_FIELDS) + "\n"
    assert list(percentages([("bert", "synonyms", tmp_path / "r.tsv")])) == []


def test_percentages_sum_the_pairs_of_each_measure_and_layer(tmp_path):
    lines = [
        ("1", "cosine", 0, 2, 1, 6, 4, 4, 2.5, 6, 12, 2, 3),
        ("1", "cosine", 1, 4, 0, 6, 4, 4, 4, 6, 12, 2, 8),
        ("2", "cosine", 0, 3, 0, 10, 8, 3, 2, 7.5, 18, 0, 0),
        ("2", "cosine", 1, 8, 0, 10, 8, 3, 3, 9, 18, 0, 0),
    ]
    text = "\n".join("\t".join(map(str, line)) for line in [RANKING_FIELDS, *lines])
    (tmp_path / "r.tsv").write_text(text + "\n")
    (tmp_path / "none.tsv").write_text("\t".join(RANKING_FIELDS) + "\n")
    rows = list(percentages([("bert", "none", tmp_path / "none.tsv"), ("bert", "synonyms", tmp_path / "r.tsv")]))
    assert [dict(zip(PERCENTAGE_FIELDS, row, strict=True)) for row in rows] == [
        {
            "checkpoint": "bert", "task": "synonyms", "measure": "cosine", "layer": layer, "pairs": 2, "para_len": 16,
            "unmatching": 12, "count": count, "percentage": value, "auc": auc,
            "null_auc": null, "span_auc": span, "swapped_auc": swapped, "specific": specific,
        }
        for layer, count, value, auc, null, span, swapped, specific in [
            # Chance: 6/4 and 7.5/3 of 12/4 and 18/3 words. The second pair has no swapped anchor: 3/2 of 4, and 8/2.
            (0, 5, "31.2500", "45.8333", "44.4444", "64.2857", "37.5000", "25.0000"),
            (1, 12, "75.0000", "100.0000", "50.0000", "100.0000", "100.0000", "0.0000"),
        ]
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", 1),
        ("example_id\tmeasure\n", 1),
        (
            "\t".join(RANKING_FIELDS)
            + "\n1\tcosine\t0\t2\t1\t6\t4"
            + 6 * "\t"
            + "\n1\tcosine\tzero\t2\t1\t6\t4"
            + 6 * "\t"
            + "\n",
            3,
        ),
        ("\t".join(RANKING_FIELDS) + "\n1\tcosine\t0\t2\t1\t6\tmany" + 6 * "\t" + "\n", 2),
        # A cell is empty, and some of the last six are.
        ("\t".join(RANKING_FIELDS) + "\n1\tcosine\t0\t2\t\t6\t4" + 6 * "\t" + "\n", 2),
        (
            "\t".join(RANKING_FIELDS)
            + "\n1\tcosine\t0\t2\t1\t6\t4"
            + 6 * "\t1"
            + "\n2\tcosine\t0\t2\t1\t6\t4"
            + 6 * "\t"
            + "\n",
            3,
        ),
        # A ranking of an older version, without these.
        ("\t".join(RANKING_FIELDS[:7]) + "\n1\tcosine\t0\t2\t1\t6\t4\n", 1),
        # Counts that no ranking has: below 0, more than there are, no number.
        ("\t".join(RANKING_FIELDS) + "\n1\tcosine\t0\t-2\t1\t6\t4" + 6 * "\t" + "\n", 2),
        ("\t".join(RANKING_FIELDS) + "\n1\tcosine\t0\t4\t1\t6\t4" + 6 * "\t" + "\n", 2),
        ("\t".join(RANKING_FIELDS) + "\n1\tcosine\t0\t2\t1\t3\t4" + 6 * "\t" + "\n", 2),
        ("\t".join(RANKING_FIELDS) + "\n1\tcosine\t0\t2\t1\t6\t4" + 5 * "\t1" + "\tnan\n", 2),
        ("\t".join(RANKING_FIELDS) + "\n1\tcosine\t0\t2\t1\t6\t4" + 5 * "\t1" + "\tinf\n", 2),
        ("\t".join(RANKING_FIELDS) + "\n1\tcosine\t0\t2\t1\t6\t4\t-1" + 5 * "\t1" + "\n", 2),
        ("\t".join(RANKING_FIELDS) + "\n1\tcosine\t0\t2\t1\n", 2),
        ("\t".join(RANKING_FIELDS) + "\n1\n", 2),
    ],
)
def test_a_malformed_ranking_is_an_error_that_names_the_line(tmp_path, text, line):
    (tmp_path / "r.tsv").write_text(text)
    with pytest.raises(InputError, match=rf"r\.tsv, line {line}: found .*wanted"):
        read_ranking(tmp_path / "r.tsv")


def ranking_file(path, lines):
    path.write_text("\n".join("\t".join(map(str, line)) for line in [RANKING_FIELDS, *lines]) + "\n")
    return path


def lines_of(pairs, measures=("euclidean", "cosine"), layers=3, bare=False):
    found = itertools.product(pairs, measures, range(layers))
    return [
        (*names, i, i % 3, 100 + i, 90 + i, *(NOT_COUNTED if bare else [i, i / 2, *[7] * 4]))
        for i, names in enumerate(found)
    ]


def test_a_ranking_is_read_as_arrays_whatever_the_order_of_its_lines(tmp_path):
    # Example ids that look like numbers, empty cells and quotes are names.
    names = ["007", "NA", 'a "b"', "-1"]
    lines = lines_of(names)
    ranking = read_ranking(ranking_file(tmp_path / "r.tsv", lines))
    assert (ranking.example_ids.tolist(), ranking.measures, ranking.layers) == (names, ("euclidean", "cosine"), (0, 1, 2))
    for name, measure, layer, *counts in lines:
        assert ranking[measure, layer][names.index(name)].tolist() == counts[:4]
        place = ranking.measures.index(measure), layer, names.index(name)
        assert ranking.specificity[place].tolist() == counts[4:]
    turned = read_ranking(ranking_file(tmp_path / "r.tsv", lines[::-1]))
    assert (turned.example_ids.tolist(), turned.measures, turned.layers) == (
        names[::-1],
        ("cosine", "euclidean"),
        (0, 1, 2),
    )
    assert (turned.counts[::-1, :, ::-1] == ranking.counts).all()


def test_a_ranking_of_which_nothing_else_was_counted_is_read_without(tmp_path):
    ranking = read_ranking(ranking_file(tmp_path / "r.tsv", lines_of("ab", bare=True)))
    assert ranking.specificity is None
    assert ranking.counts.shape == (2, 3, 2, 4)
    rows = list(percentages([("bert", "boundary", tmp_path / "r.tsv")]))
    assert {row[10:] for row in rows} == {("",) * 4}


def test_a_large_ranking_is_read_in_one_piece(tmp_path):
    """More than a block of the parser, so that its dictionaries of names have to be brought together."""
    lines = lines_of([f"example {i}" for i in range(20_000)])
    ranking = read_ranking(ranking_file(tmp_path / "r.tsv", lines))
    wanted = np.array([line[3:7] for line in lines]).reshape(20_000, 2, 3, 4)
    assert (ranking.counts.transpose(2, 0, 1, 3) == wanted).all()
    assert ranking.example_ids[[0, -1]].tolist() == ["example 0", "example 19999"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda lines: lines[:7] + lines[8:], r"line 8: found 0 lines for example_id 'b', euclidean, layer 1"),
        (lambda lines: [*lines, lines[3]], r"line 2: found 2 lines for example_id 'a', cosine, layer 0"),
    ],
    ids=["missing", "twice"],
)
def test_an_example_that_has_not_one_line_for_each_measure_and_layer_is_named(tmp_path, change, said):
    path = ranking_file(tmp_path / "r.tsv", change(lines_of("ab")))
    with pytest.raises(InputError, match=rf"r\.tsv, {said}, wanted one"):
        read_ranking(path)


def test_logits_are_ranked_by_the_words_below_the_gold_one():
    logits = np.array([[1.0, 3.0, 3.0, 2.0], [0.0, -1.0, -2.0, 5.0]])
    assert list(rank_logits([("1", "start", logits, 1), ("1", "end", logits[:1], 3)])) == [
        ("1", "start", 0, 2, 1, 4, 3, *NOT_COUNTED),
        ("1", "start", 1, 1, 0, 4, 3, *NOT_COUNTED),
        ("1", "end", 0, 1, 0, 4, 3, *NOT_COUNTED),
    ]
