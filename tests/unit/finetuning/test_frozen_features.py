"""Heads that are trained on what the frozen encoder made of all windows once."""

import logging
import shutil
import signal
from pathlib import Path

import pytest
import torch
from families import FAMILIES, PADDED, make, tiny_padded
from trainings import SETTINGS, Forking, apart, built, run, same, training_of

from pairprobe.checkpoints import loading
from pairprobe.errors import InputError
from pairprobe.finetuning import frozen_features, joint_model
from pairprobe.finetuning.features import Features
from pairprobe.finetuning.frozen_features import FrozenFeatures
from pairprobe.io import tsv

SLOW = pytest.mark.slow
HOW = {"how": "train_answer_heads"}
# A window of the tests has up to 33 rows of 32 numbers of four bytes.
SMALL = 5000


@pytest.fixture
def in_small_files(monkeypatch):
    monkeypatch.setattr(frozen_features, "FILE_BYTES", SMALL)


@pytest.fixture
def without(monkeypatch):
    """Train with passes anew in each epoch."""

    def train(*args, **changed):
        with monkeypatch.context() as patch:
            patch.setattr(frozen_features, "MAX_BYTES", 0)
            return run(*args, **HOW, **changed)

    return train


def losses(out):
    return [float(row["loss"]) for row in tsv.read_tsv(f"{out}.tsv")]


def frozen(folder, precision="float32"):
    model = joint_model.initial(folder, SETTINGS["seed"], frozen=True)[0]
    model.compute_frozen(precision, "cpu")
    return model


def encoded(model, folder, features, work):
    windows = Features(features)
    collate = joint_model.Collator(loading.load_tokenizer(folder))
    return windows, collate, frozen_features.encode(model, windows, collate, str(work), 2)


def count_windows(monkeypatch):
    """Note the windows of each pass of the encoder."""
    passes, encode = [], frozen_features._Encoding._run
    monkeypatch.setattr(frozen_features._Encoding, "_run", lambda self, batch: passes.append(batch) or encode(self, batch))
    return passes


# --- What is kept ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("family", "precision"),
    [
        *((family, "float32") for family in [*FAMILIES, *PADDED]),
        ("bert", "bfloat16"),
        *(pytest.param(family, "bfloat16", marks=SLOW) for family in ["modernbert", "ConvBert"]),
    ],
)
def test_heads_get_what_a_pass_over_the_window_alone_gives(family, precision, pages, tmp_path, in_small_files):
    make_it = tiny_padded if family in PADDED else lambda folder, name: str(make(name, folder))
    folder = make_it(tmp_path / "start", family)
    model = frozen(folder, precision).eval()
    features = built(folder, pages[:4], tmp_path)
    windows, collate, kept = encoded(model, folder, features, tmp_path / "work")
    assert len(kept.sizes) > 1
    asked = [5, 0, 3, 1]
    items = [(windows[i]["input_ids"], windows[i]["begin"]) for i in asked]
    assert len({len(ids) for ids, _ in items}) > 1
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
        found = model(**collate(items), encoded=kept.batch(asked))
        alone = [model(**collate([item])) for item in items]
    tolerance = 1e-5 if precision == "float32" else 0.03
    for i, (wanted, (ids, _)) in enumerate(zip(alone, items, strict=True)):
        for name, inside in {"start": slice(len(ids)), "end": slice(len(ids)), "answer_type": slice(None)}.items():
            assert torch.allclose(found[name][i, inside], wanted[name][0], atol=tolerance, rtol=tolerance), name
        assert (found["start"][i, len(ids) :] == -1e9).all()


def test_after_a_batch_that_was_kept_the_encoder_runs_again(tiny, features, tmp_path):
    model = frozen(tiny).eval()
    windows, collate, kept = encoded(model, tiny, features, tmp_path)
    batches = [collate([(windows[i]["input_ids"], windows[i]["begin"])]) for i in (0, 1)]
    with torch.no_grad():
        before = model(**batches[0])["start"]
        model(**batches[1], encoded=kept.batch([1]))
        assert torch.equal(model(**batches[0])["start"], before)


def test_windows_lie_one_after_the_other_in_files_of_the_set_size(in_small_files):
    lengths = torch.randint(1, 40, (200,), generator=torch.Generator().manual_seed(0)).numpy()
    kept = FrozenFeatures.of(Path("work"), torch.bfloat16, 16, lengths)
    sizes, seen = (lengths + 1) * 16 * 2, []
    for number, size in enumerate(kept.sizes):
        inside = sorted((kept.offset[i], i) for i in range(200) if kept.file[i] == number)
        offset = 0
        for begin, i in inside:
            assert begin == offset
            offset += sizes[i]
        assert offset == size
        assert size < SMALL + sizes.max()
        seen += [i for _, i in inside]
    assert sorted(seen) == list(range(200))
    assert sorted(lengths[seen], reverse=True) == list(lengths[seen])


def test_a_file_that_is_cut_off_while_heads_train_is_an_input_error(tiny, features, tmp_path):
    *_, kept = encoded(frozen(tiny), tiny, features, tmp_path)
    with open(kept.path(0), "r+b") as file:
        file.truncate(kept.sizes[0] - 1)
    with pytest.raises(InputError, match=r"frozen/0\.float32: it was cut off"):
        kept.batch(range(len(kept.lengths)))


# --- Trainings ------------------------------------------------------------------------------------------------------


def test_where_the_disk_has_no_room_the_encoder_passes_anew(tiny, features, tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.INFO, "pairprobe")
    full = type(shutil.disk_usage(tmp_path))(total=10**9, used=10**9 - 99, free=99)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: full)
    assert encoded(frozen(tiny), tiny, features, tmp_path / "work")[2] is None
    assert "GB, and 0.0 GB are free" in caplog.text


@pytest.mark.slow
@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-5), ("bfloat16", 0.01)])
def test_heads_learn_what_they_learn_with_passes_anew_in_each_epoch(
    tiny, features, tmp_path, without, caplog, precision, tolerance
):
    kept = run(tiny, features, tmp_path / "kept", precision=precision, **HOW)
    caplog.set_level(logging.INFO, "pairprobe")
    anew = without(tiny, features, tmp_path / "anew", precision=precision)
    assert "the frozen encoder runs anew in each epoch" in caplog.text
    assert apart(kept, anew) < tolerance
    assert losses(kept) == pytest.approx(losses(anew), abs=tolerance)


@pytest.mark.slow
@pytest.mark.parametrize("epochs", [2, 5])
def test_the_encoder_passes_over_each_window_once_whatever_the_epochs(tiny, features, tmp_path, monkeypatch, epochs):
    rows, compute_frozen = [], joint_model.JointModel.compute_frozen

    def counted(self, *args):
        compute_frozen(self, *args)
        # Two texts of every model are a sample.
        self.encoder.embeddings.register_forward_hook(lambda _, __, output: rows.append(len(output)))

    monkeypatch.setattr(joint_model.JointModel, "compute_frozen", counted)
    run(tiny, features, tmp_path / "a", epochs=epochs, **HOW)
    assert sum(rows) == len(Features(features)) + 2


@pytest.mark.slow
def test_one_epoch_keeps_nothing(tiny, features, tmp_path, monkeypatch):
    passes = count_windows(monkeypatch)
    run(tiny, features, tmp_path / "a", epochs=1, **HOW)
    assert passes == []


@pytest.mark.slow
def test_neither_threads_nor_files_change_a_weight(tiny, features, heads, tmp_path, monkeypatch, in_small_files):
    assert same(run(tiny, features, tmp_path / "a", **HOW), heads)
    # A sum of gradients may change with the threads; what the encoder gives does not.
    kept = [encoded(frozen(tiny), tiny, features, tmp_path / f"{threads}")[2] for threads in (1, 3)]
    for number in range(len(kept[0].sizes)):
        assert kept[0].path(number).read_bytes() == kept[1].path(number).read_bytes()


class KilledError(Exception):
    """Raised in the place of a signal."""


@pytest.mark.slow
@pytest.mark.parametrize("stop_at", [0, 7])
def test_a_run_killed_within_the_passes_makes_no_finished_file_again(
    tiny, features, heads, tmp_path, monkeypatch, in_small_files, stop_at
):
    encode, done = frozen_features._Encoding._run, []

    def killed(self, batch):
        if len(done) == stop_at:
            raise KilledError
        done.append(batch)
        return encode(self, batch)

    with monkeypatch.context() as patch:
        patch.setattr(frozen_features._Encoding, "_run", killed)
        with pytest.raises(KilledError):
            run(tiny, features, tmp_path / "a", **HOW)
    kept = FrozenFeatures.of(tmp_path / "a.work" / "frozen", torch.float32, 32, Features(features).lengths)
    finished = [number for number in range(len(kept.sizes)) if kept.is_whole(number)]
    assert {kept.path(number) for number in finished} == {*kept.folder.glob("*.float32")}
    assert bool(finished) == bool(stop_at)
    passes = count_windows(monkeypatch)
    assert same(run(tiny, features, tmp_path / "a", **HOW), heads)
    again = [i for batch in passes for i in batch]
    assert sorted(again) == [i for i in range(len(kept.lengths)) if kept.file[i] not in finished]
    assert not (tmp_path / "a.work").exists()


@pytest.fixture(scope="module")
def one_core(tmp_path_factory):
    """Trainings in processes of their own, on one core."""
    forking = Forking(tmp_path_factory.mktemp("one_core") / "errors.txt", cores=1)
    yield forking
    forking.close()


@pytest.mark.slow
@pytest.mark.parametrize(("place", "number"), [("Encoding._write", 1), pytest.param("step", 3, marks=SLOW)])
def test_a_run_that_is_killed_goes_on_to_the_same_weights(one_core, tiny, features, heads, tmp_path, place, number):
    """Also where its file was cut off, as by a disk that lost power."""
    out = tmp_path / "a"
    one_core.start(out, training_of(tiny, features, out, **HOW), HOW["how"], place, number)
    assert one_core.end() == -signal.SIGKILL, one_core.errors.read_text()
    assert Path(f"{out}.work", "frozen", "0.float32").exists()
    assert same(run(tiny, features, out, **HOW), heads)


@pytest.mark.slow
def test_where_memory_runs_out_batches_of_the_encoder_are_halved(tiny, features, heads, tmp_path, monkeypatch, caplog):
    encode, sizes = frozen_features._Encoding._run, []

    def small(self, batch):
        sizes.append(len(batch))
        if len(batch) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")
        return encode(self, batch)

    monkeypatch.setattr(frozen_features._Encoding, "_run", small)
    caplog.set_level(logging.WARNING, "pairprobe")
    out = run(tiny, features, tmp_path / "a", **HOW)
    assert max(sizes) > 3
    assert "windows at once" in caplog.text
    assert apart(out, heads) < 1e-5


@SLOW
def test_two_processes_share_the_passes(steady, tmp_path, one_core):
    settings = {**HOW, "batch_size": 8}
    alone = run(*steady, tmp_path / "alone", **settings)
    given = training_of(*steady, tmp_path / "shared", processes=2, **settings)
    one_core.start(tmp_path / "shared", given, HOW["how"])
    assert one_core.end() == 0, one_core.errors.read_text()
    assert apart(tmp_path / "shared", alone) < 1e-5
