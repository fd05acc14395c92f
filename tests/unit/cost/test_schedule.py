"""The schedule: by hand, against every order of a few jobs, and within the bounds that hold of any schedule."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pairprobe.cost.schedule import Job, makespan, remaining, simulate

FAST = settings(max_examples=60, deadline=None)
# a before b and c, both before d.
DIAMOND = [Job("a", 1), Job("b", 5, (0,)), Job("c", 2, (0,)), Job("d", 3, (1, 2))]


@st.composite
def some_jobs(draw, most=12, threads=2):
    """Draw jobs, each with needs among those before it; whole seconds, so that sums are exact."""
    jobs = []
    for i in range(draw(st.integers(1, most))):
        needs = draw(st.sets(st.integers(0, i - 1), max_size=3)) if i else set()
        seconds, gpu = draw(st.integers(0, 9)), draw(st.booleans())
        jobs.append(Job(f"stage{i}", float(seconds), tuple(sorted(needs)), draw(st.integers(1, threads)), gpu))
    return jobs


def longest_chain(jobs, i):
    """By its definition: try every way back."""
    return jobs[i].seconds + max((longest_chain(jobs, other) for other in jobs[i].needs), default=0)


def best_makespan(jobs, cores):
    """Return the shortest schedule of jobs of one thread: try all orders, each job on the core that is free first."""
    found = []
    for order in itertools.permutations(range(len(jobs))):
        ends, free = {}, [0.0] * cores
        if all(other in order[: order.index(i)] for i in order for other in jobs[i].needs):
            for i in order:
                start = max([min(free), *(ends[other] for other in jobs[i].needs)])
                free[free.index(min(free))] = ends[i] = start + jobs[i].seconds
            found.append(max(ends.values()))
    return min(found)


def test_a_diamond_by_hand():
    assert remaining(DIAMOND) == [9, 8, 5, 3]
    assert makespan(DIAMOND, 1) == 11
    assert makespan(DIAMOND, 2) == 9


def test_the_longest_chain_begins_first():
    """Two short jobs come first; the long one behind them, put off, would end alone."""
    assert makespan([Job("short", 2), Job("short", 2), Job("long", 4)], 2) == 4


def test_a_job_of_two_threads_takes_two_cores_and_waits_for_both():
    jobs = [Job("narrow", 3), Job("narrow", 3), Job("wide", 3, threads=2)]
    assert makespan(jobs, 2) == 6
    assert makespan(jobs, 4) == 3
    assert makespan(jobs, 1) == 9  # it takes no more than there are


def test_cores_that_become_free_at_one_moment_are_free_together():
    """A wide job with a long chain behind it goes before a narrow one that needs one of the two cores."""
    jobs = [Job("a", 2), Job("b", 2), Job("wide", 5, (0, 1), threads=2), Job("narrow", 1, (0,))]
    assert simulate(jobs, 2)[2] == (2, 7)


def test_a_gpu_does_one_job_at_a_time_while_cores_do_others():
    jobs = [Job("model", 3, gpu=True), Job("model", 3, gpu=True), Job("text", 6)]
    assert makespan(jobs, 8, gpus=1) == 6
    assert makespan(jobs[:2], 8, gpus=1) == 6
    assert makespan(jobs[:2], 8) == 3


def test_no_jobs_take_no_time():
    assert simulate([], 3) == []
    assert makespan([], 3) == 0


@FAST
@given(some_jobs(), st.integers(1, 4), st.integers(0, 2))
def test_no_more_runs_at_once_than_there_is_room_for_and_each_job_waits_for_what_it_needs(jobs, cores, gpus):
    times = simulate(jobs, cores, gpus)
    for job, (start, end) in zip(jobs, times, strict=True):
        assert end == start + job.seconds
        assert all(times[other][1] <= start for other in job.needs)
    for moment, _ in times:
        busy = [job for job, (start, end) in zip(jobs, times, strict=True) if start <= moment < end]
        assert sum(min(job.threads, cores) for job in busy) <= cores
        assert not gpus or sum(job.gpu for job in busy) <= gpus


@FAST
@given(some_jobs(most=5, threads=1), st.integers(1, 3))
def test_a_schedule_is_nearly_the_best_of_all_orders(jobs, cores):
    """Graham (1969): a list schedule takes no more than 2 - 1 / cores times the best."""
    best = best_makespan(jobs, cores)
    assert best <= makespan(jobs, cores) <= (2 - 1 / cores) * best + 1e-9


@FAST
@given(some_jobs(), st.integers(1, 4))
def test_no_schedule_stays_below_the_longest_chain_or_the_shared_work(jobs, cores):
    seconds = makespan(jobs, cores)
    assert max(remaining(jobs)) == max(longest_chain(jobs, i) for i in range(len(jobs)))
    assert seconds >= max(remaining(jobs))
    assert seconds >= sum(job.seconds * min(job.threads, cores) for job in jobs) / cores - 1e-9


@FAST
@given(some_jobs())
def test_one_core_takes_the_total_and_as_many_as_jobs_the_longest_chain(jobs):
    assert makespan(jobs, 1) == sum(job.seconds for job in jobs)
    assert makespan(jobs, 2 * len(jobs)) == max(remaining(jobs))


@pytest.mark.parametrize("cores", [1, 2, 3])
def test_equal_jobs_that_wait_for_nothing_are_scheduled_as_well_as_can_be(cores):
    assert makespan([Job("shard", 2.0)] * 7, cores) == 2 * -(-7 // cores)
