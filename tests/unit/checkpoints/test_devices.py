"""Which GPU a job takes, of which type it computes, and what it does where memory runs out."""

import gc
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from pairprobe.checkpoints import devices, processor
from pairprobe.errors import InputError


@pytest.mark.parametrize(
    ("vectors", "tiles", "vendor", "wanted"),
    [
        (True, False, "AuthenticAMD", "bfloat16"),
        (True, True, "GenuineIntel", "bfloat16"),
        (True, False, "GenuineIntel", "float32"),  # a virtual machine that hides AMX
        (False, False, "GenuineIntel", "float32"),
        (False, False, "AuthenticAMD", "float32"),
        (False, False, None, "float32"),
    ],
)
def test_auto_precision_is_the_faster_one_of_the_processor(monkeypatch, tmp_path, vectors, tiles, vendor, wanted):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\n" + (f"vendor_id\t: {vendor}\n" if vendor else ""))
    monkeypatch.setattr(processor, "CPUINFO", cpuinfo)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: vectors)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: tiles)
    assert devices.resolve_precision("auto", "cpu") == wanted
    assert devices.resolve_precision("float32", "cpu") == "float32"
    assert devices.resolve_precision("bfloat16", "cpu") == "bfloat16"


# GPUs. There is none here; how many there are is all that torch is asked for.

CLAIMING = """
import sys
from types import SimpleNamespace
# Nothing else of torch is needed, and it is slow to import.
sys.modules["torch"] = SimpleNamespace(cuda=SimpleNamespace(device_count=lambda: int(sys.argv[1])))
from pairprobe.checkpoints import devices
print(devices.claim(int(sys.argv[2])), __import__("os").environ.get("CUDA_VISIBLE_DEVICES"), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def claiming(tmp_path):
    """Start jobs that claim GPUs and hold them; returns what each has, or None where it is still waiting."""
    started = []

    def start(here: int, wanted: int = 1, **environment):
        kept = {k: v for k, v in os.environ.items() if k not in (*devices._SCHEDULERS, devices._VISIBLE)}
        process = subprocess.Popen(
            [sys.executable, "-c", CLAIMING, str(here), str(wanted)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**kept, "TMPDIR": str(tmp_path), **environment},
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_jobs_beside_each_other_take_a_gpu_each_and_a_third_one_waits_until_one_is_free(claiming):
    first, second = claiming(2), claiming(2)
    assert {first.stdout.readline(), second.stdout.readline()} == {"cuda 0\n", "cuda 1\n"}
    third = claiming(2)
    first.kill()  # however it ends
    first.wait()
    assert third.stdout.readline().startswith("cuda ")
    assert second.poll() is None


def test_several_gpus_are_taken_together(claiming):
    one = claiming(4)
    assert one.stdout.readline() == "cuda 0\n"
    assert claiming(4, 3).stdout.readline() == "cuda 1,2,3\n"


def test_only_visible_gpus_are_taken(claiming):
    first = claiming(2, CUDA_VISIBLE_DEVICES="5,7")
    second = claiming(2, CUDA_VISIBLE_DEVICES="5,7")
    assert {first.stdout.readline(), second.stdout.readline()} == {"cuda 5\n", "cuda 7\n"}


def test_as_many_jobs_share_a_gpu_as_the_user_says_and_free_gpus_come_first(claiming):
    shared = {devices.JOBS_PER_GPU: "2"}
    first, second = claiming(2, **shared), claiming(2, **shared)
    assert {first.stdout.readline(), second.stdout.readline()} == {"cuda 0\n", "cuda 1\n"}
    third, fourth = claiming(2, **shared), claiming(2, **shared)
    assert {third.stdout.readline(), fourth.stdout.readline()} == {"cuda 0\n", "cuda 1\n"}
    fifth = claiming(2, **shared)
    second.kill()
    second.wait()
    assert fifth.stdout.readline().startswith("cuda ")
    assert third.poll() is None


def test_a_job_that_wants_two_gpus_never_gets_two_places_on_one(claiming):
    shared = {devices.JOBS_PER_GPU: "2"}
    assert claiming(2, 2, **shared).stdout.readline() == "cuda 0,1\n"
    assert claiming(2, 2, **shared).stdout.readline() == "cuda 0,1\n"


@pytest.mark.parametrize("number", ["0", "-1", "two", ""])
def test_a_number_of_jobs_that_is_none_is_one_clear_error(claiming, number):
    process = claiming(1, **{devices.JOBS_PER_GPU: number})
    assert f"PAIRPROBE_JOBS_PER_GPU: found {number!r}, wanted a number of jobs, at least 1." in process.communicate()[1]


def test_under_a_scheduler_the_job_has_gpus_of_its_own_whatever_their_numbers(claiming):
    environment = {"SLURM_JOB_ID": "7", "CUDA_VISIBLE_DEVICES": "0"}
    first, second = claiming(1, **environment), claiming(1, **environment)
    assert first.stdout.readline() == second.stdout.readline() == "cuda 0\n"


def test_without_a_gpu_it_is_the_processor(claiming):
    assert claiming(0).stdout.readline() == "cpu None\n"


def test_more_gpus_than_there_are_is_one_clear_error(claiming):
    process = claiming(2, 8)
    assert "8 GPUs were asked for, and 2 are here. Set the resource gpu lower." in process.communicate()[1]


# Memory.

CPU_ERROR = RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory: you tried to ...")


class Room:
    """Runs batches that have room for so many items."""

    def __init__(self, items: int, error: Exception = CPU_ERROR):
        self.items, self.error, self.tried = items, error, []

    def __call__(self, batch):
        self.tried.append(len(batch))
        if len(batch) > self.items:
            raise self.error
        return [item * 10 for item in batch]


@pytest.mark.slow
@pytest.mark.parametrize(
    "error", [CPU_ERROR, MemoryError(), torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")]
)
def test_a_batch_that_does_not_fit_is_halved_until_it_does(error):
    room, batches = Room(3, error), devices.Batches(16, "examples")
    assert batches(room, list(range(13))) == [10 * i for i in range(13)]
    assert room.tried == [13, 6, 3, 3, 3, 3, 1]
    # The next ones begin with what fitted.
    assert batches(room, list(range(13))) == [10 * i for i in range(13)]
    assert batches.size == 3
    assert max(room.tried[7:]) == 3


@pytest.mark.parametrize("room", [1, 3, 5])
def test_a_batch_that_lacks_the_memory_of_another_thread_s_is_tried_alone(room, monkeypatch):
    lock, used, most = threading.Lock(), [0], []
    # Here nothing is to be collected, and it would take nearly all of the time.
    monkeypatch.setattr(gc, "collect", lambda: None)

    def run(part):
        with lock:
            if used[0] + len(part) > room:
                raise MemoryError
            used[0] += len(part)
            most.append(used[0])
        time.sleep(0.002)
        with lock:
            used[0] -= len(part)
        return part

    batches = devices.Batches(4, "examples")
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda _: batches(run, list(range(10))), range(9)))
    assert found == [list(range(10))] * 9
    assert max(most) <= room
    assert 1 <= batches.size <= room


@pytest.mark.slow
def test_where_even_one_does_not_fit_it_is_bad_input():
    with pytest.raises(InputError, match=r"out of memory with one of the examples alone .*max_length lower"):
        devices.Batches(4, "examples")(Room(0), [1, 2, 3])


def test_another_error_is_not_tried_again():
    room = Room(0, RuntimeError("a shape is wrong"))
    with pytest.raises(RuntimeError, match="a shape is wrong"):
        devices.Batches(4, "examples")(room, [1, 2, 3, 4])
    assert room.tried == [4]


REAL = """
import resource, torch
from pairprobe.checkpoints import devices

def run(batch):
    return [float(torch.ones(len(batch), 64 << 20).sum())] * len(batch)  # 256 MB each

used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (700 << 20), resource.RLIM_INFINITY))
batches = devices.Batches(8, "examples")
print(len(batches(run, list(range(8)))), batches.size)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux's")
def test_a_real_allocation_that_fails_is_recognised():
    done = subprocess.run([sys.executable, "-c", REAL], capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == ["8", "2"], done.stderr
