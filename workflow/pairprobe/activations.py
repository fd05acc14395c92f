"""The extractor: one forward pass an example, every layer's word vectors straight into the HDF5 store.

Examples go through in batches of like length; a word's vector is the mean of its subtokens' hidden states (for controls,
that of its first or last one); memory holds one window of examples and one batch of hidden states, whatever the number of
examples.
"""

import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
import transformers

from pairprobe import checkpoints, devices, files, store
from pairprobe.encoding import Encoding, check_alignment, encode
from pairprobe.errors import InputError
from pairprobe.examples import Example, answer_sentence, dealt, read_examples
from pairprobe.progress import Progress, log
from pairprobe.provenance import folder_digest

VIEWS = ("paragraph", "sentence", "paragraph_first", "paragraph_last")
# What a word's vector is made of: the mean of its subtokens, or one of them alone.
POOLING = {"paragraph_first": "first", "paragraph_last": "last"}

# How many examples are encoded and sorted by length at a time.
WINDOW = 1024
# How many are looked at, before anything is computed, for whether words and subtokens belong together.
CHECKED = 32


@dataclass(frozen=True, slots=True)
class Viewed:
    """What the encoder reads of an example, and its digest."""

    example_id: str
    question: list[str]
    passage: list[str]
    content: str


def view_words(example: Example, view: str) -> tuple[list[str], list[str]] | None:
    """Return what the encoder reads of an example: the question, and the paragraph or the sentence with the answer.

    None where an example has no such view: no short answer, so no sentence that holds it.
    """
    if view != "sentence":
        return example.question, example.paragraph
    sentence = answer_sentence(example)
    return None if sentence is None else (example.question, example.paragraph[slice(*sentence)])


def extract(
    checkpoint: str,
    examples: str,
    view: str,
    path: str,
    shard: tuple[int, int] = (0, 1),
    batch_size: int = 16,
    precision: str = "float32",
    storage: str = "float32",
    max_length: int = 512,
    threads: int | None = None,
    code: dict | None = None,
) -> None:
    """Write the activations of one shard of the examples: of those that ``examples.dealt`` gives to it.

    checkpoint: a folder that ``checkpoints.fetch`` made. examples: a file of examples. max_length: in subtokens, special
    ones included; a longer example is left out and listed. code: the digests of the code that computes. Uses a GPU where
    there is one. Where memory runs out, batches are halved.

    What ``path``, and stores of another division beside it, hold of the same examples, checkpoint, settings and code is
    taken over: only new examples go through the checkpoint. Raises InputError for bad examples, and where hidden states are
    not finite or do not fit the storage type; then nothing is changed at ``path``.
    """
    if threads:
        torch.set_num_threads(threads)
    device = devices.claim()
    precision = devices.resolve_precision(precision, device)
    tokenizer = checkpoints.load_tokenizer(checkpoint)
    model = checkpoints.load_encoder(checkpoint, precision, device)
    limit = min(max_length, tokenizer.model_max_length, checkpoints.longest(model))

    def mine() -> Iterator[Viewed]:
        return viewed(dealt(read_examples(examples), *shard), view)

    first = ((each.example_id, each.question, each.passage) for each in itertools.islice(mine(), CHECKED))
    check_alignment(tokenizer, first, f"checkpoint {checkpoint}")
    attributes = {"checkpoint": folder_digest(checkpoint), "view": view, "precision": precision, "max_length": limit}
    attributes["stands_on"] = _stands_on(attributes, device, code)
    with store.Kept(files.former(path), attributes["stands_on"], storage) as kept:
        index = _measured(mine(), kept, tokenizer, limit)
        for example_id in index.left_out:
            log.warning("%s, example %s: longer than %d subtokens; left out", examples, example_id, limit)
        layers, hidden = model.config.num_hidden_layers + 1, model.config.hidden_size
        with (
            files.whole(path) as temporary,
            store.create(temporary, layers, hidden, storage, index, attributes) as writer,
            Progress(len(index.example_id), f"activations, {view}") as progress,
        ):
            pooling = POOLING.get(view, "mean")
            run = _Extraction(model, tokenizer, batch_size, device, writer, index, progress, pooling)
            run(mine(), kept)
    log.info("%s: %d examples, %d words, %d left out", path, len(run.place), sum(index.words), len(index.left_out))
    log.info("%d examples were computed, %d subtokens in %d forward passes", run.computed, run.subtokens, run.passes)
    log.info("%d examples were taken over", len(run.place) - run.computed)


def _stands_on(attributes: dict, device: str, code: dict | None) -> str:
    """Return the digest of all that vectors stand on but the words. (Threads and batches shift their last bits alone.)"""
    versions = {"torch": torch.__version__, "transformers": transformers.__version__}
    everything = {**attributes, **versions, "device": device, "code": code}
    return hashlib.sha256(json.dumps(everything, sort_keys=True).encode()).hexdigest()[:32]


def _measured(rows: Iterable[Viewed], kept: store.Kept, tokenizer, limit: int) -> store.Index:
    """Say what the store will hold; only what was not kept is encoded for that."""
    index = store.Index()
    for window in _windows(rows):
        new = [each for each in window if each.content not in kept]
        lengths = {each.content: len(encoding) for each, encoding in zip(new, _encode(tokenizer, new), strict=True)}
        for each in window:
            if each.content in kept.left_out or lengths.get(each.content, 0) > limit:
                index.left_out.append(each.example_id)
                index.left_out_content.append(each.content)
            else:
                index.add(each.example_id, each.content, len(each.question), len(each.passage))
    return index


def _windows(rows: Iterable[Viewed]) -> Iterator[list[Viewed]]:
    rows = iter(rows)
    while window := list(itertools.islice(rows, WINDOW)):
        yield window


def _encode(tokenizer, rows: list[Viewed]) -> list[Encoding]:
    return encode(tokenizer, [each.question for each in rows], [each.passage for each in rows]) if rows else []


class _Extraction:
    """Fills a store: with what was kept, and with what the model gives for the rest."""

    def __init__(
        self,
        model,
        tokenizer,
        batch_size: int,
        device: str,
        writer: store.Writer,
        index: store.Index,
        progress,
        pooling: str,
    ):
        self.model, self.tokenizer, self.device, self.writer, self.progress = model, tokenizer, device, writer, progress
        self.pooling = pooling
        self.place = {example_id: i for i, example_id in enumerate(index.example_id)}
        self.batches = devices.Batches(batch_size, "examples")
        self.batch_size, self.alike = batch_size, padding_shows(model, device)
        self.computed = self.subtokens = self.passes = 0
        if self.alike:
            log.info("padding changes the numbers of %s; a batch holds one length only", type(model).__name__)

    def __call__(self, rows: Iterable[Viewed], kept: store.Kept) -> None:
        for window in _windows(rows):
            new = [each for each in window if each.example_id in self.place and not self._take_over(each, kept)]
            encodings = _encode(self.tokenizer, new)
            items = sorted((len(e), i, new[i].example_id, e) for i, e in enumerate(encodings))
            for batch in _batched(items, self.batch_size, self.alike):
                self.batches(self._run, batch)

    def _take_over(self, each: Viewed, kept: store.Kept) -> bool:
        vectors = kept.read(each.content)
        if vectors is None:
            return False
        for layer, of_layer in enumerate(vectors):
            self.writer.write(layer, self.place[each.example_id], of_layer)
        self.progress.update()
        return True

    def _run(self, batch: list) -> list:
        places, encodings = [self.place[example_id] for _, _, example_id, _ in batch], [e for *_, e in batch]
        layers = hidden_states(self.model, encodings, self.device)
        write_batch(self.writer, batch[0][2], places, encodings, layers, self.pooling)
        self.progress.update(len(batch))
        self.computed += len(batch)
        self.subtokens += sum(map(len, encodings))
        self.passes += 1
        return batch


def _batched(items: list, size: int, alike: bool) -> Iterator[list]:
    """Cut a sorted list into batches; alike: none of them has items of different lengths, ``item[0]``."""
    groups = (list(group) for _, group in itertools.groupby(items, lambda item: item[0])) if alike else [items]
    for group in groups:
        for start in range(0, len(group), size):
            yield group[start : start + size]


def padding_shows(model, device: str) -> bool:
    """Whether padding changes a model's numbers, mask or not: ConvBERT's convolutions reach into it, for one."""
    ids = torch.arange(1, 9, device=device)[None]
    padded = torch.nn.functional.pad(ids, (0, 24), value=model.config.pad_token_id or 0)
    with torch.inference_mode():
        alone = model(input_ids=ids, attention_mask=torch.ones_like(ids))[0]
        mask = (torch.arange(padded.shape[1], device=device) < ids.shape[1])[None].to(ids.dtype)
        filled = model(input_ids=padded, attention_mask=mask)[0][:, : ids.shape[1]]
    # Rounding shows too, far less.
    tolerance = 1e-4 if model.dtype == torch.float32 else 0.05
    return bool((alone - filled).abs().max() > tolerance * alone.abs().max())


def viewed(examples: Iterable[Example], view: str) -> Iterator[Viewed]:
    """Yield what the encoder reads of the examples that have a view."""
    for example in examples:
        words = view_words(example, view)
        if words is not None:
            yield Viewed(example.example_id, *words, store.content_of(words))


def hidden_states(model, encodings: list[Encoding], device: str) -> Iterator[torch.Tensor]:
    """Run one batch; yields, layer by layer from the embeddings up, (examples, subtokens, hidden) in float32.

    Raises InputError for a model whose hidden states are not one for each layer and the embeddings, all of one width.
    """
    longest = max(len(encoding) for encoding in encodings)
    pad = model.config.pad_token_id or 0
    ids = torch.full((len(encodings), longest), pad)
    segments = torch.zeros_like(ids)
    mask = torch.zeros_like(ids)
    for i, encoding in enumerate(encodings):
        ids[i, : len(encoding)] = torch.from_numpy(encoding.input_ids)
        mask[i, : len(encoding)] = 1
        if encoding.token_type_ids is not None:
            segments[i, : len(encoding)] = torch.from_numpy(encoding.token_type_ids)
    inputs = {"input_ids": ids.to(device), "attention_mask": mask.to(device)}
    if encodings[0].token_type_ids is not None:
        inputs["token_type_ids"] = segments.to(device)
    with torch.inference_mode():
        layers = model(**inputs, output_hidden_states=True).hidden_states
    found = [tuple(layer.shape) for layer in layers]
    wanted = [(*ids.shape, model.config.hidden_size)] * (model.config.num_hidden_layers + 1)
    if found != wanted:
        raise InputError(
            f"checkpoint {model.name_or_path}: {type(model).__name__} gives {len(found)} hidden states of the shapes "
            f"{sorted(set(found))}, wanted {len(wanted)} of {wanted[0]}. Take another encoder."
        )
    for layer in layers:
        yield layer.float()


def pooled(pieces: torch.Tensor, counts: np.ndarray, pooling: str) -> torch.Tensor:
    """Return a vector for each word, (words, hidden): the mean of its subtokens, or the first or last of them.

    pieces: (subtokens, hidden), word after word; counts: (words,), how many are whose. pooling: "mean", "first" or "last".
    What a word without subtokens gets is of no meaning.
    """
    lengths = torch.from_numpy(counts).to(pieces.device)
    if pooling == "mean":
        return torch.segment_reduce(pieces, "mean", lengths=lengths, axis=0, unsafe=True)
    ends = lengths.cumsum(0)
    chosen = ends - lengths if pooling == "first" else ends - 1
    words = pieces.new_zeros(len(counts), pieces.shape[1])
    words[lengths > 0] = pieces[chosen[lengths > 0]]
    return words


def write_batch(
    writer: store.Writer,
    name: str,
    places: list[int],
    encodings: list[Encoding],
    layers: Iterable[torch.Tensor],
    pooling: str = "mean",
) -> None:
    """Pool the hidden states of each word's subtokens and write them to their places in the store, layer by layer.

    name: of the first example, by which errors call the batch. pooling: see ``pooled``.
    """
    counts = np.concatenate([encoding.subtokens() for encoding in encodings])
    longest = max(len(encoding) for encoding in encodings)
    rows = np.concatenate([i * longest + np.flatnonzero(e.word_of >= 0) for i, e in enumerate(encodings)])
    edges = np.concatenate([[0], np.cumsum([encoding.words for encoding in encodings])])
    for number, layer in enumerate(layers):
        pieces = layer.reshape(-1, layer.shape[-1])[torch.from_numpy(rows).to(layer.device)]
        words = pooled(pieces, counts, pooling).cpu().numpy()
        words[counts == 0] = np.nan
        words = words.astype(writer.dtype)
        if not np.isfinite(words[counts > 0]).all():
            raise InputError(
                f"layer {number}, near example {name}: found hidden states that are not finite or do not fit "
                f"{writer.dtype}. Set activations.precision and activations.storage to float32."
            )
        for i, place in enumerate(places):
            writer.write(number, place, words[edges[i] : edges[i + 1]])
