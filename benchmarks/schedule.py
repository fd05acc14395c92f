"""Jobs that wait for one another, and how long so many workers take for them: a list scheduler and its lower bounds."""

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from graphlib import TopologicalSorter
from itertools import count


@dataclass(frozen=True)
class Job:
    """A job of a workflow.

    needs: the places in the list of jobs of those that it waits for, all before its own. threads: cores that it takes;
    gpu: whether it takes a GPU where workers have one. benchmark: the file that Snakemake keeps its time in.
    """

    rule: str
    seconds: float = 0.0
    needs: tuple[int, ...] = ()
    threads: int = 1
    gpu: bool = False
    wildcards: str = ""
    benchmark: str | None = None

    @property
    def name(self) -> str:
        """Name the job by its rule and wildcards."""
        return f"{self.rule} {self.wildcards}".strip()


@dataclass(frozen=True)
class Workers:
    """Workers that are all alike: how many, the cores of each, and whether each has a GPU."""

    number: int
    cores: int = 1
    gpus: bool = False

    def threads(self, job: Job) -> int:
        """Return the cores that a job takes here: no more than a worker has, as Snakemake scales them down."""
        return min(job.threads, self.cores)


@dataclass(frozen=True)
class Placed:
    """When a job begins and ends, and on which worker."""

    start: float
    end: float
    worker: int


def linked(jobs: dict[int, Job], inputs: dict[int, Iterable[str]], outputs: dict[int, Iterable[str]]) -> list[Job]:
    """Return jobs in an order in which each stands behind those that make its inputs, which become its needs."""
    maker = {file: key for key, files in outputs.items() for file in files}
    # By name: Snakemake numbers jobs differently each time, and of two that are equal the first is taken.
    by_name = sorted(jobs, key=lambda key: jobs[key].name)
    rank = {key: i for i, key in enumerate(by_name)}
    needs = {key: sorted({maker[file] for file in inputs[key] if file in maker}, key=rank.get) for key in by_name}
    order = list(TopologicalSorter(needs).static_order())
    place = {key: i for i, key in enumerate(order)}
    return [replace(jobs[key], needs=tuple(sorted(place[other] for other in needs[key]))) for key in order]


def remaining(jobs: Sequence[Job]) -> list[float]:
    """Return of each job the seconds of the longest chain that begins with it."""
    behind = [0.0] * len(jobs)
    for i in reversed(range(len(jobs))):
        behind[i] += jobs[i].seconds
        for other in jobs[i].needs:
            behind[other] = max(behind[other], behind[i])
    return behind


def critical_path(jobs: Sequence[Job]) -> list[Job]:
    """Return the longest chain of jobs that wait for one another."""
    ended = []
    for job in jobs:
        ended.append(job.seconds + max((ended[i] for i in job.needs), default=0.0))
    chain, at = [], max(range(len(jobs)), key=ended.__getitem__, default=None)
    while at is not None:
        chain.append(jobs[at])
        at = max(jobs[at].needs, key=ended.__getitem__, default=None)
    return chain[::-1]


def bound(jobs: Sequence[Job], workers: Workers) -> float:
    """Return seconds that no schedule can stay below: the longest chain, or the work shared evenly by all."""
    chain = sum(job.seconds for job in critical_path(jobs))
    shared = sum(job.seconds * workers.threads(job) for job in jobs) / (workers.number * workers.cores)
    on_gpus = sum(job.seconds for job in jobs if job.gpu) / workers.number if workers.gpus else 0.0
    return max(chain, shared, on_gpus)


class _Room:
    """The cores and GPUs of workers that no job has."""

    def __init__(self, workers: Workers):
        self.workers = workers
        self.free, self.gpu_free = [workers.cores] * workers.number, [True] * workers.number

    def take(self, job: Job) -> int | None:
        """Return the fullest worker that has room for a job, which has it from now on; None where there is none."""
        threads, needs_gpu = self.workers.threads(job), self._needs_gpu(job)
        fitting = [w for w, free in enumerate(self.free) if free >= threads and (self.gpu_free[w] or not needs_gpu)]
        worker = min(fitting, key=self.free.__getitem__, default=None)
        if worker is not None:
            self.free[worker] -= threads
            self.gpu_free[worker] &= not needs_gpu
        return worker

    def give_back(self, job: Job, worker: int) -> None:
        """Take a job's room back."""
        self.free[worker] += self.workers.threads(job)
        self.gpu_free[worker] |= self._needs_gpu(job)

    def _needs_gpu(self, job: Job) -> bool:
        return bool(self.workers.gpus and job.gpu)


def simulate(jobs: Sequence[Job], workers: Workers, look_ahead: bool = True) -> list[Placed]:
    """Return when and where each job runs if a worker that has room takes, of the jobs that could begin, the first.

    First is the one with the longest chain behind it; without ``look_ahead`` the one that has waited longest. One that
    finds no room lets those behind it pass. Of several workers with room, the fullest takes a job, so that others stay free
    for jobs of more threads.
    """
    chain = remaining(jobs)
    followers: list[list[int]] = [[] for _ in jobs]
    missing = [len(job.needs) for job in jobs]
    for i, job in enumerate(jobs):
        for other in job.needs:
            followers[other].append(i)
    room = _Room(workers)
    placed: list[Placed | None] = [None] * len(jobs)
    arrivals = count()
    # Of jobs that need the same room, all behind one that finds none find none either: a heap for each kind.
    ready: dict[tuple[int, bool], list[tuple[float, int, int]]] = {(job.threads, job.gpu): [] for job in jobs}
    running: list[tuple[float, int]] = []

    def arrive(i: int) -> None:
        kind = (jobs[i].threads, jobs[i].gpu)
        heapq.heappush(ready[kind], (-chain[i] if look_ahead else 0.0, next(arrivals), i))

    def start(i: int, now: float) -> bool:
        worker = room.take(jobs[i])
        if worker is None:
            return False
        placed[i] = Placed(now, now + jobs[i].seconds, worker)
        heapq.heappush(running, (placed[i].end, i))
        return True

    def end(i: int) -> None:
        room.give_back(jobs[i], placed[i].worker)
        for other in followers[i]:
            missing[other] -= 1
            if not missing[other]:
                arrive(other)

    for i, number in enumerate(missing):
        if not number:
            arrive(i)
    now = 0.0
    while any(ready.values()) or running:
        with_room = [heap for heap in ready.values() if heap]
        while with_room:
            heap = min(with_room, key=lambda heap: heap[0])
            started = start(heap[0][2], now)
            if started:
                heapq.heappop(heap)
            if not started or not heap:
                with_room = [other for other in with_room if other is not heap]
        now = running[0][0]
        while running and running[0][0] == now:
            end(heapq.heappop(running)[1])
    return placed


def makespan(placed: Sequence[Placed]) -> float:
    """Return when the last job ends."""
    return max((each.end for each in placed), default=0.0)


def idle_share(jobs: Sequence[Job], workers: Workers, seconds: float) -> float:
    """Return the share of time in which no job runs: of the workers' GPUs where they have one, else of their cores."""
    if workers.gpus:
        busy, there = sum(job.seconds for job in jobs if job.gpu), workers.number
    else:
        busy, there = sum(job.seconds * workers.threads(job) for job in jobs), workers.number * workers.cores
    return max(0.0, 1 - busy / (there * seconds)) if seconds else 0.0
