"""Chance and specificity: spans in the place of the match, and other words in the place of the anchor."""

import csv
import math

import measured
import numpy as np
import pytest
from brute_force import specificity_by_brute_force
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import pair, write_store

from pairprobe.data.examples import Example
from pairprobe.errors import InputError
from pairprobe.rankings.percentages import PERCENTAGE_FIELDS, SPECIFICITY_COUNTS, percentages, read_ranking
from pairprobe.rankings.specificity import Surroundings
from pairprobe.rankings.words import runs

POINTS = 0.05
unhurried = settings(max_examples=20, deadline=None)


def example(question, paragraph, example_id="1"):
    return Example(example_id, "Page", question.split(), paragraph.split(), None, [(0, len(paragraph.split()))])


def on_a_line(*places):
    """Vectors in one dimension, so that the distance is plain to see; None: a word has none."""
    return np.array([np.nan if place is None else place for place in places], np.float32).reshape(1, -1, 1)


def sums(of_pair, one, question, paragraph, punctuation=False):
    """The six columns by measure, of a store with one layer."""
    found = Surroundings(one, question, paragraph, punctuation).measure(of_pair).sums
    return {measure: found[:, i, 0].tolist() for i, measure in enumerate(("cosine", "euclidean"))}


# By hand: the anchor "who" is at 1, the match "Ann Lee" at the mean of 2 and 4. "ann" has the match's form.
ONE = example("who ? won it Ann", "Ann Lee , ran far ann x home and back")
QUESTION, PARAGRAPH = on_a_line(1, 4, 11, 5, 7), on_a_line(2, 4, 6, 5, 3, 8, None, 2, 4, 9)


def test_spans_and_swapped_anchors_worked_by_hand(tmp_path):
    # Unmatching: ran 5, far 3, home 2, and 4, back 9. Spans of two words: "ran far" 4, "home and" 3, "and back" 6.5. The
    # match, at 3, outranks the first and the last, and ties with "home and". "ran far" outranks back, and ties with "and";
    # "home and" outranks ran and back, and ties with far; "and back" outranks nothing: 4 of 9.
    # Swapped anchors: won 11, it 5; "?" is no word, "Ann" the match's form. Seen from 11 the match, 8 away, outranks home
    # and ties with far; seen from 5, 2 away, it outranks home and back, and ties with far: 4 of 10.
    found = sums(pair([0], [0, 1]), ONE, QUESTION, PARAGRAPH)
    # In one dimension all have the same direction.
    assert found == {"cosine": [3, 1.5, 4.5, 9, 2, 5], "euclidean": [3, 2.5, 4, 9, 2, 4]}

    path = write_store(tmp_path / "a.h5", {"1": (QUESTION, PARAGRAPH)})
    measured.rank_pairs([pair([0], [0, 1])], [ONE], [path], tmp_path / "r.tsv")
    with open(tmp_path / "r.tsv", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert [rows[1][name] for name in SPECIFICITY_COUNTS] == ["3", "2.5", "4", "9", "2", "4"]
    assert (rows[1]["count"], rows[1]["ties"], rows[1]["unmatching"]) == ("3", "1", "5")
    _, row = percentages([("bert", "synonyms", tmp_path / "r.tsv")])
    assert dict(zip(PERCENTAGE_FIELDS[9:], row[9:], strict=True)) == {
        "auc": "70.0000", "null_auc": "44.4444", "span_auc": "83.3333", "swapped_auc": "40.0000", "specific": "30.0000",
    }  # fmt: skip


def test_of_an_anchor_in_the_paragraph_the_swapped_ones_are_there_too_but_compared_with_other_words_alone():
    # Anchor "Ann Lee" at 3, match "she" at 6. Unmatching: died 5, in 9, Rome 1; the spans are these words. The swapped
    # anchors are "died in" 7 and "in Rome" 5; "she died", "Rome ann" and what ends with a comma are none.
    one, vectors = example("who", "Ann Lee , she died in Rome ann"), on_a_line(2, 4, 8, 6, 5, 9, 1, 3)
    found = sums(pair([0, 1], [3], "paragraph"), one, on_a_line(1), vectors)
    # From 3: she 3 away, died 2, in 6, Rome 2. Of the words with one another each wins once or ties.
    # From 7, "died in": she is 1 away and Rome 6, so Rome is outranked, 1 of 1. From 5, "in Rome": she is 1 away and
    # died 0, so died is not, 0 of 1. As shares of the three: 3 and 0.
    assert found["euclidean"] == [3, 1, 3, 6, 2, 3]


@pytest.mark.parametrize("question", ["", "who"])
def test_a_text_of_five_words_worked_by_hand(question):
    # Anchor "hot" at 0, match "cold" at 3, so the others are: or 1, very 5, days 9. Each of them is a swapped anchor.
    one, vectors = example(question, "hot or very cold days"), on_a_line(0, 1, 5, 3, 9)
    of_pair, asked = pair([0], [3], "paragraph"), on_a_line(*([4] if question else []))
    measured = Surroundings(one, asked, vectors).measure(of_pair)
    # From or the match is 2 away, very 4, days 8: both are outranked. From very it is 2 away, or 4, days 4: both. From days
    # it is 6 away, or 8, very 4: one of two. Were their own words compared, they would always win: 2, 2 and 1 of three.
    assert measured.swapped[1, 0].tolist() == pytest.approx([np.nan, 3, 3, np.nan, 1.5], nan_ok=True)
    # The true anchor: or 1, match 3, very 5, days 9: two of three.
    assert measured.sums[4:, 1, 0].tolist() == [3, 7.5]


def test_punctuation_ends_a_span_where_it_counts_and_never_a_swapped_anchor():
    found = sums(pair([0], [0, 1]), ONE, QUESTION, PARAGRAPH, punctuation=True)
    # The comma, at 6, is an unmatching word, outranked by "ran far" and "home and", and by the match from neither anchor;
    # ", ran" at 5.5 is a span too, and outranks back alone.
    assert found["euclidean"] == [4, 3.5, 7, 16, 2, 4]


@pytest.mark.parametrize(
    ("size", "ends", "banned", "found"),
    [
        (1, "11011", "00010", [0, 1, 4]),
        (2, "11011", "00000", [0, 3]),
        (3, "11011", "00000", [1]),
        (3, "11011", "00100", []),
        (6, "11011", "00000", []),
    ],
)
def test_runs_begin_and_end_with_a_word_that_counts_and_hold_none_that_is_banned(size, ends, banned, found):
    assert runs(size, *(np.array([*map(int, each)], bool) for each in (ends, banned))).tolist() == found


def world(seed, texts_alone=False, match_words=(1, 4), layers=2, hidden=6):
    """Made-up examples, pairs and vectors: repeated words, punctuation, capitals, words without a vector, both sides."""
    dice = np.random.default_rng(seed)
    vocabulary = [*(f"w{i}" for i in range(12)), "W3", "W5", ",", "``", "'s"]
    vectors = {word: dice.normal(size=(layers, hidden)).astype(np.float32) for word in vocabulary}
    examples, pairs, store = [], [], {}
    for i in range(12):
        texts = [dice.choice(vocabulary, size).tolist() for size in (dice.integers(3, 9), dice.integers(6, 30))]
        if texts_alone:
            texts[0] = []
        one = Example(str(i), "Page", *texts, None, [(0, len(texts[1]))])
        sides = [
            # Every second paragraph has a vector for each occurrence of a word; in the others repeated words tie.
            np.stack([vectors[word] + dice.normal(size=(layers, hidden)) * (i % 2) for word in words], axis=1)
            if words
            else np.zeros((layers, 0, hidden))
            for words in texts
        ]
        for side in sides:
            side[:, dice.random(side.shape[1]) < 0.1] = np.nan
        examples.append(one)
        store[one.example_id] = tuple(side.astype(np.float32) for side in sides)
        name = ("question", "paragraph")[i % 3 == 0 or texts_alone]
        size, length = dice.integers(*match_words), dice.integers(1, 3)
        places = [dice.integers(0, len(texts[k]) - n + 1) for k, n in ((name == "paragraph", length), (1, size))]
        anchor, match = ([int(place) + k for k in range(n)] for place, n in zip(places, (length, size), strict=True))
        pairs.append(pair(anchor, match, name, one.example_id))
    return examples, pairs, store


def rank(examples, pairs, store, folder, punctuation=False):
    path = write_store(folder / "a.h5", store)
    measured.rank_pairs(pairs, examples, [path], folder / "r.tsv", punctuation)
    return folder / "r.tsv"


def specificity_of(path):
    """Return {(measure, layer): (null_auc, span_auc, swapped_auc, specific)}."""
    return {(row[2], row[3]): tuple(map(float, row[10:])) for row in percentages([("bert", "synonyms", path)])}


@pytest.mark.parametrize("texts_alone", [False, True])
@pytest.mark.parametrize("punctuation", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_the_four_numbers_are_those_of_brute_force(tmp_path, seed, punctuation, texts_alone):
    examples, pairs, store = world(seed, texts_alone)
    found = specificity_of(rank(examples, pairs, store, tmp_path, punctuation))
    by_id = {one.example_id: {"question": one.question, "paragraph": one.paragraph} for one in examples}
    encoded = {
        name: [[None if np.isnan(word[0, 0]) else word.astype(float) for word in side.swapaxes(0, 1)] for side in sides]
        for name, sides in store.items()
    }
    wanted = specificity_by_brute_force(pairs, by_id, encoded, punctuation)
    assert found.keys() == wanted.keys()
    for key, values in wanted.items():
        assert found[key] == pytest.approx(values, abs=POINTS, rel=0), key
    assert len({round(value) for values in wanted.values() for value in values}) > 6


@pytest.mark.parametrize("seed", range(3))
def test_a_match_of_one_word_has_its_unmatching_words_for_spans_and_chance_at_50(tmp_path, seed):
    path = rank(*world(seed, match_words=(1, 2)), tmp_path)
    ranking = read_ranking(path)
    spans, span_count, null_count, null_words, _, _ = np.moveaxis(ranking.specificity, -1, 0)
    count, ties, _, unmatching = np.moveaxis(ranking.counts, -1, 0)
    np.testing.assert_array_equal(spans, unmatching)
    np.testing.assert_array_equal(span_count, count + ties / 2)
    np.testing.assert_array_equal(2 * null_count, null_words)
    assert {values[0] for values in specificity_of(path).values()} == {50}


@unhurried
@given(st.integers(0, 2**32 - 1))
def test_a_match_that_any_anchor_has_is_not_specific(seed):
    dice = np.random.default_rng(seed)
    one = example("a b c d", "e f g h i j")
    question = np.repeat(dice.normal(size=(2, 1, 5)), 4, axis=1).astype(np.float32)
    found = Surroundings(one, question, dice.normal(size=(2, 6, 5)).astype(np.float32)).measure(pair([1], [2, 3]))
    anchors, swapped = found.sums[4:]
    assert (anchors == 3).all()
    assert (swapped == 3 * found.swapped[..., :1].max(-1)).all()
    assert np.isnan(found.swapped[..., 1]).all()


@pytest.mark.parametrize("question", ["", "who won"])
def test_of_an_anchor_in_the_passage_words_that_mean_nothing_are_not_specific(tmp_path, question):
    """A swapped anchor is one of the words; if the match had to outrank it, ten words would give 5 points for nothing."""
    dice = np.random.default_rng(0)
    names = [str(i) for i in range(400)]
    texts = [example(question, "a b c d e f g h i j", name) for name in names]
    asked = np.ones((2, len(question.split()), 8))
    store = {name: (asked, dice.normal(size=(2, 10, 8))) for name in names}
    found = specificity_of(rank(texts, [pair([1], [5], "paragraph", name) for name in names], store, tmp_path))
    for _, _, swapped, specific in found.values():
        assert abs(swapped - 50) < 2
        assert abs(specific) < 4  # 400 pairs have a standard error of 1.5


@unhurried
@given(st.integers(0, 2**32 - 1), st.integers(-20, 20))
def test_the_scale_of_the_vectors_does_not_matter(seed, power):
    examples, pairs, store = world(seed)
    for one, of_pair in zip(examples, pairs, strict=True):
        plain, scaled = (
            Surroundings(one, *(side * np.float32(scale) for side in store[one.example_id])).measure(of_pair).sums
            for scale in (1, 2.0**power)
        )
        np.testing.assert_array_equal(plain, scaled)


def test_a_pair_without_a_span_or_a_swapped_anchor_is_out_of_these_numbers_and_counted(tmp_path, caplog):
    # No span of three words is left beside the match, and the question has no other word than the anchor.
    lonely = example("who ?", "Ann Lee of ran far", "2")
    store = {"1": (QUESTION, PARAGRAPH), "2": (on_a_line(1, 2), on_a_line(1, 2, 3, 4, 5))}
    pairs = [pair([0], [0, 1]), pair([0], [0, 1, 2], example_id="2")]
    with caplog.at_level("INFO"):
        path = rank([ONE, lonely], pairs, store, tmp_path)
    assert "2 pairs, 0 of them without a ranking, 1 without a span, 1 without a swapped anchor" in caplog.text
    assert read_ranking(path).specificity[1, 0, 1].tolist() == [0] * 6
    alone = rank([ONE], pairs[:1], {"1": store["1"]}, tmp_path)
    assert specificity_of(path) == specificity_of(alone)
    nothing = specificity_of(rank([lonely], pairs[1:], {"2": store["2"]}, tmp_path))
    assert all(map(math.isnan, nothing["cosine", 0]))


def test_examples_with_other_words_than_the_activations_are_an_error(tmp_path):
    with pytest.raises(InputError, match=r"example_id 1 has 5 words in the question and 10 in the paragraph, .* 1 and 10"):
        rank([example("who", " ".join(ONE.paragraph))], [pair([0], [0])], {"1": (QUESTION, PARAGRAPH)}, tmp_path)
