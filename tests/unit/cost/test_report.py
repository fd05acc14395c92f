"""What ``pairprobe cost`` prints, and what the documentation has of it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import cost
from pairprobe.cost import rates, report
from pairprobe.cost.work import STAGES, Work
from pairprobe.errors import InputError

ROOT = Path(__file__).parents[3]
DEMO, PAPER = ROOT / "config" / "config.yaml", ROOT / "config" / "paper.yaml"


def run(*arguments):
    return subprocess.run([sys.executable, "-m", "pairprobe", "cost", *map(str, arguments)], capture_output=True, text=True)


def rows(text):
    """Return the rows of a table in Markdown, by their first cell."""
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
    return {name: found for name, *found in cells}


@pytest.mark.slow
def test_the_command_prints_every_stage_on_three_machines():
    done = run(DEMO)
    assert done.returncode == 0, done.stderr
    for text in (*STAGES, "whole run", "this machine", "one GPU", "eight GPUs", "memory", "disk", "measured now"):
        assert text in done.stdout


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "No such file"),
        ("run: [", "cannot be read as YAML"),
        ("- a", "wanted keys with values"),
        ("run: a", "checkpoints: missing"),
        ("run: a\ndata: {source: squad, splits: [test]}\ncheckpoints: {a: {source: path, path: b}}", "found 'test'"),
        ("run: a\ndata: {source: squad, files: [x.json]}\ncheckpoints: {a: {source: path, path: b}}", "no such file"),
    ],
)
def test_a_wrong_configuration_ends_the_command_with_one_error(tmp_path, text, said):
    path = tmp_path / "bad.yaml"
    if text is not None:
        path.write_text(text)
    done = run(path)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {path}")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_figure_of_a_kind_that_is_not_drawn_is_refused(tmp_path):
    done = run(DEMO, "--figure", tmp_path / "x.foo")
    assert done.returncode == 2
    assert done.stderr == f"error: --figure {tmp_path}/x.foo: found the suffix '.foo'. Allowed: .svg, .pdf, .png.\n"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.2, "1 s"), (599, "599 s"), (600, "10 min"), (5400, "1.5 h"), (360000, "100 h")]
)
def test_times_have_the_unit_that_fits(seconds, said):
    assert report.duration(seconds) == said


def test_the_whole_run_takes_the_disk_of_all_stages_and_less_time_than_one_stage_after_the_other():
    work = Work(report.read_config(DEMO), rates.REFERENCE)
    stages = [report.seconds_of(work, stage) for stage in STAGES]
    assert max(stages) < report.seconds_of(work) < sum(stages)


@pytest.mark.slow
def test_the_documentation_has_the_tables_that_the_command_prints():
    """Written from ``pairprobe cost --reference --markdown`` and ``--workers --markdown``."""
    page = (ROOT / "docs" / "reference" / "cost.md").read_text(encoding="utf-8")
    assert report.text(PAPER, True, False, True, None) in page
    assert report.text(PAPER, True, True, True, None) in page


@pytest.mark.slow
def test_the_figure_is_the_same_bytes_each_time(tmp_path):
    for name in ("one.svg", "two.svg"):
        report.text(PAPER, True, True, True, tmp_path / name)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
    assert "speed-up" in report.text(PAPER, True, False, True, tmp_path / "one.svg")


@pytest.mark.parametrize("name", ["squad", "nq-dev", "paper", "as_published", "lora"])
def test_the_head_of_a_configuration_is_what_the_command_says_first(name):
    path = ROOT / "config" / f"{name}.yaml"
    said = report.text(path, True, False, True, None)
    head = [line.removeprefix("# ") for line in path.read_text().splitlines() if line.startswith("#")]
    start = head.index(f"Expected, by `pairprobe cost --reference config/{name}.yaml`:") + 1
    memory, disk, cpu, gpu, gpus = rows(said)["whole run"]
    whole = f"memory of a job {memory}, disk {disk}; two cores {cpu}, one GPU {gpu}, eight GPUs {gpus}"
    assert head[start : start + 3] == [*said.splitlines()[:2], whole]


# A run beside its prediction.


def test_every_rule_of_a_stage_is_one_of_the_workflow():
    rules = "".join(path.read_text() for path in (ROOT / "workflow" / "rules").glob("*.smk"))
    assert set(cost.STAGE_OF_RULE) <= set(re.findall(r"^(?:rule|use rule \w+ as) (\w+)", rules, re.MULTILINE))


def test_a_run_is_compared_by_the_benchmarks_of_its_jobs(tmp_path):
    work = Work(report.read_config(DEMO), rates.REFERENCE)
    predicted = sum(job.seconds for job in work.jobs if job.stage == "fine-tuning")
    for rule, seconds in (("finetune_checkpoint/a", predicted / 4), ("build_features/a", predicted / 4)):
        file = tmp_path / "benchmarks" / f"{rule}.tsv"
        file.parent.mkdir(parents=True)
        file.write_text(f"s\tmax_rss\n{seconds}\t1000\n")
    found = rows(cost.compare(work, tmp_path))
    assert found["fine-tuning"][2] == "+100 %"
    assert found["fine-tuning"][4] == "1.0"
    with pytest.raises(InputError, match="no benchmarks"):
        cost.compare(work, tmp_path / "nowhere")
