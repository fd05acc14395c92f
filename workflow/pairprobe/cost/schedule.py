"""Jobs that wait for one another, and how long so many cores and GPUs take for them."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Job:
    """A job of a stage. needs: the places, in the list of jobs, of those that it waits for, all before its own."""

    stage: str
    seconds: float
    needs: tuple[int, ...] = ()
    threads: int = 1
    gpu: bool = False


def remaining(jobs: Sequence[Job]) -> list[float]:
    """Return for each job the seconds of the longest chain of jobs that begins with it."""
    behind = [0.0] * len(jobs)
    for i in reversed(range(len(jobs))):
        behind[i] += jobs[i].seconds
        for other in jobs[i].needs:
            behind[other] = max(behind[other], behind[i])
    return behind


def simulate(jobs: Sequence[Job], cores: int, gpus: int = 0) -> list[tuple[float, float]]:
    """Return when each job begins and ends.

    A list schedule (Graham, 1969): of the jobs that could begin, the one with the longest chain behind it goes first; one
    that finds no room lets those behind it pass. A job takes no more threads than there are cores, and a GPU where there
    are any. The cores count as one pool, also where they are several machines'.
    """
    behind, missing = remaining(jobs), [len(job.needs) for job in jobs]
    followers: list[list[int]] = [[] for _ in jobs]
    for i, job in enumerate(jobs):
        for other in job.needs:
            followers[other].append(i)
    takes = [(min(job.threads, cores), int(job.gpu and gpus > 0)) for job in jobs]
    # Jobs that take the same room stand in one queue: where its first finds none, the others find none.
    queues: dict[tuple[int, int], list[tuple[float, int]]] = {room: [] for room in takes}
    for i, number in enumerate(missing):
        if not number:
            heapq.heappush(queues[takes[i]], (-behind[i], i))
    running: list[tuple[float, int]] = []
    times, now = [(0.0, 0.0)] * len(jobs), 0.0
    while running or any(queues.values()):
        while fitting := [queue for room, queue in queues.items() if queue and room[0] <= cores and room[1] <= gpus]:
            _, i = heapq.heappop(min(fitting))
            cores, gpus, times[i] = cores - takes[i][0], gpus - takes[i][1], (now, now + jobs[i].seconds)
            heapq.heappush(running, (times[i][1], i))
        now = running[0][0]
        while running and running[0][0] == now:
            _, i = heapq.heappop(running)
            cores, gpus = cores + takes[i][0], gpus + takes[i][1]
            for other in followers[i]:
                missing[other] -= 1
                if not missing[other]:
                    heapq.heappush(queues[takes[other]], (-behind[other], other))
    return times


def makespan(jobs: Sequence[Job], cores: int, gpus: int = 0) -> float:
    """Return when the last job ends."""
    return max((end for _, end in simulate(jobs, cores, gpus)), default=0.0)
