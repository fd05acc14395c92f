"""The windows that train, kept in files: those that were cut, in the pages' order, mapped and not loaded."""

import json
import logging
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import corpora
import msgspec
import numpy as np
import pyarrow as pa
import pytest
from families import MODEL, make
from transformers import AutoTokenizer

from pairprobe.checkpoints import loading
from pairprobe.data.pages import Marked, Page, row_of
from pairprobe.errors import InputError
from pairprobe.finetuning.features import SCHEMA, Features, Settings, build
from pairprobe.finetuning.subtokenizer import Subtokenizer
from pairprobe.finetuning.windows import ANSWER_TYPES, NULL, gold_of, places_of, subtokens_of, target, windows
from pairprobe.io import files

COLUMNS = ("example_id", "input_ids", "begin", "start", "end", "answer_type", "words")
LENGTH, STRIDE, SEED = 32, 7, 13


@pytest.fixture(scope="module")
def tokenizer():
    return loading.load_tokenizer(MODEL)


def drawn_pages(seed, number):
    """Draw questions of Natural Questions with their pages, answered in every way; now and then an empty page."""
    dice, pages = random.Random(seed), []
    while len(pages) < number:
        question = corpora.question(dice, len(pages))
        question["question_text"] = dice.choice(["who built the mill", "Zürich ?"])
        page = msgspec.convert(corpora.paged(question) | {"title": "é", "example_id": f"é{len(pages)}"}, Page)
        if dice.random() < 0.4 and page.candidates:
            long_answer = dice.choice(page.candidates)[:2]
            found = Marked(long_answer, (), dice.choice(["yes", "no", None]))
            page = msgspec.structs.replace(page, annotations=(found,))
        elif dice.random() < 0.1:
            page = msgspec.structs.replace(page, text="", candidates=(), annotations=(Marked(None),))
        pages.append(page)
    return pages


PAGES = drawn_pages(3, 90)


def write(path, pages):
    files.write_json_lines(path, map(row_of, pages))
    return str(path)


@pytest.fixture(scope="module")
def documents(tmp_path_factory):
    return write(tmp_path_factory.mktemp("documents") / "finetune.jsonl.gz", PAGES)


def built(tokenizer, documents, folder, shards=1, unanswered=1.0, max_length=LENGTH, stride=STRIDE, seed=SEED):
    """Build each shard; returns the paths, and the counts of all."""
    paths, counts = [], Counter()
    for i in range(shards):
        paths.append(str(folder / f"{i + 1}of{shards}.arrow"))
        counts += build(documents, tokenizer, paths[-1], (i, shards), Settings(max_length, stride, unanswered, seed))
    return paths, counts


def plain(window):
    return {key: value.tolist() if key in ("input_ids", "words") else value for key, value in window.items()}


def rows_of(features):
    return [plain(window) for window in features]


def cut(tokenizer, pages, max_length=LENGTH, stride=STRIDE):
    """Return every window of some pages with what it is to be answered with, as features should have them."""
    subtokenizer, rows = Subtokenizer(tokenizer), []
    for page in pages:
        answer_type, span = gold_of(page)
        places = places_of(subtokens_of(page, subtokenizer), span)
        for window in windows(page, subtokenizer, max_length, stride):
            kind, start, end = target(window, answer_type, places)
            words = words_of(window, page, subtokenizer)
            values = (page.example_id, window.input_ids.tolist(), window.begin, start, end, kind, words)
            rows.append(dict(zip(COLUMNS, values, strict=True)))
    return rows


def words_of(window, page, subtokenizer):
    """Say of each subtoken of a window whether it begins a word of the page (1), goes on with one (2), or neither (0)."""
    seen, every = set(), []
    all_of_page = subtokens_of(page, subtokenizer)
    for token, is_word in zip(all_of_page.token.tolist(), all_of_page.is_word.tolist(), strict=True):
        every.append(0 if not is_word else 2 if token in seen else 1)
        if is_word:
            seen.add(token)
    inside = every[window.at : window.at + len(window.part)]
    behind = len(window.input_ids) - window.begin - len(inside)
    return [0] * window.begin + inside + [0] * behind


@pytest.mark.parametrize(("max_length", "stride"), [(LENGTH, STRIDE), (20, 50), (384, 128)])
def test_what_is_read_back_is_the_windows_as_they_were_cut(tokenizer, documents, tmp_path, max_length, stride):
    paths, _ = built(tokenizer, documents, tmp_path, max_length=max_length, stride=stride)
    features, wanted = Features(paths), cut(tokenizer, PAGES, max_length, stride)
    assert rows_of(features) == wanted
    assert len(features) == len(wanted) >= 80
    assert {row["answer_type"] for row in wanted} == set(range(len(ANSWER_TYPES)))
    assert features.lengths.tolist() == [len(row["input_ids"]) for row in wanted]
    assert [features.example_id(i) for i in range(len(features))] == [row["example_id"] for row in wanted]


def test_a_window_has_plain_numbers_and_subtokens_of_32_bits(tokenizer, documents, tmp_path):
    window = Features(built(tokenizer, documents, tmp_path)[0])[np.int64(3)]
    assert {key: type(value) for key, value in window.items()} == {
        "example_id": str,
        "input_ids": np.ndarray,
        "words": np.ndarray,
        **dict.fromkeys(("begin", "start", "end", "answer_type"), int),
    }
    assert window["input_ids"].dtype == np.int32


def test_windows_are_found_by_place_and_there_is_none_behind_the_last(tokenizer, documents, tmp_path):
    features = Features(built(tokenizer, documents, tmp_path)[0])
    everything = rows_of(features)
    dice = random.Random(0)
    for i in dice.choices(range(-len(features), len(features)), k=100):
        assert plain(features[i]) == everything[i]
    for i in (len(features), -len(features) - 1):
        with pytest.raises(IndexError):
            features[i]


@pytest.mark.slow
def test_more_windows_than_are_written_together_come_back_in_order(tokenizer, tmp_path):
    words = " ".join(["king"] * 1500)
    pages = [
        Page(f"{i}", "t", ["who"], words, False, ((0, 1500, True),), (Marked((0, 1500), ((5 * i, 5 * i + 2),)),))
        for i in range(4)
    ]
    paths, counts = built(tokenizer, write(tmp_path / "a.jsonl", pages), tmp_path, max_length=16, stride=3)
    assert rows_of(Features(paths)) == cut(tokenizer, pages, 16, 3)
    assert sum(number for what, number in counts.items() if what.startswith("windows")) == 4 * 497 > 1900


# --- Shards ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("unanswered", [0.0, 0.4, 1.0])
def test_any_number_of_shards_gives_the_same_windows_in_the_same_order(tokenizer, documents, tmp_path, unanswered):
    paths, counts = built(tokenizer, documents, tmp_path, 1, unanswered)
    one = Features(paths)
    for shards in (2, 3, 7):
        paths, dealt = built(tokenizer, documents, tmp_path, shards, unanswered)
        assert dealt == counts
        for order in (paths, paths[::-1]):
            several = Features(order)
            assert rows_of(several) == rows_of(one)
            assert several.lengths.tolist() == one.lengths.tolist()


def test_a_shard_has_the_windows_of_every_nth_page(tokenizer, documents, tmp_path):
    paths, _ = built(tokenizer, documents, tmp_path, 4)
    for i, path in enumerate(paths):
        assert rows_of(Features([path])) == cut(tokenizer, PAGES[i::4])


def test_more_shards_than_pages_are_good(tokenizer, tmp_path):
    documents = write(tmp_path / "a.jsonl", PAGES[:2])
    paths, _ = built(tokenizer, documents, tmp_path, 4)
    assert rows_of(Features(paths)) == cut(tokenizer, PAGES[:2])
    assert len(Features(paths[2:])) == 0


# --- Windows without the answer -------------------------------------------------------------------------------------


def kept(tokenizer, documents, folder, share, seed=SEED):
    rows = rows_of(Features(built(tokenizer, documents, folder, unanswered=share, seed=seed)[0]))
    return [json.dumps(row, sort_keys=True) for row in rows if row["answer_type"] == NULL], [
        row for row in rows if row["answer_type"]
    ]


def test_the_share_of_windows_without_the_answer_is_kept_and_all_with_it(tokenizer, documents, tmp_path):
    every = cut(tokenizer, PAGES)
    without = [json.dumps(row, sort_keys=True) for row in every if row["answer_type"] == NULL]
    answered = [row for row in every if row["answer_type"] != NULL]
    found = {share: kept(tokenizer, documents, tmp_path, share) for share in (0.0, 0.1, 0.3, 0.6, 1.0)}
    assert all(rows == answered for _, rows in found.values())
    assert found[0.0][0] == []
    assert found[1.0][0] == without
    assert len(without) > 200
    for share in (0.1, 0.3, 0.6):
        deviation = (share * (1 - share) / len(without)) ** 0.5
        assert len(found[share][0]) / len(without) == pytest.approx(share, abs=3 * deviation)
    # A larger share holds a smaller one.
    assert set(found[0.1][0]) <= set(found[0.3][0]) <= set(found[0.6][0])


def test_the_choice_goes_by_the_seed(tokenizer, documents, tmp_path):
    one, again, other = (kept(tokenizer, documents, tmp_path, 0.5, seed)[0] for seed in (1, 1, 2))
    assert one == again
    both = len(set(one) & set(other)) / len(set(kept(tokenizer, documents, tmp_path, 1.0)[0]))
    assert both == pytest.approx(0.25, abs=0.1)


def test_the_choice_does_not_depend_on_what_other_pages_there_are(tokenizer, documents, tmp_path):
    some = write(tmp_path / "some.jsonl", PAGES[::-2])
    names = {page.example_id for page in PAGES[::-2]}
    whole = [row for row in kept(tokenizer, documents, tmp_path, 0.5)[0] if json.loads(row)["example_id"] in names]
    assert sorted(kept(tokenizer, some, tmp_path, 0.5)[0]) == sorted(whole)
    assert len(whole) > 30


def test_the_choice_is_among_the_windows_of_a_page_too(tokenizer, tmp_path):
    page = Page("e", "t", ["who"], " ".join(["king"] * 600), False, ((0, 600, True),), (Marked(None),))
    rows, _ = kept(tokenizer, write(tmp_path / "a.jsonl", [page]), tmp_path, 0.5)
    assert 20 < len(rows) < 65  # of 83


# --- Counts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unanswered", [0.0, 1.0])
def test_pages_windows_and_answers_are_counted(tokenizer, documents, tmp_path, unanswered, caplog):
    caplog.set_level(logging.INFO, logger="pairprobe")
    (path,), counts = built(tokenizer, documents, tmp_path, unanswered=unanswered)
    wanted, rows = Counter(), cut(tokenizer, PAGES)
    for page in PAGES:
        answer = ANSWER_TYPES[gold_of(page)[0]]
        wanted["pages"] += 1
        wanted[f"pages answered: {answer}"] += 1
        held = any(row["example_id"] == page.example_id and row["answer_type"] for row in rows)
        wanted["answers that no window holds whole"] += answer != "null" and not held
    for row in rows:
        wanted[f"windows answered: {ANSWER_TYPES[row['answer_type']]}"] += bool(row["answer_type"]) or unanswered > 0
    assert counts == +wanted
    assert wanted["answers that no window holds whole"] > 3
    lines = [record.getMessage() for record in caplog.records]
    assert [line for line in lines if line.startswith(path)] == [
        f"{path}: {what}: {n}" for what, n in sorted(counts.items())
    ]


@pytest.mark.parametrize("shorts", [((10, 90),), ((1, 2), (98, 99)), ()])
def test_an_answer_that_crosses_windows_is_counted_and_all_its_windows_are_null(tokenizer, tmp_path, shorts):
    page = Page("e", "t", ["who"], " ".join(["king"] * 100), False, ((0, 100, True),), (Marked((0, 100), shorts),))
    paths, counts = built(tokenizer, write(tmp_path / "a.jsonl", [page]), tmp_path)
    features = Features(paths)
    assert {(row["start"], row["end"], row["answer_type"]) for row in features} == {(0, 0, NULL)}
    assert len(features) == counts["windows answered: null"] > 5
    assert counts["answers that no window holds whole"] == 1
    assert counts[f"pages answered: {'short' if shorts else 'long'}"] == 1
    assert not features.has_answer()


def test_an_answer_without_a_subtoken_is_held_by_no_window(tokenizer, tmp_path):
    page = Page("e", "t", ["who"], "king \u200b king", False, ((0, 3, True),), (Marked((0, 3), ((1, 2),)),))
    paths, counts = built(tokenizer, write(tmp_path / "a.jsonl", [page]), tmp_path)
    assert [row["answer_type"] for row in Features(paths)] == [NULL]
    assert counts["answers that no window holds whole"] == 1


def test_whether_any_window_holds_an_answer_is_known(tokenizer, tmp_path):
    answered = next(page for page in PAGES if gold_of(page)[0] and cut(tokenizer, [page])[0]["answer_type"])
    nothing = [msgspec.structs.replace(page, annotations=(Marked(None),)) for page in PAGES[:5]]
    for pages, has in (([*nothing, answered], True), (nothing, False), ([], False)):
        paths, _ = built(tokenizer, write(tmp_path / "a.jsonl", pages), tmp_path, 2)
        assert Features(paths).has_answer() == has


def test_empty_pages_are_counted_and_have_no_windows(tokenizer, tmp_path):
    empty = Page("empty", "t", ["who"], "", True, (), (Marked(None),))
    full = Page("full", "t", ["who"], "king", False, ((0, 1, True),), (Marked((0, 1)),))
    paths, counts = built(tokenizer, write(tmp_path / "a.jsonl", [empty, full]), tmp_path)
    assert [row["example_id"] for row in Features(paths)] == ["full"]
    assert (counts["pages"], counts["pages answered: null"], counts["windows answered: long"]) == (2, 1, 1)


def test_without_pages_there_is_a_file_without_windows(tokenizer, tmp_path):
    paths, counts = built(tokenizer, write(tmp_path / "a.jsonl", []), tmp_path)
    features = Features(paths)
    assert (len(features), list(features), features.lengths.tolist(), counts) == (0, [], [], Counter())
    assert len(Features([])) == 0


def test_the_same_pages_give_the_same_bytes(tokenizer, documents, tmp_path):
    first, second = (built(tokenizer, documents, tmp_path / name, unanswered=0.5)[0][0] for name in ("a", "b"))
    assert Path(first).read_bytes() == Path(second).read_bytes()


# --- What goes wrong while building ---------------------------------------------------------------------------------


def long_pages():
    words = " ".join(["king"] * 3000)
    return [Page(f"{i}", "t", ["who"], words, False, ((0, 3000, True),), (Marked(None),)) for i in range(3)]


def failing_documents(folder, last):
    """Write pages enough for more windows than are written together, and a last line that is bad."""
    lines = [json.dumps(row_of(page)).encode() for page in long_pages()]
    (folder / "a.jsonl").write_bytes(b"\n".join([*lines, last]))
    return str(folder / "a.jsonl")


LONG_QUESTION = row_of(Page("q17", "t", ["who"] * 40, "king", False, ((0, 1, True),), (Marked(None),)))


@pytest.mark.parametrize(
    ("last", "told"),
    [
        (b"{", "{documents}, line 4: not a whole JSON object"),
        (json.dumps(row_of(long_pages()[0])).encode(), "{documents}, line 4: the question '0' is also in "),
        (json.dumps(LONG_QUESTION).encode(), "example q17: its question of 40 subtokens leaves nothing of a window of 32"),
    ],
)
@pytest.mark.parametrize("before", [None, b"what was there before"])
def test_where_building_fails_nothing_is_left_behind_and_what_was_there_stays(tokenizer, tmp_path, last, told, before):
    documents, folder = failing_documents(tmp_path, last), tmp_path / "out"
    folder.mkdir()
    if before:
        (folder / "f.arrow").write_bytes(before)
    with pytest.raises(InputError) as error:
        build(documents, tokenizer, str(folder / "f.arrow"), (0, 1), Settings(LENGTH, STRIDE, 1.0, SEED))
    assert str(error.value).startswith(told.format(documents=documents))
    assert [(path.name, path.read_bytes()) for path in folder.iterdir()] == ([("f.arrow", before)] if before else [])


@pytest.mark.parametrize("failure", [KeyboardInterrupt, MemoryError, OSError])
def test_where_building_is_broken_off_nothing_is_left_behind(tokenizer, tmp_path, failure, monkeypatch):
    def broken_off(page):
        if page.example_id == "2":
            # What was written so far is in a temporary file.
            assert sum(path.stat().st_size for path in folder.rglob("*")) > 50_000
            raise failure
        return NULL, None

    folder = tmp_path / "out"
    pages = write(tmp_path / "a.jsonl", long_pages())
    monkeypatch.setattr("pairprobe.finetuning.features.gold_of", broken_off)
    with pytest.raises(failure):
        build(pages, tokenizer, str(folder / "f.arrow"), (0, 1), Settings(LENGTH, STRIDE, 1.0, SEED))
    assert list(folder.iterdir()) == []


def test_a_tokenizer_that_reads_words_otherwise_than_a_text_is_named_and_nothing_is_written(tmp_path, documents):
    # Without a blank before a word, a byte-level tokenizer takes it for the inside of one.
    tokenizer = AutoTokenizer.from_pretrained(make("roberta", tmp_path / "roberta"), add_prefix_space=False)
    tokenizer.backend_tokenizer.pre_tokenizer.add_prefix_space = False
    settings = Settings(LENGTH, STRIDE, 1.0, SEED)
    with pytest.raises(InputError, match=r"^checkpoint roberta: its tokenizer .* goes wrong at example é0, "):
        build(documents, tokenizer, str(tmp_path / "f.arrow"), (0, 1), settings, name="checkpoint roberta")
    assert [path.name for path in tmp_path.iterdir()] == ["roberta"]


# --- Files that are no features -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole(tokenizer, documents, tmp_path_factory):
    """A file of features, as bytes."""
    ((path,), _) = built(tokenizer, documents, tmp_path_factory.mktemp("whole"))
    return Path(path).read_bytes()


def error_of(path):
    with pytest.raises(InputError) as error:
        Features([path])
    assert str(error.value).startswith(f"{path}: ")
    return str(error.value)


def test_a_file_cut_off_anywhere_is_named_with_what_to_do(whole, tmp_path):
    path = tmp_path / "f.arrow"
    for size in {0, 1, 5, 6, 8, 12, len(whole) - 1, len(whole) - 6, len(whole) - 10, *range(0, len(whole), 509)}:
        path.write_bytes(whole[:size])
        assert "no whole file of features (" in error_of(path)
        assert "Delete it, and it is built again." in error_of(path)


@pytest.mark.parametrize("content", [b"", b"\0" * 5000, b"text\n" * 1000, b"ARROW1\0\0" + b"\0" * 100 + b"ARROW1"])
def test_a_file_of_something_else_is_named(tmp_path, content):
    (tmp_path / "f.arrow").write_bytes(content)
    assert "no whole file of features (" in error_of(tmp_path / "f.arrow")


def test_a_file_that_is_not_there_or_is_a_folder_is_named(tmp_path):
    assert "No such file" in error_of(tmp_path / "f.arrow")
    error_of(tmp_path)


def test_of_several_files_the_one_that_is_bad_is_named(whole, tmp_path):
    good, bad = tmp_path / "good.arrow", tmp_path / "bad.arrow"
    good.write_bytes(whole)
    bad.write_bytes(whole[:-20])
    with pytest.raises(InputError, match=r"bad\.arrow: no whole file of features"):
        Features([good, bad])


@pytest.mark.parametrize(
    "schema",
    [
        pa.schema({"a": pa.int32()}),
        pa.schema(list(SCHEMA)[:-1]),
        pa.schema(list(SCHEMA)[::-1]),
        pa.schema([*SCHEMA, pa.field("more", pa.int32())]),
        pa.schema([field.with_type(pa.int64()) if field.name == "begin" else field for field in SCHEMA]),
        pa.schema([field.with_type(pa.list_(pa.int64())) if field.name == "input_ids" else field for field in SCHEMA]),
        pa.schema([field.with_type(pa.large_string()) if field.name == "example_id" else field for field in SCHEMA]),
    ],
)
def test_a_file_with_other_columns_is_named_with_those_found_and_wanted(tmp_path, schema):
    path = tmp_path / "f.arrow"
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        writer.write_table(schema.empty_table())
    assert f"found the columns {schema.names}, wanted {SCHEMA.names}. Delete it." in error_of(path)


# Reads a file damaged in many ways; prints how often that gave an error, and how often the windows that were written.
DAMAGED = """
import random
import sys
from pathlib import Path
from pairprobe.errors import InputError
from pairprobe.finetuning.features import Features

def shown(path):
    return [{name: str(value) for name, value in window.items()} for window in Features([path])]

whole, path, dice, seen = Path(sys.argv[1]).read_bytes(), Path(sys.argv[2]), random.Random(int(sys.argv[3])), [0, 0]
windows = shown(sys.argv[1])
for _ in range(100):
    damaged = bytearray(whole)
    edge = dice.choice([len(whole), 1500])
    for _ in range(dice.choice([1, 1, 3])):
        damaged[dice.choice([-1, 1]) * dice.randrange(1, edge)] = dice.randrange(256)
    path.write_bytes(damaged)
    try:
        assert shown(path) == windows
        seen[1] += 1
    except InputError as error:
        assert str(error).startswith(f"{path}: "), error
        seen[0] += 1
print(*seen)
"""


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_a_damaged_file_is_named_or_read_as_it_was_and_never_ends_the_process(whole, tmp_path, seed):
    (tmp_path / "whole.arrow").write_bytes(whole)
    command = [sys.executable, "-c", DAMAGED, tmp_path / "whole.arrow", tmp_path / "damaged.arrow", str(seed)]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr[-1000:]
    refused, _ = map(int, ended.stdout.split())
    assert refused > 50


def test_a_subtoken_that_is_damaged_on_disk_is_found_before_it_is_used(whole, tmp_path):
    damaged = bytearray(whole)
    (tmp_path / "f.arrow").write_bytes(whole)
    ids = Features([tmp_path / "f.arrow"])[3]["input_ids"]
    damaged[whole.index(ids.tobytes()) + 4] ^= 1
    (tmp_path / "f.arrow").write_bytes(damaged)
    assert "damaged on disk: found the checksum" in error_of(tmp_path / "f.arrow")


# --- Memory ---------------------------------------------------------------------------------------------------------

only_linux = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="wants Linux's /proc")

# Opens a file of features and reads every window; prints by how many kilobytes the process's own memory grew with either,
# and in how many windows the subtokens lie in the mapped file.
MAPPED = """
import contextlib
import gc
import sys
from pathlib import Path
with contextlib.suppress(ImportError):
    import pandas  # pyarrow would load it at its first array, where it is installed
from pairprobe.finetuning.features import Features

def own():
    gc.collect()
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))

def maps():
    for line in Path("/proc/self/maps").read_text().splitlines():
        if line.endswith(sys.argv[1]):
            yield range(*(int(edge, 16) for edge in line.split()[0].split("-")))

before = own()
features = Features([sys.argv[1]])
opened = own()
mapped = list(maps())
inside = sum(any(window["input_ids"].ctypes.data in part for part in mapped) for window in features)
print(opened - before, own() - before, inside, len(features))
"""


@only_linux
@pytest.mark.slow
def test_files_are_mapped_and_not_loaded(tmp_path):
    path, number = tmp_path / "f.arrow", 32_000
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, SCHEMA) as writer:
        for first in range(0, number, 500):
            columns = {
                "page": np.arange(first, first + 500),
                "example_id": [str(i) for i in range(first, first + 500)],
                "input_ids": list(np.random.default_rng(first).integers(0, 30_000, (500, 384))),
                "words": list(np.ones((500, 384), np.int8)),
                **dict.fromkeys(("begin", "start", "end", "answer_type"), np.zeros(500, int)),
            }
            arrays = [pa.array(columns[field.name], field.type) for field in SCHEMA]
            writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=SCHEMA))
    assert path.stat().st_size > 49_000_000
    ended = subprocess.run([sys.executable, "-c", MAPPED, path], capture_output=True, text=True, check=True)
    opened, read, inside, found = map(int, ended.stdout.split())
    assert inside == found == number
    # Where each window lies: some numbers a window.
    assert opened < 10_000
    assert read < 15_000


# Builds features of few pages, then of many; prints the most kilobytes that were in use after each.
BUILT = """
import sys
from pathlib import Path
from pairprobe.checkpoints.loading import load_tokenizer
from pairprobe.finetuning.features import Settings, build

tokenizer = load_tokenizer(sys.argv[1])
for documents in sys.argv[2:]:
    build(documents, tokenizer, documents + ".arrow", (0, 1), Settings(384, 64, 1.0, 0))
    lines = Path("/proc/self/status").read_text().splitlines()
    print(next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")))
"""


@only_linux
@pytest.mark.slow
def test_many_pages_are_built_in_the_memory_of_a_few(tmp_path):
    dice, paths = random.Random(0), []
    for number in (30, 600):
        pages = []
        for i in range(number):
            words = ["<P>", *dice.choices(corpora.WORDS[:30], k=4000), "</P>"]
            pages.append(Page(str(i), "t", ["who"], " ".join(words), True, ((0, 4002, True),), (Marked(None),)))
        paths.append(write(tmp_path / f"{number}.jsonl", pages))
    ended = subprocess.run([sys.executable, "-c", BUILT, MODEL, *paths], capture_output=True, text=True, check=True)
    few, many = map(int, ended.stdout.split())
    assert Path(f"{paths[1]}.arrow").stat().st_size > 50_000_000
    assert (many - few) / 1024 < 25
