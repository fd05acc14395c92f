"""A GPU beside the CPU: whether they agree, and what share of its own rate for products extraction and training reach.

    make bench-gpu                                          all parts, in about eight minutes
    .venv/bin/python benchmarks/gpu.py agreement training   some of them
    .venv/bin/python benchmarks/gpu.py --smallest           all with tiny encoders, on the CPU if need be: for the tests

It needs no network, and nothing else should run. It ends with an error where GPU and CPU do not agree, or a part fails.
Once seven minutes have passed, no further part begins.
"""

import argparse
import contextlib
import dataclasses
import itertools
import logging
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn.modules.module import register_module_forward_pre_hook

import extraction
import ranking
import roofline
import training
import turns
from pairprobe.activations.extraction import MAX_GPU_TOKENS, hidden_states
from pairprobe.activations.store import Activations, Writer
from pairprobe.checkpoints import cpu_kernels, devices
from pairprobe.checkpoints.tokenization import Encoding, encode
from pairprobe.data.examples import Example, read_examples
from pairprobe.data.pages import read_pages
from pairprobe.errors import InputError
from pairprobe.evaluation import answering
from pairprobe.evaluation.predictions import Prediction, read_predictions
from pairprobe.finetuning import distributed, features, joint_model, trainer
from pairprobe.finetuning import training as finetuning
from pairprobe.rankings import percentages
from pairprobe.tables.layout import markdown

LIMIT = 420  # seconds after which no part begins
THREADS, SEED = 2, 13
ALONE, UNWRITTEN = "its forward passes alone", "the same, nothing written to the store"
# The rate is that of products of this many rows, columns and sums; of the second as they are in BERT-base.
SQUARE, SHAPE = (8192, 8192, 8192), (MAX_GPU_TOKENS, 768, 3072)
PRODUCTS = 20  # at a time
# How far a GPU may be from the CPU in float32: vectors, as a share of the largest number, and the share of unlike answers.
VECTORS, UNLIKE = {"float32": 1e-4, "bfloat16": 0.05}, {"float32": 0.02, "bfloat16": 1.0}


@dataclass(frozen=True)
class Sizes:
    """How much is computed. points: how far percentages may be from the CPU's."""

    rounds: int
    compared: int  # examples
    extracted: int
    windows: int
    batches: tuple[int, int]  # windows a step
    lengths: tuple[int, int]  # subtokens a window, of each encoder
    asked: int  # questions, where answers are compared
    answered: int
    points: float
    room: float  # bytes that are left of a GPU's memory where it is to run out
    jobs: tuple[int, ...]  # that share a device


FULL = Sizes(3, 200, 2000, 1024, (16, 64), (128, 384), 60, 600, 0.25, 1.5e9, (1, 2, 4))
SMALLEST = Sizes(1, 8, 12, 8, (4, 8), (64, 64), 3, 3, 100.0, 2e7, (1, 2))


@dataclass(frozen=True)
class Bench:
    """What all parts have: a device, a folder to write to, sizes, encoders by name (the demo's first), and examples."""

    device: str
    folder: Path
    sizes: Sizes
    encoders: dict[str, Path]
    examples: list[Example]

    @property
    def demo(self) -> Path:
        return next(iter(self.encoders.values()))

    def written(self, number: int, name: str) -> Path:
        """Write so many examples that every encoder can read whole; where there are fewer, more of the same words."""
        some = extraction.short(self.demo, self.examples, number)
        return turns.write_examples(self.folder / f"{name}.jsonl.gz", grown(some, number))

    @cached_property
    def compared(self) -> tuple[Path, dict[str, Path]]:
        """The examples that are ranked, and the probing sets that were built from them."""
        file = self.written(self.sizes.compared, "compared")
        return file, ranking.build_sets(file, self.folder)

    def work(self, name: str, batch: int) -> training.Work:
        """Return a training of an encoder on windows of the bundled pages."""
        folder, number = self.folder / f"windows of {name}", self.sizes.windows
        folder.mkdir(exist_ok=True)
        length = self.sizes.lengths[list(self.encoders).index(name)]
        if not (file := folder / "features.arrow").exists():
            training.write_windows(None, self.encoders[name], folder, length, number)
        return training.Work(self.encoders[name], file, -(-number // batch), batch, "bfloat16")


def grown(examples: list[Example], number: int) -> list[Example]:
    """Return so many examples: those given, and copies with their paragraphs' words in another order."""
    found, draw = examples[:number], random.Random(SEED)
    while len(found) < number:
        each = examples[len(found) % len(examples)]
        words = draw.sample(each.paragraph, len(each.paragraph))
        found.append(dataclasses.replace(each, example_id=f"{each.example_id}, {len(found)}", paragraph=words))
    return found


def settled() -> None:
    """Wait for all that a GPU has to do."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def timed(way: Callable[..., object], *arguments: object) -> float:
    """Run something until the GPU has done it, too; returns how many seconds it took."""
    settled()
    return turns.seconds(lambda: (way(*arguments), settled()))


def matrix_rate(device: str, size: tuple[int, int, int]) -> float:
    """Return the floating-point operations a second of products in bfloat16. size: rows, inner, columns."""
    rows, inner, columns = size
    one, other = (torch.randn(*shape, device=device).bfloat16() for shape in ((rows, inner), (inner, columns)))
    found = torch.mm(one, other)
    taken = timed(lambda: [torch.mm(one, other, out=found) for _ in range(PRODUCTS)])
    return 2.0 * rows * inner * columns * PRODUCTS / taken


def rates(bench: Bench) -> dict[str, Callable[[], float]]:
    """Return what measures the GPU's rates: by large products, and by products as they are in BERT-base."""
    sizes = (SQUARE, SHAPE) if bench.sizes is FULL else ((64, 64, 64), (64, 32, 48))
    return {"large": partial(matrix_rate, bench.device, sizes[0]), "shaped": partial(matrix_rate, bench.device, sizes[1])}


def table(flops: float, subtokens: int, measured: dict[str, list[float]]) -> str:
    """Lay out ways that compute so many operations on so many subtokens, in Markdown; measured: seconds, and the rates."""
    limits = {name: [flops / rate for rate in measured[name]] for name in ("large", "shaped")}
    found = {name: statistics.median(measured[name]) / 1e12 for name in limits}
    rows = [
        (f"{what} alone: {found[name]:,.0f} TFLOP/s", turns.spread([subtokens / each for each in limits[name]], 0), "")
        for name, what in (("large", "large products"), ("shaped", "products as in BERT-base"))
    ]
    for way, seconds in measured.items():
        if way not in limits:
            speed = turns.spread([subtokens / each for each in seconds], 0)
            rows.append((way, speed, turns.spread(turns.ratios(limits["large"], seconds))))
    fields = ("bfloat16", "subtokens a second", "of the large products")
    return markdown(fields, rows, fields[1:]).rstrip()


# Agreement.


def agreement(bench: Bench) -> Iterator[str]:
    """Compare vectors, percentages and answers with those of the CPU in float32."""
    found = []
    for name, encoder in bench.encoders.items():
        wanted = vectors_and_percentages(bench, encoder, "cpu", "float32")
        for precision in extraction.PRECISIONS:
            vectors, percents = vectors_and_percentages(bench, encoder, bench.device, precision)
            largest = max(abs(each[~np.isnan(each)]).max() for each in wanted[0].values())
            apart = max(np.nanmax(abs(vectors[key] - each)) for key, each in wanted[0].items()) / largest
            found.append((f"{name}, {precision}", "vectors, of the largest number", apart, VECTORS[precision]))
            if encoder == bench.demo:  # random weights close pairs that no weights of a model close
                points = max(abs(percents[key] - each) for key, each in wanted[1].items())
                found.append((f"{name}, {precision}", "percentages, points", points, bench.sizes.points))
    answers = fine_tuned_answers(bench)
    for precision in extraction.PRECISIONS:
        unlike = 1 - share_of_equal(answers["cpu", "float32"], answers[bench.device, precision])
        found.append((f"demo's encoder, fine-tuned, {precision}", "answers, share unlike", unlike, UNLIKE[precision]))
    yield judged(found)


def judged(found: list[tuple[str, str, float, float]]) -> str:
    """Lay out (which, what, distance, the largest allowed), in Markdown. Raises InputError where one is larger."""
    rows = [(which, what, f"{apart:.2g}", f"{most:.2g}") for which, what, apart, most in found]
    laid_out = markdown(("encoder", "apart from the CPU in float32", "found", "wanted at most"), rows).rstrip()
    if any(not apart <= most for *_, apart, most in found):
        raise InputError(f"GPU and CPU do not agree.\n\n{laid_out}")
    return laid_out


def vectors_and_percentages(bench: Bench, encoder: Path, device: str, precision: str) -> tuple[dict, dict]:
    """Return {example: (layers, words, hidden)}, and {(task, measure, layer): percentage}."""
    (file, sets), store = bench.compared, bench.folder / "compared.h5"
    extraction.Ours(encoder, precision, device)(file, store)
    with Activations([str(store)]) as stored:
        vectors = {name: np.concatenate(stored[name], axis=1) for name in stored.names()}
    percents = {}
    for task, path in ranking.rank(file, sets, store, bench.folder).items():
        for key, rows in percentages.read_ranking(path).items():
            count, _, others, _ = rows.sum(0)
            percents[task, *key] = 100 * count / others
    return vectors, percents


def fine_tuned_answers(bench: Bench) -> dict[tuple[str, str], dict[str, Prediction]]:
    """Fine-tune the demo's encoder on the device; return the answers of it, {(device, precision): {example: answer}}."""
    work = bench.work(next(iter(bench.encoders)), bench.sizes.batches[0])
    checkpoint, documents = bench.folder / "fine-tuned", work.windows.parent / "documents.jsonl.gz"
    with on(bench.device):
        finetuning.finetune(library_s(work, bench.folder / "fine-tuned.work"), str(checkpoint), f"{checkpoint}.tsv")
    asked, found = first_pages(documents, bench.sizes.asked), {}
    for device, precision in (("cpu", "float32"), *((bench.device, precision) for precision in extraction.PRECISIONS)):
        path = bench.folder / f"answers of {device} in {precision}.json"
        settings = answering.Settings(128, 96, precision=precision, threads=THREADS)
        with on(device):
            answering.predict(str(checkpoint), None, answering.Request(str(documents), asked, str(path), settings))
        found[device, precision] = {each.example_id: each for each in read_predictions([str(path)])}
    return found


def first_pages(documents: Path, number: int) -> set[str]:
    """Return the examples of the first so many pages of a file."""
    return {page.example_id for page in itertools.islice(read_pages(str(documents)), number)}


def share_of_equal(some: dict[str, Prediction], others: dict[str, Prediction]) -> float:
    """Return the share of answers with the same span and type."""
    equal = [(each.span, each.answer_type) == (others[name].span, others[name].answer_type) for name, each in some.items()]
    return sum(equal) / len(equal)


@contextlib.contextmanager
def on(device: str) -> Iterator[None]:
    """Let the library compute on this device."""
    with mock.patch.object(devices, "claim", return_value=device):
        yield


def library_s(work: training.Work, folder: Path) -> trainer.Training:
    """Return a training as the library takes it, at the demo's learning rate. folder: its work folder."""
    settings = trainer.Settings(work.epochs, work.batch, 3e-4, 0.1, 0.01, 10**6, 1, SEED, work.precision)
    return trainer.Training(str(work.encoder), [str(work.windows)], settings, str(folder))


# Rates.


def extraction_rates(bench: Bench) -> Iterator[str]:
    """Measure extraction in bfloat16 from a file of examples to a store in float16, and parts of it."""
    store = bench.folder / "store.h5"
    for name, encoder in bench.encoders.items():
        file = bench.written(bench.sizes.extracted, "extracted")
        ours = extraction.Ours(encoder, "bfloat16", bench.device, storage="float16", threads=THREADS)
        encodings = encoded(ours, file)
        ways = {
            ALONE: partial(forward, ours, batched(encodings)),
            UNWRITTEN: partial(unwritten, ours, file, store),
            extraction.OURS: partial(ours, file, store),
        }
        ours(bench.written(bench.sizes.compared, "first"), store)
        measurements = {way: partial(timed, run) for way, run in ways.items()}
        measured = turns.in_turn({**rates(bench), **measurements}, bench.sizes.rounds)
        lengths = [len(encoding) for encoding in encodings]
        flops = roofline.flops(extraction.load_plain(encoder, "float32"), lengths)
        written = store.stat().st_size / statistics.median(measured[extraction.OURS])
        yield f"Extraction, {name}: {len(lengths):,} examples, {sum(lengths):,} subtokens, {THREADS} threads."
        yield table(flops, sum(lengths), measured)
        yield f"{written / 1e9:.2f} GB a second were written."
        store.unlink()


def encoded(ours: extraction.Ours, file: Path) -> list[Encoding]:
    """Return the encodings of a file's examples."""
    examples = list(read_examples(file))
    return encode(ours.tokenizer, [each.question for each in examples], [each.paragraph for each in examples])


def batched(encodings: list[Encoding]) -> list[list[Encoding]]:
    """Cut encodings into batches of about ``MAX_GPU_TOKENS`` subtokens, the longest first."""
    ordered = sorted(encodings, key=len, reverse=True)
    edges = np.cumsum([len(each) for each in ordered]) // MAX_GPU_TOKENS
    return [[ordered[i] for i in np.flatnonzero(edges == number)] for number in np.unique(edges)]


def forward(ours: extraction.Ours, batches: list[list[Encoding]]) -> None:
    """Run forward passes, and do nothing with what they give."""
    for batch in batches:
        next(hidden_states(ours.model, batch, ours.device))


def unwritten(ours: extraction.Ours, file: Path, store: Path) -> None:
    """Extract, but for writing: vectors come to the host, and stay there."""
    with mock.patch.object(Writer, "write"):
        ours(file, store)


def training_rates(bench: Bench) -> Iterator[str]:
    """Measure the second epoch of trainings in bfloat16, forward and backward passes and the optimizer."""
    for name, encoder in bench.encoders.items():
        works = {f"**pairprobe**, {batch} windows a step": bench.work(name, batch) for batch in bench.sizes.batches}
        measurements = {way: partial(training.seconds, training.ours, work) for way, work in works.items()}
        measured = turns.in_turn({**rates(bench), **measurements}, max(1, bench.sizes.rounds - 1))
        lengths = features.Features([str(next(iter(works.values())).windows)]).lengths.tolist()
        flops = roofline.training_flops(extraction.load_plain(encoder, "float32"), lengths)
        yield f"Training, {name}: {len(lengths):,} windows, {sum(lengths):,} subtokens an epoch."
        yield table(flops, sum(lengths), measured)


def prediction_rates(bench: Bench) -> Iterator[str]:
    """Measure answering, from pages to predictions, with heads that were not trained."""
    for (name, encoder), length in zip(bench.encoders.items(), bench.sizes.lengths, strict=True):
        documents = bench.work(name, bench.sizes.batches[0]).windows.parent / "documents.jsonl.gz"
        model, _ = joint_model.initial(str(encoder), SEED)
        model.to(torch.bfloat16).eval().requires_grad_(False).to(bench.device)
        subtokens: list[int] = []
        measurements = {}
        for batch in bench.sizes.batches:
            settings = answering.Settings(length, length // 3, batch_size=batch, precision="bfloat16", threads=THREADS)
            way = f"**pairprobe**, {batch} windows a batch"
            measurements[way] = partial(timed, answer, bench, model, documents, settings, subtokens)
        measured = turns.in_turn({**rates(bench), **measurements}, max(1, bench.sizes.rounds - 1))
        times = len(measurements) * max(1, bench.sizes.rounds - 1)
        flops = roofline.flops(extraction.load_plain(encoder, "float32"), subtokens) / times
        yield f"Predictions, {name}: {bench.sizes.answered} pages, {len(subtokens) // times:,} windows."
        yield table(flops, sum(subtokens) // times, measured)


def answer(
    bench: Bench, model: joint_model.JointModel, documents: Path, settings: answering.Settings, subtokens: list[int]
) -> None:
    """Answer the first pages by a model that is loaded; the lengths of their windows are added to ``subtokens``."""
    asked = first_pages(documents, bench.sizes.answered)
    path, cut = bench.folder / "answers.json", answering.windows

    def counted(*arguments: object) -> Iterator:
        for window in cut(*arguments):
            subtokens.append(len(window.input_ids))
            yield window

    path.unlink(missing_ok=True)  # else they would be reused
    with (
        on(bench.device),
        mock.patch.object(joint_model, "load", return_value=model),
        mock.patch.object(cpu_kernels, "speed_up"),
        mock.patch.object(answering, "windows", counted),
    ):
        answering.predict(str(bench.demo), None, answering.Request(str(documents), asked, str(path), settings))


def ranking_time(bench: Bench) -> Iterator[str]:
    """Measure ranking, which is work for the CPU, beside extraction of the same examples."""
    (file, sets), store = bench.compared, bench.folder / "ranked.h5"
    ours = extraction.Ours(bench.demo, "bfloat16", bench.device, storage="float16", threads=THREADS)
    ours(file, store)
    ways = {"extraction": partial(ours, file, store), "ranking": partial(ranking.rank, file, sets, store, bench.folder)}
    measured = turns.in_turn({name: partial(timed, way) for name, way in ways.items()}, bench.sizes.rounds)
    rows = [
        (name, turns.spread(seconds), turns.spread(turns.ratios(seconds, measured["extraction"])))
        for name, seconds in measured.items()
    ]
    yield f"{bench.sizes.compared} examples, the demo's encoder: all tasks, measures and layers."
    yield markdown(("from file to file", "seconds", "of extraction"), rows, ("seconds", "of extraction")).rstrip()


# Whether it runs.


def torchrun(bench: Bench) -> Iterator[str]:
    """Train in a process that torchrun starts, and in this one."""
    work, found, rows = bench.work(next(iter(bench.encoders)), bench.sizes.batches[1]), [], []
    for name, train in (("in this process", trainer.train), ("by torchrun, one process", distributed.launch)):
        folder = bench.folder / name
        folder.mkdir()
        seconds = timed(train, library_s(work, folder))
        found.append(load_file(folder / trainer.WEIGHTS))
        largest = max(each.abs().max().item() for each in found[0].values())
        apart = max((each - found[0][key]).abs().max().item() for key, each in found[-1].items()) / largest
        rows.append((name, f"{seconds:.1f}", f"{apart:.2g}"))
    yield markdown(("a training", "seconds", "weights apart, of the largest"), rows).rstrip()


def memory(bench: Bench) -> Iterator[str]:
    """Let memory run out in extraction and in training, which are to come to an end all the same."""
    name, encoder = list(bench.encoders.items())[-1]
    file, store = bench.written(bench.sizes.compared, "with little memory"), bench.folder / "little.h5"
    ours = extraction.Ours(encoder, "float32", bench.device)
    ours(file, store)
    with Activations([str(store)]) as stored:
        wanted = {key: np.concatenate(stored[key], axis=1) for key in stored.names()}
    work, folder = bench.work(name, bench.sizes.batches[1]), bench.folder / "with little memory"
    yield from halvings("extraction", partial(ours, file, store), bench, bench.sizes.room)
    apart = extraction.check(store, iter(wanted.items()), VECTORS["float32"])
    yield f"Its vectors are those of before, but for {apart:.1g} of the largest number."
    del ours
    given = library_s(replace(work, epochs=1), folder)
    with on(bench.device):
        train = partial(finetuning.finetune, given, f"{folder}.checkpoint", f"{folder}.tsv")
        # Weights, gradients and AdamW's means take four times the weights.
        weights = 4 * (Path(encoder) / "model.safetensors").stat().st_size
        yield from halvings("training", train, bench, 2 * bench.sizes.room + weights)


def halvings(what: str, way: Callable[[], object], bench: Bench, room: float) -> Iterator[str]:
    """Run something with so many bytes left; tells what it said of memory. Raises InputError where memory was enough."""
    said = Said()
    logging.getLogger("pairprobe").addHandler(said)
    try:
        with little_memory(bench.device, room):
            way()
    finally:
        logging.getLogger("pairprobe").removeHandler(said)
    if not said.lines:
        raise InputError(f"{what}: memory did not run out with {room / 1e9:.2f} GB. Set room lower.")
    yield f"{what} came to its end: {'; '.join(said.lines)}."


class Said(logging.Handler):
    """Keeps what is logged about memory."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if "out of memory" in record.getMessage():
            self.lines.append(record.getMessage())


@contextlib.contextmanager
def little_memory(device: str, room: float) -> Iterator[None]:
    """Leave so many bytes of a GPU; on a CPU, two examples fit at a time."""
    if device == "cpu":

        def refuse(module: nn.Module, inputs: tuple) -> None:
            if isinstance(module, nn.Embedding) and inputs[0].ndim == 2 and len(inputs[0]) > 2:
                raise torch.OutOfMemoryError("CUDA out of memory. (This is made up.)")

        hook = register_module_forward_pre_hook(refuse)
        try:
            yield
        finally:
            hook.remove()
        return
    devices.free_memory()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(min(1.0, (torch.cuda.memory_reserved() + room) / total))
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def sharing(bench: Bench) -> Iterator[str]:
    """Measure one job beside several that share the GPU and the same examples, each in a process of its own."""
    devices.free_memory()
    encoder, file = list(bench.encoders.values())[-1], bench.written(bench.sizes.extracted, "extracted")
    rows, alone = [], None
    for jobs in bench.sizes.jobs:
        seconds = together(encoder, file, bench.folder, jobs)
        alone = alone or seconds
        rows.append((jobs, f"{seconds:.1f}", f"{alone / seconds:.2f}"))
    fields = ("jobs on one device", "seconds", "speed")
    yield markdown(fields, rows, fields).rstrip()


def together(encoder: Path, file: Path, folder: Path, jobs: int) -> float:
    """Extract the shards of a file, each in a process; returns how many seconds all take, loading left out."""
    # This process has a place on the GPU, too.
    environment = {**os.environ, devices.JOBS_PER_GPU: str(jobs + 1)}
    command = [sys.executable, __file__, "--shard", str(encoder), str(file)]
    with contextlib.ExitStack() as stack:
        running = [
            stack.enter_context(
                subprocess.Popen(
                    [*command, str(folder / f"shard{i}.h5"), str(i), str(jobs)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                    env=environment,
                )
            )
            for i in range(jobs)
        ]
        for process in running:
            expect(process, "ready")
        started = time.perf_counter()
        for process in running:
            print(file=process.stdin, flush=True)
        for process in running:
            expect(process, "done")
        return time.perf_counter() - started


def expect(process: subprocess.Popen, word: str) -> None:
    """Read a line of a job's. Raises InputError where it is another."""
    if (found := process.stdout.readline().strip()) != word:
        raise InputError(f"a job that shares the device said {found!r}, wanted {word!r}.")


def shard(encoder: str, file: str, path: str, part: str, parts: str) -> None:
    """Extract a shard when a line comes on stdin, and before that once for the first time."""
    ours = extraction.Ours(Path(encoder), "bfloat16", devices.claim(), storage="float16", threads=THREADS)
    for word in ("ready", "done"):
        ours(Path(file), Path(path), (int(part), int(parts)))
        print(word, flush=True)
        sys.stdin.readline()


# The benchmark.

PARTS: dict[str, Callable[[Bench], Iterator[str]]] = {
    "agreement": agreement,
    "extraction": extraction_rates,
    "training": training_rates,
    "predictions": prediction_rates,
    "ranking": ranking_time,
    "torchrun": torchrun,
    "memory": memory,
    "sharing": sharing,
}


def run(parts: list[str], bench: Bench, passed: Callable[[], float]) -> list[str]:
    """Run parts and print what they tell, as long as time is left; returns those that failed. passed: seconds so far."""
    failed = []
    for name in parts:
        if passed() > LIMIT:
            print(f"## {name}: left out, since {LIMIT} s had passed\n", flush=True)
            continue
        print(f"## {name}\n", flush=True)
        try:
            for told in PARTS[name](bench):
                print(f"{told}\n", flush=True)
        except Exception as error:  # the other parts are worth having
            failed.append(name)
            traceback.print_exc()
            print(f"**{name} failed**: {error}\n", flush=True)
        print(f"({passed():.0f} s so far)\n", flush=True)
    return failed


def about(device: str) -> str:
    """Return what computes."""
    if device == "cpu":
        return f"the CPU, with torch {torch.__version__}"
    gpu = torch.cuda.get_device_properties(0)
    return f"{gpu.name}, {gpu.total_memory / 2**30:.0f} GiB; {os.cpu_count()} cores; torch {torch.__version__}"


def real_encoders(folder: Path) -> dict[str, Path]:
    """Return the demo's encoder and one of BERT-base's shape."""
    return {"MiniLM": extraction.minilm(folder), "BERT-base's shape": extraction.bert(folder)}


def smallest_encoders(folder: Path) -> dict[str, Path]:
    """Make two encoders that compute next to nothing."""
    rest = {"num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    return {f"{width} wide": extraction.bert(folder / str(width), hidden_size=width, **rest) for width in (32, 48)}


def main() -> None:
    """Run the parts that are asked for."""
    started = time.monotonic()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; all by default")
    parser.add_argument("--smallest", action="store_true", help="tiny encoders, few examples, and a CPU will do")
    given = parser.parse_args()
    if unknown := set(given.parts) - PARTS.keys():
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    logging.getLogger("pairprobe").setLevel(logging.WARNING)
    device = devices.claim()
    if device == "cpu" and not given.smallest:
        sys.exit("No GPU is here: torch sees none. --smallest runs the parts on the CPU, for the tests.")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        encoders = smallest_encoders(folder) if given.smallest else real_encoders(folder)
        sizes = SMALLEST if given.smallest else FULL
        bench = Bench(device, folder, sizes, encoders, turns.read_examples(None, folder))
        print(f"# {about(device)}\n", flush=True)
        failed = run(given.parts or list(PARTS), bench, lambda: time.monotonic() - started)
    if failed:
        sys.exit(f"error: these parts failed: {', '.join(failed)}.")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--shard"]:
        shard(*sys.argv[2:])
    else:
        main()
