import contextlib
import errno
import os
import subprocess
import sys

import h5py
import numpy as np
import pytest

from pairprobe.activations import shards, store
from pairprobe.errors import InputError

ATTRIBUTES = {"checkpoint": "abc", "view": "paragraph", "precision": "float32", "max_length": 512}


def fill(writer, vectors, sizes):
    edges = np.concatenate([[0], np.cumsum(sizes)]).astype(int)
    for layer, of_layer in enumerate(vectors):
        for i in range(len(sizes)):
            writer.write(layer, i, of_layer[edges[i] : edges[i + 1]])


def write(path, ids=("a", "b"), sizes=(3, 4), questions=(1, 2), dtype="float32", layers=3, width=5, left_out=(), **changed):
    """Write a shard whose vectors are drawn at random; returns them."""
    rng = np.random.default_rng(len(ids) + sum(sizes))
    vectors = rng.normal(size=(layers, sum(sizes), width)).astype(dtype)
    index = store.Index(left_out=list(left_out), left_out_content=list(left_out))
    for name, size, question in zip(ids, sizes, questions, strict=True):
        index.add(name, f"words of {name}", question, size - question)
    with store.create(path, layers, width, dtype, index, {**ATTRIBUTES, **changed}) as writer:
        fill(writer, vectors, sizes)
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


def test_every_number_of_float16_is_read_as_numpy_reads_it():
    numbers = np.arange(2**16, dtype=np.uint16).view(np.float16)
    found, wanted = store.in_float32(numbers), numbers.astype(np.float32)
    known = ~np.isnan(numbers)
    np.testing.assert_array_equal(found[known].view(np.uint32), wanted[known].view(np.uint32))
    assert np.isnan(found[~known]).all()
    assert found.dtype == np.float32


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
    assert list(store.summary(tmp_path / "empty.h5").values()) == [0, 0, 0, []]


def test_the_summary_counts_what_a_shard_holds(tmp_path):
    write(tmp_path / "a.h5", left_out=["z", "y"])
    counts = {"examples": 2, "words": 7, "words_without_vector": 0, "left_out": ["y", "z"]}
    assert store.summary(tmp_path / "a.h5") == counts


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


@pytest.mark.parametrize("version", [0, store.Shard.VERSION + 1, None])
def test_a_store_of_another_version_is_refused(tmp_path, version):
    write(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "a") as file:
        if version is None:
            del file.attrs["version"]
        else:
            file.attrs["version"] = version
    with pytest.raises(InputError, match=rf"version {version}, wanted {store.Shard.VERSION}"):
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


# Damage.


def flipped(path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 0x10
    path.write_bytes(content)


def test_a_damaged_vector_is_named_when_it_is_read_and_the_others_are_not(tmp_path):
    vectors = write(tmp_path / "a.h5")
    at = (tmp_path / "a.h5").read_bytes().index(vectors[1, 3:7].tobytes())  # of example b, layer 1
    flipped(tmp_path / "a.h5", at + 5)
    with store.Activations([tmp_path / "a.h5"]) as activations:
        np.testing.assert_array_equal(activations["a"][1], vectors[:, 1:3])
        np.testing.assert_array_equal(activations.layer("b", 2)[1], vectors[2, 5:7])
        said = r"a\.h5, example b, layer 1: damaged on disk: found the checksum \w{8}, wanted \w{8}\. Delete the file"
        with pytest.raises(InputError, match=said):
            activations["b"]
        with pytest.raises(InputError, match=said):
            activations.layer("b", 1)


@pytest.mark.slow
def test_a_byte_that_is_damaged_anywhere_changes_nothing_or_is_found(tmp_path):
    path = tmp_path / "a.h5"
    vectors = write(path, ids=("a", "b", "c"), sizes=(3, 4, 1), questions=(1, 2, 1), left_out=["x"])
    whole = path.read_bytes()
    found, dice = 0, np.random.default_rng(0)
    for at in dice.integers(len(whole), size=400).tolist():
        flipped(path, at)
        try:
            with store.Activations([path]) as activations:
                assert activations.left_out == {"x"}
                read = [np.concatenate(activations[name], axis=1) for name in "abc"]
            np.testing.assert_array_equal(np.concatenate(read, axis=1), vectors)
        except InputError:
            found += 1
        path.write_bytes(whole)
    assert found > 100


# Files that are locked.

WRITE = "import h5py, sys; file = h5py.File(sys.argv[1], 'r+'); print(flush=True); sys.stdin.read()"


@contextlib.contextmanager
def other_writer(path):
    with subprocess.Popen([sys.executable, "-c", WRITE, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        writer.stdout.readline()
        yield
        writer.stdin.close()


def test_a_store_that_another_program_writes_is_locked_and_not_damaged(tmp_path):
    write(tmp_path / "a.h5", cache_key="1")
    locked = r"a\.h5: it is locked \(.*errno = 11.*HDF5_USE_FILE_LOCKING=FALSE"
    ways = (
        store.Activations,
        lambda paths: shards.Cache(paths, "1", store.Shard),
        lambda paths: shards.new_file(paths[0], 0).__enter__(),
    )
    with other_writer(tmp_path / "a.h5"):
        for opening in ways:
            with pytest.raises(shards.LockedError, match=locked) as error:
                opening([tmp_path / "a.h5"])
            assert "cut off" not in str(error.value)
            assert "elete" not in str(error.value)


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.ENOLCK, 524])
@pytest.mark.parametrize("mode", ["r", "w"])
def test_a_file_system_without_locks_is_said(tmp_path, monkeypatch, number, mode):
    write(tmp_path / "a.h5")

    def refuse(path, mode, **options):
        raise OSError(number, f"Unable to synchronously open file (unable to lock file, errno = {number})")

    monkeypatch.setattr(h5py, "File", refuse)
    with pytest.raises(shards.LockedError, match=rf"a\.h5: it is locked .*errno = {number}.*HDF5_USE_FILE_LOCKING=FALSE"):
        store.Shard(tmp_path / "a.h5") if mode == "r" else shards.new_file(tmp_path / "a.h5", 0).__enter__()


def test_a_store_whose_writer_was_killed_is_said(tmp_path, monkeypatch):
    write(tmp_path / "a.h5")
    command = [sys.executable, "-c", WRITE.replace("sys.stdin.read()", "import os; os._exit(1)"), tmp_path / "a.h5"]
    subprocess.run(command, check=False, capture_output=True)
    with pytest.raises(shards.LockedError, match=r"a\.h5: it is locked \(.*already open for write.*h5clear -s"):
        store.Shard(tmp_path / "a.h5")


def test_a_store_that_may_not_be_read_is_not_called_damaged(tmp_path, monkeypatch):
    write(tmp_path / "a.h5")

    def refuse(path, mode):
        raise PermissionError(errno.EACCES, "Unable to synchronously open file (errno = 13)")

    monkeypatch.setattr(h5py, "File", refuse)
    with pytest.raises(InputError, match=r"a\.h5: it cannot be read .*may be whole"):
        store.Shard(tmp_path / "a.h5")


# Files that others have made to do harm.


def replaced(file, name, make):
    content = file[name][()]
    del file[name]
    make(file, name, content)


def external_link(file, name, content):
    file[name] = h5py.ExternalLink("other.h5", "/secret")


def soft_link(file, name, content):
    file["elsewhere"] = content
    file[name] = h5py.SoftLink("/elsewhere")


def virtual(file, name, content):
    layout = h5py.VirtualLayout(content.shape, content.dtype)
    layout[...] = h5py.VirtualSource("other.h5", "secret", content.shape)
    file.create_virtual_dataset(name, layout)


def external(file, name, content):
    file.create_dataset(name, content.shape, content.dtype, external=[("secret", 0, content.nbytes)])


def compressed(file, name, content):
    file.create_dataset(name, data=np.zeros((10**6, *content.shape[1:]), content.dtype), compression="gzip")


def endless(file, name, content):
    file.create_dataset(name, (10**12, *content.shape[1:]), content.dtype)


def group(file, name, content):
    file.create_group(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["activations", "offsets"])
@pytest.mark.parametrize("make", [external_link, soft_link, virtual, external, compressed, endless, group])
def test_a_store_that_leads_to_other_files_or_fills_the_memory_is_refused(tmp_path, name, make):
    write(tmp_path / "a.h5")
    (tmp_path / "secret").write_bytes(bytes(1000))
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["secret"] = np.zeros((3, 7, 5))
    with h5py.File(tmp_path / "a.h5", "a") as file:
        replaced(file, name, make)
    (tmp_path / "other.h5").chmod(0)
    with pytest.raises(InputError, match=rf"a\.h5: {name} is .*; wanted a plain dataset\..*Delete it") as error:
        store.Activations([tmp_path / "a.h5"])
    assert "\n" not in str(error.value)


def test_texts_that_lie_in_another_file_are_refused(tmp_path):
    write(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "a") as file:
        replaced(file, "example_id", external_link)
    with pytest.raises(InputError, match=r"a\.h5: example_id is a link"):
        store.Activations([tmp_path / "a.h5"])


@pytest.mark.parametrize(
    ("name", "value"),
    [("offsets", [0, 3]), ("offsets", [0, 9, 7]), ("offsets", [[0, 3, 7]]), ("question_words", ["x", "y"]), ("crc32", 3)],
)
def test_an_index_that_does_not_fit_its_data_is_refused(tmp_path, name, value):
    """Its own checksum is right, as whoever makes such a file makes it."""
    write(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "a") as file:
        del file[name]
        file[name] = value
        numbers = {name: file[name][()] for name in store.Shard.NUMBERS}
        texts = {name: file[name].asstr()[:].tolist() for name in store.Shard.TEXTS}
        file.attrs["index"] = shards.index_checksum(numbers, texts)
    with pytest.raises(InputError, match=r"a\.h5: not a whole store of activations \(its index does not fit"):
        store.Activations([tmp_path / "a.h5"])


def test_a_pipe_is_no_store_and_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.h5")
    with pytest.raises(InputError, match=r"a\.h5: found no regular file"):
        store.Activations([tmp_path / "a.h5"])


# What is reused.


def test_vectors_are_found_by_the_digest_of_their_words(tmp_path):
    vectors = write(tmp_path / "a.h5", cache_key="1", left_out=["words of x"])
    with shards.Cache([tmp_path / "none.h5", tmp_path / "a.h5"], "1", store.Shard) as cache:
        assert [f"words of {name}" in cache for name in "abxy"] == [True, True, True, False]
        np.testing.assert_array_equal(cache.read("words of b"), vectors[:, 3:7])
        assert cache.read("words of x") is None


def test_nothing_is_reused_from_a_store_of_another_cache_key(tmp_path):
    write(tmp_path / "a.h5", cache_key="1")
    with shards.Cache([tmp_path / "a.h5"], "2", store.Shard) as cache:
        assert "words of a" not in cache


def test_what_was_damaged_is_not_reused(tmp_path):
    vectors = write(tmp_path / "a.h5", cache_key="1")
    flipped(tmp_path / "a.h5", (tmp_path / "a.h5").read_bytes().index(vectors[1, 3:7].tobytes()))
    with shards.Cache([tmp_path / "a.h5"], "1", store.Shard) as cache:
        assert cache.read("words of b") is None
        assert cache.read("words of a") is not None
    (tmp_path / "a.h5").write_bytes(b"nothing")
    with shards.Cache([tmp_path / "a.h5"], "1", store.Shard) as cache:
        assert "words of a" not in cache


def test_the_digest_of_words_tells_texts_apart():
    texts = [(["a"], ["b"]), (["a", "b"], []), (["ab"], []), ([], ["a", "b"]), (["a b"], []), (["b"], ["a"])]
    texts += [(["a\nb"], []), (["a\n", "b"], []), (["a\0b"], []), (["a"], [], ["b"]), (["a", ""], ["b"])]
    assert len({shards.fingerprint(text) for text in texts}) == len(texts)
