"""Extraction from a file of examples to a store of activations, beside other ways to the same vectors, and the roofline."""

import contextlib
import itertools
import tempfile
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np
import torch

from pairprobe.activations import extraction
from pairprobe.activations.store import Activations
from pairprobe.checkpoints import loading
from pairprobe.checkpoints.tokenization import encode
from pairprobe.data.examples import Example
from pairprobe.errors import InputError
from pairprobe.tables.layout import markdown
from suite import corpus, encoders, peers, roofline
from suite.settings import Settings
from suite.timing import Spread, in_turn, ratio, timed

# Examples of each encoder, whole and quick: a few seconds for each way.
ENCODERS = {
    "minilm": ("MiniLM (6 layers, 384 wide)", encoders.minilm, 320, 32),
    "bert": ("BERT-base's shape (12 layers, 768 wide, random weights)", encoders.bert_base, 64, 8),
}
# How far vectors may be from those of the loop in the same type, as a share of the largest number among them.
TOLERANCE = {"float32": 1e-5, "bfloat16": 0.05}
CHECKED = 16
LONGEST = 512  # subtokens
BATCH = 16
OURS, NEUROX, LOOP, SORTED, BARE, PRODUCTS = "pairprobe", "NeuroX", "one by one", "sorted batches", "bare pass", "products"


def measure(name: str, settings: Settings) -> dict:
    """Measure all ways with one encoder, in both precisions."""
    label, folder_of, whole, quick = ENCODERS[name]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        encoder = folder_of(folder)
        examples = _short_enough(encoder, corpus.read(settings, folder), settings.size(whole, quick))
        measurements, facts = {}, {"checked": {}, "gemm": {}}
        for precision in encoders.PRECISIONS:
            ways = _Ways(encoder, precision, examples, folder)
            facts["checked"][precision] = ways.check()
            products = roofline.best(roofline.candidates(ways.plain, precision))
            facts["gemm"][precision] = str(products[0])
            measurements |= {f"{way} {precision}": timed(run) for way, run in ways.all().items()}
            measurements[f"{PRODUCTS} {precision}"] = partial(roofline.rate, products)
        try:
            measurements[NEUROX] = timed(ways.neurox(encoder, settings.neurox))
        except ImportError:
            facts["neurox"] = "not installed"
        found = in_turn(measurements, settings.rounds)
        flops = roofline.flops(ways.plain, ways.lengths)
        return {
            "encoder": label,
            "examples": len(examples),
            "subtokens": sum(ways.lengths),
            "words": sum(len(e.question) + len(e.paragraph) for e in examples),
            "threads": torch.get_num_threads(),
            "flops": flops,
            **facts,
            "measured": found,
        }


def _short_enough(encoder: Path, examples: Iterable[Example], number: int) -> list[Example]:
    """Return the first so many examples that an encoder can read whole."""
    tokenizer = loading.load_tokenizer(encoder)
    short = (each for each in examples if len(encode(tokenizer, [each.question], [each.paragraph])[0]) <= LONGEST)
    return list(itertools.islice(short, number))


class _Ways:
    """The ways of one encoder and precision, over the same examples."""

    def __init__(self, encoder: Path, precision: str, examples: list[Example], folder: Path):
        self.precision, self.examples, self.folder = precision, examples, folder
        self.loaded = encoders.Loaded(encoder, precision)
        self.plain, self.tokenizer = encoders.plain(encoder, precision), self.loaded.tokenizer
        self.file = corpus.write(folder / "examples.jsonl.gz", examples)
        self.store = folder / "store.h5"
        encodings = encode(self.tokenizer, [e.question for e in examples], [e.paragraph for e in examples])
        self.lengths = [len(encoding) for encoding in encodings]

    def all(self) -> dict[str, Callable[[], object]]:
        """Return the ways by their names; all are at hand in both precisions."""
        ways = {
            OURS: partial(self.loaded.extract, self.file, self.store),
            LOOP: lambda: _drain(peers.one_by_one(self.plain, self.tokenizer, self.examples)),
            SORTED: lambda: _drain(peers.in_batches(self.plain, self.tokenizer, self.examples, BATCH)),
        }
        return ways | {BARE: self._replay()}

    def check(self) -> float:
        """Compare our vectors of a few examples with those of the loop; returns the distance, as a share of the largest.

        Raises InputError where it is more than ``TOLERANCE``.
        """
        few = self.examples[:CHECKED]
        path = self.folder / "few.h5"
        self.loaded.extract(corpus.write(self.folder / "few.jsonl.gz", few), path)
        apart = largest = 0.0
        with Activations([str(path)]) as found:
            for name, wanted in peers.one_by_one(self.plain, self.tokenizer, few):
                vectors = np.concatenate(found[name], axis=1)
                if vectors.shape != wanted.shape or (np.isnan(vectors) != np.isnan(wanted)).any():
                    raise InputError(f"example {name}: other words have vectors than in the loop over transformers.")
                apart, largest = max(apart, np.nanmax(abs(vectors - wanted))), max(largest, np.nanmax(abs(wanted)))
        if not apart <= TOLERANCE[self.precision] * largest:
            raise InputError(f"{self.precision}: the vectors are {apart / largest:.2g} of the largest from the loop's.")
        return float(apart / largest)

    def _replay(self) -> Callable[[], object]:
        """Return the forward passes of our extraction alone: its model, batches and threads, and nothing done with them."""
        passes, plain = [], extraction.hidden_states

        def recorded(*arguments):
            passes.append((arguments, threading.get_ident(), torch.get_num_threads()))
            return plain(*arguments)

        with mock.patch.object(extraction, "hidden_states", recorded):
            self.loaded.extract(self.file, self.store)
        workers, threads = len({worker for _, worker, _ in passes}), passes[0][2]

        def run() -> None:
            with _threads(threads), ThreadPoolExecutor(workers) as pool:
                list(pool.map(lambda each: _drain(plain(*each[0])), passes))

        return run

    def neurox(self, encoder: Path, folder: Path | None) -> Callable[[], object]:
        """Return NeuroX's way, in float32. Raises ImportError where it is not there."""
        extractor = peers.NeuroX(encoders.plain(encoder, "float32"), self.tokenizer, folder)
        sentences = peers.write_sentences(self.folder / "sentences.txt", self.examples)
        return partial(extractor.extract, sentences, self.folder / "neurox.hdf5")


def _drain(iterator) -> None:
    for _ in iterator:
        pass


@contextlib.contextmanager
def _threads(number: int):
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


LABELS = {
    OURS: "**pairprobe**, from file to file",
    BARE: "its forward passes alone, hidden states thrown away",
    SORTED: f"transformers, sorted batches of {BATCH}, not written",
    LOOP: "transformers, one by one, not written",
    NEUROX: f"NeuroX {peers.VERSION}, float32, from file to file",
}


def shares(found: dict, precision: str) -> dict:
    """Return of each way the spread of its share of the precision's roofline."""
    measured, rates = found["measured"], found["measured"][f"{PRODUCTS} {precision}"]
    limits = [found["flops"] / rate for rate in rates]
    keys = {way: NEUROX if way == NEUROX else f"{way} {precision}" for way in LABELS}
    return {way: ratio(limits, measured[key]) for way, key in keys.items() if key in measured}


def tell(found: dict) -> list[str]:
    """Return what was found, in Markdown."""
    lines = [
        f"{found['encoder']}: {found['examples']} examples, {found['subtokens']:,} subtokens, {found['threads']} threads, "
        f"{len(found['measured'][f'{OURS} float32'])} rounds.",
        "",
    ]
    for precision in encoders.PRECISIONS:
        lines += [_in_short(found, precision), "", *_table(found, precision), ""]
    checked = ", ".join(f"{apart:.1g} in {precision}" for precision, apart in found["checked"].items())
    lines.append(f"The vectors of {CHECKED} examples are those of the loop, but for {checked} (of the largest number).")
    if found.get("neurox"):
        lines.append(f"NeuroX was {found['neurox']}: no row.")
    return lines


def _in_short(found: dict, precision: str) -> str:
    measured = found["measured"]
    ours = measured[f"{OURS} {precision}"]
    said = f"In {precision} pairprobe reaches {shares(found, precision)[OURS].written()} of the roofline"
    others = {"NeuroX": NEUROX, "the loop, one by one": f"{LOOP} {precision}"}
    times = [f"{ratio(measured[key], ours).written()} times {who}" for who, key in others.items() if key in measured]
    return f"{said}; its speed is {' and '.join(times)}."


def _table(found: dict, precision: str) -> list[str]:
    measured, of_roofline = found["measured"], shares(found, precision)
    ours = measured[f"{OURS} {precision}"]
    rates = measured[f"{PRODUCTS} {precision}"]
    fields = (precision, "subtokens a second", "of the roofline", "pairprobe's speed by its")
    limit = Spread.of([found["subtokens"] * rate / found["flops"] for rate in rates])
    gflops = f"{Spread.of(rates).median / 1e9:,.0f} GFLOP/s"
    rows = [(f"roofline: {gflops} ({found['gemm'][precision]})", limit.written(0), "1", "")]
    for way, share in of_roofline.items():
        seconds = measured[NEUROX if way == NEUROX else f"{way} {precision}"]
        speed = Spread.of([found["subtokens"] / each for each in seconds])
        rows.append((LABELS[way], speed.written(0), share.written(), "" if way == OURS else ratio(seconds, ours).written()))
    return markdown(fields, rows, fields[1:]).splitlines()
