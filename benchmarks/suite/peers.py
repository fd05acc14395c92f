"""What others do to get word vectors of every layer: loops over transformers, and NeuroX."""

import contextlib
import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from pairprobe.data.examples import Example

VERSION = "1.0.9"


def pooled(hidden: np.ndarray, word_of: np.ndarray, words: int) -> np.ndarray:
    """Return the mean of each word's subtokens, (layers, words, hidden); NaN for a word that has none.

    hidden: (layers, subtokens, hidden); word_of: (subtokens,), in order, -1 for special ones.
    """
    inside = word_of >= 0
    present, starts, counts = np.unique(word_of[inside], return_index=True, return_counts=True)
    found = np.full((hidden.shape[0], words, hidden.shape[2]), np.nan, np.float32)
    found[:, present] = np.add.reduceat(hidden[:, inside], starts, axis=1) / counts[None, :, None]
    return found


def _word_of(encoded, i: int, first: int) -> np.ndarray:
    pairs = zip(encoded.sequence_ids(i), encoded.word_ids(i), strict=True)
    return np.array([-1 if side is None else word + side * first for side, word in pairs])


def in_batches(model, tokenizer, examples: list[Example], size: int) -> Iterator[tuple[str, np.ndarray]]:
    """Yield (example_id, (layers, words, hidden)) of the examples, so many at once, those of like length together."""
    by_length = sorted(examples, key=lambda example: len(example.question) + len(example.paragraph))
    for start in range(0, len(examples), size):
        batch = by_length[start : start + size]
        encoded = tokenizer(
            [each.question for each in batch],
            [each.paragraph for each in batch],
            is_split_into_words=True,
            padding=True,
            return_tensors="pt",
        )
        with torch.inference_mode():
            layers = torch.stack(model(**encoded, output_hidden_states=True).hidden_states, 1).float().numpy()
        for i, each in enumerate(batch):
            word_of = _word_of(encoded, i, len(each.question))
            yield each.example_id, pooled(layers[i], word_of, len(each.question) + len(each.paragraph))


def one_by_one(model, tokenizer, examples: list[Example]) -> Iterator[tuple[str, np.ndarray]]:
    """Yield (example_id, (layers, words, hidden)), an example at a time and in the order given."""
    for example in examples:
        yield from in_batches(model, tokenizer, [example], 1)


class NeuroX:
    """NeuroX's extractor, on an encoder that is loaded already.

    It reads sentences, a line each, their words apart by blanks: the question and the paragraph become one, so that it has
    a special token less to encode than the others. It computes in float32, one sentence at a time, and prints each; what
    it prints goes nowhere.
    """

    def __init__(self, model, tokenizer, folder: Path | None = None):
        if folder is not None and str(folder) not in sys.path:
            sys.path.append(str(folder))  # behind the others: their versions stay what they are
        self._extractor = importlib.import_module("neurox.data.extraction.transformers_extractor")
        # Its model loads with output_hidden_states=True.
        model.config.output_hidden_states = True
        self._extractor.get_model_and_tokenizer = lambda *_, **__: (model, tokenizer)

    def extract(self, sentences: Path, path: Path) -> None:
        """Write the words' vectors of every layer to an HDF5 file, whose name must end with ``.hdf5``."""
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
            self._extractor.extract_representations(
                "loaded", str(sentences), str(path), aggregation="average", output_type="hdf5"
            )


def write_sentences(path: Path, examples: list[Example]) -> Path:
    """Write what NeuroX reads, an example a line; returns the path."""
    lines = (" ".join([*example.question, *example.paragraph]) for example in examples)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path
