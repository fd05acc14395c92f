import h5py
import numpy as np
import pytest

from pairprobe import store
from pairprobe.errors import InputError

ATTRIBUTES = {"checkpoint": "abc", "view": "paragraph", "precision": "float32", "max_length": 512}


def write(path, ids=("a", "b"), sizes=(3, 4), questions=(1, 2), dtype="float32", layers=3, width=5, left_out=(), **changed):
    """Write a shard whose vectors are drawn at random; returns them."""
    rng = np.random.default_rng(len(ids) + sum(sizes))
    vectors = rng.normal(size=(layers, sum(sizes), width)).astype(dtype)
    with store.create(
        path,
        vectors.shape,
        dtype,
        np.array(sizes, int),
        np.array(questions, int),
        list(ids),
        list(left_out),
        2,
        {**ATTRIBUTES, **changed},
    ) as dataset:
        dataset[:] = vectors
    return vectors


def test_an_example_is_read_back_as_question_and_passage(tmp_path):
    vectors = write(tmp_path / "a.h5")
    with store.Activations([tmp_path / "a.h5"]) as activations:
        question, passage = activations["b"]
        np.testing.assert_array_equal(question, vectors[:, 3:5])
        np.testing.assert_array_equal(passage, vectors[:, 5:7])


def test_one_layer_is_the_same_as_a_slice_of_all(tmp_path):
    write(tmp_path / "a.h5")
    with store.Activations([tmp_path / "a.h5"]) as activations:
        assert activations.layers == 3
        for layer in range(activations.layers):
            for part, whole in zip(activations.layer("b", layer), activations["b"], strict=True):
                np.testing.assert_array_equal(part, whole[layer])


def test_half_precision_is_read_as_float32(tmp_path):
    vectors = write(tmp_path / "a.h5", dtype="float16")
    with store.Activations([tmp_path / "a.h5"]) as activations:
        question, passage = activations["a"]
        assert (question.dtype, activations.layer("a", 1)[1].dtype) == (np.float32, np.float32)
        np.testing.assert_array_equal(np.concatenate([question, passage], 1), vectors[:, :3].astype(np.float32))
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["activations"].dtype == np.float16


def test_shards_are_read_as_one(tmp_path):
    write(tmp_path / "a.h5", left_out=["x"])
    other = write(tmp_path / "b.h5", ids=["c"], sizes=[6], questions=[2], left_out=["y"])
    with store.Activations([tmp_path / "a.h5", tmp_path / "b.h5"]) as activations:
        assert [name in activations for name in "abcx"] == [True, True, True, False]
        assert activations.left_out == {"x", "y"}
        np.testing.assert_array_equal(activations["c"][1], other[:, 2:])


def test_a_shard_without_examples_is_a_shard(tmp_path):
    write(tmp_path / "a.h5")
    write(tmp_path / "empty.h5", ids=(), sizes=(), questions=())
    with store.Activations([tmp_path / "empty.h5", tmp_path / "a.h5"]) as activations:
        assert "a" in activations
    assert store.summary(tmp_path / "empty.h5") == (0, 0, 2, [])


def test_the_summary_counts_what_a_shard_holds(tmp_path):
    write(tmp_path / "a.h5", left_out=["z", "y"])
    assert store.summary(tmp_path / "a.h5") == (2, 7, 2, ["y", "z"])


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.h5: there is no such file"):
        store.Activations([tmp_path / "none.h5"])


@pytest.mark.parametrize("kept", [0.0, 0.1, 0.5, 0.9, -1])
def test_a_file_that_was_cut_off_is_named(tmp_path, kept):
    path = tmp_path / "a.h5"
    write(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: -1 if kept == -1 else int(len(whole) * kept)])
    with pytest.raises(InputError, match=r"a\.h5: not a whole store.*Delete it"):
        store.Activations([path])


def test_an_hdf5_file_of_something_else_is_no_store(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["something"] = 1
    with pytest.raises(InputError, match=r"a\.h5: not a whole store"):
        store.Activations([tmp_path / "a.h5"])


@pytest.mark.parametrize("version", [0, store.VERSION + 1, None])
def test_a_store_of_another_version_is_refused(tmp_path, version):
    write(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "a") as file:
        if version is None:
            del file.attrs["version"]
        else:
            file.attrs["version"] = version
    with pytest.raises(InputError, match=rf"version {version}, wanted {store.VERSION}"):
        store.Activations([tmp_path / "a.h5"])


@pytest.mark.parametrize(
    "changed",
    [
        {"checkpoint": "other"},
        {"view": "sentence"},
        {"precision": "bfloat16"},
        {"max_length": 128},
        {"layers": 4},
        {"width": 6},
    ],
)
def test_shards_that_do_not_belong_together_are_refused(tmp_path, changed):
    write(tmp_path / "a.h5")
    write(tmp_path / "b.h5", ids=["c"], sizes=[2], questions=[1], **changed)
    with pytest.raises(InputError, match=r"b\.h5: found .* but the shards before it have"):
        store.Activations([tmp_path / "a.h5", tmp_path / "b.h5"])


def test_an_example_in_two_shards_is_refused(tmp_path):
    write(tmp_path / "a.h5")
    write(tmp_path / "b.h5", ids=["b"], sizes=[2], questions=[1])
    with pytest.raises(InputError, match=r"b\.h5: example_id b stands in another shard"):
        store.Activations([tmp_path / "a.h5", tmp_path / "b.h5"])


def test_a_refused_shard_leaves_no_file_open(tmp_path):
    write(tmp_path / "a.h5")
    (tmp_path / "b.h5").write_bytes(b"nothing")
    with pytest.raises(InputError) as error:  # whoever holds the error holds what it was raised in
        store.Activations([tmp_path / "a.h5", tmp_path / "b.h5"])
    with h5py.File(tmp_path / "a.h5", "a") as file:
        assert len(file["example_id"]) == 2
    assert "b.h5" in str(error.value)


def test_files_are_closed_at_the_end_of_the_block(tmp_path):
    write(tmp_path / "a.h5")
    with store.Activations([tmp_path / "a.h5"]) as activations, pytest.raises(OSError, match="already open"):
        h5py.File(tmp_path / "a.h5", "a")
    with h5py.File(tmp_path / "a.h5", "a") as file:
        assert activations.layers == len(file["activations"])
