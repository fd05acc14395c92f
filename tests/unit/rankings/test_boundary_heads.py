"""The span heads: a convex fit that reaches its optimum, and how they rank the gold position."""

import logging
import tracemalloc

import measured
import numpy as np
import pytest
from samples import open_sentences

from pairprobe.data.examples import Example
from pairprobe.data.sampling import subsample
from pairprobe.errors import InputError
from pairprobe.rankings import boundary_heads
from pairprobe.rankings.boundary_heads import fit, gold, gold_logits, train
from pairprobe.rankings.pair_ranking import rank_logits
from pairprobe.rankings.percentages import NOT_COUNTED

LAYERS, HIDDEN, L2 = 2, 4, 0.1


def example(example_id, words, answer, before=0):
    """Make an example whose second sentence has so many words; the answer counts from its start."""
    paragraph = [f"b{i}" for i in range(before)] + [f"w{i}" for i in range(words - 1)] + ["."]
    sentences = [span for span in [(0, before), (before, before + words)] if span[0] < span[1]]
    span = None if answer is None else (before + answer[0], before + answer[1])
    return Example(example_id, "Page", ["what"], paragraph, span, sentences)


def boundary(of_example):
    return {"example_id": of_example.example_id, "sentence": of_example.sentences[-1], "answer": of_example.answer}


def random_examples(number, seed, hidden=HIDDEN):
    """Make examples with answers and {example_id: vectors (layers, words, hidden)}."""
    rng = np.random.default_rng(seed)
    examples, vectors = [], {}
    for i in range(number):
        words = int(rng.integers(2, 9))
        start = int(rng.integers(0, words))
        of_one = example(f"e{i}", words, (start, int(rng.integers(start, words)) + 1), before=int(rng.integers(0, 4)))
        examples.append(of_one)
        vectors[of_one.example_id] = rng.standard_normal((LAYERS, words, hidden))
    return examples, vectors


def toy(seed, number=12, hidden=HIDDEN):
    """Draw features (words, hidden), sentence lengths, and gold positions (sentences, 2)."""
    rng = np.random.default_rng(seed)
    sentences = rng.integers(1, 7, number).tolist()
    positions = np.array([[rng.integers(size), rng.integers(size)] for size in sentences])
    return rng.standard_normal((sum(sentences), hidden)), sentences, positions


def loss_and_gradient(weights, features, sentences, positions, l2):
    """Return the loss and its gradient (2, hidden), sentence by sentence."""
    loss, gradient, first = 0.0, np.zeros_like(weights), 0
    for size, golds in zip(sentences, positions, strict=True):
        words = features[first : first + size]
        first += size
        for head, position in enumerate(golds):
            logits = [float(weights[head] @ word) for word in words]
            total = sum(np.exp(logit) for logit in logits)
            loss += np.log(total) - logits[position]
            for i, word in enumerate(words):
                gradient[head] += (np.exp(logits[i]) / total - (i == position)) * word
    return (
        loss / len(sentences) + l2 / 2 * (weights**2).sum(),
        gradient / len(sentences) + l2 * weights,
    )


def fitted(features, sentences, positions, l2):
    return fit(features, sentences, positions, l2)


@pytest.mark.parametrize(("seed", "l2"), [(0, 0.1), (1, 0.1), (2, 1.0), (3, 0.01)])
def test_fit_reaches_the_optimum(seed, l2):
    data = toy(seed)
    weights = fitted(*data, l2)
    loss, gradient = loss_and_gradient(weights, *data, l2)
    assert np.abs(gradient).max() < 1e-5
    for step in np.random.default_rng(seed).standard_normal((5, *weights.shape)):
        assert loss_and_gradient(weights + 0.01 * step, *data, l2)[0] > loss


@pytest.mark.parametrize("words", [1, 7, 10**6])  # at once: a sentence, some, all
@pytest.mark.parametrize("seed", [4, 5])
def test_fit_equals_gradient_descent(seed, words, monkeypatch):
    monkeypatch.setattr(boundary_heads, "BLOCK", 8 * HIDDEN * words)
    data = toy(seed)
    weights = np.zeros((2, HIDDEN))
    for _ in range(400):
        weights -= 0.5 * loss_and_gradient(weights, *data, L2)[1]
    assert fitted(*data, L2) == pytest.approx(weights, abs=1e-4)


@pytest.mark.parametrize("seed", [14, 15])
def test_fit_to_features_as_they_are_stored_equals_that_to_standardised_ones(seed):
    features, sentences, positions = toy(seed)
    rng = np.random.default_rng(seed)
    # Some as far from zero, for their width, as the outlying ones of encoders.
    stored = (features * rng.uniform(0.1, 5, HIDDEN) + rng.choice([-300, 0, 20], HIDDEN)).astype(np.float32)
    wide = stored.astype(np.float64)
    scale = wide.std(0, ddof=1)
    standard = (wide - wide.mean(0)) / scale
    assert fit(stored, sentences, positions, L2, scale) == pytest.approx(fit(standard, sentences, positions, L2), abs=1e-5)


def test_fit_starts_and_ends_apart():
    features, sentences, positions = toy(6)
    both = fitted(features, sentences, positions, L2)
    swapped = fitted(features, sentences, positions[:, ::-1].copy(), L2)
    assert swapped == pytest.approx(both[::-1], abs=1e-5)
    assert np.abs(both[0] - both[1]).max() > 0.1


def test_a_head_that_is_not_at_its_optimum_is_said(monkeypatch, caplog):
    features, gold_positions = np.random.default_rng(0).normal(size=(60, 8)), np.tile([[1, 2]], (10, 1))
    fit(features, [6] * 10, gold_positions, 0.1)
    assert not caplog.messages
    monkeypatch.setattr(boundary_heads, "MAX_ITERATIONS", 3)
    fit(features, [6] * 10, gold_positions, 0.1)
    assert caplog.messages == ["a head was not at its optimum after 3 iterations: set boundary.l2 higher"]


def test_a_greater_l2_makes_smaller_weights():
    data = toy(7)
    norms = [np.linalg.norm(fitted(*data, l2)) for l2 in (0.01, 0.1, 1, 10)]
    assert norms == sorted(norms, reverse=True)


def separable(number, seed):
    """Make sentences whose first feature marks the start, and whose second the end; the rest is noise."""
    examples, vectors = random_examples(number, seed)
    for of_one in examples:
        words = vectors[of_one.example_id]
        words[:, :, :2] = 0
        words[:, of_one.answer[0] - of_one.sentences[-1][0], 0] = 1
        words[:, of_one.answer[1] - 1 - of_one.sentences[-1][0], 1] = 1
    return examples, vectors


def test_where_a_feature_marks_the_answer_every_other_word_is_outranked(tmp_path):
    train_examples, train_vectors = separable(40, 8)
    with open_sentences(tmp_path / "head.h5", train_vectors) as activations:
        train(train_examples, activations, tmp_path / "heads.npz", seed=13, l2=0.01)
    examples, vectors = separable(20, 9)
    with open_sentences(tmp_path / "probe.h5", vectors) as activations:
        logits = gold_logits(
            examples, measured.logits(activations, tmp_path / "heads.npz"), [boundary(e) for e in examples], seed=13
        )
        rows = list(rank_logits(logits))
    assert len(rows) == 20 * 2 * LAYERS
    assert all(count == unmatching for _, _, _, count, _, _, unmatching, *_ in rows)


def test_train_stores_weights_mean_and_scale_of_each_layer(tmp_path):
    examples, vectors = random_examples(10, 10)
    with open_sentences(tmp_path / "a.h5", vectors) as activations:
        train(examples, activations, tmp_path / "heads.npz", seed=13, l2=L2)
    with np.load(tmp_path / "heads.npz") as heads:
        assert {key: heads[key].shape for key in heads} == {
            "weights": (LAYERS, 2, HIDDEN),
            "mean": (LAYERS, HIDDEN),
            "scale": (LAYERS, HIDDEN),
        }
        for layer in range(LAYERS):
            words = np.concatenate([of_one[layer] for of_one in vectors.values()]).astype(np.float32).astype(float)
            standard = (words - heads["mean"][layer]) / heads["scale"][layer]
            assert standard.mean(0) == pytest.approx(np.zeros(HIDDEN), abs=1e-9)
            assert standard.std(0, ddof=1) == pytest.approx(np.ones(HIDDEN))
            sizes = [of_one.shape[1] for of_one in vectors.values()]
            golds = [(e.answer[0] - e.sentences[-1][0], e.answer[1] - 1 - e.sentences[-1][0]) for e in examples]
            gradient = loss_and_gradient(heads["weights"][layer], standard, sizes, golds, L2)[1]
            assert np.abs(gradient).max() < 1e-5


def test_training_holds_one_layer_in_float32(tmp_path, monkeypatch):
    monkeypatch.setattr(boundary_heads, "BLOCK", 1 << 16)
    examples, vectors = random_examples(600, 16, hidden=96)
    one_layer = sum(4 * of_one[0].size for of_one in vectors.values())
    with open_sentences(tmp_path / "a.h5", vectors) as activations:
        train(examples[:10], activations, tmp_path / "heads.npz", seed=13)  # what a first training imports
        tracemalloc.start()
        try:
            train(examples, activations, tmp_path / "heads.npz", seed=13)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert one_layer < peak < 1.75 * one_layer


@pytest.mark.parametrize("value", [3, 3e5])
def test_a_feature_that_never_changes_has_no_weight(tmp_path, value):
    examples, vectors = random_examples(6, 11)
    for words in vectors.values():
        words[:, :, 0] = value
    with open_sentences(tmp_path / "a.h5", vectors) as activations:
        train(examples, activations, tmp_path / "heads.npz", seed=13)
    with np.load(tmp_path / "heads.npz") as heads:
        assert all(np.isfinite(heads[key]).all() for key in heads)
        assert (heads["weights"][..., 0] == 0).all()
        assert (heads["weights"][..., 1:] != 0).all()


def test_a_feature_that_hardly_varies_keeps_its_weight(tmp_path):
    examples, vectors = random_examples(30, 17)
    for words in vectors.values():
        words[:, :, 0] *= 3e-7  # as one of the demo's encoder does, below the least scale
    with open_sentences(tmp_path / "a.h5", vectors) as activations:
        train(examples, activations, tmp_path / "heads.npz", seed=13)
    sizes = [words.shape[1] for words in vectors.values()]
    golds = np.array([(e.answer[0] - e.sentences[-1][0], e.answer[1] - 1 - e.sentences[-1][0]) for e in examples])
    with np.load(tmp_path / "heads.npz") as heads:
        for layer in range(LAYERS):
            words = np.concatenate([of_one[layer] for of_one in vectors.values()]).astype(np.float32).astype(float)
            standard = (words - words.mean(0)) / words.std(0, ddof=1).clip(1e-6)
            assert heads["weights"][layer] == pytest.approx(fit(standard, sizes, golds, L2), abs=1e-5)
            assert np.abs(heads["weights"][layer][:, 0]).max() > 1e-3


@pytest.mark.parametrize("answers", [[None, None], [(0, 1)]])
def test_without_an_answer_and_activations_no_head_can_be_trained(tmp_path, answers):
    examples = [example(f"x{i}", 4, answer) for i, answer in enumerate(answers)]
    none = pytest.raises(InputError, match="boundary: the partition head has no example")
    with open_sentences(tmp_path / "a.h5", {"other": np.ones((LAYERS, 4, HIDDEN))}) as activations, none:
        train(examples, activations, tmp_path / "heads.npz", seed=13)
    assert not (tmp_path / "heads.npz").exists()


def by_loop(examples, vectors, heads):
    """Rank the gold positions word by word, in plain loops."""
    rows = set()
    for of_one in examples:
        first = of_one.sentences[-1][0]
        golds = {"start": of_one.answer[0] - first, "end": of_one.answer[1] - 1 - first}
        words = vectors[of_one.example_id].astype(np.float32).astype(float)
        for head, (measure, position) in enumerate(golds.items()):
            for layer in range(LAYERS):
                logits = [
                    sum(
                        heads["weights"][layer, head, h] * (word[h] - heads["mean"][layer, h]) / heads["scale"][layer, h]
                        for h in range(HIDDEN)
                    )
                    for word in words[layer]
                ]
                below = sum(logit < logits[position] for logit in logits)
                rows.add((of_one.example_id, measure, layer, below, 0, len(logits), len(logits) - 1, *NOT_COUNTED))
    return rows


@pytest.fixture
def probed(tmp_path):
    """Make 15 examples, their store, and random heads."""
    examples, vectors = random_examples(15, 12)
    rng = np.random.default_rng(13)
    heads = {
        "weights": rng.standard_normal((LAYERS, 2, HIDDEN)),
        "mean": rng.standard_normal((LAYERS, HIDDEN)),
        "scale": rng.uniform(0.5, 2, (LAYERS, HIDDEN)),
    }
    np.savez(tmp_path / "heads.npz", **heads)
    with open_sentences(tmp_path / "a.h5", vectors) as activations:
        yield examples, vectors, heads, activations, tmp_path / "heads.npz"


def test_the_ranking_equals_a_loop_over_words(probed):
    examples, vectors, heads, activations, path = probed
    rows = list(
        rank_logits(gold_logits(examples, measured.logits(activations, path), [boundary(e) for e in examples], seed=13))
    )
    assert len(rows) == 15 * 2 * LAYERS
    assert set(rows) == by_loop(examples, vectors, heads)


def test_para_len_is_the_number_of_the_sentence_s_words_and_the_gold_one_is_not_unmatching(probed):
    examples, _, _, activations, path = probed
    boundaries = [boundary(e) for e in examples]
    words = {row["example_id"]: row["sentence"][1] - row["sentence"][0] for row in boundaries}
    rows = list(rank_logits(gold_logits(examples, measured.logits(activations, path), boundaries, seed=13)))
    assert {(row[0], row[5], row[6]) for row in rows} == {(name, n, n - 1) for name, n in words.items()}


def test_the_ranking_follows_the_set_and_leaves_out_what_was_too_long(probed, caplog):
    examples, _, _, activations, path = probed
    long = example("too-long", 5, (1, 2))
    wanted = [examples[4], long, examples[2]]
    caplog.set_level(logging.INFO, logger="pairprobe")
    found = measured.logits(activations, path)
    ranked = gold_logits([long, *examples], found, [boundary(e) for e in wanted], seed=13, left_out={"too-long"})
    assert list(dict.fromkeys(name for name, *_ in ranked)) == ["e4", "e2"]
    assert "boundary: 3 sentences, 1 of them too long, 2 ranked" in caplog.messages


def test_a_boundary_without_logits_or_example_is_an_input_error(probed):
    examples, _, _, activations, path = probed
    found, other = measured.logits(activations, path), example("other", 5, (1, 2))
    boundaries = [boundary(e) for e in [*examples, other]]
    with pytest.raises(InputError, match="logits: example_id other has none"):
        list(gold_logits([*examples, other], found, boundaries, seed=13, left_out={"too-long"}))
    with pytest.raises(InputError, match="probing set: example_id other is in no example"):
        list(gold_logits(examples, found, boundaries, seed=13))


def test_at_most_so_many_are_ranked_the_same_whatever_their_order(probed):
    examples, _, _, activations, path = probed

    def ranked(order):
        boundaries = [boundary(e) for e in order]
        return set(rank_logits(gold_logits(order, measured.logits(activations, path), boundaries, seed=13, at_most=4)))

    rows = ranked(examples)
    assert {row[0] for row in rows} == subsample([e.example_id for e in examples], 4, 13)
    assert ranked(examples[::-1]) == rows


def test_training_takes_the_same_examples_whatever_their_order(tmp_path):
    examples, vectors = random_examples(20, 14)
    taken = subsample(vectors, 8, 13)
    with open_sentences(tmp_path / "a.h5", vectors) as activations:
        train(examples, activations, tmp_path / "1.npz", seed=13, at_most=8)
        train(examples[::-1], activations, tmp_path / "2.npz", seed=13, at_most=8)
        train([e for e in examples if e.example_id in taken], activations, tmp_path / "3.npz", seed=1)
        train(examples, activations, tmp_path / "4.npz", seed=14, at_most=8)
    weights = [np.load(tmp_path / f"{i}.npz")["weights"] for i in (1, 2, 3, 4)]
    assert weights[1] == pytest.approx(weights[0], abs=1e-5)
    assert weights[2] == pytest.approx(weights[0], abs=1e-5)
    assert np.abs(weights[3] - weights[0]).max() > 0.01


NO = np.nan


@pytest.mark.parametrize(
    ("has_vector", "answer", "words", "span"),
    [
        ([1, 1, 1, 1, 1], (1, 4), [0, 1, 2, 3, 4], (1, 3)),
        ([1, 1, 1, 1, 1], (0, 1), [0, 1, 2, 3, 4], (0, 0)),
        # Words without a vector are no words; the answer begins and ends at the first and last that has one.
        ([NO, 1, 1, 1, 1], (1, 4), [1, 2, 3, 4], (0, 2)),
        ([1, NO, 1, 1, 1], (1, 4), [0, 2, 3, 4], (1, 2)),
        ([1, 1, 1, NO, 1], (1, 4), [0, 1, 2, 4], (1, 2)),
    ],
)
def test_gold_positions_count_the_words_with_a_vector(has_vector, answer, words, span):
    found_words, found_span = gold(example("1", 5, answer, before=3), ~np.isnan(has_vector))
    assert (found_words.tolist(), found_span) == (words, span)


@pytest.mark.parametrize(("has_vector", "answer"), [([1, NO, NO, 1], (1, 3)), ([NO, 1, NO, NO], (1, 2)), ([1], (0, 1))])
def test_an_answer_or_a_rest_without_a_vector_has_no_gold_position(has_vector, answer):
    assert gold(example("1", len(has_vector), answer), ~np.isnan(has_vector)) is None
