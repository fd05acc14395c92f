"""Training on real windows, beside Hugging Face's Trainer and the machine's own limit.

    .venv/bin/python benchmarks/training.py                             both encoders
    .venv/bin/python benchmarks/training.py --rounds 1 --minilm 4 --bert 0    a quick look: 4 steps, one encoder
    .venv/bin/python benchmarks/training.py --profile                   where the time of a step goes
    .venv/bin/python benchmarks/training.py --memory 500                resident memory over so many steps

--minilm and --bert are numbers of steps, --batch is windows a step, --length is subtokens of a window (0: 128 for MiniLM,
as in the demo, and 384 for BERT-base's shape). Each training goes twice through its windows, and the second time is
measured, so that loading, and what the first steps alone do, count nothing. Nothing else should run.
"""

import argparse
import itertools
import re
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import psutil
import pyarrow as pa
import torch
import transformers
from torch.optim.optimizer import register_optimizer_step_post_hook

import extraction
import roofline
import turns
from pairprobe.checkpoints import loading
from pairprobe.data import bundled_pages, natural_questions, pages
from pairprobe.errors import InputError
from pairprobe.finetuning import features, trainer
from pairprobe.io import files
from pairprobe.tables.layout import markdown

OURS, PEER = "**pairprobe**", "Hugging Face's Trainer"
UNANSWERED, SEED, LEARNING_RATE = 0.1, 13, 3e-5
TENTHS = 10  # of a training, after each of which memory is looked at
# Where time goes: the first row whose pattern is found in the names of an operation and of those that it is part of.
ROWS = {
    "data": r"DataLoader",
    "optimizer and clipping": r"Optimizer\.|_foreach_|_fused_adam|vector_norm",
    "random numbers of dropout": r"aten::(bernoulli|rand|uniform)",
    "embeddings' gradient": r"[Ee]mbedding\w*[Bb]ackward|index_put|index_add",
    "casts and copies": r"(_to_copy|copy_|clone|fill_|cat|_reorder_\w*)$",
    "attention: products, softmax": r"softmax|bmm$|_scaled_dot_product_(flash|fused|efficient)",
    "products of linear layers": r"(::linear|addmm|mm|_linear_pointwise\w*)$",
    "elementwise: GELU, layer norm, dropout, sums": r"gelu|layer_norm|dropout|mul|add|sub|div|where|sum|mean|tanh|erf",
}
REST = "the rest: Python, and what has no row"


# The windows.


def write_windows(nq: Path | None, encoder: Path, folder: Path, length: int, number: int) -> Path:
    """Write the first so many windows of a file of Natural Questions, by default of the bundled pages, as they train.

    length: in subtokens, at most. Returns a file of features. Raises InputError where there are fewer.
    """
    documents, path = folder / "documents.jsonl.gz", folder / "features.arrow"
    if nq is None:
        nq = folder / "pages.jsonl.gz"
        files.write_json_lines(nq, bundled_pages.render(turns.PAGES.glob("*.yaml")))
    read = (document for _, document in natural_questions.read(nq) if not isinstance(document, InputError))
    rows = (pages.row_of(pages.page_of(document)) for document in itertools.islice(read, number))
    files.write_json_lines(documents, rows)
    settings = features.Settings(length, length * 3 // 8, UNANSWERED, SEED)  # the demo's stride is 48 of 128
    features.build(str(documents), loading.load_tokenizer(encoder), str(path), (0, 1), settings)
    with pa.ipc.open_file(path) as reader:
        windows = reader.read_all().slice(0, number)
    if len(windows) < number:
        raise InputError(f"{nq}: found {len(windows)} windows, wanted {number}. Ask for fewer steps.")
    with pa.ipc.new_file(path, features.SCHEMA) as writer:
        writer.write_table(windows.combine_chunks())
    return path


# The ways.


@dataclass(frozen=True)
class Work:
    """What is trained, on which windows: so many steps an epoch, of so many windows each."""

    encoder: Path
    windows: Path
    steps: int
    batch: int
    precision: str = "float32"
    epochs: int = 2


def settings_of(work: Work) -> trainer.Settings:
    return trainer.Settings(
        epochs=work.epochs,
        batch_size=work.batch,
        learning_rate=LEARNING_RATE,
        warmup=0.1,
        weight_decay=0.01,
        save_steps=work.epochs * work.steps,
        threads=torch.get_num_threads(),
        seed=SEED,
        precision=work.precision,
    )


def ours(work: Work) -> None:
    """Train as the workflow does."""
    with tempfile.TemporaryDirectory() as folder:
        trainer.train(trainer.Training(str(work.encoder), [str(work.windows)], settings_of(work), folder))


def peer(work: Work) -> None:
    """Train as anybody would who uses transformers alone."""
    tokenizer = loading.load_tokenizer(work.encoder)
    model = transformers.AutoModelForQuestionAnswering.from_pretrained(work.encoder, local_files_only=True)
    with tempfile.TemporaryDirectory() as folder:
        arguments = transformers.TrainingArguments(
            output_dir=folder,
            num_train_epochs=work.epochs,
            per_device_train_batch_size=work.batch,
            learning_rate=LEARNING_RATE,
            bf16=work.precision == "bfloat16",
            use_cpu=True,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
        )
        collator = transformers.DataCollatorWithPadding(tokenizer)
        its = transformers.Trainer(model, arguments, collator, questions(work.windows))
        its.remove_callback(transformers.PrinterCallback)
        its.train()


def questions(path: Path) -> list[dict]:
    """Return the windows of a file of features, as transformers' models for question answering take them."""
    return [
        {
            "input_ids": window["input_ids"].tolist(),
            "token_type_ids": [int(i >= window["begin"]) for i in range(len(window["input_ids"]))],
            "start_positions": window["start"],
            "end_positions": window["end"],
        }
        for window in features.Features([str(path)])
    ]


WAYS = {OURS: ours, PEER: peer}


# What is measured.


def at_each_step(way: Callable[[Work], None], work: Work, call: Callable[[int], object]) -> None:
    """Train, and call something with the number of each step, 1 and up, once the optimizer has made it.

    Raises InputError where there are more or fewer steps than wanted.
    """
    steps = work.epochs * work.steps
    counter = itertools.count(1)
    hook = register_optimizer_step_post_hook(lambda *_: call(next(counter)))
    try:
        way(work)
    finally:
        hook.remove()
    if (found := next(counter) - 1) != steps:
        raise InputError(f"found {found} steps of PyTorch's optimizers in this process, wanted {steps}.")


def seconds(way: Callable[[Work], None], work: Work) -> float:
    """Return how many seconds the last epoch takes."""
    moments: list[float] = []
    at_each_step(way, work, lambda _: moments.append(time.perf_counter()))
    return moments[-1] - moments[-1 - work.steps]


def shares(way: Callable[[Work], None], work: Work) -> dict[str, float]:
    """Return the share of each row of ``ROWS``, and of the rest, in the time of the last epoch, in percent."""
    profiler, moments = torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]), []

    def call(step: int) -> None:
        if step == (work.epochs - 1) * work.steps:
            profiler.start()
            moments.append(time.perf_counter())
        elif step == work.epochs * work.steps:
            moments.append(time.perf_counter())
            profiler.stop()

    at_each_step(way, work, call)
    found: Counter[str] = Counter()
    for event in profiler.events():
        found[row_of(event)] += event.self_cpu_time_total / (moments[1] - moments[0]) / 1e4
    named = {row: found[row] for row in ROWS}
    return {**named, REST: 100 - sum(named.values())}


def row_of(event: torch.autograd.profiler_util.FunctionEvent) -> str:
    """Return the row that an operation's own time belongs to."""
    path, parent = event.name, event.cpu_parent
    while parent:
        path, parent = f"{parent.name}/{path}", parent.cpu_parent
    return next((row for row, pattern in ROWS.items() if re.search(pattern, path)), REST)


def compare(work: Work, rounds: int) -> str:
    """Measure both ways; returns the table, in Markdown."""
    lengths = features.Features([str(work.windows)]).lengths.tolist()
    plain = extraction.load_plain(work.encoder, work.precision)
    products = roofline.best(roofline.candidates(plain, work.precision, training=True))
    measurements = {name: partial(seconds, way, work) for name, way in WAYS.items()}
    measured = turns.in_turn({"rate": partial(roofline.rate, products), **measurements}, rounds)
    rates = measured.pop("rate")
    limits = [roofline.training_flops(plain, lengths) / rate for rate in rates]
    limit = f"roofline: {statistics.median(rates) / 1e9:,.0f} GFLOP/s ({products[0]})"
    return extraction.table(work.precision, sum(lengths), limit, limits, measured)


def profile(work: Work) -> str:
    """Tell where the time of a step goes, in Markdown."""
    found = {name: shares(way, work) for name, way in WAYS.items()}
    rows = [(row, *(f"{each[row]:.1f}" for each in found.values())) for row in (*ROWS, REST)]
    return markdown((f"{work.precision}, % of a step", *found), rows, tuple(found)).rstrip()


def memory(work: Work) -> str:
    """Tell how much memory this process has before a training and after each of its epochs, in Markdown."""
    process, found = psutil.Process(), {}

    def call(step: int) -> None:
        if step % work.steps == 0:
            found[f"step {step}"] = f"{process.memory_info().rss / 2**20:,.0f}"

    call(0)
    at_each_step(ours, work, call)
    return markdown(("resident memory", *found), [("MiB", *found.values())], tuple(found)).rstrip()


def tables(work: Work, given: argparse.Namespace) -> Iterator[str]:
    """Yield what was asked for, and first of what it is told."""
    lengths = features.Features([str(work.windows)]).lengths
    yield (
        f"{work.steps} steps of {work.batch} windows, {lengths.sum():,} subtokens, {lengths.max()} at most in a window; "
        f"{torch.get_num_threads()} threads, {given.rounds} rounds."
    )
    if given.memory:
        yield memory(replace(work, precision="auto", epochs=TENTHS))
        return
    for precision in extraction.PRECISIONS:
        typed = replace(work, precision=precision)
        yield profile(typed) if given.profile else compare(typed, given.rounds)


def main() -> None:
    """Measure each encoder of which steps are wanted, or the memory of MiniLM's training."""
    given = turns.options(__doc__, rounds=3, minilm=20, bert=3, batch=8, length=0, profile=False, memory=0)
    if torch.cuda.is_available():  # where the library would train, and nothing else here
        raise InputError("found a GPU, and processors are compared here. Set CUDA_VISIBLE_DEVICES to nothing.")
    encoders = [("MiniLM", extraction.minilm, given.minilm, 128), ("BERT-base's shape", extraction.bert, given.bert, 384)]
    if given.memory:
        encoders = [("MiniLM", extraction.minilm, given.memory // TENTHS, 128)]
    with tempfile.TemporaryDirectory() as temporary:
        for title, encoder_of, steps, length in encoders:
            if steps:
                print(f"## Training, {title}\n", flush=True)
                encoder, folder = encoder_of(Path(temporary)), Path(temporary)
                windows = write_windows(given.nq, encoder, folder, given.length or length, steps * given.batch)
                for table in tables(Work(encoder, windows, steps, given.batch), given):
                    print(f"{table}\n", flush=True)


if __name__ == "__main__":
    main()
