"""The extractor: one forward pass an example, every layer's word vectors straight into the HDF5 store.

Examples go through in batches of like length; a word's vector is the mean of its subtokens' hidden states; memory holds
one window of examples and one batch of hidden states, whatever the number of examples.
"""

import itertools
from collections.abc import Iterable, Iterator

import h5py
import numpy as np
import torch

from pairprobe import checkpoints, files, store
from pairprobe.encoding import Encoding, check_alignment, encode
from pairprobe.errors import InputError
from pairprobe.examples import Example, answer_sentence, read_examples
from pairprobe.progress import Progress, log
from pairprobe.provenance import folder_digest

VIEWS = ("paragraph", "sentence")

# How many examples are encoded and sorted by length at a time.
WINDOW = 1024
# How many are looked at, before anything is computed, for whether words and subtokens belong together.
CHECKED = 32


def view_words(example: Example, view: str) -> tuple[list[str], list[str]] | None:
    """Return what the encoder reads of an example: the question, and the paragraph or the sentence with the answer.

    None where an example has no such view: no short answer, so no sentence that holds it.
    """
    if view == "paragraph":
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
) -> None:
    """Write the activations of one shard of the examples: of every ``shard[1]``-th, beginning with ``shard[0]``.

    checkpoint: a folder that ``checkpoints.fetch`` made. examples: a file of examples. max_length: in subtokens, special
    ones included; a longer example is left out and listed. Uses a GPU where there is one. Raises InputError for bad
    examples, and where hidden states are not finite or do not fit the storage type; then nothing is left at ``path``.
    """
    if threads:
        torch.set_num_threads(threads)
    device = checkpoints.device_of(shard[0])
    precision = checkpoints.resolve_precision(precision, device)
    tokenizer = checkpoints.load_tokenizer(checkpoint)
    model = checkpoints.load_encoder(checkpoint, precision, device)
    limit = min(max_length, tokenizer.model_max_length, checkpoints.longest(model))
    alike = padding_shows(model, device)
    if alike:
        log.info("%s: padding changes the numbers of %s; a batch holds one length only", checkpoint, type(model).__name__)

    def mine() -> Iterator[Example]:
        return itertools.islice(read_examples(examples), shard[0], None, shard[1])

    def encoded() -> Iterator[list[tuple[str, Encoding]]]:
        return windows(mine(), view, tokenizer)

    first = itertools.islice(_viewed(mine(), view), CHECKED)
    check_alignment(tokenizer, ((example_id, *words) for example_id, words in first), f"checkpoint {checkpoint}")

    ids, left_out, sizes, questions, subtokens, without = [], [], [], [], 0, 0
    for example_id, encoding in itertools.chain.from_iterable(encoded()):
        if len(encoding) > limit:
            left_out.append(example_id)
            continue
        ids.append(example_id)
        sizes.append(encoding.words)
        questions.append(encoding.first_words)
        subtokens += len(encoding)
        without += int((encoding.subtokens() == 0).sum())
    for example_id in left_out:
        log.warning("%s, example %s: longer than %d subtokens; left out", examples, example_id, limit)

    attributes = {
        "checkpoint": folder_digest(checkpoint),
        "view": view,
        "precision": precision,
        "max_length": limit,
    }
    shape = (model.config.num_hidden_layers + 1, int(sum(sizes)), model.config.hidden_size)
    place = dict(zip(ids, np.concatenate([[0], np.cumsum(sizes)]).astype(int), strict=False))
    with (
        files.whole(path) as temporary,
        store.create(
            temporary, shape, storage, np.array(sizes, int), np.array(questions, int), ids, left_out, without, attributes
        ) as dataset,
        Progress(len(ids), f"activations, {view}") as progress,
    ):
        for window in encoded():
            kept = sorted((len(e), i, name, e) for i, (name, e) in enumerate(window) if len(e) <= limit)
            for batch in _batched(kept, batch_size, alike):
                names, encodings = [row[2] for row in batch], [row[3] for row in batch]
                write_batch(dataset, names, encodings, hidden_states(model, encodings, device), place)
                progress.update(len(batch))
    log.info("%s: %d examples, %d words, %d subtokens, %d left out", path, len(ids), shape[1], subtokens, len(left_out))


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


def windows(examples: Iterable[Example], view: str, tokenizer) -> Iterator[list[tuple[str, Encoding]]]:
    """Encode the examples that have a view, ``WINDOW`` at a time; yields ``[(example_id, encoding), ...]``."""
    rows = _viewed(examples, view)
    while window := list(itertools.islice(rows, WINDOW)):
        encodings = encode(tokenizer, [words[0] for _, words in window], [words[1] for _, words in window])
        yield [(example_id, encoding) for (example_id, _), encoding in zip(window, encodings, strict=True)]


def _viewed(examples: Iterable[Example], view: str) -> Iterator[tuple[str, tuple[list[str], list[str]]]]:
    viewed = ((example.example_id, view_words(example, view)) for example in examples)
    return ((example_id, words) for example_id, words in viewed if words is not None)


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


def write_batch(
    dataset: h5py.Dataset,
    names: list[str],
    encodings: list[Encoding],
    layers: Iterable[torch.Tensor],
    place: dict[str, int],
) -> None:
    """Average the hidden states of each word's subtokens and write them to the words' rows, layer by layer."""
    counts = np.concatenate([encoding.subtokens() for encoding in encodings])
    longest = max(len(encoding) for encoding in encodings)
    rows = np.concatenate([i * longest + np.flatnonzero(e.word_of >= 0) for i, e in enumerate(encodings)])
    edges = np.concatenate([[0], np.cumsum([encoding.words for encoding in encodings])])
    for number, layer in enumerate(layers):
        pieces = layer.reshape(-1, layer.shape[-1])[torch.from_numpy(rows).to(layer.device)]
        lengths = torch.from_numpy(counts).to(layer.device)
        words = torch.segment_reduce(pieces, "mean", lengths=lengths, axis=0, unsafe=True).cpu().numpy()
        words[counts == 0] = np.nan
        words = words.astype(dataset.dtype)
        if not np.isfinite(words[counts > 0]).all():
            raise InputError(
                f"layer {number}, near example {names[0]}: found hidden states that are not finite or do not fit "
                f"{dataset.dtype}. Set activations.precision and activations.storage to float32."
            )
        for i, name in enumerate(names):
            dataset[number, place[name] : place[name] + encodings[i].words] = words[edges[i] : edges[i + 1]]
