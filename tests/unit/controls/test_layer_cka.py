"""CKA between all pairs of layers: by its definition, on the diagonal that of ``cka_rsa``, whatever the blocks."""

import numpy as np
import pytest
from samples import write_store
from scipy import stats

from pairprobe.activations.store import Activations
from pairprobe.controls import cka_rsa, layer_cka
from pairprobe.controls.cka_rsa import REPRESENTATION_FIELDS, Resampling, compare
from pairprobe.controls.layer_cka import LAYER_CKA_FIELDS, LayerCka, compare_layers, summarise
from pairprobe.data.examples import Example

LAYERS, DEEPER, WIDTH, WIDER = 3, 5, 4, 6


@pytest.fixture
def corpus(monkeypatch):
    """Make 24 examples on 6 pages, with their vectors under a checkpoint: ``(question, paragraph)`` of each."""
    monkeypatch.setattr(cka_rsa, "CHUNK_SIZE", 30)
    dice = np.random.default_rng(1)
    examples = [Example(f"e{i:02}", f"Page {i % 6}", ["what"], ["a", "b", "c"], None, [(0, 3)]) for i in range(24)]
    vectors = {e.example_id: [dice.normal(size=(LAYERS, n, WIDTH)) for n in dice.integers(2, 12, 2)] for e in examples}
    return examples, vectors


def made_of(vectors, layers, width, seed=2):
    """Another checkpoint, whose layers are linear maps of the first's, with noise."""
    dice = np.random.default_rng(seed)
    maps = dice.normal(size=(layers, WIDTH, width))
    sources = dice.integers(0, LAYERS, layers)

    def mapped(part):
        noise = dice.normal(size=(layers, part.shape[1], width))
        return np.einsum("lnh,lhw->lnw", part[sources], maps) + noise

    return {name: [mapped(part) for part in both] for name, both in vectors.items()}


def opened(folder, vectors):
    folder.mkdir(exist_ok=True)
    return Activations([write_store(folder / "a.h5", vectors)])


def found_of(tmp_path, examples, before, after, seed=13):
    with opened(tmp_path / "before", before) as one, opened(tmp_path / "after", after) as other:
        return compare_layers(examples, one, other, Resampling(seed, 500))


def gram_cka(x, y):
    """By its definition; (words, hidden)."""
    centring = np.eye(len(x)) - 1 / len(x)
    k, m = (centring @ space @ space.T @ centring for space in (x, y))
    return np.trace(k @ m) / np.sqrt(np.trace(k @ k) * np.trace(m @ m))


def test_every_pair_of_layers_of_two_depths_and_widths_has_the_cka_of_its_gram_matrices(tmp_path, corpus):
    examples, before = corpus
    after = made_of(before, DEEPER, WIDER)
    found = found_of(tmp_path, examples, before, after)
    x, y = (np.concatenate([np.concatenate(v[e.example_id], 1) for e in examples], 1).astype("f") for v in (before, after))
    wanted = [[gram_cka(one.astype(float), other.astype(float)) for other in y] for one in x]
    assert found.cka == pytest.approx(np.array(wanted), abs=1e-10)
    assert ((found.low < found.cka) & (found.cka < found.high)).all()
    assert found.words.sum() == x.shape[1]


def test_the_diagonal_is_that_of_the_control_representations_to_the_last_digit(tmp_path, corpus):
    examples, before = corpus
    after = made_of(before, LAYERS, WIDER)
    with opened(tmp_path / "one", before) as one, opened(tmp_path / "other", after) as other:
        resampling = Resampling(13, 500)
        by_layer = compare(examples, one, other, resampling)
        table = summarise({("a", "b"): compare_layers(examples, one, other, resampling)}, {}, 0.95)
    rows = [dict(zip(LAYER_CKA_FIELDS, row, strict=True)) for row in table]
    of_layers = [dict(zip(REPRESENTATION_FIELDS[2:], row, strict=True)) for row in by_layer]
    diagonal = [row for row in rows if row["layer_before"] == row["layer_after"]]
    for value in ("cka", "cka_low", "cka_high", "cka_debiased", "words", "pages", "examples"):
        assert [row[value] for row in diagonal] == [row[value] for row in of_layers]


@pytest.mark.parametrize("pairs", [1, 2, 4, 7, 10])
def test_blocks_change_no_digit(tmp_path, corpus, monkeypatch, pairs):
    examples, before = corpus
    after = made_of(before, DEEPER, WIDER)
    whole = found_of(tmp_path, examples, before, after)
    monkeypatch.setattr(layer_cka, "BYTES", pairs * WIDTH * WIDER * 8 + 1)
    found = found_of(tmp_path, examples, before, after)
    for name in LayerCka.__dataclass_fields__:
        assert np.array_equal(getattr(found, name), getattr(whole, name)), name


def test_a_checkpoint_is_like_itself_and_like_a_rotated_copy_layer_by_layer(tmp_path, corpus):
    examples, before = corpus
    turn, _ = np.linalg.qr(np.random.default_rng(3).normal(size=(WIDTH, WIDTH)))
    turned = {name: [3 * part @ turn - 7 for part in both] for name, both in before.items()}
    itself = found_of(tmp_path, examples, before, before)
    copied = found_of(tmp_path, examples, before, turned)
    for found in (itself, copied):
        assert np.diag(found.cka) == pytest.approx(np.ones(LAYERS), abs=1e-6)
        assert found.cka[~np.eye(LAYERS, dtype=bool)].max() < 0.9
    assert copied.cka == pytest.approx(itself.cka, abs=1e-6)
    assert itself.cka == pytest.approx(itself.cka.T)


def test_two_without_an_example_in_common_have_no_rows(tmp_path, corpus, caplog):
    examples, before = corpus
    found = found_of(tmp_path, examples, before, {f"x{name}": both for name, both in before.items()})
    assert "no example in common" in caplog.text
    assert summarise({("a", "b"): found}, {}, 0.95) == []


def test_what_is_written_is_read(tmp_path, corpus):
    examples, before = corpus
    found = found_of(tmp_path, examples, before, made_of(before, DEEPER, WIDER))
    found.write(tmp_path / "cka.npz")
    again = LayerCka.read(tmp_path / "cka.npz")
    assert all(np.array_equal(getattr(again, name), getattr(found, name)) for name in LayerCka.__dataclass_fields__)


def test_a_recipe_has_the_mean_of_its_seeds_and_an_interval_over_pages_and_seeds():
    """Two pages of ten words and three seeds, one pair of layers: the variances by hand."""
    draws, left_out = [0.5, 0.6, 0.7], np.array([[0.595], [0.605]])
    seeds = []
    for draw in draws:
        numbers = [np.full((1, 1), value) for value in (draw, draw / 2, 0, 1)]
        seeds.append(LayerCka(*numbers, left_out, np.full(2, 10.0), np.array([4])))
    table = summarise({("start", f"s{i}"): seed for i, seed in enumerate(seeds)}, {"recipe": ["s0", "s1", "s2"]}, 0.95)
    recipe, *others = (dict(zip(LAYER_CKA_FIELDS, row, strict=True)) for row in table)
    assert [row["after"] for row in others] == ["s0", "s1", "s2"]
    assert [recipe[name] for name in ("seeds", "examples", "pages", "words")] == [3, 4, 2, 20]
    assert (recipe["cka"], recipe["cka_debiased"]) == ("0.6000", "0.3000")
    of_pages, of_seeds = 2 * 0.005**2 / 2, 0.1**2 / 3
    half = np.sqrt(stats.t.ppf(0.975, 1) ** 2 * of_pages + stats.t.ppf(0.975, 2) ** 2 * of_seeds)
    assert (recipe["cka_low"], recipe["cka_high"]) == (f"{0.6 - half:.4f}", f"{0.6 + half:.4f}")
