"""Trainings that were killed, or whose surroundings have changed, and are started again."""

import logging
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
from trainings import SEED, SETTINGS, TRAININGS, Forking, apart, built, made, page, run, same, steps, training_of
from transformers import BertForQuestionAnswering, TrainerState

from pairprobe.checkpoints import devices
from pairprobe.errors import InputError
from pairprobe.finetuning import trainer, training
from pairprobe.io import tsv

# --- Killed and started again ---------------------------------------------------------------------------------------

# Where trainings die, how many calls of a save there are at each, drawn once for each of the trainings.
PLACES = ["step", "torch.save", "TrainerState.save_to_json", "shutil.rmtree", "kept_steps.save_file"]
SLOW = pytest.mark.slow
KILLINGS = [("finetune", "step"), *(pytest.param("finetune", place, marks=SLOW) for place in PLACES[1:])]
KILLINGS += [pytest.param("train_answer_heads", "step", marks=SLOW)]


@pytest.fixture(scope="module")
def one_core(tmp_path_factory):
    """Trainings in processes of their own, on one core."""
    forking = Forking(tmp_path_factory.mktemp("one_core") / "errors.txt", cores=1)
    yield forking
    forking.close()


@pytest.mark.slow
@pytest.mark.parametrize(("how", "place"), KILLINGS)
def test_a_run_that_is_killed_anywhere_goes_on_to_the_same_weights_and_history(
    one_core, tiny, features, tmp_path, request, caplog, how, place
):
    dice, last, out = random.Random(f"killings {how} {place}"), steps(features), tmp_path / "a"
    saves = last // SETTINGS["save_steps"]
    # Four files a save are written by torch.save.
    drawn = {"step": (SETTINGS["save_steps"] + 1, last), "torch.save": (5, 4 * saves), "kept_steps.save_file": (1, 1)}
    number = dice.randint(*drawn.get(place, (2, saves)))
    one_core.start(out, training_of(tiny, features, out, how=how), how, place, number)
    assert one_core.end() == -signal.SIGKILL, one_core.errors.read_text()
    assert not out.exists()
    assert not Path(f"{out}.tsv").exists()
    caplog.set_level(logging.INFO, logger="pairprobe")
    run(tiny, features, out, how=how)
    assert "going on from" in caplog.text, number
    assert same(out, request.getfixturevalue({"finetune": "tuned", "train_answer_heads": "heads"}[how])), number
    assert not Path(f"{out}.work").exists()


@pytest.mark.slow
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two cores to compare with one")
@pytest.mark.parametrize("how", TRAININGS)
def test_the_weights_do_not_depend_on_the_number_of_cores(one_core, tiny, tmp_path, how):
    features = built(tiny, [page(i) for i in range(3)], tmp_path)
    settings = {"how": how, "threads": 2, "epochs": 1, "save_steps": 1000}
    one_core.start(tmp_path / "one", training_of(tiny, features, tmp_path / "one", **settings), how)
    assert one_core.end() == 0, one_core.errors.read_text()
    before = torch.get_num_threads()
    try:
        out = run(tiny, features, tmp_path / "two", **settings)
    finally:
        torch.set_num_threads(before)
    assert same(out, tmp_path / "one")


@pytest.mark.slow
def test_two_processes_that_were_killed_go_on_as_one_would(one_core, steady, at_once, tmp_path):
    out = tmp_path / "shared"
    given = training_of(*steady, out, processes=2, batch_size=8, save_steps=4)
    # Within an epoch that is not the first.
    one_core.start(out, given, place="step", number=5)
    assert one_core.end() == -signal.SIGKILL, one_core.errors.read_text()
    one_core.start(out, given)
    assert one_core.end() == 0, one_core.errors.read_text()
    assert apart(out, at_once) < 1e-4
    losses = [[float(row["loss"]) for row in tsv.read_tsv(f"{result}.tsv")] for result in (out, at_once)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)


class KilledError(Exception):
    """Raised in the place of a signal."""


@pytest.fixture
def interrupted(tiny, features, tmp_path, monkeypatch):
    """Start a run that stops at the end of a step; returns where its result would have been."""

    def start(kill_at, **changed):
        on_step_end = trainer._ProgressCallback.on_step_end

        def killed(self, args, state, control, **kwargs):
            on_step_end(self, args, state, control, **kwargs)
            if state.global_step == kill_at:
                raise KilledError

        with monkeypatch.context() as patch:
            patch.setattr(trainer._ProgressCallback, "on_step_end", killed)
            with pytest.raises(KilledError):
                run(tiny, features, tmp_path / "a", **changed)
        assert not (tmp_path / "a").exists()
        assert not (tmp_path / "a.tsv").exists()
        return tmp_path / "a"

    return start


@pytest.mark.parametrize(
    ("how", "precision"),
    [
        ("finetune", "float32"),
        ("train_answer_heads", "bfloat16"),
        pytest.param("finetune", "bfloat16", marks=SLOW),
        pytest.param("train_answer_heads", "float32", marks=SLOW),
    ],
)
@pytest.mark.slow
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


@pytest.mark.slow
def test_a_run_killed_between_epochs_goes_on_to_the_same_weights(tuned, tiny, features, interrupted):
    an_epoch = steps(features, epochs=1)
    out = interrupted(an_epoch + 1, save_steps=an_epoch)
    assert same(run(tiny, features, out, save_steps=an_epoch), tuned)


@pytest.mark.slow
def test_the_history_is_the_same_where_losses_are_logged_now_and_then(tiny, features, interrupted, tmp_path, monkeypatch):
    monkeypatch.setattr(trainer, "_MOST_LOSSES", 5)  # every third step
    whole = run(tiny, features, tmp_path / "whole", save_steps=7)
    assert same(run(tiny, features, interrupted(9, save_steps=7), save_steps=7), whole)


@pytest.mark.slow
def test_a_run_killed_while_it_saved_goes_on_from_the_save_before(tuned, tiny, features, interrupted):
    out = interrupted(3)
    [saved] = out.parent.glob("a.work/checkpoint-*")
    shutil.copytree(saved, saved.with_name("checkpoint-3"))
    (saved.with_name("checkpoint-3") / "trainer_state.json").unlink()  # the last file that is written
    assert same(run(tiny, features, out), tuned)


@pytest.mark.slow
@pytest.mark.parametrize("kept", [0, 0.5])
def test_a_run_whose_last_file_was_cut_off_goes_on_from_the_save_before(tuned, tiny, features, interrupted, kept):
    out = interrupted(3)
    [saved] = out.parent.glob("a.work/checkpoint-*")
    cut = shutil.copytree(saved, saved.with_name("checkpoint-3")) / "trainer_state.json"
    os.truncate(cut, int(kept * cut.stat().st_size))
    assert same(run(tiny, features, out), tuned)


@pytest.mark.slow
def test_a_run_killed_while_it_removed_its_working_folder_can_be_done_again(tuned, tiny, features, tmp_path, monkeypatch):
    rmtree = shutil.rmtree

    def killed(folder, ignore_errors=False):
        if ignore_errors:  # another folder: that of a file that is written
            return rmtree(folder, ignore_errors=True)
        for path in Path(folder).glob("checkpoint-*/*"):
            if path.name != "trainer_state.json":
                path.unlink()
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(training.shutil, "rmtree", killed)
        with pytest.raises(KilledError):
            run(tiny, features, tmp_path / "a", save_steps=1000)
    assert same(run(tiny, features, tmp_path / "a", save_steps=1000), tuned)


@pytest.mark.slow
def test_a_run_killed_before_its_first_save_starts_again(tuned, tiny, features, interrupted):
    out = interrupted(1)
    assert not list(out.parent.glob("a.work/checkpoint-*"))
    assert same(run(tiny, features, out), tuned)


@pytest.mark.parametrize("changed", [{"learning_rate": 0.001}, {"seed": SEED + 1}, {"how": "train_answer_heads"}])
@pytest.mark.slow
def test_changed_settings_start_afresh(tiny, features, interrupted, tmp_path, caplog, changed):
    out = interrupted(3)
    caplog.set_level(logging.INFO, logger="pairprobe")
    run(tiny, features, out, **changed)
    assert "starting afresh" in caplog.text
    assert same(out, run(tiny, features, tmp_path / "b", **changed))


@pytest.mark.slow
def test_other_pages_start_afresh(tiny, interrupted, tmp_path, caplog):
    out = interrupted(3)
    caplog.set_level(logging.INFO, logger="pairprobe")
    others = built(tiny, [page(i) for i in range(20, 30)], tmp_path)
    run(tiny, others, out)
    assert "starting afresh" in caplog.text
    assert same(out, run(tiny, others, tmp_path / "b"))


@pytest.mark.slow
def test_another_checkpoint_starts_afresh(features, interrupted, tmp_path, caplog):
    out = interrupted(3)
    caplog.set_level(logging.INFO, logger="pairprobe")
    other = made(tmp_path / "other", hidden_act="relu")
    run(other, features, out)
    assert "starting afresh" in caplog.text
    assert same(out, run(other, features, tmp_path / "b"))


@pytest.mark.slow
def test_a_work_folder_of_something_else_starts_afresh(tuned, tiny, features, tmp_path):
    work = tmp_path / "a.work" / "checkpoint-9"
    work.mkdir(parents=True)
    (work / "trainer_state.json").write_text("{}")
    assert same(run(tiny, features, tmp_path / "a"), tuned)


@pytest.mark.slow
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
    monkeypatch.setattr(trainer._ProgressCallback, "on_step_end", lambda *args, **kwargs: done.append(args))
    assert same(run(tiny, features, out, work=work), tuned)
    assert done == []


@pytest.mark.slow
def test_a_save_is_on_the_disk_before_it_counts_as_whole(tiny, features, tmp_path, monkeypatch):
    fsync, flushed, whole = os.fsync, [], []

    def flush(number):
        path = Path(os.readlink(f"/proc/self/fd/{number}"))
        if path.parent.name.startswith("checkpoint-"):
            flushed.append((path.name, (path.parent / "trainer_state.json").exists()))
        fsync(number)

    save = TrainerState.save_to_json

    def saved(self, path):
        whole.append({file.name for file in Path(path).parent.iterdir()} - {name for name, _ in flushed})
        save(self, path)

    monkeypatch.setattr(os, "fsync", flush)
    monkeypatch.setattr(TrainerState, "save_to_json", saved)
    run(tiny, features, tmp_path / "a", epochs=1, save_steps=1000)
    assert whole == [set()]
    assert ("optimizer.pt", False) in flushed
    assert ("trainer_state.json", True) in flushed


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_result_that_was_there_is_replaced(tuned, tiny, features, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "old.safetensors").write_text("old")
    assert same(run(tiny, features, tmp_path / "a"), tuned)
    assert not (tmp_path / "a" / "old.safetensors").exists()


@pytest.mark.slow
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


def test_other_code_starts_afresh(tiny, features, tmp_path, monkeypatch):
    def stopped(given):
        raise KeyboardInterrupt

    monkeypatch.setattr(trainer, "train", stopped)
    seen = tmp_path / "work" / "seen"
    for code, stays in (({"a": "1"}, False), ({"a": "1"}, True), ({"a": "2"}, False)):
        with pytest.raises(KeyboardInterrupt):
            run(tiny, features, tmp_path / "a", work=seen.parent, code=code)
        assert seen.exists() == stays
        seen.write_text("")


# --- Two at once ----------------------------------------------------------------------------------------------------

HOLDING = """
import sys
import filelock
lock = filelock.FileLock(sys.argv[1])
lock.acquire()
print("held", flush=True)
sys.stdin.read()
"""


@pytest.mark.slow
def test_two_trainings_never_work_in_one_folder(tuned, tiny, features, tmp_path, monkeypatch):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", HOLDING, str(tmp_path / "work.lock")], **pipes) as other:
        assert other.stdout.readline() == "held\n"
        monkeypatch.setattr(training, "_LOCK_TIMEOUT", 0)
        with pytest.raises(InputError, match="work: another training is at work there"):
            run(tiny, features, tmp_path / "a", work=tmp_path / "work")
        assert not (tmp_path / "work").exists()
        # It ends while the next one waits.
        monkeypatch.setattr(training, "_LOCK_TIMEOUT", 60)
        threading.Timer(0.5, other.kill).start()
        run(tiny, features, tmp_path / "a", work=tmp_path / "work")
    assert same(tmp_path / "a", tuned)
    assert {path.name for path in tmp_path.iterdir()} == {"a", "a.tsv"}
