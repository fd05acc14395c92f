"""Device, precision and batch sizes of a job, and what it does when memory runs out."""

import contextlib
import gc
import itertools
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor

import torch
from filelock import FileLock

from pairprobe.checkpoints import processor
from pairprobe.errors import InputError, one_line
from pairprobe.io import locks
from pairprobe.io.progress import log

# Variables by which a job knows that a scheduler runs it (Slurm, LSF, PBS), which gave it GPUs of its own.
_SCHEDULERS = ("SLURM_JOB_ID", "LSB_JOBID", "PBS_JOBID")
_VISIBLE = "CUDA_VISIBLE_DEVICES"
# The variable by which a user lets several jobs share a GPU.
JOBS_PER_GPU = "PAIRPROBE_JOBS_PER_GPU"
# What a RuntimeError of torch or of one of its libraries says when memory has run out.
_OUT_OF_MEMORY = (
    "can't allocate memory",
    "not enough memory",
    "out of memory",
    "bad_alloc",
    "could not create a memory",
    "could not create a primitive",
)

# In place of the number of running batches: one batch that runs alone.
_ALONE = -1

# The operating system unlocks them when the process ends, however it ends.
_held: list[FileLock] = []


def claim(number: int = 1) -> str:
    """Claim GPUs for this process and its children, and return ``cuda``; return ``cpu`` where there is no GPU.

    number: how many. Several jobs on a machine claim different GPUs, and wait for free ones; as many as the variable
    ``JOBS_PER_GPU`` says share one. Under a scheduler a job has its own. Call it before anything else uses CUDA, since only
    the claimed GPUs are visible afterwards. Raises InputError where the machine has fewer.
    """
    # Not is_available(), which would initialise CUDA.
    count = torch.cuda.device_count()
    if not count:
        return "cpu"
    visible = [each for each in os.environ.get(_VISIBLE, "").split(",") if each] or [str(i) for i in range(count)]
    if len(visible) < number:
        raise InputError(f"{number} GPUs were asked for, and {len(visible)} are here. Set the resource gpu lower.")
    if not _held:
        scheduled = any(name in os.environ for name in _SCHEDULERS)
        taken = visible[:number] if scheduled else _locked(visible, number)
        os.environ[_VISIBLE] = ",".join(taken)
    return "cuda"


def _locked(visible: list[str], number: int) -> list[str]:
    """Lock so many GPUs: all of them at once or none, so that no two jobs wait for each other. Return their names."""
    waited = False
    while True:
        taken = list(itertools.islice(_unlocked(visible), number))
        if len(taken) == number:
            _held.extend(lock for _, lock in taken)
            return [name for name, _ in taken]
        for _, lock in taken:
            lock.release()
        if not waited:
            log.info("waiting for %d of the GPUs %s, which other jobs use", number, ", ".join(visible))
            waited = True
        time.sleep(1)


def _unlocked(visible: list[str]) -> Iterator[tuple[str, FileLock]]:
    """Lock one GPU after the other for one of the jobs that it has room for: the first place of each, then the second, ...

    Yields those on which there is room, with their locks.
    """
    found: set[str] = set()
    for place, name in itertools.product(range(_jobs_per_gpu()), visible):
        if name in found:
            continue
        safe = "".join(letter if letter.isalnum() else "_" for letter in name) + (f"-{place}" if place else "")
        path = os.path.join(tempfile.gettempdir(), f"pairprobe-{os.getuid()}-gpu-{safe}.lock")
        lock = locks.acquire(path, 0, "Set the variable TMPDIR to a folder on a disk of this machine.")
        if lock:
            found.add(name)
            yield name, lock


def _jobs_per_gpu() -> int:
    given = os.environ.get(JOBS_PER_GPU, "1")
    if not given.isdecimal() or int(given) < 1:
        raise InputError(f"the variable {JOBS_PER_GPU}: found {given!r}, wanted a number of jobs, at least 1.")
    return int(given)


def resolve_precision(precision: str, device: str) -> str:
    """Return the type of a forward pass: for ``auto`` bfloat16 where that is faster, else float32.

    It depends on the model of the processor, not on a measurement, so that every run on it takes the same.
    """
    if precision != "auto":
        return precision
    faster = _bfloat16_is_faster() if device == "cpu" else torch.cuda.is_bf16_supported(including_emulation=False)
    return "bfloat16" if faster else "float32"


def _bfloat16_is_faster() -> bool:
    """Whether this processor computes faster in bfloat16.

    Those of AMD with AVX-512 for it are twice as fast. Of Intel's only those with AMX are: one whose virtual machine hides
    AMX (family 6, model 207) is half as fast in bfloat16 by AVX-512 as in float32.
    """
    if torch.cpu._is_amx_tile_supported():
        return True
    return torch.cpu._is_avx512_bf16_supported() and not processor.is_intel()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory has run out, that of a GPU or of the machine."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _OUT_OF_MEMORY)


def free_memory() -> None:
    """Collect garbage, and return unused GPU memory to the device."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


@contextlib.contextmanager
def operation_threads(number: int) -> Iterator[None]:
    """Let each operation of PyTorch that this thread asks for have so many threads of a CPU."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def side_by_side(threads: int | None, device: str) -> Iterator[Executor]:
    """Yield a thread pool that computes several batches at once, each in one thread.

    threads: how many; None: as many as PyTorch has. One batch a core is faster on a CPU than all cores for one batch: no
    core waits for another, and work other than matrix products is parallel, too. A GPU computes one batch while the others
    are written; there are two threads at least, and two where threads is None. If the block ends with an error, batches
    that have not begun are cancelled.
    """
    pool = ThreadPoolExecutor(threads or torch.get_num_threads() if device == "cpu" else max(2, threads or 2))
    with operation_threads(1) if device == "cpu" else contextlib.nullcontext():
        try:
            yield pool
        finally:
            pool.shutdown(cancel_futures=True)


class Batches:
    """Runs batches of at most ``size`` items, in several threads; where memory runs out, batches are halved from then on.

    A batch that did not fit is tried again alone, since the batches of other threads may have used the memory. what: how
    log lines and errors call the items.
    """

    def __init__(self, size: int, what: str):
        self.size, self.what = size, what
        self._turns, self._running, self._waiting = threading.Condition(), 0, 0

    def __call__(self, run: Callable[[list], list], items: list) -> list:
        """Return the results of ``run`` for the items. Raises InputError where one item alone does not fit."""
        results: list = []
        alone = False
        while len(results) < len(items):
            part = items[len(results) : len(results) + self.size]
            error = None
            try:
                with self._turn(alone):
                    results += run(part)
            except Exception as raised:
                if not is_out_of_memory(raised):
                    raise
                error = one_line(raised, 200)
            # Outside the handler: the traceback holds what did not fit.
            if error:
                free_memory()
                self._halve(len(part), alone, error)
            alone = error is not None
        return results

    @contextlib.contextmanager
    def _turn(self, alone: bool) -> Iterator[None]:
        """Wait until a batch may run; one that is to run alone waits for all others, and no other begins meanwhile."""
        with self._turns:
            self._waiting += alone
            self._turns.wait_for(lambda: not self._running if alone else self._running != _ALONE and not self._waiting)
            self._waiting -= alone
            self._running = _ALONE if alone else self._running + 1
        try:
            yield
        finally:
            with self._turns:
                self._running = 0 if alone else self._running - 1
                self._turns.notify_all()

    def _halve(self, size: int, alone: bool, error: str) -> None:
        if size == 1 and alone:
            raise InputError(
                f"out of memory with one of the {self.what} alone ({error}). Give the job more memory, or set max_length "
                "lower."
            )
        with self._turns:
            # Another thread may have halved it already.
            if self.size > max(1, size // 2):
                self.size = max(1, size // 2)
                log.warning("out of memory with %d %s at once; trying %d", size, self.what, self.size)
