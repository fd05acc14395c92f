import logging
import os
import random
import re
import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from trainings import (
    MAX_LENGTH,
    RATES,
    SEED,
    SETTINGS,
    STRIDE,
    TRAININGS,
    apart,
    built,
    made,
    page,
    run,
    same,
    steps,
    weights,
    write_pages,
)
from transformers import BertForQuestionAnswering, BertForSequenceClassification, BertModel

from pairprobe.checkpoints import fetching, inspection, loading
from pairprobe.data.documents import Annotation, Document
from pairprobe.data.pages import Marked, Page, page_of
from pairprobe.errors import InputError
from pairprobe.evaluation import answering, squad_metric
from pairprobe.evaluation.predictions import read_predictions, write_predictions
from pairprobe.finetuning import features as feature_files
from pairprobe.finetuning import joint_model, trainer, training
from pairprobe.finetuning.answer_heads import head_of
from pairprobe.finetuning.windows import LONG, NO, SHORT, YES
from pairprobe.io import files, tsv

# The fixture that is an uninterrupted training of each kind.
FIXTURES = {"finetune": "tuned", "train_answer_heads": "heads", "train_early_exits": "exits"}

# --- What comes out -------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_result_is_a_checkpoint_that_can_be_verified_and_fetched(tuned, tmp_path):
    inspection.verify(tuned)
    fetching.fetch({"source": "path", "path": str(tuned)}, str(tmp_path / "target"))
    assert loading.load_encoder(tmp_path / "target").config.num_hidden_layers == 2


def test_the_result_keeps_the_tokenizer(tuned, tiny):
    words = ["Zürich", "antidisestablishmentarianism", "3.14", "東京"]
    ids = [loading.load_tokenizer(f)(words, is_split_into_words=True)["input_ids"] for f in (tuned, tiny)]
    assert ids[0] == ids[1]


def test_the_whole_encoder_is_trained_and_its_heads(tuned, tiny):
    before, after = weights(Path(tiny)), weights(tuned)
    changed = {key for key, tensor in before.items() if not torch.equal(tensor, after.get(f"bert.{key}", tensor))}
    assert changed == {key for key in before if "pooler" not in key and "position_ids" not in key}
    drawn, _ = joint_model.initial(tiny, SEED)
    new = drawn.head_state()
    assert set(new) == {key for key in after if not key.startswith("bert.")}
    assert set(new) == {f"{name}.{part}" for name in ("qa_outputs", "answer_type") for part in ("weight", "bias")}
    assert not any(torch.equal(new[key], after[key]) for key in new)


@pytest.mark.parametrize("how", TRAININGS)
def test_only_the_result_and_the_history_are_left(request, how):
    out = request.getfixturevalue(FIXTURES[how])
    assert {path.name for path in out.parent.iterdir()} == {"result", "result.tsv"}
    assert not out.is_dir() or not [*out.glob("*.bin"), *out.glob("*.pt")]


@pytest.mark.parametrize("how", TRAININGS)
def test_the_history_has_each_step_and_the_rate_rises_and_falls(request, features, how):
    out = request.getfixturevalue(FIXTURES[how])
    rows = tsv.read_tsv(f"{out}.tsv", training.HISTORY_FIELDS)
    number = steps(features)
    assert [int(row["step"]) for row in rows] == list(range(1, number + 1))
    assert float(rows[-1]["epoch"]) == SETTINGS["epochs"]
    rates = [float(row["learning_rate"]) for row in rows]
    peak = rates.index(max(rates))
    assert peak == round(SETTINGS["warmup"] * number)
    assert max(rates) == RATES[how]
    assert rates == sorted(rates[: peak + 1]) + sorted(rates[peak + 1 :], reverse=True)


@pytest.mark.slow
def test_a_long_training_logs_its_loss_now_and_then(tiny, features, tmp_path, monkeypatch, tuned):
    monkeypatch.setattr(trainer, "_MOST_LOSSES", 5)
    rows = tsv.read_tsv(f"{run(tiny, features, tmp_path / 'a')}.tsv")
    each = [float(row["loss"]) for row in tsv.read_tsv(f"{tuned}.tsv")]
    every = -(-len(each) // 5)
    assert [int(row["step"]) for row in rows] == list(range(every, len(each) + 1, every))
    for row in rows:
        last = int(row["step"])
        assert float(row["loss"]) == pytest.approx(sum(each[last - every : last]) / every, abs=1e-5)


def test_the_losses_are_in_the_log(tiny, features, tmp_path, caplog):
    caplog.set_level(logging.INFO, logger="pairprobe")
    out = run(tiny, features, tmp_path / "a", epochs=1, save_steps=1000)
    logged = re.findall(r"step (\d+) of \d+: loss ([\d.]+)", caplog.text)
    rows = tsv.read_tsv(f"{out}.tsv")
    assert [(step, float(loss)) for step, loss in logged] == [
        (row["step"], pytest.approx(float(row["loss"]), abs=1e-4)) for row in rows
    ]


# --- What the weights depend on -------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_same_seed_gives_the_same_weights_to_the_bit(tuned, tiny, features, tmp_path):
    assert same(run(tiny, features, tmp_path / "a"), tuned)


@pytest.mark.slow
def test_another_seed_gives_other_weights(tuned, tiny, features, tmp_path):
    assert apart(run(tiny, features, tmp_path / "a", seed=SEED + 1), tuned) > 1e-4


@pytest.mark.slow
def test_saving_on_the_way_changes_no_weight(tuned, tiny, features, tmp_path):
    assert same(run(tiny, features, tmp_path / "a", save_steps=1000), tuned)


@pytest.mark.slow
def test_the_number_of_files_of_features_changes_no_weight(tuned, tiny, pages, tmp_path):
    assert same(run(tiny, built(tiny, pages, tmp_path, shards=5), tmp_path / "a"), tuned)


@pytest.fixture(scope="module")
def steady(tmp_path_factory):
    """A checkpoint without dropout, and features of 24 windows."""
    folder = tmp_path_factory.mktemp("steady")
    start = made(folder / "start", dropout=0.0)
    features = built(start, [page(3 * i) for i in range(24)], folder)
    assert len(feature_files.Features(features)) == 24
    return start, features


@pytest.fixture(scope="module")
def at_once(steady, tmp_path_factory):
    """Trained with batches of eight windows at once."""
    out = tmp_path_factory.mktemp("at_once") / "result"
    return run(*steady, out, batch_size=8, device_batch_size=None)


@pytest.mark.slow
@pytest.mark.parametrize("device_batch_size", [2, 4])
def test_a_batch_in_parts_trains_as_the_batch_at_once(steady, at_once, tmp_path, device_batch_size):
    out = run(*steady, tmp_path / "a", batch_size=8, device_batch_size=device_batch_size)
    assert apart(out, at_once) < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize(("batch_size", "device_batch_size"), [(8, None), (8, 2), (8, 3), (10, 4), (4, 16), (7, 2)])
def test_a_step_has_as_many_windows_as_the_batch_size_says(steady, tmp_path, monkeypatch, batch_size, device_batch_size):
    batches, steps = [], []
    collate, on_step_end = trainer._Collator.__call__, trainer._ProgressCallback.on_step_end
    monkeypatch.setattr(
        trainer._Collator, "__call__", lambda self, items: batches.append(len(items)) or collate(self, items)
    )
    monkeypatch.setattr(
        trainer._ProgressCallback, "on_step_end", lambda *args, **kwargs: steps.append(1) or on_step_end(*args, **kwargs)
    )
    run(*steady, tmp_path / "a", epochs=1, batch_size=batch_size, device_batch_size=device_batch_size, save_steps=1000)
    assert sum(batches) == 24
    assert max(batches) <= (device_batch_size or batch_size)
    assert len(steps) == -(-24 // batch_size)


@pytest.mark.slow
def test_windows_of_like_length_share_a_batch_and_epochs_differ(tiny, features, tmp_path, monkeypatch):
    batches, collate = [], trainer._Collator.__call__

    def spy(self, items):
        batches.append([(i, len(window["input_ids"])) for i, window in items])
        return collate(self, items)

    monkeypatch.setattr(trainer._Collator, "__call__", spy)
    run(tiny, features, tmp_path / "a", save_steps=1000, device_batch_size=None)
    size = len(feature_files.Features(features))
    an_epoch = -(-size // SETTINGS["batch_size"])
    epochs = [[i for batch in batches[k : k + an_epoch] for i, _ in batch] for k in range(0, len(batches), an_epoch)]
    assert [sorted(epoch) for epoch in epochs] == [list(range(size))] * SETTINGS["epochs"]
    assert len(set(map(tuple, epochs))) == SETTINGS["epochs"]
    for k in range(0, len(batches), an_epoch):
        steps = [[length for _, length in batch] for batch in batches[k : k + an_epoch]]
        in_order = [length for step in sorted(steps, key=lambda step: (-step[0], -step[-1])) for length in step]
        assert in_order == sorted(in_order, reverse=True)


@pytest.mark.slow
def test_the_number_of_threads_is_the_setting_s(tiny, features, tmp_path):
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        run(tiny, features, tmp_path / "a", epochs=1, save_steps=1000)
        assert torch.get_num_threads() == SETTINGS["threads"]
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(("cores", "threads", "kept"), [(1, 2, 1), (2, 4, 2), (2, 2, None), (4, 2, None), (None, 2, None)])
def test_more_threads_than_cores_share_the_cores(monkeypatch, cores, threads, kept):
    asked = []
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {4, 5, 6, 7})
    monkeypatch.setattr(os, "sched_setaffinity", lambda process, cpus: asked.append(cpus))
    training._limit_cores(cores, threads)
    assert asked == ([[4, 5, 6, 7][:kept]] if kept else [])


# --- Heads alone ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_heads_train_while_the_encoder_stays(tiny, features, heads, tmp_path, monkeypatch):
    trained, save = [], joint_model.save_heads
    monkeypatch.setattr(joint_model, "save_heads", lambda model, *args: trained.append(model) or save(model, *args))
    assert same(run(tiny, features, tmp_path / "a", how="train_answer_heads"), heads)
    [model] = trained
    before, drawn = weights(Path(tiny)), joint_model.initial(tiny, SEED)[0].head_state()
    encoder = model.model.bert.state_dict()
    assert encoder
    assert all(torch.equal(tensor, before[key]) for key, tensor in encoder.items())
    assert set(weights(heads)) == set(drawn)
    assert not any(torch.equal(tensor, drawn[key]) for key, tensor in weights(heads).items())
    assert head_of(str(heads)) == "trained, encoder frozen"


def batch_of(folder, features):
    """Every window of some features, in one batch."""
    found = feature_files.Features(features)
    collate = joint_model.Collator(loading.load_tokenizer(folder))
    return collate([(window["input_ids"], window["begin"]) for window in found])


def logits(model, batch):
    with torch.inference_mode():
        return model.eval()(**batch)


@pytest.mark.slow
def test_heads_and_checkpoint_give_the_logits_of_the_trained_model(tiny, features, heads, tmp_path, monkeypatch):
    trained, save = [], joint_model.save_heads
    monkeypatch.setattr(joint_model, "save_heads", lambda model, *args: trained.append(model) or save(model, *args))
    run(tiny, features, tmp_path / "a", how="train_answer_heads")
    batch = batch_of(tiny, features)
    found, wanted = logits(joint_model.load(tiny, heads=str(heads)), batch), logits(trained[0], batch)
    assert set(found) == {"start", "end", "answer_type"}
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


@pytest.mark.slow
def test_the_result_gives_the_logits_of_the_trained_model(tiny, features, tuned, tmp_path, monkeypatch):
    trained, whole = [], training._train_and_load
    monkeypatch.setattr(
        training, "_train_and_load", lambda *args, **kwargs: trained.append(whole(*args, **kwargs)) or trained[0]
    )
    run(tiny, features, tmp_path / "a")
    batch = batch_of(tiny, features)
    found, wanted = logits(joint_model.load(tuned), batch), logits(trained[0], batch)
    assert set(found) == {"start", "end", "answer_type"}
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_heads_learn_on_a_frozen_encoder(heads):
    losses = [float(row["loss"]) for row in tsv.read_tsv(f"{heads}.tsv")]
    assert losses[-1] < 0.8 * losses[0]


def nothing_trained(out):
    return tsv.read_tsv(f"{out}.tsv", training.HISTORY_FIELDS) == [] and not Path(f"{out}.work").exists()


@pytest.mark.parametrize("with_features", [True, False])
def test_a_checkpoint_with_a_head_keeps_it_and_gets_no_answer_types(features, tmp_path, with_features):
    start = made(tmp_path / "start", BertForQuestionAnswering)
    out = run(start, features if with_features else [], tmp_path / "a", how="train_answer_heads")
    before = weights(Path(start))
    assert head_of(str(out)) == "its own"
    assert weights(out).keys() == {"qa_outputs.weight", "qa_outputs.bias"}
    assert all(torch.equal(tensor, before[key]) for key, tensor in weights(out).items())
    assert nothing_trained(out)
    model = joint_model.load(start, heads=str(out))
    assert not model.has_answer_types
    batch = batch_of(start, features)
    found, wanted = logits(model, batch), logits(joint_model.load(start), batch)
    assert set(found) == {"start", "end"}
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_without_pages_to_train_on_heads_are_drawn_with_the_seed(tiny, tmp_path, caplog):
    seeds = enumerate((SEED, SEED, SEED + 1))
    outs = [run(tiny, [], tmp_path / f"{i}", how="train_answer_heads", seed=seed) for i, seed in seeds]
    first, again, other = map(weights, outs)
    assert [head_of(str(out)) for out in outs] == ["random, seed 7", "random, seed 7", "random, seed 8"]
    (told, *_) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert told.startswith(f"checkpoint {tiny}: it has no heads")
    assert told.endswith("its answers are those of heads drawn at random")
    # Random heads have nothing to say about types.
    assert first.keys() == {"qa_outputs.weight", "qa_outputs.bias"}
    assert torch.equal(first["qa_outputs.weight"], again["qa_outputs.weight"])
    assert not torch.equal(first["qa_outputs.weight"], other["qa_outputs.weight"])
    assert all(map(nothing_trained, outs))


def test_a_checkpoint_trained_here_keeps_both_heads_in_another_run(tuned, features, tmp_path):
    fetched = tmp_path / "fetched"
    fetching.fetch({"source": "path", "path": str(tuned)}, str(fetched))
    out = run(str(fetched), features, tmp_path / "a", how="train_answer_heads")
    assert head_of(str(out)) == "its own"
    own = weights(tuned)
    assert {key: tensor.tolist() for key, tensor in weights(out).items()} == {
        key: tensor.tolist() for key, tensor in own.items() if not key.startswith("bert.")
    }
    assert nothing_trained(out)
    batch = batch_of(tuned, features)
    wanted = logits(joint_model.load(tuned), batch)
    for found in (logits(joint_model.load(fetched, heads=str(out)), batch), logits(joint_model.load(fetched), batch)):
        assert set(found) == {"start", "end", "answer_type"}
        assert all(torch.equal(found[name], wanted[name]) for name in wanted)


@pytest.mark.slow
def test_training_goes_on_from_the_heads_of_a_checkpoint_that_was_trained_here(tuned, features, tmp_path):
    out = run(str(tuned), features, tmp_path / "a", epochs=1)
    first = float(tsv.read_tsv(f"{out}.tsv")[0]["loss"])
    losses = [float(row["loss"]) for row in tsv.read_tsv(f"{tuned}.tsv")]
    assert first < (losses[0] + losses[-1]) / 2


# --- What goes wrong ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", TRAININGS)
@pytest.mark.parametrize("unanswered", [0.0, 1.0])
def test_features_without_an_answer_are_an_input_error(tiny, tmp_path, how, unanswered):
    pages = [msgspec.structs.replace(page(i), annotations=(Marked(None),)) for i in range(3)]
    features, out = built(tiny, pages, tmp_path, unanswered=unanswered), tmp_path / "out" / "a"
    assert bool(len(feature_files.Features(features))) == bool(unanswered)
    with pytest.raises(InputError, match=r"0of1\.arrow: no window holds an answer"):
        run(tiny, features, out, how=how)
    assert not out.parent.exists()


@pytest.mark.parametrize("how", TRAININGS)
def test_windows_that_are_too_long_are_an_input_error(features, tmp_path, how):
    start, out = made(tmp_path / "start", max_position_embeddings=24), tmp_path / "out" / "a"
    with pytest.raises(InputError, match=r"windows of 32 subtokens .* positions for 24. Set finetuning.max_length to 24"):
        run(start, features, out, work=tmp_path / "work", how=how)
    assert not out.parent.exists()


@pytest.mark.parametrize("how", TRAININGS)
def test_a_loss_that_is_no_number_stops_and_names_step_rate_and_examples(tiny, features, tmp_path, how):
    out, peak = tmp_path / "out" / "a", 1e30 if how == "finetune" else 1e38
    with pytest.raises(InputError) as caught:
        run(tiny, features, out, work=tmp_path / "work", how=how, learning_rate=peak, warmup=0.0)
    said = str(caught.value)
    found = re.match(r"training stopped at step (\d+): the loss is (nan|inf), at a learning rate of ([^,]+), with", said)
    assert found, said
    names = re.search(r"with the examples (.*?)\. Set finetuning\.(\w+) lower", said)
    assert names[2] == ("learning_rate" if how == "finetune" else "head_learning_rate")
    number, rate, names = int(found[1]), float(found[3]), names[1].split(", ")
    assert number == 2
    assert rate == pytest.approx(peak * (1 - 1 / steps(features)), rel=0.01)
    assert 1 <= len(names) <= SETTINGS["device_batch_size"]
    assert set(names) <= {f"d{i}" for i in range(13)}
    assert not out.parent.exists()


def test_the_batch_that_goes_wrong_is_named(tiny, tmp_path):
    # The word of one page has a vector that is no number.
    start = shutil.copytree(tiny, tmp_path / "start")
    words = f"zebra {page(5).text}"
    odd = page_of(Document("d5", "page 5", ["who", "?"], words, (Annotation((0, 3), "P", ((1, 2),)),)))
    pages = [page(3 * i) for i in range(5)] + [odd]
    features = built(start, pages, tmp_path)
    number = loading.load_tokenizer(start).convert_tokens_to_ids("zebra")
    model = BertModel.from_pretrained(start)
    with torch.no_grad():
        model.embeddings.word_embeddings.weight[number] = torch.nan
    model.save_pretrained(start)
    with pytest.raises(InputError) as caught:
        run(str(start), features, tmp_path / "a", device_batch_size=1, save_steps=1000)
    assert "the loss is nan" in str(caught.value)
    assert "with the examples d5." in str(caught.value)
    assert not (tmp_path / "a").exists()


@pytest.mark.slow
@pytest.mark.parametrize("how", TRAININGS)
def test_weights_that_are_no_numbers_after_the_last_step_are_no_result(tiny, features, tmp_path, how):
    out = tmp_path / "out" / "a"
    one_step = {"epochs": 1, "batch_size": 64, "device_batch_size": None, "warmup": 0.0, "learning_rate": 1e39}
    with pytest.raises(InputError, match="infinite"):
        run(tiny, features, out, work=tmp_path / "work", how=how, **one_step)
    assert not out.exists()


# --- Memory ---------------------------------------------------------------------------------------------------------


def run_in_room_for(windows, monkeypatch, after=0):
    """Let steps after so many run out of memory where a device has more windows at once; returns what each had."""
    step, sizes = trainer._Trainer.training_step, []

    def small(self, model, inputs, *others):
        sizes.append(len(inputs["index"]))
        if sizes[-1] > windows and self.state.global_step >= after:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")
        return step(self, model, inputs, *others)

    monkeypatch.setattr(trainer._Trainer, "training_step", small)
    return sizes


@pytest.mark.parametrize("after", [pytest.param(0, marks=pytest.mark.slow), 3])
@pytest.mark.slow
def test_out_of_memory_halves_the_windows_at_once_and_goes_on(steady, at_once, tmp_path, monkeypatch, caplog, after):
    caplog.set_level(logging.WARNING, "pairprobe")
    sizes = run_in_room_for(3, monkeypatch, after)
    out = run(*steady, tmp_path / "out" / "a", batch_size=8, device_batch_size=None)
    assert apart(out, at_once) < 1e-5
    # Steps that were saved are not done again: saved is each second one.
    saved = after // 2 * 2
    assert sizes == [8] * (after + 1) + [4] * 2 * (after - saved) + [4] + [2] * 4 * (6 - saved)
    assert [line.rsplit("; ")[-1] for line in caplog.messages] == ["trying 4", "trying 2"]
    rows = tsv.read_tsv(f"{out}.tsv", training.HISTORY_FIELDS)
    assert [int(row["step"]) for row in rows] == list(range(1, 7))
    assert {path.name for path in out.parent.iterdir()} == {"a", "a.tsv"}


@pytest.mark.slow
def test_out_of_memory_with_one_window_is_an_input_error(steady, tmp_path, monkeypatch):
    run_in_room_for(0, monkeypatch)
    with pytest.raises(InputError, match=r"ran out of memory with one window at a time \(CUDA out of memory"):
        run(*steady, tmp_path / "a", batch_size=2, device_batch_size=None)
    assert not (tmp_path / "a").exists()


# --- It learns ------------------------------------------------------------------------------------------------------


def exact_match(checkpoint, heads, pages, folder, max_length=MAX_LENGTH, stride=STRIDE):
    """Exact match of the answers to the questions of some pages, in percent."""
    documents, gold = write_pages(folder / "asked.jsonl", pages), folder / "gold.jsonl"
    files.write_json_lines(gold, [{"example_id": p.example_id, "answers": p.gold_texts} for p in pages])
    settings = answering.Settings(max_length=max_length, stride=stride, threads=1)
    asked = {p.example_id for p in pages}
    request = answering.Request(documents, asked, str(folder / "found.jsonl"), settings)
    answering.predict(str(checkpoint), heads, request)
    found = read_predictions([str(folder / "found.jsonl")])
    write_predictions(found, str(folder / "official.json"), str(folder / "texts.json"))
    questions, match, _ = squad_metric.scores(str(gold), str(folder / "texts.json"))
    assert questions == sum(bool(p.gold_texts) for p in pages)
    return match


@pytest.mark.slow
def test_the_loss_falls_and_the_answers_are_learnt(tiny, features, pages, tmp_path):
    untrained = run(tiny, [], tmp_path / "untrained", how="train_answer_heads")
    assert exact_match(tiny, str(untrained), pages, tmp_path) == 0
    out = run(tiny, features, tmp_path / "a", epochs=12, save_steps=1000)
    losses = [float(row["loss"]) for row in tsv.read_tsv(f"{out}.tsv")]
    assert sum(losses[-5:]) < sum(losses[:5]) / 2
    assert exact_match(out, None, pages, tmp_path) >= 90


FILLER = "castle hill river tower garden bridge stone summer winter market road field".split()
BODIES = {
    "yes": ("does it stand ?", "indeed it still stands today"),
    "no": ("does it stand ?", "sadly it fell long ago"),
    "long": ("tell me more", "much can be told here"),
    "short": ("who built it ?", "it was built by king henry then"),
}


def marked_page(i):
    """A page of three paragraphs, one of which answers: yes, no, as a whole, or with two of its words."""
    dice, kind = random.Random(i), list(BODIES)[i % 4]
    question, body = BODIES[kind]
    paragraphs = [dice.choices(FILLER, k=dice.randint(3, 5)) for _ in range(3)]
    paragraphs[dice.randrange(3)] = body.split()
    tokens, candidates = [], []
    for words in paragraphs:
        first = len(tokens)
        tokens += ["<P>", *words, "</P>"]
        candidates.append((first, len(tokens), True))
        if words == body.split():
            long_answer = (first, len(tokens))
    short = ((tokens.index("king"), tokens.index("king") + 2),) if kind == "short" else ()
    annotation = Marked(long_answer, short, kind if kind in ("yes", "no") else None)
    return Page(f"m{i}", f"page {i}", question.split(), " ".join(tokens), True, tuple(candidates), (annotation,))


@pytest.mark.slow
def test_short_long_and_yes_no_answers_are_learnt(tiny, tmp_path):
    pages = [marked_page(i) for i in range(40)]
    features = built(tiny, pages, tmp_path, max_length=64, stride=32)
    options = {"epochs": 60, "batch_size": 8, "device_batch_size": None, "save_steps": 1000}
    out = run(tiny, features, tmp_path / "a", **options)
    documents = str(tmp_path / "documents.jsonl.gz")
    settings = answering.Settings(max_length=64, stride=32, max_answer_words=3, threads=1)
    asked = {p.example_id for p in pages}
    request = answering.Request(documents, asked, str(tmp_path / "found.jsonl"), settings)
    answering.predict(str(out), None, request)
    wanted = []
    for i, p in enumerate(pages):
        [annotation] = p.annotations
        whole = annotation.long_answer
        kind = (YES, NO, LONG, SHORT)[i % 4]
        # All but the short answers are pointed at from their first word to their last.
        span = annotation.short_answers[0] if kind == SHORT else (whole[0] + 1, whole[1] - 1)
        wanted.append((p.example_id, kind, whole, span))
    found = read_predictions([str(tmp_path / "found.jsonl")])
    assert [(row.example_id, row.answer_type, row.passage, row.span) for row in found] == wanted
    assert all(row.score > 0 for row in found)


def test_a_process_trains_on_one_device_however_many_there_are(tmp_path, monkeypatch):
    made = trainer.TrainingArguments

    class Several(made):
        """As on a machine with eight GPUs and no torchrun."""

        n_gpu = 8

    monkeypatch.setattr(trainer, "TrainingArguments", Several)
    assert trainer._arguments(str(tmp_path), trainer.Settings(**SETTINGS), 24)._n_gpu == 1


@pytest.mark.parametrize("size", [1, 7, 400, 403, 1000])
def test_an_epoch_has_each_window_once_in_steps_of_like_length_in_no_order_of_length(size):
    lengths = np.random.default_rng(size).integers(20, 500, size)
    sampler = trainer._LengthGroupedSampler(lengths, 4, SEED)
    orders = []
    for epoch in (0, 1):
        sampler.set_epoch(epoch)
        orders.append(list(sampler))
        assert orders[-1] == list(sampler)
        assert sorted(orders[-1]) == list(range(size))
    if size < 400:
        return
    assert orders[0] != orders[1]
    steps = lengths[orders[0][: size - size % 4]].reshape(-1, 4)
    # Within a pool of 50 steps, neighbours by length stand together.
    assert (steps.max(1) - steps.min(1)).mean() < 20
    means = steps.mean(1)
    assert abs(np.corrcoef(np.arange(50), means[:50])[0, 1]) < 0.5


@pytest.mark.slow
@pytest.mark.parametrize("how", ["finetune", "train_answer_heads"])
def test_a_classifier_of_three_labels_is_trained_to_answer(tmp_path, how, features):
    start = made(tmp_path / "start", BertForSequenceClassification, num_labels=3)
    out = run(start, features, tmp_path / "out", how=how, epochs=1)
    assert weights(out)["qa_outputs.weight"].shape == (2, 32)
