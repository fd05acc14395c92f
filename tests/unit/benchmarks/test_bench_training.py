"""The benchmark of training: what it trains on, counts and compares, but never a time."""

from types import SimpleNamespace

import pytest
import torch
from families import tiny_bert

import extraction
import roofline
import training
import trajectory
import turns
from pairprobe.checkpoints import loading
from pairprobe.data import bundled_pages
from pairprobe.errors import InputError
from pairprobe.finetuning import features, joint_model
from pairprobe.io import files
from pairprobe.io.tsv import write_tsv

LENGTH = 48


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    path = tmp_path_factory.mktemp("corpus") / "pages.jsonl.gz"
    files.write_json_lines(path, bundled_pages.render(sorted(turns.PAGES.glob("*.yaml"))[:4]))
    return path


@pytest.fixture(scope="module")
def work(pages, tmp_path_factory):
    encoder = tiny_bert(tmp_path_factory.mktemp("encoder"))
    windows = training.write_windows(pages, encoder, tmp_path_factory.mktemp("windows"), LENGTH, 6)
    return training.Work(encoder, windows, steps=3, batch=2)


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(roofline, "SURVEY", 1e-4)
    monkeypatch.setattr(roofline, "ROUND", 1e-4)


# What trains.


def test_there_are_as_many_windows_as_wanted_and_none_is_longer(work):
    found = features.Features([str(work.windows)])
    assert len(found) == 6
    assert found.lengths.max() == LENGTH
    assert found.has_answer()


def test_fewer_windows_than_wanted_are_refused(pages, work, tmp_path):
    with pytest.raises(InputError, match="wanted 3000"):
        training.write_windows(pages, work.encoder, tmp_path, LENGTH, 3000)


def test_the_peer_trains_on_the_batches_of_the_library(work):
    windows, tokenizer = features.Features([str(work.windows)]), loading.load_tokenizer(work.encoder)
    ours = joint_model.Collator(tokenizer)([(window["input_ids"], window["begin"]) for window in windows])
    theirs = training.transformers.DataCollatorWithPadding(tokenizer)(training.questions(work.windows))
    assert theirs.pop("start_positions").tolist() == [window["start"] for window in windows]
    assert theirs.pop("end_positions").tolist() == [window["end"] for window in windows]
    if "attention_mask" not in ours:  # nothing is padded
        assert theirs.pop("attention_mask").all()
    assert theirs.keys() == ours.keys()
    for name, values in theirs.items():
        torch.testing.assert_close(values, ours[name])


# What is measured.


def steps(number, after=lambda: None):
    """Train by so many steps of an optimizer."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))])
    for _ in range(number):
        optimizer.step()
        after()


def test_what_is_timed_is_the_last_epoch(work, monkeypatch):
    """Each step takes twice as long as the one before: 1, 2, 4, and of the second epoch 8, 16, 32."""
    now, lengths = [0], iter(2**i for i in range(7))

    def way(_):
        now[0] += 1000 + next(lengths)
        steps(6, lambda: now.__setitem__(0, now[0] + next(lengths)))
        now[0] += 1000

    monkeypatch.setattr(training, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    assert training.seconds(way, work) == 8 + 16 + 32


@pytest.mark.parametrize("number", [0, 5, 7])
def test_steps_that_cannot_be_counted_end_the_benchmark(work, number):
    with pytest.raises(InputError, match=f"found {number} steps of PyTorch's optimizers in this process, wanted 6"):
        training.seconds(lambda _: steps(number), work)


@pytest.mark.parametrize(
    ("path", "row"),
    [
        ("aten::linear/aten::addmm", "products of linear layers"),
        ("AddmmBackward0/aten::mm", "products of linear layers"),
        ("mkldnn::_linear_pointwise", "products of linear layers"),
        ("aten::linear/aten::to/aten::_to_copy/aten::copy_", "casts and copies"),
        ("aten::scaled_dot_product_attention/aten::matmul/aten::bmm", "attention: products, softmax"),
        ("aten::_safe_softmax/aten::where", "attention: products, softmax"),
        ("aten::_scaled_dot_product_flash_attention_for_cpu", "attention: products, softmax"),
        ("aten::scaled_dot_product_attention/aten::dropout/aten::bernoulli_", "random numbers of dropout"),
        ("aten::dropout/aten::mul", "elementwise: GELU, layer norm, dropout, sums"),
        ("NativeLayerNormBackward0/aten::native_layer_norm_backward", "elementwise: GELU, layer norm, dropout, sums"),
        ("aten::embedding_dense_backward/aten::zeros/aten::zero_/aten::fill_", "embeddings' gradient"),
        ("aten::_foreach_norm/aten::linalg_vector_norm", "optimizer and clipping"),
        ("Optimizer.step#AdamW.step/aten::_fused_adamw_", "optimizer and clipping"),
        ("enumerate(DataLoader)#_SingleProcessDataLoaderIter.__next__/aten::randperm", "data"),
        ("aten::embedding/aten::index_select", training.REST),
    ],
)
def test_the_row_of_an_operation_is_by_its_name_and_what_it_is_part_of(path, row):
    event = None
    for name in path.split("/"):
        event = SimpleNamespace(name=name, cpu_parent=event)
    assert training.row_of(event) == row


@pytest.mark.slow
@pytest.mark.parametrize("way", training.WAYS.values(), ids=["ours", "peer"])
def test_the_shares_of_a_step_are_of_all_that_training_does(work, way):
    found = training.shares(way, work)
    assert sum(found.values()) == pytest.approx(100)
    assert all(found[row] > 0 for row in ("products of linear layers", "optimizer and clipping", training.REST))


@pytest.mark.slow
@pytest.mark.parametrize("precision", extraction.PRECISIONS)
def test_training_is_measured_in_every_way_and_told(work, precision, quick):
    told = training.compare(training.replace(work, precision=precision), 1)
    for way in (*training.WAYS, "roofline: ", precision):
        assert told.count(f"| {way}") == 1


@pytest.mark.slow
def test_memory_is_told_after_each_epoch(work):
    lines = training.memory(training.replace(work, epochs=4)).splitlines()
    assert [cell.strip() for cell in lines[0].strip("|").split("|")] == [
        "resident memory", "step 0", "step 3", "step 6", "step 9", "step 12",
    ]  # fmt: skip
    assert all(int(cell.replace(",", "")) > 50 for cell in lines[2].strip("|").split("|")[1:])


def test_jobs_for_kept_steps_are_told_from_the_others_of_a_run(tmp_path):
    names = (
        "rank_pairs/a-seed1-point3.synonyms",
        "rank_pairs/a-seed1.synonyms",
        "take_step/a-step50",
        "weigh_trajectories",
    )
    for name in (*names, "predict_answers/a-step50.1of2", "predict_answers/a-stepwise.1of2"):
        write_tsv(tmp_path / "benchmarks" / f"{name}.tsv", ("s", "cpu_time"), [(2, 1.5)])
    found = trajectory.times(tmp_path)
    assert found[True]["jobs"] == {"rank_pairs": 1, "take_step": 1, "weigh_trajectories": 1, "predict_answers": 1}
    assert found[False]["jobs"] == {"rank_pairs": 1, "predict_answers": 1}
    assert found[True]["cpu_time"].total() == 6
