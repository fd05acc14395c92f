"""The plan of what configurations cost: windows counted by brute force, published numbers, and the README's table."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pairprobe.errors import InputError

ROOT = Path(__file__).parents[3]
FILE = ROOT / "benchmarks" / "plan.py"
SPECIFICATION = importlib.util.spec_from_file_location("plan", FILE)
plan = importlib.util.module_from_spec(SPECIFICATION)
SPECIFICATION.loader.exec_module(plan)

NAMES = ("squad", "nq-dev", "paper")
NQ = plan.SOURCES["natural_questions"]
SIZES = [(page, room, stride) for page in (*range(1, 30), 100) for room in (5, 8, 13) for stride in (1, 3, 5)]


def windows(page, room, stride):
    """Cut a page as it is defined: windows begin ``stride`` apart until one reaches the page's end."""
    cut = []
    for start in range(0, page, stride):
        cut.append(range(start, min(start + room, page)))
        if cut[-1].stop == page:
            break
    return cut


def config_of(path, **changes):
    """Write the paper's configuration with other values; a key is ``section__key``."""
    config = yaml.safe_load(plan.PAPER.read_text())
    for key, value in changes.items():
        section, _, name = key.partition("__")
        if name:
            config.setdefault(section, {})[name] = value
        else:
            config[section] = value
    (path / "config.yaml").write_text(yaml.safe_dump(config))
    return path / "config.yaml"


def seconds(path):
    config = plan.read_config(path)
    return [[plan.seconds(plan.work_of(config, end), machine) for machine in plan.MACHINES] for end in (0, 1)]


# Windows.


def test_a_page_has_as_many_windows_as_are_cut():
    for page, room, stride in SIZES:
        assert plan.count_windows(page, room, stride) == len(windows(page, room, stride))


def test_an_answer_is_in_as_many_windows_as_hold_it_whole():
    for page, room, stride in SIZES[::3]:
        cut = windows(page, room, stride)
        for length in range(1, min(page, 15) + 1):
            for start in range(page - length + 1):
                held = sum(window.start <= start and start + length <= window.stop for window in cut)
                assert plan.count_holding(start, length, page, room, stride) == held


def test_the_windows_are_those_that_the_joint_baseline_counts():
    """30 a page, and about four for an answer that stands far from both ends: room / stride."""
    room = 512 - plan.QUESTION - plan.SPECIAL
    assert plan.count_windows(NQ.read[0], room, 128) == 30
    middle = [plan.count_holding(start, 1, 4150, room, 128) for start in range(1024, 1024 + 128)]
    assert sum(middle) / 128 == room / 128


def test_the_mean_of_windows_with_the_answer_is_that_over_all_places():
    source = plan.Source(1, 1, 1, 0.25, 0.5, (1, 1, 1), (1, 1), 1, (400, 400), 1)
    cut = windows(400, 200, 50)

    def mean(length, end):
        places = range(end - length + 1)
        return sum(sum(w.start <= i and i + length <= w.stop for w in cut) for i in places) / len(places)

    wanted = sum(
        0.5 * share * mean(length, end)
        for length, share in ((plan.SHORT_ANSWER, 0.75), (plan.LONG_ANSWER, 0.25))
        for end in (plan.LONG_ANSWER, 400)
    )
    assert plan.mean_holding(source, 400, 200, 50) == pytest.approx(wanted)


def test_the_whole_train_set_gives_about_as_many_windows_to_train_on_as_were_published():
    least, most = (307373 * plan.count_trained(NQ, page, plan.JOINT_BASELINE) for page in NQ.read)
    assert least == pytest.approx(500_000, rel=0.3)
    assert abs(plan.PUBLISHED / 500_000 - 1) < 0.02
    assert most > least


def test_no_and_all_windows_without_the_answer():
    page, room = NQ.read[0], 512 - plan.QUESTION - plan.SPECIAL
    held = NQ.answered * plan.mean_holding(NQ, page, room, 128)
    assert plan.count_trained(NQ, page, {**plan.JOINT_BASELINE, "unanswered": 0}) == pytest.approx(held)
    assert plan.count_trained(NQ, page, {**plan.JOINT_BASELINE, "unanswered": 1}) == plan.count_windows(page, room, 128)


# Machines.


def test_the_operations_of_a_forward_pass_are_those_of_its_matrix_products():
    """Counted from the shapes: four projections, the two layers of the feed-forward network, scores and sums."""
    length, hidden = 512, 768
    layer = 2 * (4 * hidden * hidden + 2 * hidden * 4 * hidden) + 2 * 2 * length * hidden
    assert plan.flops(length) == pytest.approx(12 * layer, rel=0.01)


def test_the_parameters_are_those_of_the_model():
    from transformers import BertConfig, BertModel

    model = BertModel(BertConfig())
    parts = {name: sum(p.numel() for p in part.parameters()) for name, part in model.named_children()}
    assert parts["encoder"] + parts["pooler"] == pytest.approx(plan.PARAMETERS, rel=0.001)
    assert 4 * sum(parts.values()) == pytest.approx(plan.CHECKPOINT, rel=0.01)
    assert (model.config.num_hidden_layers, model.config.hidden_size) == (plan.LAYERS, plan.HIDDEN)


def test_the_time_of_a_subtoken_is_the_rate_where_it_was_measured():
    for machine in plan.MACHINES:
        assert 1 / plan.a_subtoken(machine, 150) == pytest.approx(machine.extracting)
        assert 1 / plan.a_subtoken(machine, 512) == pytest.approx(machine.predicting)
    one = plan.MACHINES[1]
    assert plan.a_subtoken(one, 48) == pytest.approx(plan.flops(48) / (plan.FORWARD * plan.PEAK))


@pytest.mark.parametrize("name", NAMES)
def test_more_gpus_are_never_slower_in_any_stage(name):
    for _, one, eight in seconds(ROOT / "config" / f"{name}.yaml"):
        assert one.keys() == eight.keys()
        assert all(eight[stage] <= one[stage] for stage in one)


def test_more_of_a_page_is_never_less_work():
    for less, more in zip(*seconds(plan.PAPER), strict=True):
        assert all(less[stage] <= more[stage] for stage in less)


def test_a_gpu_is_faster_than_two_cores_wherever_a_model_runs():
    (cpu, gpu, _), _ = seconds(plan.PAPER)
    assert all(
        gpu[name] < cpu[name] / 3 for name in ("fine-tuning", "heads on the frozen encoder", "predictions", "activations")
    )


# Configurations.


def test_twice_the_epochs_take_twice_the_training(tmp_path):
    (once, *_), _ = seconds(config_of(tmp_path, finetuning__epochs=1))
    (twice, *_), _ = seconds(config_of(tmp_path, finetuning__epochs=2))
    changed = {name for name in once if once[name] != twice[name]}
    assert changed == {"fine-tuning", "heads on the frozen encoder"}
    assert all(twice[name] == pytest.approx(2 * once[name]) for name in changed)


def test_twice_the_stride_is_about_half_the_windows(tmp_path):
    one, other = (
        plan.work_of(plan.read_config(config_of(tmp_path, evaluation={"max_length": 512, "stride": stride})), 1)
        for stride in (64, 128)
    )
    assert one.predictions / other.predictions == pytest.approx(2, rel=0.03)


def test_no_cap_means_every_question_of_the_partition(tmp_path):
    work = plan.work_of(plan.read_config(config_of(tmp_path, evaluation={"max_length": 512, "examples": None})), 0)
    assert work.asked == pytest.approx(0.08 * 307373)
    work = plan.work_of(plan.read_config(config_of(tmp_path, evaluation={"max_length": 512, "examples": 7})), 0)
    assert work.asked == 7


def test_splits_for_each_partition_are_dealt_by_partition(tmp_path):
    splits = {"finetune": ["train"], "head": ["train"], "probe": ["validation"]}
    path = config_of(tmp_path, data={"source": "natural_questions", "splits": splits})
    questions, size, files = plan.dealt(plan.read_config(path))
    assert questions["probe"] == 7830
    assert questions["finetune"] + questions["head"] == pytest.approx(307373)
    assert questions["finetune"] / questions["head"] == pytest.approx(0.76 / 0.16)
    assert (size, files) == (pytest.approx(56.84e9), 294)


def test_a_part_of_the_files_is_that_part_of_the_questions(tmp_path):
    path = config_of(tmp_path, data={"source": "natural_questions", "splits": ["train"], "shards": 10, "sample": 0.5})
    questions, size, files = plan.dealt(plan.read_config(path))
    assert sum(questions.values()) == pytest.approx(307373 * 10 / 287 / 2)
    assert (size, files) == (pytest.approx(55.5e9 * 10 / 287), 10)


def test_without_training_there_is_no_stage_that_trains():
    (cpu, *_), _ = seconds(ROOT / "config" / "nq-dev.yaml")
    assert not {"features", "fine-tuning", "heads on the frozen encoder"} & cpu.keys()
    assert {"download", "predictions", "activations"} < cpu.keys()


@pytest.mark.parametrize("name", NAMES)
def test_the_lines_for_a_configuration_are_comments_that_fit(name):
    lines = plan.plan(str(ROOT / "config" / f"{name}.yaml"))
    assert all(line.startswith("# ") and len(line) <= 124 for line in lines)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"finetuning__strode": 128}, "finetuning.strode: there is no such key. Did you mean stride?"),
        ({"finetuning__epochs": 0}, "finetuning.epochs"),
        ({"data": {"source": "squad_v2"}}, "no split whose counts are known here. Known: natural_questions train"),
        ({"data": {"source": "bundled"}}, "no split whose counts are known here"),
        ({"data": {"source": "squad", "files": ["dev.json"]}}, "no split whose counts are known here"),
        ({"data": {"source": "squad", "splits": ["test"]}}, "data.splits: found 'test'"),
    ],
)
def test_a_configuration_that_cannot_be_planned_is_refused(tmp_path, changes, said):
    with pytest.raises(InputError) as error:
        plan.plan(str(config_of(tmp_path, **changes)))
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("text", "said"), [(None, "cannot be read"), ("run: [", "no YAML"), ("- a", "a configuration is wanted")]
)
def test_what_is_no_configuration_ends_the_command_with_one_line(tmp_path, text, said):
    path = tmp_path / "bad.yaml"
    if text is not None:
        path.write_text(text)
    done = subprocess.run([sys.executable, FILE, path], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {path}")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


# What is printed.


@pytest.mark.parametrize(
    ("low", "high", "together"),
    [
        ("3 h", "3 h", "3 h"),
        ("3 h", "5 h", "3 to 5 h"),
        ("50 min", "2.0 h", "50 min to 2.0 h"),
        ("1,000 windows of 500 pages", "2,000 windows of 500 pages", "1,000 to 2,000 windows of 500 pages"),
    ],
)
def test_ranges_read_well(low, high, together):
    assert plan.between(low, high) == together


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.2, "1 s"), (89, "89 s"), (90, "2 min"), (5399, "90 min"), (5400, "1.5 h"), (360000, "100 h")]
)
def test_times_have_the_unit_that_fits(seconds, said):
    assert plan.duration(seconds) == said


def test_the_readme_has_the_table_that_the_command_prints():
    """It is written by `benchmarks/plan.py --write`."""
    text = plan.README.read_text(encoding="utf-8")
    said = subprocess.run([sys.executable, FILE, "--table", plan.PAPER], capture_output=True, text=True, check=True).stdout
    assert text.split(plan.BEGIN)[1].split(plan.END)[0].strip() == said.strip()
    assert plan.written(text, said.splitlines()) == text


def test_only_what_is_between_the_marks_is_written():
    text = f"before\n{plan.BEGIN}\nold\n{plan.END}\nafter\n"
    assert plan.written(text, ["new"]) == f"before\n{plan.BEGIN}\nnew\n{plan.END}\nafter\n"
