"""The benchmark suite: what it counts, compares and writes, but never a time."""

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from torch.utils.flop_counter import FlopCounterMode

from pairprobe.activations.store import Activations
from pairprobe.data.examples import Example, read_examples
from pairprobe.probing_sets import pairs
from pairprobe.rankings import similarity
from suite import corpus, encoders, extraction, figures, growth, peers, record, roofline, tasks
from suite import ranking as ranking_part
from suite.parts import PARTS
from suite.settings import Settings
from suite.timing import Spread, in_turn, ratio

ROUNDS, SUBTOKENS = 3, 120


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    return corpus.read(Settings(), tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def loaded():
    return encoders.Loaded(encoders.minilm(Path()), "float32")


# Ratios.


def test_a_ratio_is_of_two_times_of_the_same_round():
    """The second round was twice as slow for both: the ratio does not see it."""
    assert ratio([2.0, 4.0, 2.2], [1.0, 2.0, 1.0]) == Spread(2.0, 2.0, 2.2)
    assert Spread(0.834, 0.812, 1234.5).written() == "0.83 (0.81 to 1,234.50)"


def test_each_way_runs_once_a_round_and_another_one_first():
    order = []
    ways = {name: lambda name=name: order.append(name) or len(order) for name in "abc"}
    found = in_turn(ways, 3)
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


def test_every_way_to_multiply_gives_the_product():
    for product in roofline.candidates(_tiny(), "float32"):
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


def _tiny():
    config = transformers.BertConfig(
        vocab_size=9, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=24
    )
    return transformers.BertModel(config, add_pooling_layer=False)


# The data.


def test_copies_are_whole_examples_that_differ(examples, tmp_path):
    few = examples[:5]
    path = corpus.write(tmp_path / "examples.jsonl.gz", list(corpus.repeated(few, 13)))
    found = list(read_examples(str(path)))  # it checks each
    assert found[:5] == few
    assert len({example.example_id for example in found}) == 13
    assert len({example.title for example in found[5:10]} & {example.title for example in few}) == 0
    for i, example in enumerate(found):
        assert sorted(example.question) == sorted(few[i % 5].question)
        assert (example.paragraph, example.answer) == (few[i % 5].paragraph, few[i % 5].answer)


# Peers.


def test_a_words_vector_in_the_loop_is_the_mean_of_its_subtokens():
    hidden = np.arange(12.0, dtype=np.float32).reshape(1, 6, 2)
    found = peers.pooled(hidden, np.array([-1, 0, 0, 2, -1, 3]), 4)
    np.testing.assert_array_equal(found, [[[3, 4], [np.nan, np.nan], [6, 7], [10, 11]]])


def test_vectors_that_differ_from_the_loops_end_the_benchmark(examples, loaded, tmp_path, monkeypatch):
    ways = extraction._Ways(loaded.folder, "float32", examples[:3], tmp_path)
    assert ways.check() <= extraction.TOLERANCE["float32"]
    loop = peers.one_by_one
    monkeypatch.setattr(peers, "one_by_one", lambda *args: ((name, found * 1.001) for name, found in loop(*args)))
    with pytest.raises(extraction.InputError, match="from the loop's"):
        ways.check()


def test_sorted_batches_give_what_the_loop_gives(examples, loaded):
    model = encoders.plain(loaded.folder, "float32")
    alone = dict(peers.one_by_one(model, loaded.tokenizer, examples[:6]))
    together = dict(peers.in_batches(model, loaded.tokenizer, examples[:6], 4))
    assert alone.keys() == together.keys()
    for name, vectors in alone.items():
        np.testing.assert_allclose(together[name], vectors, atol=1e-5)


def test_the_bare_pass_repeats_every_forward_pass_of_the_extraction(examples, loaded, tmp_path, monkeypatch):
    seen = []
    plain = extraction.extraction.hidden_states

    def counted(model, encodings, *rest):
        seen.append(sorted(tuple(each.input_ids) for each in encodings))
        return plain(model, encodings, *rest)

    monkeypatch.setattr(extraction.extraction, "hidden_states", counted)
    replay = extraction._Ways(loaded.folder, "float32", examples[:5], tmp_path)._replay()
    extracted = sorted(seen)
    seen.clear()
    replay()
    assert sorted(seen) == extracted != []


def test_neurox_gives_the_vectors_of_its_text(loaded, tmp_path):
    """Where it is installed: make bench does that."""
    pytest.importorskip("neurox")
    import h5py

    example = Example("1", "t", ["who", "was", "it"], ["Unbelievable", "pelicans", "swam"], None, [(0, 3)])
    sentences = peers.write_sentences(tmp_path / "sentences.txt", [example])
    model = encoders.plain(loaded.folder, "float32")
    peers.NeuroX(model, loaded.tokenizer).extract(sentences, tmp_path / "neurox.hdf5")
    encoded = loaded.tokenizer(example.question + example.paragraph, is_split_into_words=True, return_tensors="pt")
    with torch.inference_mode():
        layers = torch.cat(model(**encoded, output_hidden_states=True).hidden_states).numpy()
    word_of = np.array([-1 if word is None else word for word in encoded.word_ids(0)])
    with h5py.File(tmp_path / "neurox.hdf5") as file:
        np.testing.assert_allclose(file["0"][:], peers.pooled(layers, word_of, 6), atol=1e-5)


def test_extraction_is_measured_in_every_way_and_told(tmp_path, monkeypatch):
    label, folder_of, *_ = extraction.ENCODERS["minilm"]
    monkeypatch.setitem(extraction.ENCODERS, "minilm", (label, folder_of, 4, 4))
    monkeypatch.setattr(roofline, "SURVEY", 1e-4)
    monkeypatch.setattr(roofline, "ROUND", 1e-4)
    found = json.loads(json.dumps(extraction.measure("minilm", Settings(rounds=1, neurox=tmp_path))))
    ways = (extraction.OURS, extraction.BARE, extraction.SORTED, extraction.LOOP, extraction.PRODUCTS)
    wanted = {f"{way} {precision}" for way in ways for precision in encoders.PRECISIONS}
    assert set(found["measured"]) - {extraction.NEUROX} == wanted
    assert all(len(values) == 1 for values in found["measured"].values())
    assert found["examples"] == 4
    assert len([line for line in extraction.tell(found) if line.startswith("| **pairprobe**")]) == 2


# Ranking.


def test_the_loop_over_words_counts_what_the_library_counts(examples, loaded, tmp_path):
    file = corpus.write(tmp_path / "examples.jsonl.gz", examples[:25])
    store = tmp_path / "store.h5"
    loaded.extract(file, store)
    sets = tasks.build_sets(file, tmp_path)
    rankings, counts = tasks.rank_all(file, sets, store, tmp_path), ranking_part.loop(file, sets, store)
    assert set(rankings) == {"synonyms", "abbreviation", "coreference", "answer_type"}
    assert ranking_part.check(rankings, counts) <= 0.05
    assert sum(len(list(pairs.read_probing_set(str(path)))) for path in sets.values()) > 10
    key = max(counts, key=counts.get)
    with pytest.raises(ranking_part.InputError, match="points from that of the loop"):
        ranking_part.check(rankings, {**counts, key: counts[key] + 5})
    with Activations([str(store)]) as activations:
        layers = activations.layers
    assert {layer for *_, layer in counts} == set(range(layers))
    assert {measure for _, _, measure, _ in counts} == set(similarity.MEASURES)


# What is written.


def _extraction(neurox=True):
    ways = [extraction.OURS, extraction.BARE, extraction.SORTED, extraction.LOOP]
    measured = {f"{way} {p}": [1.0 + i] * ROUNDS for p in encoders.PRECISIONS for i, way in enumerate(ways)}
    measured |= {f"{extraction.PRODUCTS} {precision}": [2e9, 2e9, 4e9] for precision in encoders.PRECISIONS}
    measured |= {extraction.NEUROX: [3.0] * ROUNDS} if neurox else {}
    return {
        "encoder": "Small (1 layer)", "examples": 3, "subtokens": SUBTOKENS, "words": 100, "threads": 2, "flops": 1e9,
        "checked": dict.fromkeys(encoders.PRECISIONS, 1e-6), "gemm": dict.fromkeys(encoders.PRECISIONS, "torch.mm"),
        "measured": measured, **({} if neurox else {"neurox": "not installed"}),
    }  # fmt: skip


def test_a_share_of_the_roofline_is_its_time_by_the_ways():
    """1e9 operations at 2e9 a second take half a second, of which one that takes a second is half."""
    shares = extraction.shares(_extraction(), "float32")
    assert shares[extraction.OURS] == Spread(0.5, 0.25, 0.5)
    assert shares[extraction.NEUROX].median == pytest.approx(0.5 / 3)
    told = "\n".join(extraction.tell(_extraction()))
    assert "pairprobe reaches 0.50 (0.25 to 0.50) of the roofline; its speed is 3.00 (3.00 to 3.00) times NeuroX" in told


def test_without_neurox_there_is_no_row_and_a_line_that_says_so():
    told = "\n".join(extraction.tell(_extraction(neurox=False)))
    assert "NeuroX was not installed: no row." in told
    assert "times NeuroX" not in told
    assert figures.extraction_figure([_extraction(neurox=False)]).get_axes()


def _growth():
    def found(exponent):
        return {str(n): [{"seconds": float(n) ** exponent, "before": 1, "peak": 2**20 * (10 + n)}] for n in (1, 2, 4, 8)}

    return {"base": 5, "steps": {"extraction": found(1), "building": found(1), "ranking": found(2), "heads": found(0.5)}}


def test_growth_is_told_by_the_power_of_the_data():
    assert [growth.exponent(_growth(), step) for step in growth.LABELS] == pytest.approx([1, 1, 2, 0.5])
    assert growth.peak(_growth(), "ranking", "8") == 18
    assert any("power 2.00" in line for line in growth.tell(_growth()))
    assert len(figures.growth_figure(_growth()).get_axes()) == 2


def test_results_are_written_between_the_marks_and_can_be_written_again():
    settings = Settings(rounds=ROUNDS)
    measured = {"extraction-minilm": record.of(_extraction(), settings), "growth": record.of(_growth(), settings)}
    measured = json.loads(json.dumps(measured))  # as it is read back
    text = f"before\n{record.BEGIN}\nold\n{record.END}\nafter\n"
    once = record.written(text, measured)
    assert record.written(once, measured) == once
    assert once.startswith("before\n")
    assert once.endswith("\nafter\n")
    assert "old" not in once
    assert set(re.findall(r"^## (.*)$", once, re.MULTILINE)) == {PARTS[name].title for name in measured}
    assert "growth.svg" in once


def test_a_part_takes_the_place_of_what_was_measured_of_it_before(tmp_path):
    path = tmp_path / "bench.json"
    for name, found in (("growth", 1), ("extraction-minilm", 2), ("growth", 3)):
        record.save(path, name, {"found": found})
    measured = json.loads(path.read_text())
    assert list(measured) == ["extraction-minilm", "growth"]  # in the order of the suite
    assert measured["growth"] == {"found": 3}


@pytest.mark.skipif(not record.MEASURED.is_file(), reason="nothing was measured yet")
def test_the_page_is_what_the_measured_numbers_give():
    """It is written by `make bench WRITE=1`."""
    measured, text = json.loads(record.MEASURED.read_text(encoding="utf-8")), record.README.read_text(encoding="utf-8")
    assert record.written(text, measured) == text
    for part in measured.values():
        assert not part["quick"]
        assert re.fullmatch("[0-9a-f]{40}", part["library"]["commit"])
    assert all(math.isfinite(n) for n in measured["extraction-minilm"]["found"]["checked"].values())
