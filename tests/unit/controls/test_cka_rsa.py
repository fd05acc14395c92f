"""CKA and RSA of two checkpoints: against the n x n matrices that define them, and whatever order the words come in."""

import numpy as np
import pytest
from samples import write_store
from scipy import stats

from pairprobe.activations.store import Activations
from pairprobe.controls import cka_rsa
from pairprobe.controls.cka_rsa import REPRESENTATION_FIELDS, Moments, Resampling, compare, resampled_cka, rsa, subsample
from pairprobe.data.examples import Example
from pairprobe.evidence.resampling import Sums, bootstrap

LAYERS, WIDTH, OTHER_WIDTH = 2, 5, 8


def moments_of(x, y, cuts=()):
    """Add words, (layers, words, hidden), in parts."""
    found = Moments(x, y)
    for one, other in zip(np.split(x, cuts, axis=1), np.split(y, cuts, axis=1), strict=True):
        found.add(one, other)
    return found


def spaces(seed=0, words=40, layers=LAYERS):
    """Draw two spaces of different widths with means far from 0; half of the second follows from the first."""
    dice = np.random.default_rng(seed)
    x = dice.normal(size=(layers, words, WIDTH)) + 5
    y = dice.normal(size=(layers, words, OTHER_WIDTH)) - 3
    y[..., :4] = x @ dice.normal(size=(WIDTH, 4))
    return x, y


# By their definitions, of one layer: (words, hidden).


def gram_cka(x, y):
    centring = np.eye(len(x)) - 1 / len(x)
    k, m = (centring @ space @ space.T @ centring for space in (x, y))
    return np.trace(k @ m) / np.sqrt(np.trace(k @ k) * np.trace(m @ m))


def gram_hsic_1(x, y):
    """Song et al. (2012), equation 5, in its own terms."""
    n, ones = len(x), np.ones(len(x))
    k, m = (space @ space.T - np.diag(np.square(space).sum(1)) for space in (x, y))
    sums = ones @ k @ ones * (ones @ m @ ones) / ((n - 1) * (n - 2)) - 2 / (n - 2) * (ones @ k @ m @ ones)
    return (np.trace(k @ m) + sums) / (n * (n - 3))


def gram_debiased(x, y):
    return gram_hsic_1(x, y) / np.sqrt(gram_hsic_1(x, x) * gram_hsic_1(y, y))


@pytest.mark.parametrize("cuts", [(), (1, 20), (7, 8, 39)])
def test_cka_in_parts_is_that_of_the_gram_matrices(cuts):
    x, y = spaces()
    found = moments_of(x, y, cuts)
    assert found.cka() == pytest.approx([gram_cka(*layer) for layer in zip(x, y, strict=True)], abs=1e-12)
    assert found.cka_debiased() == pytest.approx([gram_debiased(*layer) for layer in zip(x, y, strict=True)], abs=1e-12)


def test_a_space_is_like_itself_turned_and_scaled_and_moved():
    x, _ = spaces(1)
    turn, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(WIDTH, WIDTH)))
    for other in (x, 3 * x, x @ turn, 0.1 * x @ turn - 7):
        assert moments_of(x, other).cka() == pytest.approx(np.ones(LAYERS))
        assert moments_of(x, other).cka_debiased() == pytest.approx(np.ones(LAYERS))


def test_neither_a_rotation_nor_the_scale_of_one_space_matters_but_another_linear_map_does():
    x, y = spaces(3)
    dice = np.random.default_rng(4)
    turn, _ = np.linalg.qr(dice.normal(size=(OTHER_WIDTH, OTHER_WIDTH)))
    before = moments_of(x, y).cka()
    assert moments_of(x, 0.5 * y @ turn + 1).cka() == pytest.approx(before)
    assert np.abs(moments_of(x, y @ dice.normal(size=(OTHER_WIDTH, OTHER_WIDTH))).cka() - before).min() > 0.01


def test_of_independent_words_the_debiased_estimate_is_near_zero_and_the_plain_one_is_not():
    dice = np.random.default_rng(5)
    x, y = dice.normal(size=(50, 40, 30)), dice.normal(size=(50, 40, 30))
    found = moments_of(x, y)
    assert found.cka().min() > 0.3
    # Fifty draws: the mean of what has no bias.
    assert abs(found.cka_debiased().mean()) < 0.01
    assert found.cka_debiased().min() < 0 < found.cka_debiased().max()


def test_means_a_thousand_times_the_spread_lose_no_digits():
    x, y = spaces(6)
    assert moments_of(x + 1e4, y - 1e4).cka() == pytest.approx(moments_of(x, y).cka(), abs=1e-9)
    assert moments_of(x + 1e4, y - 1e4).cka_debiased() == pytest.approx(moments_of(x, y).cka_debiased(), abs=1e-9)


def test_a_space_without_variance_has_no_cka():
    x, y = spaces(7)
    assert np.isnan(moments_of(x * 0, y).cka()).all()
    assert np.isnan(moments_of(x[:, :3], y[:, :3]).cka_debiased()).all()


def paged(pages=40, seed=8):
    """Draw pages of words that have something in common; returns x, y and the page of each word."""
    dice = np.random.default_rng(seed)
    page = np.repeat(np.arange(pages), dice.integers(20, 60, pages))
    x = dice.normal(size=(LAYERS, len(page), WIDTH)) + dice.normal(size=(LAYERS, pages, WIDTH))[:, page]
    strength = dice.uniform(0, 2, pages)[page, None]
    y = dice.normal(size=(LAYERS, len(page), WIDTH)) + strength * (x @ dice.normal(size=(WIDTH, WIDTH)))
    return x, y, page


def shares_of(x, y, page):
    shares = moments_of(x, y).shares(x, y)
    return {pair: np.array([share[page == i].sum(0) for i in range(page.max() + 1)]) for pair, share in shares.items()}


def test_what_pages_give_is_the_whole():
    x, y, page = paged()
    shares = shares_of(x, y, page)
    for pair, whole in moments_of(x, y).dependence().items():
        assert shares[pair].sum(0) == pytest.approx(whole)


def test_the_bootstrap_of_cka_goes_by_the_words_of_the_pages_that_are_drawn():
    x, y, page = paged()
    found = resampled_cka(shares_of(x, y, page), 2000, seed=9)
    assert found.estimate == pytest.approx(moments_of(x, y).cka())
    without = np.array([moments_of(x[:, page != i], y[:, page != i]).cka() for i in range(page.max() + 1)])
    moved, wanted = found.left_out - found.estimate, without - found.estimate
    assert np.corrcoef(moved.ravel(), wanted.ravel())[0, 1] > 0.99
    assert np.abs(moved - wanted).max() < 0.15 * np.abs(wanted).max()
    # Drawn again in full: the words of pages, some of them twice.
    dice, drawn = np.random.default_rng(10), []
    for _ in range(300):
        words = np.concatenate([np.flatnonzero(page == i) for i in dice.integers(0, page.max() + 1, page.max() + 1)])
        drawn.append(moments_of(x[:, words], y[:, words]).cka())
    assert found.replicates.std(0) == pytest.approx(np.std(drawn, axis=0), rel=0.15)
    low, high = found.interval().T
    assert ((low < found.estimate) & (found.estimate < high)).all()


def test_rsa_is_the_correlation_of_cosines_by_scipy():
    x, y = spaces(11, words=9)
    for layer, value in enumerate(rsa(x, y)):
        cosines = [
            [1 - _distance(space[layer, i], space[layer, j]) for i in range(9) for j in range(i + 1, 9)] for space in (x, y)
        ]
        assert value == pytest.approx(stats.pearsonr(*cosines).statistic)


def _distance(one, other):
    return 1 - one @ other / np.sqrt(one @ one) / np.sqrt(other @ other)


def test_rsa_of_a_space_turned_and_scaled_is_one_and_of_two_words_none():
    x, _ = spaces(12, words=6)
    turn, _ = np.linalg.qr(np.random.default_rng(13).normal(size=(WIDTH, WIDTH)))
    assert rsa(x, 2 * x @ turn) == pytest.approx(np.ones(LAYERS))
    assert np.isnan(rsa(x[:, :2], x[:, :2])).all()
    # Cosines that are all equal say nothing.
    assert np.isnan(rsa(x, np.tile(np.eye(6), (LAYERS, 1, 1)))).all()


def test_of_a_long_text_the_same_words_are_drawn_for_its_name_and_seed():
    assert subsample("a", 512, 1).tolist() == list(range(512))
    one = subsample("a", 2000, 1)
    assert len(set(one.tolist())) == 512
    assert (np.diff(one) > 0).all()
    assert one.tolist() == subsample("a", 2000, 1).tolist()
    assert one.tolist() != subsample("b", 2000, 1).tolist()
    assert one.tolist() != subsample("a", 2000, 2).tolist()


# Whole comparisons, of stores.


def example(name, page):
    return Example(name, page, ["what"], ["a", "b", "c"], None, [(0, 3)])


@pytest.fixture
def corpus(monkeypatch):
    """Make 24 examples on 6 pages, and their vectors under two checkpoints: ``(question, paragraph)`` of each."""
    monkeypatch.setattr(cka_rsa, "CHUNK_SIZE", 30)
    dice = np.random.default_rng(14)
    examples = [example(f"e{i:02}", f"Page {i % 6}") for i in range(24)]
    lengths = {e.example_id: dice.integers(2, 12, 2) for e in examples}
    before = {name: [dice.normal(size=(LAYERS, n, WIDTH)) for n in both] for name, both in lengths.items()}
    turn = dice.normal(size=(WIDTH, OTHER_WIDTH))
    after = {
        name: [words @ turn + dice.normal(size=(LAYERS, words.shape[1], OTHER_WIDTH)) for words in both]
        for name, both in before.items()
    }
    return examples, before, after


def compared(folder, examples, before, after, shards=1, seed=13):
    """Write the stores, in shards, and compare; returns the rows by column."""
    folder.mkdir(exist_ok=True)
    opened = []
    for checkpoint, vectors in (("before", before), ("after", after)):
        names = list(vectors)
        parts = [{name: vectors[name] for name in names[i::shards]} for i in range(shards)]
        opened.append(Activations([write_store(folder / f"{checkpoint}-{i}.h5", part) for i, part in enumerate(parts)]))
    with opened[0] as one, opened[1] as other:
        return [
            dict(zip(REPRESENTATION_FIELDS[2:], row, strict=True))
            for row in compare(examples, one, other, Resampling(seed, 500))
        ]


def test_a_comparison_is_of_the_words_of_all_texts(tmp_path, corpus):
    examples, before, after = corpus
    rows = compared(tmp_path / "a", examples, before, after)
    x, y = (np.concatenate([np.concatenate(v[e.example_id], 1) for e in examples], 1).astype("f") for v in (before, after))
    texts = [[np.concatenate(v[e.example_id], 1).astype("f") for v in (before, after)] for e in examples]
    assert [row["layer"] for row in rows] == list(range(LAYERS))
    for layer, row in enumerate(rows):
        assert (row["examples"], row["pages"], row["words"]) == (24, 6, x.shape[1])
        assert float(row["cka"]) == pytest.approx(gram_cka(x[layer], y[layer]), abs=1e-4)
        assert float(row["cka_debiased"]) == pytest.approx(gram_debiased(x[layer], y[layer]), abs=1e-4)
        assert float(row["rsa"]) == pytest.approx(np.mean([rsa(*text)[layer] for text in texts]), abs=1e-4)
        for value in ("cka", "rsa"):
            assert float(row[f"{value}_low"]) < float(row[value]) < float(row[f"{value}_high"])


def test_the_interval_of_rsa_resamples_pages(tmp_path, corpus):
    examples, before, after = corpus
    rows = compared(tmp_path / "a", examples, before, after)
    values = {e.example_id: rsa(*(np.concatenate(v[e.example_id], 1) for v in (before, after))) for e in examples}
    pages = sorted({e.title for e in examples})
    total = np.array([sum(values[e.example_id] for e in examples if e.title == page) for page in pages])
    (wanted,) = bootstrap([Sums(total, np.full((6, LAYERS), 4.0))], 500, 13)
    found = np.array([[float(row["rsa_low"]), float(row["rsa_high"])] for row in rows])
    assert found == pytest.approx(wanted.interval() / 100, abs=1e-4)


def test_the_order_of_examples_and_the_shards_change_nothing(tmp_path, corpus):
    examples, before, after = corpus
    rows = compared(tmp_path / "a", examples, before, after)
    assert compared(tmp_path / "b", examples[::-1], before, dict(reversed(after.items()))) == rows
    assert compared(tmp_path / "c", examples[::2] + examples[1::2], before, after, shards=3) == rows


def test_words_and_texts_that_one_checkpoint_lacks_are_left_out_of_both(tmp_path, corpus):
    examples, before, after = corpus
    fewer = {name: both for name, both in after.items() if name != "e03"}
    assert [row["examples"] for row in compared(tmp_path / "a", examples, before, fewer)] == [23] * LAYERS
    words = compared(tmp_path / "b", examples, before, after)[0]["words"]
    before["e00"][0][:, 0] = np.nan
    after["e00"][0][:, 1] = np.nan
    rows = compared(tmp_path / "c", examples, before, after)
    assert {row["words"] for row in rows} == {words - 2}
    assert all(np.isfinite(float(row[value])) for row in rows for value in ("cka", "rsa", "cka_low", "rsa_high"))


def test_checkpoints_of_other_depth_or_other_texts_are_not_compared(tmp_path, corpus, caplog):
    examples, before, after = corpus
    deeper = {name: [np.concatenate([part, part[:1]]) for part in both] for name, both in after.items()}
    assert compared(tmp_path / "a", examples, before, deeper) == []
    assert "2 layers and 3" in caplog.text
    assert compared(tmp_path / "b", examples, before, {f"x{name}": both for name, both in after.items()}) == []
    assert "no example in common" in caplog.text
