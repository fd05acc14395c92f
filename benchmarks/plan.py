"""What a configuration will cost: time, memory and disk of every stage, from the data sets' counts and a machine's rates.

    .venv/bin/python benchmarks/plan.py CONFIG ...          the lines at the head of a configuration
    .venv/bin/python benchmarks/plan.py --table CONFIG      every stage on three machines, as a Markdown table
    .venv/bin/python benchmarks/plan.py --write             the table of config/paper.yaml into config/README.md
    .venv/bin/python benchmarks/plan.py --measure           this machine's rates, for a Machine of your own below

The counts are the data sets' own. How much of a page is read is known within bounds only (see ``budget.SOURCES``), so what
depends on it is given as a range.
"""

import argparse
import math
import os
import resource
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import yaml

from pairprobe.configuration.schema import check, read_schema
from pairprobe.configuration.sharding import CUT, HIDDEN, LAYERS, QUESTION, SOURCES, SPECIAL, SPLITS, Source, count_windows
from pairprobe.data import sources
from pairprobe.data.partitions import PARTITIONS
from pairprobe.errors import InputError

ROOT = Path(__file__).parents[1]
PAPER, README = ROOT / "config/paper.yaml", ROOT / "config/README.md"
BEGIN, END = "<!-- plan: begin -->", "<!-- plan: end -->"

# BERT-base: parameters of its layers with the pooler's, and the bytes of a checkpoint.
PARAMETERS, CHECKPOINT = 85.6e6, 0.44e9
# Subtokens of a paragraph that is a long answer, and of a short answer.
LONG_ANSWER, SHORT_ANSWER = 150, 6


# Alberti et al. (2019) train on about 500,000 windows; the file that they published with their program holds 494,670
# (--train_num_precomputed in its README), of the whole train set with the settings below.
PUBLISHED = 494670
JOINT_BASELINE = {"max_length": 512, "stride": 128, "unanswered": 0.02}


@dataclass(frozen=True)
class Machine:
    """A machine's rates, in subtokens a second of BERT-base over all its devices, and where they come from.

    extracting: a forward pass that keeps every layer, at 150 subtokens an example; predicting, training, heads: at 512 a
    window, the last with a frozen encoder. cores: for what needs no model; devices: jobs with a model, side by side.
    """

    name: str
    origin: str
    cores: int
    devices: int
    extracting: float
    predicting: float
    training: float
    heads: float


def flops(length: int) -> float:
    """Return the floating-point operations of a forward pass, a subtoken, in windows of so many.

    Two for each parameter; and in each layer, for each other subtoken of the window, two a dimension for its score and two
    for its share in the sum.
    """
    return 2 * PARAMETERS + 4 * length * HIDDEN * LAYERS


# The steps of `plan.py --measure`, best of three: a job of two threads in bfloat16 on two cores of an AMD EPYC with
# avx512_bf16, nothing else running.
CPU = Machine("two CPU cores", "measured", 2, 1, extracting=4640, predicting=3470, training=421, heads=2910)

# An A100's peak in bfloat16; the shares of it that forward passes and training are thought to reach; and of eight GPUs
# together, the share of eight times one.
PEAK, FORWARD, TRAINING, TOGETHER = 312e12, 0.45, 0.35, 0.9
CORES_A_GPU = 8


def gpus(name: str, number: int) -> Machine:
    """Return a machine with A100s, its rates computed: training takes three times the operations of a forward pass."""
    trained = TRAINING * PEAK / flops(512) * number * (1 if number == 1 else TOGETHER)
    extracting, predicting = (FORWARD * PEAK / flops(length) * number for length in (150, 512))
    return Machine(name, "computed", CORES_A_GPU * number, number, extracting, predicting, trained / 3, heads=trained)


MACHINES = (CPU, gpus("one GPU", 1), gpus("eight GPUs", 8))

# What follows was measured in processor time, best of three, on one of the two cores above.
# Pages a second that are read and written to their partition (300 pages of 9,000 tokens; SQuAD's questions).
PREPARED = {
    "natural_questions": 780,
    "squad": 590,
}
# Bytes a second of activations that activations.write_batch puts into HDF5, in float16.
STORED = 1.3e9
# Examples of SQuAD a second that have their synonyms found, by far the slowest of the probing sets; pairs an example, over
# the four pair tasks (327 of 1,241 examples); pairs ranked a second, at 147 words a paragraph and 13 layers.
BUILT, PAIRS, RANKED = 130, 0.26, 105
# Words of sentences a second that the boundary heads of 13 layers learn from, and GB of memory that each takes.
LEARNT, LEARNT_MEMORY = 1800, 3.5e-6
# Nobody's measure: bytes a second from the hub.
DOWNLOADED = 50e6
# Peak memory of a job in GB, with BERT-base; batches of eight windows (training, heads) or sixteen.
MEMORY = {"reading": 0.2, "cutting": 0.3, "extracting": 1, "predicting": 1.6, "training": 8.6, "heads": 1.2, "ranking": 1.1}


# Windows.


def count_holding(start: int, length: int, page: int, room: int, stride: int) -> int:
    """Count the windows of a page that hold the subtokens from ``start`` on, ``length`` of them, whole."""
    last = min(start // stride, count_windows(page, room, stride) - 1)
    return max(0, last - math.ceil(max(0, start + length - room) / stride) + 1)


def mean_holding(source: Source, page: int, room: int, stride: int) -> float:
    """Return how many windows hold the answer of a page that answers, on average.

    An answer in the first paragraph is in few windows, since none begins before the page; others may be anywhere.
    """
    total = 0.0
    for length, share in ((SHORT_ANSWER, 1 - source.long_only), (LONG_ANSWER, source.long_only)):
        for end, part in ((min(LONG_ANSWER, page), source.first), (page, 1 - source.first)):
            starts = range(max(1, end - length + 1))
            total += share * part * sum(count_holding(i, length, page, room, stride) for i in starts) / len(starts)
    return total


def count_trained(source: Source, page: int, settings: dict) -> float:
    """Return the windows that a question gives to train on: those with the answer, and a share of the others."""
    room = settings["max_length"] - QUESTION - SPECIAL
    answered = source.answered * mean_holding(source, page, room, settings["stride"])
    return answered + settings["unanswered"] * (count_windows(page, room, settings["stride"]) - answered)


# Work and stages.


@dataclass(frozen=True)
class Work:
    """What a configuration asks for.

    questions, paragraphs, short: the questions read, those with a paragraph that answers, and with a short answer in it.
    size, packed: bytes to download, and of the pages that are kept; prepared: pages read a second. trained, asked:
    questions; windows, predictions: their windows, of one checkpoint and epoch, and how long each is; tokens: of a page.
    views: examples and subtokens of each; activations: bytes of one checkpoint; examples: those that may have pairs;
    sentence_words: what the boundary heads learn from. fetched, finetuned: checkpoints.
    """

    questions: float
    paragraphs: float
    short: float
    files: int
    size: float
    packed: float
    prepared: float
    trained: float
    windows: float
    window_length: int
    epochs: int
    asked: float
    predictions: float
    prediction_length: int
    tokens: float
    views: tuple[tuple[float, float], ...]
    activations: float
    examples: float
    sentence_words: float
    fetched: int
    finetuned: int

    @property
    def checkpoints(self) -> int:
        """Count all checkpoints."""
        return self.fetched + self.finetuned


def read_config(path: str | Path) -> dict:
    """Read a configuration, checked, with defaults. Raises InputError where it is none that can be planned."""
    try:
        config = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: it cannot be read ({error.strerror}).") from None
    except yaml.YAMLError as error:
        raise InputError(f"{path}: no YAML ({error}).") from None
    if not isinstance(config, dict):
        raise InputError(f"{path}: a configuration is wanted, found {config!r}.")
    check(config, read_schema(str(ROOT / "workflow/schemas/config.schema.yaml")), str(path))
    sources.check(config["data"])
    if "files" in config["data"] or config["data"]["source"] not in PREPARED:
        known = ", ".join(" ".join(key) for key in SPLITS if key[0] in PREPARED)
        raise InputError(f"{path}: it downloads no split whose counts are known here. Known: {known}.")
    return config


def dealt(config: dict) -> tuple[dict[str, float], float, int]:
    """Return the questions of each partition, the bytes to download and the number of files."""
    data = config["data"]
    wanted = sources.remote_files(data)
    questions, size = dict.fromkeys(PARTITIONS, 0.0), 0.0
    for split, (pattern, number) in sources.PUBLISHED[data["source"]].files.items():
        names = wanted.keys() & {pattern.format(i=i) for i in range(number)}
        if names:
            count, gigabytes = SPLITS[data["source"], split]
            size += gigabytes * 1e9 * len(names) / number
            shares = sources.shares_of(wanted[min(names)], config["partitions"])
            for name in PARTITIONS:
                questions[name] += count * len(names) / number * data["sample"] * shares[name]
    return questions, size, len(wanted)


def work_of(config: dict, end: int) -> Work:
    """Return what a configuration asks for; end: 0 or 1, the least or the most of a page that may be read."""
    source, finetuning, evaluation = SOURCES[config["data"]["source"]], config["finetuning"], config["evaluation"]
    page, (questions, size, files) = source.read[end], dealt(config)
    everything = sum(questions.values())
    room = evaluation["max_length"] - QUESTION - SPECIAL
    asked = min(evaluation["examples"] or math.inf, questions["probe"])
    # How often each view is read: the probe's paragraphs, and the sentences of probe and head.
    paragraphs, sentences = questions["probe"] * source.paragraph, (questions["probe"] + questions["head"]) * source.short
    words = paragraphs * (source.words[0] + source.words[1]) + sentences * (source.words[0] + source.words[2])
    bytes_each = 2 if config["activations"]["storage"] == "float16" else 4
    finetuned = [each for each in config["checkpoints"].values() if each["source"] == "finetune"]
    return Work(
        questions=everything,
        paragraphs=everything * source.paragraph,
        short=everything * source.short,
        files=files,
        size=size,
        packed=(questions["finetune"] + questions["probe"]) * source.packed,
        prepared=PREPARED[config["data"]["source"]],
        trained=questions["finetune"],
        windows=questions["finetune"] * count_trained(source, page, finetuning),
        window_length=min(finetuning["max_length"], page + QUESTION + SPECIAL),
        epochs=finetuning["epochs"],
        asked=asked,
        predictions=asked * count_windows(page, room, evaluation["stride"]),
        prediction_length=min(evaluation["max_length"], page + QUESTION + SPECIAL),
        tokens=source.tokens,
        views=((paragraphs, source.subtokens[0]), (sentences, source.subtokens[1])),
        activations=words * (LAYERS + 1) * HIDDEN * bytes_each,
        examples=paragraphs,
        sentence_words=min(config["boundary"]["train_examples"] or math.inf, questions["head"] * source.short)
        * source.words[2],
        fetched=len(config["checkpoints"]) - len(finetuned),
        finetuned=sum(len(each.get("seeds", [0])) for each in finetuned),
    )


def a_subtoken(machine: Machine, length: float) -> float:
    """Return the seconds of a forward pass, which grow linearly with the length of the window that a subtoken is in."""
    short, long = 1 / machine.extracting, 1 / machine.predicting
    return short + (long - short) * (length - 150) / (512 - 150)


def seconds(work: Work, machine: Machine) -> dict[str, float]:
    """Return how long each stage takes on a machine, one stage after the other; those without work are left out."""
    longer = a_subtoken(machine, work.window_length) / a_subtoken(machine, 512)
    trained = work.windows * work.epochs * work.window_length * longer
    predicted = work.predictions * work.prediction_length * a_subtoken(machine, work.prediction_length)
    extracted = sum(number * length * a_subtoken(machine, length) for number, length in work.views)
    ranked = work.checkpoints * (work.examples * PAIRS / RANKED + work.sentence_words / LEARNT)
    found = {
        "download": (work.size + work.fetched * CHECKPOINT) / DOWNLOADED,
        "read and partition": work.questions / work.prepared / min(machine.cores, work.files),
        "features": work.fetched * work.trained * work.tokens / CUT / machine.cores,
        "fine-tuning": work.finetuned * trained / machine.training,
        "heads on the frozen encoder": work.fetched * trained / machine.heads,
        # Each job cuts its pages itself, and stores its activations.
        "predictions": work.checkpoints * (predicted + work.asked * work.tokens / CUT / machine.devices),
        "activations": work.checkpoints * (extracted + work.activations / STORED / machine.devices),
        "probing sets and ranking": work.examples / BUILT + ranked / min(machine.cores, work.checkpoints),
    }
    return {name: value for name, value in found.items() if value}


def amounts(work: Work) -> dict[str, tuple[str, float, float]]:
    """Return each stage's work in words, the memory of a job, and what it leaves on the disk, both in GB."""
    windows = f"{work.windows:,.0f} windows of {work.window_length} subtokens, {several(work.epochs, 'epoch')}"
    subtokens = sum(number * length for number, length in work.views) / 1e6
    feature = work.window_length * 4 + 60
    return {
        # A checkpoint is in the hub's cache and in results.
        "download": (
            f"{several(work.files, 'file')}, {several(work.fetched, 'checkpoint')}",
            MEMORY["reading"],
            (work.size + 2 * work.fetched * CHECKPOINT) / 1e9,
        ),
        # Pages are in a part for each file, and together.
        "read and partition": (
            f"{work.questions:,.0f} pages",
            MEMORY["reading"],
            2 * work.packed / 1e9,
        ),
        "features": (f"{work.trained:,.0f} pages", MEMORY["cutting"], work.fetched * work.windows * feature / 1e9),
        # One from which a killed training goes on has weights and AdamW's two moments.
        "fine-tuning": (windows, MEMORY["training"], (work.finetuned + 3) * CHECKPOINT / 1e9),
        "heads on the frozen encoder": (windows, MEMORY["heads"], CHECKPOINT / 1e9),
        "predictions": (
            f"{work.predictions:,.0f} windows of {work.asked:,.0f} pages, {several(work.checkpoints, 'checkpoint')}",
            MEMORY["predicting"],
            0,
        ),
        "activations": (
            f"{subtokens:,.1f} million subtokens, {several(work.checkpoints, 'checkpoint')}",
            MEMORY["extracting"],
            work.checkpoints * work.activations / 1e9,
        ),
        "probing sets and ranking": (
            f"{work.examples:,.0f} examples, {work.examples * PAIRS:,.0f} pairs, {several(work.checkpoints, 'checkpoint')}",
            MEMORY["ranking"] + work.sentence_words * LEARNT_MEMORY,
            0,
        ),
    }


# What is printed.

# Stages that no rate was measured for.
ASSUMED = {"download": " (assumed)"}


def several(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"


def duration(value: float) -> str:
    if value < 90:
        return f"{max(1, value):.0f} s"
    if value < 5400:
        return f"{value / 60:,.0f} min"
    return f"{value / 3600:,.0f} h" if value >= 36000 else f"{value / 3600:.1f} h"


def gigabytes(value: float) -> str:
    return f"{value:.1f} GB" if value < 10 else f"{value:,.0f} GB"


def between(low: str, high: str) -> str:
    """Put two texts of one form together: "3 windows" and "5 windows" are "3 to 5 windows"."""
    pairs = list(zip(low.split(" "), high.split(" "), strict=True))
    if any(a != b and not a[0].isdigit() for a, b in pairs):
        return f"{low} to {high}"
    return " ".join(a if a == b else f"{a} to {b}" for a, b in pairs)


def plan(path: str) -> list[str]:
    """Compute the lines that stand at the head of a configuration."""
    config = read_config(path)
    works = [work_of(config, end) for end in (0, 1)]
    work = works[0]
    training, held = (between(*(f"{getattr(each, what):,.0f}" for each in works)) for what in ("windows", "predictions"))
    memory = max(amounts(work)[name][1] for name in seconds(work, CPU))
    cpu, *others = (f"{each.name} {total_time(works, each)}" for each in MACHINES)
    lines = [
        f"{work.questions:,.0f} questions: {work.paragraphs:,.0f} with a paragraph that answers, "
        f"{work.short:,.0f} with a short answer in it",
        (f"training: {work.trained:,.0f} pages, {training} windows; " if work.trained else "")
        + f"answering: {work.asked:,.0f} pages, {held} windows",
        f"downloads: {gigabytes((work.size + work.fetched * CHECKPOINT) / 1e9)}; disk in all: {total_disk(works)}, "
        f"of it activations {gigabytes(work.checkpoints * work.activations / 1e9)}; memory: {memory:.0f} GB a job",
        f"time: {cpu} (measured rates); {', '.join(others)} (assumed rates)",
    ]
    return [f"# {line}" for line in lines]


def total_disk(works: list[Work]) -> str:
    return between(*(gigabytes(sum(amounts(work)[name][2] for name in seconds(work, CPU))) for work in works))


def total_time(works: list[Work], machine: Machine) -> str:
    return between(*(duration(sum(seconds(work, machine).values())) for work in works))


def table(path: str | Path) -> list[str]:
    """Compute the table of a configuration's stages, in Markdown, and what it stands on."""
    config = read_config(path)
    works = [work_of(config, end) for end in (0, 1)]
    times = [[seconds(work, machine) for machine in MACHINES] for work in works]
    rows = [("stage", "work", *(f"{each.name}, {each.origin}" for each in MACHINES), "memory a job", "disk")]
    for name in times[0][0]:
        (low, memory, small), (high, _, large) = (amounts(work)[name] for work in works)
        spent = (between(duration(a[name]), duration(b[name])) for a, b in zip(*times, strict=True))
        disk = between(gigabytes(small), gigabytes(large)) if large else "–"
        rows.append((name + ASSUMED.get(name, ""), between(low, high), *spent, f"{memory:.1f} GB", disk))
    memory = max(amounts(works[1])[name][1] for name in times[0][0])
    rows.append(("**total**", "", *(total_time(works, each) for each in MACHINES), f"{memory:.1f} GB", total_disk(works)))
    return [*markdown(rows), "", *notes(config)]


def markdown(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows]
    return [lines[0], "| " + " | ".join("-" * width for width in widths) + " |", *lines[1:]]


def notes(config: dict) -> list[str]:
    """Say what the table stands on, as a list."""
    found = [
        "**Measured**, time and memory: jobs of two threads on two cores of an AMD EPYC with avx512_bf16, BERT-base in "
        f"bfloat16: {CPU.extracting:,} subtokens/s for activations, {CPU.predicting:,} for predictions, {CPU.training:,} "
        f"in fine-tuning, {CPU.heads:,} for heads alone. `benchmarks/plan.py` says in comments how each was measured.",
        "**Computed, not measured**, for want of a GPU: a forward pass of BERT-base takes "
        f"2 · {PARAMETERS / 1e6:.1f} million + 4 · length · {HIDDEN} · {LAYERS} operations a subtoken, training three "
        f"times as many. An A100, whose peak is {PEAK / 1e12:.0f} TFLOP/s in bfloat16, is assumed to reach "
        f"{percent(FORWARD)} of it in forward passes and {percent(TRAINING)} in training; eight, {percent(TOGETHER)} of "
        f"eight times that in training, and eight times in all else; and {CORES_A_GPU} cores stand beside each. "
        "`plan.py --measure` prints a machine's own rates.",
        f"**Assumed**: downloads at {DOWNLOADED / 1e6:.0f} MB/s; as many jobs at once as there are cores or GPUs (`budget` "
        "cuts the work); each stage begins when the one before has ended.",
    ]
    batch, devices = config["finetuning"]["batch_size"], MACHINES[-1].devices
    if config["partitions"]["finetune"] and batch < 8 * devices:
        found.append(
            f"**Eight GPUs train at that speed only with about eight windows each.** `finetuning.batch_size: {batch}` "
            f"leaves {batch / devices:g} to each, and starting a step's operations then likely takes longer than computing "
            f"them. So count with the times of one GPU there, or set it to {8 * devices}, which is another training."
        )
    least, most = SOURCES[config["data"]["source"]].read
    if least < most:
        source, questions = SOURCES["natural_questions"], SPLITS["natural_questions", "train"][0]
        room, stride = JOINT_BASELINE["max_length"] - QUESTION - SPECIAL, JOINT_BASELINE["stride"]
        windows = [count_windows(page, room, stride) for page in (least, most)]
        low, high = (questions * count_trained(source, page, JOINT_BASELINE) for page in (least, most))
        found.append(
            f"**From and to**: how much of a page is read. The least, {least:,} subtokens, makes the {windows[0]} windows "
            f"a page of Alberti et al. (2019), whose program reads 48 candidates of a page; the most, {most:,}, makes "
            f"{windows[1]}, as if every token were a word of a top-level candidate. With their settings the whole train "
            f"set gives {low:,.0f} and {high:,.0f} windows to train on; they published {PUBLISHED:,}, so the first is "
            f"{percent(abs(low / PUBLISHED - 1))} too {'many' if low > PUBLISHED else 'few'}."
        )
    return [
        line
        for note in found
        for line in textwrap.wrap(note, 124, initial_indent="- ", subsequent_indent="  ", break_on_hyphens=False)
    ]


def percent(share: float) -> str:
    return f"{share * 100:.0f} %"


def written(text: str, lines: list[str]) -> str:
    """Return a text with lines in place of what is between the marks."""
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return "\n".join([before + BEGIN, *lines, END]) + after


# Measuring.


def forward(what: str, model, ids, device: str) -> tuple[Callable[[], object], int]:
    """Return forward passes as the library makes them, and their subtokens: on a processor a batch for each of two cores.

    A batch is one of 1,024 subtokens of which every layer is kept, or of sixteen windows.
    """
    import torch

    from pairprobe.activations import extraction
    from pairprobe.checkpoints import cpu_kernels, devices
    from pairprobe.checkpoints.tokenization import NO_WORD, Encoding

    cpu_kernels.speed_up(model.bert, device)
    rows = ids.to(device)
    on_gpu = device != "cpu"
    short = [Encoding(row[:150].numpy(), row[:150].numpy() * 0, row[:150].numpy() * 0 + NO_WORD, 0, 0) for row in ids]
    batch = short if on_gpu else short[:7]

    def one(_: int) -> None:
        if what == "extracting":
            list(extraction.hidden_states(model.bert, batch, device))
        else:
            with torch.inference_mode():
                model(input_ids=rows)

    def run() -> None:
        with devices.side_by_side(2, device) as pool:
            list(pool.map(one, range(1 if on_gpu else 2)))

    subtokens = len(batch) * 150 if what == "extracting" else rows.numel()
    return run, subtokens * (1 if on_gpu else 2)


def steps(what: str, device: str) -> tuple[Callable[[], object], int]:
    """Return a step of a stage on a BERT-base with random weights, and the subtokens that it takes."""
    import torch
    from transformers import BertConfig, BertForQuestionAnswering

    from pairprobe.finetuning.joint_model import JointModel

    torch.manual_seed(13)
    model = BertForQuestionAnswering(BertConfig()).to(device)
    ids = torch.randint(1000, 30000, (16, 512))
    if what in ("extracting", "predicting"):
        return forward(what, model.to(torch.bfloat16).eval(), ids, device)
    model.train()
    if what == "heads":
        JointModel(model, frozen=True).compute_frozen("bfloat16", device)
    optimizer = torch.optim.AdamW([weights for weights in model.parameters() if weights.requires_grad])
    rows, first = ids[:8].to(device), torch.arange(8, device=device)

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast(device, torch.bfloat16):
            model(input_ids=rows, start_positions=first, end_positions=first + 2).loss.backward()
        optimizer.step()

    return step, rows.numel()


def measure(what: str) -> None:
    """Print one rate of this machine, by the clock, the best of three, and the peak memory; nothing else should run on it.

    Without a GPU it is that of a job of two threads. (Twice that of one is too much for training, whose random numbers for
    dropout one thread draws.)
    """
    import torch

    gpu = torch.cuda.is_available()
    settle, repeats = (torch.cuda.synchronize, 20) if gpu else (int, 1)
    torch.set_num_threads(2)
    step, subtokens = steps(what, "cuda" if gpu else "cpu")
    best = math.inf
    for repeated in (1, repeats, repeats, repeats):
        settle()
        started = time.perf_counter()
        for _ in range(repeated):
            step()
        settle()
        best = min(best, (time.perf_counter() - started) / repeated)
    name = torch.cuda.get_device_name() if gpu else f"two threads (load now {os.getloadavg()[0]:.1f})"
    # On Linux ru_maxrss is in KiB.
    memory = torch.cuda.max_memory_allocated() if gpu else 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"{what:10} {subtokens / best:10,.0f} subtokens/s {memory / 1e9:6.1f} GB   {name}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("configs", nargs="*", metavar="CONFIG", help="print the lines at the head of each")
    parser.add_argument("--table", metavar="CONFIG", help="print the table of its stages")
    parser.add_argument("--write", action="store_true", help="write the table of config/paper.yaml into config/README.md")
    parser.add_argument("--measure", nargs="?", const="all", metavar="STAGE", help="measure this machine's rates")
    given = parser.parse_args()
    try:
        for path in given.configs:
            print(path, *plan(path), sep="\n")
        if given.table:
            print(*table(given.table), sep="\n")
        if given.write:
            README.write_text(written(README.read_text(encoding="utf-8"), table(PAPER)), encoding="utf-8")
    except InputError as error:
        sys.exit(f"error: {error}")
    if given.measure == "all":
        # Each in a process of its own, since peak memory is a process's.
        for what in ("extracting", "predicting", "training", "heads"):
            subprocess.run([sys.executable, __file__, "--measure", what], check=True)
    elif given.measure:
        measure(given.measure)


if __name__ == "__main__":
    main()
