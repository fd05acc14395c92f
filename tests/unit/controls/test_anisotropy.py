"""The mean and the dominant directions of a layer, on numbers that can be checked by hand, and against numpy's SVD."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from samples import write_store

from pairprobe.activations import store
from pairprobe.controls import anisotropy
from pairprobe.controls.anisotropy import LayerStatistics, without_dominant, without_mean
from pairprobe.errors import InputError
from pairprobe.rankings.similarity import cosine, euclidean

NO_VECTOR = [np.nan, np.nan]
# Two words of a question and two of a paragraph, one layer: their mean is (0, 1), their variances 4.5 and 0.5.
QUESTION = np.array([[[-3, 1], [3, 1]]], np.float32)
PARAGRAPH = np.array([[[0, 2], NO_VECTOR, [0, 0]]], np.float32)


def statistics_of(path, vectors, directions=None):
    with store.Activations([write_store(path, vectors)]) as activations:
        return anisotropy.layer_statistics(activations, directions)


def drawn(seed=0, layers=3, hidden=6):
    """Draw questions and paragraphs whose vectors lean to one side and spread more along some directions than others."""
    rng = np.random.default_rng(seed)
    lean, spread = rng.normal(size=(layers, 1, hidden)), rng.normal(size=(layers, hidden, hidden))

    def words(n):
        return (5 * lean + rng.normal(size=(layers, n, hidden)) @ spread).astype(np.float32)

    vectors = {str(i): (words(3 + i), words(11 + i)) for i in range(5)}
    vectors["2"][1][:, 4] = np.nan
    return vectors


def test_mean_and_directions_are_those_worked_by_hand(tmp_path):
    statistics = statistics_of(tmp_path / "a.h5", {"1": (QUESTION, PARAGRAPH)})
    assert statistics.mean.tolist() == [[0, 1]]
    assert np.abs(statistics.directions).tolist() == [[[1, 0]]]
    assert statistics.share == pytest.approx(np.array([[0.9]]))


def test_what_is_left_is_what_is_worked_by_hand(tmp_path):
    statistics = statistics_of(tmp_path / "a.h5", {"1": (QUESTION, PARAGRAPH)})
    vectors = np.array([[[3, 1], [2, 3], NO_VECTOR]], np.float32)
    assert np.array_equal(without_mean(statistics, vectors), [[[3, 0], [2, 2], NO_VECTOR]], equal_nan=True)
    assert np.array_equal(without_dominant(statistics, vectors), [[[0, 0], [0, 2], NO_VECTOR]], equal_nan=True)


@pytest.mark.parametrize("directions", [1, 3, 5])
def test_the_directions_are_the_first_singular_vectors_of_all_words(tmp_path, directions):
    vectors = drawn()
    statistics = statistics_of(tmp_path / "a.h5", vectors, directions)
    words = np.concatenate([side for sides in vectors.values() for side in sides], axis=1).astype(np.float64)
    words = words[:, ~np.isnan(words[0, :, 0])]
    left = without_dominant(statistics, words)
    for layer, of_layer in enumerate(words):
        centred = of_layer - of_layer.mean(0)
        _, singular, axes = np.linalg.svd(centred, full_matrices=False)
        np.testing.assert_allclose(statistics.mean[layer], of_layer.mean(0), atol=1e-12)
        np.testing.assert_allclose(np.abs((statistics.directions[layer] * axes[:directions]).sum(1)), 1, atol=1e-9)
        np.testing.assert_allclose(statistics.share[layer], (singular**2 / (singular**2).sum())[:directions], atol=1e-12)
        wanted = centred - centred @ axes[:directions].T @ axes[:directions]
        np.testing.assert_allclose(left[layer], wanted, atol=1e-9)


def test_the_statistics_do_not_depend_on_shards_by_a_bit(tmp_path):
    vectors = drawn()
    whole = statistics_of(tmp_path / "whole.h5", vectors)
    paths = [
        write_store(tmp_path / f"{i}.h5", {name: vectors[name] for name in names}) for i, names in enumerate(("31", "024"))
    ]
    with store.Activations(paths) as activations:
        found = anisotropy.layer_statistics(activations)
    for one, other in zip(
        (found.mean, found.directions, found.share), (whole.mean, whole.directions, whole.share), strict=True
    ):
        assert one.tobytes() == other.tobytes()


def test_statistics_are_read_as_they_were_written(tmp_path):
    statistics = statistics_of(tmp_path / "a.h5", drawn())
    anisotropy.write(tmp_path / "a.npz", statistics)
    found = anisotropy.read(tmp_path / "a.npz")
    assert all(np.array_equal(getattr(found, name), getattr(statistics, name)) for name in ("mean", "directions", "share"))


def test_a_rogue_dimension_has_no_say_any_more(tmp_path):
    vectors = drawn(layers=1)
    for side in (side for sides in vectors.values() for side in sides):
        side[:, :, 2] = 300 + 200 * side[:, :, 2]
    statistics = statistics_of(tmp_path / "a.h5", vectors, 1)
    left = without_dominant(statistics, vectors["1"][1])
    assert np.abs(left[:, :, 2]).max() < 0.01 * np.abs(left).max()
    # What is said by the raw cosine, which is near 1 whatever the words, is not said by this one.
    raw, now = (cosine(v[:, 0], v[:, 1:]) for v in (vectors["1"][1], left))
    assert raw.min() > 0.9
    assert now.min() < 0


whole_numbers = st.integers(-8, 8)


@settings(deadline=None, max_examples=50)
@given(
    arrays(np.float64, (2, 3), elements=whole_numbers),
    arrays(np.float32, (2, 1, 3), elements=whole_numbers),
    arrays(np.float32, (2, 5, 3), elements=whole_numbers),
)
def test_without_the_mean_no_distance_changes(mean, anchor, others):
    statistics = LayerStatistics(mean, np.zeros((2, 0, 3)), np.zeros((2, 0)))
    moved = euclidean(without_mean(statistics, anchor)[:, 0], without_mean(statistics, others))
    assert (moved == euclidean(anchor[:, 0].astype(np.float64), others.astype(np.float64))).all()


def test_a_hundredth_of_the_width_is_dominant():
    assert [anisotropy.number_of_dominant(hidden) for hidden in (32, 384, 768, 1024)] == [1, 4, 8, 10]


def test_more_directions_than_the_vectors_can_lose_are_refused(tmp_path):
    with pytest.raises(InputError, match="dominant_directions: found 6, wanted fewer than the 6 that the vectors have"):
        statistics_of(tmp_path / "a.h5", drawn(), 6)


def test_without_any_example_there_are_statistics(tmp_path):
    index = store.Index(left_out=["1"], left_out_content=["1"])
    with store.create(tmp_path / "a.h5", 2, 4, "float32", index, {"view": "paragraph"}):
        pass
    with store.Activations([tmp_path / "a.h5"]) as activations:
        assert not anisotropy.layer_statistics(activations).mean.any()
