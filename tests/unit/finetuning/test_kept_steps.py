"""Steps of a training that are kept: which, what they are, wherever it was killed, and the checkpoints made of them."""

import json
import logging
import random
import signal
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from trainings import SEED, Forking, run, steps, training_of, weights

from pairprobe.errors import InputError
from pairprobe.finetuning import joint_model, kept_steps, step_list, trainer
from pairprobe.finetuning.lora import Lora
from pairprobe.io.digests import folder_digest

LORA = Lora(rank=4, alpha=8, dropout=0.1)


@pytest.fixture(scope="module")
def keep(features):
    """Steps to keep: some of both epochs, and the last."""
    return (1, 4, steps(features) // 2 + 1, steps(features))


@pytest.fixture(scope="module")
def kept(tiny, features, keep, tmp_path_factory):
    """An uninterrupted run that keeps them."""
    return run(tiny, features, tmp_path_factory.mktemp("kept") / "result", keep_steps=keep)


def files(out):
    """The bytes of what a run has kept, by name."""
    return {path.name: path.read_bytes() for path in Path(f"{out}.kept").iterdir()}


def taken(start, out, number, path, lora=None):
    kept_steps.take(kept_steps.KeptStep(start, f"{out}.kept", number, SEED, lora), str(path))
    return path


# --- Which steps ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keep", "total", "wanted"),
    [
        ((), 100, ()),
        ([50, 7], 100, (0, 7, 50)),
        ([0, 100], 100, (0, 100)),
        (2, 100, (0,)),
        (8, 640, (0, 10, 20, 40, 80, 160, 320)),
        (9, 3650, (0, 29, 57, 114, 228, 456, 912, 1825)),
        (4, 3, (0, 1, 2)),
    ],
)
def test_steps_are_those_of_a_list_or_points_on_a_log_scale(keep, total, wanted):
    assert step_list.steps_of(keep, total) == wanted


@pytest.mark.parametrize("total", range(1, 400))
def test_as_many_points_as_an_error_allows_are_different_steps(total):
    with pytest.raises(InputError) as error:
        step_list.steps_of(20, total)
    most = int(str(error.value).split()[-1].rstrip("."))
    found = [*step_list.steps_of(most, total), total]
    assert found == sorted(set(found))
    assert len(found) == most


def test_a_step_beyond_the_last_is_an_input_error_before_anything_is_trained(tiny, features, tmp_path):
    last = steps(features)
    with pytest.raises(InputError) as error:
        run(tiny, features, tmp_path / "a", keep_steps=(1, last + 1))
    wanted = f"keep_steps: found {last + 1}, and the training has {last} steps. Wanted: steps from 0 to {last}."
    assert str(error.value) == wanted
    assert list(tmp_path.iterdir()) == []


def test_the_last_step_in_a_list_is_said_to_be_probed_twice(caplog):
    assert step_list.steps_of([50, 100], 100) == (0, 50, 100)
    assert "keep_steps: 100 is the last step, which is probed anyway, and so twice. Leave it out." in caplog.text
    caplog.clear()
    step_list.steps_of([50, 99], 100)
    assert not caplog.text


# --- What is kept ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_to_keep_steps_changes_no_byte_of_the_result(kept, tuned):
    assert folder_digest(kept) == folder_digest(tuned)
    assert Path(f"{kept}.tsv").read_bytes() == Path(f"{tuned}.tsv").read_bytes()


@pytest.mark.slow
def test_what_is_kept_of_a_step_is_the_model_after_it(tiny, features, kept, keep, tmp_path, monkeypatch):
    seen = {}

    def on_step_end(self, args, state, control, model, **kwargs):
        seen[state.global_step] = {key: value.clone() for key, value in model.state_dict().items()}

    monkeypatch.setattr(trainer._ProgressCallback, "on_step_end", on_step_end)
    run(tiny, features, tmp_path / "a")
    for step in keep:
        found = load_file(f"{kept}.kept/step-{step}.safetensors")
        assert found.keys() == seen[step].keys()
        assert all(torch.equal(found[key], seen[step][key]) for key in found), step
    assert json.loads(Path(f"{kept}.kept/steps.json").read_text()) == {"steps": [0, *keep], "last": steps(features)}


@pytest.mark.slow
def test_a_number_of_points_keeps_all_but_the_last(tiny, features, kept, tmp_path):
    out = run(tiny, features, tmp_path / "a", keep_steps=4)
    last = steps(features)
    assert files(out).keys() == {"steps.json", f"step-{round(last / 4)}.safetensors", f"step-{round(last / 2)}.safetensors"}
    assert folder_digest(out) == folder_digest(kept)


# --- Kept steps as checkpoints --------------------------------------------------------------------------------------


def test_the_last_step_as_a_checkpoint_is_the_result_byte_for_byte(tiny, kept, keep, tmp_path):
    assert folder_digest(taken(tiny, kept, len(keep), tmp_path / "last")) == folder_digest(kept)


def test_step_0_is_the_start_with_the_heads_that_the_training_begins_with(tiny, kept, tmp_path):
    found, start = weights(taken(tiny, kept, 0, tmp_path / "first")), weights(Path(tiny))
    encoder = {key: value for key, value in found.items() if key.startswith("bert.") and "pooler" not in key}
    assert encoder
    assert all(torch.equal(value, start[key.removeprefix("bert.")]) for key, value in encoder.items())
    heads = joint_model.initial(tiny, SEED)[0].head_state()
    assert all(torch.equal(found[key], value) for key, value in heads.items())


def test_a_step_between_is_a_checkpoint_that_answers(tiny, kept, keep, tmp_path):
    model = joint_model.load(taken(tiny, kept, 2, tmp_path / "a"))
    found = load_file(f"{kept}.kept/step-{keep[1]}.safetensors")
    assert all(torch.equal(value, found[key]) for key, value in model.state_dict().items())


@pytest.mark.slow
def test_steps_of_lora_are_its_matrices_and_heads_and_the_last_is_the_result(tiny, features, tmp_path):
    last = steps(features)
    settings = {"lora": LORA, "learning_rate": 0.01}
    out = run(tiny, features, tmp_path / "a", keep_steps=(1, last), **settings)
    found = load_file(f"{out}.kept/step-1.safetensors")
    assert all("lora_" in key or key.startswith(("model.qa_outputs", "model.answer_type")) for key in found)
    assert folder_digest(taken(tiny, out, 2, tmp_path / "last", LORA)) == folder_digest(out)
    first, start = weights(taken(tiny, out, 0, tmp_path / "first", LORA)), weights(Path(tiny))
    assert all(torch.equal(first[f"bert.{key}"], value) for key, value in start.items() if "pooler" not in key)


def test_a_folder_without_its_list_of_steps_is_an_input_error(tiny, kept, tmp_path):
    (tmp_path / "a.kept").mkdir()
    with pytest.raises(InputError, match=r"a\.kept/steps\.json: found no steps of a training"):
        taken(tiny, tmp_path / "a", 0, tmp_path / "b")


# --- Killed and started again ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def one_core(tmp_path_factory):
    forking = Forking(tmp_path_factory.mktemp("one_core") / "errors.txt", cores=1)
    yield forking
    forking.close()


SLOW = pytest.mark.slow
# The calls of a place among which one is drawn: of save_file there is one for each kept step, and one for the last weights.
PLACES = [
    ("step", 1, 3),
    ("step", 5, 9),
    ("kept_steps.save_file", 1, 1),
    ("kept_steps.save_file", 2, 4),
    pytest.param("kept_steps.save_file", 5, 5, marks=SLOW),
    pytest.param("torch.save", 5, 20, marks=SLOW),
    pytest.param("TrainerState.save_to_json", 2, 4, marks=SLOW),
    ("shutil.copyfile", 2, 4),
]


@pytest.mark.slow
@pytest.mark.parametrize(("place", "least", "most"), PLACES)
def test_a_training_killed_anywhere_keeps_the_same_steps_bit_for_bit(
    one_core, tiny, features, kept, keep, tmp_path, place, least, most
):
    number = random.Random(f"{place} {least}").randint(least, most)
    out = tmp_path / "a"
    one_core.start(out, training_of(tiny, features, out, keep_steps=keep), place=place, number=number)
    assert one_core.end() == -signal.SIGKILL, one_core.errors.read_text()
    assert not Path(f"{out}.kept").exists()
    run(tiny, features, out, keep_steps=keep)
    assert files(out) == files(kept), number
    assert folder_digest(out) == folder_digest(kept)
    assert {path.name for path in tmp_path.iterdir() if not path.name.startswith(".")} == {"a", "a.tsv", "a.kept"}


@pytest.mark.slow
@pytest.mark.parametrize(("steps_then", "goes_on"), [((1, 3, 5), True), ((2, 9), False)])
def test_a_training_goes_on_for_steps_that_lie_ahead_and_starts_afresh_for_steps_behind(
    one_core, tiny, features, kept, tmp_path, caplog, steps_then, goes_on
):
    out = tmp_path / "a"
    one_core.start(out, training_of(tiny, features, out, keep_steps=(1, 3)), place="step", number=5)
    one_core.end()
    caplog.set_level(logging.INFO, logger="pairprobe")
    run(tiny, features, out, keep_steps=steps_then)
    assert ("going on from" in caplog.text) == goes_on
    assert ("without keeping them; starting afresh" in caplog.text) != goes_on
    assert files(out).keys() == {"steps.json", *(f"step-{step}.safetensors" for step in steps_then)}
    assert all(files(out)[name] == data for name, data in files(kept).items() if name in files(out) and "step-" in name)
    assert folder_digest(out) == folder_digest(kept)


@SLOW
def test_two_processes_keep_steps_once_and_change_no_weight_for_it(one_core, steady, tmp_path):
    digests = set()
    for name, keep in (("without", ()), ("with", (2, 6)), ("killed", (2, 6))):
        given = training_of(*steady, tmp_path / name, processes=2, batch_size=8, save_steps=4, keep_steps=keep)
        if name == "killed":
            one_core.start(tmp_path / name, given, place="step", number=5)
            assert one_core.end() == -signal.SIGKILL, one_core.errors.read_text()
        one_core.start(tmp_path / name, given)
        assert one_core.end() == 0, one_core.errors.read_text()
        digests.add(folder_digest(tmp_path / name))
    assert len(digests) == 1
    assert files(tmp_path / "killed") == files(tmp_path / "with")
    assert folder_digest(taken(steady[0], tmp_path / "with", 2, tmp_path / "last")) in digests
