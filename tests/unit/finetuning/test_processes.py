"""Trainings that several processes share, and what becomes of these processes where one of them ends."""

import contextlib
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest
import torch
from trainings import Forking, apart, made, run, training_of

from pairprobe.errors import InputError
from pairprobe.finetuning import distributed
from pairprobe.io import tsv
from pairprobe.io.progress import log

# Seconds in which processes end whose parent has: one that is importing PyTorch notices it when a part is read.
SECONDS = 10


def children() -> list[psutil.Process]:
    """List the processes that this one has begun, but for multiprocessing's own, which other tests use."""
    found = psutil.Process().children(recursive=True)
    return [process for process in found if "multiprocessing" not in " ".join(process.cmdline())]


def losses(*results):
    return [[float(row["loss"]) for row in tsv.read_tsv(f"{result}.tsv")] for result in results]


@pytest.fixture
def own_scratch(tmp_path, monkeypatch):
    """A folder of its own for what processes put into /tmp."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    assert tempfile.gettempdir() != str(folder)
    return folder


@pytest.mark.slow
def test_two_processes_train_as_one_and_leave_nothing_behind(steady, at_once, tmp_path, own_scratch):
    out = run(*steady, tmp_path / "out" / "a", batch_size=8, device_batch_size=2, processes=2)
    assert apart(out, at_once) < 1e-4
    shared, alone = losses(out, at_once)
    assert shared == pytest.approx(alone, abs=1e-4)
    assert {path.name for path in out.parent.iterdir()} == {"a", "a.tsv"}
    assert children() == []
    assert list(own_scratch.iterdir()) == []


@pytest.mark.slow
def test_two_processes_train_heads_in_bfloat16_as_one_does(steady, tmp_path):
    settings = {"how": "train_answer_heads", "batch_size": 8, "precision": "bfloat16"}
    first, second = (run(*steady, tmp_path / f"{n}", processes=n, **settings) for n in (1, 2))
    assert apart(first, second) < 0.01
    alone, shared = losses(first, second)
    assert shared == pytest.approx(alone, abs=0.01)
    assert alone[-1] < 0.8 * alone[0]


@pytest.mark.slow
def test_the_error_of_a_process_reaches_the_caller(features, tmp_path):
    start, out = made(tmp_path / "start", max_position_embeddings=24), tmp_path / "out" / "a"
    with pytest.raises(InputError) as caught:
        run(start, features, out, work=tmp_path / "work", processes=2)
    limit = "it has positions for 24. Set finetuning.max_length to 24 or less."
    assert str(caught.value) == f"checkpoint {start}: windows of 32 subtokens were asked for, and {limit}"
    assert not out.parent.exists()
    assert children() == []


def test_a_batch_that_processes_cannot_share_is_an_input_error(tiny, features, tmp_path, monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", lambda *args, **kwargs: pytest.fail("it began"))
    with pytest.raises(InputError, match="batch_size"):
        run(tiny, features, tmp_path / "a", processes=3)


def test_more_gpus_than_there_are_is_an_input_error(tiny, features, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    with pytest.raises(InputError, match="2 GPUs were asked for, and 1 are here"):
        run(tiny, features, tmp_path / "a", processes=2)


@pytest.mark.slow
def test_a_process_that_runs_out_of_memory_lets_all_begin_again_with_half(steady, tmp_path, monkeypatch):
    begun = []

    class Ended:
        """torchrun, of whose processes one has run out of memory."""

        returncode, stdout = 1, ()

        def __init__(self, command, **kwargs):
            given = json.loads(Path(command[-1]).read_text())
            begun.append(given["settings"]["device_batch_size"])
            (Path(given["work"]) / distributed._OUT_OF_MEMORY).write_text(f"{begun[-1]} CUDA out of memory")

        def __enter__(self):
            return self

        def __exit__(self, *exception):
            pass

    monkeypatch.setattr(subprocess, "Popen", Ended)
    with pytest.raises(InputError, match=r"one window at a time \(CUDA out of memory\)"):
        run(*steady, tmp_path / "a", batch_size=16, device_batch_size=8, processes=2)
    assert begun == [8, 4, 2, 1]


# --- No process is left behind --------------------------------------------------------------------------------------


def test_a_caller_that_is_told_to_stop_does_not_wait_for_torchrun(tmp_path, monkeypatch):
    class ToldError(Exception):
        pass

    def told(form, line):
        raise ToldError

    torchrun, ended = tmp_path / "torchrun", tmp_path / "ended"
    waiting = f"import time; print('begun', flush=True); time.sleep(20); open({str(ended)!r}, 'w')"
    torchrun.write_text(f"#!{sys.executable}\n{waiting}\n")
    torchrun.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(torchrun))
    monkeypatch.setattr(log, "info", told)
    with pytest.raises(ToldError):
        distributed.launch(training_of("start", [], tmp_path / "a", processes=2))
    assert children() == []
    assert not ended.exists()


@pytest.fixture(scope="module")
def callers(tmp_path_factory):
    """Callers of torchrun, each of which can be killed."""
    forking = Forking(tmp_path_factory.mktemp("callers") / "errors.txt", cores=None)
    yield forking
    forking.close()


@pytest.fixture
def endless(callers, steady, tmp_path):
    """Start a training in two processes that does not end in time, and wait for a moment of it; returns its caller."""
    given = training_of(*steady, tmp_path / "a", processes=2, epochs=2000, batch_size=8)

    def start(moment):
        caller = callers.start(tmp_path / "a", given, torchrun=True)
        MOMENTS[moment](caller, Path(given.work))
        return caller

    yield start
    for process in callers.processes():
        process.kill()


def until(condition, seconds=60):
    """Wait for what a condition gives."""
    last = time.monotonic() + seconds
    while not (found := condition()) and time.monotonic() < last:
        time.sleep(0.001)
    return found


def torchrun_of(caller):
    """torchrun, once it is there."""
    return until(lambda: next(iter(caller.children()), None))


def workers_of(caller, number):
    """So many workers at least, once they are there."""
    return until(lambda: len(found := torchrun_of(caller).children()) >= number and found)


# Moments of a training, by what is waited for.
MOMENTS = {
    "as it starts": lambda caller, work: None,
    "as torchrun starts": lambda caller, work: torchrun_of(caller),
    "as the first worker starts": lambda caller, work: workers_of(caller, 1),
    "as both workers have started": lambda caller, work: workers_of(caller, 2),
    "once it has saved": lambda caller, work: until(lambda: [*work.glob("checkpoint-*")]),
}


def left_after(callers, end):
    """Return what is left of a training some seconds after ``end`` was called."""
    end()
    until(lambda: not callers.processes(), SECONDS)
    return callers.processes()


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_caller_that_is_killed_takes_its_processes_with_it(callers, endless, moment):
    caller = endless(moment)
    assert left_after(callers, caller.kill) == []
    assert callers.end() == -signal.SIGKILL


@pytest.mark.slow
@pytest.mark.parametrize("i", range(40))
def test_a_caller_that_is_killed_at_any_moment_takes_its_processes_with_it(callers, endless, i):
    dice, caller = random.Random(i), endless(list(MOMENTS)[i % 4])
    # From within a system call to the middle of the training.
    time.sleep(10 ** dice.uniform(-3, 1))
    assert left_after(callers, caller.kill) == []
    assert callers.end() == -signal.SIGKILL


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("moment", list(MOMENTS)[1:])
def test_torchrun_that_ends_takes_its_workers_with_it_and_its_caller_says_so(callers, endless, number, moment):
    torchrun = torchrun_of(endless(moment))
    assert left_after(callers, lambda: torchrun.send_signal(number)) == []
    assert callers.end() == 1
    assert "torchrun ended with status" in callers.errors.read_text()


# A worker within a library that lets no other thread of Python run.
STUCK = """
import ctypes, os, sys
from types import SimpleNamespace
from pairprobe.finetuning import worker

def work(file):
    library, mutex = ctypes.PyDLL(None), ctypes.create_string_buffer(256)
    library.pthread_mutex_lock(mutex)
    print(os.getpid(), flush=True)
    library.pthread_mutex_lock(mutex)

sys.modules["pairprobe.finetuning.distributed"] = SimpleNamespace(work=work)
worker.main("train", ["file"])
"""
PARENT_OF_STUCK = f"""
import os, subprocess, sys
os.environ["PAIRPROBE_PARENT"] = str(os.getpid())
subprocess.run([sys.executable, "-c", {STUCK!r}])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends processes so")
def test_a_worker_that_does_not_come_back_to_python_ends_with_its_parent(tmp_path):
    with subprocess.Popen([sys.executable, "-c", PARENT_OF_STUCK], stdout=subprocess.PIPE, text=True) as parent:
        worker = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
        try:
            worker.wait(SECONDS)
        finally:
            with contextlib.suppress(psutil.NoSuchProcess):
                worker.kill()
