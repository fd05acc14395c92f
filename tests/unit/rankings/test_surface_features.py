"""Boundary heads on surface features: worked features, and equality with an independent fit and ranking."""

import numpy as np

from pairprobe.data.examples import Example
from pairprobe.rankings.surface_features import FEATURES, SurfaceFeatures, features_of, rank_surface_features

WORDS = ["Ada", "oslo", "in", "1815", "b2", "the", ",", "Émile", "MOVED", "x"]


def test_the_features_of_a_sentence_by_hand():
    words = ["In", "1815", "ada", ",", "Émile", "B2"]
    assert FEATURES == ("capital", "digit", "in the question", "first", "last")
    assert features_of(["where", "did", "Ada", "b2"], words).tolist() == [
        [1, 0, 0, 1, 0],
        [0, 1, 0, 0, 0],
        [0, 0, 1, 0, 0],
        [0, 0, 0, 0, 0],
        [1, 0, 0, 0, 0],
        [1, 1, 1, 0, 1],
    ]


def test_the_features_are_of_the_sentence_that_holds_the_answer():
    example = Example("1", "T", ["who"], "He left . Ada came .".split(), (3, 4), [(0, 3), (3, 6)])
    unanswered = Example("2", "T", ["who"], ["x"], None, [(0, 1)])
    found = SurfaceFeatures([example, unanswered])
    assert found.names() == ["1"]
    assert ("1" in found, "2" in found) == (True, False)
    assert found["1"][1].tolist() == [[[1, 0, 0, 1, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 1]]]
    assert found["1"][0].shape == (1, 0, 5)


def random_examples(name, number, seed):
    rng = np.random.default_rng(seed)
    examples = []
    for i in range(number):
        words = rng.choice(WORDS, rng.integers(3, 9)).tolist()
        capitals = [k for k, word in enumerate(words) if word[0].isupper()] or [0]
        start = int(rng.choice(capitals)) if rng.random() < 0.7 else int(rng.integers(len(words)))
        answer = (start, min(start + int(rng.integers(1, 3)), len(words)))
        question = rng.choice(WORDS, 2).tolist()
        examples.append(Example(f"{name}{i}", f"Page {i}", question, words, answer, [(0, len(words))]))
    return examples


def looks(example):
    """Return the features of an example's words, one word at a time."""
    asked, last = [word.lower() for word in example.question], len(example.paragraph) - 1
    return np.array(
        [
            [word[0] != word[0].lower(), any("0" <= c <= "9" for c in word), word.lower() in asked, i == 0, i == last]
            for i, word in enumerate(example.paragraph)
        ],
        float,
    )


def descended(sentences, golds, l2):
    """Fit one head by gradient descent from zero, sentence by sentence."""
    weights = np.zeros(sentences[0].shape[1])
    for _ in range(500):
        gradient = l2 * weights
        for words, gold in zip(sentences, golds, strict=True):
            likely = np.exp(words @ weights)
            gradient = gradient + (likely @ words / likely.sum() - words[gold]) / len(sentences)
        weights = weights - 0.5 * gradient
    return weights


def test_the_ranking_is_that_of_an_independent_head_and_words_that_look_alike_tie():
    head, probe = random_examples("h", 25, 1), random_examples("p", 20, 2)
    boundaries = [{"example_id": one.example_id, "sentence": one.sentences[0], "answer": one.answer} for one in probe]
    every = np.concatenate([looks(one) for one in head])
    scale = every.std(0, ddof=1)
    wanted, tied = [], 0
    for measure, place in (("start", 0), ("end", -1)):
        golds = [range(*one.answer)[place] for one in head]
        weights = descended([(looks(one) - every.mean(0)) / scale for one in head], golds, 0.1) / scale
        for one in probe:
            words, gold = looks(one), range(*one.answer)[place]
            alike = [i for i in range(len(words)) if i != gold and (words[i] == words[gold]).all()]
            below = [i for i in range(len(words)) if i not in (gold, *alike) and words[i] @ weights < words[gold] @ weights]
            wanted.append((one.example_id, measure, 0, len(below), len(alike), len(words), len(words) - 1))
            tied += len(alike)
    assert tied > 5
    found = rank_surface_features(head, probe, boundaries, seed=7, l2=0.1)
    assert sorted(tuple(row[:7]) for row in found) == sorted(wanted)
