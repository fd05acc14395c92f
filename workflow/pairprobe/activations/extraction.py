"""Extraction: one forward pass for each example, every layer's word vectors straight into the HDF5 store.

Examples go through in batches of like length, several side by side: on a CPU each on a core of its own, from forward pass
to file; on a GPU one is computed while others are written. A word's vector is the mean of its subtokens' hidden states (for
controls, that of its first or last one). Memory holds two windows of encoded examples, and of hidden states a batch for
each thread, whatever the number of examples.
"""

import hashlib
import itertools
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import tokenizers
import torch
import transformers

from pairprobe.activations import shards, store
from pairprobe.checkpoints import cpu_kernels, devices, final_norm, loading, padding, transfers
from pairprobe.checkpoints.tokenization import (
    NEWLINE,
    QUESTION_FIRST,
    Encoding,
    Layout,
    Tokenizer,
    check_alignment,
    described,
    encode,
    layout_of,
)
from pairprobe.data.examples import Example, answer_sentence, read_examples
from pairprobe.data.sampling import in_shard
from pairprobe.errors import InputError
from pairprobe.io import files
from pairprobe.io.digests import folder_digest
from pairprobe.io.progress import Progress, log

# What a word's vector is made of: the mean of its subtokens, or one of them alone.
POOLING = {f"{view}_{one}": one for view in ("paragraph", "text") for one in ("first", "last")}
VIEWS = ("paragraph", "sentence", "text", *POOLING)

# Whether the last layer is behind the model's final norm, before it, or all layers are behind it.
AS_GIVEN, RAW, NORMED = "as_given", "raw", "normed"
# The attributes of a store that are left out where they have these values, as with an encoder and default settings.
USUAL = {
    **{"special_tokens": True, "last_layer": True, "final_norm": AS_GIVEN},
    **{"causal": False, "order": QUESTION_FIRST, "newline": False},
}

# How many examples are encoded and sorted by length at a time.
WINDOW = 2048
# A processor gains nothing from a batch of more than so many subtokens, which would take memory only; from half as many on,
# a batch ends where longer or shorter examples would need padding.
MAX_BATCH_TOKENS = 1024
# A GPU does: the calls alone of a forward pass of BERT-base take Python 3 to 6 ms, in which a GPU of 500 TFLOP/s would
# compute 9,000 to 18,000 subtokens. All hidden states of a batch are then 0.33 GB in bfloat16.
MAX_GPU_TOKENS = 16_384
# Examples a batch on a CPU, unless another number is asked for.
BATCH_SIZE = 16
# How many are looked at, before anything is computed, for whether words and subtokens belong together.
CHECKED = 32


@dataclass(frozen=True, slots=True)
class Settings:
    """How activations are computed and stored.

    batch_size: in examples, at most (None: ``BATCH_SIZE`` on a CPU, any number on a GPU); where memory runs out, batches
    are halved. precision, storage: the types of the computation and of the store. max_length: in subtokens, special ones
    included; a longer example is left out and listed. threads: how many batches are in work side by side (None: as many as
    PyTorch has threads; on a GPU 2). order, special_tokens: see ``tokenization.layout_of``. last_layer: whether the last
    layer is stored. final_norm: of a model with a norm behind its last layer, whether that layer is taken behind it, as
    transformers gives it ("as_given"), or before it as all others ("raw"), or every layer is put through it ("normed").
    """

    batch_size: int | None = None
    precision: str = "float32"
    storage: str = "float32"
    max_length: int = 512
    threads: int | None = None
    special_tokens: bool = True
    last_layer: bool = True
    order: str | None = None
    final_norm: str = AS_GIVEN


DEFAULTS = Settings()


@dataclass(frozen=True, slots=True)
class ViewedExample:
    """What the encoder reads of an example, and the fingerprint of that."""

    example_id: str
    question: list[str]
    passage: list[str]
    content: str


def view_words(example: Example, view: str) -> tuple[list[str], list[str]] | None:
    """Return what the encoder reads of an example: the question, and the paragraph or the sentence with the answer.

    None where an example has no such view: no short answer, so no sentence that holds it. Raises InputError for an example
    with a question in the view text, which is of single texts.
    """
    if view.startswith("text") and example.question:
        raise InputError(f"example {example.example_id}: found a question, in the view {view}. Wanted: a text alone.")
    if view != "sentence":
        return example.question, example.paragraph
    sentence = answer_sentence(example)
    return None if sentence is None else (example.question, example.paragraph[slice(*sentence)])


def extract(
    checkpoint: str,
    examples: str,
    view: str,
    path: str,
    settings: Settings = DEFAULTS,
    shard: tuple[int, int] = (0, 1),
    code: dict[str, str] | None = None,
    called: Mapping[str, str] | None = None,
) -> None:
    """Write the activations of one shard of the examples, those that are ``sampling.in_shard``.

    checkpoint: a folder that ``checkpoints.fetching.fetch`` made. examples: a file of examples. code: the digests of the
    code that computes. called: how the log calls each example, by default by file and id. Uses a GPU where there is one.

    What ``path``, and stores of another division beside it, hold of the same examples, checkpoint, settings and code is
    reused: only new examples go through the checkpoint. Raises InputError for bad examples, and where hidden states are not
    finite or do not fit the storage type; then nothing is changed at ``path``.
    """
    loaded = _load(checkpoint, view, settings)

    def in_this_shard() -> Iterator[ViewedExample]:
        return viewed((example for example in read_examples(examples) if in_shard(example.example_id, *shard)), view)

    first = ((each.example_id, each.question, each.passage) for each in itertools.islice(in_this_shard(), CHECKED))
    check_alignment(loaded.encoder.tokenizer, first, f"checkpoint {checkpoint}")
    cache_key = _cache_key({**loaded.attributes, "storage": settings.storage, "device": loaded.device, "code": code})
    attributes = loaded.attributes | loaded.told | {"cache_key": cache_key}
    with shards.Cache(files.previous_shards(path), cache_key, store.Shard) as cache:
        index = _index_of(in_this_shard(), cache, loaded.encoder, loaded.limit)
        for example_id in index.left_out:
            name = called[example_id] if called else f"{examples}, example {example_id}"
            log.warning("%s: longer than %d subtokens; left out", name, loaded.limit)
        config = loaded.model.config
        layers, hidden = config.num_hidden_layers + settings.last_layer, config.hidden_size
        with (
            files.atomic_write(path) as temporary,
            store.create(temporary, layers, hidden, settings.storage, index, attributes) as writer,
            Progress(len(index.example_id), f"activations, {view}") as progress,
            devices.side_by_side(settings.threads, loaded.device) as pool,
        ):
            run = _Extraction(loaded, settings.batch_size, writer, index, progress, pool)
            run(in_this_shard(), cache)
    log.info("%s: %d examples, %d words, %d left out", path, len(run.place), sum(index.words), len(index.left_out))
    log.info("%d examples were computed, %d subtokens in %d forward passes", run.computed, run.subtokens, run.passes)
    log.info("%d examples were reused", len(run.place) - run.computed)


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A checkpoint that is ready to run.

    limit: of the subtokens of an example. pooling: see ``SubtokenRows.of``. norm: what every layer is put through, if
    anything. attributes: of the store, all that vectors depend on but the words, the code and the machine; told: those that
    follow from them.
    """

    model: transformers.PreTrainedModel
    encoder: "_Encoder"
    device: str
    limit: int
    pooling: str
    norm: torch.nn.Module | None
    attributes: dict[str, Any]
    told: dict[str, Any]


def _load(checkpoint: str, view: str, settings: Settings) -> _Loaded:
    device = devices.claim()
    precision = devices.resolve_precision(settings.precision, device)
    tokenizer = loading.load_tokenizer(checkpoint)
    model = loading.load_encoder(checkpoint, precision, device)
    causal, has_norm = loading.is_causal(model), final_norm.find(model) is not None
    layout = layout_of(tokenizer, causal, settings.order, settings.special_tokens)
    cpu_kernels.speed_up(model, device)
    norm = None if settings.final_norm == AS_GIVEN else final_norm.take_out(model)
    limit = min(settings.max_length, tokenizer.model_max_length, loading.longest(model))
    attributes = {"checkpoint": folder_digest(checkpoint), "view": view, "precision": precision, "max_length": limit}
    read: dict[str, Any] = {"special_tokens": settings.special_tokens, "last_layer": settings.last_layer, "causal": causal}
    read |= {"order": layout.order, "newline": layout.separators == NEWLINE}
    read |= {"final_norm": AS_GIVEN if norm is None else settings.final_norm}
    attributes |= {name: value for name, value in read.items() if value != USUAL[name]}
    told = {"reads": described(tokenizer, layout, view.split("_")[0]), "has_norm": has_norm}
    every = norm if settings.final_norm == NORMED else None
    encoder, pooling = _Encoder(tokenizer, layout), POOLING.get(view, "mean")
    return _Loaded(model, encoder, device, limit, pooling, every, attributes, told)


def _cache_key(settings: dict[str, Any]) -> str:
    """Return the digest of all that vectors depend on but the words. (Threads and batches change their last bits alone.)"""
    versions = {each.__name__: each.__version__ for each in (np, tokenizers, torch, transformers)}
    return hashlib.sha256(json.dumps({**settings, **versions}, sort_keys=True).encode()).hexdigest()[:32]


class _Encoder:
    """A tokenizer that need not encode anything twice, as long as all fits into a window."""

    def __init__(self, tokenizer: Tokenizer, layout: Layout):
        self.tokenizer, self.layout = tokenizer, layout
        self._done: dict[str, Encoding] | None = {}

    def __call__(self, rows: list[ViewedExample]) -> list[Encoding]:
        if self._done is not None and all(each.content in self._done for each in rows):
            return [self._done[each.content] for each in rows]
        texts = [each.question for each in rows], [each.passage for each in rows]
        found = encode(self.tokenizer, *texts, self.layout)
        if self._done is not None:
            self._done |= {each.content: encoding for each, encoding in zip(rows, found, strict=True)}
            self._done = self._done if len(self._done) <= WINDOW else None
        return found


def _index_of(rows: Iterable[ViewedExample], cache: shards.Cache, encoder: _Encoder, limit: int) -> store.Index:
    """Return what the store will hold; only what is not in the cache is encoded for that."""
    index = store.Index()
    for window in _windows(rows):
        new = [each for each in window if each.content not in cache]
        lengths = {each.content: len(encoding) for each, encoding in zip(new, encoder(new), strict=True)}
        for each in window:
            if each.content in cache.left_out or lengths.get(each.content, 0) > limit:
                index.left_out.append(each.example_id)
                index.left_out_content.append(each.content)
            else:
                index.add(each.example_id, each.content, len(each.question), len(each.passage))
    return index


def _windows(rows: Iterable[ViewedExample]) -> Iterator[list[ViewedExample]]:
    """Cut rows into windows, none of which is held on to here."""
    rows = iter(rows)
    return iter(lambda: list(itertools.islice(rows, WINDOW)), [])


@dataclass(frozen=True, slots=True, eq=False)
class _Item:
    """An encoded example, and its place in the store."""

    place: int
    example_id: str
    encoding: Encoding


class _Extraction:
    """Fills a store: with what is in the cache, and with what the model gives for the rest."""

    def __init__(
        self,
        loaded: _Loaded,
        batch_size: int | None,
        writer: store.Writer,
        index: store.Index,
        progress: Progress,
        pool: Executor,
    ):
        self.loaded, self.writer, self.progress, self.pool = loaded, writer, progress, pool
        device = loaded.device
        self.place = {example_id: i for i, example_id in enumerate(index.example_id)}
        self.batch_size = batch_size or (BATCH_SIZE if device == "cpu" else sys.maxsize)
        self.batches = devices.Batches(self.batch_size, "examples")
        self.one_length = padding.padding_shows(loaded.model)
        self.max_tokens = MAX_BATCH_TOKENS if device == "cpu" else MAX_GPU_TOKENS
        self.computed = self.subtokens = self.passes = 0

    def __call__(self, rows: Iterable[ViewedExample], cache: shards.Cache) -> None:
        running: list[Future[list[tuple[int, int]]]] = []
        # While a window is encoded, the one before is computed; of both, no more than the encodings is held.
        for items in map(partial(self._encoded, cache), _windows(rows)):
            self._finish(running)
            batches = _batched(items, self.batch_size, self.one_length, self.max_tokens)
            running = [self.pool.submit(self.batches, self._run, batch) for batch in batches]
        self._finish(running)

    def _encoded(self, cache: shards.Cache, window: list[ViewedExample]) -> list[_Item]:
        """Encode what of a window is to be computed."""
        new = [each for each in window if each.example_id in self.place and not self._reuse(each, cache)]
        items = [
            _Item(self.place[each.example_id], each.example_id, e)
            for each, e in zip(new, self.loaded.encoder(new), strict=True)
        ]
        # The longest first: what does not fit into memory is seen at once, and no core waits for another's at the end.
        return sorted(items, key=lambda item: len(item.encoding), reverse=True)

    def _reuse(self, each: ViewedExample, cache: shards.Cache) -> bool:
        vectors = cache.read(each.content)
        if vectors is None:
            return False
        self.writer.reuse(self.place[each.example_id], vectors)
        self.progress.update()
        return True

    def _run(self, batch: list[_Item]) -> list[tuple[int, int]]:
        """Returns of each example, in one forward pass, its subtokens and its share in the number of passes."""
        encodings, device = [item.encoding for item in batch], self.loaded.device
        rows = SubtokenRows.of_batch(encodings, self.loaded.pooling, device)
        states = hidden_states(self.loaded.model, encodings, device)
        layers = itertools.islice(_normed(self.loaded.norm, states), self.writer.layers)
        self._write(batch, word_vectors(layers, rows, getattr(torch, str(self.writer.dtype)), device))
        return [(len(encoding), int(i == 0)) for i, encoding in enumerate(encodings)]

    def _write(self, batch: list[_Item], layers: Iterable[tuple[int, transfers.Arriving]]) -> None:
        """Write the vectors of a batch's words to their places in the store. layers: as ``word_vectors`` yields them."""
        counts = np.concatenate([item.encoding.subtokens() for item in batch])
        nothing = np.flatnonzero(counts == 0)
        edges = np.concatenate([[0], np.cumsum([item.encoding.words for item in batch])])
        for first, arriving in layers:
            vectors, extremes = arriving.arrays()
            for number, (words, found) in enumerate(zip(vectors, extremes, strict=True), start=first):
                if not _fits(found, self.writer.dtype):
                    raise InputError(
                        f"layer {number}, near example {batch[0].example_id}: found hidden states that are not finite or "
                        f"do not fit {self.writer.dtype}. Set activations.precision and activations.storage to float32."
                    )
                words[nothing] = np.nan
                for i, item in enumerate(batch):
                    self.writer.write(number, item.place, words[edges[i] : edges[i + 1]])

    def _finish(self, running: list[Future[list[tuple[int, int]]]]) -> None:
        """Wait for batches, and count them; raises what one of them raised."""
        for future in running:
            done = future.result()
            self.computed += len(done)
            self.subtokens += sum(subtokens for subtokens, _ in done)
            self.passes += sum(passes for _, passes in done)
            self.progress.update(len(done))


def _batched(items: list[_Item], size: int, one_length: bool, max_tokens: int) -> Iterator[list[_Item]]:
    """Cut a list that is sorted by length into batches of at most ``size`` items; one_length: all of a batch equally long.

    A batch that has reached ``max_tokens`` subtokens ends; one that has half of them ends where another length begins,
    since without padding there is nothing to mask.
    """
    batch: list[_Item] = []
    subtokens = 0
    for item in items:
        length = len(item.encoding)
        other = bool(batch) and length != len(batch[-1].encoding)
        if len(batch) == size or subtokens >= max_tokens or (other and (one_length or subtokens >= max_tokens / 2)):
            yield batch
            batch, subtokens = [], 0
        batch.append(item)
        subtokens += length
    if batch:
        yield batch


def viewed(examples: Iterable[Example], view: str) -> Iterator[ViewedExample]:
    """Yield what the encoder reads of the examples that have a view."""
    for example in examples:
        words = view_words(example, view)
        if words is not None:
            yield ViewedExample(example.example_id, *words, shards.fingerprint(words))


def hidden_states(model: transformers.PreTrainedModel, encodings: list[Encoding], device: str) -> Iterator[torch.Tensor]:
    """Run one batch; yields, layer by layer from the embeddings up, (examples, subtokens, hidden) in the model's type.

    Raises InputError for a model whose hidden states are not one for each layer and the embeddings, all of one width.
    """
    # Without special tokens a text may be empty, which no model takes.
    shape = len(encodings), max(1, *map(len, encodings))
    inputs = np.zeros((3, *shape), np.int64)
    ids, mask, segments = inputs
    ids[:] = loading.padding_id(model.config)
    for i, encoding in enumerate(encodings):
        ids[i, : len(encoding)] = encoding.input_ids
        mask[i, : len(encoding)] = 1
        if encoding.token_type_ids is not None:
            segments[i, : len(encoding)] = encoding.token_type_ids
    names = ("input_ids", "attention_mask", "token_type_ids")
    given = dict(zip(names, transfers.to_device(torch.from_numpy(inputs), device), strict=True))
    # Without a mask a GPU takes the fastest attention; transformers would see that nothing is masked, and wait for it.
    if mask.all():
        del given["attention_mask"]
    if encodings[0].token_type_ids is None:
        del given["token_type_ids"]
    with torch.inference_mode():
        layers = model(**given, output_hidden_states=True).hidden_states
    loading.check_hidden_states(model, layers, shape)
    yield from layers


def _normed(norm: torch.nn.Module | None, layers: Iterator[torch.Tensor]) -> Iterator[torch.Tensor]:
    for layer in layers:
        with torch.inference_mode():
            normed = layer if norm is None else norm(layer)
        yield normed


@dataclass(frozen=True, slots=True, eq=False)
class SubtokenRows:
    """Where the subtokens of a batch's words are in its hidden states, taken as (examples * subtokens, hidden).

    known: the words that have a subtoken, or None where all have. several: those that have more than one, and counts: how
    many, as float32. first: (words,), the row of each word's first subtoken, or of its last; without meaning where it has
    none. more: for the second subtoken, the third, ..., the words that have one, and its rows; empty where a word's vector
    is that of a single subtoken. All are on the device of the hidden states.
    """

    known: torch.Tensor | None
    counts: torch.Tensor
    first: torch.Tensor
    more: list[tuple[torch.Tensor, torch.Tensor]]

    @staticmethod
    def of(counts: np.ndarray, rows: np.ndarray, pooling: str, device: str = "cpu") -> "SubtokenRows":
        """counts: (words,), how many subtokens a word has. rows: (subtokens,), where they are, word after word.

        pooling: "mean", "first" or "last".
        """
        ends = np.cumsum(counts)
        selected = ends - 1 if pooling == "last" else ends - counts
        # One row more for words at the end that have none.
        parts = [np.flatnonzero(counts > 0), counts[counts > 1], np.append(rows, 0)[selected]]
        for k in range(1, counts.max(initial=0) if pooling == "mean" else 0):
            words = np.flatnonzero(counts > k)
            parts += [words, rows[selected[words] + k]]
        # In one piece, since each transfer takes its time.
        whole = torch.from_numpy(np.concatenate(parts, dtype=np.int64))
        known, several, first, *more = torch.split(transfers.to_device(whole, device), [len(part) for part in parts])
        return SubtokenRows(
            None if len(known) == len(counts) else known,
            several.float(),
            first,
            list(zip(more[::2], more[1::2], strict=True)),
        )

    @staticmethod
    def of_batch(encodings: list[Encoding], pooling: str, device: str) -> "SubtokenRows":
        """Return those of all words of a batch, padded to the longest."""
        longest = max(len(encoding) for encoding in encodings)
        rows = np.concatenate([i * longest + e.places() for i, e in enumerate(encodings)])
        return SubtokenRows.of(np.concatenate([e.subtokens() for e in encodings]), rows, pooling, device)


def pooled(layer: torch.Tensor, rows_of_words: SubtokenRows) -> torch.Tensor:
    """Return a vector for each word, (words, hidden), in float32: the mean of its subtokens, or one of them.

    layer: (examples, subtokens, hidden). What a word without subtokens gets is of no meaning.
    """
    rows = layer.reshape(-1, layer.shape[-1])
    words = rows.index_select(0, rows_of_words.first).float()
    for which, where in rows_of_words.more:
        words.index_add_(0, which, rows.index_select(0, where).float())
    if rows_of_words.more:
        several = rows_of_words.more[0][0]
        words[several] = words[several] / rows_of_words.counts[:, None]
    return words


def word_vectors(
    layers: Iterable[torch.Tensor], rows_of_words: SubtokenRows, dtype: torch.dtype, device: str
) -> Iterator[tuple[int, transfers.Arriving]]:
    """Pool the hidden states of each word's subtokens; yields the number of a layer, and the vectors from that layer on.

    Vectors are (layers, words, hidden), of a type; with them come the least and the greatest number of each layer before
    they had that type, (layers, 2). On a CPU there is one layer at a time, while it is in the cache; on a GPU all are
    launched at once.
    """
    if device == "cpu":
        for number, layer in enumerate(layers):
            yield number, _vectors([layer], rows_of_words, dtype)
    else:
        with transfers.launching(device):
            arriving = _vectors(list(layers), rows_of_words, dtype)
        yield 0, arriving


def _vectors(layers: list[torch.Tensor], rows_of_words: SubtokenRows, dtype: torch.dtype) -> transfers.Arriving:
    # Side by side: the same few kernels pool one layer or all.
    words = pooled(layers[0] if len(layers) == 1 else torch.cat(layers, -1), rows_of_words)
    by_layer = words.view(len(words), len(layers), -1).transpose(0, 1)
    judged = by_layer if rows_of_words.known is None else by_layer.index_select(1, rows_of_words.known)
    if judged.numel():
        extremes = torch.stack([torch.stack(torch.aminmax(layer)) for layer in judged])
    else:
        extremes = words.new_zeros(len(layers), 2)
    return transfers.Arriving(by_layer.to(dtype).contiguous(), extremes)


def _fits(extremes: np.ndarray, dtype: np.dtype) -> bool:
    """Whether the least and the greatest number are finite, also in another type. NaN is both, and less than nothing."""
    least, greatest = extremes.tolist()
    limit = float(np.finfo(dtype).max)
    return bool(-limit <= least and greatest <= limit)
