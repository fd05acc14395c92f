"""The benchmarks: what they count and compare, but never a time."""

from functools import partial

import numpy as np
import pytest
import torch
import transformers
from torch.utils.flop_counter import FlopCounterMode

import extraction
import ranking
import reading
import roofline
import turns
from pairprobe.activations.store import Activations
from pairprobe.data import natural_questions
from pairprobe.data.examples import Example
from pairprobe.errors import InputError
from pairprobe.io import files
from pairprobe.probing_sets import pairs
from pairprobe.rankings import similarity


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    return turns.read_examples(None, tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def ours():
    return extraction.Ours(extraction.minilm(None), "float32")


@pytest.fixture(scope="module")
def plain(ours):
    return extraction.load_plain(ours.encoder, "float32")


# Ratios.


def test_a_ratio_is_of_two_times_of_the_same_round():
    """The second round was twice as slow for both: the ratio does not see it."""
    assert turns.ratios([2.0, 4.0, 2.2], [1.0, 2.0, 1.0]) == [2.0, 2.0, 2.2]
    assert turns.spread([0.812, 1234.5, 0.834]) == "0.83 (0.81 to 1,234.50)"


def test_each_way_runs_once_a_round_and_another_one_first():
    order = []
    ways = {name: lambda name=name: order.append(name) or len(order) for name in "abc"}
    found = turns.in_turn(ways, 3)
    assert order == list("abcbcacab")
    assert found == {"a": [1, 6, 8], "b": [2, 4, 9], "c": [3, 5, 7]}


# The roofline.


def test_the_products_of_a_forward_pass_are_those_that_torch_counts():
    config = transformers.BertConfig(
        vocab_size=50, hidden_size=32, num_hidden_layers=3, num_attention_heads=4, intermediate_size=48
    )
    model = transformers.BertModel(config, add_pooling_layer=False).eval()
    model.set_attn_implementation("eager")
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        for length in (5, 17):
            model(input_ids=torch.ones(1, length, dtype=torch.long))
    assert roofline.flops(model, (5, 17)) == counter.get_total_flops()


def test_the_products_of_a_training_step_are_those_that_torch_counts():
    model = _tiny(num_hidden_layers=2).train()
    model.set_attn_implementation("eager")
    with FlopCounterMode(display=False) as counter:
        for length in (5, 17):
            model(input_ids=torch.ones(1, length, dtype=torch.long)).last_hidden_state.sum().backward()
    assert roofline.training_flops(model, (5, 17)) == counter.get_total_flops()


def test_the_shapes_of_training_are_those_of_the_layers_and_of_both_gradients():
    """Y = X W^T of a layer from 16 to 24: dX = dY W is from 24 to 16, and dW = dY^T X sums over the rows."""
    found = {(p.kind, p.rows, p.inner, p.columns) for p in roofline.candidates(_tiny(), "float32", training=True)}
    rows = roofline.ROWS[0]
    assert {("linear", rows, 16, 24), ("torch.mm", rows, 24, 16), ("torch.mm, transposed", 24, rows, 16)} < found
    forward = {(p.kind, p.rows, p.inner, p.columns) for p in roofline.candidates(_tiny(), "float32")}
    assert forward < found
    assert not any(kind == "torch.mm, transposed" for kind, *_ in forward)


def test_every_way_to_multiply_gives_the_product():
    for product in roofline.candidates(_tiny(), "float32", training=True):
        torch.manual_seed(1)
        found = product._prepared()()
        torch.manual_seed(1)
        rows, weight = torch.randn(product.rows, product.inner), torch.randn(product.columns, product.inner)
        torch.testing.assert_close(found, rows @ weight.T, msg=str(product))


def test_the_rate_is_of_the_fastest_candidates_on_all_cores(monkeypatch):
    products = roofline.candidates(_tiny(), "float32")
    rates = {product: float(i) for i, product in enumerate(products)}
    monkeypatch.setattr(roofline.Product, "rate", lambda product, _: rates[product])
    assert roofline.best(products) == products[: -1 - roofline.FASTEST : -1]
    assert roofline.rate(products[:2]) == 1


def _tiny(num_hidden_layers=1):
    config = transformers.BertConfig(
        vocab_size=9, hidden_size=16, num_hidden_layers=num_hidden_layers, num_attention_heads=2, intermediate_size=24
    )
    return transformers.BertModel(config, add_pooling_layer=False)


# Extraction.


def test_a_words_vector_in_the_loop_is_the_mean_of_its_subtokens():
    hidden = np.arange(12.0, dtype=np.float32).reshape(1, 6, 2)
    found = extraction.pooled(hidden, np.array([-1, 0, 0, 2, -1, 3]), 4)
    np.testing.assert_array_equal(found, [[[3, 4], [np.nan, np.nan], [6, 7], [10, 11]]])


@pytest.mark.slow
def test_vectors_that_differ_from_the_loops_end_the_benchmark(examples, ours, plain, tmp_path):
    ours(turns.write_examples(tmp_path / "examples.jsonl.gz", examples[:3]), tmp_path / "store.h5")
    check = partial(extraction.check, tmp_path / "store.h5", tolerance=extraction.TOLERANCE["float32"])
    found = list(extraction.batches(plain, ours.tokenizer, examples[:3], 1))
    assert check(found) <= extraction.TOLERANCE["float32"]
    with pytest.raises(InputError, match="from the loop's"):
        check([(name, vectors * 1.001) for name, vectors in found])


@pytest.mark.slow
def test_sorted_batches_give_what_the_loop_gives(examples, ours, plain):
    alone = dict(extraction.batches(plain, ours.tokenizer, examples[:6], 1))
    together = dict(extraction.batches(plain, ours.tokenizer, examples[:6], 4))
    assert alone.keys() == together.keys()
    for name, vectors in alone.items():
        np.testing.assert_allclose(together[name], vectors, atol=1e-5)


@pytest.mark.slow
def test_neurox_gives_the_vectors_of_its_text(ours, plain, tmp_path):
    """Where it is installed: make bench does that."""
    pytest.importorskip("neurox")
    import h5py

    example = Example("1", "t", ["who", "was", "it"], ["Unbelievable", "pelicans", "swam"], None, [(0, 3)])
    extraction.neurox(plain, ours.tokenizer, [example], tmp_path)()
    encoded = ours.tokenizer(example.question + example.paragraph, is_split_into_words=True, return_tensors="pt")
    with torch.inference_mode():
        layers = torch.cat(plain(**encoded, output_hidden_states=True).hidden_states).numpy()
    word_of = np.array([-1 if word is None else word for word in encoded.word_ids(0)])
    with h5py.File(tmp_path / "neurox.hdf5") as file:
        np.testing.assert_allclose(file["0"][:], extraction.pooled(layers, word_of, 6), atol=1e-5)


@pytest.mark.slow
def test_extraction_is_measured_in_every_way_and_told(examples, ours, tmp_path, monkeypatch):
    monkeypatch.setattr(roofline, "SURVEY", 1e-4)
    monkeypatch.setattr(roofline, "ROUND", 1e-4)
    told = extraction.compare(ours.encoder, examples[:4], tmp_path, 1)
    for way in (extraction.OURS, extraction.BATCHES, extraction.LOOP, "roofline: "):
        assert told.count(f"| {way}") == 2


def test_a_share_of_the_roofline_is_its_time_by_the_ways():
    """A limit of half a second, of which a way that takes a second is half."""
    told = extraction.table("float32", 120, "limit", [0.5, 0.5], {extraction.OURS: [1.0, 2.0], "other": [3.0, 6.0]})
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in told.splitlines()[2:]]
    assert cells == [
        ["limit", "240 (240 to 240)", "1", ""],
        [extraction.OURS, "90 (60 to 120)", "0.38 (0.25 to 0.50)", ""],
        ["other", "30 (20 to 40)", "0.12 (0.08 to 0.17)", "3.00 (3.00 to 3.00)"],
    ]


# Ranking and reading.


@pytest.mark.slow
def test_the_loop_over_words_counts_what_the_library_counts(examples, ours, tmp_path):
    file = turns.write_examples(tmp_path / "examples.jsonl.gz", examples[:25])
    store = tmp_path / "store.h5"
    ours(file, store)
    sets = ranking.build_sets(file, tmp_path)
    rankings, counts = ranking.rank(file, sets, store, tmp_path), ranking.loop(file, sets, store)
    assert set(rankings) == {"synonyms", "abbreviation", "coreference", "answer_type"}
    assert ranking.check(rankings, counts) <= 0.05
    assert sum(len(list(pairs.read_probing_set(str(path)))) for path in sets.values()) > 10
    key = max(counts, key=counts.get)
    with pytest.raises(InputError, match="points from that of the loop"):
        ranking.check(rankings, {**counts, key: counts[key] + 5})
    with Activations([str(store)]) as activations:
        layers = activations.layers
    assert {layer for *_, layer in counts} == set(range(layers))
    assert {measure for _, _, measure, _ in counts} == set(similarity.MEASURES)


@pytest.mark.slow
def test_every_second_page_that_is_read_has_an_answer(tmp_path):
    path = tmp_path / "pages.jsonl.gz"
    files.write_json_lines(path, reading.rows(6))
    documents = [document for _, document in natural_questions.read(path)]
    assert [document.selected is not None for document in documents] == [False, True] * 3
    assert reading.read(path) == 3
