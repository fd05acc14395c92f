"""The scaling: schedules that can be checked by hand, bounds that hold of any, and jobs as Snakemake plans them."""

import dataclasses
import json
import os
import subprocess
import sys
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import plan
import scaling
from pairprobe.errors import InputError
from schedule import Job, Workers, bound, critical_path, idle_share, linked, makespan, remaining, simulate

FAST = settings(max_examples=60, deadline=None)
# a before b and c, both before d.
DIAMOND = [Job("a", 1), Job("b", 5, (0,)), Job("c", 2, (0,)), Job("d", 3, (1, 2))]


@st.composite
def some_jobs(draw, threads=2):
    """Up to twelve jobs, each with needs among those before it; whole seconds, so that sums are exact."""
    jobs = []
    for i in range(draw(st.integers(1, 12))):
        needs = draw(st.sets(st.integers(0, i - 1), max_size=3)) if i else set()
        seconds, gpu = draw(st.integers(0, 9)), draw(st.booleans())
        jobs.append(Job(f"rule{i}", float(seconds), tuple(sorted(needs)), draw(st.integers(1, threads)), gpu))
    return jobs


some_workers = st.builds(Workers, st.integers(1, 4), st.integers(1, 3), st.booleans())


def longest_chain(jobs, i):
    """By its definition: try every way back."""
    return jobs[i].seconds + max((longest_chain(jobs, other) for other in jobs[i].needs), default=0)


# Schedules.


def test_a_diamond_by_hand():
    assert [job.rule for job in critical_path(DIAMOND)] == ["a", "b", "d"]
    assert remaining(DIAMOND) == [9, 8, 5, 3]
    assert makespan(simulate(DIAMOND, Workers(1))) == 11
    assert makespan(simulate(DIAMOND, Workers(2))) == 9
    assert idle_share(DIAMOND, Workers(2), 9) == pytest.approx(1 - 11 / 18)


def test_looking_ahead_begins_the_longest_chain_first():
    """Two short jobs came first; the long one behind them, put off, would end alone."""
    jobs = [Job("short", 2), Job("short", 2), Job("long", 4)]
    assert makespan(simulate(jobs, Workers(2))) == 4
    assert makespan(simulate(jobs, Workers(2), look_ahead=False)) == 6


def test_a_job_of_two_threads_takes_a_worker_of_two_cores_and_two_of_one_share_it():
    jobs = [Job("wide", 3, threads=2), Job("narrow", 3), Job("narrow", 3)]
    assert makespan(simulate(jobs, Workers(1, 2))) == 6
    assert makespan(simulate(jobs, Workers(2, 2))) == 3
    # The narrow ones leave the other worker whole.
    assert len({each.worker for each in simulate(jobs[1:], Workers(2, 2))}) == 1


def test_a_gpu_does_one_job_at_a_time_while_cores_do_others():
    jobs = [Job("model", 3, gpu=True), Job("model", 3, gpu=True), Job("text", 6)]
    assert makespan(simulate(jobs, Workers(1, 8, gpus=True))) == 6
    assert makespan(simulate(jobs[:2], Workers(1, 8))) == 3
    assert idle_share(jobs, Workers(2, 8, gpus=True), 6) == 0.5


def test_no_jobs_take_no_time():
    assert simulate([], Workers(3)) == []
    assert bound([], Workers(3)) == makespan([]) == idle_share([], Workers(3), 0) == 0


@FAST
@given(some_jobs(), some_workers, st.booleans())
def test_no_worker_does_more_than_it_can_and_each_job_waits_for_what_it_needs(jobs, workers, look_ahead):
    placed = simulate(jobs, workers, look_ahead)
    for job, each in zip(jobs, placed, strict=True):
        assert each.end == each.start + job.seconds
        assert all(placed[other].end <= each.start for other in job.needs)
        assert 0 <= each.worker < workers.number
    for moment in {each.start for each in placed}:
        for worker in range(workers.number):
            busy = [j for j, p in zip(jobs, placed, strict=True) if p.worker == worker and p.start <= moment < p.end]
            assert sum(workers.threads(job) for job in busy) <= workers.cores
            assert not workers.gpus or sum(job.gpu for job in busy) <= 1


@FAST
@given(some_jobs(), some_workers)
def test_no_schedule_stays_below_the_bounds(jobs, workers):
    seconds = makespan(simulate(jobs, workers))
    assert seconds >= bound(jobs, workers) - 1e-9
    assert seconds >= max(longest_chain(jobs, i) for i in range(len(jobs)))
    assert 0 <= idle_share(jobs, workers, seconds) <= 1


@FAST
@given(some_jobs())
def test_the_critical_path_is_the_longest_chain(jobs):
    chain = critical_path(jobs)
    assert sum(job.seconds for job in chain) == max(remaining(jobs))
    assert remaining(jobs)[jobs.index(chain[0])] == max(longest_chain(jobs, i) for i in range(len(jobs)))
    places = [jobs.index(job) for job in chain]
    assert all(before in jobs[after].needs for before, after in pairwise(places))


@FAST
@given(some_jobs())
def test_one_worker_of_one_core_takes_the_total_and_as_many_as_jobs_the_critical_path(jobs):
    assert makespan(simulate(jobs, Workers(1))) == sum(job.seconds for job in jobs)
    assert makespan(simulate(jobs, Workers(len(jobs), 2))) == max(remaining(jobs))


@FAST
@given(some_jobs(threads=1), st.integers(1, 4), st.booleans())
def test_a_list_schedule_is_within_grahams_bound(jobs, number, look_ahead):
    """Graham (1969): no more than the shared work and the part of the critical path that the others may have to wait."""
    total, chain = sum(job.seconds for job in jobs), max(remaining(jobs))
    assert makespan(simulate(jobs, Workers(number), look_ahead)) <= total / number + (1 - 1 / number) * chain + 1e-9


# Jobs.


def test_jobs_are_linked_by_their_files_and_stand_behind_what_they_need():
    jobs = {7: Job("draw"), 3: Job("rank"), 5: Job("read")}
    inputs = {7: ["ranks", "given"], 3: ["examples", "index"], 5: ["given"]}
    outputs = {7: ["figure"], 3: ["ranks"], 5: ["examples", "index"]}
    found = linked(jobs, inputs, outputs)
    assert [(job.rule, job.needs) for job in found] == [("read", ()), ("rank", (0,)), ("draw", (1,))]


@pytest.fixture(scope="module")
def paper():
    return scaling.dry_run(plan.PAPER)


def test_the_jobs_and_edges_are_those_of_snakemakes_own_graph():
    command = [sys.executable, "-m", "snakemake", "--forceall", "--quiet", "all", "--d3dag", "--configfile", scaling.DEMO]
    environment = {**os.environ, "PYTHONPATH": str(scaling.ROOT / "workflow")}
    said = subprocess.run(command, cwd=scaling.ROOT, env=environment, capture_output=True, text=True, check=True).stdout
    graph = json.loads(said)
    rules = {node["id"]: node["value"]["rule"] for node in graph["nodes"]}
    jobs = scaling.dry_run(scaling.DEMO)
    assert sorted(job.rule for job in jobs) == sorted(rules.values())
    edges = sorted((jobs[other].rule, job.rule) for job in jobs for other in job.needs)
    assert edges == sorted((rules[edge["u"]], rules[edge["v"]]) for edge in graph["edges"])


def test_every_rule_that_has_a_rate_has_jobs_and_they_take_what_the_plan_says(paper):
    config = plan.read_config(plan.PAPER)
    for end in (0, 1):
        work = plan.work_of(config, end)
        for machine in plan.MACHINES[:2]:
            jobs = scaling.with_rates(paper, work, machine)
            together = scaling.seconds_of_rules(work, machine)
            one_core = plan.seconds(work, dataclasses.replace(machine, cores=1))
            assert sum(together.values()) == pytest.approx(sum(one_core.values()))
            assert together.keys() <= {job.rule for job in paper}
            started = sum(job.seconds for job in jobs) - sum(together.values())
            assert 0 < started < len(jobs) * scaling.START_WITH_MODEL


def test_downloads_come_one_after_the_other(paper):
    work = plan.work_of(plan.read_config(plan.PAPER), 0)
    jobs = scaling.with_rates(paper, work, plan.CPU)
    line = [job for job in jobs if job.rule in scaling.DOWNLOADS]
    placed = simulate(line_alone(jobs), Workers(64))
    assert makespan(placed) == pytest.approx((work.size + work.fetched * plan.CHECKPOINT) / plan.DOWNLOADED)
    assert len(placed) == len(line)


def line_alone(jobs):
    places = [i for i, job in enumerate(jobs) if job.rule in scaling.DOWNLOADS]
    return [dataclasses.replace(jobs[i], needs=tuple(places.index(other) for other in jobs[i].needs)) for i in places]


def test_models_run_on_gpus_and_nothing_else_does(paper):
    assert {job.rule for job in paper if job.gpu} == {
        "extract_activations", "finetune_checkpoint", "predict_answers", "train_answer_heads",
    }  # fmt: skip


def test_a_benchmark_that_is_missing_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.tsv: missing"):
        scaling.with_benchmarks([Job("a", benchmark="nowhere.tsv")], tmp_path)


# Measured.


def row(rule, started, seconds, threads=1, **more):
    base = dataclasses.asdict(Job(rule, seconds, threads=threads, benchmark=f"{rule}.tsv"))
    # Snakemake is busy with each for half a second more.
    return base | {"started": started, "finished": started + seconds + 0.5, "processor": seconds * threads} | more


def kept_runs():
    """The same three jobs on one core and on two, where "wide" takes both and the others run side by side, more slowly."""
    one = [row("a", 2.0, 4.0), row("b", 6.5, 4.0), row("wide", 11.0, 6.0, needs=[0, 1])]
    two = [row("a", 2.0, 5.0), row("b", 2.0, 5.0), row("wide", 7.5, 6.0, threads=2, needs=[0, 1])]
    base = {"pinned": False, "load": 0.0, "processor": 20.0}
    runs = [
        {"cores": 1, "wall": 18.5, "jobs": one, **base},
        {"cores": 2, "wall": 15.0, "jobs": two, **base},
        {"cores": 2, "wall": 16.0, "jobs": two, **base},
    ]
    return {"config": {}, "machine": "this", "runs": runs}


def test_the_account_of_a_run_is_all_of_its_core_seconds():
    one, two, _ = kept_runs()["runs"]
    assert scaling.account(one) == pytest.approx(
        {"in jobs": 14.0, "around jobs": 1.5, "before the first and after the last": 3.0, "without a job": 0.0}
    )
    found = scaling.account(two)
    assert found == pytest.approx(
        {"in jobs": 22.0, "around jobs": 2.0, "before the first and after the last": 6.0, "without a job": 0.0}
    )
    assert sum(found.values()) == pytest.approx(2 * 15.0)


def test_the_table_is_of_the_fastest_runs_and_says_how_far_the_others_were():
    text = "\n".join(scaling.measured(kept_runs()))
    assert "15.0 s (15.0 to 16.0)" in text
    table = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
    cells = {name: found for name, *found in table}
    assert cells["speed-up"] == ["1.00", "1.23"]
    assert cells["critical path"] == ["10.0 s", "11.0 s"]
    assert cells["simulated, with these times"] == ["14.0 s", "11.0 s"]
    assert cells["simulated, with the times of 1"] == ["14.0 s", "10.0 s"]
    assert cells["jobs of one thread take"] == ["1.00 times", "1.25 times"]
    assert cells["jobs of several threads take"] == ["1.00 times", "1.00 times"]
    assert cells["wide"] == ["1", "6.0", "6.0", "2", "6.0", "12.0"]


def test_simulated_ranges_stand_where_the_least_and_the_most_differ():
    ends = []
    for factor in (1, 2):
        jobs = [dataclasses.replace(job, seconds=job.seconds * factor) for job in DIAMOND]
        series = scaling.Series("it", "workers of one core", "made up", jobs, Workers)
        ends.append((series, scaling.points(series, (1, 2))))
    lines = scaling.simulated(ends)
    assert "11 to 22 s" in lines[4]
    assert "1.22" in lines[5]
    assert any("Critical path 9 s, so at most 1.22 times as fast: a 1 s, b 5 s, d 3 s." in line for line in lines)


def test_measured_times_are_those_of_jobs_that_nothing_slows_down():
    found = scaling.typical(kept_runs())
    assert [(job.rule, job.seconds, job.threads) for job in found] == [("a", 4.0, 1), ("b", 4.0, 1), ("wide", 6.0, 2)]


def test_the_page_has_the_tables_of_the_paper_that_the_command_prints(paper, monkeypatch):
    """It is written by `benchmarks/scaling.py --write`."""
    monkeypatch.setattr(scaling, "dry_run", lambda path: paper)
    text = scaling.PAGE.read_text(encoding="utf-8")
    for ends in zip(*scaling.series_of(plan.PAPER), strict=True):
        assert "\n".join(scaling.simulated([(series, scaling.points(series)) for series in ends])) in text


def test_only_what_is_between_the_marks_is_written():
    text = "before\n<!-- a: begin -->\nold\n<!-- a: end -->\n<!-- b: begin -->\nkept\n<!-- b: end -->\n"
    assert scaling.written(text, "a", ["new"]) == text.replace("old", "new")


def test_the_figure_is_the_same_bytes_each_time(tmp_path):
    series = scaling.Series("it", "workers of one core", "made up", DIAMOND, Workers, {1: 11.0, 2: 10.0})
    drawn = [(series, scaling.points(series))]
    for name in ("one.svg", "two.svg"):
        scaling.draw(drawn, [str(tmp_path / name)], scaling.in_words)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()


@pytest.mark.parametrize("arguments", [["nowhere.yaml"], ["--measured", "--out", "nowhere.json"]])
def test_a_wrong_name_ends_the_command_with_one_line(arguments, tmp_path):
    command = [sys.executable, scaling.__file__, *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("error: nowhere")
    assert "Traceback" not in done.stderr
