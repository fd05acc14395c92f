"""Similarities and logits: what a shard of activations is measured to, reused and ranked by."""

import shutil
from types import SimpleNamespace

import h5py
import measured
import numpy as np
import pytest
from samples import write_store

from pairprobe.activations import store
from pairprobe.data.examples import Example
from pairprobe.data.sampling import in_shard
from pairprobe.errors import InputError
from pairprobe.io import tsv
from pairprobe.rankings import boundary_heads, measuring, pair_ranking, percentages, similarity_store
from pairprobe.rankings.similarity import measure_pair
from pairprobe.rankings.similarity_store import Similarities

TASKS = ("synonyms", "coreference")
LAYERS, HIDDEN = 3, 8
NO_VECTOR = 7  # the place of a word that has none


def example(number):
    dice = np.random.default_rng(number)
    question, paragraph = ([f"w{n}" for n in dice.integers(0, 30, size)] for size in (5, int(dice.integers(8, 40))))
    return Example(f"e{number}", "Page", question, paragraph, (1, 4), [(0, len(paragraph))])


EXAMPLES = [example(number) for number in range(14)]
LEFT_OUT = Example("long", "Page", ["who"], ["castle"] * 9, (0, 1), [(0, 9)])


def pairs_of(task):
    """A pair of two examples of three, one of an example that is too long, and one whose match has no vector."""
    found = [{"example_id": "long", "anchor": {"side": "question", "words": [0]}, "match": {"words": [0]}}]
    for i, one in enumerate(EXAMPLES):
        if (i + TASKS.index(task)) % 3:
            dice = np.random.default_rng([i, len(task)])
            side, words = ("question", 5) if task == "synonyms" else ("paragraph", len(one.paragraph))
            anchor, match = (dice.choice(size, 2, replace=False).tolist() for size in (words, len(one.paragraph)))
            pair = {"anchor": {"side": side, "words": anchor}, "match": {"words": match if i else [NO_VECTOR]}}
            found.append({"example_id": one.example_id, **pair})
    return found


SETS = {task: pairs_of(task) for task in TASKS}
BOUNDARIES = [{"example_id": one.example_id, "sentence": one.sentences[0], "answer": one.answer} for one in EXAMPLES]


def vectors_of(one):
    dice = np.random.default_rng(int(one.example_id[1:]))
    question, paragraph = (
        dice.normal(size=(LAYERS, len(words), HIDDEN)).astype(np.float32) for words in (one.question, one.paragraph)
    )
    paragraph[:, NO_VECTOR] = np.nan
    return question, paragraph


def write(path, examples=EXAMPLES):
    return str(write_store(path, {one.example_id: vectors_of(one) for one in examples}, ["long"]))


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A shard of activations, of both views: the sentence is the paragraph."""
    return write(tmp_path_factory.mktemp("activations") / "probe-1of1.h5")


@pytest.fixture(scope="module")
def heads(tmp_path_factory, stored):
    path = str(tmp_path_factory.mktemp("heads") / "heads.npz")
    with store.Activations([stored]) as activations:
        boundary_heads.train(EXAMPLES, activations, path, 13)
    return path


def measure(activations, path, sets=SETS, code=None, punctuation=False):
    measuring.measure_similarities(activations, sets, [*EXAMPLES, LEFT_OUT], str(path), punctuation, code)
    return str(path)


def rankings(paths, folder, punctuation=False):
    """Rank everything; returns ``{task: the bytes of its file}``."""
    found = {}
    with Similarities(paths) as similarities:
        for task in TASKS:
            pairs, path = similarities.pairs(task), folder / f"{task}.tsv"
            pair_ranking.rank_pairs(SETS[task], [*EXAMPLES, LEFT_OUT], pairs, str(path), punctuation)
            found[task] = path.read_bytes()
    return found


def boundary_ranking(logits, folder):
    rows = pair_ranking.rank_logits(boundary_heads.gold_logits(EXAMPLES, logits, BOUNDARIES, 13))
    tsv.write_tsv(str(folder / "boundary.tsv"), percentages.RANKING_FIELDS, rows)
    return (folder / "boundary.tsv").read_bytes()


def test_what_is_read_is_what_the_pair_measures_in_float32(stored, tmp_path):
    path = measure(stored, tmp_path / "s.h5")
    with Similarities([path]) as similarities, store.Activations([stored]) as activations:
        assert similarities.layers == LAYERS
        assert similarities.left_out == {"long"}
        for task, pairs in SETS.items():
            found = similarities.pairs(task)
            assert sorted(found) == sorted({pair["example_id"] for pair in pairs} - {"long"})
            for pair in pairs[1:]:
                wanted = measure_pair(pair, *activations[pair["example_id"]])
                for name in ("matching", "question", "paragraph"):
                    one, other = getattr(found[pair["example_id"]], name), getattr(wanted, name)
                    np.testing.assert_array_equal(one, other.astype(np.float32))


def test_rankings_are_those_of_the_vectors_themselves(stored, tmp_path):
    found = rankings([measure(stored, tmp_path / "s.h5")], tmp_path)
    by_id = {one.example_id: one for one in EXAMPLES}
    for task in TASKS:
        lines = []
        for pair in SETS[task][1:]:
            one = by_id[pair["example_id"]]
            rows = pair_ranking.rank_measured(pair, one.paragraph, measure_pair(pair, *vectors_of(one)))
            lines += ["\t".join(map(str, (one.example_id, *row[:6]))) for row in rows or ()]
        assert [line.rsplit("\t", 6)[0] for line in found[task].decode().splitlines()[1:]] == lines
        assert len(lines) > 30


def test_a_boundary_s_logits_are_those_of_its_heads(stored, heads, tmp_path):
    path = str(tmp_path / "s.h5")
    measuring.measure_logits(stored, {"boundary": BOUNDARIES}, heads, path)
    with Similarities([path]) as similarities, store.Activations([stored]) as activations:
        found, wanted = similarities.logits("boundary"), measured.logits(activations, heads)
        for name, logits in wanted.items():
            np.testing.assert_array_equal(found[name], logits)
        assert boundary_ranking(found, tmp_path) == boundary_ranking(wanted, tmp_path)
    with h5py.File(path) as file:
        assert file["logits"].dtype == np.float64
        assert "similarities" not in file


def test_shards_are_read_as_one(stored, tmp_path):
    paths = []
    for i in range(3):
        part = [one for one in EXAMPLES if in_shard(one.example_id, i, 3)]
        assert part
        activations = write(tmp_path / f"activations-{i + 1}of3.h5", part)
        paths.append(measure(activations, tmp_path / f"probe-{i + 1}of3.h5"))
    assert rankings(paths, tmp_path) == rankings([measure(stored, tmp_path / "s.h5")], tmp_path)


def test_the_order_of_the_tasks_changes_nothing(stored, tmp_path):
    one, other = measure(stored, tmp_path / "a.h5"), measure(stored, tmp_path / "b.h5", dict(reversed(SETS.items())))
    with open(one, "rb") as first, open(other, "rb") as second:
        assert first.read() == second.read()


def test_float16_is_measured_as_what_it_is_rounded_to(tmp_path):
    vectors = {one.example_id: tuple(side.astype(np.float16) for side in vectors_of(one)) for one in EXAMPLES}
    index = store.Index(left_out=["long"], left_out_content=["long"])
    for name, (question, paragraph) in vectors.items():
        index.add(name, name, question.shape[1], paragraph.shape[1])
    with store.create(tmp_path / "half.h5", LAYERS, HIDDEN, "float16", index, {"view": "paragraph"}) as writer:
        for i, sides in enumerate(vectors.values()):
            for layer, rows in enumerate(np.concatenate(sides, axis=1)):
                writer.write(layer, i, rows)
    wide = write_store(tmp_path / "wide.h5", vectors, ["long"])
    found, wanted = (measure(str(tmp_path / f"{name}.h5"), tmp_path / f"{name}.s.h5") for name in ("half", "wide"))
    assert str(wide).endswith("wide.h5")
    assert rankings([found], tmp_path) == rankings([wanted], tmp_path)


# What is reused.


@pytest.fixture
def read(monkeypatch):
    """The examples whose vectors were read."""
    vectors, seen = store.Shard.vectors, []

    def counting(self, entry, layer=slice(None)):
        seen.append(self.texts["example_id"][entry])
        return vectors(self, entry, layer)

    monkeypatch.setattr(store.Shard, "vectors", counting)
    return seen


def test_an_example_is_read_once_for_all_tasks_and_only_if_it_has_a_pair(stored, tmp_path, read):
    measure(stored, tmp_path / "s.h5")
    both = [{pair["example_id"] for pair in pairs} - {"long"} for pairs in SETS.values()]
    assert sorted(read) == sorted(both[0] | both[1])
    assert both[0] & both[1]


def test_a_changed_pair_alone_is_measured_again(stored, tmp_path, read):
    path = measure(stored, tmp_path / "probe-1of1.h5")
    with open(path, "rb") as file:
        before = file.read()
    read.clear()
    measure(stored, path)
    with open(path, "rb") as file:
        assert (read, file.read()) == ([], before)
    other = {**SETS["synonyms"][3], "match": {"words": [0]}}
    changed = {**SETS, "synonyms": [*SETS["synonyms"][:3], other, *SETS["synonyms"][4:]]}
    measure(stored, path, changed)
    assert read == [other["example_id"]]
    afresh = measure(stored, tmp_path / "afresh.h5", changed)
    with h5py.File(path) as one, h5py.File(afresh) as two:
        np.testing.assert_array_equal(one["similarities"][:], two["similarities"][:])


def test_shards_of_another_division_are_reused(stored, tmp_path, read):
    measure(stored, tmp_path / "probe-1of1.h5")
    read.clear()
    for i in range(2):
        activations = write(tmp_path / f"{i}.h5", [one for one in EXAMPLES if in_shard(one.example_id, i, 2)])
        measure(activations, tmp_path / f"probe-{i + 1}of2.h5")
    assert read == []


def test_other_vectors_of_the_same_words_are_measured_again(stored, tmp_path, read):
    path = measure(stored, tmp_path / "probe-1of1.h5")
    number = len(read)
    vectors = {one.example_id: vectors_of(one) for one in EXAMPLES}
    vectors["e5"][1][2, 3] += 1e-3
    measure(str(write_store(tmp_path / "other.h5", vectors, ["long"])), path)
    assert read[number:] == ["e5"]


def test_nothing_is_reused_from_other_code(stored, tmp_path, read):
    path = measure(stored, tmp_path / "probe-1of1.h5", code={"similarity": "1"})
    number = len(read)
    measure(stored, path, code={"similarity": "2"})
    assert len(read) == 2 * number > 0


def test_where_punctuation_counts_pairs_are_measured_again(stored, tmp_path, read):
    path = measure(stored, tmp_path / "probe-1of1.h5")
    number = len(read)
    measure(stored, path, punctuation=True)
    assert len(read) == 2 * number > 0


def test_logits_of_other_heads_are_not_reused(stored, heads, tmp_path):
    path = tmp_path / "probe-1of1.h5"
    measuring.measure_logits(stored, {"boundary": BOUNDARIES}, heads, str(path))
    with h5py.File(path) as file:
        before = file["logits"][:]
    with np.load(heads) as trained:
        np.savez(tmp_path / "other.npz", **{**trained, "weights": trained["weights"] + 1})
    measuring.measure_logits(stored, {"boundary": BOUNDARIES}, str(tmp_path / "other.npz"), str(path))
    with h5py.File(path) as file:
        known = ~np.isnan(before)
        assert (file["logits"][:][known] != before[known]).all()


# Faults.


def test_a_damaged_entry_is_named_when_it_is_read_and_made_again(stored, tmp_path, read):
    path = measure(stored, tmp_path / "probe-1of1.h5")
    wanted = rankings([path], tmp_path)
    with h5py.File(path, "r+") as file:
        file["similarities"][0, 1, 0] = 7
        name, task = file["example_id"].asstr()[0], file["task"].asstr()[0]
    (tmp_path / f"{task}.tsv").unlink()
    with pytest.raises(InputError, match=rf"probe-1of1\.h5, example {name}, {task}: damaged on disk"):
        rankings([path], tmp_path)
    assert not (tmp_path / f"{task}.tsv").exists()
    read.clear()
    measure(stored, path)
    assert read == [name]
    assert rankings([path], tmp_path) == wanted


@pytest.mark.parametrize("name", ["offsets", "example_id", "crc32"])
def test_a_damaged_index_is_refused(stored, tmp_path, name):
    path = measure(stored, tmp_path / "s.h5")
    with h5py.File(path, "r+") as file:
        file[name][0] = b"another" if name == "example_id" else file[name][0] + 1
    with pytest.raises(InputError, match="index was damaged on disk"):
        Similarities([path])


def test_a_file_that_was_cut_off_of_another_kind_or_missing_is_named(stored, tmp_path):
    path = measure(stored, tmp_path / "s.h5")
    with open(path, "r+b") as file:
        file.truncate(tmp_path.joinpath("s.h5").stat().st_size - 100)
    for one in (path, stored):
        with pytest.raises(InputError, match=r"\.h5: not a whole store of similarities"):
            Similarities([one])
    with pytest.raises(InputError, match=r"none\.h5: there is no such file. Make the similarities first"):
        Similarities([str(tmp_path / "none.h5")])


def test_an_example_of_the_sets_that_is_missing_is_named_and_nothing_is_written(stored, tmp_path):
    with pytest.raises(InputError, match=r"probing set: example_id e0 is in no example"):
        measuring.measure_similarities(stored, SETS, EXAMPLES[2:], str(tmp_path / "s.h5"))
    assert list(tmp_path.iterdir()) == []


def test_an_example_in_two_shards_is_refused(stored, tmp_path):
    path = measure(stored, tmp_path / "s.h5")
    with pytest.raises(InputError, match="stands in another shard already"):
        Similarities([path, path])


def test_shards_that_do_not_belong_together_are_refused(tmp_path):
    paths = []
    for i, part in enumerate((EXAMPLES[:7], EXAMPLES[7:])):
        activations = write(tmp_path / f"{i}.h5", part)
        with h5py.File(activations, "r+") as file:
            file.attrs["precision"] = ("float32", "bfloat16")[i]
        paths.append(measure(activations, tmp_path / f"probe-{i + 1}of2.h5"))
    with pytest.raises(InputError, match=r"2of2\.h5: found .*bfloat16.*out of date"):
        Similarities(paths)


def test_a_disk_without_room_is_seen_before_anything_is_measured(stored, tmp_path, monkeypatch, read):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    with pytest.raises(OSError, match=r"no space left on the disk: .* GB are needed"):
        measure(stored, tmp_path / "s.h5")
    assert (list(tmp_path.iterdir()), read) == ([], [])


def test_a_measurement_that_is_interrupted_leaves_what_was_there(stored, tmp_path, monkeypatch):
    path = measure(stored, tmp_path / "probe-1of1.h5")
    with open(path, "rb") as file:
        before = file.read()

    def stop(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(similarity_store.Writer, "write", stop)
    with pytest.raises(KeyboardInterrupt):
        measure(stored, path, code={"similarity": "2"})
    with open(path, "rb") as file:
        assert file.read() == before
    assert [file.name for file in tmp_path.iterdir()] == ["probe-1of1.h5"]
