"""The windows that train, built once and written to Arrow files, which training maps into memory rather than loads.

A file has the windows of every n-th page, page after page. Whatever n is, ``Features`` gives the same windows in the same
order.
"""

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from isal import isal_zlib

from pairprobe.checkpoints.tokenization import Tokenizer, check_alignment
from pairprobe.data.pages import Page, read_pages
from pairprobe.data.sampling import hash_unit
from pairprobe.errors import InputError
from pairprobe.finetuning.subtokenizer import Subtokenizer
from pairprobe.finetuning.windows import ANSWER_TYPES, NULL, Window, gold_of, places_of, subtokens_of, target, windows
from pairprobe.io import files
from pairprobe.io.progress import log, track

SCHEMA = pa.schema(
    {
        "page": pa.int32(),  # which page of all, so that the order does not depend on the number of files
        "example_id": pa.string(),
        "input_ids": pa.list_(pa.int32()),
        "begin": pa.int32(),
        "start": pa.int32(),
        "end": pa.int32(),
        "answer_type": pa.int8(),
        "words": pa.list_(pa.int8()),  # of each subtoken: one of NO_WORD, BEGINS and GOES_ON
    }
)
# Where the words of the page are in a window: nowhere in what stands around them, and in markup.
NO_WORD, BEGINS, GOES_ON = range(3)
# Bytes before the first part of an Arrow file.
_BEFORE_STREAM = 8
# Windows that are written at once.
CHUNK_SIZE = 500
# So much is checked, before anything is built, for whether words and subtokens belong together: pages, words of each.
_CHECKED_PAGES, _CHECKED_WORDS = 32, 512


@dataclass(frozen=True, slots=True)
class Settings:
    """Which windows train.

    max_length, stride: see ``windows.windows``. unanswered: the share, 0 to 1, of the windows without the answer that is
    retained; a hash of the seed and the window decides which.
    """

    max_length: int
    stride: int
    unanswered: float
    seed: int


def build(
    documents: str, tokenizer: Tokenizer, path: str, shard: tuple[int, int], settings: Settings, name: str = "tokenizer"
) -> Counter:
    """Write the training windows of every n-th page of ``documents``, one page in memory at a time.

    shard: ``(i, n)``. name: how errors call the checkpoint. Returns counts of pages, of their answers by type, of windows
    by type, and of answers that are in no window as a whole.
    """
    subtokenizer = Subtokenizer(tokenizer)
    counts: Counter[str] = Counter()
    first = ((page.example_id, page.question, page.words(0, _CHECKED_WORDS)) for page in read_pages(documents, shard))
    check_alignment(tokenizer, (pair for pair in itertools.islice(first, _CHECKED_PAGES) if pair[2]), name)
    with (
        files.atomic_write(path) as temporary,
        pa.OSFile(str(temporary), "wb") as sink,
        pa.ipc.new_file(sink, SCHEMA) as writer,
    ):
        pages = track(read_pages(documents, shard), None, "building features", "pages")
        numbered = zip(itertools.count(shard[0], shard[1]), pages)
        rows = (row for number, page in numbered for row in _rows(number, page, subtokenizer, settings, counts))
        while chunk := list(itertools.islice(rows, CHUNK_SIZE)):
            batch = pa.RecordBatch.from_pylist(chunk, SCHEMA)
            writer.write_batch(batch, {"crc32": str(_checksum(batch))})
    for what, number in sorted(counts.items()):
        log.info("%s: %s: %d", path, what, number)
    return counts


def _rows(number: int, page: Page, subtokenizer: Subtokenizer, settings: Settings, counts: Counter) -> Iterator[dict]:
    """Yield the windows of a page that train, and count them. number: of the page among all."""
    answer_type, span = gold_of(page)
    subtokens = subtokens_of(page, subtokenizer)
    places = places_of(subtokens, span)
    counts["pages"] += 1
    counts[f"pages answered: {ANSWER_TYPES[answer_type]}"] += 1
    begins = np.diff(subtokens.token, prepend=-1) != 0
    words = np.where(subtokens.is_word, np.where(begins, BEGINS, GOES_ON), NO_WORD)
    answered = 0
    for i, window in enumerate(windows(page, subtokenizer, settings.max_length, settings.stride, subtokens)):
        window_type, start, end = target(window, answer_type, places)
        answered += window_type != NULL
        if window_type == NULL and hash_unit(settings.seed, page.example_id, i) >= settings.unanswered:
            continue
        counts[f"windows answered: {ANSWER_TYPES[window_type]}"] += 1
        yield {
            "page": number,
            "example_id": page.example_id,
            "input_ids": window.input_ids,
            "begin": window.begin,
            "start": start,
            "end": end,
            "answer_type": window_type,
            "words": _in_window(window, words),
        }
    if answer_type != NULL and not answered:
        counts["answers that no window holds whole"] += 1


def _in_window(window: Window, words: np.ndarray) -> np.ndarray:
    """Return of each of a window's subtokens what ``words`` says of the page's, (subtokens,)."""
    found = np.full(len(window.input_ids), NO_WORD, np.int8)
    found[window.begin : window.begin + len(window.part)] = words[window.at : window.at + len(window.part)]
    return found


class Features:
    """The windows of some files, mapped, in the order of their pages.

    ``features[i]`` is a dictionary: example_id, input_ids (subtokens,) int32, begin (where the page's part begins), start
    and end (subtokens, inclusive), answer_type, words (subtokens,). lengths: (windows,), subtokens of each.
    """

    def __init__(self, paths: Sequence[str]):
        batches = [batch for path in paths for batch in _read_batches(path)]
        self._columns = [{name: _values(batch, name) for name in SCHEMA.names} for batch in batches]
        sizes = [batch.num_rows for batch in batches]
        page = np.concatenate([columns["page"] for columns in self._columns] or [np.zeros(0, np.int32)])
        batch = np.repeat(np.arange(len(sizes)), sizes)
        row = np.concatenate([np.arange(size) for size in sizes] or [np.zeros(0, np.int64)])
        # A page's windows lie in one file, in order; a stable sort keeps them so.
        order = np.argsort(page, kind="stable")
        self._batch, self._row = batch[order], row[order]
        lengths = [np.diff(columns["input_ids"][0]) for columns in self._columns]
        self.lengths = np.concatenate(lengths or [np.zeros(0, np.int64)])[order]

    def __len__(self) -> int:
        """Count windows."""
        return len(self._row)

    def __getitem__(self, i: int) -> dict:
        """Return one window."""
        columns, row = self._columns[self._batch[i]], self._row[i]
        found: dict[str, Any] = {name: int(columns[name][row]) for name in ("begin", "start", "end", "answer_type")}
        for name in ("input_ids", "words"):
            edges, values = columns[name]
            found[name] = values[edges[row] : edges[row + 1]]
        return {**found, "example_id": self.example_id(i)}

    def has_answer(self) -> bool:
        """Whether any window holds an answer."""
        return any((columns["answer_type"] != NULL).any() for columns in self._columns)

    def example_id(self, i: int) -> str:
        """Return the example that a window belongs to."""
        return self._columns[self._batch[i]]["example_id"][int(self._row[i])].as_py()


def _read_batches(path: str) -> list[pa.RecordBatch]:
    """Map a file of ``build`` into memory; raise InputError where it is no complete one."""
    try:
        reader = pa.ipc.open_file(pa.memory_map(str(path)))
        if reader.schema != SCHEMA:
            raise InputError(f"{path}: found the columns {reader.schema.names}, wanted {SCHEMA.names}. Delete it.")
        batches = []
        if (there := _count_batches(path)) != reader.num_record_batches:
            raise pa.ArrowInvalid(f"its index names {reader.num_record_batches} parts, and there are {there}")
        for i in range(reader.num_record_batches):
            batch, metadata = reader.get_batch_with_custom_metadata(i)
            batch.validate(full=True)
            found, wanted = str(_checksum(batch)), (metadata or {}).get(b"crc32")
            if wanted is not None and wanted.decode() != found:
                raise pa.ArrowInvalid(f"damaged on disk: found the checksum {found}, wanted {wanted.decode()}")
            batches.append(batch)
        if any(column.null_count for batch in batches for column in batch.columns):
            raise pa.ArrowInvalid("values are missing")
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: no whole file of features ({error}). Delete it, and it is built again.") from None
    return batches


def _count_batches(path: str) -> int:
    """Count the parts that follow one another in a file.

    Its index at the end has no checksum: damaged, it may name fewer, and windows would be missing without an error.
    """
    with pa.memory_map(str(path)) as source:
        source.seek(_BEFORE_STREAM)
        return sum(1 for _ in pa.ipc.open_stream(source))


def _checksum(batch: pa.RecordBatch) -> int:
    total = 0
    for column in batch.columns:
        for buffer in column.buffers():
            if buffer is not None:
                total = isal_zlib.crc32(buffer, total)
    return total


def _values(batch: pa.RecordBatch, name: str) -> Any:
    """Return a column without copying it: an array; (offsets, values) of lists; Arrow's own array of strings."""
    column = batch.column(name)
    if pa.types.is_list(column.type):
        return column.offsets.to_numpy(), column.values.to_numpy()
    return column if pa.types.is_string(column.type) else column.to_numpy()
