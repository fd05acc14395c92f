import logging
import shutil
import subprocess
import sys
import weakref
from dataclasses import asdict, fields
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
import torch
from families import FAMILIES, MODEL, make, tiny_bert
from transformers import AutoModel, AutoTokenizer, BertModel

from pairprobe.activations import extraction, store
from pairprobe.checkpoints import devices, loading, transfers
from pairprobe.checkpoints.loading import load_tokenizer
from pairprobe.checkpoints.tokenization import Encoding
from pairprobe.data.examples import Example
from pairprobe.data.sampling import in_shard
from pairprobe.errors import InputError
from pairprobe.io import files
from pairprobe.io.digests import folder_digest

# A family for each kind of tokenizer.
QUICK = ("bert", "roberta", "deberta")
ZERO_WIDTH = "\u200b"
EXAMPLES = [
    Example(
        "kinds",
        "page",
        "who wrote unbelievably , café ?".split(),
        [
            "Zürich",
            ",",
            ZERO_WIDTH,
            "3.14",
            "東京",
            "naïveté",
            "🎉",
            "antidisestablishmentarianism",
            ".",
            "He",
            "left",
            ".",
        ],
        (9, 10),
        [(0, 9), (9, 12)],
    ),
    Example("short", "page", ["who"], ["king"], (0, 1), [(0, 1)]),
    Example("unanswered", "page", ["why", "?"], "it is so . that is all .".split(), None, [(0, 4), (4, 8)]),
    Example("crossing", "page", ["when"], "it was . In 1066 . A war .".split(), (4, 7), [(0, 3), (3, 6), (6, 9)]),
    *(
        Example(f"long{i}", "page", ["where", "is", "it"], ["Castle", "1,000", "élan"] * i, None, [(0, 3 * i)])
        for i in range(2, 14)
    ),
]


def write_examples(path, examples=EXAMPLES):
    files.write_json_lines(path, map(asdict, examples))
    return str(path)


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    return write_examples(tmp_path_factory.mktemp("examples") / "probe.jsonl.gz")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A BERT of two layers, 32 wide, with random weights and the real vocabulary."""
    return tiny_bert(tmp_path_factory.mktemp("tiny"))


def extract(folder, path, out, view="paragraph", shard=(0, 1), code=None, threads=1, **options):
    settings = extraction.Settings(threads=threads, **options)
    extraction.extract(str(folder), path, view, str(out), settings, shard, code)
    return str(out)


def read(*paths):
    """``{example_id: (layers+1, words, hidden)}``, the question's words first."""
    with store.Activations(paths) as stored:
        return {name: np.concatenate(stored[name], axis=1) for name in stored.names()}


def assert_same(found, wanted, tolerance=1e-5):
    assert found.keys() == wanted.keys()
    for name in wanted:
        np.testing.assert_allclose(found[name], wanted[name], rtol=0, atol=tolerance, err_msg=name)


@pytest.fixture(scope="module")
def real(examples, tmp_path_factory):
    """The vectors of the real checkpoint, in float32."""
    return read(extract(MODEL, examples, tmp_path_factory.mktemp("real") / "a.h5"))


def by_hand(tokenizer, model, question, passage, pool=lambda pieces: pieces.mean(0)):
    """One example through ``transformers``, word by word."""
    batch = tokenizer(question, passage, is_split_into_words=True, return_tensors="pt")
    with torch.no_grad():
        states = model(**batch, output_hidden_states=True).hidden_states
    vectors = np.full((len(states), len(question) + len(passage), states[0].shape[-1]), np.nan)
    tokens = list(zip(batch.sequence_ids(0), batch.word_ids(0), strict=True))
    for side, words in enumerate((question, passage)):
        for word in range(len(words)):
            mine = [i for i, token in enumerate(tokens) if token == (side, word)]
            if mine:
                for layer, state in enumerate(states):
                    vectors[layer, side * len(question) + word] = pool(state[0, mine])
    return vectors


@pytest.fixture(scope="module")
def reference():
    tokenizer = AutoTokenizer.from_pretrained(MODEL)
    model = AutoModel.from_pretrained(MODEL, dtype=torch.float32, attn_implementation="eager").eval()
    return lambda *words: by_hand(tokenizer, model, *words)


@pytest.mark.slow
def test_vectors_equal_transformers_called_by_hand(real, reference):
    assert real["kinds"].shape == (7, 18, 384)
    assert_same(real, {e.example_id: reference(e.question, e.paragraph) for e in EXAMPLES})


@pytest.mark.slow
def test_the_sentence_view_holds_the_answer_s_sentence_alone(examples, reference, tmp_path):
    found = read(extract(MODEL, examples, tmp_path / "a.h5", view="sentence"))
    assert_same(
        found,
        {
            "kinds": reference(EXAMPLES[0].question, ["He", "left", "."]),
            "short": reference(["who"], ["king"]),
            "crossing": reference(["when"], "In 1066 . A war .".split()),
        },
    )


@pytest.mark.parametrize(
    "family", [pytest.param(each, marks=[pytest.mark.slow] * (each not in QUICK)) for each in FAMILIES]
)
def test_without_special_tokens_question_and_paragraph_are_concatenated_and_the_last_layer_can_go(family, tmp_path):
    """As in the authors' code: ``hidden_states[:-1]`` of the two texts' subtokens, one behind the other, no segments."""
    pairs = {"a": ("who wrote it", "It was written by a playwright ."), "b": ("when", "In 1920 .")}
    examples = [Example(name, "p", q.split(), p.split(), None, [(0, len(p.split()))]) for name, (q, p) in pairs.items()]
    folder = make(family, tmp_path / family)
    path = write_examples(tmp_path / "e.jsonl", examples)
    options = {"special_tokens": False, "last_layer": False}
    found = read(extract(folder, path, tmp_path / "a.h5", **options))
    tokenizer, model = load_tokenizer(folder), AutoModel.from_pretrained(folder).eval()
    for each in examples:
        words = [*each.question, *each.paragraph]
        pieces = [tokenizer([word], is_split_into_words=True, add_special_tokens=False).input_ids for word in words]
        with torch.no_grad():
            states = model(torch.from_numpy(np.concatenate(pieces))[None], output_hidden_states=True).hidden_states[:-1]
        wanted = [[of_word.mean(0).numpy() for of_word in layer[0].split([*map(len, pieces)])] for layer in states]
        np.testing.assert_allclose(found[each.example_id], wanted, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("view", ["text", "text_first"])
def test_the_view_of_single_texts_takes_no_example_with_a_question(tiny, examples, tmp_path, view):
    with pytest.raises(InputError, match=f"example kinds: found a question, in the view {view}. Wanted: a text alone."):
        extract(tiny, examples, tmp_path / "a.h5", view)
    assert not (tmp_path / "a.h5").exists()


def test_without_special_tokens_an_example_may_have_no_subtoken_at_all(tiny, tmp_path):
    path = write_examples(tmp_path / "e.jsonl", [Example("a", "page", [ZERO_WIDTH], [ZERO_WIDTH] * 2, None, [(0, 2)])])
    assert np.isnan(read(extract(tiny, path, tmp_path / "a.h5", special_tokens=False))["a"]).all()


@pytest.mark.slow
@pytest.mark.parametrize(("view", "place"), [("paragraph_first", 0), ("paragraph_last", -1)])
def test_a_word_s_vector_is_that_of_its_first_or_last_subtoken(examples, reference, real, tmp_path, view, place):
    path = extract(MODEL, examples, tmp_path / "a.h5", view=view)
    found = read(path)
    assert_same(found, {e.example_id: reference(e.question, e.paragraph, lambda pieces: pieces[place]) for e in EXAMPLES})
    with store.Activations([path]) as stored:
        assert stored.attributes["view"] == view
    # "who" is one subtoken, "unbelievably" is several.
    np.testing.assert_array_equal(found["kinds"][:, 0], real["kinds"][:, 0])
    assert np.abs(found["kinds"][:, 2] - real["kinds"][:, 2]).max() > 0.01


def pooled(pieces, counts, pooling):
    return extraction.pooled(pieces[None], extraction.SubtokenRows.of(counts, np.arange(len(pieces)), pooling))


def test_the_mean_is_that_of_each_word_s_subtokens():
    rng = np.random.default_rng(0)
    counts = np.array([2, 1, 0, 4, 1, 3])
    pieces = torch.from_numpy(rng.normal(size=(11, 4)))
    ends = np.cumsum(counts)
    wanted = [pieces[end - count : end].mean(0).numpy() for count, end in zip(counts, ends, strict=True) if count]
    np.testing.assert_allclose(pooled(pieces, counts, "mean")[counts > 0], wanted, rtol=1e-6)


def test_the_first_the_last_and_the_mean_of_one_subtoken_are_the_same():
    rng = torch.Generator().manual_seed(0)
    pieces, counts = torch.randn(7, 4, generator=rng), np.array([1, 0, 3, 1, 2, 0])
    first, last, mean = (pooled(pieces, counts, pooling) for pooling in ("first", "last", "mean"))
    assert torch.equal(first[[0, 3]], pieces[[0, 4]])
    assert torch.equal(first[[2, 4]], pieces[[1, 5]])
    assert torch.equal(last[[2, 4]], pieces[[3, 6]])
    for other in (last, mean):
        assert torch.equal(other[[0, 3]], first[[0, 3]])
        assert not torch.equal(other[[2, 4]], first[[2, 4]])


@pytest.mark.parametrize("pooling", ["mean", "first", "last"])
def test_words_without_any_subtoken_can_be_pooled(pooling):
    assert pooled(torch.zeros(1, 4), np.array([0, 0]), pooling).shape == (2, 4)


@pytest.mark.parametrize("pooling", ["mean", "first", "last"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_all_layers_at_once_as_on_a_gpu_are_pooled_to_the_same_bits_as_one_after_the_other(pooling, dtype):
    rng = torch.Generator().manual_seed(0)
    counts = np.array([2, 1, 0, 4, 1, 3, 0])
    layers = [torch.randn(2, 6, 8, generator=rng).to(torch.bfloat16) for _ in range(3)]
    rows = extraction.SubtokenRows.of(counts, np.array([1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 0]), pooling)
    ((_, together),) = extraction.word_vectors(iter(layers), rows, dtype, "cuda")
    one_by_one = list(extraction.word_vectors(iter(layers), rows, dtype, "cpu"))
    assert [number for number, _ in one_by_one] == [0, 1, 2]
    vectors, extremes = together.arrays()
    assert vectors.shape == (3, 7, 8)
    for (number, arriving), layer, found in zip(one_by_one, vectors, extremes, strict=True):
        words, wanted = arriving.arrays()
        np.testing.assert_array_equal(layer, words[0], err_msg=str(number))
        np.testing.assert_array_equal(found, wanted[0])


@pytest.mark.slow
def test_question_and_passage_are_told_apart(tiny, examples, tmp_path):
    with store.Activations([extract(tiny, examples, tmp_path / "a.h5")]) as stored:
        assert [part.shape for part in stored["kinds"]] == [(3, 6, 32), (3, 12, 32)]
        assert [part.shape for part in stored["short"]] == [(3, 1, 32), (3, 1, 32)]


@pytest.mark.slow
def test_a_word_that_the_tokenizer_drops_has_no_vector_and_is_counted(tiny, examples, tmp_path):
    path = extract(tiny, examples, tmp_path / "a.h5")
    missing = np.isnan(read(path)["kinds"])
    assert missing[:, 8].all()
    assert not np.delete(missing, 8, axis=1).any()
    assert store.summary(path)["words_without_vector"] == 1


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", [1, 32])
def test_vectors_do_not_depend_on_the_batch_size(real, examples, tmp_path, batch_size):
    assert_same(read(extract(MODEL, examples, tmp_path / "a.h5", batch_size=batch_size)), real)


@pytest.mark.slow
def test_vectors_do_not_depend_on_the_number_of_threads(real, examples, tmp_path):
    before = torch.get_num_threads()
    try:
        found = read(extract(MODEL, examples, tmp_path / "a.h5", threads=2))
        assert torch.get_num_threads() == before
    finally:
        torch.set_num_threads(before)
    assert_same(found, real)


@pytest.mark.slow
def test_shards_part_the_examples_and_hold_the_same_vectors(tiny, examples, tmp_path):
    whole = read(extract(tiny, examples, tmp_path / "whole.h5"))
    shards = [extract(tiny, examples, tmp_path / f"{i}.h5", shard=(i, 4)) for i in range(4)]
    named = [[e.example_id for e in EXAMPLES if in_shard(e.example_id, i, 4)] for i in range(4)]
    assert [list(read(shard)) for shard in shards] == named
    assert sum(map(bool, named)) > 1
    assert_same(read(*shards), whole)


def test_a_shard_may_have_no_example(tiny, examples, tmp_path):
    empty = next(i for i in range(41) if not any(in_shard(e.example_id, i, 41) for e in EXAMPLES))
    path = extract(tiny, examples, tmp_path / "a.h5", shard=(empty, 41))
    assert list(store.summary(path).values()) == [0, 0, 0, []]
    assert read(path) == {}


@pytest.mark.slow
def test_bfloat16_comes_near_float32(real, examples, tmp_path):
    found = read(extract(MODEL, examples, tmp_path / "a.h5", precision="bfloat16"))
    exact = True
    for name, wanted in real.items():
        known = ~np.isnan(wanted[0, :, 0])
        a, b = found[name][:, known], wanted[:, known]
        cosine = (a * b).sum(-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)
        assert cosine.min() > 0.999
        exact &= np.array_equal(a, b)
    assert not exact


@pytest.mark.slow
def test_half_precision_storage_rounds_the_same_vectors(tiny, examples, tmp_path):
    wanted = read(extract(tiny, examples, tmp_path / "a.h5"))
    path = extract(tiny, examples, tmp_path / "b.h5", storage="float16")
    with h5py.File(path) as file:
        assert file["activations"].dtype == np.float16
    assert_same(read(path), {name: vectors.astype(np.float16).astype(np.float32) for name, vectors in wanted.items()}, 0)


@pytest.mark.slow
def test_what_does_not_fit_half_precision_is_refused(tiny, examples, tmp_path):
    folder = tmp_path / "huge"
    shutil.copytree(tiny, folder)
    model = BertModel.from_pretrained(folder)
    with torch.no_grad():
        model.embeddings.LayerNorm.weight.mul_(1e6)
    model.save_pretrained(folder)
    with pytest.raises(InputError, match=r"layer 0, near example .* do not fit float16\. Set activations"):
        extract(folder, examples, tmp_path / "out" / "a.h5", storage="float16")
    assert list((tmp_path / "out").iterdir()) == []


def too_long(limit):
    """An example exactly at the limit, and one a subtoken over it: [CLS] who [SEP] king... [SEP]."""
    return [
        Example(name, "page", ["who"], ["king"] * words, None, [(0, words)])
        for name, words in (("over", limit - 3), ("at", limit - 4))
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("asked", "limit"), [(16, 16), (512, 512), (9999, 512)])
def test_an_example_at_the_limit_is_kept_and_one_over_it_is_listed(tiny, tmp_path, asked, limit, caplog):
    path = write_examples(tmp_path / "e.jsonl", too_long(limit))
    out = extract(tiny, path, tmp_path / "a.h5", max_length=asked)
    assert list(store.summary(out).values()) == [1, limit - 3, 0, ["over"]]
    assert list(read(out)) == ["at"]
    assert (read(out)["at"] != 0).any(axis=2).all()
    warnings = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert [f"example over: longer than {limit} subtokens; left out" in line for line in warnings] == [True]


@pytest.mark.slow
def test_the_limit_counts_what_the_view_holds(tiny, tmp_path):
    example = Example("a", "page", ["who"], "he left . it was late and dark and cold .".split(), (0, 1), [(0, 3), (3, 11)])
    path = write_examples(tmp_path / "e.jsonl", [example])
    assert store.summary(extract(tiny, path, tmp_path / "p.h5", max_length=8))["left_out"] == ["a"]
    assert store.summary(extract(tiny, path, tmp_path / "s.h5", view="sentence", max_length=8))["examples"] == 1


@pytest.mark.slow
def test_the_store_says_what_it_was_made_from(tiny, examples, tmp_path):
    path = extract(tiny, examples, tmp_path / "a.h5", view="sentence", max_length=100)
    with store.Activations([path]) as stored:
        assert stored.attributes == {
            "checkpoint": folder_digest(tiny),
            "view": "sentence",
            "precision": "float32",
            "max_length": 100,
            "version": store.Shard.VERSION,
        }
    path = extract(tiny, examples, tmp_path / "b.h5", special_tokens=False, last_layer=False)
    with store.Activations([path]) as stored:
        assert (stored.layers, stored.attributes["special_tokens"], stored.attributes["last_layer"]) == (2, False, False)


@pytest.mark.slow
def test_the_same_run_gives_the_same_bytes(tiny, examples, tmp_path):
    first, second = (extract(tiny, examples, tmp_path / name) for name in ("a.h5", "b.h5"))
    assert Path(first).read_bytes() == Path(second).read_bytes()


class Watched(Encoding):
    """An encoding whose end can be seen (its parent has slots, and no weak references)."""


@pytest.mark.slow
def test_memory_holds_a_window_of_encodings_whatever_the_number_of_examples(tiny, examples, tmp_path, monkeypatch):
    wanted = read(extract(tiny, examples, tmp_path / "a.h5"))
    encode, asked, seen, alive = extraction.encode, [], [], []

    def counting(tokenizer, firsts, seconds, layout):
        asked.append(len(firsts))
        alive.append(sum(reference() is not None for reference in seen))
        encodings = encode(tokenizer, firsts, seconds, layout)
        encodings = [Watched(*(getattr(e, field.name) for field in fields(e))) for e in encodings]
        seen.extend(map(weakref.ref, encodings))
        return encodings

    monkeypatch.setattr(extraction, "WINDOW", 2)
    monkeypatch.setattr(extraction, "encode", counting)
    found = read(extract(tiny, examples, tmp_path / "b.h5"))
    assert asked == [2] * len(EXAMPLES)  # each example twice: once to measure, once to run
    assert max(alive) <= 3  # the window before until this one takes its place, and the last of the measuring pass
    assert_same(found, wanted)


@pytest.mark.slow
def test_a_batch_is_never_larger_than_asked(tiny, examples, tmp_path, monkeypatch):
    hidden_states, sizes = extraction.hidden_states, []

    def counting(model, encodings, device):
        sizes.append(len(encodings))
        return hidden_states(model, encodings, device)

    monkeypatch.setattr(extraction, "hidden_states", counting)
    extract(tiny, examples, tmp_path / "a.h5", batch_size=5)
    assert (max(sizes), sum(sizes)) == (5, len(EXAMPLES))


@pytest.mark.slow
def test_bad_examples_leave_nothing_behind(tiny, tmp_path):
    rows = [asdict(EXAMPLES[1]), {**asdict(EXAMPLES[2]), "sentences": [(0, 4)]}]
    files.write_json_lines(tmp_path / "e.jsonl", rows)
    with pytest.raises(InputError, match=r"e\.jsonl, line 2, key sentences"):
        extract(tiny, str(tmp_path / "e.jsonl"), tmp_path / "out" / "a.h5")
    assert not list(tmp_path.glob("out/*"))


FULL_DISK = """
import resource, signal, sys
from pairprobe.activations.extraction import Settings, extract
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, resource.RLIM_INFINITY))
try:
    extract(sys.argv[1], sys.argv[2], "paragraph", sys.argv[3], Settings(threads=1))
except Exception as error:
    print(type(error).__name__, flush=True)
"""


@pytest.fixture(scope="module")
def full_disk(tiny, examples, tmp_path_factory):
    """A subprocess whose files may not grow beyond 60,000 bytes: what came of it, and the folder that it wrote to."""
    folder = tmp_path_factory.mktemp("full")
    assert Path(extract(tiny, examples, folder / "a.h5")).stat().st_size > 100_000
    command = [sys.executable, "-c", FULL_DISK, tiny, examples, str(folder / "out" / "a.h5")]
    return subprocess.run(command, capture_output=True, text=True, timeout=60), folder / "out"


@pytest.mark.slow
def test_a_full_disk_fails_and_leaves_nothing_behind(full_disk):
    done, folder = full_disk
    assert "Error" in done.stdout, done.stderr
    assert list(folder.iterdir()) == []


def test_a_full_disk_is_an_error_of_the_operating_system(full_disk):
    assert full_disk[0].stdout == "OSError\n"


@pytest.mark.slow
def test_a_disk_without_room_is_seen_before_anything_is_computed(tiny, examples, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    monkeypatch.setattr(extraction, "hidden_states", None)
    with pytest.raises(OSError, match=r"no space left on the disk: .* GB are needed"):
        extract(tiny, examples, tmp_path / "out" / "a.h5")
    assert list((tmp_path / "out").iterdir()) == []


# Grown data.


@pytest.fixture
def passes(monkeypatch):
    """The examples that went through a checkpoint, by the number of each batch."""
    hidden_states, sizes = extraction.hidden_states, []

    def counting(model, encodings, device):
        sizes.append(len(encodings))
        return hidden_states(model, encodings, device)

    monkeypatch.setattr(extraction, "hidden_states", counting)
    return sizes


@pytest.mark.slow
def test_only_new_examples_go_through_the_checkpoint(tiny, tmp_path, passes):
    out, path = tmp_path / "probe-1of1.h5", tmp_path / "e.jsonl"
    extract(tiny, write_examples(path, EXAMPLES[:12]), out)
    before = read(str(out))
    passes.clear()
    # In another order, one of them under another name, one with other words.
    changed = Example("short", "page", ["who"], ["queen"], (0, 1), [(0, 1)])
    renamed = Example("renamed", *[getattr(EXAMPLES[3], field.name) for field in fields(Example)[1:]])
    now = [*EXAMPLES[:1:-1], changed, renamed, EXAMPLES[0]]
    now.remove(EXAMPLES[3])
    extract(tiny, write_examples(path, now), out)
    assert sum(passes) == len(EXAMPLES) - 12 + 1
    found = read(str(out))
    assert list(found) == [e.example_id for e in now]
    np.testing.assert_array_equal(found["renamed"], before["crossing"])
    assert all(np.array_equal(found[e.example_id], before[e.example_id], equal_nan=True) for e in EXAMPLES[4:12])
    assert_same(found, read(extract(tiny, write_examples(path, now), tmp_path / "afresh.h5")))


@pytest.mark.slow
def test_the_store_of_the_same_examples_is_the_same_whether_it_was_reused_or_not(tiny, examples, tmp_path, passes):
    out = tmp_path / "probe-1of1.h5"
    first = Path(extract(tiny, examples, out)).read_bytes()
    passes.clear()
    assert Path(extract(tiny, examples, out)).read_bytes() == first
    assert passes == []


@pytest.mark.slow
def test_another_number_of_shards_computes_nothing(tiny, examples, tmp_path, passes):
    wanted = read(extract(tiny, examples, tmp_path / "probe-1of1.h5"))
    passes.clear()
    shards = [extract(tiny, examples, tmp_path / f"probe-{i + 1}of3.h5", shard=(i, 3)) for i in range(3)]
    assert passes == []
    assert_same(read(*shards), wanted, 0)


@pytest.mark.slow
def test_an_example_that_was_too_long_is_not_looked_at_again(tiny, tmp_path, monkeypatch):
    path, out = write_examples(tmp_path / "e.jsonl", too_long(16)), tmp_path / "probe-1of1.h5"
    extract(tiny, path, out, max_length=16)
    monkeypatch.setattr(extraction, "encode", None)
    assert store.summary(extract(tiny, path, out, max_length=16))["left_out"] == ["over"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "changed",
    [
        {"precision": "bfloat16"},
        {"max_length": 30},
        {"storage": "float16"},
        {"special_tokens": False},
        {"last_layer": False},
        {"order": "paragraph_first"},
        {"code": {"activations": "2"}},
    ],
)
def test_vectors_of_other_settings_or_code_are_not_reused(tiny, examples, tmp_path, passes, changed):
    out = tmp_path / "probe-1of1.h5"
    extract(tiny, examples, out, code={"activations": "1"})
    passes.clear()
    extract(tiny, examples, out, **{"code": {"activations": "1"}, **changed})
    assert sum(passes) == len(read(str(out)))


@pytest.mark.slow
def test_vectors_of_another_checkpoint_are_not_reused(tiny, examples, tmp_path, passes):
    out, other = tmp_path / "probe-1of1.h5", tmp_path / "other"
    shutil.copytree(tiny, other)
    model = BertModel.from_pretrained(other)
    model.embeddings.word_embeddings.weight.data[0, 0] += 1
    model.save_pretrained(other)
    extract(tiny, examples, out)
    passes.clear()
    extract(other, examples, out)
    assert sum(passes) == len(EXAMPLES)


def test_what_was_damaged_on_disk_is_computed_again(tiny, examples, tmp_path, passes):
    out = Path(extract(tiny, examples, tmp_path / "probe-1of1.h5"))
    whole, vectors = out.read_bytes(), read(str(out))["kinds"]
    damaged = bytearray(whole)
    damaged[whole.index(vectors[1].tobytes()) + 9] ^= 1
    out.write_bytes(damaged)
    passes.clear()
    found = read(extract(tiny, examples, out))
    assert passes == [1]
    np.testing.assert_allclose(found["kinds"], vectors, atol=1e-5)


@pytest.mark.slow
def test_a_stopped_extraction_leaves_what_was_there(tiny, examples, tmp_path, monkeypatch):
    out = Path(extract(tiny, write_examples(tmp_path / "e.jsonl", EXAMPLES[:5]), tmp_path / "probe-1of1.h5"))
    before = out.read_bytes()

    def stop(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(extraction, "hidden_states", stop)
    with pytest.raises(KeyboardInterrupt):
        extract(tiny, examples, out)
    assert out.read_bytes() == before
    assert [path.name for path in tmp_path.glob("*probe*")] == [out.name]


# A GPU. There is none here: the processor computes what a GPU is given.


@pytest.fixture
def as_a_gpu(monkeypatch):
    load = loading.load_encoder
    monkeypatch.setattr(devices, "claim", lambda: "cuda")
    monkeypatch.setattr(loading, "load_encoder", lambda folder, precision, device: load(folder, precision))
    monkeypatch.setattr(transfers, "to_device", lambda tensor, device: tensor)


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"view": "paragraph_last", "last_layer": False}, {"storage": "float16"}])
def test_a_gpu_gives_the_vectors_of_the_processor(tiny, examples, tmp_path, as_a_gpu, monkeypatch, options):
    found = read(extract(tiny, examples, tmp_path / "a.h5", **options))
    monkeypatch.setattr(devices, "claim", lambda: "cpu")
    assert_same(found, read(extract(tiny, examples, tmp_path / "b.h5", **options)))


@pytest.mark.slow
def test_a_gpu_takes_as_many_examples_as_fill_it_and_never_more_than_asked(tiny, examples, tmp_path, as_a_gpu, passes):
    extract(tiny, examples, tmp_path / "a.h5")
    assert passes == [len(EXAMPLES)]
    passes.clear()
    extract(tiny, examples, tmp_path / "b.h5", batch_size=5)
    assert (max(passes), sum(passes)) == (5, len(EXAMPLES))


def test_a_layer_that_is_not_finite_is_named_by_a_gpu_too(tiny, examples, tmp_path, as_a_gpu, monkeypatch):
    hidden_states = extraction.hidden_states

    def broken(*arguments):
        for number, layer in enumerate(hidden_states(*arguments)):
            yield layer * torch.nan if number == 1 else layer

    monkeypatch.setattr(extraction, "hidden_states", broken)
    with pytest.raises(InputError, match=r"layer 1, near example long13: found hidden states that are not finite"):
        extract(tiny, examples, tmp_path / "a.h5")
    assert not list(tmp_path.glob("*.h5"))


@pytest.mark.parametrize(("lengths", "masked"), [((7, 7), False), ((7, 5), True)])
def test_a_batch_without_padding_has_no_mask_which_is_what_fast_attention_wants(tiny, lengths, masked):
    model, given = loading.load_encoder(tiny), []
    model.register_forward_pre_hook(lambda _module, _args, kwargs: given.append(kwargs), with_kwargs=True)
    encodings = [Encoding(np.arange(5, 5 + n, dtype=np.int32), None, np.arange(n), n, 0) for n in lengths]
    list(extraction.hidden_states(model, encodings, "cpu"))
    assert ("attention_mask" in given[0]) == masked


# Memory.


def test_batches_end_when_they_have_enough_subtokens():
    lengths = [50, 50, 30, 30, 30, 30, 30, 30, 9, 8, 8, 7, 7, 7]
    items = [extraction._Item(i, str(i), Encoding(np.zeros(n, np.int32), None, None, 0, 0)) for i, n in enumerate(lengths)]

    def cut(*how):
        batches = list(extraction._batched(items, *how))
        assert [item for batch in batches for item in batch] == items
        return [[len(item.encoding) for item in batch] for batch in batches]

    assert cut(4, False, sys.maxsize) == [[50, 50, 30, 30], [30, 30, 30, 30], [9, 8, 8, 7], [7, 7]]
    assert cut(4, True, sys.maxsize) == [[50, 50], [30] * 4, [30] * 2, [9], [8, 8], [7] * 3]
    # With 100 subtokens, or with 50 where another length begins.
    assert cut(9, False, 100) == [[50, 50], [30] * 4, [30] * 2, [9, 8, 8, 7, 7, 7]]
    assert cut(1, False, 100) == [[n] for n in lengths]


@pytest.mark.slow
def test_a_batch_that_does_not_fit_into_memory_is_halved(tiny, examples, tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.WARNING, "pairprobe")
    wanted = read(extract(tiny, examples, tmp_path / "a.h5"))
    hidden_states = extraction.hidden_states

    def small(model, encodings, device):
        layers = hidden_states(model, encodings, device)
        yield next(layers)  # the embeddings fit, and are written
        if len(encodings) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")
        yield from layers

    monkeypatch.setattr(extraction, "hidden_states", small)
    monkeypatch.setattr(extraction, "MAX_BATCH_TOKENS", 100_000)
    assert_same(read(extract(tiny, examples, tmp_path / "b.h5")), wanted)
    assert [line.split(";")[1] for line in caplog.messages] == [" trying 8", " trying 4", " trying 2"]
